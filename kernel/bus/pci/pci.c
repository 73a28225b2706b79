/* SPDX-License-Identifier: MIT */
/* The PCI bus (kernel/bus/pci.h): matching, claims, interrupts, silence. Its functions run in the device's thread. */
#include "pci_internal.h"

#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/device/dma.h>
#include <kernel/device/pull.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <lib/types.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>
#include <nucleus/layout.h>

/* How often a function that is being reset is looked at: each look waits as long as the nucleus says. */
constexpr unsigned RESET_LOOKS_MAX = 64;

static bool matches(const struct device *dev, const struct driver *driver)
{
	const struct pci_identity *id = &pci_of(dev)->identity;

	for (const struct pci_match *m = driver->match; m->vendor != 0 || m->device != 0 || m->class_mask != 0; m++) {
		if (m->plugs && pci_of(dev)->slot == 0)
			continue;
		if ((m->vendor == PCI_ANY || m->vendor == id->vendor) &&
		    (m->device == PCI_ANY || m->device == id->device) &&
		    (id->class & m->class_mask) == (m->class & m->class_mask))
			return true;
	}
	return false;
}

static int range(struct device *dev, unsigned index, struct device_range *out)
{
	const struct pci_device *p = pci_of(dev);
	const struct pci_bar *b = index < PCI_BARS_MAX ? &p->bar[index] : nullptr;

	if (b == nullptr || b->size == 0)
		return -ENOENT;
	*out = (struct device_range){
		.kind = b->kind == PCI_BAR_IO ? RANGE_PORTS : RANGE_MEMORY, .start = b->base, .bytes = b->size};
	if (b->base == 0)
		out->bytes = 0;
	/* The function's claim has the ports, and not what shows them: a page of that has others' ports, too. */
	if (!ARCH_HAS_PORTS && b->kind == PCI_BAR_IO && out->bytes > 0 &&
	    pci_ports_in_memory(p->function >> 16, b->base, b->size, &out->start)) {
		out->kind = RANGE_MEMORY;
		out->apart = true;
	}
	/* The pages of the table and of the pending bits are the nucleus's. */
	if (p->msix.vectors != 0 && p->msix.table_bar == index)
		out->bytes = MIN(out->bytes, p->msix.table_offset & ~(uint64_t)(PAGE_SIZE - 1));
	if (p->msix.vectors != 0 && p->msix.pending_bar == index)
		out->bytes = MIN(out->bytes, p->msix.pending_offset & ~(uint64_t)(PAGE_SIZE - 1));
	return 0;
}

/* --- the claim: what the device owned first is given back last --- */

struct function_claim {
	struct resource resource;
	uint64_t handle;
	uint32_t function;
};

/* Silences the function and sees its reset through: what the nucleus said last. */
static long reset(uint32_t function)
{
	long wait = nucleus_pci_silence(function);

	for (unsigned i = 0; wait > 0 && i < RESET_LOOKS_MAX; i++) {
		uint64_t end = clock_monotonic_ns() + (uint64_t)wait;

		while (clock_monotonic_ns() < end)
			(void)thread_park(end);
		wait = nucleus_pci_silence(function);
	}
	return wait;
}

static void set_resetting(struct pci_device *p, bool is)
{
	uint32_t resets = __atomic_load_n(&p->resets, __ATOMIC_RELAXED);

	if ((resets & 1) != is)
		__atomic_store_n(&p->resets, resets + 1, __ATOMIC_SEQ_CST);
}

static void release_claim(struct resource *r)
{
	struct function_claim *c = container_of(r, struct function_claim, resource);

	long error = nucleus_device_release(c->handle);
	/* Silence may have faulted in the middle of the reset. */
	if (error == -EBUSY && reset(c->function) <= 0)
		error = nucleus_device_release(c->handle);
	if (error < 0)
		log_error("pci: the claim of a function cannot be given back (%ld)", error);
	kfree(c);
}

static const struct resource_ops claim_ops = {
	.name = "function", .component = &component_pci, .release = release_claim};

/* Where ports are shown in memory a page has those of several functions, and nobody maps it who has not all of them. So
 * what has registers in memory, too, leaves its ports to others. */
