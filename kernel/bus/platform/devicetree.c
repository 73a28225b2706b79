/* SPDX-License-Identifier: MIT */
/*
 * Devices of the device tree (Devicetree Specification 0.4): every enabled node that says what it is and has registers
 * which the CPU reaches. The tree is the loader's and was checked by the nucleus; it is checked once more, since it
 * lies where anybody may have written. What is inside a node that cannot be reached is a bus driver's to find.
 */
#include "platform.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/mem/page.h>
#include <lib/arm_platform.h>
#include <lib/devicetree.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/layout.h>

bool platform_tree_range(const struct platform_device *p, unsigned index, struct device_range *out)
{
	*out = (struct device_range){.kind = RANGE_MEMORY};
	return devicetree_reg(p->fdt, p->node, index, &out->start, &out->bytes);
}

bool platform_tree_coherent(const struct platform_device *p)
{
	return devicetree_coherent(p->fdt, p->node);
}

/* The GIC's number is what the nucleus calls a line by. Only what is shared among CPUs can be a device's. */
bool platform_tree_line(const struct platform_device *p, unsigned index, struct device_line *out)
{
	constexpr uint32_t FIRST_SHARED = 32;
	struct devicetree_interrupt told;
	struct arm_interrupt is;

	if (!devicetree_interrupt(p->fdt, p->node, index, &told) || !arm_platform_interrupt(p->fdt, &told, &is) ||
	    is.id < FIRST_SHARED)
		return false;
	*out = (struct device_line){.gsi = is.id, .flags = is.level ? IRQ_LEVEL : 0};
	return true;
}

static void add_node(const void *fdt, int node)
{
	const struct platform_device p = {.fdt = fdt, .node = node};
	char name[DEVICE_NAME_MAX];
	struct device_range first;

	if (devicetree_string(fdt, node, "compatible") == nullptr || !devicetree_enabled(fdt, node) ||
	    !platform_tree_range(&p, 0, &first))
		return;
	strlcpy(name, devicetree_name(fdt, node), sizeof(name));
	int error = platform_add(name, &p);
	/* Two buses may each have one of that name. */
	if (error == -EEXIST || error == -EINVAL) {
		scnprintf(name, sizeof(name), "node%d", node);
		error = platform_add(name, &p);
	}
	if (error < 0)
		log_error("platform: %s of the device tree cannot be added: error %d", name, -error);
}

bool platform_add_tree(void)
{
	const struct boot_info *boot = boot_info();

	if (boot->dtb_phys == 0)
		return false;
	const void *fdt = (const char *)page_window(boot->dtb_phys >> PAGE_SHIFT) + boot->dtb_phys % PAGE_SIZE;
	if (!devicetree_check(fdt, boot->dtb_bytes)) {
		log_error("platform: the device tree is not well-formed");
		return false;
	}
	for (int node = -1; (node = devicetree_next(fdt, node)) >= 0;)
		add_node(fdt, node);
	return true;
}
