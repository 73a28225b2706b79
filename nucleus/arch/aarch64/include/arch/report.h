/* SPDX-License-Identifier: MIT */
/* The registers of a report, in their order: X0 to X30, then these. */
#ifndef ARCH_REPORT_H
#define ARCH_REPORT_H

enum report_register : unsigned {
	REPORT_SP = 31, /* SP_EL0 */
	REPORT_PC,
	REPORT_PSTATE,
	REPORT_ESR,
	REPORT_FAR,
	REPORT_TTBR0,
	REPORT_TTBR1,
	REPORT_REGISTERS
};

#endif
