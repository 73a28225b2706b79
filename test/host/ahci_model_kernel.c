/* SPDX-License-Identifier: MIT */
/* What the AHCI driver calls of the kernel, for ahci_model.h. */
#include "ahci_model.h"

#include <abi/errno.h>
#include <assert.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/bus/pci.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ahci_model.c */
bool model_controller_step(void);
uint32_t model_read(uint32_t r);
void model_write(uint32_t r, uint32_t value);
void model_interrupt(void);

extern const struct driver driver_ahci;

struct dma_table {
	unsigned lists, segments;
	struct dma_list *list;
	struct dma_segment *segment;
};

static uint32_t came;
static bool permit, asked;
static void (*const *steps)(void);
static unsigned step_count;
static void *private, *memory[64];
static unsigned memory_count;
static struct dma_table tables[MODEL_PORTS];
static unsigned table_count;

/* --- the device's thread --- */

void model_interrupt(void)
{
	came++;
	permit = true;
}

bool device_stopping(const struct device *)
{
	return asked || model.failing != nullptr;
}

bool device_ends(const struct device *)
{
	return model.ends;
}

void device_wake(struct device *)
{
	permit = true;
}

void device_fail(struct device *, const char *why)
{
	if (model.failing == nullptr)
		model.failing = why;
}

int device_restart(struct device *)
{
	model.restarts++;
	asked = true;
	return 0;
}

int irq_wait(struct irq *irq, uint64_t deadline_ns)
{
	while (!device_stopping(irq->device) && !permit) {
		if (model_controller_step())
			continue;
		if (deadline_ns != 0) {
			if (model.now_ns < deadline_ns)
				model.now_ns = deadline_ns;
			return -ETIMEDOUT;
		}
		if (step_count == 0) {
			asked = true;
			break;
		}
		step_count--;
		(*steps++)();
	}
	permit = false;
	return device_stopping(irq->device) ? -ECANCELED : 0;
}

int irq_open(struct device *dev, unsigned index, struct irq *irq)
{
	*irq = (struct irq){.device = dev, .handle = 1};
	return index == 0 ? 0 : -ENOENT;
}

uint32_t irq_done(struct irq *)
{
	uint32_t n = came;

	came = 0;
	return n;
}

/* --- the device --- */

void *device_private(const struct device *)
{
	return private;
}

const char *device_name(const struct device *)
{
	return "model";
}

const struct bus pci_bus = {.name = "pci"};

int pci_master(struct device *)
{
	return 0;
}

bool device_pull_armed;
bool device_pull_due(const struct device *)
{
	return false;
}

/* As ports, whose accesses the model sees. */
int mmio_map(struct device *, unsigned index, struct mmio *m)
{
	*m = (struct mmio){.is_port = true, .bytes = AHCI_PORTS + MODEL_PORTS * AHCI_PORT_BYTES};
	return index == 5 ? 0 : -ENOENT;
}

uint32_t portio_read32(uint16_t port)
{
	return model_read(port);
}

void portio_write32(uint16_t port, uint32_t value)
{
	model_write(port, value);
}

/* Nothing else happens meanwhile, and what nothing ends takes all of its time. */
bool mmio_wait32(const struct mmio *m, size_t reg, uint32_t mask, uint32_t value, uint64_t deadline_ns)
{
	for (;;) {
		while (model_controller_step())
			;
		if ((mmio_read32(m, reg) & mask) == value)
			return true;
		if (model.now_ns >= deadline_ns)
			return false;
		uint64_t step = model.now_ns + MODEL_SECOND / 1000;

		model.now_ns = step < deadline_ns ? step : deadline_ns;
	}
}

/* --- memory --- */

static void *take_memory(size_t bytes)
{
	void *at = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);

	assert(at != nullptr && memory_count < 64);
	memset(at, 0, (bytes + 4095) / 4096 * 4096);
	memory[memory_count++] = at;
	return at;
}

int dma_limit(struct device *, unsigned bits)
{
	model.limit_bits = bits;
	return 0;
}

