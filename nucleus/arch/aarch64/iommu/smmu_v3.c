/* SPDX-License-Identifier: MIT */
/*
 * IOMMUs of kind SMMUv3 (IHI 0070E), for PCI functions: one stage of translation, whose tables are the CPUs'
 * (VMSAv8-64, 4 KiB), and a context for each domain. A stream without one has no valid entry in the stream table, so
 * that each of its accesses is aborted and noted. The queue of commands is empty but for those that are waited for.
 * What is not coherent is cleaned out of the CPUs' caches.
 *
 * What this does not do: streams of devices that are no PCI functions (they stay blocked), writing without reading
 * (stage 1 has no such right), ATS, PRI, substreams (PASID): all off.
 *
 * Lock: the nucleus lock after boot. Kernel view.
 */
#include "gic_its.h"
#include "iommu/iommu.h"
#include "platform.h"
#include "report/log.h"
#include "report/report.h"
#include "smmu.h"

enum : uint32_t {
	PAGES_MAX = SMMU_COMMANDS_MIN - 2, /* more are forgotten with their whole domain */
	ADDRESS_BITS_MAX = 48,
};
static_assert(IOMMU_DOMAINS_MAX * 8 * CONTEXT_WORDS <= PAGE_SIZE);

struct smmu smmus[ARM_TARGETS_MAX];
uint64_t smmu_contexts;
static struct smmu *used_by[IOMMU_DOMAINS_MAX + 1]; /* by domain's number: the one that its requester is behind */

/* --- commands --- */

void smmu_command(struct smmu *s, uint64_t first, uint64_t second)
{
	uint32_t mask = (1u << s->commands_shift) - 1;
	uint64_t *slot = (uint64_t *)direct_map(s->commands) + (s->command_at & mask) * COMMAND_WORDS;

	slot[0] = first;
	slot[1] = second;
	smmu_publish(s, slot, sizeof(*slot) * COMMAND_WORDS);
	s->command_at = (s->command_at + 1) & (2 * mask + 1);
}

bool smmu_synchronise(struct smmu *s)
{
	smmu_command(s, CMD_SYNC, 0);
	mmio_write32(smmu_at(s, SMMU_CMDQ_PROD), 0, s->command_at);
	return smmu_settles(s, SMMU_CMDQ_CONS, (2u << s->commands_shift) - 1, s->command_at);
}

/* After boot one that takes no commands leaves nobody safe: memory that is given back may still be written to. */
static void wait(struct smmu *s)
{
	if (!smmu_synchronise(s))
		panic(nullptr, "the SMMU at %lx does not do what it is told (%x)", s->phys,
		      mmio_read32(smmu_at(s, SMMU_CMDQ_CONS), 0));
}

/* --- streams --- */

/* The entry of a stream; make: the page that it is in, too. nullptr: there is none. */
static uint64_t *entry_of(struct smmu *s, uint32_t stream, bool make)
{
	uint64_t *table = direct_map(s->streams), page;

	if (!s->two_levels)
		return table + (uint64_t)stream * STREAM_WORDS;
	table += stream >> STREAM_SPLIT;
	if (!*table && make && (page = frame_table_alloc(0, 0))) {
		frames[page >> PAGE_SHIFT] = (struct frame){.type = FRAME_IOMMU};
		smmu_publish(s, direct_map(page), PAGE_SIZE);
		*table = page | STREAM_SPAN;
		smmu_publish(s, table, sizeof(*table));
	}
	if (!*table)
		return nullptr;
	return (uint64_t *)direct_map(align_down(*table, PAGE_SIZE)) + stream % (1u << STREAM_SPLIT) * STREAM_WORDS;
}

static void forget_stream(struct smmu *s, uint32_t stream)
{
	smmu_command(s, CMD_CFGI_STE | (uint64_t)stream << 32, 1);
	smmu_command(s, CMD_CFGI_CD_ALL | (uint64_t)stream << 32, 0);
	wait(s);
}

/* What the first word says holds when all others are there. */
static void store_entry(struct smmu *s, uint64_t *entry, uint64_t first, uint64_t second)
{
	entry[1] = second;
	smmu_publish(s, entry, STREAM_BYTES);
	__atomic_store_n(entry, first, __ATOMIC_RELEASE);
	smmu_publish(s, entry, STREAM_BYTES);
}

