/* SPDX-License-Identifier: MIT */
/* devpts, as devfs fills it: the nodes of pseudo-terminals are its, not devfs's. */
#ifndef KERNEL_FS_DEVPTS_H
#define KERNEL_FS_DEVPTS_H

#include <kernel/vfs/vfs.h>

/* The directory of the nodes, with a reference; nullptr before it was mounted first. */
struct inode *devpts_directory(void);
/* Gives a node that is to be made there its owner, and mode and group by the mount's options. */
void devpts_adjust(struct make_request *r);

#endif
