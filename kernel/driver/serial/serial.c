/* SPDX-License-Identifier: MIT */
/* The component of the drivers of UARTs. Ports need the right to elevate. */
#include "serial.h"

#include <arch/portio.h>
#include <kernel/base/log.h>

void serial_open_irq(struct device *dev, struct irq *irq)
{
	int error = irq_open(dev, 0, irq);

	if (error < 0)
		log_warn("serial: %s has no interrupt (%d), polling", device_name(dev), error);
}

DEFINE_COMPONENT(
	serial, .asks_elevate = ARCH_HAS_PORTS, .asks_devices = true, .stage = STAGE_DRIVER,
	.users = "terminals stay open, and what is written waits; what comes in meanwhile may overrun the device");