static uint64_t write_context(const struct smmu *s, uint32_t domain, uint64_t root)
{
	uint64_t phys = smmu_contexts + (domain - 1) * 8 * CONTEXT_WORDS, *context = direct_map(phys);

	context[1] = root;
	context[3] = s->coherent ? MAIR_NORMAL | MAIR_DEVICE : MAIR_NORMAL_UNCACHED >> 16 | MAIR_DEVICE;
	context[0] = (64 - arch_iommu_address_bits()) | (s->coherent ? CD_CACHED : CD_UNCACHED) | CD_NO_UPPER_HALF |
		     CD_VALID | (uint64_t)s->address_code << CD_ADDRESS_SIZE_SHIFT | CD_AARCH64 | CD_RECORD | CD_ABORT |
		     CD_ASID_OF_ITS_OWN | (uint64_t)domain << CD_ASID_SHIFT;
	smmu_publish(s, context, 8 * CONTEXT_WORDS);
	return phys;
}

/* The SMMU that translates what the requester does, and what it knows it as. */
static struct smmu *smmu_of(uint32_t requester, uint32_t *stream)
{
	unsigned target;

	if (!arm_route_of(&platform.smmu.routes, requester, &target, stream) || !smmus[target].works ||
	    *stream >= smmus[target].stream_end)
		return nullptr;
	return &smmus[target];
}

bool arch_iommu_covers(uint32_t *requester)
{
	uint32_t stream;
	struct smmu *s = smmu_of(*requester, &stream);

	if (s)
		(void)arm_route_back(&platform.smmu.routes, (unsigned)(s - smmus), stream, requester);
	return s;
}

const char *arch_iommu_uncovered(uint32_t requester)
{
	uint32_t stream;
	unsigned target;

	if (!arm_route_of(&platform.smmu.routes, requester, &target, &stream))
		return "firmware names no SMMU for it; if one is before it, it is blocked, else it reaches all memory";
	return smmus[target].stopped ? "its SMMU blocks it" : "its SMMU is not used, and it may reach all memory";
}

void arch_iommu_attach(uint32_t requester, uint32_t domain, uint64_t root)
{
	uint32_t stream;
	struct smmu *s = smmu_of(requester, &stream);
	uint64_t *entry = s ? entry_of(s, stream, root) : nullptr;

	if (!entry)
		return;
	if (root) {
		used_by[domain] = s;
		store_entry(s, entry, STE_VALID | STE_TRANSLATE_STAGE_1 | write_context(s, domain, root),
			    (s->coherent ? STE_CONTEXT_CACHED : 0) | STE_SHARED_AS_SENT | STE_UNPRIVILEGED | STE_DATA);
		forget_stream(s, stream);
		return;
	}
	store_entry(s, entry, 0, 0);
	forget_stream(s, stream);
	smmu_command(s, CMD_TLBI_NH_ASID | (uint64_t)domain << 48, 0);
	wait(s);
	used_by[domain] = nullptr;
}

/* --- pages --- */

static uint32_t address_bits = ADDRESS_BITS_MAX;
static bool coherent = true; /* all look into caches */

void smmu_works(struct smmu *s)
{
	static const uint8_t bits[] = {32, 36, 40, 42, 44, 48, 52, 52}; /* 6.3.6, OAS */

	s->works = true;
	address_bits = MIN(address_bits, bits[s->address_code]);
	coherent = coherent && s->coherent;
}

uint32_t arch_iommu_address_bits(void)
{
	return address_bits;
}

uint32_t arch_iommu_levels(void)
{
	return arch_iommu_address_bits() > 39 ? 4 : 3;
}

uint32_t arch_iommu_domains(void)
{
	return IOMMU_DOMAINS_MAX;
}

