/* SPDX-License-Identifier: MIT */
/* The kernel's command line: words `name` or `name=value`. Any context after core_init_early. */
#ifndef KERNEL_CMDLINE_H
#define KERNEL_CMDLINE_H

#include <stddef.h>

/* The value of the last `name=value` (or "" for a bare `name`), copied to buf and returned;
 * nullptr: not there. */
const char *cmdline_get(const char *name, char *buf, size_t size);
/* The index-th value of `name` in order, for options that may be repeated (console=). */
const char *cmdline_get_nth(const char *name, unsigned index, char *buf, size_t size);
/* The whole line as it was given, for /proc/cmdline. */
const char *cmdline_text(void);

#endif
