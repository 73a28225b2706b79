/* SPDX-License-Identifier: MIT */
/* procfs: boot's part. */
#ifndef KERNEL_FS_PROCFS_H
#define KERNEL_FS_PROCFS_H

void procfs_register(void);		/* the types "proc" and "sysfs" */

#endif
