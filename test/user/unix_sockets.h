/* SPDX-License-Identifier: MIT */
/* What the tests of sockets of one machine share. */
#pragma once

#include "ktap.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* An address of a path, or of an abstract name if it begins with '@', and its length. */
static inline socklen_t unix_address(struct sockaddr_un *a, const char *name)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(a->sun_path, name);
	if (name[0] == '@') {
		a->sun_path[0] = '\0';
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	}
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
}

static inline int unix_bind(int fd, const char *name)
{
	struct sockaddr_un a;
	socklen_t length = unix_address(&a, name);

	return bind(fd, (struct sockaddr *)&a, length);
}

static inline int unix_connect(int fd, const char *name)
{
	struct sockaddr_un a;
	socklen_t length = unix_address(&a, name);

	return connect(fd, (struct sockaddr *)&a, length);
}

static inline int unix_socket(int type)
{
	return OK(socket(AF_UNIX, type, 0));
}

static inline int unix_listener(int type, const char *name, int backlog)
{
	int fd = unix_socket(type);

	OK(unix_bind(fd, name));
	OK(listen(fd, backlog));
	return fd;
}

/* One message with descriptors. */
static inline ssize_t send_fds(int to, const int *fds, size_t count, const char *text)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(300 * sizeof(int))];
	} control = {};
	struct iovec v = {(void *)text, strlen(text)};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = CMSG_SPACE(count * sizeof(int))};

	control.h.cmsg_len = CMSG_LEN(count * sizeof(int));
	control.h.cmsg_level = SOL_SOCKET;
	control.h.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.h), fds, count * sizeof(int));
	return syscall(SYS_sendmsg, to, &m, 0); /* a C library may send less */
}

/* Receives into text (of `size` bytes) and up to `most` descriptors, of which *count came; flags and those of the
 * message. */
static inline ssize_t receive_fds(int from, char *text, size_t size, int *fds, size_t most, size_t *count, int flags,
				  int *flags_out)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(300 * sizeof(int))];
	} control = {};
	struct iovec v = {text, size};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = CMSG_LEN(most * sizeof(int))};
	ssize_t n = recvmsg(from, &m, flags);

	*count = 0;
	*flags_out = m.msg_flags;
	struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : nullptr;
	if (h != nullptr && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
		*count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(h), *count * sizeof(int));
	}
	return n;
}
