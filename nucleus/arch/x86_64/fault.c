/* SPDX-License-Identifier: MIT */
/* Reading exceptions (Intel SDM vol. 3, 6.15), see fault.h. */
#include "fault.h"
#include "mmu/mmu.h"
#include "regs.h"
#include <nucleus/upcall.h>

uint32_t fault_event(const struct context *c)
{
	switch (c->vector) {
	case VECTOR_PAGE_FAULT:
		/* An access that the processor made for the process with its own rights (a descriptor table; under
		 * emulation also IRET's stack, which SMAP then forbids) cannot be mended by mapping a page: trying
		 * would go on for ever. */
		return c->is_process && !(c->error & FAULT_USER) ? EVENT_PROTECTION : EVENT_PAGE_FAULT;
	case 0: return EVENT_DIVIDE;
	case 1: return EVENT_STEP;
	case 3: return EVENT_BREAKPOINT;
	case 4: return EVENT_OVERFLOW;
	case 6: return EVENT_ILLEGAL;
	case 16:
	case 19: return EVENT_FPU;
	case 17: return EVENT_ALIGNMENT;
	default: return EVENT_PROTECTION;
	}
}

/* FPU exceptions: the unmasked ones of the status word or MXCSR, whose low six bits have the same meaning (Intel SDM
 * vol. 1, 8.1.3 and 10.2.3). The process's FPU state is still in the registers. */
uint64_t fault_code(const struct context *c)
{
	uint16_t status, control;
	uint32_t mxcsr;

	switch (c->vector) {
	case VECTOR_PAGE_FAULT: return c->error & 0x1f;
	case 16:
		__asm__ volatile("fnstsw %0" : "=m"(status));
		__asm__ volatile("fnstcw %0" : "=m"(control));
		return status & ~control & 0x3f;
	case 19: __asm__ volatile("stmxcsr %0" : "=m"(mxcsr)); return mxcsr & ~(mxcsr >> 7) & 0x3f;
	default: return c->error;
	}
}

static uint64_t stack_word(uint64_t at)
{
	uint64_t phys;

	return !(at & 7) && lowered_translate(at, &phys) ? *(uint64_t *)direct_map(phys) : 0;
}

/* A call has pushed its return address last. */
uint64_t fault_caller(const struct context *c)
{
	return stack_word(c->rsp);
}

/* What a return has popped is still below the stack pointer. */
bool fault_returned(const struct context *c)
{
	return c->rip && stack_word(c->rsp - 8) == c->rip;
}
