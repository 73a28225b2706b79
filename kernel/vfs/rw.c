/* SPDX-License-Identifier: MIT */
/*
 * read(2), write(2), their vector and positioned forms, lseek(2), readahead and its like.
 *
 * No lock is held while a file's operation runs. The position of a shared description is claimed beforehand for regular
 * files: a read or write of n bytes moves it by n at once and gives back what it did not use, so that processes that
 * write to one description (a shell's redirection) do not overwrite each other. What only one process can use needs no
 * claim.
 */
#include "internal.h"

#include <kernel/guard.h>
#include <kernel/process.h>
#include <kernel/syscall.h>
#include <nucleus/layout.h>

enum : size_t { IO_MAX = 0x7ffff000, SEGMENTS_MAX = 1024, SEGMENTS_INLINE = 8 };

typedef long (*io_function)(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);

/* An operation that faults leaves the position alone. */
static long run(struct file *f, io_function op, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	return guard_run(f->ops->component, op(f, buf, n, pos));
}

/* The position is moved by what the call may use, then by what it did not. */
static long io_claimed(struct file *f, io_function op, struct io_buffer *buf, size_t n, bool write)
{
	uint64_t size = f->inode->size;

	mutex_lock(&f->position_lock);
	uint64_t pos = f->position;
	uint64_t claim = write ? n : pos < size ? MIN(n, size - pos) : 0;
	f->position = pos + claim;
	mutex_unlock(&f->position_lock);

	uint64_t end = pos;
	long result = run(f, op, buf, n, &end);
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
	struct process_usage *u = &process_thread_current()->usage;

	if (write) {
		u->writes++;
		u->written_bytes += result > 0 ? (uint64_t)result : 0;
	} else {
		u->reads++;
		u->read_bytes += result > 0 ? (uint64_t)result : 0;
	}
}

