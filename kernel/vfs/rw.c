/* SPDX-License-Identifier: MIT */
/*
 * read(2), write(2), their vector and positioned forms, lseek(2).
 *
 * No lock is held while a file's operation runs. The position of a shared description is claimed beforehand for regular
 * files: a read or write of n bytes moves it by n at once and gives back what it did not use, so that processes that
 * write to one description (a shell's redirection) do not overwrite each other. What only one process can use needs no
 * claim.
 */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/io_vector.h>
#include <kernel/file/pipe.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/io.h>
#include <kernel/vfs/watch.h>

typedef long (*io_function)(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);

/* An operation that faults leaves the position alone. */
static long run(struct file *f, io_function op, struct io_buffer *buf, size_t n, uint64_t *pos, bool write)
{
	long result = guard_run(f->ops->component, op(f, buf, n, pos));

	if (watch_any() && result > 0)
		watch_tell_file(f, write ? IN_MODIFY : IN_ACCESS);
	return result;
}

/* The position is moved by what the call may use, then by what it did not. The rarer case: what it keeps in registers
 * is not to be saved by the usual one. */
[[gnu::noinline]] static long io_claimed(struct file *f, io_function op, struct io_buffer *buf, size_t n, bool write)
{
	uint64_t size = f->inode->size;

	mutex_lock(&f->position_lock);
	uint64_t pos = f->position;
	uint64_t claim = write ? n : pos < size ? MIN(n, size - pos) : 0;
	f->position = pos + claim;
	mutex_unlock(&f->position_lock);

	uint64_t end = pos;
	long result = run(f, op, buf, n, &end, write);
	if (end != pos + claim) {
		mutex_lock(&f->position_lock);
		if (f->position == pos + claim)
			f->position = end;
		mutex_unlock(&f->position_lock);
	}
	return result;
}

/* /proc/PID/io: a call counts, whatever comes of it. */
static inline void count_io(long result, bool write)
{
	struct io_usage *u = &subject_thread_current()->io;

	if (write) {
		u->writes++;
		u->written_bytes += result > 0 ? (uint64_t)result : 0;
	} else {
		u->reads++;
		u->read_bytes += result > 0 ? (uint64_t)result : 0;
	}
}

/* Whether so many bytes from the position on are within what offsets can name. */
static inline bool span_has_end(uint64_t pos, size_t n)
{
	return n <= (uint64_t)INT64_MAX - pos;
}

static long io_at_position(struct file *f, io_function op, struct io_buffer *buf, size_t n, bool write)
{
	uint64_t pos = f->position;

	if (!(f->mode & FILE_POSITION)) {
		pos = 0;
		return run(f, op, buf, n, &pos, write);
	}
	if (!span_has_end(pos, n))
		return -EINVAL;
	if (__atomic_load_n(&f->object.refs, __ATOMIC_RELAXED) > 1 && S_ISREG(f->inode->mode) &&
	    f->inode->cache != nullptr && !(write && io_is_append(f, buf)))
		return io_claimed(f, op, buf, n, write);
	long result = run(f, op, buf, n, &pos, write);
	f->position = pos;
	return result;
}

static inline int check_io(const struct file *f, bool write, io_function *op)
{
	if (!(f->mode & (write ? FILE_WRITE : FILE_READ)))
		return -EBADF;
	*op = write ? f->ops->write : f->ops->read;
	if (*op == nullptr)
		return f->inode != nullptr && S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	return 0;
}

static inline long io_call(int fd, user_addr at, size_t n, bool write)
{
	struct file_ref r;
	io_function op;

	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	result = check_io(r.file, write, &op);
	if ((result == 0 || result == -EISDIR) && !io_user_range(at, n))
		result = -EFAULT;
	if (result == 0) {
		struct io_buffer buf = {.is_user = true, .user = at};
		result = io_at_position(r.file, op, &buf, MIN(n, IO_MAX), write);
		count_io(result, write);
	}
	file_ref_put(r);
	return result;
}

static long sys_read(int fd, user_addr at, size_t n)
{
	return io_call(fd, at, n, false);
}
SYSCALL(read);

static long sys_write(int fd, user_addr at, size_t n)
{
	return io_call(fd, at, n, true);
}
SYSCALL(write);

