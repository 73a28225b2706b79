/* SPDX-License-Identifier: MIT */
/* System-call dispatch: boot's part. */
#ifndef PROCESS_DISPATCH_H
#define PROCESS_DISPATCH_H

void syscall_init(void); /* makes the table */

#endif
