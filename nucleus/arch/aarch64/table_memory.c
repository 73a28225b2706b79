/* SPDX-License-Identifier: MIT */
/* Memory of tables of other hardware, see table_memory.h. */
#include "table_memory.h"
#include "frame/frames.h"
#include "mmu/mmu.h"
#include "regs.h"

static uint64_t memory, memory_end; /* what is left of the block */

void table_memory_publish(const void *at, uint64_t bytes)
{
	uint64_t step = 4ull << (sysreg_read(ctr_el0) >> 16 & 15);

	dsb_sy();
	for (uint64_t p = align_down((uint64_t)at, step); p < (uint64_t)at + bytes; p += step)
		__asm__ volatile("dc civac, %0" : : "r"(p) : "memory");
	dsb_sy();
}

uint64_t table_memory_take(uint64_t bytes)
{
	uint64_t at = align_up(memory, bytes);

	if (at + bytes > memory_end) {
		at = frame_block_take();
		if (!at)
			return 0;
		memory_end = at + BLOCK_SIZE;
	}
	memory = at + bytes;
	table_memory_publish(direct_map(at), bytes);
	return at;
}
