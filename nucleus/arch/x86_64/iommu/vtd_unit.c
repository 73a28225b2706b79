/* SPDX-License-Identifier: MIT */
/*
 * One unit of VT-d: taking over, the queue of invalidations, fault records (Intel VT-d 4.1, chapters 6, 7 and 11).
 *
 * The queue is empty whenever a call here begins: each waits until the hardware has written that it is done. A unit
 * that does not answer, or refuses what it is told, protects nothing any more: that is a panic. Lock: the nucleus lock,
 * after boot.
 */
#include "apic.h"
#include "boot/boot.h"
#include "iommu/iommu.h"
#include "iommu/vtd.h"
#include "iommu/vtd_registers.h"
#include "mmio.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "report/report.h"
#include "sched/sched.h"

/* Registers: the pages of each unit, after those of the interrupt controllers. Faults and all else must be in them. */
enum : uint32_t { SLOT_FIRST = 16, UNIT_PAGES = 4, DESCRIPTORS = PAGE_SIZE / 16 };
/* Looks at a register until the hardware is taken for broken: each is a read past all caches. */
enum : uint64_t { LOOKS_MAX = 1ull << 28 };

/* What the hardware writes when a wait descriptor's turn has come. */
static volatile uint32_t done_word;

static uint64_t read64(const struct vtd_unit *u, uint32_t offset)
{
	uint64_t low = mmio_read32(u->registers, offset);

	return low | (uint64_t)mmio_read32(u->registers, offset + 4) << 32;
}

static void write64(const struct vtd_unit *u, uint32_t offset, uint64_t value)
{
	mmio_write32(u->registers, offset, (uint32_t)value);
	mmio_write32(u->registers, offset + 4, (uint32_t)(value >> 32));
}

