/* SPDX-License-Identifier: MIT */
/*
 * Which fault point is armed (kernel/base/fault_point.h). The write goes to the nucleus's text, which no mode of
 * privilege lets anybody change. Atomics only: points stand under any lock.
 */
#include <kernel/base/fault_point.h>

#if STELLUX_DEBUG

#include <kernel/base/thread.h>
#include <lib/string.h>
#include <nucleus/layout.h>

extern uint8_t nucleus_text_start[]; /* the linker script's */

uint32_t fault_point_armed;
volatile uint8_t *fault_point_victim = nucleus_text_start;
uint64_t fault_point_address;

static char wanted_thread[16];
static bool smashing;
static uint32_t first_fault, last_fault, passes, hits;

static const char *const names[] = {
#define POINT(name) [FAULT_POINT_##name] = #name,
#include <kernel/base/fault_points.def>
#undef POINT
};

const char *fault_point_name(uint32_t point)
{
	return point < ARRAY_LEN(names) ? names[point] : nullptr;
}

void fault_point_arm(uint32_t point, const char *thread_name, uint32_t times, uint32_t repeat)
{
	__atomic_store_n(&fault_point_armed, FAULT_POINT_NONE, __ATOMIC_SEQ_CST);
	strlcpy(wanted_thread, thread_name, sizeof(wanted_thread));
	first_fault = times;
	last_fault = times + repeat - 1;
	passes = hits = 0;
	__atomic_store_n(&fault_point_armed, point, __ATOMIC_SEQ_CST);
}

bool fault_point_due(void)
{
	if (strcmp(thread_current()->name, wanted_thread) != 0)
		return false;
	uint32_t pass = __atomic_add_fetch(&passes, 1, __ATOMIC_SEQ_CST);
	if (pass < first_fault || pass > last_fault)
		return false;
	__atomic_add_fetch(&hits, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&smashing, __ATOMIC_SEQ_CST))
		memset(thread_page_current(), 0xa5, sizeof(struct thread_page));
	return true;
}

void fault_point_smash(bool on)
{
	__atomic_store_n(&smashing, on, __ATOMIC_SEQ_CST);
}

void fault_point_wild(bool on)
{
	/* Neither a process's address nor one that the kernel ever maps. */
	fault_point_victim = on ? (volatile uint8_t *)(KMAP_END + 0x123000) : nucleus_text_start;
}

void fault_point_counts(uint32_t *passed, uint32_t *faulted)
{
	*passed = __atomic_load_n(&passes, __ATOMIC_SEQ_CST);
	*faulted = __atomic_load_n(&hits, __ATOMIC_SEQ_CST);
}

#endif
