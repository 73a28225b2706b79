/* SPDX-License-Identifier: MIT */
/*
 * SMMUs are taken over from firmware and switched on (IHI 0070E, 3.11), with no stream let through. Interrupts are
 * wires, on edges (3.18). One that is not as it has to be is left as it is.
 */
#include "gic.h"
#include "iommu/iommu.h"
#include "platform.h"
#include "report/log.h"
#include "smmu.h"

enum : uint32_t { COMMANDS_SHIFT = 8, EVENTS_SHIFT = 7 /* a page each */, ADDRESS_CODE_MAX = 5 /* 48 bits */ };
static_assert((8 * COMMAND_WORDS) << COMMANDS_SHIFT == PAGE_SIZE && (8 * EVENT_WORDS) << EVENTS_SHIFT == PAGE_SIZE);
static_assert(STREAM_BYTES << STREAM_SPLIT == PAGE_SIZE);

/* Writes a register whose state another one shows. */
static bool change(const struct smmu *s, enum smmu_register offset, enum smmu_register state, uint32_t value)
{
	mmio_write32(smmu_at(s, offset), 0, value);
	return smmu_settles(s, state, UINT32_MAX, value);
}

/* What it has to be. nullptr, or what is missing. */
static const char *examine(struct smmu *s)
{
	uint32_t idr0, idr1, idr5;

	if (mmio_probe(smmu_at(s, SMMU_STRTAB_BASE)) == UINT64_MAX)
		return "nothing answers there";
	idr0 = mmio_read32(smmu_at(s, SMMU_IDR0), 0);
	idr1 = mmio_read32(smmu_at(s, SMMU_IDR1), 0);
	idr5 = mmio_read32(smmu_at(s, SMMU_IDR5), 0);
	if (!(idr0 & IDR0_STAGE_1) || !(idr0 & IDR0_AARCH64) || !(idr5 & IDR5_4K))
		return "it has no stage 1 with tables of 4 KiB";
	if ((idr0 & (IDR0_BIG_ENDIAN | IDR0_LITTLE_ENDIAN)) == (IDR0_BIG_ENDIAN | IDR0_LITTLE_ENDIAN))
		return "its tables are big-endian";
	if (idr1 & IDR1_PRESET)
		return "its tables are where it wants them";
	s->coherent = idr0 & IDR0_COHERENT;
	s->two_levels = idr0 & IDR0_TWO_LEVELS;
	s->address_code = MIN(idr5 & IDR5_ADDRESS_SIZE, (uint32_t)ADDRESS_CODE_MAX);
	s->commands_shift = MIN(idr1 >> IDR1_COMMANDS_SHIFT & 31, (uint32_t)COMMANDS_SHIFT);
	s->events_shift = MIN(idr1 >> IDR1_EVENTS_SHIFT & 31, (uint32_t)EVENTS_SHIFT);
	s->stream_end = MIN(s->stream_end, 1ull << (idr1 & IDR1_STREAM_BITS));
	if (1u << s->commands_shift < SMMU_COMMANDS_MIN)
		return "its queue of commands is too short";
	return nullptr;
}

/* The stream table's size, as a power of two of streams. */
static uint32_t stream_bits(const struct smmu *s)
{
	uint32_t bits = STREAM_SPLIT;

	while (1ull << bits < s->stream_end)
		bits++;
	return bits;
}

static const char *give_memory(struct smmu *s)
{
	uint64_t bytes =
		s->two_levels ? 8ull << (stream_bits(s) - STREAM_SPLIT) : (uint64_t)STREAM_BYTES << stream_bits(s);

	if (bytes > BLOCK_SIZE)
		return "its stream table would be too large";
	smmu_contexts = smmu_contexts ? smmu_contexts : table_memory_take(PAGE_SIZE);
	s->streams = table_memory_take(MAX(bytes, (uint64_t)PAGE_SIZE));
	s->commands = table_memory_take(PAGE_SIZE);
	s->events = table_memory_take(PAGE_SIZE);
	return smmu_contexts && s->streams && s->commands && s->events ? nullptr : "no memory for its tables";
}

/* Off, with every access aborted, whatever firmware left. */
static bool stop(struct smmu *s)
{
	if (!smmu_settles(s, SMMU_GBPR, GBPR_UPDATE, 0))
		return false;
	mmio_write32(smmu_at(s, SMMU_GBPR), 0, GBPR_UPDATE | GBPR_ABORT);
	s->stopped = smmu_settles(s, SMMU_GBPR, GBPR_UPDATE, 0) && change(s, SMMU_CR0, SMMU_CR0ACK, 0);
	return s->stopped && change(s, SMMU_IRQ_CTRL, SMMU_IRQ_CTRLACK, 0);
}

static void set_queue(const struct smmu *s, enum smmu_register base, enum smmu_register written,
		      enum smmu_register read, uint64_t value)
{
	mmio_write64(smmu_at(s, base), 0, value | SMMU_ALLOCATE);
	mmio_write32(smmu_at(s, written), 0, 0);
	mmio_write32(smmu_at(s, read), 0, 0);
}

