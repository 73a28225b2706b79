/* SPDX-License-Identifier: MIT */
/*
 * Components: named parts of the lowered kernel, the unit of blame, containment, accounting and
 * policy.
 *
 * A component has a body (kernel/components.txt says which files; <nucleus/component.h> is the image's table of them)
 * and, in one of these files, a manifest: DEFINE_COMPONENT. Blame names the component in whose text the guilty code is.
 * Threads and allocations belong to a component. Entry points that others call are called under a guard
 * (kernel/thread/guard.h). What is known at run time is not of the body: the link script keeps manifests apart.
 */
#ifndef KERNEL_COMPONENT_H
#define KERNEL_COMPONENT_H

#include <kernel/base/fault_row.h>
#include <kernel/thread/thread.h>
#include <lib/list.h>

struct component {
	const char *name;   /* as in kernel/components.txt */
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
	bool asked; /* atomic: somebody waits for it to begin anew */
	/* the component thread's */
	struct fault_row row;
	uint64_t restart_at_ns; /* 0: no restart is due */
};
enum component_stage : unsigned { STAGE_CORE, STAGE_FS, STAGE_BUS, STAGE_DRIVER, STAGE_LATE, STAGE_COUNT };

#define DEFINE_COMPONENT(ident, ...)                                                                                   \
	struct component component_##ident __attribute__((section(".components"))) = {.name = #ident, __VA_ARGS__}
#define DECLARE_COMPONENT(ident) extern struct component component_##ident

/* The component of a number (from 1, in the order of the image's table); nullptr: not in this image, or no number. */
struct component *component_at(uint32_t id);
uint32_t component_count(void); /* the highest number */

/* For every component of this image, in the order of their numbers. */
#define for_each_component(c)                                                                                          \
	for (uint32_t id_##c = 1; id_##c <= component_count(); id_##c++)                                               \
		if (((c) = component_at(id_##c)) != nullptr)

/* Counts a fault of the component and has it restarted by the component thread. Any context. */
void component_failed(struct component *c);

#endif
