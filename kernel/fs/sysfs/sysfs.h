/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. */
#ifndef KERNEL_FS_SYSFS_H
#define KERNEL_FS_SYSFS_H

#include <kernel/thread/component.h>
#include <kernel/vfs/tree.h>

DECLARE_COMPONENT(sysfs);

[[nodiscard]] int sysfs_add_cpus(void); /* cpu.c: the directories of processors and of the memory node; -ENOMEM */

#endif
