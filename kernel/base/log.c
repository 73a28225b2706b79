/* SPDX-License-Identifier: MIT */
/*
 * The kernel log (kernel/base/log.h): records go into a ring under a spinlock, from any context; then
 * they are printed.
 *
 * Printing: until log_set_console() every writer prints what is pending at once through the
 * nucleus's polled console, unless it runs with preemption off; afterwards the log thread (kernel/thread/log_thread.c)
 * prints. One thread prints at a time, in order, since it holds console_lock, which who logs only ever tries to take.
 * The nucleus keeps a log of its own and prints that itself; here it is only fetched into the ring.
 */
#include "core.h"
#include "log_read.h"

#include <kernel/base/clock.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>
#include <stdarg.h>

constexpr uint32_t CONSOLE_LEVEL_DEFAULT = 7;
constexpr uint32_t CONSOLE_LEVEL_QUIET = 4;
/* It is not waited for any longer after that, and so many looks: a host that stops a virtual machine takes no looks. */
constexpr uint64_t SETTLE_LIMIT_NS = 1'000'000'000, SETTLE_POLL_NS = 1'000'000;
constexpr uint32_t SETTLE_POLLS = 200;

static unsigned char store[LOG_RING_BYTES];
static struct spinlock ring_lock = SPINLOCK_INIT(RANK_LOG);
static struct log_ring ring GUARDED_BY(&ring_lock) = {.data = store, .size = sizeof(store)};

static struct mutex console_lock = MUTEX_INIT(console_lock, RANK_NONE);
static struct log_cursor console_cursor GUARDED_BY(&console_lock);
static void (*console_write)(const char *text, size_t n);
static void (*console_drain)(void);
uint32_t log_console_level = CONSOLE_LEVEL_DEFAULT;

static struct mutex drain_lock = MUTEX_INIT(drain_lock, RANK_NONE);
static char drain_line[LOG_TEXT_MAX] GUARDED_BY(&drain_lock);
static size_t drain_length GUARDED_BY(&drain_lock);

struct wait_queue log_readers = WAIT_QUEUE_INIT(log_readers);
static void (*wake_printer)(void); /* atomic; nullptr: there is no thread yet */

bool log_get(struct log_cursor *c, struct log_record *out, char *text, size_t size)
{
	spin_lock(&ring_lock);
	bool found = log_ring_get(&ring, c, out, text, size);
	spin_unlock(&ring_lock);
	return found;
}

struct log_cursor log_oldest(void)
{
	spin_lock(&ring_lock);
	struct log_cursor c = log_ring_oldest(&ring);
	spin_unlock(&ring_lock);
	return c;
}

struct log_cursor log_newest(void)
{
	spin_lock(&ring_lock);
	struct log_cursor c = log_ring_newest(&ring);
	spin_unlock(&ring_lock);
	return c;
}

bool log_has(const struct log_cursor *c)
{
	return c->seq < log_newest().seq;
}

static void put_record(uint8_t level, const char *text, size_t n)
{
	uint64_t now = clock_monotonic_ns();

	spin_lock(&ring_lock);
	log_ring_put(&ring, level, now, text, n);
	spin_unlock(&ring_lock);
}

