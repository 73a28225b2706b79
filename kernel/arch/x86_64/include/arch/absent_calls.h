/* SPDX-License-Identifier: MIT */
/* Calls of x86_64's table alone that are answered by ENOSYS (core/absent.c). */
#ifndef ARCH_ABSENT_CALLS_H
#define ARCH_ABSENT_CALLS_H

#define ARCH_ABSENT_CALLS                                                                                              \
	ABSENT(uselib, "CONFIG_USELIB"), ABSENT(sysfs, "CONFIG_SYSFS_SYSCALL"),                                        \
		ABSENT(modify_ldt, "CONFIG_MODIFY_LDT_SYSCALL"),                                                       \
		ABSENT(iopl, "CONFIG_X86_IOPL_IOPERM; ports are the nucleus's"),                                       \
		ABSENT(ioperm, "CONFIG_X86_IOPL_IOPERM; ports are the nucleus's"),                                     \
		ABSENT(set_thread_area, "of 32-bit programs alone"),                                                   \
		ABSENT(get_thread_area, "of 32-bit programs alone"),                                                   \
		ABSENT(epoll_ctl_old, "never were; epoll_ctl and epoll_wait are"),                                     \
		ABSENT(epoll_wait_old, "never were; epoll_ctl and epoll_wait are"),                                    \
		ABSENT(_sysctl, "gone since Linux 5.5; /proc/sys is there"),                                           \
		ABSENT(create_module, "gone since Linux 2.6"), ABSENT(get_kernel_syms, "gone since Linux 2.6"),        \
		ABSENT(query_module, "gone since Linux 2.6"), ABSENT(getpmsg, "reserved, never were"),                 \
		ABSENT(putpmsg, "reserved, never were"), ABSENT(afs_syscall, "reserved, never were"),                  \
		ABSENT(tuxcall, "reserved, never were"), ABSENT(security, "reserved, never were"),                     \
		ABSENT(vserver, "reserved, never were")

#endif
