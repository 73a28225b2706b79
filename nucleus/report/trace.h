/* SPDX-License-Identifier: MIT */
/* The last privilege transitions of each CPU that passed through C code: traps, violations, upcalls; for reports. */
#ifndef NUCLEUS_TRACE_H
#define NUCLEUS_TRACE_H

#include "cpu.h"

enum trace_kind : uint8_t {
	TRACE_NONE,
	TRACE_INTERRUPT,
	TRACE_FAULT,
	TRACE_VIOLATION,
	TRACE_UPCALL,
	TRACE_SWITCH,
	TRACE_EXIT
};
/* Per CPU, interrupts off, no lock. */
void trace_add(struct cpu *cpu, enum trace_kind kind, uint64_t pc, uint32_t detail);
void trace_print(struct cpu *cpu);

#endif
