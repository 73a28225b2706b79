/* SPDX-License-Identifier: MIT */
/* What a report says of an x86_64 exception (Intel SDM vol. 3, 6.15) and its registers. */
#include "kernel/thread/report_text.h"

#include <nucleus/layout.h>
#include <nucleus/upcall.h>

enum : uint32_t { VECTOR_GENERAL_PROTECTION = 13, VECTOR_PAGE_FAULT = 14 };

static const char *exception_name(uint32_t vector)
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

	return vector < 32 && names[vector] != nullptr ? names[vector] : "exception";
}

/* By its bytes (Intel SDM vol. 2, appendix A). */
static const char *instruction_name(uint64_t pc)
{
	extern const char lowered_text_end[];
	const uint8_t *byte = (const uint8_t *)pc;

	/* What is executed is the kernel's text, which lowered code may read. */
	if (pc < GATES_BASE || pc + 3 > (uint64_t)lowered_text_end)
		return "general protection";
	if (*byte == 0x66 || (*byte & 0xf0) == 0x40)
		byte++;
	switch (byte[0]) {
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
		switch (byte[1]) {
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

const char *report_deed(const struct report *r)
{
	switch (r->fault) {
	case VECTOR_PAGE_FAULT:
		return (r->code & FAULT_EXEC) != 0 ? "jump" : (r->code & FAULT_WRITE) != 0 ? "write" : "read";
	case VECTOR_GENERAL_PROTECTION: return instruction_name(r->pc);
	default: return exception_name(r->fault);
	}
}

bool report_address(const struct report *r, uint64_t *address)
{
	*address = r->address;
	return r->fault == VECTOR_PAGE_FAULT;
}

/* In the order of a report; what the processor pushed comes before RSP. */
enum : unsigned {
	R15,
	R14,
	R13,
	R12,
	RBP,
	RBX,
	R11,
	R10,
	R9,
	R8,
	RAX,
	RCX,
	RDX,
	RSI,
	RDI,
	VECTOR,
	ERROR,
	RIP,
	CS,
	RFLAGS
};
static_assert(RDI == REPORT_RDI && RFLAGS + 1 == REPORT_RSP);

void report_registers(struct report_out *out, const struct report *r)
{
	static const struct {
		const char *name;
		unsigned index;
	} rows[] = {
		{"    rax", RAX}, {" rbx", RBX}, {" rcx", RCX},	   {" rdx", RDX},   {"    rsi", RSI},
		{" rdi", RDI},	  {" rbp", RBP}, {" r8 ", R8},	   {"    r9 ", R9}, {" r10", R10},
		{" r11", R11},	  {" r12", R12}, {"    r13", R13}, {" r14", R14},   {" r15", R15},
	};
	const uint64_t *reg = r->registers;

	report_put(out, "  registers: rip %016lx cs %04lx rflags %08lx rsp %016lx cr3 %lx", reg[RIP], reg[CS],
		   reg[RFLAGS], reg[REPORT_RSP], reg[REPORT_CR3]);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (i % 4 == 0)
			report_end_line(out);
		report_put(out, "%s %016lx", rows[i].name, reg[rows[i].index]);
	}
	report_end_line(out);
}

void report_fault_number(struct report_out *out, uint32_t number)
{
	report_put(out, "vector %u", number);
}
