/* SPDX-License-Identifier: MIT */
/*
 * Device interrupts: each is routed to one lowered thread and unparks it. Level-triggered lines stay masked until
 * irq_done. Lock: the nucleus lock.
 */
#ifndef NUCLEUS_IRQ_H
#define NUCLEUS_IRQ_H

#include <stdint.h>

struct record;
enum { IRQS_MAX = 64 };

/* An interrupt for slot came in. */
void irq_deliver(uint32_t slot);
/* The thread ends: its interrupts are detached. */
void irq_forget_thread(struct record *r);
/* Whether the page holds registers of the nucleus's own controllers, or of none it may give away. */
bool irq_owns_registers(uint64_t phys);

/* The architecture's controller. *flags becomes what the line really is. Result of connect: 0 or -EINVAL (no such
 * line), -EBUSY. */
[[nodiscard]] int arch_irq_connect(uint32_t slot, uint32_t gsi, uint32_t *flags, uint32_t cpu);
void arch_irq_mask(uint32_t slot, bool masked);
void arch_irq_disconnect(uint32_t slot);

#endif
