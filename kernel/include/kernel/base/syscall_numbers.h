/* SPDX-License-Identifier: MIT */
/*
 * System-call numbers that all of Linux's architectures share: every call that came since 5.1 (asm-generic/unistd.h of
 * linux-libc-dev). The older ones are arch/syscall_numbers.h's.
 */
#ifndef KERNEL_SYSCALL_NUMBERS_H
#define KERNEL_SYSCALL_NUMBERS_H

enum {
	NR_pidfd_send_signal = 424,
	NR_io_uring_setup = 425,
	NR_io_uring_enter = 426,
	NR_io_uring_register = 427,
	NR_open_tree = 428,
	NR_move_mount = 429,
	NR_fsopen = 430,
	NR_fsconfig = 431,
	NR_fsmount = 432,
	NR_fspick = 433,
	NR_pidfd_open = 434,
	NR_clone3 = 435,
	NR_close_range = 436,
	NR_openat2 = 437,
	NR_pidfd_getfd = 438,
	NR_faccessat2 = 439,
	NR_process_madvise = 440,
	NR_epoll_pwait2 = 441,
	NR_mount_setattr = 442,
	NR_quotactl_fd = 443,
	NR_landlock_create_ruleset = 444,
	NR_landlock_add_rule = 445,
	NR_landlock_restrict_self = 446,
	NR_memfd_secret = 447,
	NR_process_mrelease = 448,
	NR_futex_waitv = 449,
	NR_set_mempolicy_home_node = 450,
	NR_SYSCALLS = 451
};

#endif
