/* SPDX-License-Identifier: MIT */
/* Configuration space of the functions of pci_model.h, and what the PCI bus calls of the kernel. */
#include "pci_model.h"

#include <abi/errno.h>
#include <assert.h>
#include <kernel/base/clock.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/base/wait.h>
#include <kernel/bus/pci.h>
#include <kernel/device/dma.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/report.h>
#include <nucleus/device.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct device {
	char name[DEVICE_NAME_MAX];
	struct device *parent;
	void *bus_data;
	unsigned references;
	bool gone;
};

struct model model;
static struct device *devices[MODEL_DEVICES];
static unsigned device_count;
static struct thread_page page;
static struct boot_info boot;
static jmp_buf landing;

struct thread_page *thread_page_current(void)
{
	return &page;
}

/* --- configuration space --- */

static unsigned find(uint32_t function)
{
	for (unsigned i = 0; i < model.count; i++) {
		const struct model_function *f = &model.at[i];
		uint32_t number = f->number, bridge = f->bridge;

		if (bridge != ROOT) {
			uint32_t bus = model.at[bridge].registers[PCI_SECONDARY_BUS];

			number |= bus << 8;
			/* All bridges above are there and have numbers. */
			for (; bus != 0 && bridge != ROOT && model.at[bridge].there; bridge = model.at[bridge].bridge)
				bus = model.at[bridge].registers[PCI_SECONDARY_BUS];
		}
		if (bridge == ROOT && f->there && number == function)
			return f->mute ? ROOT : i;
	}
	return ROOT;
}

uint32_t model_register(unsigned function, uint32_t offset, uint32_t bytes)
{
	uint32_t value = 0;

	memcpy(&value, &model.at[function].registers[offset], bytes);
	return value;
}

void model_set(unsigned function, uint32_t offset, uint32_t bytes, uint32_t value)
{
	memcpy(&model.at[function].registers[offset], &value, bytes);
}

static void step(void)
{
	if (++model.steps != model.fault_at)
		return;
	model.faults++;
	longjmp(landing, 1);
}

long nucleus_pci_read(uint32_t function, uint32_t offset, uint32_t bytes)
{
	step();
	unsigned f = find(function);
	return f == ROOT ? UINT32_MAX >> (32 - 8 * bytes) : offset < 256 ? model_register(f, offset, bytes) : 0;
}

long nucleus_pci_write(uint32_t function, uint32_t offset, uint32_t bytes, uint32_t value)
{
	step();
	unsigned f = find(function);
	if (f == ROOT)
		return 0;
	if (offset == PCI_MEMORY_WINDOW || offset == PCI_PREFETCHABLE_WINDOW)
		value &= 0xfff0fff0;
	model_set(f, offset, bytes, value);
	return 0;
}

long nucleus_pci_bars(uint32_t function, uint32_t bar, uint64_t address)
{
	struct pci_bars raw = {};

	step();
	unsigned f = find(function);
	if (f == ROOT)
		return -ENODEV;
	for (uint32_t i = 0; i < 6; i++) {
		raw.value[i] = model.at[f].bar_bytes[i] != 0 ? model_register(f, PCI_BAR0 + 4 * i, 4) : 0;
		raw.ones[i] = model.at[f].bar_bytes[i] != 0 ? -model.at[f].bar_bytes[i] : 0;
	}
	if (bar != PCI_BAR_KEEP)
		model_set(f, PCI_BAR0 + 4 * bar, 4, (uint32_t)address);
	memcpy(page.call, &raw, sizeof(raw));
	return 0;
}

long nucleus_pci_silence(uint32_t)
{
	return model.silence;
}

long nucleus_device_claim(uint32_t, uint64_t, uint64_t, uint32_t)
{
	return 1;
}

long nucleus_device_release(uint64_t)
{
	return 0;
}

long nucleus_irq_attach(uint32_t, uint32_t)
{
	return -ENOSPC;
}

long nucleus_irq_attach_message(uint32_t, uint32_t)
{
	return -ENOSPC;
}

long nucleus_irq_detach(uint32_t)
{
	return 0;
}

/* --- the machine --- */

unsigned model_add(unsigned bridge, uint32_t number, uint32_t bar_bytes)
{
	unsigned f = model.count++;

	assert(f < MODEL_FUNCTIONS);
	model.at[f] = (struct model_function){.there = true, .bridge = bridge, .number = number};
	model.at[f].bar_bytes[0] = bar_bytes;
	model_set(f, PCI_VENDOR_ID, 4, 0x10001af4);
	model_set(f, PCI_CLASS + 1, 2, 0x0200);
	return f;
}

unsigned model_add_bridge(unsigned bridge, uint32_t number)
{
	unsigned f = model_add(bridge, number, 0);

	model_set(f, PCI_CLASS + 1, 2, 0x0604);
	model_set(f, PCI_HEADER_TYPE, 1, PCI_HEADER_BRIDGE);
	return f;
}

