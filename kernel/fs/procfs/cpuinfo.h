/* SPDX-License-Identifier: MIT */
/* /proc/cpuinfo: each architecture describes its processors in its own words. */
#ifndef KERNEL_FS_PROCFS_CPUINFO_H
#define KERNEL_FS_PROCFS_CPUINFO_H

#include <kernel/mem/text.h>
#include <stdint.h>

void cpuinfo_show(struct text_buffer *b, uint32_t cpu); /* kernel/arch/ARCH/cpuinfo.c */

#endif
