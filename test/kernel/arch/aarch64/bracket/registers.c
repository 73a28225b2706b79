/* SPDX-License-Identifier: MIT */
/* System registers that say how the nucleus runs, which only privileged code can read (DDI 0487, D17.2). */
#include "../registers.h"

#include <arch/privilege.h>

struct control_registers read_control_registers(void)
{
	uint64_t sctlr, tcr, cpacr, mdscr, cntkctl;

	elevate();
	__asm__ volatile("mrs %0, sctlr_el1\n\tmrs %1, tcr_el1\n\tmrs %2, cpacr_el1\n\tmrs %3, mdscr_el1\n\tmrs %4, "
			 "cntkctl_el1"
			 : "=r"(sctlr), "=r"(tcr), "=r"(cpacr), "=r"(mdscr), "=r"(cntkctl));
	lower();
	return (struct control_registers){sctlr, tcr, cpacr, mdscr, cntkctl};
}

struct feature_registers read_feature_registers(void)
{
	uint64_t mmfr1, mmfr2, dfr0;

	elevate();
	__asm__ volatile("mrs %0, id_aa64mmfr1_el1\n\tmrs %1, s3_0_c0_c7_2\n\tmrs %2, id_aa64dfr0_el1"
			 : "=r"(mmfr1), "=r"(mmfr2), "=r"(dfr0));
	lower();
	return (struct feature_registers){mmfr1, mmfr2, dfr0};
}

uint64_t read_pan(void)
{
	uint64_t pan;

	elevate();
	__asm__ volatile("mrs %0, s3_0_c4_c2_3" : "=r"(pan));
	lower();
	return pan;
}

uint64_t read_counter_access(void)
{
	uint64_t pmuserenr;

	elevate();
	__asm__ volatile("mrs %0, s3_3_c9_c14_0" : "=r"(pmuserenr));
	lower();
	return pmuserenr;
}
