/* SPDX-License-Identifier: MIT */
/* What a synchronous exception was: for the kernel's events, for reports, and first touches of pages. */
#ifndef ARCH_FAULT_H
#define ARCH_FAULT_H

#include <stdint.h>

struct context;
struct cpu;
struct offence;
struct record;

uint32_t fault_event(const struct context *c);	 /* enum event */
uint64_t fault_code(const struct context *c);	 /* FAULT_* bits, or the syndrome */
uint64_t fault_address(const struct context *c); /* 0: none */
const char *fault_name(const struct context *c);
void fault_describe(const struct context *c, struct offence *o);
/* Notes a process's first access or first write to a page, if that is all the fault was. Takes the nucleus lock; the
 * view may be the kernel's afterwards. */
bool fault_was_first_touch(struct cpu *cpu, struct record *r, const struct context *c);
/* Whether kernel code only met what this CPU had cached of another view's tables, which is forgotten now. Kernel view;
 * takes the nucleus lock. */
bool fault_was_stale_walk(const struct context *c);

#endif
