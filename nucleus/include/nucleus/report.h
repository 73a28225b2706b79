/* SPDX-License-Identifier: MIT */
/*
 * What the nucleus keeps of something that must be told: a fault or a violation of lowered code, a refused nucleus
 * call, a panic. It copies what may change; names, lines and words are found by who renders it: lowered code
 * (kernel/thread/report.c) or, from the hex that the nucleus prints where that cannot be, tools/decode-report, which
 * knows this layout.
 */
#ifndef NUCLEUS_REPORT_RECORD_H
#define NUCLEUS_REPORT_RECORD_H

#include <arch/report.h>
#include <nucleus/frame.h>
#include <stdint.h>

enum report_kind : uint8_t {
	REPORT_FAULT,		 /* an exception: fault, code and address are the processor's */
	REPORT_ELEVATE_DENIED,	 /* elevation without the right */
	REPORT_ELEVATE_UNLISTED, /* a gate's instruction from where none is */
	REPORT_NO_PROCESS,	 /* return to a process from a thread that has none */
	REPORT_PREEMPTION,	 /* held back for too long */
	REPORT_REFUSED,		 /* fault: enum nucleus_call_number; the victim is a frame or of a device */
	REPORT_PANIC,		 /* of the nucleus, in hex only */
	REPORT_DEVICE, /* an access that an IOMMU blocked, of the function that the component has claimed; fault: the
			  IOMMU's number of the reason, code: FAULT_WRITE or 0, victim: the frame */
};

enum : uint8_t {
	REPORT_RETURNED = 1,	/* the return address was overwritten: it led to pc */
	REPORT_PAGE_BROKEN = 2, /* the thread's page was overwritten before; what was caught came of that */
	REPORT_PRIVILEGED = 4,	/* the thread is privileged in this mode */
};

enum victim_kind : uint8_t {
	VICTIM_ADDRESS,	 /* nothing of the nucleus's: the address says what it is */
	VICTIM_FRAME,	 /* number: the frame's; type, and of a page table level and owner */
	VICTIM_NO_FRAME, /* number: of a page that is no RAM */
	VICTIM_RECORD,	 /* of a thread: number, name ("": free) */
	VICTIM_CPU_CODE, /* number: the CPU's; entry code, entry data, stack */
	VICTIM_CPU_DATA,
	VICTIM_CPU_STACK,
	VICTIM_CONTROLLER, /* registers of an interrupt controller, or of an IOMMU */
	VICTIM_POOL,
	VICTIM_FUNCTION, /* of PCI: number, and above bit 32 the offset of its register */
	VICTIM_PORT,
	VICTIM_INTERRUPT,
};
struct report_victim {
	enum victim_kind kind;
	enum frame_type type;
	uint8_t level, owned; /* page table: level 1 to 4; whether by the space of `name` and `owner` */
	uint32_t owner;
	uint64_t number;
	char name[16];
};

enum trace_kind : uint8_t {
	TRACE_NONE,
	TRACE_FAULT,	 /* detail: the processor's number of it */
	TRACE_VIOLATION, /* a gate's instruction from where none is */
	TRACE_UPCALL,	 /* detail: enum event */
	TRACE_SWITCH,	 /* detail: the thread that was left, which an interrupt found at pc */
};
/* What a CPU did that passed through the nucleus's C code. */
struct report_transition {
	uint64_t us_ago, pc;
	uint32_t detail;
	enum trace_kind kind;
};

enum { REPORT_TRANSITIONS = 8, REPORT_RETURNS = 31 };

struct report {
	uint64_t number; /* from 1, of this boot */
	enum report_kind kind;
	uint8_t flags;
	uint8_t component; /* the thread's; 0: none */
	uint8_t returns_count;
	uint32_t cpu;
	uint32_t thread;     /* id; REPORT_DEVICE: handle of the claim, which may have ended since */
	uint32_t fault;	     /* the processor's number: vector, exception class */
	uint32_t lost;	     /* reports before this one that there was no room for */
	uint32_t function;   /* REPORT_DEVICE: of PCI */
	char name[16];	     /* the thread's */
	uint64_t pc, caller; /* caller: return address, if it was in a register or on the stack's top; or 0 */
	uint64_t code, address;
	struct report_victim victim;
	struct report_transition transitions[REPORT_TRANSITIONS]; /* newest first */
	uint64_t registers[REPORT_REGISTERS];
	uint64_t returns[REPORT_RETURNS]; /* the callers' return addresses, innermost first */
};
static_assert(sizeof(struct report_victim) == 32 && sizeof(struct report_transition) == 24);
static_assert(sizeof(struct report) == 112 + 192 + 8 * (REPORT_REGISTERS + REPORT_RETURNS));

#endif
