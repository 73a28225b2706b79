/* SPDX-License-Identifier: MIT */
/*
 * Moving bytes between files without a process in between: sendfile(2), copy_file_range(2), splice(2).
 *
 * A bounce buffer of up to 64 KiB goes round; nothing is locked meanwhile. The position of a source that has one moves
 * by what was written. A pipe lends its pages, and has back what could not be written. What came out of a terminal and
 * could not be written at all is lost, as the error tells.
 */
#include "internal.h"
#include <kernel/file/pipe.h>
#include <kernel/file/splice.h>

#include <kernel/base/syscall.h>
#include <kernel/mem/page.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/watch.h>

enum : size_t { BOUNCE = 65536, TRANSFER_MAX = 0x7ffff000 };
struct transfer {
	struct file *from, *to;
	uint64_t *from_pos, *to_pos; /* never nullptr; moved by what went over */
	uint32_t how;		     /* IO_* */
};

static bool is_pipe(struct file *f)
{
	return pipe_get_size(f) > 0;
}

static long write_all(struct file *to, const char *bytes, size_t n, uint64_t *pos, uint32_t how)
{
	size_t done = 0;

	while (done < n) {
		struct io_buffer buf = {.kernel = (void *)(bytes + done), .how = how};
		long part = guard_run(to->ops->component, to->ops->write(to, &buf, n - done, pos));

		if (part <= 0)
			return done > 0 ? (long)done : part;
		done += (size_t)part;
	}
	return (long)done;
}

/* Writes n bytes from the pages that a pipe lends. */
static long write_loan(struct transfer *t, const struct pipe_loan *loan, size_t n)
{
	size_t done = 0;
	long part = 0;

	for (uint32_t k = 0; k < loan->count && done < n; k++) {
		const struct pipe_buffer *b = &loan->buffers[k];
		size_t want = MIN((size_t)b->length, n - done);

		part = write_all(t->to, (const char *)page_address(b->page) + b->offset, want, t->to_pos,
				 t->how & ~(uint32_t)IO_NOWAIT);
		done += part > 0 ? (size_t)part : 0;
		if (part < (long)want)
			break;
	}
	return done > 0 ? (long)done : part;
}

/* Once: what a pipe has is enough. */
static long transfer_from_pipe(struct transfer *t, size_t n)
{
	struct pipe_loan loan;
	/* So that a wait for room, which a signal ends, comes before the bytes are away from their pipe. */
	long room = pipe_wait_room(t->to, t->how & IO_NOWAIT);

	if (room < 0)
		return room;
	long got = pipe_borrow(t->from, &loan, MIN(n, (size_t)room), t->how & IO_NOWAIT);
	if (got <= 0)
		return got;
	long result = write_loan(t, &loan, (size_t)got);
	pipe_return(t->from, &loan, result > 0 ? (size_t)result : 0);
	return result;
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
		struct io_buffer buf = {.kernel = bounce, .how = t->how};
		uint64_t pos = *t->from_pos;
		/* What is read of a terminal is gone: a signal must not end the call before it is written. */
		long room = pipe_wait_room(t->to, t->how & IO_NOWAIT);
		if (room < 0) {
			result = room;
			break;
		}
		long got = guard_run(t->from->ops->component,
				     t->from->ops->read(t->from, &buf, MIN(n - done, MIN(BOUNCE, (size_t)room)), &pos));

		result = got;
		if (got <= 0)
			break;
		result = write_all(t->to, bounce, (size_t)got, t->to_pos, t->how & ~(uint32_t)IO_NOWAIT);
		if (result <= 0)
			break;
		*t->from_pos += (uint64_t)result;
		done += (size_t)result;
		if (result < got || signal_pending_current())
			break;
		/* What has no position may have no more at the moment, and a pipe no more room: what came is enough. */
		if (!(t->from->mode & FILE_POSITION) || is_pipe(t->to))
			break;
	}
	kfree(bounce);
	return done > 0 ? (long)done : result;
}

/* A position that the caller gives in memory, or the file's own. */
static int position_get(struct file *f, user_addr at, uint64_t *out)
{
	if (at.value == 0) {
		*out = f->mode & FILE_POSITION ? f->position : 0;
		return 0;
	}
	if (get_user(*out, at) != 0)
		return -EFAULT;
	return 0;
}

static int position_put(struct file *f, user_addr at, uint64_t pos)
{
	if (at.value != 0)
		return put_user(at, pos);
	if (f->mode & FILE_POSITION)
		f->position = pos;
	return 0;
}

/* A span of a file that calls may be about; n as the process gave it. */
static int check_span(uint64_t pos, size_t n)
{
	return (int64_t)pos < 0 || n > (uint64_t)INT64_MAX - pos ? -EINVAL : 0;
}

static long move(struct transfer *t, user_addr from_at, user_addr to_at, size_t n)
{
	n = MIN(n, TRANSFER_MAX);
	long done = is_pipe(t->from) ? transfer_from_pipe(t, n) : transfer(t, n);
	int error = position_put(t->from, from_at, *t->from_pos);

	if (error == 0)
		error = position_put(t->to, to_at, *t->to_pos);
	if (done > 0) {
		watch_file(t->from, IN_ACCESS);
		watch_file(t->to, IN_MODIFY);
	}
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
	if (error != 0)
		file_ref_put(e->from);
	return error;
}

static void ends_put(struct ends *e)
{
	file_ref_put(e->to);
	file_ref_put(e->from);
}

