/* SPDX-License-Identifier: MIT */
/* /proc/PID/{mounts,mountinfo}: the mount table as fstab(5) and proc(5) write it. */
#include "procfs.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

enum : size_t { PATH_SIZE = 4096 };

struct mounts_context {
	struct text_buffer *b;
	char *path;
};

/* What separates fields. A line that begins with '#' would be a comment. */
#define FIELD	 " \t\n\\"
#define ANY_NAME FIELD "#"

static const char *place_of(struct mounts_context *c, struct mount *m)
{
	struct path p = {m, m->root};

	return path_format(&p, c->path, PATH_SIZE) >= 0 ? c->path : "/";
}

static int show_mount(void *ctx, struct mount *m)
{
	struct mounts_context *c = ctx;

	text_escape(c->b, m->source, ANY_NAME);
	text_append(c->b, " ", 1);
	text_escape(c->b, place_of(c, m), FIELD);
	text_printf(c->b, " %s ", m->sb->type->name);
	mount_show_options(m, c->b);
	text_printf(c->b, " 0 0\n");
	return 0;
}

/* The path within the filesystem of a mount's root: other than "/" for bind mounts of a directory. */
static void append_root(struct mounts_context *c, struct mount *m)
{
	size_t at = PATH_SIZE - 1;
	struct dentry *d = m->root;

	c->path[at] = '\0';
	for (; d->parent != d && at > d->length + 1u; d = d->parent) {
		at -= d->length + 1;
		c->path[at] = '/';
		memcpy(c->path + at + 1, d->name, d->length);
	}
	text_escape(c->b, c->path[at] != '\0' ? c->path + at : "/", FIELD);
}

static int show_mountinfo(void *ctx, struct mount *m)
{
	struct mounts_context *c = ctx;

	text_printf(c->b, "%u %u %u:%u ", m->id, mount_parent_id(m), dev_major(m->sb->dev), dev_minor(m->sb->dev));
	append_root(c, m);
	text_append(c->b, " ", 1);
	text_escape(c->b, place_of(c, m), FIELD);
	text_append(c->b, " ", 1);
	mount_show_flags(m, c->b);
	text_printf(c->b, " - %s ", m->sb->type->name);
	text_escape(c->b, m->source, ANY_NAME);
	text_printf(c->b, " %s", m->sb->flags & MS_RDONLY ? "ro" : "rw");
	if (m->sb->ops->show_options != nullptr)
		(void)guard_run_void(m->sb->type->component, m->sb->ops->show_options(m->sb, c->b));
	text_printf(c->b, "\n");
	return 0;
}

static int show_all(struct text_buffer *b, int (*show)(void *ctx, struct mount *m))
{
	struct mounts_context c = {.b = b, .path = kmalloc(PATH_SIZE)};

	if (c.path == nullptr)
		return -ENOMEM;
	int error = mount_for_each(show, &c);
	kfree(c.path);
	return error;
}

int pid_show_mounts(struct text_buffer *b, struct process *, uint32_t)
{
	return show_all(b, show_mount);
}

int pid_show_mountinfo(struct text_buffer *b, struct process *, uint32_t)
{
	return show_all(b, show_mountinfo);
}