static bool ports_left_out(const struct pci_device *p)
{
	bool has_memory = false;

	for (unsigned i = 0; i < PCI_BARS_MAX; i++)
		has_memory |= p->bar[i].kind == PCI_BAR_MEMORY || p->bar[i].kind == PCI_BAR_MEMORY_64;
	return !ARCH_HAS_PORTS && has_memory;
}

/* Decoding is switched on for what has addresses. */
static uint32_t decoding(const struct pci_device *p)
{
	uint32_t memory = PCI_COMMAND_MEMORY, ports = ports_left_out(p) ? 0 : PCI_COMMAND_IO;

	for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
		if (p->bar[i].size == 0 || p->bar[i].base != 0)
			continue;
		if (p->bar[i].kind == PCI_BAR_IO)
			ports = 0;
		else
			memory = 0;
	}
	return memory | ports;
}

static int enable(struct device *dev)
{
	struct pci_device *p = pci_of(dev);
	struct function_claim *c = kmalloc(sizeof(*c));

	if (c == nullptr)
		return -ENOMEM;
	if (DEVICE_PULLED(dev)) {
		kfree(c);
		return -ENODEV;
	}
	long handle;
	do /* an IOMMU's tables */
		handle = nucleus_device_claim(CLAIM_FUNCTION, p->function, 0,
					      ports_left_out(p) ? CLAIM_WITHOUT_PORTS : 0);
	while (handle == -ENOMEM && page_relieve_nucleus());
	if (handle < 0) {
		kfree(c);
		if (handle == -EPERM && !device_driver(dev)->component->asks_devices)
			log_warn("pci: %s: %s does not ask for devices (DEFINE_COMPONENT, .asks_devices)",
				 device_name(dev), device_driver(dev)->component->name);
		return (int)handle;
	}
	*c = (struct function_claim){.handle = (uint64_t)handle, .function = p->function};
	int error = device_own(dev, &c->resource, &claim_ops);
	if (error < 0) {
		release_claim(&c->resource);
		return error;
	}
	p->claimed = true;
	set_resetting(p, false);
	device_confine(dev, c->handle);
	if (device_is_confined(dev))
		log_info("pci: %s reaches only memory that is lent to it", device_name(dev));
	p->messages = p->msix.vectors != 0 ? p->msix.vectors : pci_find_capability(dev, PCI_CAP_MSI, 0) != 0 ? 1 : 0;
	/* A port was switched on for what is behind it. */
	return p->slot != 0 ? 0 : (int)nucleus_pci_write(p->function, PCI_COMMAND, 2, decoding(p));
}

/* Whether nothing comes from there any more: a slot above says that it is empty, or without a link. That a function
 * answers all ones, or was taken away for it, proves nothing: it may sleep, or its port be broken; nor does a port that
 * answers so itself. */
bool pci_is_cut_off(const struct device *dev)
{
	if (DEVICE_PULLED_NAMED(device_name(dev)))
		return true;
	for (const struct device *up = device_parent(dev); up != nullptr; up = device_parent(up)) {
		uint32_t slot = pci_of(up)->slot;

		if (slot != 0 && pci_config_read(up, slot + PCIE_SLOT_STATUS, 2) != 0xffff && !pci_slot_is_there(up))
			return true;
	}
	return false;
}

static void silence(struct device *dev)
{
	struct pci_device *p = pci_of(dev);
	long wait = 0;

	if (p->claimed) {
		set_resetting(p, true);
		wait = reset(p->function);
		set_resetting(p, false);
	}
	p->claimed = false;
	/* One that has no reset (-EOPNOTSUPP) masters the bus no more. */
	if (wait != 0 && wait != -EOPNOTSUPP && !(wait == -ENODEV && pci_is_cut_off(dev))) {
		log_error("pci: %s: cannot be reset (%ld)", device_name(dev), wait);
		device_not_silent(dev);
	}
}

static void release(struct device *, void *bus_data)
{
	kfree(bus_data);
}

/* --- interrupts --- */

