/* SPDX-License-Identifier: MIT */
/*
 * Log ring. Whatever is logged also goes to the polled console at once: what the nucleus has to say is rare and must
 * not be lost when the rest of the kernel does not come up or is stuck. The ring keeps it for the kernel's log. Lock:
 * the nucleus lock, after boot.
 */
#include "report/log.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include <abi/errno.h>
#include <lib/string.h>
#include <stdarg.h>

enum { RING_BYTES = 16384 };
static char ring[RING_BYTES];
static uint64_t ring_head, ring_tail; /* bytes ever written, drained */

void log_printf(const char *fmt, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = sizeof(line) - 1;
	for (int i = 0; i < n; i++)
		ring[ring_head++ % RING_BYTES] = line[i];
	if (ring_head - ring_tail > RING_BYTES)
		ring_tail = ring_head - RING_BYTES;
	arch_console_write(line, (size_t)n);
}

long call_log_drain(void)
{
	char *out = (char *)current_thread_page()->call;
	uint64_t n = 0;

	NUCLEUS_LOCKED;
	while (n < CALL_AREA_BYTES && ring_tail < ring_head)
		out[n++] = ring[ring_tail++ % RING_BYTES];
	return (long)n;
}

long call_console_put(uint64_t low, uint64_t high, uint32_t count)
{
	char text[16];

	if (count > sizeof(text))
		return -EINVAL;
	memcpy(text, &low, 8);
	memcpy(text + 8, &high, 8);
	NUCLEUS_LOCKED;
	arch_console_write(text, count);
	return count;
}