static bool empty_caches(struct smmu *s)
{
	smmu_command(s, CMD_CFGI_ALL, CFGI_ALL_RANGE);
	smmu_command(s, CMD_TLBI_NSNH_ALL, 0);
	if (mmio_read32(smmu_at(s, SMMU_IDR0), 0) & IDR0_HYPERVISOR)
		smmu_command(s, CMD_TLBI_EL2_ALL, 0);
	return smmu_synchronise(s);
}

static bool switch_interrupts_on(const struct smmu *s, const struct arm_smmu_wires *w)
{
	bool event = w->event.id && gic_keep_line(w->event.id), error = w->error.id && gic_keep_line(w->error.id);

	if (mmio_read32(smmu_at(s, SMMU_IDR0), 0) & IDR0_MESSAGES) {
		mmio_write64(smmu_at(s, SMMU_GERROR_IRQ_CFG0), 0, 0);
		mmio_write64(smmu_at(s, SMMU_EVENTQ_IRQ_CFG0), 0, 0);
	}
	if (!event)
		log_printf("smmu: no interrupt tells of faults: they are seen when the next claim ends\n");
	return change(s, SMMU_IRQ_CTRL, SMMU_IRQ_CTRLACK, (event ? IRQ_EVENTS : 0) | (error ? IRQ_ERRORS : 0));
}

static const char *start(struct smmu *s, const struct arm_smmu_wires *w)
{
	const char *why = examine(s);
	uint32_t on = CR0_COMMANDS;

	if (!why)
		why = give_memory(s);
	if (why)
		return why;
	if (!stop(s))
		return "it cannot be stopped";
	mmio_write32(smmu_at(s, SMMU_CR1), 0, s->coherent ? CR1_CACHED : CR1_UNCACHED);
	mmio_write32(smmu_at(s, SMMU_CR2), 0, CR2_TELL_BAD_STREAM | CR2_PRIVATE_TLB);
	mmio_write64(smmu_at(s, SMMU_STRTAB_BASE), 0, s->streams | SMMU_ALLOCATE);
	mmio_write32(smmu_at(s, SMMU_STRTAB_BASE_CFG), 0,
		     stream_bits(s) | (s->two_levels ? STRTAB_TWO_LEVELS | STREAM_SPLIT << STRTAB_SPLIT_SHIFT : 0));
	set_queue(s, SMMU_CMDQ_BASE, SMMU_CMDQ_PROD, SMMU_CMDQ_CONS, s->commands | s->commands_shift);
	set_queue(s, SMMU_EVENTQ_BASE, SMMU_EVENTQ_PROD, SMMU_EVENTQ_CONS, s->events | s->events_shift);
	if (mmio_read32(smmu_at(s, SMMU_IDR0), 0) & IDR0_ATS)
		on |= CR0_ATS_CHECK;
	mmio_write32(smmu_at(s, SMMU_GERRORN), 0, mmio_read32(smmu_at(s, SMMU_GERROR), 0));
	if (!change(s, SMMU_CR0, SMMU_CR0ACK, on) || !empty_caches(s))
		return "it takes no commands, and lets nothing through";
	if (!change(s, SMMU_CR0, SMMU_CR0ACK, on | CR0_EVENTS) || !switch_interrupts_on(s, w) ||
	    !change(s, SMMU_CR0, SMMU_CR0ACK, on | CR0_EVENTS | CR0_TRANSLATE))
		return "it cannot be switched on, and lets nothing through";
	smmu_works(s);
	return nullptr;
}

bool arch_iommu_init(void)
{
	const struct arm_routes *r = &platform.smmu.routes;
	bool any = false;

	if (r->refused)
		log_printf("smmu: %u entries of iommu-map or IORT make no sense: those functions are not translated\n",
			   r->refused);
	if (platform.smmu.reserved)
		log_printf("smmu: %u ranges of memory that firmware's devices use are not theirs any more\n",
			   platform.smmu.reserved);
	for (unsigned i = 0; i < r->count; i++)
		smmus[r->route[i].target].stream_end =
			MAX(smmus[r->route[i].target].stream_end,
			    (uint64_t)r->route[i].id + (r->route[i].last - r->route[i].first) + 1);
	for (unsigned i = 0; i < r->target_count; i++) {
		struct smmu *s = &smmus[i];
		const char *why;

		s->phys = r->target[i].phys;
		if (!s->stream_end)
			continue;
		why = start(s, &platform.smmu.wires[i]);
		if (why)
			log_printf("smmu: the one at %lx is not used: %s\n", s->phys, why);
		else
			log_printf("iommu: SMMUv3 at %lx, %u bits of address, %u streams%s\n", s->phys,
				   arch_iommu_address_bits(), (uint32_t)s->stream_end,
				   s->coherent ? "" : ", tables past the caches");
		any = any || s->works;
	}
	return any;
}
