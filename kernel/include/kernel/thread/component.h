/* SPDX-License-Identifier: MIT */
/*
 * Components: named parts of the lowered kernel, the unit of blame, containment, accounting and
 * policy.
 *
 * A component is one folder with one DEFINE_COMPONENT; blame names the folder of the guilty
 * function. Threads and allocations belong to a component. Entry points that others call are
 * called under a guard (kernel/thread/guard.h).
 */
#ifndef KERNEL_COMPONENT_H
#define KERNEL_COMPONENT_H

#include <kernel/thread/thread.h>
#include <lib/list.h>

struct component {
	const char *name;   /* at most 15 characters; the folder's name */
	bool asks_elevate;  /* manifest: its threads use brackets */
	int (*start)(void); /* called at boot, stage by stage, and on restart; guarded; nullptr:
			       passive */
	void (*stop)(void); /* before a restart, after its threads are gone; guarded; nullptr:
			       cannot restart */
	unsigned stage;	    /* enum component_stage */
	/* filled at run time */
	uint32_t id;
	bool may_elevate;
	uint32_t faults, restarts;
	uint64_t bytes, allocations; /* live, by allocation tag */
	struct list threads;	     /* its kernel threads; core's */
	uint32_t thread_count;
	uint32_t pausing; /* core: threads that faulted and have yet to go on */
	bool stopping, failed, down;
};
enum component_stage : unsigned { STAGE_CORE, STAGE_FS, STAGE_BUS, STAGE_DRIVER, STAGE_LATE, STAGE_COUNT };

#define DEFINE_COMPONENT(ident, ...)                                                                                   \
	struct component component_##ident = {.name = #ident, __VA_ARGS__};                                            \
	static struct component *const component_pointer_##ident __attribute__((section(".components"), used)) =       \
		&component_##ident
#define DECLARE_COMPONENT(ident) extern struct component component_##ident

/* All components, for /proc. */
struct component *component_at(uint32_t index); /* nullptr past the last */

/* Counts a fault of the component and has it restarted by the component thread. Any context. */
void component_failed(struct component *c);

#endif
