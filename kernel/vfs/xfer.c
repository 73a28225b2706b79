/* SPDX-License-Identifier: MIT */
/*
 * Moving bytes between files without a process in between: sendfile(2), copy_file_range(2), splice(2).
 *
 * A bounce buffer of up to 64 KiB goes round; nothing is locked meanwhile. The position of a source that has one moves
 * by what was written. What came out of a pipe or terminal and could not be written at all is lost, as the error tells.
 */
#include "internal.h"
#include "pipe.h"

#include <kernel/guard.h>
#include <kernel/process.h>
#include <kernel/syscall.h>

enum : size_t { BOUNCE = 65536, TRANSFER_MAX = 0x7ffff000 };
enum : uint32_t { SPLICE_F_MOVE = 1, SPLICE_F_NONBLOCK = 2, SPLICE_F_MORE = 4, SPLICE_F_GIFT = 8 };

struct transfer {
	struct file *from, *to;
	uint64_t *from_pos, *to_pos; /* never nullptr; moved by what went over */
};

static long write_all(struct file *to, const char *bytes, size_t n, uint64_t *pos)
{
	size_t done = 0;

	while (done < n) {
		struct io_buffer buf = {.kernel = (void *)(bytes + done)};
		long part = guard_run(to->ops->component, to->ops->write(to, &buf, n - done, pos));

		if (part <= 0)
			return done > 0 ? (long)done : part;
		done += (size_t)part;
	}
	return (long)done;
}

/* Bytes moved, or the error if none were. */
static long transfer(struct transfer *t, size_t n)
{
	char *bounce = kmalloc(MIN(MAX(n, (size_t)1), BOUNCE));
	size_t done = 0;
	long result = 0;

	if (bounce == nullptr)
		return -ENOMEM;
	while (done < n) {
		struct io_buffer buf = {.kernel = bounce};
		uint64_t pos = *t->from_pos;
		long room = BOUNCE;

		/* What is read of a pipe or terminal is gone: a signal must not end the call before it is written. */
		if (!(t->from->mode & FILE_POSITION))
			room = pipe_wait_room(t->to);
		if (room < 0) {
			result = room;
			break;
		}
		long got = guard_run(t->from->ops->component,
				     t->from->ops->read(t->from, &buf, MIN(n - done, MIN(BOUNCE, (size_t)room)), &pos));

		result = got;
		if (got <= 0)
			break;
		result = write_all(t->to, bounce, (size_t)got, t->to_pos);
		if (result <= 0)
			break;
		*t->from_pos += (uint64_t)result;
		done += (size_t)result;
		if (result < got || signal_pending_current())
			break;
		/* What has no position may have no more at the moment: what came is enough. */
		if (!(t->from->mode & FILE_POSITION))
			break;
	}
	kfree(bounce);
	return done > 0 ? (long)done : result;
}

static int check_ends(const struct file *from, const struct file *to)
{
	if (!(from->mode & FILE_READ) || !(to->mode & FILE_WRITE))
		return -EBADF;
	if (from->ops->read == nullptr || to->ops->write == nullptr)
		return -EINVAL;
	return 0;
}

/* A position that the caller gives in memory, or the file's own. */
static int position_get(struct file *f, user_addr at, uint64_t *out)
{
	if (at.value == 0) {
		*out = f->mode & FILE_POSITION ? f->position : 0;
		return 0;
	}
	if (!(f->mode & FILE_POSITION))
		return -ESPIPE;
	if (get_user(*out, at) != 0)
		return -EFAULT;
	return (int64_t)*out < 0 ? -EINVAL : 0;
}

static int position_put(struct file *f, user_addr at, uint64_t pos)
{
	if (at.value != 0)
		return put_user(at, pos);
	if (f->mode & FILE_POSITION)
		f->position = pos;
	return 0;
}

