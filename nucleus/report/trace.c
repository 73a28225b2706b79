/* SPDX-License-Identifier: MIT */
/* A small ring of transitions per CPU, see trace.h. */
#include "report/trace.h"
#include "time/clock.h"

static struct trace {
	struct {
		uint64_t ns, pc;
		uint32_t detail;
		enum trace_kind kind;
	} entry[REPORT_TRANSITIONS];
	uint32_t next;
} traces[CPUS_MAX];

void trace_add(struct cpu *cpu, enum trace_kind kind, uint64_t pc, uint32_t detail)
{
	uint32_t i = traces[cpu->id].next++ % REPORT_TRANSITIONS;

	traces[cpu->id].entry[i].ns = clock_ns();
	traces[cpu->id].entry[i].pc = pc;
	traces[cpu->id].entry[i].detail = detail;
	traces[cpu->id].entry[i].kind = kind;
}

void trace_copy(struct cpu *cpu, struct report_transition *out)
{
	uint64_t now = clock_ns();

	for (uint32_t n = 0; n < REPORT_TRANSITIONS; n++) {
		uint32_t i = (traces[cpu->id].next - 1 - n) % REPORT_TRANSITIONS;

		out[n].us_ago = (now - traces[cpu->id].entry[i].ns) / 1000;
		out[n].pc = traces[cpu->id].entry[i].pc;
		out[n].detail = traces[cpu->id].entry[i].detail;
		out[n].kind = traces[cpu->id].entry[i].kind;
	}
}
