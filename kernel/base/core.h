/* SPDX-License-Identifier: MIT */
/* What boot calls of the lowest floor (kernel/start/core.c). */
#ifndef BASE_CORE_H
#define BASE_CORE_H

#include <kernel/base/init.h>

void boot_info_set(const struct boot_info *info);
void clock_init(const struct boot_info *boot);
void log_init(void);
void cmdline_check(void); /* warns of options that nobody knows */
void random_init(const struct boot_info *boot);

#endif
