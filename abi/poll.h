/* SPDX-License-Identifier: MIT */
/* poll(2), select(2) and epoll(7), as in Linux's ABI. */
#ifndef ABI_POLL_H
#define ABI_POLL_H

#include <arch/file_abi.h>
#include <stdint.h>

enum : uint32_t {
	POLLIN = 0x1,
	POLLPRI = 0x2,
	POLLOUT = 0x4,
	POLLERR = 0x8,
	POLLHUP = 0x10,
	POLLNVAL = 0x20,
	POLLRDNORM = 0x40,
	POLLRDBAND = 0x80,
	POLLWRNORM = 0x100,
	POLLWRBAND = 0x200,
	POLLMSG = 0x400,
	POLLRDHUP = 0x2000,
};

struct pollfd {
	int32_t fd;
	int16_t events, revents;
};
static_assert(sizeof(struct pollfd) == 8);

enum : uint32_t { EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3 };
enum : uint32_t { EPOLLEXCLUSIVE = 1u << 28, EPOLLWAKEUP = 1u << 29, EPOLLONESHOT = 1u << 30, EPOLLET = 1u << 31 };
enum : uint32_t { EPOLL_CLOEXEC = 02000000 };

struct epoll_event {
	uint32_t events;
	uint64_t data;
} EPOLL_EVENT_PACKED;

#endif
