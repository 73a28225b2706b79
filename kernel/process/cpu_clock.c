/* SPDX-License-Identifier: MIT */
/*
 * Clocks of CPU time (POSIX.1-2017 clock_getcpuclockid(), pthread_getcpuclockid(); Linux's encoding): a negative id is
 * ~ID << 3, with bit 2 for a thread's and in bits 0 and 1 what counts: 0 and 2 all of the time, 1 what was spent
 * outside the kernel. An id of 0 is the caller's own.
 *
 * A clock that was opened may be read by any thread, the timer thread among them. It holds a reference to its process.
 */
#include "internal.h"
#include <kernel/base/clock.h>

enum : int32_t { WHICH_MASK = 3, WHICH_USER = 1, WHICH_FILE = 3, PER_THREAD = 4 };

bool clock_is_cpu(int32_t id)
{
	return id < 0 || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID;
}

/* Threads of other processes have clocks that nobody else may name. */
static int open_thread(struct cpu_clock *c, uint32_t tid)
{
	struct process_thread_info info;

	if (process_thread_info(process_current(), tid, &info) != 0)
		return -EINVAL;
	c->process = process_current();
	c->tid = tid;
	process_get(c->process);
	return 0;
}

int cpu_clock_open(int32_t id, bool only_to_read, struct cpu_clock *c)
{
	uint32_t number = id < 0 ? (uint32_t)~(id >> 3) : 0;
	uint32_t own_tid = thread_current()->tid;

	*c = (struct cpu_clock){.user_only = id < 0 && (id & WHICH_MASK) == WHICH_USER};
	if (id < 0 && (id & WHICH_MASK) == WHICH_FILE)
		return -EINVAL;
	if (id == CLOCK_THREAD_CPUTIME_ID || (id < 0 && (id & PER_THREAD)))
		return open_thread(c, number != 0 ? number : own_tid);
	if (number == 0 || (only_to_read && number == own_tid)) {
		c->process = process_current();
		process_get(c->process);
		return 0;
	}
	c->process = process_find(number);
	return c->process != nullptr ? 0 : -EINVAL;
}

void cpu_clock_close(struct cpu_clock *c)
{
	if (c->process != nullptr)
		process_put(c->process);
	c->process = nullptr;
}

int cpu_clock_read(const struct cpu_clock *c, uint64_t *ns)
{
	uint64_t user, system;

	if (c->tid != 0) {
		struct process_thread_info info;
		int error = process_thread_info(c->process, c->tid, &info);

		if (error != 0)
			return error;
		user = info.user_ns;
		system = info.system_ns;
	} else {
		struct process_usage u;

		process_usage_of_threads(c->process, &u);
		user = u.user_ns;
		system = u.system_ns;
	}
	*ns = c->user_only ? user : user + system;
	return 0;
}

uint64_t cpu_clock_next_look(const struct cpu_clock *c, uint64_t now, uint64_t when_ns)
{
	enum : uint64_t { SOONEST_NS = 1'000'000, RUNNERS_MAX = 16 };
	uint64_t left = when_ns > now ? when_ns - now : 0;

	/* A process's clock may run as many times faster as it has threads. */
	if (c->tid == 0)
		left /= MAX(MIN((uint64_t)c->process->thread_count, (uint64_t)RUNNERS_MAX), UINT64_C(1));
	return clock_monotonic_ns() + MAX(left, (uint64_t)SOONEST_NS);
}