void model_add_slot(unsigned function)
{
	constexpr uint32_t AT = 0x40;

	model_set(function, PCI_STATUS, 2, PCI_STATUS_CAPABILITIES);
	model_set(function, PCI_CAPABILITIES, 1, AT);
	model_set(function, AT, 2, PCI_CAP_PCIE);
	model_set(function, AT + PCIE_CAPABILITIES, 2, PCIE_HAS_SLOT);
	model_set(function, AT + PCIE_SLOT_CAPABILITIES, 4, PCIE_SLOT_PLUG);
	model_set(function, AT + PCIE_SLOT_STATUS, 2, PCIE_SLOT_PRESENT);
}

void model_empty(unsigned function)
{
	model_set(function, PCI_COMMAND, 2, 0);
	memset(&model.at[function].registers[PCI_BAR0], 0, 0x30 - PCI_BAR0);
}

const struct boot_info *boot_info(void)
{
	return &boot;
}

/* --- devices --- */

struct device *model_device(const char *name)
{
	for (unsigned i = 0; i < device_count; i++)
		if (strcmp(devices[i]->name, name) == 0 && !devices[i]->gone)
			return devices[i];
	return nullptr;
}

unsigned model_devices(void)
{
	unsigned there = 0;

	for (unsigned i = 0; i < device_count; i++)
		there += !devices[i]->gone;
	return there;
}

int device_add(struct device *parent, const struct bus *, const char *name, void *bus_data, struct device **out)
{
	struct device *dev = calloc(1, sizeof(*dev));

	assert(device_count < MODEL_DEVICES && model_device(name) == nullptr);
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	dev->parent = parent;
	dev->bus_data = bus_data;
	devices[device_count++] = dev;
	*out = dev;
	return 0;
}

void device_remove(struct device *dev)
{
	for (unsigned i = 0; i < device_count; i++)
		if (devices[i]->parent == dev && !devices[i]->gone)
			device_remove(devices[i]);
	dev->gone = true;
}

struct device *device_get(struct device *dev)
{
	dev->references++;
	model.references++;
	return dev;
}

void device_put(struct device *dev)
{
	if (dev == nullptr)
		return;
	assert(dev->references > 0);
	dev->references--;
	model.references--;
}

struct device *device_each(struct device *after)
{
	unsigned i = 0;

	while (after != nullptr && devices[i++] != after)
		;
	device_put(after);
	while (i < device_count && devices[i]->gone)
		i++;
	return i < device_count ? device_get(devices[i]) : nullptr;
}

struct device *device_find(const char *name)
{
	struct device *dev = model_device(name);

	return dev != nullptr ? device_get(dev) : nullptr;
}

const char *device_name(const struct device *dev)
{
	return dev->name;
}

struct device *device_parent(const struct device *dev)
{
	return dev->parent;
}

const struct bus *device_bus(const struct device *)
{
	return &pci_bus;
}

const struct driver *device_driver(const struct device *)
{
	return nullptr;
}

void *device_bus_data(const struct device *dev)
{
	return dev->bus_data;
}

bool device_is_gone(const struct device *dev)
{
	return dev->gone;
}

void device_fail(struct device *, const char *)
{
}

bool device_fail_claim(struct device *, uint64_t, const char *)
{
	return false;
}

bool device_has_claim(struct device *, uint64_t)
{
	return false;
}

/* There is no IOMMU. */
void device_confine(struct device *, uint64_t)
{
}

bool device_is_confined(const struct device *)
{
	return false;
}

void report_set_stray(void (*)(uint32_t, uint64_t))
{
}

bool page_relieve_nucleus(void)
{
	return false;
}

void device_not_silent(struct device *)
{
	model.not_silent++;
}

void device_wake(struct device *)
{
}

int device_may(const struct device *, uint32_t)
{
	return 0;
}

int device_own(struct device *, struct resource *r, const struct resource_ops *ops)
{
	r->ops = ops;
	return 0;
}

/* --- the rest --- */

uint64_t clock_monotonic_ns(void)
{
	return model.now_ns;
}

int thread_park(uint64_t deadline_ns)
{
	if (model.now_ns < deadline_ns)
		model.now_ns = deadline_ns;
	return 0;
}

void *kmalloc(size_t bytes)
{
	model.objects++;
	return calloc(1, bytes);
}

void kfree(void *p)
{
	model.objects -= p != nullptr;
	free(p);
}

void log_write(enum log_level, const char *format, ...)
{
	size_t used = strlen(model.log);
	va_list args;

	va_start(args, format);
	vsnprintf(model.log + used, sizeof(model.log) - used, format, args);
	va_end(args);
	used = strlen(model.log);
	snprintf(model.log + used, sizeof(model.log) - used, "\n");
}

bool model_said(const char *text)
{
	return strstr(model.log, text) != nullptr;
}

void wait_wake_all(struct wait_queue *)
{
}

void wait_add_once(struct wait_queue *, struct waiter *)
{
	abort();
}

bool wait_requeue(struct waiter *)
{
	abort();
}

void wait_remove(struct waiter *)
{
	abort();
}

void kernel_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

/* Nobody pulls a device out. */
bool device_pull_armed;
bool device_pull_due(const struct device *)
{
	return false;
}

bool device_pull_was(const char *)
{
	return false;
}
