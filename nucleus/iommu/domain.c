/* SPDX-License-Identifier: MIT */
/*
 * Domains: their tables, and what is lent in them (iommu.h, calls.def: dma_lend, dma_return).
 *
 * Tables have 512 entries of eight bytes, as many levels as the hardware says, and leaves of 4 KiB. Their frames are of
 * type iommu. Beside each table of leaves is a page that counts how often each of its pages is lent for reading and for
 * writing: requests may lend a page at the same time. Claims that share a domain have a page of counts each, so that
 * the end of one takes back what it lent; those of a table are a chain, which begins in the table's frame entry. Tables
 * stay until their domain ends, so a domain's tables and counts take at the most a page in 512 of memory for the domain
 * and one for each of its claims.
 */
#include "device/claim.h"
#include "device/pci.h"
#include "frame/frames.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "iommu/iommu.h"
#include "mmu/mmu.h"
#include "report/log.h"
#include "report/report.h"
#include <abi/errno.h>
#include <lib/string.h>

enum : uint64_t { ENTRY_ADDRESS = 0x0000fffffffff000 };
enum : unsigned { ENTRIES = 512, ATTACH_TABLES = 4 };
enum : uint16_t { LENT_MAX = UINT16_MAX };
enum : uint32_t { MAPPINGS_MAX = UINT32_MAX - 2 * CALL_AREA_WORDS }; /* of one frame, as in mmu/range.c */

/* How often a page is lent. */
struct lent {
	uint16_t reads, writes;
	uint32_t reserved;
};
static_assert(sizeof(struct lent) * ENTRIES == PAGE_SIZE);

/* A page's entry and a claim's count of it; the last table of leaves is remembered. */
struct place {
	const struct claim *claim;
	uint64_t leaves; /* physical; 0: none yet */
	uint64_t counts; /* the claim's beside it */
	uint64_t base;	 /* address that it begins with */
	uint64_t *entry;
	struct lent *lent;
};

static struct iommu_domain domains[IOMMU_DOMAINS_MAX];
bool iommu_is_on;

static uint32_t number_of(const struct iommu_domain *d)
{
	return (uint32_t)(d - domains) + 1;
}

/* A zeroed table that the hardware sees as such; 0: out of memory. */
static uint64_t table_new(unsigned level)
{
	uint64_t phys = frame_table_alloc(level, 0);

	if (!phys)
		return 0;
	frames[phys >> PAGE_SHIFT] = (struct frame){.type = FRAME_IOMMU, .level = (uint8_t)level};
	arch_iommu_clean(direct_map(phys), PAGE_SIZE);
	return phys;
}

static void table_drop(uint64_t phys)
{
	memset(direct_map(phys), 0, PAGE_SIZE);
	frame_table_free(phys);
}

static void entry_store(uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
	arch_iommu_clean(at, sizeof(*at));
}

/* The table of leaves for an address; make: what is missing is made. 0: there is none, or no memory for it. */
static uint64_t leaves_of(const struct iommu_domain *d, uint64_t address, bool make)
{
	uint64_t table = d->root;

	for (unsigned level = arch_iommu_levels(); level > 1; level--) {
		uint64_t *entry = direct_map(table);

		entry += address >> (PAGE_SHIFT + 9 * (level - 1)) & (ENTRIES - 1);
		table = *entry & ENTRY_ADDRESS;
		if (table)
			continue;
		table = make ? table_new(level - 1) : 0;
		if (!table)
			return 0;
		entry_store(entry, arch_iommu_table(table));
	}
	return table;
}

static uint64_t next_counts(uint64_t phys)
{
	return (uint64_t)frames[phys >> PAGE_SHIFT].mappings << PAGE_SHIFT;
}

static struct lent *lent_in(uint64_t counts, uint64_t pfn)
{
	return (struct lent *)direct_map(counts) + pfn % ENTRIES;
}

/* By which claims are told apart as long as they last: a function's number does not fit, with its segment. */
static uint16_t lender(const struct claim *c)
{
	return (uint16_t)claim_handle(c);
}

/* The claim's counts beside a table of leaves; make: if it has none yet. 0: it has none. */
static uint64_t counts_of(const struct claim *c, uint64_t leaves, bool make)
{
	uint64_t counts = next_counts(leaves);

	while (counts && frames[counts >> PAGE_SHIFT].owner != lender(c))
		counts = next_counts(counts);
	if (counts || !make || !(counts = frame_table_alloc(0, 0)))
		return counts;
	frames[counts >> PAGE_SHIFT] = (struct frame){
		.type = FRAME_IOMMU, .owner = lender(c), .mappings = frames[leaves >> PAGE_SHIFT].mappings};
	frames[leaves >> PAGE_SHIFT].mappings = (uint32_t)(counts >> PAGE_SHIFT);
	return counts;
}

