/* SPDX-License-Identifier: MIT */
/* Extended attributes of ext4 (xattr(7)), to be read: ACLs in the form that programs know. */
#include "ext4.h"

#include <abi/errno.h>
#include <lib/string.h>

/* Found, or told: no error of lib/ext4.h, which ends the walk. */
enum : int { FOUND = 1 };

struct wanted {
	const char *name;
	unsigned char *out;
	size_t size;
	long length;
};

static int take_value(void *context, const struct ext4_xattr *x)
{
	struct wanted *w = context;

	if (strcmp(x->name, w->name) != 0)
		return 0;
	if (x->is_acl) {
		w->length = ext4_acl_export(x->value, x->size, w->out, w->size);
		return w->length < 0 ? (int)w->length : FOUND;
	}
	w->length = x->size;
	if (x->size <= w->size)
		memcpy(w->out, x->value, x->size);
	return FOUND;
}

long ext4_attribute_get(struct inode *i, const char *name, void *out, size_t size)
{
	struct ext4_mount *m = mount_of(i->sb);
	struct wanted w = {.name = name, .out = out, .size = size};

	ext4_enter(m);
	int result = ext4_xattr_each(&m->fs, &node_of(i)->disk, take_value, &w);
	ext4_leave(m);
	if (result < 0)
		return ext4_told(m, result, "its attributes cannot be read", i->ino);
	return result == FOUND ? w.length : -ENODATA;
}

struct name_list {
	char *out;
	size_t size, used;
	bool trusted;
};

static int take_name(void *context, const struct ext4_xattr *x)
{
	struct name_list *l = context;

	if (!l->trusted && strncmp(x->name, "trusted.", 8) == 0)
		return 0;
	if (l->used + x->name_length + 1 <= l->size)
		memcpy(l->out + l->used, x->name, x->name_length + 1);
	l->used += x->name_length + 1;
	return 0;
}

long ext4_attribute_list(struct inode *i, char *out, size_t size, bool trusted)
{
	struct ext4_mount *m = mount_of(i->sb);
	struct name_list l = {.out = out, .size = size, .trusted = trusted};

	ext4_enter(m);
	int error = ext4_xattr_each(&m->fs, &node_of(i)->disk, take_name, &l);
	ext4_leave(m);
	return error != 0 ? ext4_told(m, error, "its attributes cannot be read", i->ino) : (long)l.used;
}