int dma_alloc(struct device *, size_t bytes, struct dma_buffer *b)
{
	*b = (struct dma_buffer){.at = take_memory(bytes), .bytes = bytes};
	b->address = (uint64_t)b->at;
	return 0;
}

int dma_table_open(struct device *, unsigned lists, unsigned segments, struct dma_table **out)
{
	struct dma_table *t = &tables[table_count++];

	*t = (struct dma_table){.lists = lists,
				.segments = segments,
				.list = take_memory(lists * sizeof(*t->list)),
				.segment = take_memory(lists * segments * sizeof(*t->segment))};
	*out = t;
	return 0;
}

struct page *model_page(unsigned char *at)
{
	return (struct page *)at;
}

struct dma_list *dma_map(const struct dma_table *t, unsigned index, enum dma_direction direction, uint32_t)
{
	struct dma_list *l = &t->list[index];

	assert(index < t->lists && l->count == 0);
	*l = (struct dma_list){
		.segments = &t->segment[index * t->segments], .max = t->segments, .direction = direction};
	return l;
}

int dma_list_add(struct dma_list *l, struct page *page, uint32_t offset, uint32_t length)
{
	assert(l->count < l->max);
	l->segments[l->count++] = (struct dma_segment){.address = (uint64_t)page + offset, .length = length};
	model.lent++;
	void (*meanwhile)(void) = model.while_lending;
	model.while_lending = nullptr;
	if (meanwhile != nullptr)
		meanwhile();
	return 0;
}

int dma_list_ready(struct dma_list *)
{
	return 0;
}

void dma_unmap(const struct dma_table *t, unsigned index, bool)
{
	model.lent -= t->list[index].count;
	t->list[index].count = 0;
}

/* --- disks --- */

int disk_register(struct device *, const char *name, const struct disk_ops *ops, const struct disk_geometry *g,
		  struct disk **out)
{
	struct disk *d = &model.disks[g->unit];

	assert(strcmp(name, "sd") == 0 && !d->there);
	*d = (struct disk){.geometry = *g, .ops = ops, .there = true};
	model.registered++;
	*out = d;
	return 0;
}

void disk_drop_missing(struct device *)
{
	model.dropped_missing++;
}

void disk_drop(struct disk *d)
{
	assert(d->there);
	d->there = false;
}

void disk_done(struct disk *, struct bio *b, int error)
{
	assert(b->finished == 0);
	b->finished = 1;
	b->error = error;
}

int model_submit(unsigned port, struct bio *b)
{
	const struct disk *d = &model.disks[port];

	b->unit = port;
	b->began_ns = model.now_ns;
	b->finished = 0;
	return d->ops->submit(nullptr, 0, b);
}

void model_late(void)
{
	model.disks[0].ops->late(nullptr, model.now_ns);
}

/* --- rounds --- */

void model_round(void (*const *s)(void), unsigned count)
{
	steps = s;
	step_count = count;
	asked = permit = false;
	came = memory_count = table_count = 0;
	private = calloc(1, driver_ahci.private_bytes);
	model.attached = driver_ahci.attach(nullptr);
	model.attached_ns = model.now_ns;
	if (model.attached == 0) {
		driver_ahci.serve(nullptr);
		driver_ahci.detach(nullptr);
	}
	while (memory_count > 0)
		free(memory[--memory_count]);
	table_count = 0;
	free(private);
}

/* --- the rest --- */

uint64_t clock_monotonic_ns(void)
{
	return model.now_ns;
}

void spin_init(struct spinlock *, uint32_t)
{
}

void spin_lock(struct spinlock *l) NO_THREAD_SAFETY
{
	assert(l->word == 0);
	l->word = 1;
}

void spin_unlock(struct spinlock *l) NO_THREAD_SAFETY
{
	l->word = 0;
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

void kernel_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

uint32_t fault_point_armed;
volatile uint8_t *fault_point_victim;
uint64_t fault_point_address;
bool fault_point_due(void)
{
	return false;
}
