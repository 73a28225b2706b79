/* SPDX-License-Identifier: MIT */
/*
 * Messages through a GICv3's translation service (ITS: IHI 0069, chapters 5 and 6). A function writes the number of a
 * line (EventID) to the doorbell; the hardware adds who it is (DeviceID), and only what the nucleus mapped for that
 * device becomes an interrupt, of number GIC_FIRST_LPI + line. All tables are the nucleus's: whoever could change them
 * would have the service write anywhere. Lines are enabled once and for all, since what is not mapped is not raised.
 *
 * Lock: the nucleus lock after boot. Each command is waited for, so the queue is empty but for that.
 */
#include "gic_its.h"
#include "boot/boot.h"
#include "cpu.h"
#include "device/pci.h"
#include "gic_registers.h"
#include "irq/irq.h"
#include "mmio.h"
#include "mmu/mmu.h"
#include "platform.h"
#include "regs.h"
#include "report/log.h"
#include "table_memory.h"
#include <abi/errno.h>
#include <lib/arm_its_table.h>
#include <lib/string.h>

enum : uint64_t { QUEUE_BYTES = PAGE_SIZE, COMMAND_BYTES = 32, PENDING_BYTES = 0x10000 /* for its alignment */ };
enum : uint32_t { DEVICES_MAX = 256, EVENT_BITS = 9, PATIENCE = 10000000 };
static_assert(1 << EVENT_BITS == IRQS_MAX);

static uint64_t settings; /* a byte for each line; 0: the redistributors know none */
static uint64_t pending[CPUS_MAX];

static struct its {
	bool works;
	bool by_address; /* redistributors are named so in commands, else by number */
	uint64_t phys, queue, entry_bytes, device_end;
	uint64_t table; /* of devices */
	struct arm_its_table devices;
	uint64_t at;   /* in the queue */
	uint64_t cpus; /* those that it has a collection of */
} services[ARM_TARGETS_MAX];
static struct {
	struct its *its;
	uint32_t id;
} devices[DEVICES_MAX]; /* that have a table of events, and keep it */
static unsigned device_count;
static struct {
	uint16_t device, cpu;
} targets[IRQS_MAX]; /* of a line: index of the device, the CPU it goes to */

/* --- memory --- */

/* An address with its attributes: hardware that shares nothing with caches says so when it is read back. */
static void set_base(volatile void *registers, uint32_t offset, uint64_t value, unsigned cache_shift)
{
	mmio_write64(registers, offset, value | GIC_TABLE_SHAREABLE | GIC_TABLE_CACHED << cache_shift);
	if (!(mmio_read64(registers, offset) & GIC_TABLE_SHAREABLE))
		mmio_write64(registers, offset, value | GIC_TABLE_UNCACHED << cache_shift);
}

/* --- redistributors --- */

void gic_its_init_lines(void)
{
	uint64_t bytes = 1ull << GIC_LPI_ID_BITS;

	settings = platform.its.count ? table_memory_take(bytes) : 0;
	for (uint32_t i = 0; settings && i < boot_state.cpu_count; i++)
		if (!(pending[i] = table_memory_take(PENDING_BYTES)))
			settings = 0;
	if (!settings)
		return;
	memset(direct_map(settings), GIC_PRIORITY | GIC_LPI_ENABLE, IRQS_MAX);
	table_memory_publish(direct_map(settings), IRQS_MAX);
}

void gic_its_init_cpu(uint32_t cpu, volatile void *redistributor)
{
	if (!settings)
		return;
	/* What is on is not changed (12.11, GICR_CTLR): then lines would be looked up in a table of the firmware's. */
	if (mmio_read32(redistributor, GICR_CTLR) & GICR_CTLR_ENABLE_LPIS) {
		log_printf("gic: firmware left messages of CPU %u switched on: there are none\n", cpu);
		settings = 0;
		return;
	}
	set_base(redistributor, GICR_PROPBASER, settings | (GIC_LPI_ID_BITS - 1), GICR_CACHE_SHIFT);
	set_base(redistributor, GICR_PENDBASER, pending[cpu] | GICR_PENDBASER_ZERO, GICR_CACHE_SHIFT);
	dsb_sy();
	mmio_write32(redistributor, GICR_CTLR, mmio_read32(redistributor, GICR_CTLR) | GICR_CTLR_ENABLE_LPIS);
	dsb_sy();
}

/* --- a service --- */

