/* SPDX-License-Identifier: MIT */
/* io_submit(2), io_cancel(2). A request that is not well formed ends the call; what becomes of a good one is its
 * event's to tell. */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/eventfd.h>
#include <kernel/file/io_vector.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/io.h>

static bool take_place(struct aio_context *c)
{
	spin_lock(&c->lock);
	bool room = c->pending < c->most;
	if (room)
		c->pending++;
	spin_unlock(&c->lock);
	return room;
}

/* A buffer or a vector of them. What comes of it is the event's result. */
static long submit_transfer(struct aio_request *r, const struct iocb *io, bool write, bool vector)
{
	struct io_vector v;

	uint32_t how;
	int error = file_io_check(r->file, io->rw_flags, write, &how);
	if (error != 0)
		return error;
	if (vector) {
		error = io->bytes <= SEGMENTS_MAX ? io_vector_get(&v, USER_ADDR(io->buffer), io->bytes, true) : -EINVAL;
	} else {
		v = (struct io_vector){.total = MIN(io->bytes, IO_MAX),
				       .buffer = {.is_user = true, .user = USER_ADDR(io->buffer)}};
		v.segments = v.small;
		error = io_user_range(USER_ADDR(io->buffer), io->bytes) ? 0 : -EFAULT;
	}
	if (error != 0)
		return error;
	int64_t pos = r->file->mode & FILE_POSITION ? io->offset : 0;
	v.buffer.how = how;
	long result = pos < 0 ? -EINVAL : file_io_at(r->file, &v.buffer, v.total, (uint64_t)pos, io->rw_flags, write);
	io_vector_free(&v);
	/* It is not begun again: the position is the request's. */
	aio_complete(r, result == -ERESTARTSYS ? -EINTR : result);
	return 0;
}

static long submit_sync(struct aio_request *r, const struct iocb *io)
{
	struct file *f = r->file;

	if (io->buffer != 0 || io->offset != 0 || io->bytes != 0 || io->rw_flags != 0 || f->ops->fsync == nullptr)
		return -EINVAL;
	aio_complete(r, guard_run(f->ops->component, f->ops->fsync(f, 0, UINT64_MAX, io->opcode == IOCB_CMD_FDSYNC)));
	return 0;
}

static long begin(struct aio_request *r, const struct iocb *io)
{
	switch (io->opcode) {
	case IOCB_CMD_PREAD: return submit_transfer(r, io, false, false);
	case IOCB_CMD_PWRITE: return submit_transfer(r, io, true, false);
	case IOCB_CMD_PREADV: return submit_transfer(r, io, false, true);
	case IOCB_CMD_PWRITEV: return submit_transfer(r, io, true, true);
	case IOCB_CMD_FSYNC:
	case IOCB_CMD_FDSYNC: return submit_sync(r, io);
	case IOCB_CMD_POLL: return aio_poll_submit(r, io);
	default: return syscall_refuse_flags(NR_io_submit, io->opcode);
	}
}

static int get_files(struct aio_request *r, const struct iocb *io)
{
	int error = file_lookup((int)io->fd, &r->file);

	if (error == 0 && (r->file->mode & FILE_PATH))
		error = -EBADF;
	if (error != 0 || !(io->flags & IOCB_FLAG_RESFD))
		return error;
	error = file_lookup((int)io->result_fd, &r->result);
	return error == 0 && !file_is_eventfd(r->result) ? -EINVAL : error;
}

static long submit_one(struct aio_context *c, user_addr at)
{
	const uint32_t key = 0;
	struct iocb io;

	if (get_user(io, at) != 0)
		return -EFAULT;
	if (io.reserved != 0 || (int64_t)io.bytes < 0)
		return -EINVAL;
	if (io.flags & ~(uint32_t)(IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO))
		return syscall_refuse_flags(NR_io_submit, io.flags);
	if (!take_place(c))
		return -EAGAIN;
	struct aio_request *r = kmalloc(sizeof(*r));
	long error = r != nullptr ? 0 : -EAGAIN;
	if (error == 0) {
		r->context = c;
		r->event = (struct io_event){.data = io.data, .object = at.value};
		list_init(&r->link);
		error = get_files(r, &io);
	}
	if (error == 0 && put_user(user_addr_add(at, offsetof(struct iocb, key)), key) != 0)
		error = -EFAULT;
	if (error == 0)
		error = begin(r, &io);
	if (error == 0)
		return 0;
	if (r != nullptr) {
		file_put(r->file);
		file_put(r->result);
		kfree(r);
	}
	aio_forget(c);
	return error;
}

static long sys_io_submit(uint64_t id, long count, user_addr list)
{
	long done = 0, error = 0;

	if (count < 0)
		return -EINVAL;
	struct aio_context *c = aio_find(id);
	if (c == nullptr)
		return -EINVAL;
	for (count = MIN(count, (long)c->most); done < count && error == 0; done += error == 0) {
		uint64_t at;

		error = get_user(at, user_addr_add(list, (uint64_t)done * sizeof(at))) == 0
				? submit_one(c, USER_ADDR(at))
				: -EFAULT;
	}
	aio_put(c);
	return done > 0 ? done : error;
}
SYSCALL(io_submit);

/* Only what waits for a file can be cancelled; its event comes all the same. */
static long sys_io_cancel(uint64_t id, user_addr at, user_addr)
{
	uint32_t key;

	if (get_user(key, user_addr_add(at, offsetof(struct iocb, key))) != 0)
		return -EFAULT;
	if (key != 0)
		return -EINVAL;
	struct aio_context *c = aio_find(id);
	if (c == nullptr)
		return -EINVAL;
	long result = aio_poll_cancel(c, at.value) ? -EINPROGRESS : -EINVAL;
	aio_put(c);
	return result;
}
SYSCALL(io_cancel);
