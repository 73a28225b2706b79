/* SPDX-License-Identifier: MIT */
/*
 * The generic timer (DDI 0487, D11): the virtual counter and the EL1 virtual timer. Virtual, because those are EL1's
 * and EL0's own without any help of EL2 (the physical ones trap unless CNTHCT_EL2 says otherwise), and because under a
 * hypervisor they are the ones that stand still with the machine. counter_read() of regs.h reads CNTVCT_EL0.
 * arch_timer_set (sched.h) is implemented here: it programs the compare value; a moment in the past fires at once.
 */
#ifndef ARCH_TIMER_H
#define ARCH_TIMER_H

#include <stdint.h>

/* Hz. Panics when neither CNTFRQ_EL0 nor the machine's description tells. */
uint64_t timer_frequency(void);
/* Timer off; EL0 may read the virtual counter and nothing else of the timer (CNTKCTL_EL1). */
void timer_init_cpu(void);
/* Stops it; arch_interrupt_take does so, because its line is a level. */
void timer_silence(void);

#endif