static bool place_find(struct place *p, uint64_t pfn, bool make)
{
	uint64_t address = pfn << PAGE_SHIFT, base = align_down(address, BLOCK_SIZE);

	if (!p->counts || p->base != base) {
		p->leaves = leaves_of(p->claim->domain, address, make);
		p->counts = p->leaves ? counts_of(p->claim, p->leaves, make) : 0;
		p->base = base;
	}
	if (!p->counts)
		return false;
	p->entry = (uint64_t *)direct_map(p->leaves) + pfn % ENTRIES;
	p->lent = lent_in(p->counts, pfn);
	return true;
}

/* For what a page is lent by all claims whose counts stand beside the table, but by those in `but`. */
static uint32_t access_of(uint64_t leaves, uint64_t pfn, uint64_t but)
{
	uint32_t access = 0;

	for (uint64_t counts = next_counts(leaves); counts; counts = next_counts(counts)) {
		const struct lent *l = lent_in(counts, pfn);

		if (counts != but)
			access |= (l->reads ? DMA_ACCESS_READ : 0) | (l->writes ? DMA_ACCESS_WRITE : 0);
	}
	return access;
}

static uint64_t leaf(uint64_t pfn, uint32_t access)
{
	return access ? arch_iommu_leaf(pfn << PAGE_SHIFT, access) : 0;
}

/* --- domains of claims --- */

static struct iommu_domain *domain_for(uint32_t requester)
{
	struct iommu_domain *unused = nullptr;

	for (uint32_t i = 0; i < IOMMU_DOMAINS_MAX && i < arch_iommu_domains(); i++) {
		if (domains[i].root && domains[i].requester == requester)
			return &domains[i];
		if (!domains[i].root && !unused)
			unused = &domains[i];
	}
	return unused;
}

/* Whether the range is no memory that is, or may be, anybody's: tables of firmware may be wrong. */
static bool nobodys(struct memory_range r)
{
	for (uint64_t pfn = r.start >> PAGE_SHIFT; pfn < r.end >> PAGE_SHIFT && frame_valid(pfn); pfn++)
		if (frames[pfn].type != FRAME_NONE && frames[pfn].type != FRAME_DEVICE &&
		    frames[pfn].type != FRAME_FIRMWARE)
			return false;
	return true;
}

/* What the requester reaches at all times. -ENOMEM, or 0. */
static int map_always(const struct iommu_domain *d, uint32_t requester)
{
	struct memory_range r;

	for (unsigned i = 0; arch_iommu_always(requester, i, &r); i++) {
		if (!nobodys(r)) {
			log_printf("dma: %lx to %lx, which firmware reserved for function %x, is memory in use\n",
				   r.start, r.end, requester);
			continue;
		}
		for (uint64_t phys = r.start; phys < r.end; phys += PAGE_SIZE) {
			uint64_t leaves = leaves_of(d, phys, true);

			if (!leaves)
				return -ENOMEM;
			entry_store((uint64_t *)direct_map(leaves) + (phys >> PAGE_SHIFT) % ENTRIES,
				    arch_iommu_leaf(phys, DMA_ACCESS_READ | DMA_ACCESS_WRITE));
			if (d->claims)
				arch_iommu_lent(number_of(d), phys, 1);
		}
	}
	return 0;
}

/* Nothing is lent in the tables any more. */
static void tables_drop(uint64_t table, unsigned level)
{
	const uint64_t *entries = direct_map(table);

	for (unsigned i = 0; level > 1 && i < ENTRIES; i++)
		if (entries[i])
			tables_drop(entries[i] & ENTRY_ADDRESS, level - 1);
	table_drop(table);
}

/* Takes the counts out of the chain beside the table. */
static void counts_drop(uint64_t leaves, uint64_t counts)
{
	uint64_t before = leaves;

	while (next_counts(before) != counts)
		before = next_counts(before);
	frames[before >> PAGE_SHIFT].mappings = frames[counts >> PAGE_SHIFT].mappings;
	table_drop(counts);
}

/* What the claim lent in a table of leaves, which begins with the page `first`. */
static void leave_leaves(const struct claim *c, uint64_t leaves, uint64_t first, bool forgotten)
{
	uint64_t counts = counts_of(c, leaves, false), *entries = direct_map(leaves);

	for (uint64_t pfn = first; counts && pfn < first + ENTRIES; pfn++) {
		const struct lent *l = lent_in(counts, pfn);

		if (!l->reads && !l->writes)
			continue;
		if (forgotten)
			frames[pfn].mappings -= (uint32_t)l->reads + l->writes;
		else
			entry_store(&entries[pfn - first], leaf(pfn, access_of(leaves, pfn, counts)));
	}
	if (counts && forgotten)
		counts_drop(leaves, counts);
}