static int attach_irq(struct device *dev, unsigned index, uint32_t *handle)
{
	const struct pci_device *p = pci_of(dev);
	struct device_line line;
	long got = -EOPNOTSUPP;

	if (index > 0 && index >= p->messages)
		return -ENOENT;
	if (p->messages != 0)
		got = nucleus_irq_attach_message(p->function, index);
	/* The machine has no messages, or no more. (-EBUSY: this one is there, and cannot be moved.) */
	if (got < 0 && got != -EBUSY && index == 0) {
		if (pci_wire(dev, &line) == 0) {
			got = nucleus_irq_attach(line.gsi, line.flags);
		} else if (p->identity.interrupt_pin != 0) {
			log_warn("pci: %s: where its wire INT%c leads is not known", device_name(dev),
				 'A' + (p->identity.interrupt_pin - 1) % 4);
			got = p->messages != 0 ? got : -ENOENT;
		} else {
			got = p->messages != 0 ? got : -ENOENT;
		}
	}
	if (got < 0)
		return (int)got;
	*handle = (uint32_t)got;
	return 0;
}

static void release_irq(struct device *, unsigned, uint32_t handle)
{
	(void)nucleus_irq_detach(handle);
}

const struct bus pci_bus = {
	.name = "pci",
	.component = &component_pci,
	.matches = matches,
	.range = range,
	.attach_irq = attach_irq,
	.release_irq = release_irq,
	.claims = true,
	.enable = enable,
	.silence = silence,
	.release = release,
	.root = "pci0000:00",
	.entries = pci_entries,
	.uevent = pci_uevent,
};

/* What stands below it goes with it: it is told of by name. */
static void blame_carried(const struct device *carrier)
{
	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev))
		if (device_parent(dev) == carrier && device_driver(dev) != nullptr)
			log_error("pci: %s carries %s, which %s drives", device_name(carrier), device_name(dev),
				  device_driver(dev)->name);
}

void pci_strayed(uint32_t function, uint64_t claim)
{
	for (struct device *dev = device_each(nullptr); dev != nullptr; dev = device_each(dev)) {
		if (device_bus(dev) != &pci_bus || pci_of(dev)->function != function)
			continue;
		/* Who is carried is told of before the round ends: the next may be up before this thread goes on. */
		if (device_has_claim(dev, claim))
			blame_carried(dev);
		/* A report may come late, in a round that knows nothing of it. */
		(void)device_fail_claim(dev, claim, "its DMA strayed");
	}
}

/* --- for drivers --- */

uint32_t pci_function(const struct device *dev)
{
	return pci_of(dev)->function;
}

const struct pci_identity *pci_identity(const struct device *dev)
{
	return &pci_of(dev)->identity;
}

uint32_t pci_config_read(const struct device *dev, uint32_t offset, uint32_t bytes)
{
	if (DEVICE_PULLED(dev))
		return UINT32_MAX >> (32 - 8 * bytes);
	return (uint32_t)nucleus_pci_read(pci_of(dev)->function, offset, bytes);
}

uint32_t pci_find_capability(const struct device *dev, uint32_t id, uint32_t after)
{
	uint32_t function = pci_of(dev)->function;
	struct pci_config config = pci_registers(&function);

	if (DEVICE_PULLED(dev))
		return 0;
	return pci_capability_find(&config, id, after);
}

int pci_config_write(struct device *dev, uint32_t offset, uint32_t bytes, uint32_t value)
{
	return DEVICE_PULLED(dev) ? 0 : (int)nucleus_pci_write(pci_of(dev)->function, offset, bytes, value);
}

uint32_t pci_slot(const struct device *dev)
{
	return pci_of(dev)->slot;
}

bool pci_slot_is_there(const struct device *port)
{
	uint32_t slot = pci_of(port)->slot, status = pci_config_read(port, slot + PCIE_SLOT_STATUS, 2);
	bool tells = (pci_config_read(port, slot + PCIE_LINK_CAPABILITIES, 4) & PCIE_LINK_TELLS) != 0;

	/* The port itself may be gone. */
	return status != 0xffff && (status & PCIE_SLOT_PRESENT) != 0 &&
	       (!tells || (pci_config_read(port, slot + PCIE_LINK_STATUS, 2) & PCIE_LINK_UP) != 0);
}

int pci_master(struct device *dev)
{
	const struct pci_device *p = pci_of(dev);
	int error = device_may(dev, WANTS_DMA);

	return error < 0 ? error
			 : (int)nucleus_pci_write(p->function, PCI_COMMAND, 2, decoding(p) | PCI_COMMAND_BUS_MASTER);
}

unsigned pci_interrupts(struct device *dev)
{
	const struct pci_device *p = pci_of(dev);
	struct device_line line;

	return p->messages != 0 ? p->messages : pci_wire(dev, &line) == 0 ? 1 : 0;
}