static long positioned(struct file *f, user_addr at, size_t n, uint64_t pos, bool write)
{
	struct io_buffer buf = {.is_user = true, .user = at};
	io_function op;

	if (!(f->mode & FILE_POSITION))
		return -ESPIPE;
	int error = check_io(f, write, &op);
	if ((error == 0 || error == -EISDIR) && !io_user_range(at, n))
		return -EFAULT;
	if (error != 0)
		return error;
	long result = span_has_end(pos, n) ? run(f, op, &buf, MIN(n, IO_MAX), &pos, write) : -EINVAL;
	count_io(result, write);
	return result;
}

static long io_positioned(int fd, user_addr at, size_t n, int64_t pos, bool write)
{
	struct file_ref r;

	if (pos < 0)
		return -EINVAL;
	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	result = positioned(r.file, at, n, (uint64_t)pos, write);
	file_ref_put(r);
	return result;
}

static long sys_pread64(int fd, user_addr at, size_t n, int64_t pos)
{
	return io_positioned(fd, at, n, pos, false);
}
SYSCALL(pread64);

static long sys_pwrite64(int fd, user_addr at, size_t n, int64_t pos)
{
	return io_positioned(fd, at, n, pos, true);
}
SYSCALL(pwrite64);

/* What a call asks for by its flags (preadv2(2)), or -EOPNOTSUPP, -EINVAL. HIPRI has nothing to poll, and files that
 * are in memory alone are as durable as they get once they are written. */
enum : uint32_t {
	RWF_HIPRI = 1,
	RWF_DSYNC = 2,
	RWF_SYNC = 4,
	RWF_NOWAIT = 8,
	RWF_APPEND = 16,
	RWF_NOAPPEND = 32,
	RWF_KNOWN = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND,
};

static int decode_flags(const struct file *f, uint32_t flags, uint32_t *how)
{
	*how = (flags & RWF_NOWAIT ? IO_NOWAIT : 0) | (flags & RWF_APPEND ? IO_APPEND : 0) |
	       (flags & RWF_NOAPPEND ? IO_NO_APPEND : 0);
	if (flags & ~(uint32_t)RWF_KNOWN) {
		(void)syscall_refuse_flags(NR_preadv2, flags);
		return -EOPNOTSUPP;
	}
	if ((flags & RWF_APPEND) && (flags & RWF_NOAPPEND))
		return -EINVAL;
	/* Pipes know how not to wait, regular files never do. */
	bool knows = file_is_pipe(f) || (f->inode != nullptr && S_ISREG(f->inode->mode));
	return (flags & RWF_NOWAIT) && !knows ? -EOPNOTSUPP : 0;
}

static long sync_after(struct file *f, uint32_t flags, long done)
{
	if (done <= 0 || !(flags & (RWF_DSYNC | RWF_SYNC)) || f->ops->fsync == nullptr)
		return done;
	long error = guard_run(f->ops->component, f->ops->fsync(f, 0, UINT64_MAX, !(flags & RWF_SYNC)));
	return error < 0 ? error : done;
}

/* A call on a vector: at the file's position, or at *pos. */
struct vector_call {
	user_addr at;
	size_t count;
	const int64_t *pos;
	uint32_t flags; /* RWF_* */
	bool write;
};

static long run_vector(struct file *f, struct io_vector *v, const struct vector_call *c)
{
	io_function op;

	long error = check_io(f, c->write, &op);
	if (error != 0 || v->total == 0)
		return error;
	error = decode_flags(f, c->flags, &v->buffer.how);
	if (error != 0)
		return error;
	uint64_t pos = c->pos != nullptr ? (uint64_t)*c->pos : 0;
	if (!span_has_end(pos, v->total))
		return -EINVAL;
	long done = c->pos != nullptr ? run(f, op, &v->buffer, v->total, &pos, c->write)
				      : io_at_position(f, op, &v->buffer, v->total, c->write);
	return c->write ? sync_after(f, c->flags, done) : done;
}