/* What a claim that ends has lent is so no more: first entries change, then, when the hardware has forgotten those that
 * were, frames are counted less. */
static void leave(const struct claim *c, uint64_t table, unsigned level, uint64_t first, bool forgotten)
{
	const uint64_t *entries = direct_map(table);

	if (level == 1)
		leave_leaves(c, table, first, forgotten);
	for (uint64_t i = 0; level > 1 && i < ENTRIES; i++)
		if (entries[i])
			leave(c, entries[i] & ENTRY_ADDRESS, level - 1, first + (i << 9 * (level - 1)), forgotten);
}

static int domain_begin(struct iommu_domain *d, uint32_t requester)
{
	int error = frame_table_reserve(ATTACH_TABLES) ? 0 : -ENOMEM;

	if (error)
		return error;
	*d = (struct iommu_domain){.root = table_new(arch_iommu_levels()), .requester = requester};
	error = map_always(d, requester);
	if (!error && !frame_table_reserve(ATTACH_TABLES))
		error = -ENOMEM;
	if (error) {
		tables_drop(d->root, arch_iommu_levels());
		*d = (struct iommu_domain){};
		return error;
	}
	arch_iommu_attach(requester, number_of(d), d->root);
	return 0;
}

int iommu_open(struct claim *c)
{
	uint32_t requester = iommu_is_on ? pci_requester(c->function) : 0, known = requester;
	struct iommu_domain *d;
	int error;

	if (!iommu_is_on)
		return 0;
	/* What it did before is not this claim's. */
	iommu_take_all_faults();
	if (!arch_iommu_covers(&known)) {
		log_printf("dma: function %x is not confined: %s\n", c->function, arch_iommu_uncovered(requester));
		return 0;
	}
	d = domain_for(known);
	if (!d)
		return -ENOSPC;
	error = d->claims ? map_always(d, requester) : domain_begin(d, known);
	if (error)
		return error;
	d->claims++;
	/* Another may have kept the domain meanwhile: what comes of this one is news. */
	d->strayed = false;
	c->domain = d;
	return 0;
}

void iommu_close(const struct claim *c)
{
	struct iommu_domain *d = c->domain;
	bool last = d && d->claims == 1;

	if (last)
		arch_iommu_attach(d->requester, number_of(d), 0);
	/* Whom they are told of is known now; what is left would be the next claim's. */
	iommu_take_all_faults();
	if (c->untold)
		log_printf("dma: function %x was kept from %lx (reason %x); there was no room for a report\n",
			   c->function, c->stray.address, c->stray.reason);
	if (!d)
		return;
	if (!last) {
		leave(c, d->root, arch_iommu_levels(), 0, false);
		arch_iommu_forget(number_of(d), 0, 1ull << (arch_iommu_address_bits() - PAGE_SHIFT));
	}
	leave(c, d->root, arch_iommu_levels(), 0, true);
	d->claims--;
	if (last) {
		tables_drop(d->root, arch_iommu_levels());
		*d = (struct iommu_domain){};
	}
	frame_table_trim();
}

/* --- lending --- */

/* What a call names, copied before it is checked. */
struct pages {
	uint64_t pfn, count;
	uint64_t list[CALL_AREA_WORDS];
};

static uint64_t page_at(const struct pages *p, uint64_t i)
{
	return p->pfn == PFN_LIST ? p->list[i] : p->pfn + i;
}

static bool pages_take(struct pages *p, uint64_t pfn, uint64_t count, uint32_t access)
{
	p->pfn = pfn;
	p->count = count;
	if (count > (pfn == PFN_LIST ? CALL_AREA_WORDS : ENTRIES) || !access ||
	    access & ~(DMA_ACCESS_READ | DMA_ACCESS_WRITE))
		return false;
	if (pfn == PFN_LIST)
		memcpy(p->list, current_thread_page()->call, count * sizeof(*p->list));
	return true;
}

/* All that is cleared by one call, from the lowest page to the highest. */
struct span {
	uint64_t first, last;
};

static void span_add(struct span *s, uint64_t pfn)
{
	s->first = MIN(s->first, pfn);
	s->last = MAX(s->last, pfn);
}

/* Whether the frame may be lent, and how often that may still be. Makes its place. */
static long may_lend(struct place *at, uint64_t pfn)
{
	if (!frame_valid(pfn) || (frames[pfn].type != FRAME_PAGE && frames[pfn].type != FRAME_DMA)) {
		report_refused(NUCLEUS_CALL_dma_lend, pfn);
		return -EPERM;
	}
	if (pfn >> (arch_iommu_address_bits() - PAGE_SHIFT))
		return -EINVAL;
	return place_find(at, pfn, true) ? 0 : -ENOMEM;
}

