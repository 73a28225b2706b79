/* SPDX-License-Identifier: MIT */
/*
 * The nucleus's own words: a ring that the kernel drains, and a polled console for reports and panics. Any context with
 * interrupts off; lines of different CPUs may mix only in a panic.
 */
#ifndef NUCLEUS_LOG_H
#define NUCLEUS_LOG_H

#include <lib/annotate.h>
#include <stddef.h>
#include <stdint.h>

/* As much as the transmitter of a 16550 takes without waiting (PC16550D datasheet, FIFO mode). */
enum { LOG_PIECE = 16 };

void log_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* While on, what is printed waits to be shown. What is printed behind it waits, too. */
void log_hold(bool on);
bool log_pending(void);
/* Shows up to so much of what waits. */
void log_show(uint64_t bytes);
/* Shows all at once, and whatever follows: for panics. */
void log_flush(void);
/* The polled console of the architecture. */
void arch_console_init(void);
void arch_console_write(const char *text, size_t n);

#endif
