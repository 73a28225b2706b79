/* SPDX-License-Identifier: MIT */
/* What a synchronous exception was: for the kernel's events, for reports and for containment (trap/trap.h); first
 * touches of pages. */
#ifndef ARCH_FAULT_H
#define ARCH_FAULT_H

#include "cpu.h"
#include "regs.h"
#include <stdint.h>

struct record;

uint32_t fault_event(const struct context *c);	 /* enum event */
uint64_t fault_code(const struct context *c);	 /* FAULT_* bits, or the syndrome */
uint64_t fault_address(const struct context *c); /* 0: none */
/* Who seems to have called what runs. */
static inline uint64_t fault_caller(const struct context *c)
{
	return c->x[30];
}
/* Whether a return led to where it is. */
static inline bool fault_returned(const struct context *c)
{
	return c->x[30] == c->pc;
}
/* For reports, what the processor says. */
static inline uint64_t fault_detail(const struct context *c)
{
	return c->syndrome;
}
static inline uint32_t fault_number(const struct context *c)
{
	return (uint32_t)(c->syndrome >> ESR_EC_SHIFT) & ESR_EC_MASK;
}
/* What is to be contained was no exception. */
static inline void fault_none(struct context *c)
{
	c->syndrome = 0;
}
/* Notes a process's first access or first write to a page, if that is all the fault was. Takes the nucleus lock; the
 * view may be the kernel's afterwards. */
bool fault_was_first_touch(struct cpu *cpu, struct record *r, const struct context *c);
/* Whether kernel code only met what this CPU had cached of another view's tables, which is forgotten now. Kernel view;
 * takes the nucleus lock. */
bool fault_was_stale_walk(const struct context *c);

#endif
