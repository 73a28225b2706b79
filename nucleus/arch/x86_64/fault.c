/* SPDX-License-Identifier: MIT */
/* Reading exceptions (Intel SDM vol. 3, 6.15), see fault.h. */
#include "fault.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/report.h"
#include <nucleus/upcall.h>

const char *fault_name(const struct context *c)
{
	static const char *const names[32] = {
		"divide error",
		"debug exception",
		"NMI",
		"breakpoint",
		"overflow",
		"bound exceeded",
		"undefined instruction",
		"FPU access",
		"double fault",
		"coprocessor overrun",
		"invalid TSS",
		"absent segment",
		"stack segment fault",
		"general protection",
		"page fault",
		"exception 15",
		"x87 error",
		"misaligned access",
		"machine check",
		"SIMD error",
		"virtualisation exception",
		"control protection",
	};

	return c->vector < 32 && names[c->vector] ? names[c->vector] : "exception";
}

uint32_t fault_other_event(const struct context *c)
{
	switch (c->vector) {
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
uint64_t fault_other_code(const struct context *c)
{
	uint16_t status, control;
	uint32_t mxcsr;

	switch (c->vector) {
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

/* Bytes at pc, to name a privileged instruction. */
static bool instruction_byte(uint64_t pc, unsigned i, uint8_t *out)
{
	uint64_t phys;

	if (!lowered_translate(pc + i, &phys))
		return false;
	*out = *(uint8_t *)direct_map(phys);
	return true;
}

static const char *privileged_instruction(uint64_t pc)
{
	uint8_t a = 0, b = 0;

	if (!instruction_byte(pc, 0, &a))
		return "general protection";
	(void)instruction_byte(pc, 1, &b);
	if (a == 0x66 || (a & 0xf0) == 0x40) {
		a = b;
		(void)instruction_byte(pc, 2, &b);
	}
	switch (a) {
	case 0xfa: return "privileged instruction cli";
	case 0xfb: return "privileged instruction sti";
	case 0xf4: return "privileged instruction hlt";
	case 0xe4:
	case 0xe5:
	case 0xec:
	case 0xed: return "privileged instruction in";
	case 0xe6:
	case 0xe7:
	case 0xee:
	case 0xef: return "privileged instruction out";
	case 0x0f:
		switch (b) {
		case 0x30: return "privileged instruction wrmsr";
		case 0x32: return "privileged instruction rdmsr";
		case 0x20:
		case 0x22: return "privileged instruction mov to or from a control register";
		case 0x21:
		case 0x23: return "privileged instruction mov to or from a debug register";
		case 0x01: return "privileged system instruction";
		default: return "general protection";
		}
	default: return "general protection";
	}
}

void fault_describe(const struct context *c, struct offence *o)
{
	*o = (struct offence){.pc = c->rip, .sp = c->rsp, .frame = c->rbp, .code = c->error, .what = fault_name(c)};
	if (c->vector == VECTOR_PAGE_FAULT) {
		o->has_address = true;
		o->address = fault_address(c);
		o->what = c->error & FAULT_EXEC ? "jump" : c->error & FAULT_WRITE ? "write" : "read";
	} else if (c->vector == 13) {
		o->what = privileged_instruction(c->rip);
	}
}
