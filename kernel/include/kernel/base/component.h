/* SPDX-License-Identifier: MIT */
/*
 * The record of a component, which every floor may charge, blame and define: DEFINE_COMPONENT puts it into the image's
 * table. What a component is, and what is done with it: kernel/thread/component.h, which fills the fields of run time.
 */
#ifndef KERNEL_COMPONENT_RECORD_H
#define KERNEL_COMPONENT_RECORD_H

#include <kernel/base/fault_row.h>
#include <lib/list.h>

struct component {
	const char *name;   /* as in kernel/components.txt */
	const char *users;  /* manifest: what who uses it sees of a fault in it, until it serves again */
	const char *stays;  /* manifest, of one that cannot begin anew: why; tools/components-table reads both */
	bool asks_elevate;  /* manifest: its threads use brackets */
	bool asks_devices;  /* manifest: claims registers and interrupts */
	bool keeps_devices; /* manifest: finds devices, and takes them back from who fails */
	int (*start)(void); /* called at boot, stage by stage, and on restart; guarded; nullptr:
			       passive */
	void (*stop)(void); /* before a restart, after its threads are gone; guarded; nullptr:
			       cannot restart, if it has a start and is not resettable */
	unsigned stage;	    /* enum component_stage */
	bool resettable;    /* on a restart its data and bss may be as in the image again: nobody else keeps a
			       pointer to them, and all who come from outside come through a guard */
	/* filled at run time */
	uint32_t id;
	bool may_elevate;
	uint32_t faults, restarts, resets;
	uint64_t bytes, allocations; /* live, by allocation tag */
	struct list threads;	     /* its kernel threads; core's */
	uint32_t thread_count;
	uint32_t pausing; /* core: threads that faulted and have yet to go on */
	bool stopping, failed, down;
	bool asked; /* atomic: somebody waits for it to begin anew */
	/* of a resettable one, component_reset.c's */
	void *image;	 /* its data as they were at boot */
	uint32_t inside; /* atomic: guards of it that are entered */
	bool closed;	 /* atomic: they let nobody in */
	/* the component thread's */
	struct fault_row row;
	uint64_t restart_at_ns; /* 0: no restart is due */
};
enum component_stage : unsigned { STAGE_CORE, STAGE_FS, STAGE_BUS, STAGE_DRIVER, STAGE_LATE, STAGE_COUNT };

/* tools/components-table knows where in this record the manifest is. */
#define DEFINE_COMPONENT(ident, ...)                                                                                   \
	struct component component_##ident __attribute__((section(".components"))) = {.name = #ident, __VA_ARGS__}
#define DECLARE_COMPONENT(ident) extern struct component component_##ident

/* The start function of a component whose manifest stands in another file, which needs nothing of what starts it then;
 * at most one a component. */
struct component_start {
	struct component *component;
	int (*start)(void);
};
#define COMPONENT_START(ident, function)                                                                               \
	static const struct component_start component_start_##ident                                                    \
		__attribute__((section(".component_starts"), used)) = {&component_##ident, function}

#endif
