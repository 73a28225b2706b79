/* SPDX-License-Identifier: MIT */
/* Brackets of the tests on arm64. */
#pragma once

#include <stdint.h>

/* Of the CPU that the caller is on, by their names in the manual. */
struct control_registers {
	uint64_t sctlr, tcr, cpacr, mdscr, cntkctl;
};
struct feature_registers {
	uint64_t mmfr1, mmfr2, dfr0;
};
struct control_registers read_control_registers(void);
struct feature_registers read_feature_registers(void);
/* PSTATE.PAN of a caller that is privileged at home; only where there is PAN. */
uint64_t read_pan(void);
/* Only where there are performance counters (ID_AA64DFR0_EL1). */
uint64_t read_counter_access(void);
