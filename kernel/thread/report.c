/* SPDX-License-Identifier: MIT */
/*
 * Who renders the nucleus's records of faults and refused calls, and where to.
 *
 * A report goes to the console first, polled and under one lock that is only asked for, so that neither a driver nor a
 * lock that died with its holder keeps it back; only then is the record given back, and the text put into the kernel's
 * log as well. A fault on the way there leaves the record with the nucleus, which prints it in hex.
 */
#include "report_text.h"

#include "kernel/base/log_read.h"
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/lock.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>
#include <stdarg.h>

constexpr uint64_t TURN_LIMIT_NS = 20'000'000'000, TURN_POLL_NS = 1'000'000;

/* One report at a time. */
static struct mutex turn = MUTEX_INIT(turn, RANK_NONE);

void report_put(struct report_out *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(out->line + out->length, sizeof(out->line) - out->length, fmt, args);
	va_end(args);
	if (n > 0)
		out->length = MIN(out->length + (size_t)n, sizeof(out->line) - 1);
}

void report_end_line(struct report_out *out)
{
	if (out->to_log) {
		log_put_nucleus(out->line, out->length);
	} else {
		out->line[out->length] = '\n';
		log_write_polled(out->line, out->length + 1);
	}
	out->length = 0;
}

/* Who may not sleep does not wait for a turn; who waits for too long goes on without: the holder may be no more. */
static bool turn_take(void) NO_THREAD_SAFETY
{
	uint64_t deadline = clock_monotonic_ns() + TURN_LIMIT_NS;
	bool taken;

	if (thread_page_current()->preempt_count != 0)
		return false;
	while (!(taken = mutex_try_lock(&turn)) && clock_monotonic_ns() < deadline) {
		(void)thread_park(clock_monotonic_ns() + TURN_POLL_NS);
		/* The permit may have been meant for a wait that goes on behind the guard. */
		thread_unpark(thread_current());
	}
	return taken;
}

static void turn_give(bool taken) NO_THREAD_SAFETY
{
	if (taken)
		mutex_unlock(&turn);
}

static void (*device_strayed)(uint32_t function, uint64_t claim);

void report_set_stray(void (*strayed)(uint32_t function, uint64_t claim))
{
	device_strayed = strayed;
}

bool report_render(bool tell)
{
	uint32_t function = 0, claim = 0;
	bool device = false;
	struct report_out out = {};
	bool taken = turn_take();
	bool any = nucleus_report_take(tell) > 0;

	if (any) {
		const struct report *r = (const struct report *)call_area();

		device = r->kind == REPORT_DEVICE;
		function = r->function;
		claim = r->thread;
		FAULT_POINT(report_render);
		report_text(&out, r);
		(void)nucleus_report_done();
		out.to_log = true;
		report_text(&out, r);
		log_announce();
	}
	turn_give(taken);
	if (device && device_strayed != nullptr)
		device_strayed(function, claim);
	return any;
}

void report_show(void)
{
	while (report_render(false))
		;
}
