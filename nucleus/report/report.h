/* SPDX-License-Identifier: MIT */
/*
 * Records of faults, violations and refused calls (<nucleus/report.h>), which lowered code renders, and the panic of
 * the nucleus itself. All is found out by reading, through software translation, so that it cannot fault on what it is
 * about. Lock: the nucleus lock.
 */
#ifndef NUCLEUS_REPORT_H
#define NUCLEUS_REPORT_H

#include "sched/sched.h"
#include <nucleus/call_number.h>
#include <nucleus/report.h>
#include <stdint.h>

struct claim;

/* What lowered code did. */
struct offence {
	enum report_kind kind;
	bool page_broken; /* the thread's page was overwritten before: what was caught came of that */
	uint32_t fault;	  /* the processor's number */
	uint64_t code, address;
	uint64_t pc;
};
/* Files a record, which the thread is to render before it goes on; if it was on its way to render one, both are printed
 * in hex instead. */
void report_offence(struct record *r, const struct context *c, const struct offence *o);
/* A nucleus call that asked for what its frame's type forbids. */
void report_refused(enum nucleus_call_number call, uint64_t pfn);
/* One about devices. kind: enum claim_kind, 0: an interrupt; number: an address, a port, a line, or a function and
 * above bit 32 the offset of a register of it. Result: -EPERM. */
long report_refused_device(enum nucleus_call_number call, uint32_t kind, uint64_t number);
/* A device did what its function's IOMMU forbids; the function's claim, with what it was. false: there is no room. */
[[nodiscard]] bool report_stray_device(const struct claim *c);
/* Whether one of these, or of a refused call, would be kept. */
bool report_has_room(void);
/* Who renders them is woken. Any view. */
void report_wake(void);
/* What the thread had to render, and does not any more, is printed in hex. Whether there was something. */
bool report_give_up(struct record *r);
[[noreturn]] void panic(const struct context *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

void arch_panic_prepare(void); /* stops the others and makes the kernel view readable */
/* All of enum report_register. */
uint64_t arch_image_address(uint64_t pc); /* where the image has the code that runs at pc, if that is a copy */
void arch_report_registers(const struct context *c, uint64_t *out);

#endif
