/* SPDX-License-Identifier: MIT */
/* System registers that say how the nucleus runs, which only privileged code can read (DDI 0487, D17.2). */
#include "../registers.h"

#include <arch/privilege.h>

void read_control_registers(uint64_t *control, uint64_t *features)
{
	uint64_t sctlr, mmfr1;

	elevate();
	__asm__ volatile("mrs %0, sctlr_el1\n\tmrs %1, id_aa64mmfr1_el1" : "=r"(sctlr), "=r"(mmfr1));
	lower();
	*control = sctlr;
	*features = mmfr1;
}
