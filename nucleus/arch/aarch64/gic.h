/* SPDX-License-Identifier: MIT */
/*
 * The Generic Interrupt Controller (IHI 0048B for version 2, IHI 0069 for 3 and 4), in the nucleus because it can send
 * any CPU any interrupt. Everything is in Group 1 (version 2 without security states: Group 0, which its IRQ line
 * delivers just so), one priority, EOImode 0: the end drops the priority and deactivates. A level line is masked at the
 * distributor before that. The irq_* and arch_irq_* functions of irq/irq.h are implemented here too; a device's global
 * interrupt number is its INTID, of which only shared ones (32…1019) can be attached.
 */
#ifndef ARCH_GIC_H
#define ARCH_GIC_H

#include "trap/trap.h"
#include <stdint.h>

[[nodiscard]] int gic_init(void);
void gic_init_cpu(void);
/* Boot: the line is the nucleus's own, on edges, and nobody else can attach it. false: there is none of that number. */
bool gic_keep_line(uint32_t line);
/* INTERRUPT_STOP to all others; harmless before gic_init. */
void gic_stop_others(void);

#endif
