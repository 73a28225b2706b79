/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <kernel/thread/component.h>
#include <lib/types.h>

uint64_t scratch_data = SCRATCH_FIRST, scratch_bss[600];

long scratch_change(void *)
{
	for (size_t i = 0; i < ARRAY_LEN(scratch_bss); i++)
		scratch_bss[i] = i + 1;
	return (long)++scratch_data;
}

long scratch_fault(void *)
{
	/* No constant, so that the compiler does not see what comes. */
	*(volatile uint64_t *)(scratch_bss[0] & 0x10) = 1;
	return 1;
}

long scratch_stay(void *until)
{
	scratch_data++;
	while (__atomic_load_n((uint32_t *)until, __ATOMIC_ACQUIRE) == 0)
		thread_park(0);
	return 0;
}

static int start(void)
{
	scratch_starts++;
	return 0;
}

static void stop(void)
{
	scratch_stops++;
}

DEFINE_COMPONENT(scratch, .resettable = true, .stage = STAGE_CORE, .start = start, .stop = stop,
		 .users = "the test that made it fault has EFAULT");
