/* SPDX-License-Identifier: MIT */
/*
 * Terminals as files: open, read, write, poll, and the special files /dev/tty and /dev/console.
 * Reads follow POSIX.1-2017 XBD 11.1.5–11.1.7 (canonical, and the four cases of MIN and TIME).
 * A fault in one of these operations fails it with EFAULT (kernel/thread/guard.h).
 */
#include "tty_internal.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <abi/poll.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/process/process.h>
#include <kernel/vfs/vfs.h>
#include <lib/types.h>

constexpr uint64_t DECISECOND_NS = 100'000'000;
/* Every processed byte may become two; a chunk is written only when it fits, so that short writes
 * stay whole. */
constexpr size_t WRITE_ROOM = 2 * TTY_CHUNK;

int tty_file_open(struct file *f, struct tty *t, bool is_console)
{
	struct tty_file *tf = kmalloc(sizeof(*tf));
	int error = 0;

	if (tf == nullptr)
		return -ENOMEM;
	mutex_lock(&t->lock);
	if (t->locked || t->other_closed)
		error = -EIO;
	else if (t->exclusive && !capable(CAP_SYS_ADMIN))
		error = -EBUSY;
	else
		t->was_open = ++t->opens > 0;
	*tf = (struct tty_file){.tty = t, .generation = t->generation, .is_console = is_console};
	mutex_unlock(&t->lock);
	if (error < 0) {
		kfree(tf);
		return error;
	}
	f->private_data = tf;
	if ((f->flags & O_NOCTTY) == 0 && (f->mode & FILE_READ) != 0 && !is_console)
		tty_acquire_on_open(t);
	return 0;
}

static int open_tty(struct file *f)
{
	return tty_file_open(f, f->private_data, false);
}

static void release_tty(struct file *f)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *t = tf->tty;

	mutex_lock(&t->lock);
	bool last = --t->opens == 0;
	if (last)
		t->exclusive = false;
	mutex_unlock(&t->lock);
	if (last && t->driver->last_close != nullptr)
		(void)guard_run_void(t->driver->component, t->driver->last_close(t));
	kfree(tf);
}

/* What a read in progress waits for. */
struct read_state {
	size_t minimum;		    /* bytes without which it does not end */
	uint64_t first_deadline_ns; /* for the first byte; 0: for ever */
	bool waits_not;		    /* MIN and TIME are zero: what is there, if only nothing */
	uint64_t between_ns;	    /* after each byte; 0: for ever */
	bool canonical;
};

static void read_rules(struct tty *t, size_t n, struct read_state *s)
{
	mutex_lock(&t->lock);
	const struct termios *now = &t->line.termios;
	uint64_t time_ns = now->c_cc[VTIME] * DECISECOND_NS;
	size_t minimum = now->c_cc[VMIN];

	*s = (struct read_state){.canonical = (now->c_lflag & ICANON) != 0, .minimum = 1};
	if (!s->canonical) {
		s->minimum = MIN(minimum, n);
		if (minimum > 0)
			s->between_ns = time_ns;
		else
			s->first_deadline_ns = clock_monotonic_ns() + time_ns;
		s->waits_not = minimum == 0 && time_ns == 0;
	}
	mutex_unlock(&t->lock);
}

static size_t take_input(struct tty *t, void *bytes, size_t n, bool *done, bool *resume)
{
	mutex_lock(&t->lock);
	size_t got = line_read(&t->line, bytes, n, done);
	*resume = t->throttled && line_input_room(&t->line) >= LINE_QUEUE_BYTES / 2;
	if (*resume)
		t->throttled = false;
	mutex_unlock(&t->lock);
	return got;
}

static bool is_readable(struct tty_file *tf)
{
	struct tty *t = tf->tty;

	if (tty_hung_up(tf))
		return true;
	mutex_lock(&t->lock);
	bool readable = line_readable(&t->line);
	mutex_unlock(&t->lock);
	return readable;
}

/* Waits for input. 0: look again; 1: the time is up; or an error. */
static int wait_input(struct file *f, struct read_state *s, size_t got)
{
	struct tty_file *tf = tty_file_of(f);
	uint64_t deadline = s->first_deadline_ns;
	int error;

	if (got > 0 || s->minimum > 0)
		deadline = got > 0 && s->between_ns > 0 ? clock_monotonic_ns() + s->between_ns : 0;
	if (s->waits_not)
		return 1;
	if ((f->flags & O_NONBLOCK) != 0)
		return -EAGAIN;
	if (deadline != 0)
		error = wait_event_interruptible_deadline(&tf->tty->read_wait, is_readable(tf), deadline);
	else
		error = wait_event_interruptible(&tf->tty->read_wait, is_readable(tf));
	return error == -ETIMEDOUT ? 1 : error;
}

static long read_tty(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *t = tf->tty;
	unsigned char bytes[TTY_CHUNK];
	struct read_state s;
	size_t got = 0;
	bool done = false, resume;
	int error = 0;

	if (n == 0)
		return 0;
	error = tty_hung_up(tf) ? 0 : tty_check_foreground(t, SIGTTIN);
	if (error < 0)
		return error;
	read_rules(t, n, &s);
	while (got < n && !done && error == 0 && !tty_hung_up(tf)) {
		size_t part = take_input(t, bytes, MIN(n - got, sizeof(bytes)), &done, &resume);

		if (resume)
			tty_kick_driver(t);
		if (io_copy_out(buf, got, bytes, part) < part)
			return got > 0 ? (long)got : -EFAULT;
		got += part;
		if (part > 0 || done)
			continue;
		if (got > 0 && (s.canonical || got >= s.minimum))
			break;
		error = wait_input(f, &s, got);
		/* Who comes later finds the end of the file; who slept is told. */
		if (error == 0 && got == 0 && t->other_closed)
			error = -EIO;
		if (error == 0 && got == 0)
			error = tty_hung_up(tf) ? 0 : tty_check_foreground(t, SIGTTIN);
	}
	return got > 0 || error > 0 ? (long)got : error;
}