static long io_vectored(int fd, const struct vector_call *c)
{
	struct file_ref r;
	struct io_vector v;

	if (c->pos != nullptr && *c->pos < 0)
		return -EINVAL;
	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	if (c->pos != nullptr && !(r.file->mode & FILE_POSITION))
		result = -ESPIPE;
	else
		result = io_vector_get(&v, c->at, c->count, true);
	if (result == 0) {
		result = run_vector(r.file, &v, c);
		count_io(result, c->write);
		io_vector_free(&v);
	}
	file_ref_put(r);
	return result;
}

static long sys_readv(int fd, user_addr at, size_t count)
{
	return io_vectored(fd, &(struct vector_call){at, count, nullptr, 0, false});
}
SYSCALL(readv);

static long sys_writev(int fd, user_addr at, size_t count)
{
	return io_vectored(fd, &(struct vector_call){at, count, nullptr, 0, true});
}
SYSCALL(writev);

static long sys_preadv(int fd, user_addr at, size_t count, int64_t pos)
{
	return io_vectored(fd, &(struct vector_call){at, count, &pos, 0, false});
}
SYSCALL(preadv);

static long sys_pwritev(int fd, user_addr at, size_t count, int64_t pos)
{
	return io_vectored(fd, &(struct vector_call){at, count, &pos, 0, true});
}
SYSCALL(pwritev);

/* The fifth argument is the high half of pos on 32-bit machines and ignored here. */
static long sys_preadv2(int fd, user_addr at, size_t count, int64_t pos, uint64_t, uint32_t flags)
{
	return io_vectored(fd, &(struct vector_call){at, count, pos == -1 ? nullptr : &pos, flags, false});
}
SYSCALL(preadv2);

static long sys_pwritev2(int fd, user_addr at, size_t count, int64_t pos, uint64_t, uint32_t flags)
{
	return io_vectored(fd, &(struct vector_call){at, count, pos == -1 ? nullptr : &pos, flags, true});
}
SYSCALL(pwritev2);

int file_io_check(const struct file *f, uint32_t rw_flags, bool write, uint32_t *how)
{
	io_function op;
	int error = check_io(f, write, &op);

	if (error != 0)
		return error == -EISDIR ? -EINVAL : error;
	return decode_flags(f, rw_flags, how);
}

long file_io_at(struct file *f, struct io_buffer *buf, size_t n, uint64_t pos, uint32_t rw_flags, bool write)
{
	if (n == 0)
		return 0;
	if (!span_has_end(pos, n))
		return -EINVAL;
	long done = run(f, write ? f->ops->write : f->ops->read, buf, n, &pos, write);
	return write ? sync_after(f, rw_flags, done) : done;
}

long file_read_at(struct file *f, void *dst, size_t n, uint64_t pos)
{
	struct io_buffer buf = {.kernel = dst};

	return f->ops->read != nullptr ? run(f, f->ops->read, &buf, n, &pos, false) : -EINVAL;
}

long file_write_at(struct file *f, const void *src, size_t n, uint64_t pos)
{
	struct io_buffer buf = {.kernel = (void *)src};

	return f->ops->write != nullptr ? run(f, f->ops->write, &buf, n, &pos, true) : -EINVAL;
}

long file_seek_generic(struct file *f, int64_t offset, int whence)
{
	int64_t base;

	switch (whence) {
	case SEEK_SET: base = 0; break;
	case SEEK_CUR: base = (int64_t)f->position; break;
	case SEEK_END: base = (int64_t)f->inode->size; break;
	default: return -EINVAL;
	}
	int64_t to;
	if (__builtin_add_overflow(base, offset, &to))
		return -EOVERFLOW;
	if (to < 0)
		return -EINVAL;
	f->position = (uint64_t)to;
	return to;
}

static long sys_lseek(int fd, int64_t offset, int whence)
{
	struct file_ref r;

	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	if (whence < SEEK_SET || whence > SEEK_HOLE) {
		result = -EINVAL;
	} else if (r.file->ops->seek == nullptr) {
		result = -ESPIPE;
	} else {
		mutex_lock(&r.file->position_lock);
		result = guard_run(r.file->ops->component, r.file->ops->seek(r.file, offset, whence));
		mutex_unlock(&r.file->position_lock);
	}
	file_ref_put(r);
	return result;
}
SYSCALL(lseek);
