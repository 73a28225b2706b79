/* SPDX-License-Identifier: MIT */
/* The kernel log as log.c shares it with its readers (log_file.c). */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "log_ring.h"

#include <kernel/base/wait.h>

constexpr size_t LOG_TEXT_MAX = 400; /* of one record */
constexpr size_t LOG_RING_BYTES = 128ull * 1024;
constexpr uint8_t LOG_LEVEL_NUCLEUS = 5; /* what the nucleus logged, and reports: it is on the console already */

extern struct wait_queue log_readers; /* woken for each new record */
extern uint32_t log_console_level;    /* records below it are printed */

bool log_get(struct log_cursor *c, struct log_record *out, char *text, size_t size);
bool log_has(const struct log_cursor *c);
struct log_cursor log_oldest(void);
struct log_cursor log_newest(void);
/* Fetches what the nucleus has logged meanwhile. May sleep; overwrites the caller's call area. */
void log_drain_nucleus(void);
/* A line that is on the console already; log_announce() behind the last. Any context. */
void log_put_nucleus(const char *line, size_t n);
/* There is something new to print and to read. */
void log_announce(void);
/* To the console, past its driver. Any context; lines end in "\r\n". */
void log_write_polled(const char *text, size_t n);
/* The same in one piece, no line of the log in its middle. May sleep. */
void log_print_line(const char *text, size_t n);
/* "[    0.123456] " for a record; returns the length. */
int log_format_stamp(char *out, size_t size, uint64_t ns);
/* Prints what is pending, if nobody else does. */
void log_print_pending(void);
/* Whom to wake when there is something that its writer cannot print; any context. Once, at boot. */
void log_set_printer(void (*wake)(void));
/* Before containment ends the thread: what was logged so far reaches the console now. */
void log_flush(void);

static inline bool log_is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

#endif
