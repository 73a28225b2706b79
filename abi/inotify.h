/* SPDX-License-Identifier: MIT */
/* Events of inotify(7), and what inotify_add_watch(2) asks for besides, as in Linux's ABI. */
#ifndef ABI_INOTIFY_H
#define ABI_INOTIFY_H

#include <stdint.h>

enum : uint32_t {
	IN_ACCESS = 0x1,
	IN_MODIFY = 0x2,
	IN_ATTRIB = 0x4,
	IN_CLOSE_WRITE = 0x8,
	IN_CLOSE_NOWRITE = 0x10,
	IN_OPEN = 0x20,
	IN_MOVED_FROM = 0x40,
	IN_MOVED_TO = 0x80,
	IN_CREATE = 0x100,
	IN_DELETE = 0x200,
	IN_DELETE_SELF = 0x400,
	IN_MOVE_SELF = 0x800,
	IN_ALL_EVENTS = 0xfff,
	/* Told whether asked for or not. */
	IN_UNMOUNT = 0x2000,
	IN_Q_OVERFLOW = 0x4000,
	IN_IGNORED = 0x8000,
	/* How to watch. */
	IN_ONLYDIR = 0x1000000,
	IN_DONT_FOLLOW = 0x2000000,
	IN_EXCL_UNLINK = 0x4000000,
	IN_MASK_CREATE = 0x10000000,
	IN_MASK_ADD = 0x20000000,
	IN_ISDIR = 0x40000000,
	IN_ONESHOT = 0x80000000,
};

struct inotify_event {
	int32_t wd;
	uint32_t mask, cookie, len; /* of the name that follows, with its zeros */
};
static_assert(sizeof(struct inotify_event) == 16);

#endif