/* One of its tables, for `entries`. Where it is; 0: no memory, or it cannot be so large. */
static uint64_t give_table(const struct its *s, uint32_t offset, uint64_t entries, struct arm_its_table *t)
{
	volatile void *registers = device_window(s->phys);
	uint64_t value, size, phys;

	/* Large pages and two levels where it lets us choose. */
	mmio_write64(registers, offset, GITS_BASER_PAGE_64K | GITS_BASER_TWO_LEVELS);
	value = mmio_read64(registers, offset);
	size = value & GITS_BASER_PAGE_SIZE;
	if (!arm_its_table_plan(entries, (value >> 48 & 31) + 1, PAGE_SIZE << (size >> 8) * 2,
				value & GITS_BASER_TWO_LEVELS, BLOCK_SIZE, t) ||
	    !(phys = table_memory_take(t->bytes)))
		return 0;
	set_base(registers, offset,
		 GITS_VALID | (t->per_page ? GITS_BASER_TWO_LEVELS : 0) | phys | size | (t->bytes / t->page - 1),
		 GITS_CACHE_SHIFT);
	return phys;
}

static bool give_tables(struct its *s)
{
	struct arm_its_table flat;

	for (uint32_t offset = GITS_BASER; offset < GITS_BASER + 8 * 8; offset += 8) {
		uint64_t type = mmio_read64(device_window(s->phys), offset) >> 56 & 7;

		if ((type == GITS_TABLE_DEVICES && !(s->table = give_table(s, offset, s->device_end, &s->devices))) ||
		    (type == GITS_TABLE_COLLECTIONS && !give_table(s, offset, boot_state.cpu_count, &flat)))
			return false;
	}
	return (s->queue = table_memory_take(QUEUE_BYTES)) != 0;
}

static const char *start(struct its *s)
{
	volatile void *registers = device_window(s->phys);
	uint64_t type = mmio_probe((volatile char *)registers + GITS_TYPER);

	if (type == UINT64_MAX)
		return "nothing answers there";
	s->by_address = type & GITS_TYPER_BY_ADDRESS;
	s->entry_bytes = (type >> 4 & 15) + 1;
	s->device_end = MIN(s->device_end, 2ull << (type >> 13 & 31));
	mmio_write32(registers, GITS_CTLR, 0);
	for (uint32_t i = 0; i < PATIENCE && !(mmio_read32(registers, GITS_CTLR) & GITS_CTLR_QUIESCENT); i++)
		;
	if (!(type & GITS_TYPER_PHYSICAL) || (type >> 8 & 31) + 1 < EVENT_BITS ||
	    !(mmio_read32(registers, GITS_CTLR) & GITS_CTLR_QUIESCENT) || !give_tables(s))
		return "it cannot be used";
	set_base(registers, GITS_CBASER, GITS_VALID | s->queue, GITS_CACHE_SHIFT);
	mmio_write64(registers, GITS_CWRITER, 0);
	mmio_write32(registers, GITS_CTLR, GITS_CTLR_ENABLE);
	s->works = true;
	return "messages of PCI functions";
}

void gic_its_init(void)
{
	const struct arm_routes *r = &platform.its;

	if (r->refused)
		log_printf("gic: %u entries of msi-map, MADT or IORT make no sense: those functions have no messages\n",
			   r->refused);
	for (unsigned i = 0; settings && i < r->count; i++) {
		struct its *s = &services[r->route[i].target];
		uint64_t end = (uint64_t)r->route[i].id + (r->route[i].last - r->route[i].first) + 1;

		s->phys = r->target[r->route[i].target].phys;
		s->device_end = MAX(s->device_end, end);
	}
	for (struct its *s = services; s < services + ARM_TARGETS_MAX; s++)
		if (s->phys)
			log_printf("gic: translation service at %lx: %s\n", s->phys, start(s));
}

/* Returns when it is done. A service that does not take it is not used again. */
static bool command(struct its *s, uint64_t first, uint64_t second, uint64_t third)
{
	volatile void *registers = device_window(s->phys);
	uint64_t *slot = direct_map(s->queue + s->at), read = s->at;

	slot[0] = first;
	slot[1] = second;
	slot[2] = third;
	table_memory_publish(slot, COMMAND_BYTES);
	s->at = (s->at + COMMAND_BYTES) % QUEUE_BYTES;
	mmio_write64(registers, GITS_CWRITER, s->at);
	for (uint32_t i = 0; i < PATIENCE && read != s->at && !(read & GITS_CREADR_STALLED); i++)
		read = mmio_read64(registers, GITS_CREADR);
	if (read != s->at && s->works)
		log_printf("gic: translation service at %lx stands still at command %lx\n", s->phys, first);
	return s->works = s->works && read == s->at;
}

