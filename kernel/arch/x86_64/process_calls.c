/* SPDX-License-Identifier: MIT */
/*
 * Process calls that only x86_64 has or whose arguments are ordered its own way: clone(2) (the
 * thread pointer last), fork(2), vfork(2), pause(2), alarm(2), time(2), getpgrp(2), signalfd(2),
 * arch_prctl(2). The others have replaced them by newer calls.
 */
#include <kernel/base/clock.h>
#include <kernel/process/internal.h>
#include <kernel/vm/user.h>
#include <nucleus/calls.h>
#include <nucleus/layout.h>

static long sys_clone(uint64_t flags, uint64_t stack, user_addr parent_tid, user_addr child_tid, uint64_t tls)
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

static long sys_fork(void)
{
	return process_clone(&(struct clone_request){.exit_signal = SIGCHLD}, NR_fork);
}
SYSCALL(fork);

static long sys_vfork(void)
{
	return process_clone(&(struct clone_request){.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD},
			     NR_vfork);
}
SYSCALL(vfork);

static long sys_pause(void)
{
	signal_wait_any();
	return -ERESTARTNOHAND;
}
SYSCALL(pause);

static long sys_alarm(uint32_t seconds)
{
	constexpr uint64_t ns_per_s = 1000000000;
	uint64_t left, interval;

	itimer_change(0, seconds * ns_per_s, 0, &left, &interval);
	/* A running alarm never answers 0; else to the nearest second. */
	uint64_t rounded = (left + ns_per_s / 2) / ns_per_s;
	return left != 0 && rounded == 0 ? 1 : (long)rounded;
}
SYSCALL(alarm);

static long sys_time(user_addr at)
{
	int64_t now = clock_realtime_ns() / 1000000000;

	if (at.value != 0 && put_user(at, now) != 0)
		return -EFAULT;
	return now;
}
SYSCALL(time);

static long sys_getpgrp(void)
{
	return process_current()->pgid;
}
SYSCALL(getpgrp);

static long sys_signalfd(int fd, user_addr mask, size_t size)
{
	return signal_file_make(fd, mask, size, 0);
}
SYSCALL(signalfd);

enum : int { ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004 };

static long sys_arch_prctl(int option, uint64_t address)
{
	struct user_regs *regs = (struct user_regs *)call_area();
	uint32_t own = thread_page_current()->handle;
	uint64_t *base, value;
	long error;

	if (option < ARCH_SET_GS || option > ARCH_GET_GS)
		return syscall_refuse_flags(NR_arch_prctl, (uint64_t)option);
	if ((option == ARCH_SET_FS || option == ARCH_SET_GS) && address >= USER_END)
		return -EPERM;
	error = nucleus_regs_get(own);
	if (error < 0)
		return error;
	base = option == ARCH_SET_FS || option == ARCH_GET_FS ? &regs->fs_base : &regs->gs_base;
	value = *base; /* any address: a program may have put it there by WRFSBASE */
	if (option == ARCH_GET_FS || option == ARCH_GET_GS)
		return put_user(USER_ADDR(address), value);
	*base = address;
	return nucleus_regs_set(own);
}
SYSCALL(arch_prctl);
