/* SPDX-License-Identifier: MIT */
/* The platform bus: what firmware tells of is there, and what the bus says of it is what firmware says. */
#include "ktest.h"

#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/bus/platform.h>
#include <kernel/mem/page.h>
#include <lib/devicetree.h>
#include <lib/string.h>

static bool has_tree(void)
{
	return boot_info()->dtb_phys != 0;
}

static bool names_a_console(void)
{
	return boot_info()->console.kind != ARM_UART_NONE;
}

static bool has_ports(void)
{
	return ARCH_HAS_PORTS;
}

/* Each node with registers that the CPU reaches is a device, once. */
static void every_node_is_there(void)
{
	static const char *const names[] = {"virtio,mmio", "arm,pl011", "arm,pl031", "pci-host-ecam-generic", nullptr};
	const void *fdt = page_window(boot_info()->dtb_phys >> PAGE_SHIFT), *other;
	uint32_t nodes = 0, devices = 0, interrupts = 0;
	uint64_t phys, size;

	for (int node = -1; (node = devicetree_find(fdt, node, names)) >= 0;)
		nodes += devicetree_reg(fdt, node, 0, &phys, &size);
	for (struct device *d = device_each(nullptr); d != nullptr; d = device_each(d)) {
		int node = device_bus(d) == &platform_bus ? platform_node(d, &other) : -1;
		struct device_range range;
		struct device_line line;

		if (node < 0 || !devicetree_is(other, node, names))
			continue;
		devices++;
		EXPECT_EQ(device_range(d, 0, &range), 0);
		EXPECT(devicetree_reg(fdt, node, 0, &phys, &size) && range.start == phys && range.bytes == size);
		EXPECT_EQ(range.kind, RANGE_MEMORY);
		EXPECT_EQ(device_range(d, 100, &range), -ENOENT);
		interrupts += device_line(d, 0, &line) == 0 && line.gsi >= 32;
		EXPECT_EQ(device_line(d, 100, &line), -ENOENT);
	}
	EXPECT(nodes > 0);
	EXPECT_EQ(devices, nodes);
	EXPECT(interrupts > 0);
}

static void the_console_is_there(void)
{
	const struct arm_uart *c = &boot_info()->console;
	uint32_t found = 0;

	for (struct device *d = device_each(nullptr); d != nullptr; d = device_each(d)) {
		struct device_range range;
		struct device_line line;

		if (device_bus(d) != &platform_bus || !platform_is_console(d))
			continue;
		found++;
		EXPECT_EQ(device_range(d, 0, &range), 0);
		EXPECT(range.start <= c->phys && c->phys < range.start + range.bytes);
		EXPECT_EQ(device_line(d, 0, &line), c->interrupt.id != 0 ? 0 : -ENOENT);
		EXPECT_EQ(line.gsi, c->interrupt.id);
		EXPECT_EQ(line.flags, c->interrupt.level ? IRQ_LEVEL : 0);
	}
	EXPECT_EQ(found, 1);
}

static void the_ports_are_there(void)
{
	static const uint64_t ports[] = {0x3f8, 0x2f8};
	static const uint32_t irqs[] = {4, 3};
	static const char *const names[] = {"com1", "com2"};

	for (unsigned i = 0; i < 2; i++) {
		struct device *d = device_find(names[i]);
		struct device_range range;
		struct device_line line;
		uint64_t value = 0;

		if (!EXPECT(d != nullptr))
			return;
		EXPECT_EQ(device_range(d, 0, &range), 0);
		EXPECT(range.kind == RANGE_PORTS && range.start == ports[i] && range.bytes == 8);
		EXPECT_EQ(device_line(d, 0, &line), 0);
		EXPECT_EQ(line.gsi, irqs[i]);
		EXPECT(platform_number(d, "line", &value) && value == i);
		EXPECT(!platform_number(d, "reg-shift", &value));
		device_put(d);
	}
}

KTEST_SUITE(platform, KTEST("every node of the device tree", every_node_is_there, .fits = has_tree),
	    KTEST("the console that firmware names", the_console_is_there, .fits = names_a_console),
	    KTEST("a PC's serial ports", the_ports_are_there, .fits = has_ports));
