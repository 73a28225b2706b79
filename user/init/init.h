/* SPDX-License-Identifier: MIT */
/*
 * What the parts of init share: messages, the kernel command line, consoles, and shutdown.
 * Single-threaded; every signal that init answers stays blocked and is taken with sigtimedwait.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

constexpr size_t INIT_MAX_CONSOLES = 8;
constexpr size_t INIT_TEXT_CONSOLES = 6;
constexpr size_t INIT_MAX_ARGS = 32;
constexpr size_t INIT_CMDLINE_SIZE = 4096;

/* What the kernel command line asks of init; the strings point into `text`. */
struct init_options {
	char text[INIT_CMDLINE_SIZE];
	const char *consoles[INIT_MAX_CONSOLES];
	size_t console_count;
	char *run[INIT_MAX_ARGS + 1]; /* init.run's argument vector; run[0] is nullptr without one */
};

/* Prints "init: ..." on standard error. */
[[gnu::format(printf, 1, 2)]] void init_say(const char *format, ...);

/* One more console, unless it is one already, or there are too many; what follows a comma is cut. `value` stays. */
void init_options_add_console(struct init_options *options, char *value);
/* Splits `line` (copied) into *options. A line that names no console yields /dev/console. */
void init_options_parse(struct init_options *options, const char *line);

/* Reads /proc/cmdline into *options; without it the defaults stand. */
void init_options_read(struct init_options *options);

/* Mounts proc, sysfs, /dev and /tmp as far as the kernel has them, saying what failed. */
void init_mount_all(void);

/* A program that runs already since an init before this one started it, or 0: the leader of the session of the terminal
 * `console`, or, where that is nullptr, the one that was started as `program`. */
[[nodiscard]] pid_t init_find_child(const char *console, const char *program);

/* Makes the device `name` the calling process's standard streams, and, where it owns it, its session's terminal.
 * Returns 0 or -errno. To be called in a fresh child. */
[[nodiscard]] int init_open_console(const char *name, bool owns);

/* Ends every process, unmounts, and calls reboot(2) with `command` (RB_*). Does not return. */
[[noreturn]] void init_shutdown(int command);
