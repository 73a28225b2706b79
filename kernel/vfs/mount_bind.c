/* SPDX-License-Identifier: MIT */
/*
 * Bind mounts (mount(2), MS_BIND): a directory shown at a second place; with MS_REC what is mounted below it, too.
 */
#include "internal.h"
#include "mount.h"
#include "mount_table.h"
#include "super.h"

/* A mount that is to be copied, its copy, and where that goes. */
struct bound {
	struct list link;
	const struct mount *original;
	struct mount *copy;
	struct mount *on; /* the parent's copy; nullptr: the place that the caller names */
	struct dentry *point;
};

static bool dentry_is_below(struct dentry *d, const struct dentry *above)
{
	dentry_get(d);
	while (d != above) {
		struct dentry *parent = dentry_parent(d);
		bool top = parent == d;

		dentry_put(d);
		d = parent;
		if (top)
			break;
	}
	bool below = d == above;
	dentry_put(d);
	return below;
}

static int bind_add(struct list *all, const struct mount *m, struct dentry *root, struct mount *on,
		    struct dentry *point)
{
	struct bound *b = kmalloc(sizeof(*b));

	if (b == nullptr)
		return -ENOMEM;
	superblock_share(m->sb);
	*b = (struct bound){.original = m, .on = on, .point = point};
	b->copy = mount_create(m->sb, root, m->source, m->flags);
	if (b->copy == nullptr) {
		superblock_put(m->sb);
		kfree(b);
		return -ENOMEM;
	}
	list_push_back(all, &b->link);
	return 0;
}

/* Copies of what is mounted below `from`, parents first. mount_change keeps the tree as it is. */
static int bind_below(struct list *all, const struct path *from) REQUIRES(mount_change)
{
	struct bound *b;
	struct mount *m;
	int error = 0;

	list_for_each(b, all, link) {
		for (uint32_t id = 0; error == 0 && (m = mount_child_after(b->original, id)) != nullptr; id = m->id) {
			if (b->on != nullptr || dentry_is_below(m->point, from->dentry))
				error = bind_add(all, m, m->root, b->copy, m->point);
		}
	}
	return error;
}

/* All is made before anything is attached: a tree may be bound into itself. */
static int bind(const struct path *from, struct path *at, bool recursive)
{
	struct list all = LIST_INIT(all);
	struct bound *b, *next;

	mutex_lock(&mount_change);
	int error = bind_add(&all, from->mount, from->dentry, nullptr, nullptr);
	if (error == 0 && recursive)
		error = bind_below(&all, from);
	list_for_each(b, &all, link) {
		struct path place = {b->on, b->point};

		if (error != 0)
			break;
		if (b->on == nullptr) { /* the first */
			error = mount_attach_checked(b->copy, at);
			continue;
		}
		/* Something is mounted there in the original: nobody removes it. */
		path_get(&place);
		mount_attach(b->copy, &place);
	}
	mutex_unlock(&mount_change);
	list_for_each_safe(b, next, &all, link) {
		if (error != 0)
			mount_put(b->copy);
		kfree(b);
	}
	return error;
}

int mount_bind(const char *from_path, struct path *at, bool recursive)
{
	struct path from;

	int error = path_lookup(AT_FDCWD, from_path, WALK_FOLLOW, &from);
	if (error != 0)
		return error;
	error = bind(&from, at, recursive);
	path_put(&from);
	return error;
}
