/* SPDX-License-Identifier: MIT */
/*
 * PCI functions in /sys, as pciutils and udev read them (Linux, Documentation/ABI/testing/sysfs-bus-pci and
 * Documentation/PCI/sysfs-pci.rst). The argument of a file is the device.
 */
#include "pci_internal.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/base/subject.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/tree.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>

/* What a user may read of a function: its header. More may hang a device that is not well made. */
constexpr uint64_t CONFIG_OPEN_BYTES = 64;
/* Lines of `resource`: six BARs, the ROM, six that virtual functions would have. */
constexpr unsigned RESOURCE_LINES = 13;
/* Flags of a resource (linux/ioport.h), above the bits of the BAR itself. */
enum : uint64_t {
	RESOURCE_IO = 0x100,
	RESOURCE_MEMORY = 0x200,
	RESOURCE_PREFETCH = 0x2000,
	RESOURCE_SIZE_ALIGNED = 0x40000,
	RESOURCE_64 = 0x100000,
};
enum : uint64_t { BAR_IO = 1, BAR_64 = 4, BAR_PREFETCH = 8 };

#define SHOWS(function, format, value)                                                                                 \
	static int function(struct text_buffer *b, void *arg)                                                          \
	{                                                                                                              \
		const struct pci_identity *id = &pci_of(arg)->identity;                                                \
                                                                                                                       \
		text_printf(b, format "\n", (value));                                                                  \
		return 0;                                                                                              \
	}
SHOWS(show_vendor, "0x%04x", id->vendor)
SHOWS(show_device, "0x%04x", id->device)
SHOWS(show_subsystem_vendor, "0x%04x", id->subsystem_vendor)
SHOWS(show_subsystem, "0x%04x", id->subsystem)
SHOWS(show_class, "0x%06x", id->class)
SHOWS(show_revision, "0x%02x", id->revision)
SHOWS(show_irq, "%u", pci_shown_line(id))

static void put_alias(struct text_buffer *b, const struct pci_identity *id)
{
	text_printf(b, "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X\n", id->vendor, id->device, id->subsystem_vendor,
		    id->subsystem, id->class >> 16 & 0xff, id->class >> 8 & 0xff, id->class & 0xff);
}

static int show_alias(struct text_buffer *b, void *arg)
{
	put_alias(b, &pci_of(arg)->identity);
	return 0;
}

/* Whether its registers answer. */
static int show_enabled(struct text_buffer *b, void *arg)
{
	uint32_t command = pci_config_read(arg, PCI_COMMAND, 2);

	text_printf(b, "%d\n", command != 0xffff && (command & (PCI_COMMAND_MEMORY | PCI_COMMAND_IO)) != 0);
	return 0;
}

static int show_no_node(struct text_buffer *b, void *)
{
	text_printf(b, "-1\n");
	return 0;
}

uint64_t pci_bar_bits(const struct pci_bar *bar)
{
	if (bar->kind == PCI_BAR_IO)
		return BAR_IO;
	return (bar->kind == PCI_BAR_MEMORY_64 ? BAR_64 : 0) | (bar->prefetchable ? BAR_PREFETCH : 0);
}

static uint64_t flags_of(const struct pci_bar *bar)
{
	if (bar->kind == PCI_BAR_IO)
		return RESOURCE_IO | RESOURCE_SIZE_ALIGNED | pci_bar_bits(bar);
	uint64_t flags = RESOURCE_MEMORY | RESOURCE_SIZE_ALIGNED | pci_bar_bits(bar);
	if (bar->kind == PCI_BAR_MEMORY_64)
		flags |= RESOURCE_64;
	if (bar->prefetchable)
		flags |= RESOURCE_PREFETCH;
	return flags;
}

/* First and last address and flags of each; zeros where there is nothing. */
static int show_resource(struct text_buffer *b, void *arg)
{
	const struct pci_device *p = pci_of(arg);

	for (unsigned n = 0; n < RESOURCE_LINES; n++) {
		const struct pci_bar *bar = n < PCI_BARS_MAX && p->bar[n].size != 0 ? &p->bar[n] : nullptr;

		text_printf(b, "0x%016lx 0x%016lx 0x%016lx\n", bar != nullptr ? bar->base : 0,
			    bar != nullptr ? bar->base + bar->size - 1 : 0, bar != nullptr ? flags_of(bar) : 0);
	}
	return 0;
}

long pci_read_for_process(uint32_t function, void *to, size_t n, uint64_t pos)
{
	unsigned char *bytes = to;

	if (!capable(CAP_SYS_ADMIN)) {
		if (pos >= CONFIG_OPEN_BYTES)
			return 0;
		n = MIN(n, CONFIG_OPEN_BYTES - pos);
	}
	uint32_t word = 0;
	for (size_t k = 0; k < n; k++, pos++) {
		if (k == 0 || pos % 4 == 0)
			word = (uint32_t)nucleus_pci_read(function, (uint32_t)pos & ~3u, 4);
		bytes[k] = (unsigned char)(word >> 8 * (pos % 4));
	}
	return (long)n;
}

static long read_config(void *to, size_t n, uint64_t pos, void *arg)
{
	return pci_read_for_process(pci_function(arg), to, n, pos);
}

#define ENTRY(entry_name, permissions, ...)                                                                            \
	{.component = &component_pci, .name = (entry_name), .mode = (permissions), __VA_ARGS__}
static const struct node_file of_function[] = {
	ENTRY("vendor", 0444, .show = show_vendor),
	ENTRY("device", 0444, .show = show_device),
	ENTRY("subsystem_vendor", 0444, .show = show_subsystem_vendor),
	ENTRY("subsystem_device", 0444, .show = show_subsystem),
	ENTRY("class", 0444, .show = show_class),
	ENTRY("revision", 0444, .show = show_revision),
	ENTRY("irq", 0444, .show = show_irq),
	ENTRY("modalias", 0444, .show = show_alias),
	ENTRY("enable", 0444, .show = show_enabled),
	ENTRY("numa_node", 0444, .show = show_no_node),
	ENTRY("resource", 0444, .show = show_resource),
	{},
};
static const struct node_file config_pci[] = {
	ENTRY("config", 0444, .read_at = read_config, .size = PCI_CONFIG_BYTES),
	{},
};
static const struct node_file config_express[] = {
	ENTRY("config", 0444, .read_at = read_config, .size = PCIE_CONFIG_BYTES),
	{},
};

int pci_entries(struct device *dev, struct tree_node *directory)
{
	bool express = pci_find_capability(dev, PCI_CAP_PCIE, 0) != 0;
	int error = tree_add_files(directory, of_function, dev);

	return error != 0 ? error : tree_add_files(directory, express ? config_express : config_pci, dev);
}

void pci_uevent(struct device *dev, struct text_buffer *b)
{
	const struct pci_identity *id = &pci_of(dev)->identity;

	text_printf(b,
		    "PCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\nPCI_SLOT_NAME=%s\nMODALIAS=", id->class,
		    id->vendor, id->device, id->subsystem_vendor, id->subsystem, device_name(dev));
	put_alias(b, id);
}
