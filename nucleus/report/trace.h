/* SPDX-License-Identifier: MIT */
/* The last privilege transitions of each CPU that passed through C code: traps, violations, upcalls; for reports. */
#ifndef NUCLEUS_TRACE_H
#define NUCLEUS_TRACE_H

#include "cpu.h"
#include <nucleus/report.h>

/* Per CPU, interrupts off, no lock. */
void trace_add(struct cpu *cpu, enum trace_kind kind, uint64_t pc, uint32_t detail);
/* The last REPORT_TRANSITIONS of them, newest first. */
void trace_copy(struct cpu *cpu, struct report_transition *out);

#endif
