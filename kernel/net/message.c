/* SPDX-License-Identifier: MIT */
/* Sending and receiving: sendto(2), recvfrom(2), sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2). */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/file/io_vector.h>
#include <kernel/file/poll.h>

enum : uint32_t { MESSAGES_MAX = 1024 };
enum : uint64_t { NS_PER_S = 1000000000 };

static uint32_t call_flags(const struct file *f, uint32_t flags)
{
	return f->flags & O_NONBLOCK ? flags | MSG_DONTWAIT : flags;
}

/* A buffer is checked before the descriptor. */
static long check_buffer(user_addr at, size_t *n)
{
	*n = MIN(*n, (size_t)IO_MAX);
	return io_user_range(at, *n) ? 0 : -EFAULT;
}

static long sys_sendto(int fd, user_addr at, size_t n, uint32_t flags, user_addr name, int name_length)
{
	struct io_buffer buffer = {.is_user = true, .user = at};
	struct socket_address a = {};
	struct file_ref r;
	struct socket *s;

	long done = check_buffer(at, &n);
	if (done == 0)
		done = socket_ref_get(fd, &r, &s);
	if (done != 0)
		return done;
	struct socket_message m = {.buffer = &buffer, .length = n, .flags = call_flags(r.file, flags)};
	if (name.value != 0) {
		done = address_from_user(&a, name, name_length);
		m.address = a.length > 0 ? &a : nullptr;
	}
	if (done == 0)
		done = s->ops->send(s, &m);
	file_ref_put(r);
	return done;
}
SYSCALL(sendto);

static long sys_recvfrom(int fd, user_addr at, size_t n, uint32_t flags, user_addr name, user_addr length_at)
{
	struct io_buffer buffer = {.is_user = true, .user = at};
	struct socket_address a = {};
	struct file_ref r;
	struct socket *s;

	long done = check_buffer(at, &n);
	if (done == 0)
		done = socket_ref_get(fd, &r, &s);
	if (done != 0)
		return done;
	struct socket_message m = {.buffer = &buffer, .length = n, .flags = call_flags(r.file, flags), .address = &a};
	done = s->ops->receive(s, &m);
	socket_rights_free(m.rights);
	if (done >= 0 && name.value != 0) {
		int error = address_to_user(&a, name, length_at);
		done = error != 0 ? error : done;
	}
	file_ref_put(r);
	return done;
}
SYSCALL(recvfrom);

/* The header, with the lengths that Linux takes for less. */
static int get_header(struct msghdr *h, user_addr at)
{
	if (get_user(*h, at) != 0)
		return -EFAULT;
	if (h->name == 0)
		h->name_length = 0;
	if ((int32_t)h->name_length < 0)
		return -EINVAL;
	h->name_length = MIN(h->name_length, SOCKET_ADDRESS_MAX);
	return h->vector_count > SEGMENTS_MAX ? -EMSGSIZE : 0;
}

static long send_one(struct socket *s, uint32_t flags, user_addr at)
{
	struct socket_address a = {};
	struct io_vector v;
	struct msghdr h;

	long done = get_header(&h, at);
	if (done == 0)
		done = address_from_user(&a, USER_ADDR(h.name), (int)h.name_length);
	if (done == 0)
		done = io_vector_get(&v, USER_ADDR(h.vector), h.vector_count, true);
	if (done != 0)
		return done;
	struct socket_message m = {
		.buffer = &v.buffer, .length = v.total, .flags = flags, .address = a.length > 0 ? &a : nullptr};
	done = control_from_user(s, &m, USER_ADDR(h.control), h.control_length);
	if (done == 0) {
		done = s->ops->send(s, &m);
		socket_rights_free(m.rights); /* nullptr: they are the family's */
	}
	io_vector_free(&v);
	return done;
}

