/* SPDX-License-Identifier: MIT */
/*
 * The kernel's command line: words separated by blanks, `name` or `name=value`; double quotes keep blanks in a value.
 * Words before a bare `--` are the kernel's; what follows belongs to init. Pure.
 */
#ifndef LIB_CMDLINE_H
#define LIB_CMDLINE_H

#include <stddef.h>
#include <stdint.h>

constexpr unsigned CMDLINE_LAST = UINT32_MAX;

/* The first of the kernel's words at or after `at`, which is no middle of a word, and where it ends; nullptr: there is
 * none. */
const char *cmdline_word(const char *at, const char **end);

/* Copies the value of the index-th word of that name, or of the last one, without its quotes into buf, cut to size;
 * empty for a word without a value. False: there is none, and buf is as it was. */
bool cmdline_find(const char *text, const char *name, unsigned index, char *buf, size_t size);

#endif
