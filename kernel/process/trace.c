/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2) where tracing is switched off (as by kernel.yama.ptrace_scope = 3), and setns(2) where there is one
 * namespace of each kind: nobody becomes a tracer or a tracee, and no descriptor is a namespace's. And vhangup(2).
 */
#include "internal.h"
#include <kernel/file/file.h>

enum : uint64_t { PTRACE_TRACEME = 0, PTRACE_ATTACH = 16, PTRACE_SEIZE = 0x4206 };

static long sys_ptrace(uint64_t request, int pid, uint64_t address)
{
	if (request == PTRACE_TRACEME)
		return -EPERM;
	struct process *p = pid > 0 ? process_find_by_tid((uint32_t)pid) : nullptr;
	if (p == nullptr)
		return -ESRCH;
	process_put(p);
	if (request == PTRACE_SEIZE && address != 0)
		return -EIO;
	/* For the other requests the process would have to be traced by the caller. */
	return request == PTRACE_ATTACH || request == PTRACE_SEIZE ? -EPERM : -ESRCH;
}
SYSCALL(ptrace);

static long sys_setns(int fd)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	file_ref_put(r);
	return -EINVAL;
}
SYSCALL(setns);
