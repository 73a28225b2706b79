/* SPDX-License-Identifier: MIT */
/* The kernel command line: words "name=value" separated by blanks. */
#ifndef NUCLEUS_CMDLINE_H
#define NUCLEUS_CMDLINE_H

#include <stddef.h>

/* Copies the value of the last `name=` into out (cut to size). false: not there. */
bool cmdline_value(const char *cmdline, const char *name, char *out, size_t size);

#endif
