/* SPDX-License-Identifier: MIT */
/*
 * Fault points: where a debug build can be made to do a stray write, to see what becomes of the step that it was in.
 *
 * FAULT_POINT(name) marks a place; the names are in kernel/base/fault_points.def. One point is armed at a time, for the
 * n-th passing by a thread of a chosen name, by the kernel's tests and by /proc/stray_points. A release build has none
 * of it.
 */
#ifndef KERNEL_FAULT_POINT_H
#define KERNEL_FAULT_POINT_H

#include <lib/annotate.h>
#include <stddef.h>
#include <stdint.h>

#if STELLUX_DEBUG

enum fault_point : uint32_t {
	FAULT_POINT_NONE,
#define POINT(name) FAULT_POINT_##name,
#include <kernel/base/fault_points.def>
#undef POINT
	FAULT_POINT_END,
};

extern uint32_t fault_point_armed; /* enum fault_point; atomic */
extern volatile uint8_t *fault_point_victim;
/* Whether the current thread is to fault here: its name is the chosen one, and it passes for the n-th time. */
bool fault_point_due(void);

#define FAULT_POINT(name)                                                                                              \
	do {                                                                                                           \
		if (unlikely(__atomic_load_n(&fault_point_armed, __ATOMIC_RELAXED) == FAULT_POINT_##name) &&           \
		    fault_point_due()) {                                                                               \
			__asm__ volatile("" ::: "memory");                                                             \
			*fault_point_victim = 0;                                                                       \
		}                                                                                                      \
	} while (0)

/* Whether something is to go wrong here that is no fault: a message lost, a device that stays silent. */
#define FAULT_POINT_DUE(name)                                                                                          \
	(unlikely(__atomic_load_n(&fault_point_armed, __ATOMIC_RELAXED) == FAULT_POINT_##name) && fault_point_due())

/* What a device is told that it may reach; where the point is due, memory that nobody lends to devices instead, at the
 * same place within a page. */
extern uint64_t fault_point_address; /* physical, of a page; 0: none was chosen */
#define FAULT_POINT_ADDRESS(name, address)                                                                             \
	(fault_point_address != 0 && FAULT_POINT_DUE(name) ? fault_point_address + ((address) & 0xfff) : (address))

/* The name of a point, nullptr past the last; they count from FAULT_POINT_NONE + 1. */
const char *fault_point_name(uint32_t point);
/* Arms a point for the times-th passing and the repeat - 1 after it, by threads of that name; FAULT_POINT_NONE: none.
 */
void fault_point_arm(uint32_t point, const char *thread_name, uint32_t times, uint32_t repeat);
/* Whether from now on a due point overwrites the thread's own page first. */
void fault_point_smash(bool on);
/* Whether from now on a due point writes through a pointer that points nowhere, instead of to the nucleus's text. */
void fault_point_wild(bool on);
/* How often the armed point was passed, and faulted, since it was armed. */
void fault_point_counts(uint32_t *passed, uint32_t *faulted);

#else
#define FAULT_POINT(name)		   ((void)0)
#define FAULT_POINT_DUE(name)		   false
#define FAULT_POINT_ADDRESS(name, address) (address)
#endif

#endif
