/* SPDX-License-Identifier: MIT */
/* Where each CPU's data and stacks are in the pool. What stands where in an area is the architecture's (cpu_offsets.h).
 */
#ifndef NUCLEUS_CPU_AREA_H
#define NUCLEUS_CPU_AREA_H

#include "cpu_offsets.h"
#include <nucleus/layout.h>
#include <stdint.h>

struct cpu;
extern uint32_t cpu_count; /* that run */

#define CPU_AREAS_BASE	 (POOL_BASE + 0x40000000)
#define CPU_DEVICES_BASE (POOL_BASE + 0x80000000)
#define CPUS_MAX	 64

static inline uint64_t cpu_area(uint32_t id)
{
	return CPU_AREAS_BASE + (uint64_t)id * CPU_AREA_STRIDE;
}
static inline struct cpu *cpu_by_id(uint32_t id)
{
	return (struct cpu *)(cpu_area(id) + CPU_DATA_OFFSET);
}

#endif