static long move(struct file *from, user_addr from_at, struct file *to, user_addr to_at, size_t n)
{
	uint64_t from_pos, to_pos;
	struct transfer t = {from, to, &from_pos, &to_pos};

	int error = position_get(from, from_at, &from_pos);
	if (error == 0)
		error = position_get(to, to_at, &to_pos);
	if (error != 0)
		return error;
	long done = transfer(&t, MIN(n, TRANSFER_MAX));
	error = position_put(from, from_at, from_pos);
	if (error == 0)
		error = position_put(to, to_at, to_pos);
	return error != 0 ? error : done;
}

struct ends {
	struct file_ref from, to;
};

static int ends_get(int from, int to, struct ends *e)
{
	int error = file_ref_get(from, &e->from);

	if (error != 0)
		return error;
	error = file_ref_get(to, &e->to);
	if (error == 0) {
		error = check_ends(e->from.file, e->to.file);
		if (error != 0)
			file_ref_put(e->to);
	}
	if (error != 0)
		file_ref_put(e->from);
	return error;
}

static void ends_put(struct ends *e)
{
	file_ref_put(e->to);
	file_ref_put(e->from);
}

static long sys_sendfile(int to, int from, user_addr offset, size_t n)
{
	struct ends e;

	int error = ends_get(from, to, &e);
	if (error != 0)
		return error;
	long result = -EINVAL;
	if ((e.from.file->mode & FILE_POSITION) && !(e.to.file->flags & O_APPEND))
		result = move(e.from.file, offset, e.to.file, USER_ADDR(0), n);
	ends_put(&e);
	return result;
}
SYSCALL(sendfile);

static bool regular(const struct file *f)
{
	return f->inode != nullptr && S_ISREG(f->inode->mode);
}

static long copy_range(struct ends *e, user_addr from_at, user_addr to_at, size_t n)
{
	struct file *from = e->from.file, *to = e->to.file;
	uint64_t from_pos, to_pos;

	if (!regular(from) || !regular(to))
		return (from->inode != nullptr && S_ISDIR(from->inode->mode)) ||
				       (to->inode != nullptr && S_ISDIR(to->inode->mode))
			       ? -EISDIR
			       : -EINVAL;
	if (to->flags & O_APPEND)
		return -EBADF;
	int error = position_get(from, from_at, &from_pos);
	if (error == 0)
		error = position_get(to, to_at, &to_pos);
	if (error != 0)
		return error;
	if (from->inode == to->inode && from_pos < to_pos + n && to_pos < from_pos + n)
		return -EINVAL;
	return move(from, from_at, to, to_at, n);
}

static long sys_copy_file_range(int from, user_addr from_at, int to, user_addr to_at, size_t n, uint32_t flags)
{
	struct ends e;

	if (flags != 0)
		return syscall_refuse_flags(NR_copy_file_range, flags);
	int error = ends_get(from, to, &e);
	if (error != 0)
		return error;
	long result = copy_range(&e, from_at, to_at, n);
	ends_put(&e);
	return result;
}
SYSCALL(copy_file_range);

static long sys_splice(int from, user_addr from_at, int to, user_addr to_at, size_t n, uint32_t flags)
{
	struct ends e;

	if (flags & ~(uint32_t)(SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT))
		return syscall_refuse_flags(NR_splice, flags);
	int error = ends_get(from, to, &e);
	if (error != 0)
		return error;
	bool from_pipe = pipe_get_size(e.from.file) > 0, to_pipe = pipe_get_size(e.to.file) > 0;
	long result;
	if (!from_pipe && !to_pipe)
		result = -EINVAL;
	else if ((from_pipe && from_at.value != 0) || (to_pipe && to_at.value != 0))
		result = -ESPIPE;
	else if (from_pipe && to_pipe && e.from.file->inode == e.to.file->inode)
		result = -EINVAL;
	else if ((flags & SPLICE_F_NONBLOCK) && from_pipe && !pipe_has_bytes(e.from.file))
		result = -EAGAIN;
	else
		result = move(e.from.file, from_at, e.to.file, to_at, n);
	ends_put(&e);
	return result;
}
SYSCALL(splice);
