/* SPDX-License-Identifier: MIT */
/*
 * Terminals between a driver and the line discipline (kernel/tty/tty.h): creation, input, output, the
 * console.
 *
 * A driver's thread calls tty_input and tty_take_output; start_output only wakes it. Input is held
 * back (not lost) when the discipline is full: the driver asks tty_input_room and is kicked again
 * when a reader has made room.
 */
#include "tty_internal.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/process/process.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

constexpr uint16_t ROWS_DEFAULT = 24, COLUMNS_DEFAULT = 80;
constexpr uint64_t DRAIN_LIMIT_NS = 2'000'000'000;

static struct tty *console;
static struct tty *terminals; /* only ever grows; atomic */

bool tty_at(uint32_t index, struct tty_name *out)
{
	const struct tty *t = __atomic_load_n(&terminals, __ATOMIC_ACQUIRE);

	while (t != nullptr && index-- > 0)
		t = t->next;
	if (t == nullptr)
		return false;
	*out = (struct tty_name){.major = t->major, .minor = t->minor};
	strlcpy(out->name, t->name, sizeof(out->name));
	return true;
}

struct tty *tty_console(void)
{
	return __atomic_load_n(&console, __ATOMIC_ACQUIRE);
}

static void write_log(const char *text, size_t n)
{
	tty_write_kernel(tty_console(), text, n);
}

static bool is_drained(struct tty *t)
{
	mutex_lock(&t->lock);
	bool drained = line_output_count(&t->line) == 0;
	mutex_unlock(&t->lock);
	return drained && (t->driver->output_idle == nullptr ||
			   guard_run(t->driver->component, t->driver->output_idle(t)) != false);
}

static void drain_console(void)
{
	struct tty *t = tty_console();

	(void)wait_event_patiently(&t->write_wait, is_drained(t), DRAIN_LIMIT_NS);
}

void tty_set_console(struct tty *t)
{
	__atomic_store_n(&console, t, __ATOMIC_RELEASE);
	log_set_console(write_log, drain_console);
}

/* The last console= names this terminal, or there is none and it is the first. */
static bool is_chosen_console(const struct tty *t)
{
	char option[32];

	if (cmdline_get("console", option, sizeof(option)) == nullptr)
		return tty_console() == nullptr && !t->driver->is_screen;
	char *comma = strchr(option, ',');
	if (comma != nullptr)
		*comma = '\0';
	return strcmp(option, t->name) == 0;
}

void tty_init(struct tty *t, const char *name, uint32_t major, uint32_t minor, const struct tty_driver *driver,
	      void *driver_data)
{
	strlcpy(t->name, name, sizeof(t->name));
	t->major = major;
	t->minor = minor;
	t->driver = driver;
	t->driver_data = driver_data;
	wait_queue_init(&t->read_wait);
	wait_queue_init(&t->write_wait);
	async_list_init(&t->async);
	mutex_init(&t->lock, RANK_TTY);
	mutex_lock(&t->lock);
	line_init(&t->line);
	mutex_unlock(&t->lock);
}

int tty_create(const char *name, uint32_t major, uint32_t minor, const struct tty_driver *driver, void *driver_data,
	       struct tty **out)
{
	struct tty *t = kmalloc(sizeof(*t));

