/* SPDX-License-Identifier: MIT */
/*
 * struct tty, shared by the files of kernel/tty.
 *
 * tty->lock (RANK_TTY) guards the line discipline and the session; it is never held while waiting,
 * copying to or from a user, or calling the driver. Signals are sent after it is dropped.
 */
#ifndef TTY_INTERNAL_H
#define TTY_INTERNAL_H

#include "line.h"

#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/device/class.h>
#include <kernel/file/async.h>
#include <kernel/file/file.h>
#include <kernel/thread/guard.h>
#include <kernel/tty/tty.h>

DECLARE_COMPONENT(tty);

constexpr uint32_t MAJOR_TTYAUX = 5, MINOR_TTY = 0, MINOR_CONSOLE = 1, MINOR_PTMX = 2;

constexpr size_t TTY_CHUNK = 512; /* bytes a read or write moves at once, through its stack */

struct tty {
	char name[16];
	struct tty *next; /* of those that tty_create made */
	uint32_t major, minor;
	const struct tty_driver *driver;
	void *driver_data;
	struct wait_queue read_wait, write_wait;
	struct mutex lock;
	struct line line GUARDED_BY(&lock);
	struct winsize size GUARDED_BY(&lock);
	struct termios locked_settings GUARDED_BY(&lock); /* the bits that nobody changes but who unlocks them */
	uint32_t session GUARDED_BY(&lock);		  /* 0: nobody's controlling terminal */
	uint32_t foreground GUARDED_BY(&lock);		  /* process group; 0: none */
	uint32_t generation;				  /* counts hang-ups; files of older ones are dead */
	uint32_t opens GUARDED_BY(&lock);
	bool exclusive GUARDED_BY(&lock);
	bool throttled GUARDED_BY(&lock);	 /* the driver holds input back */
	bool packet GUARDED_BY(&lock);		 /* pty: TIOCPKT */
	uint8_t packet_status GUARDED_BY(&lock); /* what the master is to be told; TIOCPKT_* */
	bool write_short;			 /* a writer that does not wait found no room */
	struct async_list async;
	bool other_closed; /* pty: the other side is gone */
	bool locked;	   /* pty: not yet to be opened */
	bool was_open;	   /* pty: by anybody, since the master was opened */
};

/* private_data of an open file. */
struct tty_file {
	struct tty *tty;
	uint32_t generation;
	bool is_console; /* opened as /dev/console: survives hang-ups */
};

static inline struct tty_file *tty_file_of(struct file *f)
{
	return f->private_data;
}
static inline bool tty_hung_up(const struct tty_file *tf)
{
	return tf->tty->other_closed ||
	       (!tf->is_console && tf->generation != __atomic_load_n(&tf->tty->generation, __ATOMIC_ACQUIRE));
}

/* tty.c */
/* Fresh memory becomes a terminal, as yet without a name in /dev. Once only: others may hold its locks later. */
void tty_init(struct tty *t, const char *name, uint32_t major, uint32_t minor, const struct tty_driver *driver,
	      void *driver_data);
extern const struct file_ops tty_file_ops; /* tty_file.c */
/* Runs the driver's start_output; contained in a guard. */
void tty_kick_driver(struct tty *t);
/* Acts on what line_input returned. Nothing is held. */
void tty_do_events(struct tty *t, unsigned events);
/* Writes for the kernel: waits for room, gives up on a hang-up. */
void tty_write_kernel(struct tty *t, const char *text, size_t n);
/* Waits until all output is with the driver. 0 or -ERESTARTSYS. */
int tty_drain(struct tty *t);
/* Tells a master in packet mode: bits that are set, others that no longer hold. Kick the driver afterwards. */
void tty_packet_note(struct tty *t, unsigned set, unsigned clear) REQUIRES(t -> lock);
/* The device behind it is gone: no node any more, open files are dead. And there is one again; -ENOMEM, -EEXIST. */
void tty_gone(struct tty *t);
[[nodiscard]] int tty_back(struct tty *t);
/* All open files but the console's are dead from now on. */
void tty_hang_up(struct tty *t);

/* polled.c: for a machine without any terminal: one that the nucleus writes for. */
void polled_create(void);

/* --- sys.c --- */
/* A terminal in /sys/class/tty, of a device (nullptr: of none); class_remove(e) undoes it. */
void tty_show(struct class_entry *e, struct device *dev, const char *name, uint32_t major, uint32_t minor);
void tty_show_fixed(void); /* those that are always there */

/* tty_job.c */
/* 0: go on; -ERESTARTSYS after a SIGTTIN or SIGTTOU; -EIO. */
int tty_check_foreground(struct tty *t, int signo);
/* On open: the terminal of a session leader that has none. */
void tty_acquire_on_open(struct tty *t);
long tty_job_ioctl(struct file *f, struct tty *t, uint32_t command, uint64_t arg);
/* Hangs up: the session that has it loses it. */
void tty_hang_up_now(struct tty *t);
void tty_signal_foreground(struct tty *t, int signo);

/* tty_ioctl.c */
long tty_ioctl(struct file *f, uint32_t command, uint64_t arg);
/* The commands that need no open file: settings, sizes, queues. -ENOTTY: not one of them. */
long tty_settings_ioctl(struct tty *t, uint32_t command, uint64_t arg);

/* tty_termios.c: tcgetattr and tcsetattr; -ENOTTY for other commands. */
long tty_termios_ioctl(struct tty *t, uint32_t command, user_addr at);

/* pty.c */
[[nodiscard]] int pty_init(void);

/* tty_file.c */
[[nodiscard]] int tty_file_open(struct file *f, struct tty *t, bool is_console);

#endif
