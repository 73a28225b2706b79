/* SPDX-License-Identifier: MIT */
/*
 * The socket calls of a kernel without protocol families (socket(2) and its relatives; POSIX.1-2017 XSH 2.10).
 *
 * Making a socket is EAFNOSUPPORT, the errno of a Linux that has sockets and no such family: C libraries then go on
 * without syslog, nscd and the like, which ENOSYS makes some of them give up on. What works on a socket finds, after
 * the checks that Linux makes first, that its descriptor is none (ENOTSOCK).
 */
#include "internal.h"

#include <kernel/base/syscall.h>
#include <nucleus/layout.h>

enum : uint32_t {
	SOCK_TYPE_MASK = 0xf,
	SOCK_TYPE_END = 11,
	SOCK_FLAGS = O_CLOEXEC | O_NONBLOCK,
	MSG_CMSG_COMPAT = 0x80000000,
};
enum : int { FAMILY_END = 46 };
enum : int64_t { NS_PER_S = 1000000000 };

static int check_type(uint32_t type)
{
	return type & ~(uint32_t)(SOCK_TYPE_MASK | SOCK_FLAGS) ? -EINVAL : 0;
}

/* No family is there; one that exists elsewhere shows a wrong type first. */
static int check_family(int family, uint32_t type)
{
	if (family >= 0 && family < FAMILY_END && (type & SOCK_TYPE_MASK) >= SOCK_TYPE_END)
		return -EINVAL;
	return -EAFNOSUPPORT;
}

static long sys_socket(int family, uint32_t type, int)
{
	int error = check_type(type);

	return error != 0 ? error : check_family(family, type);
}
SYSCALL(socket);

/* The descriptors are written before the sockets are made. */
static long sys_socketpair(int family, uint32_t type, int, user_addr at)
{
	int32_t fds[2] = {-1, -1};

	int error = check_type(type);
	if (error != 0)
		return error;
	return copy_to_user(at, fds, sizeof(fds)) != 0 ? -EFAULT : check_family(family, type);
}
SYSCALL(socketpair);

static int not_a_socket(int fd)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	file_ref_put(r);
	return -ENOTSOCK;
}

static long sys_bind(int fd)
{
	return not_a_socket(fd);
}
SYSCALL(bind);

static long sys_connect(int fd)
{
	return not_a_socket(fd);
}
SYSCALL(connect);

static long sys_listen(int fd)
{
	return not_a_socket(fd);
}
SYSCALL(listen);

static long sys_accept4(int fd, user_addr, user_addr, uint32_t flags)
{
	int error = not_a_socket(fd);

	return error == -ENOTSOCK && (flags & ~(uint32_t)SOCK_FLAGS) ? -EINVAL : error;
}
SYSCALL(accept4);

static long sys_accept(int fd)
{
	return not_a_socket(fd);
}
SYSCALL(accept);

static long sys_getsockname(int fd)
{
	return not_a_socket(fd);
}
SYSCALL(getsockname);

static long sys_getpeername(int fd)
{
	return not_a_socket(fd);
}
SYSCALL(getpeername);

static long sys_shutdown(int fd)
{
	return not_a_socket(fd);
}
SYSCALL(shutdown);

static long sys_setsockopt(int fd, int, int, user_addr, int length)
{
	return length < 0 ? -EINVAL : not_a_socket(fd);
}
SYSCALL(setsockopt);

static long sys_getsockopt(int fd)
{
	return not_a_socket(fd);
}
SYSCALL(getsockopt);

/* A buffer is checked before the descriptor. */
static long transfer(int fd, user_addr at, size_t n)
{
	n = MIN(n, (size_t)0x7ffff000);
	return n > USER_END || at.value > USER_END - n ? -EFAULT : not_a_socket(fd);
}

static long sys_sendto(int fd, user_addr at, size_t n)
{
	return transfer(fd, at, n);
}
SYSCALL(sendto);

static long sys_recvfrom(int fd, user_addr at, size_t n)
{
	return transfer(fd, at, n);
}
SYSCALL(recvfrom);

static long message(int fd, uint32_t flags)
{
	return flags & MSG_CMSG_COMPAT ? -EINVAL : not_a_socket(fd);
}

static long sys_sendmsg(int fd, user_addr, uint32_t flags)
{
	return message(fd, flags);
}
SYSCALL(sendmsg);

static long sys_recvmsg(int fd, user_addr, uint32_t flags)
{
	return message(fd, flags);
}
SYSCALL(recvmsg);

static long sys_sendmmsg(int fd, user_addr, uint32_t, uint32_t flags)
{
	return message(fd, flags);
}
SYSCALL(sendmmsg);

static long sys_recvmmsg(int fd, user_addr, uint32_t, uint32_t flags, user_addr timeout)
{
	int64_t t[2] = {};

	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	if (timeout.value != 0 && get_user(t, timeout) != 0)
		return -EFAULT;
	return t[0] < 0 || t[1] < 0 || t[1] >= NS_PER_S ? -EINVAL : not_a_socket(fd);
}
SYSCALL(recvmmsg);
