/* SPDX-License-Identifier: MIT */
/* What a report says of an aarch64 exception (ESR_EL1, DDI 0487, D17.2.37) and its registers. */
#include "kernel/thread/report_text.h"

#include <nucleus/layout.h>

/* Classes of exceptions: EC, and of aborts the status, WnR, CM and FnV. */
enum : uint32_t {
	CLASS_UNKNOWN = 0x00,
	CLASS_FPU_ACCESS = 0x07,
	CLASS_BRANCH_TARGET = 0x0d,
	CLASS_ILLEGAL_STATE = 0x0e,
	CLASS_SVC64 = 0x15,
	CLASS_SYSTEM_REGISTER = 0x18,
	CLASS_SVE_ACCESS = 0x19,
	CLASS_POINTER_AUTH = 0x1c,
	CLASS_INSTRUCTION_ABORT_EL0 = 0x20,
	CLASS_INSTRUCTION_ABORT_EL1 = 0x21,
	CLASS_PC_ALIGNMENT = 0x22,
	CLASS_DATA_ABORT_EL0 = 0x24,
	CLASS_DATA_ABORT_EL1 = 0x25,
	CLASS_SP_ALIGNMENT = 0x26,
	CLASS_FPU_EXCEPTION = 0x2c,
	CLASS_SERROR = 0x2f,
	CLASS_BREAKPOINT_EL0 = 0x30,
	CLASS_STEP_EL0 = 0x32,
	CLASS_WATCHPOINT_EL0 = 0x34,
	CLASS_BRK = 0x3c,
};
enum : uint64_t {
	STATUS_MASK = 0x3f,
	STATUS_TRANSLATIONS = 0x10, /* below: about a translation, not about the memory behind it */
	STATUS_ALIGNMENT = 0x21,
	ABORT_WRITE = 1 << 6,
	ABORT_CACHE = 1 << 8, /* cache maintenance, which reports itself as a write */
	ABORT_NO_ADDRESS = 1 << 10,
};

static bool is_fetch(const struct report *r)
{
	return r->fault == CLASS_INSTRUCTION_ABORT_EL0 || r->fault == CLASS_INSTRUCTION_ABORT_EL1;
}

static bool is_abort(const struct report *r)
{
	return is_fetch(r) || r->fault == CLASS_DATA_ABORT_EL0 || r->fault == CLASS_DATA_ABORT_EL1;
}

static const char *abort_deed(const struct report *r)
{
	uint64_t status = r->code & STATUS_MASK;

	if (status < STATUS_TRANSLATIONS)
		return is_fetch(r) ? "jump" : (r->code & (ABORT_WRITE | ABORT_CACHE)) == ABORT_WRITE ? "write" : "read";
	return status == STATUS_ALIGNMENT ? "misaligned access" : "external abort";
}

static const char *exception_name(uint32_t class)
{
	switch (class) {
	case CLASS_UNKNOWN: return "undefined instruction";
	case CLASS_FPU_ACCESS: return "FPU access";
	case CLASS_SVE_ACCESS: return "SVE access";
	case CLASS_BRANCH_TARGET: return "branch to what is no landing pad";
	case CLASS_ILLEGAL_STATE: return "illegal execution state";
	case CLASS_SVC64: return "supervisor call";
	case CLASS_SYSTEM_REGISTER: return "system register access";
	case CLASS_POINTER_AUTH: return "pointer authentication";
	case CLASS_SP_ALIGNMENT: return "misaligned stack pointer";
	case CLASS_FPU_EXCEPTION: return "FPU exception";
	case CLASS_SERROR: return "SError";
	case CLASS_BREAKPOINT_EL0:
	case CLASS_BRK: return "breakpoint";
	case CLASS_STEP_EL0: return "single step";
	case CLASS_WATCHPOINT_EL0: return "watchpoint";
	default: return "exception";
	}
}

/* --- privileged instructions, by their encoding (DDI 0487, C4.1.6) --- */

static const char *system_instruction(uint32_t word)
{
	uint32_t op1 = word >> 16 & 7, crn = word >> 12 & 15, crm = word >> 8 & 15;

	switch (word >> 19 & 3) {
	case 0: return crn == 4 ? "privileged instruction msr (immediate)" : "privileged system instruction";
	case 1:
		if (crn == 8)
			return "privileged instruction tlbi";
		if (crn == 7 && crm == 8)
			return "privileged instruction at";
		return crn == 7 && op1 != 3 ? "privileged cache instruction" : "privileged system instruction";
	default: return (word >> 21 & 1) != 0 ? "privileged instruction mrs" : "privileged instruction msr";
	}
}

static const char *instruction_name(const struct report *r)
{
	extern const char lowered_text_end[];

	/* What is executed is the kernel's text, which lowered code may read. */
	if ((r->pc & 3) != 0 || r->pc < GATES_BASE || r->pc >= (uint64_t)lowered_text_end)
		return exception_name(r->fault);
	uint32_t word = *(const uint32_t *)r->pc;

	if ((word & 0xffc00000) == 0xd5000000)
		return system_instruction(word);
	if (word == 0xd69f03e0)
		return "privileged instruction eret";
	switch (word & 0xffe0001f) {
	case 0xd4000002: return "privileged instruction hvc";
	case 0xd4000003: return "privileged instruction smc";
	default: return exception_name(r->fault);
	}
}

const char *report_deed(const struct report *r)
{
	if (is_abort(r))
		return abort_deed(r);
	switch (r->fault) {
	case CLASS_UNKNOWN:
	case CLASS_SYSTEM_REGISTER: return instruction_name(r);
	case CLASS_PC_ALIGNMENT: return "jump";
	default: return exception_name(r->fault);
	}
}

bool report_address(const struct report *r, uint64_t *address)
{
	*address = r->fault == CLASS_PC_ALIGNMENT ? r->pc : r->address;
	return r->fault == CLASS_PC_ALIGNMENT || (is_abort(r) && (r->code & ABORT_NO_ADDRESS) == 0);
}

void report_registers(struct report_out *out, const struct report *r)
{
	const uint64_t *reg = r->registers;

	report_put(out, "  registers: pc %016lx sp %016lx pstate %08lx esr %08lx far %016lx", reg[REPORT_PC],
		   reg[REPORT_SP], reg[REPORT_PSTATE], reg[REPORT_ESR], reg[REPORT_FAR]);
	for (int i = 0; i < 31; i++) {
		if (i % 5 == 0) {
			report_end_line(out);
			report_put(out, "    x%-2d", i);
		}
		report_put(out, " %016lx", reg[i]);
	}
	report_put(out, " ttbr0 %lx ttbr1 %lx", reg[REPORT_TTBR0], reg[REPORT_TTBR1]);
	report_end_line(out);
}

void report_fault_number(struct report_out *out, uint32_t number)
{
	report_put(out, "exception class 0x%x", number);
}
