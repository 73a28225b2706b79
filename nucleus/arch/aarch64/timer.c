/* SPDX-License-Identifier: MIT */
/* The EL1 virtual timer, see timer.h (DDI 0487, D11.2). */
#include "timer.h"
#include "platform.h"
#include "regs.h"
#include "report/report.h"
#include "sched/sched.h"
#include "time/clock.h"

enum : uint64_t { CNTV_CTL_ENABLE = 1 << 0 };

uint64_t timer_frequency(void)
{
	uint64_t hz = platform.counter_hz ? platform.counter_hz : sysreg_read(cntfrq_el0);

	if (!hz)
		panic(nullptr,
		      "the firmware did not set CNTFRQ_EL0, and the machine's description has no clock-frequency");
	return hz;
}

void timer_silence(void)
{
	sysreg_write(cntv_ctl_el0, 0);
	/* The line falls before the interrupt is ended. */
	isb();
}

void timer_init_cpu(void)
{
	timer_silence();
	sysreg_write(cntkctl_el1, CNTKCTL_EL0VCTEN);
	isb();
}

void arch_timer_set(uint64_t at_ns)
{
	if (!at_ns) {
		timer_silence();
		return;
	}
	/* The condition is "counter at or past the compare value", so the past fires at once. One tick later than the
	 * rounded-down moment: not before it. */
	sysreg_write(cntv_cval_el0, clock_counter_at(at_ns) + 1);
	sysreg_write(cntv_ctl_el0, CNTV_CTL_ENABLE);
	isb();
}
