/* SPDX-License-Identifier: MIT */
/*
 * Log ring. Whatever is logged also goes to the polled console: what the nucleus has to say is rare and must not be
 * lost when the rest of the kernel does not come up or is stuck. Most of it at once; but on a slow line that takes
 * long, and interrupts are off, so long reports are held: they wait in the ring and are shown in pieces, by whoever
 * gets there first, the lowered kernel (log_show, console_put) or a timer. The ring keeps it all for the kernel's log.
 * Lock: the nucleus lock, after boot.
 */
#include "report/log.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include <abi/errno.h>
#include <lib/string.h>
#include <stdarg.h>

enum { RING_BYTES = 16384 };
static char ring[RING_BYTES];
static uint64_t ring_head, ring_tail, ring_shown; /* bytes ever written, drained, sent to the console */
static bool holding;

bool log_pending(void)
{
	return ring_shown != ring_head;
}

void log_show(uint64_t bytes)
{
	while (bytes && log_pending()) {
		uint64_t at = ring_shown % RING_BYTES;
		uint64_t n = MIN(MIN(bytes, ring_head - ring_shown), RING_BYTES - at);

		arch_console_write(ring + at, n);
		ring_shown += n;
		bytes -= n;
	}
}

void log_hold(bool on)
{
	holding = on;
}

void log_flush(void)
{
	holding = false;
	log_show(UINT64_MAX);
}

void log_printf(const char *fmt, ...)
{
	char line[512];
	bool later = holding || log_pending();
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = sizeof(line) - 1;
	/* Nothing is overwritten that nobody has seen. */
	if (ring_head + (uint64_t)n - ring_shown > RING_BYTES)
		log_show(ring_head + (uint64_t)n - ring_shown - RING_BYTES);
	for (int i = 0; i < n; i++)
		ring[ring_head++ % RING_BYTES] = line[i];
	if (ring_head - ring_tail > RING_BYTES)
		ring_tail = ring_head - RING_BYTES;
	if (!later)
		log_show(UINT64_MAX);
}

long call_log_drain(void)
{
	char *out = (char *)current_thread_page()->call;
	uint64_t n = 0;

	nucleus_lock_acquire();
	while (n < CALL_AREA_BYTES && ring_tail < ring_head)
		out[n++] = ring[ring_tail++ % RING_BYTES];
	nucleus_lock_release();
	return (long)n;
}

long call_console_put(uint64_t low, uint64_t high, uint32_t count)
{
	char text[16];

	if (count > sizeof(text))
		return -EINVAL;
	memcpy(text, &low, 8);
	memcpy(text + 8, &high, 8);
	nucleus_lock_acquire();
	/* In the order in which it was said. */
	if (log_pending()) {
		log_show(LOG_PIECE);
		count = 0;
	}
	arch_console_write(text, count);
	nucleus_lock_release();
	return count;
}

long call_log_show(void)
{
	long left;

	nucleus_lock_acquire();
	log_show(LOG_PIECE);
	left = (long)(ring_head - ring_shown);
	nucleus_lock_release();
	return left;
}
