/* SPDX-License-Identifier: MIT */
/* The platform bus (kernel/bus/platform.h): what it tells of a device, whoever found it. Nothing here changes after
 * boot, so there are no locks. */
#include "platform.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/mem/dma.h>
#include <kernel/mem/slab.h>
#include <lib/devicetree.h>
#include <lib/string.h>

static const struct platform_device *platform_of(const struct device *dev)
{
	return device_bus_data(dev);
}

static bool matches(const struct device *dev, const struct driver *driver)
{
	const struct platform_device *p = platform_of(dev);
	const char *const *names = driver->match;

	if (p->fdt != nullptr)
		return devicetree_is(p->fdt, p->node, names);
	for (; *names != nullptr; names++) {
		if (strcmp(*names, p->compatible) == 0)
			return true;
	}
	return false;
}

static int range(struct device *dev, unsigned index, struct device_range *out)
{
	const struct platform_device *p = platform_of(dev);

	if (p->fdt != nullptr)
		return platform_tree_range(p, index, out) ? 0 : -ENOENT;
	*out = p->range;
	return index == 0 ? 0 : -ENOENT;
}

static int line(struct device *dev, unsigned index, struct device_line *out)
{
	const struct platform_device *p = platform_of(dev);

	if (p->fdt != nullptr)
		return platform_tree_line(p, index, out) ? 0 : -ENOENT;
	if (index >= p->lines)
		return -ENOENT;
	*out = p->line[index];
	return 0;
}

/* Of what no tree tells nothing else is known; a PC's devices are coherent. */
static void dma(const struct device *dev, struct dma_rules *rules)
{
	const struct platform_device *p = platform_of(dev);

	rules->incoherent = p->fdt != nullptr && !platform_tree_coherent(p);
}

static void release(struct device *, void *bus_data)
{
	kfree(bus_data);
}

const struct bus platform_bus = {
	.name = "platform",
	.component = &component_platform,
	.matches = matches,
	.range = range,
	.line = line,
	.dma = dma,
	.release = release,
};

bool platform_number(const struct device *dev, const char *property, uint64_t *value)
{
	const struct platform_device *p = platform_of(dev);

	if (p->fdt != nullptr)
		return devicetree_number(p->fdt, p->node, property, value);
	for (unsigned i = 0; i < PLATFORM_NUMBERS_MAX && p->numbers[i].property != nullptr; i++) {
		if (strcmp(p->numbers[i].property, property) == 0) {
			*value = p->numbers[i].value;
			return true;
		}
	}
	return false;
}

int platform_node(const struct device *dev, const void **fdt)
{
	const struct platform_device *p = platform_of(dev);

	*fdt = p->fdt;
	return p->fdt != nullptr ? p->node : -1;
}

bool platform_is_console(const struct device *dev)
{
	const struct arm_uart *c = &boot_info()->console;
	const struct platform_device *p = platform_of(dev);
	struct device_range r = p->range;

	if (c->kind == ARM_UART_NONE || (p->fdt != nullptr && !platform_tree_range(p, 0, &r)))
		return false;
	return r.kind == RANGE_MEMORY && c->phys >= r.start && c->phys - r.start < r.bytes;
}

int platform_add(const char *name, const struct platform_device *p)
{
	struct platform_device *copy = kmalloc(sizeof(*copy));

	if (copy == nullptr)
		return -ENOMEM;
	*copy = *p;
	int error = device_add(nullptr, &platform_bus, name, copy, nullptr);
	if (error < 0)
		kfree(copy);
	return error;
}

static int find_devices(void)
{
	bool has_tree = platform_add_tree();

	platform_add_console();
	platform_add_ports();
	platform_add_keyboard_controller();
	/* A tree says it all, and what it disables is nobody's to drive. */
	if (!has_tree)
		platform_add_debug_ports();
	return 0;
}

DEFINE_COMPONENT(
	platform, .stage = STAGE_BUS, .start = find_devices, .users = "a driver in whose thread it was begins anew",
	.stays =
		"it has no thread: it reads the firmware's tables once, and then runs in drivers' threads, which begin anew");
