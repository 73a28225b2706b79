/* SPDX-License-Identifier: MIT */
/*
 * PCI functions in /proc/bus/pci, as older programs read them: a list of all, and a file with the registers of each
 * (Linux, drivers/pci/proc.c and the `linux-proc` way of pciutils). What stands in a file is asked of the function when
 * it is read: the argument is its number, so that no device has to be kept for it.
 */
#include "pci_internal.h"

#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/tree.h>
#include <lib/string.h>

/* Six BARs and the ROM. */
constexpr unsigned COLUMNS = 7;

static void put_function(struct text_buffer *b, const struct device *dev)
{
	const struct pci_device *p = pci_of(dev);
	const struct driver *driver = device_driver(dev);

	text_printf(b, "%02x%02x\t%04x%04x\t%x", p->function >> 8 & 0xff, p->function & 0xff, p->identity.vendor,
		    p->identity.device, pci_shown_line(&p->identity));
	for (unsigned i = 0; i < COLUMNS; i++) {
		const struct pci_bar *bar = i < PCI_BARS_MAX && p->bar[i].size != 0 ? &p->bar[i] : nullptr;

		text_printf(b, "\t%16lx", bar != nullptr ? bar->base | pci_bar_bits(bar) : 0);
	}
	for (unsigned i = 0; i < COLUMNS; i++)
		text_printf(b, "\t%16lx", i < PCI_BARS_MAX ? p->bar[i].size : 0);
	text_printf(b, "\t%s\n", driver != nullptr ? driver->name : "");
}

static int show_devices(struct text_buffer *b, void *)
{
	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev))
		if (device_bus(dev) == &pci_bus)
			put_function(b, dev);
	return 0;
}
PROC_FILE(pci_devices, .component = &component_pci, .name = "bus/pci/devices", .mode = 0444, .show = show_devices);

static long read_at(void *to, size_t n, uint64_t pos, void *arg)
{
	return pci_read_for_process((uint32_t)(uintptr_t)arg, to, n, pos);
}

void pci_proc_add(const struct device *dev)
{
	struct entry {
		struct node_file file;
		char name[DEVICE_NAME_MAX];
	};
	uint32_t function = pci_function(dev), segment = function >> 16;
	bool express = pci_find_capability(dev, PCI_CAP_PCIE, 0) != 0;
	struct tree_node *buses = proc_tree != nullptr ? tree_path(proc_tree, "bus/pci") : nullptr;
	/* For good: who is plugged in there later has the same place. */
	struct entry *e = kmalloc(sizeof(*e));

	if (buses == nullptr || e == nullptr) {
		log_warn("pci: no memory for %s in /proc", device_name(dev));
		kfree(e);
		return;
	}
	e->file = (struct node_file){.component = &component_pci,
				     .name = e->name,
				     .mode = 0444,
				     .read_at = read_at,
				     .size = express ? PCIE_CONFIG_BYTES : PCI_CONFIG_BYTES};
	if (segment != 0)
		snprintf(e->name, sizeof(e->name), "%04x:%02x/%02x.%u", segment, function >> 8 & 0xff,
			 function >> 3 & 31, function & 7);
	else
		snprintf(e->name, sizeof(e->name), "%02x/%02x.%u", function >> 8 & 0xff, function >> 3 & 31,
			 function & 7);
	int error = tree_add_file(buses, &e->file, (void *)(uintptr_t)function);
	/* -EEXIST: it, or one before it in the same place. */
	if (error < 0 && error != -EEXIST)
		log_warn("pci: %s is not in /proc: error %d", device_name(dev), -error);
	if (error < 0)
		kfree(e);
}
