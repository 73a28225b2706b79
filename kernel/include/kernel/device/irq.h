/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of a device: its index-th, as a message or a line, wakes the thread that opened it, which is the device's
 * own in attach and serve. Several may wake it once: whoever is woken looks at the device until there is nothing more
 * to do, then irq_done, then irq_wait. A line that is a level stays masked from its interrupt to irq_done.
 */
#ifndef KERNEL_DEVICE_IRQ_H
#define KERNEL_DEVICE_IRQ_H

#include <kernel/device/device.h>

struct interrupt;
struct irq {
	struct device *device;
	uint32_t handle;	  /* the nucleus's; 0: it is not open */
	struct interrupt *opened; /* the core's */
};

/* Owned by the device. The driver's .wants must name WANTS_IRQ (-EPERM). -ENOENT: it has no such interrupt; -EBUSY:
 * another has the line; -EINVAL: there is no such line; -ENOSPC; -ENOMEM; -ENODEV: no round is under way. */
[[nodiscard]] int irq_open(struct device *dev, unsigned index, struct irq *irq) NOT_ELEVATED;
/* As device_wait() of its device. */
int irq_wait(struct irq *irq, uint64_t deadline_ns) NOT_ELEVATED;
/* The next one may come. How often it came to this CPU since the last irq_done, whoever woke the thread meanwhile. Only
 * the thread that opened it; one whose opening failed is fine (0). */
uint32_t irq_done(struct irq *irq) NOT_ELEVATED;

/* Has the interrupt, and the calling thread, which opened it, on one CPU from here on. -EINVAL: there is no such CPU;
 * -EBADF: it is not open. After any other error it is not open any more. What came meanwhile counts as one. */
[[nodiscard]] int irq_affinity(struct irq *irq, uint32_t cpu) NOT_ELEVATED;

#endif
