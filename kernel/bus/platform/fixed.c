/* SPDX-License-Identifier: MIT */
/*
 * Devices that no device tree tells of: the console's UART (ACPI's SPCR, which the nucleus has read and checked), and
 * the first two serial ports of a PC, at their old addresses and lines. (The MADT could say that a line is wired
 * otherwise, but its frames are not in the lowered view; of these two lines none is known that is.)
 */
#include "platform.h"

#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <lib/types.h>

constexpr uint64_t UART_BYTES = 0x1000;

static bool is_known(void)
{
	bool known = false;

	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev))
		known = known || (device_bus(dev) == &platform_bus && platform_is_console(dev));
	return known;
}

static void add(const char *name, const struct platform_device *p)
{
	int error = platform_add(name, p);

	if (error < 0)
		log_error("platform: %s cannot be added: error %d", name, -error);
}

void platform_add_console(void)
{
	const struct boot_console *c = &boot_info()->console;

	if (c->kind == BOOT_CONSOLE_NONE || is_known())
		return;
	add("console", &(struct platform_device){
			       .compatible = c->kind == BOOT_CONSOLE_PL011 ? "arm,pl011" : "ns16550a",
			       .range = {.kind = RANGE_MEMORY, .start = c->phys, .bytes = UART_BYTES},
			       .has_line = c->gsi != 0,
			       .line = {.gsi = c->gsi, .flags = c->irq_flags},
			       .numbers = {{"reg-shift", c->register_shift}, {"reg-io-width", c->register_bytes}},
		       });
}

void platform_add_ports(void)
{
	static const struct {
		const char *name;
		uint16_t port;
		uint8_t irq;
	} ports[] = {{"com1", 0x3f8, 4}, {"com2", 0x2f8, 3}};

	for (size_t i = 0; ARCH_HAS_PORTS && i < ARRAY_LEN(ports); i++)
		add(ports[i].name, &(struct platform_device){
					   .compatible = "ns16550a",
					   .range = {.kind = RANGE_PORTS, .start = ports[i].port, .bytes = 8},
					   .has_line = true,
					   .line = {.gsi = ports[i].irq},
					   .numbers = {{"line", i}},
				   });
}
