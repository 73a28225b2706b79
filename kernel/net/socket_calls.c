/* SPDX-License-Identifier: MIT */
/*
 * Making sockets and connections: socket(2), socketpair(2), bind(2), connect(2), listen(2), accept(2), getsockname(2),
 * getpeername(2), shutdown(2). What is not a socket, or of no family that is there, gets the errno that Linux gives, in
 * the same order of checks.
 */
#include "internal.h"

#include <kernel/base/syscall.h>
#include <kernel/file/table.h>

enum : uint32_t { SOCK_FLAGS = O_CLOEXEC | O_NONBLOCK };

extern const struct socket_family __socket_families_start[], __socket_families_end[];

static int check_type(uint32_t type)
{
	return type & ~(uint32_t)(SOCK_TYPE_MASK | SOCK_FLAGS) ? -EINVAL : 0;
}

/* A family that exists elsewhere shows a wrong type first. */
static int find_family(int family, uint32_t type, const struct socket_family **out)
{
	if (family < 0 || family >= AF_FAMILY_END)
		return -EAFNOSUPPORT;
	if ((type & SOCK_TYPE_MASK) >= SOCK_TYPE_END)
		return -EINVAL;
	for (*out = __socket_families_start; *out < __socket_families_end; (*out)++)
		if ((*out)->family == family)
			return 0;
	return -EAFNOSUPPORT;
}

static int make(const struct socket_family *family, uint32_t type, int protocol, struct file **out)
{
	struct socket *s;

	int error = family->create(type & SOCK_TYPE_MASK, protocol, &s);
	if (error != 0)
		return error;
	error = socket_file(s, type, out);
	if (error != 0) {
		s->ops->release(s);
		socket_put(s);
	}
	return error;
}

