/* SPDX-License-Identifier: MIT */
/*
 * Blame reports: what was attempted, by whom, on what, and how it came there; and the panic of the nucleus itself.
 * Everything is found out by reading, through software translation, so a report cannot fault on what it reports about.
 */
#ifndef NUCLEUS_REPORT_H
#define NUCLEUS_REPORT_H

#include "sched/sched.h"
#include <stdint.h>

/* What lowered code did. */
struct offence {
	const char *what; /* "write", "instruction", "elevation from an unlisted address", … */
	bool has_address;
	bool returned;	  /* to where it is: the return address was overwritten */
	bool page_broken; /* the thread's page was overwritten before: what was caught came of that */
	uint64_t address; /* the victim */
	uint64_t pc, sp, frame;
	uint64_t code;
};
void report_offence(const struct record *r, const struct context *c, const struct offence *o);
/* A nucleus call that asked for what its frame's type forbids. */
void report_refused(const char *call, uint64_t pfn);
[[noreturn]] void panic(const struct context *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Registers, and further facts, that only the architecture knows how to print. */
void arch_panic_prepare(void); /* makes the symbol table and the kernel view readable */
void arch_report_registers(const struct context *c);

#endif
