/* SPDX-License-Identifier: MIT */
/*
 * Finds the functions of every segment that the nucleus knows, bus by bus, and adds a device for each. Bridges have the
 * numbers and windows that firmware gave them: the nucleus lets nobody change those. One without a number, or with one
 * that leads back, is said and not entered.
 */
#include "pci_internal.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/base/wait.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>

constexpr unsigned BUSES = 256, DEVICES = 32, FUNCTIONS = 8;

/* Where the walk is: a bus, and the bridge that leads to it. */
struct place {
	uint32_t segment;
	uint8_t bus, last; /* last: of the buses that are below the bridge */
	struct device *parent;
	struct pci_windows_above above;
};

/* What is still to be walked, and what has been seen; the walk's own. The first walk adds no device: it notes where the
 * registers of all stand. */
static bool surveying;
static struct place to_walk[BUSES];
static unsigned to_walk_count;
static bool seen[BUSES];
static unsigned found;

static uint32_t read32(void *function, uint32_t offset)
{
	return (uint32_t)nucleus_pci_read(*(const uint32_t *)function, offset, 4);
}

struct pci_config pci_registers(uint32_t *function)
{
	/* Beyond what can be reached all is ones. */
	return (struct pci_config){.read32 = read32, .context = function, .bytes = PCIE_CONFIG_BYTES};
}

/* dev: nullptr while surveying. */
static void enter(const struct place *from, struct device *dev, uint32_t function, const struct pci_identity *id)
{
	uint8_t bus = id->secondary_bus, last = id->subordinate_bus;
	struct pci_config config = pci_registers(&function);
	struct place to = {.segment = from->segment, .bus = bus, .last = last, .parent = dev, .above.known = true};

	if (bus <= from->bus || last < bus || last > from->last || seen[bus]) {
		if (!surveying)
			log_warn(
				"pci: %s: firmware gave it the buses %u to %u, which cannot be below bus %u: what is behind it stays unknown",
				device_name(dev), bus, last, from->bus);
		return;
	}
	seen[bus] = true;
	pci_windows_decode(&config, &to.above.of);
	/* What stands behind may use memory, ports and the bus: each function is asked for itself. */
	long command = nucleus_pci_read(function, PCI_COMMAND, 2);
	long error = surveying ? 0
			       : nucleus_pci_write(function, PCI_COMMAND, 2,
						   (uint32_t)command | PCI_COMMAND_MEMORY | PCI_COMMAND_IO |
							   PCI_COMMAND_BUS_MASTER);
	if (error < 0)
		log_warn("pci: %s: the bridge cannot be switched on (%ld)", device_name(dev), error);
	to_walk[to_walk_count++] = to;
}

static void add(const struct place *at, uint32_t function, const struct pci_identity *id)
{
	char name[DEVICE_NAME_MAX];
	struct device *dev;

	if (surveying) {
		pci_survey_bars(function, id);
		if (id->header_type == PCI_HEADER_BRIDGE)
			enter(at, nullptr, function, id);
		return;
	}
	struct pci_device *p = kmalloc(sizeof(*p));
	if (p == nullptr) {
		log_error("pci: no memory for function %#x", function);
		return;
	}
	*p = (struct pci_device){.function = function, .identity = *id};
	pci_place_bars(p, &at->above);
	if (id->header_type == PCI_HEADER_DEVICE) {
		struct pci_config config = pci_registers(&function);

		if (!pci_msix_decode(&config, p->bar, &p->msix))
			p->msix = (struct pci_msix){};
	}
	snprintf(name, sizeof(name), "%04x:%02x:%02x.%u", function >> 16, function >> 8 & 0xff, function >> 3 & 31,
		 function & 7);
	int error = device_add(at->parent, &pci_bus, name, p, &dev);
	if (error < 0) {
		log_error("pci: %s cannot be added: error %d", name, -error);
		kfree(p);
		return;
	}
	found++;
	pci_proc_add(dev);
	if (id->header_type == PCI_HEADER_BRIDGE)
		enter(at, dev, function, id);
}

static void walk_bus(const struct place *at)
{
	for (uint32_t d = 0; d < DEVICES; d++) {
		unsigned functions = 1;

		for (uint32_t f = 0; f < functions; f++) {
			uint32_t function = at->segment << 16 | (uint32_t)at->bus << 8 | d << 3 | f;
			struct pci_config config = pci_registers(&function);
			struct pci_identity id;

			if (!pci_identify(&config, &id))
				continue;
			if (id.many_functions)
				functions = FUNCTIONS;
			add(at, function, &id);
		}
	}
}

static void walk_segment(const struct boot_pci *p)
{
	to_walk_count = 1;
	to_walk[0] = (struct place){.segment = p->segment, .bus = p->first_bus, .last = p->last_bus};
	memset(seen, 0, sizeof(seen));
	seen[p->first_bus] = true;
	/* A bus is seen once, so there is room. */
	for (unsigned i = 0; i < to_walk_count; i++)
		walk_bus(&to_walk[i]);
}

static struct wait_queue over = WAIT_QUEUE_INIT(over);
static bool walked;

static void walk(void *)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		surveying = pass == 0;
		for (uint32_t i = 0; i < boot_info()->pci_count; i++)
			walk_segment(&boot_info()->pci[i]);
	}
	log_info("pci: %u functions", found);
	__atomic_store_n(&walked, true, __ATOMIC_RELEASE);
	wait_wake_all(&over);
}

/* In a thread of this component: it keeps devices, and the nucleus asks whose thread it is. Who starts has to find the
 * devices of the machine there. */
static int find_functions(void)
{
	if (boot_info()->pci_count == 0 || walked)
		return 0;
	int error = kthread_start(&component_pci, "pci", walk, nullptr, nullptr);
	if (error < 0)
		return error;
	wait_event(&over, __atomic_load_n(&walked, __ATOMIC_ACQUIRE));
	return 0;
}

DEFINE_COMPONENT(pci, .keeps_devices = true, .stage = STAGE_BUS, .start = find_functions);
