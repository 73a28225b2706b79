/* SPDX-License-Identifier: MIT */
/* What the NVMe driver calls of the kernel, for nvme_model.h: threads that take turns, memory, and a disk that only
 * notes what becomes of its requests. */
#include "nvme_model.h"

#include <abi/errno.h>
#include <assert.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/init.h>
#include <kernel/block/controller.h>
#include <kernel/bus/pci.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* nvme_model.c */
bool model_controller_step(void);
unsigned char *model_registers(size_t *bytes);
void model_power_on(void);
void model_interrupt(unsigned vector);

extern const struct driver driver_nvme;

/* --- threads, one at a time --- */

struct device_thread {
	pthread_t thread;
	void (*fn)(struct device *dev, void *arg);
	void *arg;
	bool used, ended, parked, permit;
	uint64_t deadline_ns; /* while it is parked; 0: none */
};
struct controller {
	int nothing;
};
struct dma_table {
	unsigned lists, segments;
	struct dma_list *list;
	struct dma_segment *segment;
};

static struct device_thread actors[MODEL_ACTORS], *turn, *by_vector[MODEL_ACTORS];
static uint32_t came[MODEL_ACTORS]; /* interrupts, by vector */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static struct boot_info boot;
static bool asked;
static void *private, *memory[64];
static unsigned memory_count;
static struct dma_table tables[MODEL_ACTORS];
static unsigned table_count;

/* Hands over, and comes back when it is the caller's turn: `self`, or nullptr for the test. */
static void pass_to(struct device_thread *next, struct device_thread *self)
{
	pthread_mutex_lock(&lock);
	turn = next;
	pthread_cond_broadcast(&turned);
	while (turn != self)
		pthread_cond_wait(&turned, &lock);
	pthread_mutex_unlock(&lock);
}

static void *live(void *arg)
{
	struct device_thread *self = arg;

	pthread_mutex_lock(&lock);
	while (turn != self)
		pthread_cond_wait(&turned, &lock);
	pthread_mutex_unlock(&lock);
	self->fn(nullptr, self->arg);
	pthread_mutex_lock(&lock);
	self->ended = true;
	turn = nullptr;
	pthread_cond_broadcast(&turned);
	pthread_mutex_unlock(&lock);
	return nullptr;
}

static struct device_thread *begin(void (*fn)(struct device *dev, void *arg), void *arg)
{
	for (unsigned i = 0; i < MODEL_ACTORS; i++) {
		if (actors[i].used)
			continue;
		actors[i] = (struct device_thread){.fn = fn, .arg = arg, .used = true};
		assert(pthread_create(&actors[i].thread, nullptr, live, &actors[i]) == 0);
		return &actors[i];
	}
	assert(!"more threads than there are queues");
	return nullptr;
}

static bool has_reason(const struct device_thread *t)
{
	if (!t->used || t->ended)
		return false;
	return !t->parked || t->permit || device_stopping(nullptr) ||
	       (t->deadline_ns != 0 && model.now_ns >= t->deadline_ns);
}

static void run(unsigned actor_count)
{
	bool did;

	do {
		did = model_controller_step();
		for (unsigned i = 0; i < actor_count; i++) {
			if (has_reason(&actors[i])) {
				pass_to(&actors[i], nullptr);
				did = true;
			}
		}
	} while (did);
}

void model_run(void)
{
	run(MODEL_ACTORS);
}

void model_run_device(void)
{
	run(1);
}

void model_pass(uint64_t ns)
{
	model.now_ns += ns;
	model_run();
}

void model_interrupt(unsigned vector)
{
	came[vector]++;
	if (by_vector[vector] != nullptr)
		by_vector[vector]->permit = true;
}

int device_wait(struct device *dev, uint64_t deadline_ns)
{
	struct device_thread *self = turn;

	if (device_stopping(dev))
		return -ECANCELED;
	if (!self->permit) {
		self->parked = true;
		self->deadline_ns = deadline_ns;
		pass_to(nullptr, self);
		self->parked = false;
	}
	bool woken = self->permit;
	self->permit = false;
	if (device_stopping(dev))
		return -ECANCELED;
	return woken ? 0 : -ETIMEDOUT;
}

int device_thread_start(struct device *, const char *, void (*fn)(struct device *dev, void *arg), void *arg,
			struct device_thread **out)
{
	*out = begin(fn, arg);
	return 0;
}

void device_thread_wake(struct device_thread *t)
{
	t->permit = true;
}

void device_wake(struct device *)
{
	actors[0].permit = true;
}

/* --- the device --- */

bool device_ends(const struct device *)
{
	return model.ends;
}

