/* SPDX-License-Identifier: MIT */
/*
 * Process calls whose arguments arm64's Linux ABI orders its own way: clone(2), with the thread pointer before the
 * child's thread id.
 */
#include <kernel/base/syscall.h>
#include <kernel/process/internal.h>
#include <kernel/vm/user.h>

static long sys_clone(uint64_t flags, uint64_t stack, user_addr parent_tid, uint64_t tls, user_addr child_tid)
{
	struct clone_request r = {
		.flags = (uint32_t)flags & ~0xffu,
		.exit_signal = flags & 0xff,
		.stack = stack,
		.parent_tid = parent_tid,
		.pidfd = parent_tid,
		.child_tid = child_tid,
		.tls = tls,
	};

	return process_clone(&r, NR_clone);
}
SYSCALL(clone);