static long io_at_position(struct file *f, io_function op, struct io_buffer *buf, size_t n, bool write)
{
	uint64_t pos = f->position;

	if (!(f->mode & FILE_POSITION)) {
		pos = 0;
		return run(f, op, buf, n, &pos);
	}
	if (__atomic_load_n(&f->refs, __ATOMIC_RELAXED) > 1 && S_ISREG(f->inode->mode) && f->inode->cache != nullptr &&
	    !(write && (f->flags & O_APPEND)))
		return io_claimed(f, op, buf, n, write);
	long result = run(f, op, buf, n, &pos);
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

/* A buffer that reaches beyond the process's half of the address space is refused as a whole, however much of it would
 * be used. */
static inline bool user_range(user_addr at, uint64_t n)
{
	return n <= USER_END && at.value <= USER_END - n;
}

static inline long io_call(int fd, user_addr at, size_t n, bool write)
{
	struct file_ref r;
	io_function op;

	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	result = check_io(r.file, write, &op);
	if (result == 0 && !user_range(at, n))
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

static long positioned(struct file *f, struct io_buffer *buf, size_t n, uint64_t pos, bool write)
{
	io_function op;

	int error = check_io(f, write, &op);
	if (error != 0)
		return error;
	if (!(f->mode & FILE_POSITION))
		return -ESPIPE;
	long result = run(f, op, buf, n, &pos);
	count_io(result, write);
	return result;
}

static long io_positioned(int fd, user_addr at, size_t n, int64_t pos, bool write)
{
	struct file_ref r;

	if (pos < 0)
		return -EINVAL;
	if (!user_range(at, n))
		return -EFAULT;
	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	struct io_buffer buf = {.is_user = true, .user = at};
	result = positioned(r.file, &buf, MIN(n, IO_MAX), (uint64_t)pos, write);
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

/* A process's vector of buffers. */
struct vector {
	struct io_segment *segments;
	struct io_segment small[SEGMENTS_INLINE];
	struct io_buffer buffer;
	size_t total;
};
static_assert(sizeof(struct io_segment) == 16); /* as struct iovec */

static void vector_free(struct vector *v)
{
	if (v->segments != v->small)
		kfree(v->segments);
}

static int vector_get(struct vector *v, user_addr at, size_t count)
{
	if (count > SEGMENTS_MAX)
		return -EINVAL;
	v->segments = count <= SEGMENTS_INLINE ? v->small : kmalloc(count * sizeof(struct io_segment));
	if (v->segments == nullptr)
		return -ENOMEM;
	v->total = 0;
	if (copy_from_user(v->segments, at, count * sizeof(struct io_segment)) != 0) {
		vector_free(v);
		return -EFAULT;
	}
	for (size_t n = 0; n < count; n++) {
		bool wide = v->segments[n].length > INT64_MAX - v->total;

		if (wide || !user_range(v->segments[n].base, v->segments[n].length)) {
			vector_free(v);
			return wide ? -EINVAL : -EFAULT;
		}
		v->total += v->segments[n].length;
	}
	v->total = MIN(v->total, IO_MAX);
	v->buffer = (struct io_buffer){.is_user = true, .segments = v->segments, .segment_count = (uint32_t)count};
	return 0;
}

static long io_vector(int fd, user_addr at, size_t count, bool write)
{
	struct file_ref r;
	struct vector v;
	io_function op;

	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	result = check_io(r.file, write, &op);
	if (result == 0)
		result = vector_get(&v, at, count);
	if (result == 0) {
		result = io_at_position(r.file, op, &v.buffer, v.total, write);
		count_io(result, write);
		vector_free(&v);
	}
	file_ref_put(r);
	return result;
}

static long sys_readv(int fd, user_addr at, size_t count)
{
	return io_vector(fd, at, count, false);
}
SYSCALL(readv);

static long sys_writev(int fd, user_addr at, size_t count)
{
	return io_vector(fd, at, count, true);
}
SYSCALL(writev);

static long io_vector_positioned(int fd, user_addr at, size_t count, int64_t pos, bool write)
{
	struct file_ref r;
	struct vector v;

	if (pos < 0)
		return -EINVAL;
	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	result = vector_get(&v, at, count);
	if (result == 0) {
		result = positioned(r.file, &v.buffer, v.total, (uint64_t)pos, write);
		vector_free(&v);
	}
	file_ref_put(r);
	return result;
}

static long sys_preadv(int fd, user_addr at, size_t count, int64_t pos)
{
	return io_vector_positioned(fd, at, count, pos, false);
}
SYSCALL(preadv);

static long sys_pwritev(int fd, user_addr at, size_t count, int64_t pos)
{
	return io_vector_positioned(fd, at, count, pos, true);
}
SYSCALL(pwritev);

/* The fifth argument is the high half of pos on 32-bit machines and ignored here. */
static long sys_preadv2(int fd, user_addr at, size_t count, int64_t pos, uint64_t, uint32_t flags)
{
	if (flags != 0) {
		(void)syscall_refuse_flags(NR_preadv2, flags);
		return -EOPNOTSUPP;
	}
	return pos == -1 ? io_vector(fd, at, count, false) : io_vector_positioned(fd, at, count, pos, false);
}
SYSCALL(preadv2);

static long sys_pwritev2(int fd, user_addr at, size_t count, int64_t pos, uint64_t, uint32_t flags)
{
	if (flags != 0) {
		(void)syscall_refuse_flags(NR_pwritev2, flags);
		return -EOPNOTSUPP;
	}
	return pos == -1 ? io_vector(fd, at, count, true) : io_vector_positioned(fd, at, count, pos, true);
}
SYSCALL(pwritev2);

long file_read_at(struct file *f, void *dst, size_t n, uint64_t pos)
{
	struct io_buffer buf = {.kernel = dst};

	return f->ops->read != nullptr ? run(f, f->ops->read, &buf, n, &pos) : -EINVAL;
}

long file_write_at(struct file *f, const void *src, size_t n, uint64_t pos)
{
	struct io_buffer buf = {.kernel = (void *)src};

	return f->ops->write != nullptr ? run(f, f->ops->write, &buf, n, &pos) : -EINVAL;
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
	if (r.file->ops->seek == nullptr) {
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

/* Advice: there is nothing to read ahead of a cache that is the only copy; the arguments are checked all the same. */
static long advise(int fd, bool want_seek)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	error = r.file->ops->seek == nullptr && want_seek ? -ESPIPE : 0;
	file_ref_put(r);
	return error;
}

static long sys_fadvise64(int fd, int64_t, int64_t, int advice)
{
	enum : int { ADVICE_MAX = 5 };

	if (advice < 0 || advice > ADVICE_MAX)
		return -EINVAL;
	return advise(fd, true);
}
SYSCALL(fadvise64);

static long sys_readahead(int fd, int64_t, size_t)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	if (!(r.file->mode & FILE_READ))
		error = -EBADF;
	else if (r.file->inode == nullptr || !S_ISREG(r.file->inode->mode))
		error = -EINVAL;
	file_ref_put(r);
	return error;
}
SYSCALL(readahead);