int log_format_stamp(char *out, size_t size, uint64_t ns)
{
	return scnprintf(out, size, "[%5lu.%06lu] ", ns / 1'000'000'000, ns / 1000 % 1'000'000);
}

void log_write_polled(const char *text, size_t n)
{
	while (n > 0) {
		uint64_t words[2] = {};
		size_t part = MIN(n, sizeof(words));

		memcpy(words, text, part);
		(void)nucleus_console_put(words[0], words[1], (uint32_t)part);
		text += part;
		n -= part;
	}
}

void log_print_line(const char *text, size_t n)
{
	mutex_lock(&console_lock);
	log_write_polled(text, n);
	mutex_unlock(&console_lock);
	/* What others logged meanwhile they could not print. */
	log_flush();
}

/* A record as it is printed: with its stamp, and in one piece, so that no program's output comes between. What a
 * process chose (a name, a line for /dev/kmsg) must not command the terminal. */
static size_t format_line(char *out, size_t size, const struct log_record *record, const char *text, const char *end)
{
	size_t n = (size_t)log_format_stamp(out, size, record->ns);

	for (size_t k = 0; k < record->length; k++) {
		if ((!log_is_control(text[k]) && (unsigned char)text[k] < 0x7f) || text[k] == '\t')
			out[n++] = text[k];
		else
			n += (size_t)scnprintf(out + n, size - n, "\\x%02x", (unsigned char)text[k]);
	}
	return n + (size_t)scnprintf(out + n, size - n, "%s", end);
}

static void print_record(const struct log_record *record, const char *text) REQUIRES(console_lock)
{
	constexpr size_t STAMP_MAX = 40, ESCAPE_BYTES = 4;
	static char line[STAMP_MAX + LOG_TEXT_MAX * ESCAPE_BYTES + sizeof("\r\n")] GUARDED_BY(&console_lock);
	auto write = console_write != nullptr ? console_write : log_write_polled;
	size_t n = format_line(line, sizeof(line), record, text, write == log_write_polled ? "\r\n" : "\n");

	write(line, n);
}

static bool console_pending(void) NO_THREAD_SAFETY
{
	return log_has(&console_cursor);
}

/* Prints until nothing is left. Who loses the try is served by the winner, which looks again after
 * letting go. */
void log_print_pending(void)
{
	struct log_record record;
	char text[LOG_TEXT_MAX];

	while (console_pending() && mutex_try_lock(&console_lock)) {
		while (log_get(&console_cursor, &record, text, sizeof(text))) {
			if (record.level < log_console_level && record.level != LOG_LEVEL_NUCLEUS)
				print_record(&record, text);
		}
		mutex_unlock(&console_lock);
	}
}

static void wake_log_thread(void)
{
	void (*wake)(void) = __atomic_load_n(&wake_printer, __ATOMIC_ACQUIRE);

	if (wake != nullptr)
		wake();
}

void log_set_printer(void (*wake)(void))
{
	__atomic_store_n(&wake_printer, wake, __ATOMIC_RELEASE);
}

void log_announce(void)
{
	bool free = thread_current()->kept->held_count == 0;

	if (console_write == nullptr && thread_page_current()->preempt_count == 0)
		log_print_pending();
	/* With a lock held the readers' queue may be out of order: the log thread wakes them. */
	if (free)
		wait_wake_all(&log_readers);
	if (!free || console_write != nullptr)
		wake_log_thread();
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	put_record((uint8_t)level, text, (size_t)n);
	log_announce();
}

void log_put_nucleus(const char *line, size_t n)
{
	put_record(LOG_LEVEL_NUCLEUS, line, MIN(n, LOG_TEXT_MAX));
}

void log_flush(void)
{
	if (console_write == nullptr)
		log_print_pending();
	else
		wake_log_thread();
}

static void drain_bytes(const char *bytes, size_t n) REQUIRES(&drain_lock)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != '\n' && drain_length < sizeof(drain_line)) {
			if (bytes[i] != '\r')
				drain_line[drain_length++] = bytes[i];
			continue;
		}
		put_record(LOG_LEVEL_NUCLEUS, drain_line, drain_length);
		drain_length = 0;
		if (bytes[i] != '\n')
			drain_line[drain_length++] = bytes[i];
	}
}

void log_drain_nucleus(void)
{
	long n;

	mutex_lock(&drain_lock);
	while ((n = nucleus_log_drain()) > 0)
		drain_bytes((const char *)call_area(), MIN((size_t)n, (size_t)CALL_AREA_BYTES));
	mutex_unlock(&drain_lock);
}

void log_set_console(void (*write)(const char *text, size_t n), void (*drain)(void))
{
	mutex_lock(&console_lock);
	console_write = write;
	console_drain = drain;
	mutex_unlock(&console_lock);
	log_flush();
}

void log_settle(void)
{
	uint64_t deadline = clock_monotonic_ns() + SETTLE_LIMIT_NS;

	log_flush();
	for (uint32_t n = 0; console_pending() && (n < SETTLE_POLLS || clock_monotonic_ns() < deadline); n++)
		thread_park(clock_monotonic_ns() + SETTLE_POLL_NS);
	/* The last record is taken before it is written. */
	mutex_lock(&console_lock);
	mutex_unlock(&console_lock);
	if (console_drain != nullptr)
		console_drain();
}

void log_init(void)
{
	char value[8];

	if (cmdline_get("quiet", value, sizeof(value)) != nullptr)
		log_console_level = CONSOLE_LEVEL_QUIET;
	if (cmdline_get("debug", value, sizeof(value)) != nullptr)
		log_console_level = LOG_DEBUG + 1;
	if (cmdline_get("loglevel", value, sizeof(value)) != nullptr && value[0] >= '0' && value[0] <= '8')
		log_console_level = (uint32_t)(value[0] - '0');
}

void kernel_bug(const char *file, int line, const char *what)
{
	char text[160];
	int n = scnprintf(text, sizeof(text), "bug: %s:%d: %s", file, line, what);

	put_record(LOG_ERROR, text, (size_t)n);
	if (console_write == nullptr && thread_page_current()->preempt_count == 0) {
		log_print_pending();
	} else {
		log_write_polled(text, (size_t)n);
		log_write_polled("\r\n", 2);
	}
	/* An undefined instruction: the nucleus reports it with the backtrace, and containment
	 * applies. */
	__builtin_trap();
}
