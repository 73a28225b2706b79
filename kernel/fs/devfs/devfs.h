/* SPDX-License-Identifier: MIT */
/* devfs: boot's part. */
#ifndef KERNEL_FS_DEVFS_H
#define KERNEL_FS_DEVFS_H

void devfs_register(void); /* the type "devtmpfs" */

#endif
