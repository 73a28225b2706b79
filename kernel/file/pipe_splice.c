/* SPDX-License-Identifier: MIT */
/*
 * tee(2): what is in one pipe is put into another one, too, by reference to its pages, which then take no more bytes in
 * the second pipe. vmsplice(2): user memory into a pipe and out of it; pages are copied, also those that are a gift.
 */
#include "internal.h"
#include "pipe_ring.h"

#include <abi/signal.h>
#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/io_vector.h>
#include <kernel/file/splice.h>

/* Copies buffers, until n bytes or the room are used up. Both are locked. */
static size_t share(struct pipe *from, struct pipe *to, size_t n) REQUIRES(from -> lock, to->lock)
{
	size_t done = 0;

	for (uint32_t k = 0; k < from->used && !pipe_is_full(to) && done < n; k++) {
		struct pipe_buffer b = from->ring[pipe_place(from, from->tail + k)];

		b.length = (uint32_t)MIN((size_t)b.length, n - done);
		b.mergeable = false;
		page_get(b.page);
		to->ring[pipe_place(to, to->tail + to->used)] = b;
		__atomic_store_n(&to->used, to->used + 1, __ATOMIC_RELEASE);
		done += b.length;
	}
	return done;
}

/* Locks are taken in ascending address. */
static size_t share_locked(struct pipe *from, struct pipe *to, size_t n) NO_THREAD_SAFETY
{
	bool first = (uintptr_t)from < (uintptr_t)to;

	mutex_lock(first ? &from->lock : &to->lock);
	mutex_lock(first ? &to->lock : &from->lock);
	size_t done = share(from, to, n);
	mutex_unlock(&from->lock);
	mutex_unlock(&to->lock);
	return done;
}

static long tee(struct file *in, struct file *out, size_t n, bool nowait)
{
	struct pipe *from = in->private_data, *to = out->private_data;

	nowait |= ((in->flags | out->flags) & O_NONBLOCK) != 0;
	while (true) {
		int error = pipe_await_bytes(in, from, nowait);
		if (error == 0)
			error = pipe_await_room(out, to, nowait);
		if (error != 0)
			return error;
		if (__atomic_load_n(&to->readers, __ATOMIC_ACQUIRE) == 0) {
			(void)subject_raise(SIGPIPE);
			return -EPIPE;
		}
		size_t done = share_locked(from, to, n);
		if (done > 0) {
			wait_wake_all(&to->readable);
			return (long)done;
		}
		/* Somebody else was faster; or nobody writes any more. */
		if (pipe_has_ended(from))
			return 0;
	}
}

static long tee_files(struct file *in, struct file *out, size_t n, uint32_t flags)
{
	if (!(in->mode & FILE_READ) || !(out->mode & FILE_WRITE))
		return -EBADF;
	if (!file_is_pipe(in) || !file_is_pipe(out) || in->private_data == out->private_data)
		return -EINVAL;
	return tee(in, out, n, flags & SPLICE_F_NONBLOCK);
}

static long sys_tee(int in_fd, int out_fd, size_t n, uint32_t flags)
{
	struct file_ref in, out;

	if (flags & ~(uint32_t)SPLICE_KNOWN)
		return syscall_refuse_flags(NR_tee, flags);
	if (n == 0)
		return 0;
	long result = file_ref_get(in_fd, &in);
	if (result != 0)
		return result;
	result = file_ref_get(out_fd, &out);
	if (result == 0) {
		result = tee_files(in.file, out.file, n, flags);
		file_ref_put(out);
	}
	file_ref_put(in);
	return result;
}
SYSCALL(tee);

static long vmsplice(struct file *f, user_addr segments, size_t count, uint32_t flags)
{
	bool write = f->mode & FILE_WRITE;
	struct io_vector v;
	uint64_t pos = 0;

	if (!(f->mode & (FILE_READ | FILE_WRITE)))
		return -EBADF;
	long result = io_vector_get(&v, segments, count, true);
	if (result != 0)
		return result;
	v.buffer.how = IO_NO_MERGE | (flags & SPLICE_F_NONBLOCK ? IO_NOWAIT : 0);
	if (v.total > 0) {
		if (!file_is_pipe(f))
			result = -EBADF;
		else
			result = write ? f->ops->write(f, &v.buffer, v.total, &pos)
				       : f->ops->read(f, &v.buffer, v.total, &pos);
	}
	io_vector_free(&v);
	return result;
}

static long sys_vmsplice(int fd, user_addr segments, size_t count, uint32_t flags)
{
	struct file_ref r;

	if (flags & ~(uint32_t)SPLICE_KNOWN)
		return syscall_refuse_flags(NR_vmsplice, flags);
	long result = file_ref_get(fd, &r);
	if (result != 0)
		return result;
	result = vmsplice(r.file, segments, count, flags);
	file_ref_put(r);
	return result;
}
SYSCALL(vmsplice);