bool device_stopping(const struct device *)
{
	return asked || model.ends || model.failing != nullptr;
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

unsigned pci_interrupts(struct device *)
{
	return model.messages;
}

/* The model itself answers all ones when it is pulled out. */
bool device_pull_armed;
bool device_pull_due(const struct device *)
{
	return false;
}

int mmio_map(struct device *, unsigned index, struct mmio *m)
{
	*m = (struct mmio){.at = model_registers(&m->bytes)};
	(void)model_registers(&m->bytes);
	return index == 0 ? 0 : -ENOENT;
}

/* Nothing else happens meanwhile, and what nothing ends takes all of its time. */
bool mmio_wait32(const struct mmio *m, size_t reg, uint32_t mask, uint32_t value, uint64_t deadline_ns)
{
	(void)model_controller_step();
	if ((mmio_read32(m, reg) & mask) == value)
		return true;
	if (model.now_ns < deadline_ns)
		model.now_ns = deadline_ns;
	return false;
}

int irq_open(struct device *dev, unsigned index, struct irq *irq)
{
	*irq = (struct irq){.device = dev, .handle = index + 1};
	by_vector[index] = turn;
	came[index] = 0;
	return 0;
}

int irq_affinity(struct irq *, uint32_t cpu)
{
	return cpu < model.cpus ? 0 : -EINVAL;
}

int irq_wait(struct irq *irq, uint64_t deadline_ns)
{
	return device_wait(irq->device, deadline_ns);
}

uint32_t irq_done(struct irq *irq)
{
	uint32_t n = irq->handle != 0 ? came[irq->handle - 1] : 0;

	if (irq->handle != 0)
		came[irq->handle - 1] = 0;
	return n;
}

/* --- memory --- */

static void *take(size_t bytes)
{
	void *at = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);

	assert(at != nullptr && memory_count < 64);
	memset(at, 0, (bytes + 4095) / 4096 * 4096);
	memory[memory_count++] = at;
	return at;
}

int dma_alloc(struct device *, size_t bytes, struct dma_buffer *b)
{
	*b = (struct dma_buffer){.at = take(bytes), .bytes = bytes};
	b->address = (uint64_t)b->at;
	return 0;
}

int dma_table_open(struct device *, unsigned lists, unsigned segments, struct dma_table **out)
{
	struct dma_table *t = &tables[table_count++];

	*t = (struct dma_table){.lists = lists,
				.segments = segments,
				.list = take(lists * sizeof(*t->list)),
				.segment = take(lists * segments * sizeof(*t->segment))};
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
	return 0;
}

int dma_list_ready(struct dma_list *)
{
	return 0;
}

void dma_unmap(const struct dma_table *t, unsigned index, bool)
{
	t->list[index].count = 0;
}

/* --- disks --- */

int disk_register(struct device *, const char *name, const struct disk_ops *ops, const struct disk_geometry *g,
		  struct disk **out)
{
	struct disk *d = &model.disks[model.disk_count++];

	assert(model.disk_count <= MODEL_NAMESPACES);
	*d = (struct disk){.geometry = *g, .ops = ops};
	snprintf(d->name, sizeof(d->name), "%s", name);
	*out = d;
	return 0;
}

void disk_drop_missing(struct device *)
{
	model.dropped = true;
}

void disk_done(struct disk *, struct bio *b, int error)
{
	assert(b->finished == 0);
	b->finished = 1;
	b->error = error;
}

void disk_room(struct disk *d, unsigned)
{
	d->rooms++;
}

int model_submit(unsigned disk, unsigned queue, struct bio *b)
{
	const struct disk *d = &model.disks[disk];

	b->unit = d->geometry.unit;
	b->began_ns = model.now_ns;
	b->finished = 0;
	return d->ops->submit(nullptr, queue, b);
}

void model_late(void)
{
	model.disks[0].ops->late(nullptr, model.now_ns);
}

int controller_register(struct device *, const struct controller_facts *, struct controller **out)
{
	static struct controller only;

	*out = &only;
	return 0;
}

uint32_t controller_number(const struct controller *)
{
	return 0;
}

/* --- rounds --- */

static void one_round(struct device *dev, void *)
{
	model.attached = driver_nvme.attach(dev);
	if (model.attached != 0)
		return;
	driver_nvme.serve(dev);
	driver_nvme.detach(dev);
}

void model_reset(void)
{
	model = (struct model){.cpus = 2, .messages = 3, .namespaces = 3, .now_ns = MODEL_SECOND};
}

void model_attach(void)
{
	private = calloc(1, driver_nvme.private_bytes);
	asked = false;
	boot.cpu_count = model.cpus;
	model.attached = 1;
	model_power_on();
	(void)begin(one_round, nullptr);
	model_run();
}

void model_detach(void)
{
	asked = true;
	model_run();
	for (unsigned i = 0; i < MODEL_ACTORS; i++) {
		assert(!actors[i].used || actors[i].ended);
		if (actors[i].used)
			pthread_join(actors[i].thread, nullptr);
		actors[i] = (struct device_thread){};
		by_vector[i] = nullptr;
	}
	while (memory_count > 0)
		free(memory[--memory_count]);
	table_count = 0;
	free(private);
}

/* --- the rest --- */

const struct boot_info *boot_info(void)
{
	return &boot;
}

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

uint32_t portio_read32(uint16_t)
{
	abort();
}

void portio_write32(uint16_t, uint32_t)
{
	abort();
}