/* What is no RAM is the doorbell of messages. */
uint64_t arch_iommu_leaf(uint64_t phys, uint32_t access)
{
	bool memory = frame_valid(phys >> PAGE_SHIFT) && frames[phys >> PAGE_SHIFT].type != FRAME_NONE &&
		      frames[phys >> PAGE_SHIFT].type != FRAME_DEVICE;

	return phys | PTE_VALID | ARM_TABLE | ARM_EL0 | ARM_INNER_SHAREABLE | PTE_ACCESSED | ARM_NOT_GLOBAL | ARM_PXN |
	       PTE_NO_EXECUTE | (memory ? 0 : ARM_DEVICE) | (access & DMA_ACCESS_WRITE ? 0 : ARM_READ_ONLY);
}

uint64_t arch_iommu_table(uint64_t phys)
{
	return pte_table(phys);
}

bool arch_iommu_always(uint32_t requester, unsigned index, struct memory_range *r)
{
	uint64_t doorbell = gic_its_doorbell(requester);

	if (!doorbell && index < platform.msi_frame_count)
		doorbell = platform.msi_frame[index].phys;
	else if (index)
		return false;
	r->start = align_down(doorbell, PAGE_SIZE);
	r->end = r->start + PAGE_SIZE;
	return doorbell;
}

void arch_iommu_clean(const void *what, uint64_t bytes)
{
	if (!coherent)
		table_memory_publish(what, bytes);
}

/* What was absent is not cached (3.21.1): the entries have to be seen before the device is told. */
void arch_iommu_lent(uint32_t, uint64_t, uint64_t)
{
	dsb_sy();
}

void arch_iommu_forget(uint32_t domain, uint64_t address, uint64_t pages)
{
	struct smmu *s = used_by[domain];

	if (!s)
		return;
	dsb_sy();
	if (pages > PAGES_MAX)
		smmu_command(s, CMD_TLBI_NH_ASID | (uint64_t)domain << 48, 0);
	for (uint64_t i = 0; pages <= PAGES_MAX && i < pages; i++)
		smmu_command(s, CMD_TLBI_NH_VA | (uint64_t)domain << 48, address + (i << PAGE_SHIFT));
	wait(s);
}

/* --- faults --- */

/* Each kind is told once: a storm of faults may leave the queue of events no room for many. */
static void look_for_errors(struct smmu *s)
{
	uint32_t now = mmio_read32(smmu_at(s, SMMU_GERROR), 0);
	uint32_t active = (now ^ mmio_read32(smmu_at(s, SMMU_GERRORN), 0)) & GERROR_KNOWN;

	if (!active)
		return;
	mmio_write32(smmu_at(s, SMMU_GERRORN), 0, now);
	if (active & ~s->errors_told)
		log_printf("smmu: errors %x at the one at %lx\n", active, s->phys);
	s->errors_told |= active;
}

static bool take_event(struct smmu *s, struct iommu_fault *f)
{
	uint32_t mask = (1u << s->events_shift) - 1;
	uint32_t written = mmio_read32(smmu_at(s, SMMU_EVENTQ_PROD), 0);
	const uint64_t *event = (uint64_t *)direct_map(s->events) + (s->event_at & mask) * EVENT_WORDS;

	if (s->event_at == (written & (2 * mask + 1)))
		return false;
	smmu_publish(s, event, 8 * EVENT_WORDS);
	*f = (struct iommu_fault){
		.requester = UINT32_MAX, .reason = event[0] & EVENT_TYPE, .write = !(event[1] & EVENT_READ)};
	if (f->reason == EVENT_WALK || (f->reason >= EVENT_FIRST_WITH_ADDRESS && f->reason <= EVENT_LAST_WITH_ADDRESS))
		f->address = event[2];
	(void)arm_route_back(&platform.smmu.routes, (unsigned)(s - smmus), (uint32_t)(event[0] >> 32), &f->requester);
	/* Those that there was no room for are lost: acknowledged by the same bit. */
	s->event_at = (s->event_at + 1) & (2 * mask + 1);
	mmio_write32(smmu_at(s, SMMU_EVENTQ_CONS), 0, s->event_at | (written & QUEUE_OVERFLOW));
	return true;
}

bool arch_iommu_take_fault(struct iommu_fault *f)
{
	for (struct smmu *s = smmus; s < smmus + ARM_TARGETS_MAX; s++) {
		if (!s->works)
			continue;
		look_for_errors(s);
		if (take_event(s, f))
			return true;
	}
	return false;
}
