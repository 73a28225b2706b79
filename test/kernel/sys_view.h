/* SPDX-License-Identifier: MIT */
/* /sys as the kernel's tests look at it: mounted for them at SYS. */
#ifndef KTEST_SYS_VIEW_H
#define KTEST_SYS_VIEW_H

#include <kernel/vfs/vfs.h>

#define SYS "/sys_view"

/* Mounts it; false: it cannot be, which is recorded. */
bool sys_mounted(void);
/* 0, or why there is no such name; a link is followed on the way, not at the end, so that one that leads nowhere is
 * there. */
int sys_found(const char *path);
/* Whether that file has this text; if not, it is recorded. */
bool sys_says(const char *path, const char *wanted);
/* The file, or nullptr, which is recorded. */
struct file *sys_open(const char *path, uint32_t flags);

#endif
