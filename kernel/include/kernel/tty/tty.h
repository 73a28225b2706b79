/* SPDX-License-Identifier: MIT */
/*
 * Terminals: line discipline (termios N_TTY) between a driver and files. A driver creates a tty,
 * feeds input with tty_input, and supplies start_output, which is called when there is something to
 * fetch with tty_take_output.
 */
#ifndef KERNEL_TTY_H
#define KERNEL_TTY_H

#include <kernel/file/file.h>
#include <kernel/process/process.h>

struct component;
struct tty;

struct tty_driver {
	struct component *component;			/* the driver's: its functions run under its guard */
	void (*start_output)(struct tty *t);		/* any lowered thread; must not block long: wakes the
							   driver's thread */
	void (*set_line)(struct tty *t, uint32_t baud); /* may be nullptr */
	void (*last_close)(struct tty *t);		/* no file is open any more; may be nullptr */
	bool is_pseudo;					/* a pty: no line that could be lost */
	bool is_screen;					/* not the console just because it was first */
	/* Commands that only this kind of terminal knows; -ENOTTY: it does not, either. nullptr: it knows none. In the
	 * thread of the process. */
	long (*ioctl)(struct tty *t, uint32_t command, uint64_t arg);
	bool (*output_idle)(struct tty *t); /* all that was taken is sent; nullptr: at once. Then
					       call tty_output_idle */
};
[[nodiscard]] int tty_create(const char *name, uint32_t major, uint32_t minor, const struct tty_driver *driver,
			     void *driver_data, struct tty **out);
void *tty_driver_data(struct tty *t);
void tty_input(struct tty *t, const void *bytes, size_t n); /* driver thread context; may take locks */
/* A break on the wire. */
void tty_input_break(struct tty *t);
/* How many bytes tty_input can take now without losing one. After 0 start_output is called once
 * there is room. */
size_t tty_input_room(struct tty *t);
size_t tty_take_output(struct tty *t, void *bytes, size_t max);
void tty_output_idle(struct tty *t);
/* The tty that /dev/console is. tty_create does it for the one that the last console= names, or the
 * first one made. */
void tty_set_console(struct tty *t);
/* If there is no console because console= names none: says so on every terminal and takes the first by name. May sleep.
 */
void tty_require_console(void);
/* For /proc: the terminals of drivers, by index; false: there are no more. */
struct tty_name {
	char name[16]; /* below /dev */
	uint32_t major, minor;
};
bool tty_at(uint32_t index, struct tty_name *out);
/* The most pseudo-terminals at a time, and how many are in use now. */
constexpr unsigned TTY_PTYS_MAX = 256;
unsigned tty_count_ptys(void);
/* Whether TIOCSTI is for users, too, on their own terminal: 0 or 1. Atomic. */
extern int32_t tty_users_simulate;
/* What the kernel's messages go to; nullptr: nothing. */
struct tty *tty_console(void);
/* Device number for /proc/PID/stat. */
uint64_t tty_device(const struct tty *t);
/* A session leader opened it without O_NOCTTY, or TIOCSCTTY. */
uint32_t tty_foreground_group(const struct tty *t);
/* vhangup(2): the terminal of the current process. */
void tty_hang_up_current(void);
/* A session and its terminal part: who is told, and whether the terminal's files are dead then, depends on how. */
void tty_session_end(struct tty *t, uint32_t sid, enum session_loss how);

#endif