/* Has the table of devices have an entry for it. */
static bool reach_device(const struct its *s, uint32_t id)
{
	uint64_t *first;

	if (!s->devices.per_page)
		return true;
	first = (uint64_t *)direct_map(s->table) + id / s->devices.per_page;
	if (!*first) {
		uint64_t page = table_memory_take(s->devices.page);

		*first = page ? GITS_VALID | page : 0;
		table_memory_publish(first, sizeof(*first));
	}
	return *first;
}

/* Index of the device with its table of events, which it keeps; -1: there is no room. */
static int take_device(struct its *s, uint32_t id)
{
	uint64_t events;

	for (unsigned i = 0; i < device_count; i++)
		if (devices[i].its == s && devices[i].id == id)
			return (int)i;
	if (device_count == DEVICES_MAX || !reach_device(s, id) ||
	    !(events = table_memory_take(align_up(s->entry_bytes, 8) << EVENT_BITS)) ||
	    !command(s, ITS_MAPD | (uint64_t)id << 32, EVENT_BITS - 1, GITS_VALID | events))
		return -1;
	devices[device_count].its = s;
	devices[device_count].id = id;
	return (int)device_count++;
}

/* The service that takes the requester's messages, and what it knows it as. */
static struct its *service_of(uint32_t requester, uint32_t *id)
{
	unsigned its;

	if (!settings || !arm_route_of(&platform.its, requester, &its, id) || !services[its].works ||
	    *id >= services[its].device_end)
		return nullptr;
	return &services[its];
}

uint64_t gic_its_doorbell(uint32_t requester)
{
	uint32_t id;
	const struct its *s = service_of(requester, &id);

	return s ? s->phys + GITS_TRANSLATER : 0;
}

/* The CPU has a collection. */
static bool reach_cpu(struct its *s, uint32_t cpu)
{
	if (!(s->cpus >> cpu & 1) && command(s, ITS_MAPC, 0, GITS_VALID | gic_v3_target(cpu, s->by_address) | cpu))
		s->cpus |= 1ull << cpu;
	return s->cpus >> cpu & 1;
}

int gic_its_message(uint32_t line, uint32_t function, uint32_t cpu, uint64_t *address)
{
	uint32_t id;
	struct its *s = service_of(pci_requester(function), &id);

	if (!s)
		return -EOPNOTSUPP;

	int device = take_device(s, id);
	uint64_t target = gic_v3_target(cpu, s->by_address), lpi = GIC_FIRST_LPI + line;

	if (device < 0 || !reach_cpu(s, cpu) || !command(s, ITS_MAPTI | (uint64_t)id << 32, lpi << 32 | line, cpu) ||
	    !command(s, ITS_SYNC, 0, target))
		return s->works ? -ENOSPC : -EOPNOTSUPP;
	targets[line].device = (uint16_t)device;
	targets[line].cpu = (uint16_t)cpu;
	*address = s->phys + GITS_TRANSLATER;
	return 0;
}

bool gic_its_move(uint32_t line, uint32_t cpu)
{
	unsigned device = targets[line].device;
	struct its *s = devices[device].its;
	uint64_t before = gic_v3_target(targets[line].cpu, s->by_address);

	/* With what is pending of it, which the CPU before has let go of then. */
	if (!reach_cpu(s, cpu) || !command(s, ITS_MOVI | (uint64_t)devices[device].id << 32, line, cpu) ||
	    !command(s, ITS_SYNC, 0, before) || !command(s, ITS_SYNC, 0, gic_v3_target(cpu, s->by_address)))
		return false;
	targets[line].cpu = (uint16_t)cpu;
	return true;
}

void gic_its_disconnect(uint32_t line)
{
	unsigned device = targets[line].device;
	struct its *s = devices[device].its;

	/* With what is pending of it. */
	(void)command(s, ITS_DISCARD | (uint64_t)devices[device].id << 32, line, 0);
	(void)command(s, ITS_SYNC, 0, gic_v3_target(targets[line].cpu, s->by_address));
}
