/* SPDX-License-Identifier: MIT */
/* The last privilege transitions of each CPU that passed through C code: traps, violations, upcalls; for reports. */
#ifndef NUCLEUS_TRACE_H
#define NUCLEUS_TRACE_H

#include "cpu.h"

enum trace_kind : uint8_t {
	TRACE_NONE,
	TRACE_FAULT,	 /* detail: the processor's number of it */
	TRACE_VIOLATION, /* a gate's instruction from where none is; detail: 0 */
	TRACE_UPCALL,	 /* detail: enum event */
	TRACE_SWITCH	 /* detail: the thread that was left, which an interrupt found at pc */
};
/* Per CPU, interrupts off, no lock. */
void trace_add(struct cpu *cpu, enum trace_kind kind, uint64_t pc, uint32_t detail);
void trace_print(struct cpu *cpu);

#endif
