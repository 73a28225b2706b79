/* SPDX-License-Identifier: MIT */
/* Kernel log: a ring read by /dev/kmsg, syslog(2) and the console. Lower case, component first:
 * log_info("serial: 16550 at 0x%x", port). */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include <lib/annotate.h>
#include <stddef.h>

enum log_level : unsigned { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 };
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

/* From now on the log thread writes the log to the console through this function (which may block);
 * before, every message goes out at once through the nucleus. drain waits a short while until all
 * of it is sent. nullptr: back to the nucleus. */
void log_set_console(void (*write)(const char *text, size_t n), void (*drain)(void));
/* Before power-off: waits a short while until everything logged and written to the console is out.
 * May sleep. */
void log_settle(void);

/* A bug of the lowered kernel: faults at once, so that the report has the backtrace and containment
 * applies. */
[[noreturn]] void kernel_bug(const char *file, int line, const char *what);
#define KASSERT(cond) ((cond) ? (void)0 : kernel_bug(__FILE_NAME__, __LINE__, #cond))

#endif
