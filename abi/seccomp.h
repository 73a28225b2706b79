/* SPDX-License-Identifier: MIT */
/* seccomp(2), as in Linux's ABI: operations, flags, what a filter looks at and what it answers. */
#ifndef ABI_SECCOMP_H
#define ABI_SECCOMP_H

#include <stdint.h>

enum seccomp_mode : uint8_t { SECCOMP_MODE_DISABLED = 0, SECCOMP_MODE_STRICT = 1, SECCOMP_MODE_FILTER = 2 };
enum : uint32_t { SECCOMP_SET_MODE_STRICT = 0, SECCOMP_SET_MODE_FILTER = 1, SECCOMP_GET_ACTION_AVAIL = 2 };
enum : uint64_t {
	SECCOMP_FILTER_FLAG_TSYNC = 1,
	SECCOMP_FILTER_FLAG_LOG = 2,
	SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4,
	SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 16,
};
/* An answer: the action, and 16 bits that go with it. */
enum : uint32_t {
	SECCOMP_RET_KILL_PROCESS = 0x80000000,
	SECCOMP_RET_KILL_THREAD = 0,
	SECCOMP_RET_TRAP = 0x00030000,
	SECCOMP_RET_ERRNO = 0x00050000,
	SECCOMP_RET_USER_NOTIF = 0x7fc00000,
	SECCOMP_RET_TRACE = 0x7ff00000,
	SECCOMP_RET_LOG = 0x7ffc0000,
	SECCOMP_RET_ALLOW = 0x7fff0000,
	SECCOMP_RET_ACTION = 0xffff0000,
	SECCOMP_RET_DATA = 0x0000ffff,
};
struct seccomp_data {
	int32_t number;
	uint32_t arch; /* AUDIT_ARCH_* */
	uint64_t instruction;
	uint64_t arguments[6];
};
static_assert(sizeof(struct seccomp_data) == 64);

#endif
