/* SPDX-License-Identifier: MIT */
/*
 * The nucleus's own words: a ring that the kernel drains, and a polled console for panics and for what lowered code
 * cannot say. Any context with interrupts off; lines of different CPUs may mix only in a panic.
 */
#ifndef NUCLEUS_LOG_H
#define NUCLEUS_LOG_H

#include <lib/annotate.h>
#include <stddef.h>
#include <stdint.h>

void log_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The polled console of the architecture. */
void arch_console_init(void);
void arch_console_write(const char *text, size_t n);

#endif
