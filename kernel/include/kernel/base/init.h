/* SPDX-License-Identifier: MIT */
/*
 * What boot calls of the lowest floors and kernel/tty, in this order:
 *
 *	core_init_early(boot)	the boot thread's record, command line, clock, log. Nothing is
 *allocated. (page_init) core_init()		components, system-call table, timers, log and
 *reaper threads, random numbers (vfs_init) components_start()	every component's start function,
 *stage by stage
 */
#ifndef KERNEL_INIT_H
#define KERNEL_INIT_H

#include <nucleus/upcall.h>

void core_init_early(const struct boot_info *boot);
void core_init(void);
void components_start(void);
/* What the nucleus told at the start; borrowed, valid for ever. */
const struct boot_info *boot_info(void);

#endif
