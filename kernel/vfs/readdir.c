/* SPDX-License-Identifier: MIT */
/*
 * getdents(2) and getdents64(2). Entries are gathered in kernel memory while the directory's lock is held, then copied
 * out; the description's position is locked over both, so that two readers of one description share its entries.
 */
#include "internal.h"

#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/watch.h>

enum : size_t { BUFFER_MAX = 32768 };

struct gather {
	char *data;
	size_t size, used, last; /* last: where the previous entry begins */
	bool old_format, too_small;
};

struct entry64 {
	uint64_t ino;
	int64_t next;
	uint16_t length;
	uint8_t type;
	char name[];
};
struct entry_old { /* the type stands in the last byte */
	uint64_t ino, next;
	uint16_t length;
	char name[];
};

static bool gather_entry(void *ctx, const char *name, size_t len, uint64_t ino, uint8_t type, uint64_t next)
{
	struct gather *g = ctx;
	size_t header = g->old_format ? offsetof(struct entry_old, name) : offsetof(struct entry64, name);
	size_t bytes = align_up(header + len + 1 + g->old_format, 8);

	if (bytes > g->size - g->used) {
		g->too_small = g->used == 0;
		return false;
	}
	char *at = g->data + g->used;
	memset(at, 0, bytes);
	if (g->old_format) {
		struct entry_old *e = (struct entry_old *)at;
		e->ino = ino;
		e->next = next;
		e->length = (uint16_t)bytes;
		memcpy(e->name, name, len);
		at[bytes - 1] = (char)type;
	} else {
		struct entry64 *e = (struct entry64 *)at;
		e->ino = ino;
		e->next = (int64_t)next;
		e->length = (uint16_t)bytes;
		e->type = type;
		memcpy(e->name, name, len);
	}
	g->used += bytes;
	return true;
}

static long gather_locked(struct file *f, struct gather *g)
{
	mutex_lock(&f->position_lock);
	long result =
		f->inode->nlink == 0 ? -ENOENT : guard_run(f->ops->component, f->ops->readdir(f, gather_entry, g));
	mutex_unlock(&f->position_lock);
	return result;
}

static long getdents(int fd, user_addr at, size_t size, bool old_format)
{
	struct file_ref r;

	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	struct gather g = {.size = MIN(size, BUFFER_MAX), .old_format = old_format};
	if (r.file->ops->readdir == nullptr) {
		result = -ENOTDIR;
	} else {
		g.data = kmalloc(MAX(g.size, (size_t)1));
		result = g.data == nullptr ? -ENOMEM : gather_locked(r.file, &g);
		if (result >= 0)
			watch_file(r.file, IN_ACCESS);
	}
	file_ref_put(r);
	/* What came before an error is told first: the position is behind it, and the next call has the error. After a
	 * fault the position is not known to be. */
	if (result < 0 && result != -EFAULT && g.used > 0)
		result = 0;
	if (result == 0 && g.too_small)
		result = -EINVAL;
	if (result == 0)
		result = copy_to_user(at, g.data, g.used) == 0 ? (long)g.used : -EFAULT;
	kfree(g.data);
	return result;
}

static long sys_getdents64(int fd, user_addr at, uint32_t size)
{
	return getdents(fd, at, size, false);
}
SYSCALL(getdents64);

static long sys_getdents(int fd, user_addr at, uint32_t size)
{
	return getdents(fd, at, size, true);
}
SYSCALL_LEGACY(getdents);
