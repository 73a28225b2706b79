/* SPDX-License-Identifier: MIT */
/* A small ring of transitions per CPU, see trace.h. */
#include "report/trace.h"
#include "report/log.h"
#include "time/clock.h"

enum { TRACE_LENGTH = 16 };
static struct {
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

void trace_print(struct cpu *cpu)
{
	static const char *const names[] = {"",	      "interrupt",	  "fault", "violation",
					    "upcall", "switch to thread", "exit"};
	uint64_t now = clock_ns();

	log_printf("  last transitions of CPU %u, newest first:\n", cpu->id);
	for (uint32_t n = 0; n < 8; n++) {
		uint32_t i = (traces[cpu->id].next - 1 - n) % TRACE_LENGTH;

		if (!traces[cpu->id].entry[i].kind)
			break;
		log_printf("    %6lu us ago: %s %u at %lx\n", (now - traces[cpu->id].entry[i].ns) / 1000,
			   names[traces[cpu->id].entry[i].kind], traces[cpu->id].entry[i].detail,
			   traces[cpu->id].entry[i].pc);
	}
}