/* A page may be in the list more than once: whether there is room in its counts is seen here. */
static bool lend(const struct place *at, uint64_t pfn, uint32_t access)
{
	struct lent *l = at->lent;
	uint32_t before = access_of(at->leaves, pfn, 0), after = before | access;

	if ((access & DMA_ACCESS_READ && l->reads == LENT_MAX) ||
	    (access & DMA_ACCESS_WRITE && l->writes == LENT_MAX) || frames[pfn].mappings >= MAPPINGS_MAX)
		return false;
	l->reads += access & DMA_ACCESS_READ ? 1 : 0;
	l->writes += access & DMA_ACCESS_WRITE ? 1 : 0;
	frames[pfn].mappings += (access & DMA_ACCESS_READ ? 1 : 0) + (access & DMA_ACCESS_WRITE ? 1 : 0);
	if (after != before)
		entry_store(at->entry, leaf(pfn, after));
	/* What is cached of it has the old rights. */
	if (after != before && before)
		arch_iommu_forget(number_of(at->claim->domain), pfn << PAGE_SHIFT, 1);
	return true;
}

/* The page is lent for this once less. The frame's count is the caller's to lower when the hardware has forgotten. */
static bool take_back(const struct place *at, uint64_t pfn, uint32_t access)
{
	struct lent *l = at->lent;

	if ((access & DMA_ACCESS_READ && !l->reads) || (access & DMA_ACCESS_WRITE && !l->writes))
		return false;
	l->reads -= access & DMA_ACCESS_READ ? 1 : 0;
	l->writes -= access & DMA_ACCESS_WRITE ? 1 : 0;
	entry_store(at->entry, leaf(pfn, access_of(at->leaves, pfn, 0)));
	return true;
}

static void uncount(const struct pages *p, uint64_t count, uint32_t access)
{
	for (uint64_t i = 0; i < count; i++)
		frames[page_at(p, i)].mappings -=
			(access & DMA_ACCESS_READ ? 1 : 0) + (access & DMA_ACCESS_WRITE ? 1 : 0);
}

/* Takes the first `count` pages back. Result: how many were lent. */
static uint64_t take_all_back(const struct claim *c, const struct pages *p, uint64_t count, uint32_t access)
{
	struct place at = {.claim = c};
	struct span s = {.first = UINT64_MAX};
	uint64_t i;

	for (i = 0; i < count; i++) {
		uint64_t pfn = page_at(p, i);

		if (!frame_valid(pfn) || !place_find(&at, pfn, false) || !take_back(&at, pfn, access))
			break;
		span_add(&s, pfn);
	}
	if (i)
		arch_iommu_forget(number_of(c->domain), s.first << PAGE_SHIFT, s.last - s.first + 1);
	uncount(p, i, access);
	return i;
}

static long lend_all(const struct claim *c, const struct pages *p, uint32_t access)
{
	struct place at = {.claim = c};
	struct span s = {.first = UINT64_MAX};
	long error = 0;

	for (uint64_t i = 0; i < p->count && !error; i++)
		error = may_lend(&at, page_at(p, i));
	for (uint64_t i = 0; i < p->count && !error; i++) {
		uint64_t pfn = page_at(p, i);

		(void)place_find(&at, pfn, false);
		if (!lend(&at, pfn, access)) {
			(void)take_all_back(c, p, i, access);
			return -EBUSY;
		}
		span_add(&s, pfn);
	}
	if (!error)
		arch_iommu_lent(number_of(c->domain), s.first << PAGE_SHIFT, s.last - s.first + 1);
	return error;
}

/* A claim with a domain. 0; -EBADF; -ENODEV: it has none. */
static long confined(uint64_t handle, const struct claim **c)
{
	*c = claim_from_handle(handle);
	return !*c ? -EBADF : (*c)->domain ? 0 : -ENODEV;
}

long call_dma_lend(uint64_t handle, uint64_t pfn, uint64_t count, uint32_t access)
{
	const struct claim *c;
	struct pages p;
	long error;

	if (!pages_take(&p, pfn, count, access))
		return -EINVAL;
	NUCLEUS_LOCKED;
	error = confined(handle, &c);
	if (error || !count)
		return error ? error : arch_iommu_address_bits();
	return lend_all(c, &p, access);
}

long call_dma_return(uint64_t handle, uint64_t pfn, uint64_t count, uint32_t access)
{
	const struct claim *c;
	struct pages p;
	uint64_t done;
	long error;

	if (!pages_take(&p, pfn, count, access))
		return -EINVAL;
	NUCLEUS_LOCKED;
	error = confined(handle, &c);
	if (error)
		return error;
	done = take_all_back(c, &p, count, access);
	if (done < count) {
		report_refused(NUCLEUS_CALL_dma_return, page_at(&p, done));
		return -EPERM;
	}
	return 0;
}
