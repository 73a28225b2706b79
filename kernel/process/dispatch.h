/* SPDX-License-Identifier: MIT */
/* System-call dispatch: boot's part. */
#ifndef PROCESS_DISPATCH_H
#define PROCESS_DISPATCH_H

void syscall_init(void); /* makes the table */
/* Whether calls of threads that have a mode of seccomp(2) are looked at. One caller at a time. */
void syscall_check(bool on);

#endif