static long sys_socket(int family, uint32_t type, int protocol)
{
	const struct socket_family *made_by;
	struct file *f;

	int error = check_type(type);
	if (error == 0)
		error = find_family(family, type, &made_by);
	if (error == 0)
		error = make(made_by, type, protocol, &f);
	if (error != 0)
		return error;
	int fd = file_install(f, type & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}
SYSCALL(socket);

static int make_pair(int family, uint32_t type, int protocol, struct file *ends[2])
{
	const struct socket_family *made_by;

	int error = find_family(family, type, &made_by);
	if (error != 0)
		return error;
	error = make(made_by, type, protocol, &ends[0]);
	if (error != 0)
		return error;
	error = make(made_by, type, protocol, &ends[1]);
	if (error != 0) {
		file_put(ends[0]);
		return error;
	}
	error = made_by->pair == nullptr ? -EOPNOTSUPP
					 : made_by->pair(socket_of_file(ends[0]), socket_of_file(ends[1]));
	if (error != 0) {
		file_put(ends[0]);
		file_put(ends[1]);
	}
	return error;
}

/* The descriptors are taken and written before the sockets are made, and stand for them afterwards. */
static long sys_socketpair(int family, uint32_t type, int protocol, user_addr at)
{
	struct file *ends[2];
	int32_t fds[2];

	int error = check_type(type);
	if (error != 0)
		return error;
	fds[0] = file_reserve(type & O_CLOEXEC);
	if (fds[0] < 0)
		return fds[0];
	fds[1] = file_reserve(type & O_CLOEXEC);
	if (fds[1] < 0) {
		file_fill_reserved(fds[0], nullptr);
		return fds[1];
	}
	error = put_user(at, fds) != 0 ? -EFAULT : make_pair(family, type, protocol, ends);
	file_fill_reserved(fds[0], error == 0 ? ends[0] : nullptr);
	file_fill_reserved(fds[1], error == 0 ? ends[1] : nullptr);
	return error;
}
SYSCALL(socketpair);

static bool may_wait(const struct file *f)
{
	return !(f->flags & O_NONBLOCK);
}

static long sys_bind(int fd, user_addr at, int length)
{
	struct socket_address a;
	struct file_ref r;
	struct socket *s;

	int error = socket_ref_get(fd, &r, &s);
	if (error != 0)
		return error;
	error = address_from_user(&a, at, length);
	if (error == 0)
		error = s->ops->bind(s, &a);
	file_ref_put(r);
	return error;
}
SYSCALL(bind);

/* The address is looked at before it is asked whether there is a socket. */
static long sys_connect(int fd, user_addr at, int length)
{
	struct socket_address a;
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	struct socket *s = socket_of_file(r.file);
	error = address_from_user(&a, at, length);
	if (error == 0)
		error = s != nullptr ? s->ops->connect(s, &a, may_wait(r.file)) : -ENOTSOCK;
	file_ref_put(r);
	return error;
}
SYSCALL(connect);

static long sys_listen(int fd, int backlog)
{
	uint32_t most = (uint32_t)__atomic_load_n(&socket_backlog_max, __ATOMIC_RELAXED);
	struct file_ref r;
	struct socket *s;

	int error = socket_ref_get(fd, &r, &s);
	if (error != 0)
		return error;
	error = s->ops->listen(s, MIN((uint32_t)backlog, most));
	file_ref_put(r);
	return error;
}
SYSCALL(listen);

/* The accepted connection is a file at fd, which was reserved. */
static int accept_at(struct socket *s, int fd, uint32_t flags, bool wait, user_addr at, user_addr length_at)
{
	struct socket_address a;
	struct socket *made;
	struct file *f;

	int error = s->ops->accept(s, wait, &made);
	if (error != 0)
		return error;
	error = socket_file(made, flags, &f);
	if (error != 0) {
		made->ops->release(made);
		socket_put(made);
		return error;
	}
	if (at.value != 0) {
		error = made->ops->name(made, true, &a);
		error = error != 0 ? -ECONNABORTED : address_to_user(&a, at, length_at);
		if (error != 0) {
			file_put(f);
			return error;
		}
	}
	file_fill_reserved(fd, f);
	return 0;
}

static long sys_accept4(int fd, user_addr at, user_addr length_at, uint32_t flags)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	struct socket *s = socket_of_file(r.file);
	if (flags & ~(uint32_t)SOCK_FLAGS)
		error = -EINVAL;
	else if (s == nullptr)
		error = -ENOTSOCK;
	int made = error != 0 ? error : file_reserve(flags & O_CLOEXEC);
	if (made >= 0) {
		error = accept_at(s, made, flags, may_wait(r.file), at, length_at);
		if (error != 0) {
			file_fill_reserved(made, nullptr);
			made = error;
		}
	}
	file_ref_put(r);
	return made;
}
SYSCALL(accept4);

static long sys_accept(int fd, user_addr at, user_addr length_at)
{
	return sys_accept4(fd, at, length_at, 0);
}
SYSCALL(accept);

static long get_name(int fd, user_addr at, user_addr length_at, bool peers)
{
	struct socket_address a;
	struct file_ref r;
	struct socket *s;

	int error = socket_ref_get(fd, &r, &s);
	if (error != 0)
		return error;
	error = s->ops->name(s, peers, &a);
	if (error == 0)
		error = address_to_user(&a, at, length_at);
	file_ref_put(r);
	return error;
}

static long sys_getsockname(int fd, user_addr at, user_addr length_at)
{
	return get_name(fd, at, length_at, false);
}
SYSCALL(getsockname);

static long sys_getpeername(int fd, user_addr at, user_addr length_at)
{
	return get_name(fd, at, length_at, true);
}
SYSCALL(getpeername);

static long sys_shutdown(int fd, int how)
{
	struct file_ref r;
	struct socket *s;

	int error = socket_ref_get(fd, &r, &s);
	if (error != 0)
		return error;
	if (how < SHUT_RD || how > SHUT_RDWR)
		error = -EINVAL;
	else
		error = s->ops->shutdown(s, (uint32_t)how + 1); /* SHUT_RD, WR, RDWR: bits of SIDE_* less one */
	file_ref_put(r);
	return error;
}
SYSCALL(shutdown);