static long send(struct file *from, user_addr offset, int to_fd, size_t n)
{
	uint64_t from_pos, to_pos;
	struct file_ref to;

	if (!(from->mode & FILE_READ))
		return -EBADF;
	long error = position_get(from, offset, &from_pos);
	if (error == 0 && offset.value != 0 && !(from->mode & FILE_POSITION))
		error = -ESPIPE;
	if (error == 0)
		error = check_span(from_pos, n);
	if (error == 0)
		error = file_ref_get(to_fd, &to);
	if (error != 0)
		return error;
	error = position_get(to.file, USER_ADDR(0), &to_pos);
	if (!(to.file->mode & FILE_WRITE))
		error = -EBADF;
	else if (!(from->mode & FILE_POSITION) || from->ops->read == nullptr || to.file->ops->write == nullptr ||
		 ((to.file->flags & O_APPEND) && !is_pipe(to.file)))
		error = -EINVAL;
	struct transfer t = {from, to.file, &from_pos, &to_pos, 0};
	if (error == 0)
		error = move(&t, offset, USER_ADDR(0), n);
	file_ref_put(to);
	return error;
}

static long sys_sendfile(int to, int from, user_addr offset, size_t n)
{
	struct file_ref r;
	uint64_t pos;

	if (offset.value != 0 && get_user(pos, offset) != 0)
		return -EFAULT;
	long result = file_ref_get(from, &r);
	if (result == 0) {
		result = send(r.file, offset, to, n);
		file_ref_put(r);
	}
	/* The offset is written back whatever came of it: one that cannot be is the call's error. */
	if (result < 0 && offset.value != 0 && put_user(offset, pos) != 0)
		return -EFAULT;
	return result;
}
SYSCALL(sendfile);

static bool of_type(const struct file *f, uint32_t type)
{
	return f->inode != nullptr && (f->inode->mode & S_IFMT) == type;
}

static long copy_range(struct ends *e, user_addr from_at, user_addr to_at, size_t n, uint32_t flags)
{
	struct file *from = e->from.file, *to = e->to.file;
	uint64_t from_pos, to_pos;

	int error = position_get(from, from_at, &from_pos);
	if (error == 0)
		error = position_get(to, to_at, &to_pos);
	if (error != 0)
		return error;
	if (flags != 0)
		return syscall_refuse_flags(NR_copy_file_range, flags);
	if (of_type(from, S_IFDIR) || of_type(to, S_IFDIR))
		return -EISDIR;
	if (!of_type(from, S_IFREG) || !of_type(to, S_IFREG))
		return -EINVAL;
	if (!(from->mode & FILE_READ) || !(to->mode & FILE_WRITE) || (to->flags & O_APPEND))
		return -EBADF;
	if (from_pos + n < from_pos || to_pos + n < to_pos)
		return -EOVERFLOW;
	if (from->ops->read == nullptr || to->ops->write == nullptr)
		return -EINVAL;
	uint64_t size = from->inode->size;
	n = from_pos >= size ? 0 : MIN(n, size - from_pos);
	if (check_span(from_pos, n) != 0 || check_span(to_pos, n) != 0)
		return -EINVAL;
	if (from->inode == to->inode && from_pos < to_pos + n && to_pos < from_pos + n)
		return -EINVAL;
	struct transfer t = {from, to, &from_pos, &to_pos, 0};
	return n > 0 ? move(&t, from_at, to_at, n) : 0;
}

static long sys_copy_file_range(int from, user_addr from_at, int to, user_addr to_at, size_t n, uint32_t flags)
{
	struct ends e;

	int error = ends_get(from, to, &e);
	if (error != 0)
		return error;
	long result = copy_range(&e, from_at, to_at, n, flags);
	ends_put(&e);
	return result;
}
SYSCALL(copy_file_range);

/* What splice asks of an end that is no pipe. */
static int check_far_end(const struct file *f, user_addr at, bool to)
{
	if (at.value != 0 && !(f->mode & FILE_POSITION))
		return -EINVAL;
	if (to && (f->flags & O_APPEND))
		return -EINVAL;
	return (to ? f->ops->write : f->ops->read) == nullptr ? -EINVAL : 0;
}

static long splice(struct ends *e, user_addr from_at, user_addr to_at, size_t n, uint32_t flags)
{
	struct file *from = e->from.file, *to = e->to.file;
	bool from_pipe = is_pipe(from), to_pipe = is_pipe(to);
	uint64_t from_pos, to_pos;

	if ((from_pipe && from_at.value != 0) || (to_pipe && to_at.value != 0))
		return -ESPIPE;
	int error = position_get(to, to_at, &to_pos);
	if (error == 0)
		error = position_get(from, from_at, &from_pos);
	if (error != 0)
		return error;
	if (!(from->mode & FILE_READ) || !(to->mode & FILE_WRITE))
		return -EBADF;
	if ((!from_pipe && !to_pipe) || (from_pipe && to_pipe && from->inode == to->inode))
		return -EINVAL;
	if (!to_pipe)
		error = check_far_end(to, to_at, true);
	if (error == 0 && !from_pipe)
		error = check_far_end(from, from_at, false);
	if (error == 0)
		error = check_span(to_pipe ? from_pos : to_pos, MIN(n, TRANSFER_MAX));
	if (error != 0)
		return error;
	struct transfer t = {from, to, &from_pos, &to_pos, IO_NO_MERGE | (flags & SPLICE_F_NONBLOCK ? IO_NOWAIT : 0)};
	return move(&t, from_at, to_at, n);
}

static long sys_splice(int from, user_addr from_at, int to, user_addr to_at, size_t n, uint32_t flags)
{
	struct ends e;

	if (n == 0)
		return 0;
	if (flags & ~(uint32_t)SPLICE_KNOWN)
		return syscall_refuse_flags(NR_splice, flags);
	int error = ends_get(from, to, &e);
	if (error != 0)
		return error;
	long result = splice(&e, from_at, to_at, n, flags);
	ends_put(&e);
	return result;
}
SYSCALL(splice);
