/* SPDX-License-Identifier: MIT */
/*
 * Services: threads of the kernel itself that others depend on (timers, the reaper, the log, the component thread).
 *
 * A fault in one does not end it: the thread begins anew on its empty stack, after a pause that grows with each fault
 * in a row. So the loop must be able to begin at whatever step the fault left, for which `mend` puts right what a
 * half-done step left behind. A service that faults FAULTS_IN_ROW_MAX times in a row stays down, which is said, and
 * which /proc/components shows. Whoever is asked to (echo restart core > /proc/components) begins anew at once, one
 * that stays down, too.
 */
#ifndef CORE_SERVICE_H
#define CORE_SERVICE_H

#include <kernel/thread/component.h>

struct service {
	const char *name;
	struct component *component;
	void (*loop)(void); /* the work; its return ends the thread */
	void (*mend)(void); /* before the loop begins again; may be nullptr, may fault */
	bool ends;	    /* its work is done some time: it is not asked to begin anew */
	/* the service's own */
	struct thread *thread;
	struct fault_row row;
	bool down, again;     /* again, atomic: it is asked to begin anew */
	struct service *next; /* of all that were started */
};

/* Starts its thread. -ENOMEM. */
[[nodiscard]] int service_start(struct service *s);
/* From here on it may be woken: service_wake does nothing before it was started. Any context. */
void service_wake(struct service *s);
/*
 * Parks the calling service's thread until it is woken or until deadline_ns (0: none). True: the loop is to return,
 * since it is asked to begin anew. Loops of services that do not end park by this.
 */
bool service_park(uint64_t deadline_ns);
/* Asks every service of a component to begin anew; how many there are. Process context. */
uint32_t services_restart(struct component *c);
/* Whether one that was asked has yet to begin. */
bool services_restarting(const struct component *c);
/* Where the landing of a fault goes on with a service's thread. */
[[noreturn]] void service_again(void);

#endif
