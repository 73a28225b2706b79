/* SPDX-License-Identifier: MIT */
/* A small ring of transitions per CPU, see trace.h. */
#include "report/trace.h"
#include "report/log.h"
#include "time/clock.h"
#include <lib/types.h>
#include <nucleus/upcall.h>

enum { TRACE_LENGTH = 16 };
static struct trace {
	struct {
		uint64_t ns, pc;
		uint32_t detail;
		enum trace_kind kind;
	} entry[TRACE_LENGTH];
	uint32_t next;
} traces[CPUS_MAX];

void trace_add(struct cpu *cpu, enum trace_kind kind, uint64_t pc, uint32_t detail)
{
	uint32_t i = traces[cpu->id].next++ % TRACE_LENGTH;

	traces[cpu->id].entry[i].ns = clock_ns();
	traces[cpu->id].entry[i].pc = pc;
	traces[cpu->id].entry[i].detail = detail;
	traces[cpu->id].entry[i].kind = kind;
}

static const char *event_name(uint32_t event)
{
	static const char *const names[] = {
		[EVENT_PENDING] = "pending work",
		[EVENT_PAGE_FAULT] = "page fault",
		[EVENT_ILLEGAL] = "illegal instruction",
		[EVENT_PROTECTION] = "protection",
		[EVENT_BREAKPOINT] = "breakpoint",
		[EVENT_STEP] = "step",
		[EVENT_DIVIDE] = "division",
		[EVENT_OVERFLOW] = "overflow",
		[EVENT_FPU] = "floating point",
		[EVENT_ALIGNMENT] = "alignment",
		[EVENT_STORM] = "nothing but faults",
	};

	return event < ARRAY_LEN(names) ? names[event] : "?";
}

void trace_print(struct cpu *cpu)
{
	uint64_t now = clock_ns();

	log_printf("  last transitions of CPU %u, newest first, without gates:\n", cpu->id);
	for (uint32_t n = 0; n < 8; n++) {
		uint32_t i = (traces[cpu->id].next - 1 - n) % TRACE_LENGTH;
		uint32_t detail = traces[cpu->id].entry[i].detail;

		if (traces[cpu->id].entry[i].kind == TRACE_NONE)
			break;
		log_printf("    %6lu us ago, pc %016lx: ", (now - traces[cpu->id].entry[i].ns) / 1000,
			   traces[cpu->id].entry[i].pc);
		switch (traces[cpu->id].entry[i].kind) {
		case TRACE_FAULT: log_printf("fault, " FAULT_NUMBER "\n", detail); break;
		case TRACE_VIOLATION: log_printf("violation at a gate\n"); break;
		case TRACE_UPCALL: log_printf("upcall to the kernel, %s\n", event_name(detail)); break;
		default: log_printf("switch away from thread %u\n", detail); break;
		}
	}
}
