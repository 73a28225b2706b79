/* SPDX-License-Identifier: MIT */
/*
 * Services (service.h). What happens after a fault is itself such that it may fault: it counts first, so that the limit
 * is reached, and pauses, by which the nucleus knows that this is no storm, before it touches anything else.
 */
#include "service.h"

#include "core.h"

#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <lib/types.h>

static struct service *all; /* atomic; services are never taken out */

/* By which tools/components-table finds them in the image. */
static_assert(sizeof(struct service) == 80 && offsetof(struct service, component) == 8 &&
	      offsetof(struct service, loop) == 16 && offsetof(struct service, ends) == 32);

static bool is_asked(const struct service *s)
{
	return __atomic_load_n(&s->again, __ATOMIC_ACQUIRE);
}

/* The loop, as often as it is asked to begin anew. */
static void run(void *arg)
{
	struct service *s = arg;

	for (s->loop(); is_asked(s); s->loop()) {
		if (s->mend != nullptr)
			s->mend();
		__atomic_fetch_add(&s->component->restarts, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&s->again, false, __ATOMIC_RELEASE);
	}
}

static void enlist(struct service *s)
{
	for (const struct service *known = __atomic_load_n(&all, __ATOMIC_ACQUIRE); known != nullptr;
	     known = known->next)
		if (known == s)
			return;
	s->next = __atomic_load_n(&all, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&all, &s->next, s, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

int service_start(struct service *s)
{
	struct thread *t;
	int error = thread_create(s->name, s->component, 0, run, s, &t);

	if (error < 0)
		return error;
	t->service = s;
	thread_note(t);
	__atomic_store_n(&s->thread, t, __ATOMIC_RELEASE);
	enlist(s);
	thread_start(t);
	return 0;
}

void service_wake(struct service *s)
{
	struct thread *t = __atomic_load_n(&s->thread, __ATOMIC_ACQUIRE);

	if (t != nullptr)
		thread_unpark(t);
}

bool service_park(uint64_t deadline_ns)
{
	const struct service *s = thread_current()->service;

	if (!is_asked(s))
		thread_park(deadline_ns);
	return is_asked(s);
}

uint32_t services_restart(struct component *c)
{
	uint32_t asked = 0;

	for (struct service *s = __atomic_load_n(&all, __ATOMIC_ACQUIRE); s != nullptr; s = s->next) {
		if (s->component != c || s->ends)
			continue;
		__atomic_store_n(&s->again, true, __ATOMIC_RELEASE);
		service_wake(s);
		asked++;
	}
	return asked;
}

bool services_restarting(const struct component *c)
{
	for (const struct service *s = __atomic_load_n(&all, __ATOMIC_ACQUIRE); s != nullptr; s = s->next)
		if (s->component == c && is_asked(s))
			return true;
	return false;
}

/* It is woken, and does not end: others keep its thread. Returns when it is asked to begin anew. */
static void stay_down(struct service *s)
{
	while (!is_asked(s))
		thread_park(0);
	s->down = false;
	s->row.count = 0;
	s->component->down = false;
}

static void pause_before_restart(struct service *s)
{
	uint64_t until = clock_monotonic_ns() + fault_row_pause(&s->row);

	__atomic_fetch_add(&s->component->pausing, 1, __ATOMIC_RELAXED);
	while (clock_monotonic_ns() < until)
		thread_park(until);
	__atomic_fetch_sub(&s->component->pausing, 1, __ATOMIC_RELAXED);
	/* A wake-up may have come meanwhile; the loop looks for its work before it parks. */
}

void service_again(void)
{
	struct service *s = thread_current()->service;

	if (s->down)
		stay_down(s);
	fault_row_add(&s->row, clock_monotonic_ns());
	if (s->row.count >= FAULTS_IN_ROW_MAX) {
		s->down = true;
		s->component->down = true;
		log_error("%s: the %s thread faulted %u times in a row and stays down", s->component->name, s->name,
			  s->row.count);
		stay_down(s);
	} else {
		pause_before_restart(s);
	}
	if (s->mend != nullptr)
		s->mend();
	__atomic_fetch_add(&s->component->restarts, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&s->again, false, __ATOMIC_RELEASE);
	log_error("%s: the %s thread goes on after a fault (%u in a row)", s->component->name, s->name, s->row.count);
	run(s);
	thread_exit();
}
