/* SPDX-License-Identifier: MIT */
/* A small ring of transitions per CPU, see trace.h. */
#include "report/trace.h"
#include "time/clock.h"

static struct trace {
	struct report_transition entry[REPORT_TRANSITIONS]; /* us_ago: when, in ns */
	uint32_t next;
} traces[CPUS_MAX];

void trace_add(struct cpu *cpu, enum trace_kind kind, uint64_t pc, uint32_t detail)
{
	struct trace *t = &traces[cpu->id];

	t->entry[t->next++ % REPORT_TRANSITIONS] =
		(struct report_transition){.us_ago = clock_ns(), .pc = pc, .detail = detail, .kind = kind};
}

void trace_copy(struct cpu *cpu, struct report_transition *out)
{
	const struct trace *t = &traces[cpu->id];
	uint64_t now = clock_ns();

	for (uint32_t n = 0; n < REPORT_TRANSITIONS; n++) {
		out[n] = t->entry[(t->next - 1 - n) % REPORT_TRANSITIONS];
		out[n].us_ago = (now - out[n].us_ago) / 1000;
	}
}
