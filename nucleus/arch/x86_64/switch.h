/* SPDX-License-Identifier: MIT */
/* Parts of thread switching that other x86_64 files of the nucleus use. Interrupts off. */
#ifndef ARCH_SWITCH_H
#define ARCH_SWITCH_H

struct cpu;
struct record;

/* Makes IST1 and CR3 those of the context that goes on (r->in_process). */
void arch_enter(struct cpu *cpu, struct record *r);

#endif
