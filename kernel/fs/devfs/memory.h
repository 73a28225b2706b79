/* SPDX-License-Identifier: MIT */
/* null, zero, full, random, urandom. */
#ifndef KERNEL_FS_DEVFS_MEMORY_H
#define KERNEL_FS_DEVFS_MEMORY_H

#include <kernel/thread/component.h>

DECLARE_COMPONENT(devfs);

void memory_devices_register(void);

#endif
