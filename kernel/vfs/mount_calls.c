/* SPDX-License-Identifier: MIT */
/* mount(2), umount2(2), and mounting for the kernel itself; and a mount's flags as text. */
#include "internal.h"
#include "mount.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/mem/text.h>
#include <kernel/thread/guard.h>

enum : uint32_t {
	/* They allow what is done anyway: to say little, and to keep times in memory. */
	MOUNT_HINTS = MS_SILENT | MS_LAZYTIME,
	MOUNT_KNOWN = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_REMOUNT | MS_NOSYMFOLLOW | MS_NOATIME |
		      MS_NODIRATIME | MS_BIND | MS_MOVE | MS_REC | MS_RELATIME | MS_STRICTATIME | MS_PRIVATE |
		      MS_SHARED | MS_SLAVE | MS_UNBINDABLE | MOUNT_HINTS,
	PROPAGATION = MS_PRIVATE | MS_SHARED | MS_SLAVE | MS_UNBINDABLE,
	MAGIC = 0xc0ed0000,
	MAGIC_MASK = 0xffff0000,
};

struct mount_texts {
	struct path_text source, type;
	bool has_type;
	char *data;
};

/* Absent strings are empty ones. */
static int text_get(struct path_text *t, user_addr at)
{
	if (at.value != 0)
		return path_text_get(t, at);
	t->text = t->small;
	t->small[0] = '\0';
	return 0;
}

static int data_get(char **out, user_addr at)
{
	*out = kmalloc(PATH_MAX);
	if (*out == nullptr)
		return -ENOMEM;
	if (at.value == 0)
		return 0;
	/* Filesystems take text only, of less than a page. */
	long n = copy_string_from_user(*out, at, PATH_MAX);
	return n == -ENAMETOOLONG ? -EINVAL : n < 0 ? (int)n : 0;
}

int mount_filesystem(const char *type, const char *source, const char *target, uint32_t flags, const char *data)
{
	struct path at;

	int error = path_lookup(AT_FDCWD, target, WALK_FOLLOW, &at);
	if (error != 0)
		return error;
	error = mount_at(&at, type, source, flags, data);
	path_put(&at);
	return error;
}

static int move(const char *from_path, struct path *at)
{
	struct path from;

	int error = path_lookup(AT_FDCWD, from_path, WALK_FOLLOW, &from);
	if (error != 0)
		return error;
	error = mount_move(&from, at);
	path_put(&from);
	return error;
}

/* Mounts propagate nowhere: private is what they are. */
static int propagate(const struct path *at, uint32_t flags)
{
	uint32_t kind = flags & ~(uint32_t)(MS_REC | MS_SILENT);

	return at->dentry == at->mount->root && (kind == MS_PRIVATE || kind == MS_SLAVE) ? 0 : -EINVAL;
}

static int do_mount(struct mount_texts *t, struct path *at, uint32_t flags)
{
	if (flags & MS_REMOUNT)
		return mount_remount(at, flags, flags & MS_BIND, t->data);
	if (!(flags & MS_BIND) && (flags & PROPAGATION))
		return propagate(at, flags);
	/* No source is not a path that is not there. */
	if ((flags & (MS_BIND | MS_MOVE)) && *t->source.text == '\0')
		return -EINVAL;
	if (flags & MS_BIND)
		return mount_bind(t->source.text, at, flags & MS_REC);
	if (flags & MS_MOVE)
		return move(t->source.text, at);
	if (!t->has_type)
		return -EINVAL;
	return mount_at(at, t->type.text, *t->source.text != '\0' ? t->source.text : "none", flags, t->data);
}

/* All that is given has been read by now; the place is looked for before rights and flags are. */
static int mount_target(struct mount_texts *t, user_addr target, uint64_t flags)
{
	struct path at;

	int error = path_lookup_user(AT_FDCWD, target, WALK_FOLLOW, &at);
	if (error != 0)
		return error;
	error = CAP_CHECK(CAP_SYS_ADMIN);
	if (error == 0 && (flags & ~(uint64_t)MOUNT_KNOWN))
		error = (int)syscall_refuse_flags(NR_mount, flags);
	if (error == 0)
		error = do_mount(t, &at, (uint32_t)flags);
	path_put(&at);
	return error;
}

static int mount_with_data(struct mount_texts *t, user_addr target, user_addr data, uint64_t flags)
{
	int error = data_get(&t->data, data);

	if (error == 0)
		error = mount_target(t, target, flags);
	kfree(t->data);
	return error;
}

static long sys_mount(user_addr source, user_addr target, user_addr type, uint64_t flags, user_addr data)
{
	struct mount_texts t = {.has_type = type.value != 0};

	if ((flags & MAGIC_MASK) == MAGIC)
		flags &= ~(uint64_t)MAGIC_MASK;
	int error = text_get(&t.type, type);
	if (error != 0)
		return error;
	error = text_get(&t.source, source);
	if (error == 0) {
		error = mount_with_data(&t, target, data, flags);
		path_text_free(&t.source);
	}
	path_text_free(&t.type);
	return error;
}
SYSCALL(mount);

static long sys_umount2(user_addr target, uint32_t flags)
{
	struct path p;

	if (flags & ~(uint32_t)(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return syscall_refuse_flags(NR_umount2, flags);
	int error = path_lookup_user(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : (uint32_t)WALK_FOLLOW, &p);
	if (error != 0)
		return error;
	error = CAP_CHECK(CAP_SYS_ADMIN);
	if (error == 0 && p.dentry != p.mount->root)
		error = -EINVAL;
	/* Nothing expires. No filesystem has requests that could be given up: MNT_FORCE changes nothing (umount(2)). */
	if (error == 0 && (flags & MNT_EXPIRE))
		error = (int)syscall_refuse_flags(NR_umount2, flags);
	if (error == 0)
		error = mount_detach_path(&p, flags);
	path_put(&p);
	return error;
}
SYSCALL(umount2);

void mount_show_flags(struct mount *m, struct text_buffer *b)
{
	static const struct {
		uint32_t flag;
		const char *text;
	} names[] = {
		{MS_NOSUID, ",nosuid"},	  {MS_NODEV, ",nodev"},		  {MS_NOEXEC, ",noexec"},
		{MS_NOATIME, ",noatime"}, {MS_NODIRATIME, ",nodiratime"}, {MS_RELATIME, ",relatime"},
	};
	uint32_t flags = m->flags;

	text_printf(b, "%s", flags & MS_RDONLY ? "ro" : "rw");
	for (size_t n = 0; n < ARRAY_LEN(names); n++) {
		if (flags & names[n].flag)
			text_printf(b, "%s", names[n].text);
	}
}

void mount_show_options(struct mount *m, struct text_buffer *b)
{
	mount_show_flags(m, b);
	if (m->sb->ops->show_options != nullptr)
		(void)guard_run_void(m->sb->type->component, m->sb->ops->show_options(m->sb, b));
}
