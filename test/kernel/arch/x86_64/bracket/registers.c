/* SPDX-License-Identifier: MIT */
/* Registers that say how the nucleus runs, which only privileged code can read (Intel SDM vol. 3, 2.5; vol. 4). */
#include "../registers.h"

#include <arch/privilege.h>

struct control_registers read_control_registers(void)
{
	uint64_t cr0, cr4, dr7;

	elevate();
	__asm__ volatile("mov %%cr0, %0\n\tmov %%cr4, %1\n\tmov %%dr7, %2" : "=r"(cr0), "=r"(cr4), "=r"(dr7));
	lower();
	return (struct control_registers){cr0, cr4, dr7};
}

uint64_t read_model_specific(uint32_t msr)
{
	uint32_t low, high;

	elevate();
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	lower();
	return (uint64_t)high << 32 | low;
}