	if (t == nullptr)
		return -ENOMEM;
	tty_init(t, name, major, minor, driver, driver_data);
	mutex_lock(&t->lock);
	t->size = (struct winsize){.ws_row = ROWS_DEFAULT, .ws_col = COLUMNS_DEFAULT};
	mutex_unlock(&t->lock);
	*out = t;
	int error = chrdev_register(t->name, major, minor, 0620, &tty_file_ops, t);
	if (error < 0) {
		kfree(t);
		return error;
	}
	t->next = __atomic_load_n(&terminals, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&terminals, &t->next, t, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	if (is_chosen_console(t))
		tty_set_console(t);
	return 0;
}

/* Whoever sits at any of the terminals must learn why nothing happens there. */
void tty_require_console(void)
{
	char option[32], names[64] = "", line[192];
	struct tty *first = nullptr;

	if (tty_console() != nullptr)
		return;
	for (struct tty *t = __atomic_load_n(&terminals, __ATOMIC_ACQUIRE); t != nullptr; t = t->next) {
		scnprintf(names + strlen(names), sizeof(names) - strlen(names), " %s", t->name);
		if (first == nullptr || strcmp(t->name, first->name) < 0)
			first = t;
	}
	if (first == nullptr) {
		polled_create();
		return;
	}
	if (cmdline_get("console", option, sizeof(option)) == nullptr)
		option[0] = '\0';
	if (option[0] == '\0') { /* nobody asked for another */
		tty_set_console(first);
		return;
	}
	int n = scnprintf(line, sizeof(line), "tty: console=%s names no terminal; there are:%s; the console is %s\n",
			  option, names, first->name);
	for (struct tty *t = __atomic_load_n(&terminals, __ATOMIC_ACQUIRE); t != nullptr; t = t->next)
		if (t != first)
			tty_write_kernel(t, line, (size_t)n);
	tty_set_console(first);
	log_warn("%.*s", n - 1, line);
}

void tty_gone(struct tty *t)
{
	chrdev_unregister(t->major, t->minor);
	mutex_lock(&t->lock);
	__atomic_store_n(&t->other_closed, true, __ATOMIC_RELEASE);
	line_flush_output(&t->line);
	mutex_unlock(&t->lock);
	tty_hang_up_now(t);
	/* Who writes to it gives up by now. */
	if (t == tty_console())
		log_set_console(nullptr, nullptr);
}

int tty_back(struct tty *t)
{
	if (!__atomic_load_n(&t->other_closed, __ATOMIC_ACQUIRE))
		return 0;
	int error = chrdev_register(t->name, t->major, t->minor, 0620, &tty_file_ops, t);
	if (error < 0)
		return error;
	__atomic_store_n(&t->other_closed, false, __ATOMIC_RELEASE);
	if (t == tty_console())
		tty_set_console(t);
	return 0;
}

void *tty_driver_data(struct tty *t)
{
	return t->driver_data;
}

uint64_t tty_device(const struct tty *t)
{
	return MKDEV(t->major, t->minor);
}

void tty_kick_driver(struct tty *t)
{
	(void)guard_run_void(t->driver->component, t->driver->start_output(t));
}

static void tty_announce_input(struct tty *t)
{
	wait_wake_all(&t->read_wait);
	async_notify(&t->async, POLL_IN, FILE_READ | FILE_WRITE);
}

void tty_packet_note(struct tty *t, unsigned set, unsigned clear)
{
	if (t->packet)
		t->packet_status = (uint8_t)((t->packet_status & ~clear) | set);
}

void tty_do_events(struct tty *t, unsigned events)
{
	if ((events & LINE_READABLE) != 0)
		tty_announce_input(t);
	if ((events & LINE_FLUSHED) != 0)
		wait_wake_all(&t->write_wait);
	if ((events & LINE_OUTPUT) != 0)
		tty_kick_driver(t);
	if ((events & LINE_INTERRUPT) != 0)
		tty_signal_foreground(t, SIGINT);
	if ((events & LINE_QUIT) != 0)
		tty_signal_foreground(t, SIGQUIT);
	if ((events & LINE_SUSPEND) != 0)
		tty_signal_foreground(t, SIGTSTP);
}

void tty_input(struct tty *t, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	size_t done = 0;

	while (done < n) {
		constexpr unsigned SIGNALS = LINE_INTERRUPT | LINE_QUIT | LINE_SUSPEND;
		unsigned events = 0;

		mutex_lock(&t->lock);
		bool stopped = t->line.stopped, lines = (t->line.termios.c_lflag & ICANON) != 0;
		unsigned ends = SIGNALS | (lines ? LINE_READABLE : 0);
		/* Signals at once and one by one: what follows the key belongs after it. Lines one by one: each is
		 * announced. */
		while (done < n && (events & ends) == 0)
			events |= line_input(&t->line, p[done++]);
		if (stopped != t->line.stopped)
			tty_packet_note(t, stopped ? TIOCPKT_START : TIOCPKT_STOP,
					stopped ? TIOCPKT_STOP : TIOCPKT_START);
		if ((events & LINE_FLUSHED) != 0)
			tty_packet_note(t, TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE, 0);
		mutex_unlock(&t->lock);
		tty_do_events(t, events);
	}
}

void tty_input_break(struct tty *t)
{
	mutex_lock(&t->lock);
	unsigned events = line_break(&t->line);
	mutex_unlock(&t->lock);
	tty_do_events(t, events);
}

size_t tty_input_room(struct tty *t)
{
	mutex_lock(&t->lock);
	size_t room = line_input_room(&t->line);
	/* A reader that makes room kicks the driver. */
	t->throttled = room == 0;
	mutex_unlock(&t->lock);
	return room;
}

size_t tty_take_output(struct tty *t, void *bytes, size_t max)
{
	mutex_lock(&t->lock);
	size_t n = line_take_output(&t->line, bytes, max);
	size_t left = line_output_count(&t->line);
	bool was_short = t->write_short && left < LINE_QUEUE_BYTES / 2;
	if (was_short)
		t->write_short = false;
	mutex_unlock(&t->lock);
	/* Writers are woken when a good part is free, not for each byte; tcdrain waits for the end.
	 */
	if (n > 0 && (left == 0 || (left < LINE_QUEUE_BYTES / 2 && left + n >= LINE_QUEUE_BYTES / 2)))
		wait_wake_all(&t->write_wait);
	if (was_short)
		async_notify(&t->async, POLL_OUT, FILE_READ | FILE_WRITE);
	return n;
}

static bool has_room(struct tty *t, size_t n)
{
	mutex_lock(&t->lock);
	bool has = line_output_room(&t->line) >= n;
	mutex_unlock(&t->lock);
	return has;
}

void tty_write_kernel(struct tty *t, const char *text, size_t n)
{
	while (n > 0 && !__atomic_load_n(&t->other_closed, __ATOMIC_ACQUIRE)) {
		mutex_lock(&t->lock);
		size_t done = line_write(&t->line, text, n);
		mutex_unlock(&t->lock);
		tty_kick_driver(t);
		text += done;
		n -= done;
		if (n > 0)
			wait_event(&t->write_wait, has_room(t, LINE_QUEUE_BYTES / 2) ||
							   __atomic_load_n(&t->other_closed, __ATOMIC_ACQUIRE));
	}
}

int tty_drain(struct tty *t)
{
	return wait_event_interruptible(&t->write_wait, is_drained(t));
}

void tty_output_idle(struct tty *t)
{
	wait_wake_all(&t->write_wait);
}

void tty_hang_up(struct tty *t)
{
	mutex_lock(&t->lock);
	/* What was written goes out: the last words of a session whose leader has just ended are
	 * among it. */
	line_flush_input(&t->line);
	t->line.stopped = false;
	__atomic_fetch_add(&t->generation, 1, __ATOMIC_RELEASE);
	mutex_unlock(&t->lock);
	async_clear(&t->async);
	tty_kick_driver(t);
	wait_wake_all(&t->read_wait);
	wait_wake_all(&t->write_wait);
}
