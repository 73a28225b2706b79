/* SPDX-License-Identifier: MIT */
/* Registers of a device: mapping its ranges, and what is more than an access (kernel/device/mmio.h). */
#include "device_internal.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/device/mmio.h>
#include <kernel/mem/kmap.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>
#include <nucleus/layout.h>

constexpr uint64_t RANGE_BYTES_MAX = 1ull << 32;
constexpr uint64_t PORTS_END = 1ull << 16;
constexpr uint64_t SPIN_NS = 20'000, SLEEP_NS = 100'000;

struct mapping {
	struct resource resource;
	struct kmap_run *run; /* nullptr: ports */
	uint64_t pages;
	long claim; /* the nucleus's; 0: the bus has claimed the device */
};

static void release_mapping(struct resource *r)
{
	struct mapping *m = container_of(r, struct mapping, resource);

	if (m->run != nullptr) {
		for (uint64_t done = 0, part; done < m->pages; done += part) {
			part = MIN(m->pages - done, KMAP_PAGES_MAX);
			(void)nucleus_kunmap(kmap_run_address(m->run) + done * PAGE_SIZE, part);
		}
		kmap_run_give(m->run);
	}
	if (m->claim > 0)
		(void)nucleus_device_release((uint64_t)m->claim);
	kfree(m);
}

static const struct resource_ops mapping_ops = {
	.name = "registers", .component = &component_device, .release = release_mapping};

static int check_ports(const struct device *dev, const struct device_range *range)
{
	const struct component *c = dev->driver->component;

	if (!ARCH_HAS_PORTS) {
		log_warn("%s: %s has its registers behind ports: where such are in memory firmware does not say "
			 "(in ACPI's tables it takes an interpreter)",
			 c->name, dev->name);
		return -ENODEV;
	}
	if (range->start >= PORTS_END || range->bytes > PORTS_END - range->start)
		return -EINVAL;
	if (!c->may_elevate) {
		log_warn("%s: the ports of %s need the right to elevate%s", c->name, dev->name,
			 c->asks_elevate ? ", which elevate= refuses" : "");
		return -EPERM;
	}
	return 0;
}

static int check_memory(const struct device_range *range)
{
	return range->bytes > RANGE_BYTES_MAX || range->start + range->bytes < range->start ? -EINVAL : 0;
}

/* The registers are the component's before it maps them. */
static int claim(struct mapping *m, const struct device *dev, const struct device_range *range)
{
	const struct component *c = dev->driver->component;

	if (dev->bus->claims && !range->apart)
		return 0;
	m->claim = nucleus_device_claim(range->kind == RANGE_PORTS ? CLAIM_PORTS : CLAIM_MEMORY, range->start,
					range->bytes, range->combining ? CLAIM_WRITE_COMBINING : 0);
	if (m->claim == -EPERM && !c->asks_devices)
		log_warn("%s: its manifest does not ask for devices (DEFINE_COMPONENT, .asks_devices)", c->name);
	return m->claim < 0 ? (int)m->claim : 0;
}

static int map_memory(struct mapping *m, const struct device_range *range, struct mmio *out)
{
	uint64_t offset = range->start % PAGE_SIZE;

	m->pages = (offset + range->bytes + PAGE_SIZE - 1) / PAGE_SIZE;
	m->run = kmap_run_take(m->pages);
	if (m->run == nullptr)
		return -ENOMEM;
	uint64_t at = kmap_run_address(m->run);
	for (uint64_t done = 0, part; done < m->pages; done += part) {
		part = MIN(m->pages - done, KMAP_PAGES_MAX);
		long error;
		do
			error = nucleus_device_map(at + done * PAGE_SIZE, range->start - offset + done * PAGE_SIZE,
						   part);
		while (error == -ENOMEM && page_relieve_nucleus());
		if (error < 0)
			return (int)error;
	}
	out->at = (volatile unsigned char *)(at + offset);
	return 0;
}

int mmio_map(struct device *dev, unsigned index, struct mmio *m)
{
	struct device_range range;

	*m = (struct mmio){};
	int error = device_range(dev, index, &range);
	if (error < 0)
		return error;
	bool ports = range.kind == RANGE_PORTS;
	error = device_may(dev, ports ? WANTS_PORTS : WANTS_MMIO);
	if (error == 0 && range.bytes == 0)
		error = -ENODEV;
	if (error == 0)
		error = ports ? check_ports(dev, &range) : check_memory(&range);
	if (error < 0)
		return error;
	struct mapping *mapping = kmalloc(sizeof(*mapping));
	if (mapping == nullptr)
		return -ENOMEM;
	*mapping = (struct mapping){};
	error = claim(mapping, dev, &range);
	if (error == 0 && !ports)
		error = map_memory(mapping, &range, m);
	m->is_port = ports;
	m->port = ports ? (uint16_t)range.start : 0;
	m->bytes = range.bytes;
	m->device = dev;
	if (error == 0)
		error = device_own(dev, &mapping->resource, &mapping_ops);
	if (error < 0) {
		*m = (struct mmio){};
		release_mapping(&mapping->resource);
	}
	return error;
}

void mmio_write8_burst(const struct mmio *m, size_t reg, const unsigned char *bytes, size_t n)
{
	if (!m->is_port) {
		for (size_t i = 0; i < n; i++)
			mmio_write8(m, reg, bytes[i]);
		return;
	}
	mmio_check(m, reg, 1);
	if (DEVICE_PULLED(m->device))
		return;
	for (size_t done = 0, part; done < n; done += part) {
		uint64_t word = 0;

		part = MIN(n - done, sizeof(word));
		memcpy(&word, bytes + done, part);
		portio_write8_burst((uint16_t)(m->port + reg), word, (uint32_t)part);
	}
}

bool mmio_wait32(const struct mmio *m, size_t reg, uint32_t mask, uint32_t value, uint64_t deadline_ns)
{
	uint64_t begin = clock_monotonic_ns(), now = begin;
	bool permit = false, met;

	while (!(met = (mmio_read32(m, reg) & mask) == value) && now < deadline_ns) {
		if (now - begin < SPIN_NS)
			thread_yield();
		else
			permit |= thread_park(MIN(now + SLEEP_NS, deadline_ns)) == 0;
		now = clock_monotonic_ns();
	}
	/* It was for somebody else's wait. */
	if (permit)
		thread_unpark(thread_current());
	return met;
}
