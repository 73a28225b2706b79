/* SPDX-License-Identifier: MIT */
/*
 * Devices that no device tree tells of: the console's UART (ACPI's SPCR), ports for debugging (DBG2), both of which the
 * nucleus has read and checked, and the first two serial ports of a PC, at their old addresses and lines, with its
 * keyboard controller. Where such a line is wired otherwise the MADT says so, and the nucleus follows it
 * (nucleus_irq_attach); DBG2 tells of no line.
 */
#include "platform.h"

#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint64_t UART_BYTES = 0x1000, PORT_REGISTERS = 8;

/* Whether a device of this bus has registers there. */
static bool is_known(enum device_range_kind kind, uint64_t at)
{
	bool known = false;

	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev)) {
		struct device_range r;

		if (device_bus(dev) == &platform_bus && device_range(dev, 0, &r) == 0)
			known = known || (r.kind == kind && at >= r.start && at - r.start < r.bytes);
	}
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
	const struct arm_uart *c = &boot_info()->console;

	if (c->kind == ARM_UART_NONE || is_known(RANGE_MEMORY, c->phys))
		return;
	add("console", &(struct platform_device){
			       .compatible = c->kind == ARM_UART_PL011 ? "arm,pl011" : "ns16550a",
			       .range = {.kind = RANGE_MEMORY, .start = c->phys, .bytes = UART_BYTES},
			       .lines = c->interrupt.id != 0,
			       .line = {{.gsi = c->interrupt.id, .flags = c->interrupt.level ? IRQ_LEVEL : 0}},
			       .numbers = {{"reg-shift", c->register_shift}, {"reg-io-width", c->register_bytes}},
		       });
}

/* A PC's, whose numbers go with their addresses. The lines of the last two differ from card to card. */
static const struct {
	const char *name; /* nullptr: not looked for if nothing tells of it */
	uint16_t port;
	uint8_t irq;
} ports[] = {{"com1", 0x3f8, 4}, {"com2", 0x2f8, 3}, {nullptr, 0x3e8, 0}, {nullptr, 0x2e8, 0}};

void platform_add_ports(void)
{
	for (size_t i = 0; ARCH_HAS_PORTS && i < ARRAY_LEN(ports) && ports[i].name != nullptr; i++)
		add(ports[i].name,
		    &(struct platform_device){
			    .compatible = "ns16550a",
			    .range = {.kind = RANGE_PORTS, .start = ports[i].port, .bytes = PORT_REGISTERS},
			    .lines = 1,
			    .line = {{.gsi = ports[i].irq}},
			    .numbers = {{"line", i}},
		    });
}

void platform_add_keyboard_controller(void)
{
	constexpr uint16_t PORT = 0x60, BYTES = 5, KEYS_IRQ = 1, AUX_IRQ = 12;

	if (ARCH_HAS_PORTS)
		add("i8042", &(struct platform_device){
				     .compatible = "intel,8042",
				     .range = {.kind = RANGE_PORTS, .start = PORT, .bytes = BYTES},
				     .lines = 2,
				     .line = {{.gsi = KEYS_IRQ}, {.gsi = AUX_IRQ}},
			     });
}

static void add_debug_port(const char *name, const struct acpi_uart *u)
{
	struct platform_device p = {
		.compatible = u->kind == ACPI_UART_PL011 ? "arm,pl011" : "ns16550a",
		.range = {.kind = u->is_port ? RANGE_PORTS : RANGE_MEMORY,
			  .start = u->start,
			  .bytes = u->is_port			? PORT_REGISTERS
				   : u->kind == ACPI_UART_16550 ? PORT_REGISTERS << u->register_shift
								: UART_BYTES},
		.numbers = {{"reg-shift", u->register_shift}, {"reg-io-width", u->register_bytes}},
	};

	for (size_t i = 0; u->is_port && i < ARRAY_LEN(ports); i++) {
		if (ports[i].port == u->start)
			p.numbers[2] = (typeof(p.numbers[0])){"line", i};
	}
	add(name, &p);
}

void platform_add_debug_ports(void)
{
	const struct boot_info *boot = boot_info();

	for (uint32_t i = 0; i < boot->debug_count; i++) {
		const struct acpi_uart *u = &boot->debug[i];
		char name[DEVICE_NAME_MAX];

		if (is_known(u->is_port ? RANGE_PORTS : RANGE_MEMORY, u->start))
			continue;
		snprintf(name, sizeof(name), "debug%u", i);
		add_debug_port(name, u);
	}
}

/* Whether a device with a driver has this memory. */
static bool is_driven(uint64_t start, uint64_t end)
{
	constexpr unsigned RANGES_MAX = 6;
	bool driven = false;

	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev)) {
		struct device_range r;

		for (unsigned i = 0; device_driver(dev) != nullptr && i < RANGES_MAX; i++) {
			if (device_range(dev, i, &r) == 0 && r.kind == RANGE_MEMORY)
				driven = driven || (r.start < end && start < r.start + r.bytes);
		}
	}
	return driven;
}

void platform_add_screen(void)
{
	const struct boot_screen *s = &boot_info()->screen;
	uint64_t bytes = s->pitch * s->height;

	if (s->width == 0 || is_driven(s->phys, s->phys + bytes))
		return;
	add("screen", &(struct platform_device){
			      .compatible = "loader,framebuffer",
			      .range = {.kind = RANGE_MEMORY, .combining = true, .start = s->phys, .bytes = bytes},
		      });
}
