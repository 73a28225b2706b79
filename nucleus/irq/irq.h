/* SPDX-License-Identifier: MIT */
/*
 * Device interrupts: each handler is a lowered thread that is unparked. A line is what the controller delivers: a wire,
 * on which several handlers may be if all of them agree, or a message (MSI), which has one. Level-triggered lines stay
 * masked until every handler has said irq_done or is dead. Lock: the nucleus lock.
 */
#ifndef NUCLEUS_IRQ_H
#define NUCLEUS_IRQ_H

#include <stdint.h>

struct record;
enum { IRQS_MAX = 512 };

/* An interrupt for the line came in. */
void irq_deliver(uint32_t line);
/* The thread ends: its interrupts are detached. */
void irq_forget_thread(struct record *r);
/* The claim of a PCI function ends: its messages are. */
void irq_forget_function(uint32_t function);

/* The architecture's controller. *flags becomes what the line really is. Result of connect: 0 or -EINVAL (no such
 * line), -EBUSY, -ENOSPC. */
[[nodiscard]] int arch_irq_connect(uint32_t line, uint32_t gsi, uint32_t *flags, uint32_t cpu);
/* Chooses what a message of the function has to write to raise the line. 0 or -EOPNOTSUPP, -ENOSPC. */
[[nodiscard]] int arch_irq_message(uint32_t line, uint32_t function, uint32_t index, uint32_t cpu, uint64_t *address,
				   uint32_t *data);
/* A message goes to another CPU, and what is pending is not lost. false: it cannot. */
[[nodiscard]] bool arch_irq_move(uint32_t line, uint32_t cpu);
void arch_irq_mask(uint32_t line, bool masked);
/* A wire, or a message's place. */
void arch_irq_disconnect(uint32_t line);

#endif
