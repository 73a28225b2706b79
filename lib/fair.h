/* SPDX-License-Identifier: MIT */
/*
 * Weighted fair sharing of CPUs: the rule alone, without threads, queues or clocks (doc/scheduling.md).
 *
 * A thread's virtual time advances as it runs, the more slowly the more it weighs; whoever has the least runs next
 * (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996). Each CPU's queue has a virtual time of its own, `now`,
 * the least of those that run or wait there. `offset` turns it into a time by which queues are compared.
 */
#ifndef LIB_FAIR_H
#define LIB_FAIR_H

#include <lib/types.h>

enum : uint64_t {
	FAIR_SLICE_NS = 4000000, /* real: who has run so long is asked whether somebody has had less */
	FAIR_MARGIN_NS =
		1000000, /* virtual, as all below: who wakes with so much less than the running thread goes first */
	FAIR_CREDIT_NS = 6000000,   /* what a sleeper may be behind when it wakes: its lead, however long it slept */
	FAIR_SKEW_NS = 8000000,	    /* a thread so far behind another CPU's moves there */
	FAIR_DRIFT_NS = 24000000,   /* two queues' times are no further apart: old injustice is forgotten */
	FAIR_BEGIN_NS = 1ull << 40, /* far from zero, so that nobody's credit goes below it */
};
enum : uint32_t { FAIR_PACE = 1 << 16 /* virtual time is real time: nice 0 */ };

struct fair_thread {
	uint64_t virtual_ns;
	uint32_t pace; /* of its virtual time, FAIR_PACE / weight */
};
struct fair_clock {
	uint64_t now, offset;
};

/* The pace at a nice level, -20…19: a factor of 1.25 each (setpriority(2) fixes only the order). */
static inline uint32_t fair_pace(int nice)
{
	uint32_t pace = FAIR_PACE;

	for (; nice > 0; nice--)
		pace += pace / 4;
	for (; nice < 0; nice++)
		pace -= pace / 5;
	return pace;
}

/* The virtual time after `ran_ns` more (less than half an hour). */
static inline uint64_t fair_after(const struct fair_thread *t, uint64_t ran_ns)
{
	return t->virtual_ns + (ran_ns * t->pace >> 16);
}

/*
 * Brings a queue's clock up to date; `least`: of those that run or wait there. `machine` is the latest of all queues'
 * times: a queue that lags by more than the drift, as where the one thread there weighs more than a CPU, or by
 * anything after it was empty, is owed nothing.
 */
static inline void fair_follow(struct fair_clock *c, uint64_t least, bool was_empty, uint64_t *machine)
{
	uint64_t drift = was_empty ? 0 : FAIR_DRIFT_NS;

	c->now = MAX(c->now, least);
	*machine = MAX(*machine, c->now + c->offset);
	c->offset = MAX(c->offset + c->now + drift, *machine) - c->now - drift;
}

/* A thread that is no longer runnable at `from` becomes so at `to`: it keeps its distance to the machine's time. */
static inline void fair_move(struct fair_thread *t, const struct fair_clock *from, const struct fair_clock *to)
{
	t->virtual_ns += from->offset - to->offset;
	t->virtual_ns = MAX(t->virtual_ns, to->now - FAIR_DRIFT_NS);
}

/* A thread wakes, in this queue. */
static inline void fair_wake(struct fair_thread *t, const struct fair_clock *c)
{
	t->virtual_ns = MAX(t->virtual_ns, c->now - FAIR_CREDIT_NS);
}

/* A new thread: without credit, or an endless row of short-lived ones would stop everybody else. */
static inline void fair_start(struct fair_thread *t, const struct fair_clock *c)
{
	t->virtual_ns = c->now;
	t->virtual_ns = fair_after(t, FAIR_SLICE_NS / 2);
}

/* Whether a thread that wakes goes before the running one, whose virtual time, up to date, is `running`. */
static inline bool fair_preempts(const struct fair_thread *t, uint64_t running)
{
	return t->virtual_ns + FAIR_MARGIN_NS < running;
}

/* The CPU, of n, another than self, whose queue is looked at next. Not one after the other: that could keep step with
 * the slices there, and find the same thread waiting each time. */
static inline uint32_t fair_next_peer(uint32_t *seed, uint32_t self, uint32_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return n < 2 ? self : (self + 1 + (*seed >> 16) % (n - 1)) % n;
}

/* Whether a thread that waits at `from` should move to a busy CPU, `to`. */
static inline bool fair_pulls(const struct fair_thread *t, const struct fair_clock *from, const struct fair_clock *to)
{
	return t->virtual_ns + from->offset + FAIR_SKEW_NS < to->now + to->offset;
}

#endif