void vtd_write_back(const void *at, uint64_t bytes)
{
	enum : uint64_t { LINE = 64 };

	for (uint64_t line = align_down((uint64_t)at, LINE); line < (uint64_t)at + bytes; line += LINE)
		cache_line_write_back(line);
	/* Before the hardware is told of it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool vtd_unit_find(struct vtd_unit *u, unsigned index)
{
	u->registers = kernel_view_registers(SLOT_FIRST + UNIT_PAGES * index, u->described->base, UNIT_PAGES);
	if (!u->registers)
		return false;
	u->cap = read64(u, VTD_CAP);
	u->ecap = read64(u, VTD_ECAP);
	if (!(u->ecap & ECAP_QUEUE) || !(u->cap & (CAP_THREE_LEVELS | CAP_FOUR_LEVELS)) ||
	    cap_fault_offset(u->cap) + cap_fault_records(u->cap) * FAULT_RECORD > UNIT_PAGES * PAGE_SIZE) {
		log_printf("iommu: the unit at %lx is of a kind that is not driven (%lx, %lx)\n", u->described->base,
			   u->cap, u->ecap);
		return false;
	}
	return true;
}

/* Waits until those bits of the status are all set, or none is. */
static void wait_status(const struct vtd_unit *u, uint32_t bits, bool set)
{
	for (uint64_t looks = 0; (mmio_read32(u->registers, VTD_STATUS) & bits) != (set ? bits : 0); looks++) {
		if (looks == LOOKS_MAX)
			panic(nullptr, "the IOMMU at %lx does not answer", u->described->base);
		cpu_relax();
	}
}

/* Others of the bits stay as they are. */
static void command(const struct vtd_unit *u, uint32_t bit, bool set)
{
	uint32_t now = mmio_read32(u->registers, VTD_STATUS) & VTD_STATUS_STAYS;

	mmio_write32(u->registers, VTD_COMMAND, set ? now | bit : now & ~bit);
	wait_status(u, bit, set);
}

void vtd_unit_invalidate(struct vtd_unit *u, const struct vtd_descriptor *d, unsigned count)
{
	uint64_t done_phys = image_phys((uint64_t)&done_word);

	done_word = 0;
	for (unsigned i = 0; i <= count; i++) {
		uint64_t *slot = u->queue + 2ull * u->tail;

		slot[0] = i < count ? d[i].low : QUEUE_WAIT | 1ull << QUEUE_STATUS_SHIFT;
		slot[1] = i < count ? d[i].high : done_phys;
		vtd_write_back(slot, 16);
		u->tail = (u->tail + 1) % DESCRIPTORS;
	}
	write64(u, VTD_QUEUE_TAIL, (uint64_t)u->tail * 16);
	for (uint64_t looks = 0; !done_word; looks++) {
		if (looks == LOOKS_MAX || mmio_read32(u->registers, VTD_FAULT_STATUS) & FAULT_STATUS_QUEUE)
			panic(nullptr, "the IOMMU at %lx does not forget what it is told to", u->described->base);
		cpu_relax();
	}
}

void vtd_unit_flush_writes(struct vtd_unit *u)
{
	if (!(u->cap & CAP_FLUSHES_WRITES))
		return;
	mmio_write32(u->registers, VTD_COMMAND,
		     (mmio_read32(u->registers, VTD_STATUS) & VTD_STATUS_STAYS) | VTD_FLUSH_WRITES);
	wait_status(u, VTD_FLUSH_WRITES, false);
}

/* The queue that firmware gave is left when all in it is done. */
static void leave_queue(struct vtd_unit *u)
{
	for (uint64_t looks = 0; read64(u, VTD_QUEUE_HEAD) != read64(u, VTD_QUEUE_TAIL) && looks < LOOKS_MAX; looks++)
		cpu_relax();
	command(u, VTD_QUEUED, false);
}

static void take_over(struct vtd_unit *u)
{
	uint32_t status = mmio_read32(u->registers, VTD_STATUS);

	u->left_on = status & (VTD_TRANSLATE | VTD_REMAP_INTERRUPTS | VTD_QUEUED);
	/* A table of another kind can be exchanged for ours only when nothing is translated. */
	if (status & VTD_TRANSLATE && read64(u, VTD_ROOT) & ROOT_MODE)
		command(u, VTD_TRANSLATE, false);
	if (status & VTD_REMAP_INTERRUPTS)
		command(u, VTD_REMAP_INTERRUPTS, false);
	if (status & VTD_QUEUED)
		leave_queue(u);
	/* Messages of the old format would go past the table of interrupts. */
	if (status & VTD_OLD_FORMAT)
		command(u, VTD_OLD_FORMAT, false);
	/* What became of firmware's invalidations says nothing of ours. Writing ones clears. */
	mmio_write32(u->registers, VTD_FAULT_STATUS, FAULT_STATUS_QUEUE);
}

/* Its own interrupts are not remapped (5.1.6). One for all faults until they are taken. */
static void start_faults(struct vtd_unit *u)
{
	mmio_write32(u->registers, VTD_FAULT_DATA, VECTOR_IOMMU);
	mmio_write32(u->registers, VTD_FAULT_ADDRESS, APIC_MESSAGES | cpu_this()->apic_id << 12);
	mmio_write32(u->registers, VTD_FAULT_ADDRESS_HIGH, 0);
	mmio_write32(u->registers, VTD_FAULT_CONTROL, 0);
}

void vtd_unit_start(struct vtd_unit *u, uint64_t root, uint64_t queue, uint64_t interrupts)
{
	static const struct vtd_descriptor all[] = {
		{QUEUE_CONTEXT, 0}, {QUEUE_IOTLB | QUEUE_IOTLB_ALL, 0}, {QUEUE_INTERRUPTS, 0}};
	struct iommu_fault f;

	take_over(u);
	u->root = root;
	u->queue = direct_map(queue);
	u->tail = 0;
	write64(u, VTD_QUEUE_TAIL, 0);
	write64(u, VTD_QUEUE, queue);
	command(u, VTD_QUEUED, true);
	write64(u, VTD_ROOT, root);
	command(u, VTD_SET_ROOT, true);
	if (interrupts) {
		write64(u, VTD_INTERRUPT_TABLE, interrupts | INTERRUPT_TABLE_512);
		command(u, VTD_SET_INTERRUPT_TABLE, true);
	}
	vtd_unit_flush_writes(u);
	vtd_unit_invalidate(u, all, interrupts ? 3 : 2);
	while (vtd_unit_take_fault(u, &f)) /* of firmware's time */
		;
	start_faults(u);
	command(u, VTD_TRANSLATE, true);
	if (interrupts)
		command(u, VTD_REMAP_INTERRUPTS, true);
	/* What firmware kept devices from is not kept by the tables alone before now. */
	if (u->cap & CAP_PROTECTED)
		mmio_write32(u->registers, VTD_PROTECTED, mmio_read32(u->registers, VTD_PROTECTED) & ~PROTECTED_ENABLE);
}

bool vtd_unit_take_fault(struct vtd_unit *u, struct iommu_fault *f)
{
	uint32_t records = cap_fault_records(u->cap), status = mmio_read32(u->registers, VTD_FAULT_STATUS);

	for (uint32_t i = 0; i < records; i++) {
		uint32_t at = cap_fault_offset(u->cap) + (fault_status_first(status) + i) % records * FAULT_RECORD;
		uint64_t low = read64(u, at), high = read64(u, at + 8);

		if (!(high & FAULT_THERE))
			continue;
		*f = (struct iommu_fault){.requester = (uint32_t)u->described->segment << 16 | (high & 0xffff),
					  .reason = high >> 32 & 0xff,
					  .address = low & FAULT_PAGE,
					  .write = !(high & FAULT_READ)};
		/* Of an interrupt that it forged the record has the number, and no address. */
		if (f->reason >= FAULT_REASON_INTERRUPT) {
			f->address = APIC_MESSAGES;
			f->write = true;
		}
		/* Writing ones clears. */
		mmio_write32(u->registers, at + 12, (uint32_t)(FAULT_THERE >> 32));
		mmio_write32(u->registers, VTD_FAULT_STATUS, FAULT_STATUS_OVERFLOW);
		return true;
	}
	mmio_write32(u->registers, VTD_FAULT_STATUS, FAULT_STATUS_OVERFLOW);
	return false;
}