static long receive_one(struct socket *s, uint32_t flags, user_addr at)
{
	struct socket_address a = {};
	struct io_vector v;
	struct msghdr h;

	long done = get_header(&h, at);
	if (done == 0)
		done = io_vector_get(&v, USER_ADDR(h.vector), h.vector_count, true);
	if (done != 0)
		return done;
	struct socket_note notes[SOCKET_NOTES];
	struct socket_message m = {
		.buffer = &v.buffer, .length = v.total, .flags = flags, .address = &a, .notes = notes};
	for (uint32_t n = 0; n < SOCKET_NOTES; n++)
		notes[n].length = 0;
	done = s->ops->receive(s, &m);
	io_vector_free(&v);
	if (done < 0) {
		socket_rights_free(m.rights); /* taken with bytes that could not be copied */
		return done;
	}
	int error = control_to_user(s, &m, USER_ADDR(h.control), &h.control_length);
	if (error == 0 && h.name != 0 && copy_to_user(USER_ADDR(h.name), a.bytes, MIN(a.length, h.name_length)) != 0)
		error = -EFAULT;
	h.name_length = a.length;
	h.flags = m.flags_out | (flags & MSG_CMSG_CLOEXEC);
	if (error == 0 &&
	    (put_user(USER_ADDR(at.value + offsetof(struct msghdr, control_length)), h.control_length) != 0 ||
	     put_user(USER_ADDR(at.value + offsetof(struct msghdr, flags)), h.flags) != 0))
		error = -EFAULT;
	if (error == 0 && h.name != 0 &&
	    put_user(USER_ADDR(at.value + offsetof(struct msghdr, name_length)), h.name_length) != 0)
		error = -EFAULT;
	return error != 0 ? error : done;
}

typedef long one_fn(struct socket *s, uint32_t flags, user_addr at);

static long one(int fd, user_addr at, uint32_t flags, one_fn *fn)
{
	struct file_ref r;
	struct socket *s;

	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	long done = socket_ref_get(fd, &r, &s);
	if (done != 0)
		return done;
	done = fn(s, call_flags(r.file, flags), at);
	file_ref_put(r);
	return done;
}

static long sys_sendmsg(int fd, user_addr at, uint32_t flags)
{
	return one(fd, at, flags, send_one);
}
SYSCALL(sendmsg);

static long sys_recvmsg(int fd, user_addr at, uint32_t flags)
{
	return one(fd, at, flags, receive_one);
}
SYSCALL(recvmsg);

/* One after the other, until one fails: how many went, or why the first did not. */
static long several(struct socket *s, uint32_t flags, user_addr at, uint32_t count, uint64_t deadline_ns, one_fn *fn)
{
	uint32_t done = 0;
	long part = 0;

	while (done < count && !signal_fatal_current()) {
		user_addr here = USER_ADDR(at.value + done * sizeof(struct mmsghdr));

		part = fn(s, flags & ~(uint32_t)MSG_WAITFORONE, here);
		if (part < 0)
			break;
		uint32_t length = (uint32_t)part;
		if (put_user(USER_ADDR(here.value + offsetof(struct mmsghdr, length)), length) != 0) {
			part = -EFAULT;
			break;
		}
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline_ns != 0 && clock_monotonic_ns() >= deadline_ns)
			break;
	}
	/* What went wrong after some had gone is told by the next call. */
	bool interrupted = part == -EAGAIN || part == -EINTR || part == -ERESTARTSYS;
	if (done > 0 && part < 0 && !interrupted && fn == receive_one)
		socket_set_error(s, (int)part);
	return done > 0 ? done : part;
}

static long sys_sendmmsg(int fd, user_addr at, uint32_t count, uint32_t flags)
{
	struct file_ref r;
	struct socket *s;

	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	long done = socket_ref_get(fd, &r, &s);
	if (done != 0)
		return done;
	done = several(s, call_flags(r.file, flags), at, MIN(count, MESSAGES_MAX), 0, send_one);
	file_ref_put(r);
	return done;
}
SYSCALL(sendmmsg);

/* What is left of the time, for the process. */
static int tell_rest(user_addr at, uint64_t deadline_ns)
{
	uint64_t now = clock_monotonic_ns(), rest = deadline_ns > now ? deadline_ns - now : 0;
	struct user_timespec t = {(int64_t)(rest / NS_PER_S), (int64_t)(rest % NS_PER_S)};

	return put_user(at, t) != 0 ? -EFAULT : 0;
}

/* The time is looked at after each message, as on Linux: it does not end the wait for one (recvmmsg(2), "Bugs"). */
static long sys_recvmmsg(int fd, user_addr at, uint32_t count, uint32_t flags, user_addr timeout)
{
	uint64_t deadline_ns = 0;
	bool zero = false;
	struct file_ref r;
	struct socket *s;

	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	long done = poll_deadline(timeout, &deadline_ns, &zero);
	if (done == 0)
		done = socket_ref_get(fd, &r, &s);
	if (done != 0)
		return done;
	done = socket_take_error(s);
	if (done == 0)
		done = several(s, call_flags(r.file, flags), at, MIN(count, MESSAGES_MAX), zero ? 1 : deadline_ns,
			       receive_one);
	file_ref_put(r);
	if (done > 0 && timeout.value != 0 && tell_rest(timeout, deadline_ns) != 0)
		done = -EFAULT;
	return done;
}
SYSCALL(recvmmsg);
