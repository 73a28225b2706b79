/* SPDX-License-Identifier: MIT */
/* What the drivers of UARTs share: they are one component, since which of them a machine's console needs its user need
 * not know (elevate=serial). */
#ifndef SERIAL_SERIAL_H
#define SERIAL_SERIAL_H

#include <kernel/device/irq.h>
#include <kernel/thread/component.h>

DECLARE_COMPONENT(serial);

/* In attach: opens the first interrupt. A port without one is polled, which is said. */
void serial_open_irq(struct device *dev, struct irq *irq);

#endif
