/* SPDX-License-Identifier: MIT */
/* What an exception was: for the kernel's events, for reports and for containment (trap/trap.h). */
#ifndef ARCH_FAULT_H
#define ARCH_FAULT_H

#include "cpu.h"
#include "regs.h"
#include <nucleus/upcall.h>
#include <stdint.h>

enum { VECTOR_PAGE_FAULT = 14 };

uint32_t fault_event(const struct context *c); /* enum event */
uint64_t fault_code(const struct context *c);  /* FAULT_* bits, or what else there is to know */
/* 0: none */
static inline uint64_t fault_address(const struct context *c)
{
	return c->vector == VECTOR_PAGE_FAULT ? cr2_read() : 0;
}
/* Who seems to have called what runs; 0: nobody. */
uint64_t fault_caller(const struct context *c);
/* Whether a return led to where it is. */
bool fault_returned(const struct context *c);

/* For reports, what the processor says beside its number. */
static inline uint64_t fault_detail(const struct context *c)
{
	return c->error;
}
static inline uint32_t fault_number(const struct context *c)
{
	return (uint32_t)c->vector;
}
/* What is to be contained was no exception. */
static inline void fault_none(struct context *c)
{
	c->vector = VECTOR_SYSCALL;
}

#endif