static bool is_writable(struct tty_file *tf, size_t room)
{
	struct tty *t = tf->tty;

	if (tty_hung_up(tf))
		return true;
	mutex_lock(&t->lock);
	bool writable = line_output_room(&t->line) >= room;
	mutex_unlock(&t->lock);
	return writable;
}

/* Hands a chunk to the discipline when it has room for all of it; 0: it has not. */
static size_t put_output(struct tty *t, const void *bytes, size_t n)
{
	size_t done = 0;

	mutex_lock(&t->lock);
	if (line_output_room(&t->line) >= WRITE_ROOM)
		done = line_write(&t->line, bytes, n);
	mutex_unlock(&t->lock);
	if (done > 0)
		tty_kick_driver(t);
	return done;
}

static bool stops_background(struct tty *t)
{
	mutex_lock(&t->lock);
	bool stops = (t->line.termios.c_lflag & TOSTOP) != 0;
	mutex_unlock(&t->lock);
	return stops;
}

/* Who does not wait learns by a signal, if it asked for one, that there is room. */
static int refuse_write(struct tty *t)
{
	mutex_lock(&t->lock);
	t->write_short = true;
	mutex_unlock(&t->lock);
	return -EAGAIN;
}

static long write_tty(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *t = tf->tty;
	unsigned char bytes[TTY_CHUNK];
	size_t sent = 0;
	int error = 0;

	if (stops_background(t))
		error = tty_check_foreground(t, SIGTTOU);
	while (sent < n && error == 0) {
		size_t part = io_copy_in(bytes, buf, sent, MIN(n - sent, sizeof(bytes)));

		if (part == 0)
			error = -EFAULT;
		else if (tty_hung_up(tf))
			error = -EIO;
		else if ((part = put_output(t, bytes, part)) > 0)
			sent += part;
		else if ((f->flags & O_NONBLOCK) != 0)
			error = refuse_write(t);
		else
			error = wait_event_interruptible(&t->write_wait, is_writable(tf, WRITE_ROOM));
	}
	return sent > 0 ? (long)sent : error;
}

/* MIN counts for poll only when TIME is zero. */
static bool enough_to_read(struct tty_file *tf)
{
	struct tty *t = tf->tty;

	mutex_lock(&t->lock);
	const struct termios *now = &t->line.termios;
	size_t minimum = 1;
	if ((now->c_lflag & ICANON) == 0 && now->c_cc[VTIME] == 0 && now->c_cc[VMIN] > 0)
		minimum = now->c_cc[VMIN];
	bool enough = minimum == 1 ? line_readable(&t->line) : line_input_count(&t->line) >= minimum;
	mutex_unlock(&t->lock);
	return enough;
}

static uint32_t poll_tty(struct file *f, struct poll_table *table)
{
	struct tty_file *tf = tty_file_of(f);
	uint32_t ready = 0;

	poll_watch(table, &tf->tty->read_wait);
	poll_watch(table, &tf->tty->write_wait);
	if (tty_hung_up(tf))
		return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLHUP | POLLERR;
	if (enough_to_read(tf))
		ready |= POLLIN | POLLRDNORM;
	if (is_writable(tf, WRITE_ROOM))
		ready |= POLLOUT | POLLWRNORM;
	return ready;
}

static struct async_list *async_tty(struct file *f)
{
	struct tty *t = tty_file_of(f)->tty;

	t->async.group = tty_foreground_group(t);
	return &t->async;
}

#define TTY_OPERATIONS                                                                                                 \
	.release = release_tty, .read = read_tty, .write = write_tty, .poll = poll_tty, .ioctl = tty_ioctl,            \
	.async = async_tty, .async_owner = true

const struct file_ops tty_file_ops = {.component = &component_tty, .open = open_tty, TTY_OPERATIONS};

static int open_controlling(struct file *f)
{
	struct tty *t;

	mutex_lock(&process_tree_lock);
	t = process_current()->tty;
	mutex_unlock(&process_tree_lock);
	return t == nullptr ? -ENXIO : tty_file_open(f, t, false);
}

static int open_console(struct file *f)
{
	struct tty *t = tty_console();

	return t == nullptr ? -ENXIO : tty_file_open(f, t, true);
}

static const struct file_ops controlling_ops = {.component = &component_tty, .open = open_controlling, TTY_OPERATIONS};
static const struct file_ops console_ops = {.component = &component_tty, .open = open_console, TTY_OPERATIONS};

static int start_tty(void)
{
	int error = chrdev_register("tty", MAJOR_TTYAUX, MINOR_TTY, 0666, &controlling_ops, nullptr);

	session_set_end(tty_session_end);
	if (error == 0)
		error = chrdev_register("console", MAJOR_TTYAUX, MINOR_CONSOLE, 0600, &console_ops, nullptr);
	if (error == 0)
		error = pty_init();
	if (error == 0)
		tty_show_fixed();
	return error;
}

DEFINE_COMPONENT(tty, .stage = STAGE_CORE, .start = start_tty, .users = "the call is EFAULT; terminals stay");
