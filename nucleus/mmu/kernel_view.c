/* SPDX-License-Identifier: MIT */
/*
 * Mappings of the kernel view and the calls that change them. Lowered code may ask for mappings of its own frames and
 * of device registers in the KMAP range; everything else there was made at boot. Lock: the nucleus lock.
 */
#include "device/claim.h"
#include "frame/frames.h"
#include "gate/calls.h"
#include "mmu/mmu.h"
#include "report/report.h"
#include "sched/sched.h"
#include <abi/errno.h>

uint64_t kernel_root_phys;
enum privilege_mode privilege_mode;

/* level: 1 for a page, 2 for a block */
static int map_one(uint64_t va, uint64_t phys, unsigned level, enum pte_kind kind)
{
	pte_t *e = table_make(kernel_root_phys, va, level, 0);

	if (!e)
		return -ENOMEM;
	if (!pte_used(pte_load(e)))
		table_count(e, 1);
	pte_store(e, pte_leaf(phys, kind, level == 2));
	return 0;
}

RARE int kernel_view_map(uint64_t va, uint64_t phys, uint64_t count, enum pte_kind kind)
{
	int result = 0;

	for (uint64_t i = 0; i < count && !result; i++)
		result = map_one(va + (i << PAGE_SHIFT), phys + (i << PAGE_SHIFT), 1, kind);
	return result;
}

RARE int kernel_view_map_blocks(uint64_t va, uint64_t phys, uint64_t bytes, enum pte_kind kind)
{
	int result = 0;

	for (uint64_t at = 0, step; at < bytes && !result; at += step) {
		bool block = !((va | phys) + at & (BLOCK_SIZE - 1)) && bytes - at >= BLOCK_SIZE;

		step = block ? BLOCK_SIZE : PAGE_SIZE;
		result = map_one(va + at, phys + at, block ? 2 : 1, kind);
	}
	return result;
}

void kernel_view_unmap_block(uint64_t va)
{
	pte_t *e = table_find(kernel_root_phys, va, 2);
	bool whole = e && pte_present(pte_load(e)) && pte_large(pte_load(e));
	uint64_t chain;

	for (uint64_t i = 0; i < (whole ? 1 : BLOCK_FRAMES); i++) {
		if (!whole)
			e = table_find(kernel_root_phys, va + (i << PAGE_SHIFT), 1);
		if (e && pte_used(pte_load(e))) {
			pte_store(e, 0);
			table_count(e, -1);
		}
	}
	/* Its table goes too: the block may come back as one large entry. */
	chain = table_unlink_empty(kernel_root_phys, va, va + BLOCK_SIZE);
	shootdown(nullptr, va, va + BLOCK_SIZE);
	table_free_chain(chain);
}

int kernel_view_make_tops(void)
{
	static const uint64_t tops[] = {WINDOW_BASE, KMAP_BASE, FRAMES_BASE, POOL_BASE};

	for (unsigned i = 0; i < ARRAY_LEN(tops); i++)
		if (!table_make(kernel_root_phys, tops[i], 3, 0))
			return -ENOMEM;
	return 0;
}

pte_t kernel_view_share_image(void)
{
	uint64_t pdpt = frame_boot_alloc(PAGE_SIZE), pd = frame_boot_alloc(PAGE_SIZE);
	const pte_t *kernel_pd = table_find(kernel_root_phys, IMAGE_BASE, 2);

	if (!pdpt || !pd)
		return 0;
	((pte_t *)direct_map(pdpt))[IMAGE_BASE >> 30 & 511] = pte_table(pd);
	for (uint64_t va = IMAGE_BASE; va < GATES_BASE; va += BLOCK_SIZE, kernel_pd++)
		((pte_t *)direct_map(pd))[va >> 21 & 511] = pte_load(kernel_pd);
	return pte_supervisor_only(pte_table(pdpt));
}

RARE bool kernel_view_map_pool(uint64_t va, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++) {
		void *page = pool_alloc(1);

		if (!page || kernel_view_map(va + i * PAGE_SIZE, pool_phys(page), 1, PTE_NUCLEUS_DATA) < 0)
			return false;
	}
	return true;
}

const void *kernel_view_firmware(uint64_t phys, size_t size)
{
	uint64_t known;

	if (phys + size < phys || phys + size > KMAP_BASE - DIRECT_BASE)
		return nullptr;
	for (uint64_t at = align_down(phys, PAGE_SIZE); at < phys + size; at += PAGE_SIZE)
		if (!kernel_translate(DIRECT_BASE + at, &known) &&
		    kernel_view_map(DIRECT_BASE + at, at, 1, PTE_NUCLEUS_RODATA) < 0)
			return nullptr;
	return direct_map(phys);
}

RARE void *kernel_view_registers(uint32_t slot, uint64_t phys, uint32_t pages)
{
	uint64_t va = CPU_DEVICES_BASE + (uint64_t)slot * PAGE_SIZE;

	if (pte_phys(phys & ~(uint64_t)(PAGE_SIZE - 1)) != align_down(phys, PAGE_SIZE) ||
	    kernel_view_map(va, align_down(phys, PAGE_SIZE), pages, PTE_NUCLEUS_DEVICE) < 0)
		return nullptr;
	return (void *)(va + (phys & (PAGE_SIZE - 1)));
}

/* --- nucleus calls --- */

static bool kmap_range_ok(uint64_t va, uint64_t count)
{
	return !(va & (PAGE_SIZE - 1)) && va >= KMAP_BASE && va < KMAP_END && count && count <= KMAP_PAGES_MAX &&
	       count <= (KMAP_END - va) >> PAGE_SHIFT;
}

static bool kmap_range_empty(uint64_t va, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		pte_t *e = table_find(kernel_root_phys, va + (i << PAGE_SHIFT), 1);

		if (e && pte_used(pte_load(e)))
			return false;
	}
	return true;
}

long call_kmap(uint64_t va, uint64_t pfn, uint64_t count, uint32_t prot)
{
	const struct thread_page *page = current_thread_page();
	uint64_t list[KMAP_PAGES_MAX];

	if (!kmap_range_ok(va, count) || (prot & ~(uint32_t)(MAP_PROT_READ | MAP_PROT_WRITE)) ||
	    (pfn == PFN_LIST && count > CALL_AREA_WORDS))
		return -EINVAL;
	/* The list is copied first: the caller could change it between check and use. */
	for (uint64_t i = 0; i < count; i++)
		list[i] = pfn == PFN_LIST ? page->call[i] : pfn + i;
	NUCLEUS_LOCKED;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t one = list[i];

		if (!frame_valid(one) || (frames[one].type != FRAME_KERNEL && frames[one].type != FRAME_DMA)) {
			report_refused(NUCLEUS_CALL_kmap, one);
			return -EPERM;
		}
		if (frames[one].type == FRAME_DMA && frames[one].level && !(prot & MAP_PROT_WRITE))
			return -EINVAL; /* there is no such kind */
	}
	if (!kmap_range_empty(va, count))
		return -EEXIST;
	if (!frame_table_reserve(6))
		return -ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		struct frame *f = &frames[list[i]];
		enum pte_kind kind = prot & MAP_PROT_WRITE ? PTE_LOWERED_DATA : PTE_LOWERED_RODATA;

		if (f->type == FRAME_DMA && f->level) /* never another way beside it */
			kind = PTE_LOWERED_UNCACHED;
		(void)kernel_view_map(va + (i << PAGE_SHIFT), list[i] << PAGE_SHIFT, 1, kind);
		f->mappings++;
	}
	return 0;
}

/* Forgets `count` pages from each of n addresses: no CPU reaches their frames any more when it returns, after one
 * shoot-down for all. */
static void kunmap_all(const uint64_t *va, uint64_t n, uint64_t count)
{
	uint64_t pfns[KMAP_PAGES_MAX], found = 0, low = UINT64_MAX, high = 0;

	NUCLEUS_LOCKED;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t end = va[i] + (count << PAGE_SHIFT);

		for (uint64_t at = va[i]; at < end; at += PAGE_SIZE) {
			pte_t *e = table_find(kernel_root_phys, at, 1);

			if (!e || !pte_used(pte_load(e)))
				continue;
			pfns[found++] = pte_phys(pte_load(e)) >> PAGE_SHIFT;
			pte_store(e, 0);
			table_count(e, -1);
		}
		low = va[i] < low ? va[i] : low;
		high = end > high ? end : high;
	}
	shootdown(nullptr, low, high);
	for (uint64_t i = 0, n; i < found; i += n) {
		n = 1;
		if (frame_valid(pfns[i]) &&
		    (frames[pfns[i]].type == FRAME_KERNEL || frames[pfns[i]].type == FRAME_DMA)) {
			frames[pfns[i]].mappings--;
			continue;
		}
		while (i + n < found && pfns[i + n] == pfns[i] + n)
			n++;
		n = claim_count_pages(pfns[i] << PAGE_SHIFT, n, false);
	}
}

long call_kunmap(uint64_t va, uint64_t count)
{
	if (!kmap_range_ok(va, count))
		return -EINVAL;
	kunmap_all(&va, 1, count);
	return 0;
}

long call_kunmap_list(uint64_t n, uint64_t count)
{
	const struct thread_page *page = current_thread_page();
	uint64_t va[CALL_AREA_WORDS];

	if (!n || n > CALL_AREA_WORDS || !count || count > KMAP_PAGES_MAX / n)
		return -EINVAL;
	for (uint64_t i = 0; i < n; i++) {
		va[i] = page->call[i];
		if (!kmap_range_ok(va[i], count))
			return -EINVAL;
	}
	kunmap_all(va, n, count);
	return 0;
}

RARE long call_device_map(uint64_t va, uint64_t phys, uint64_t count)
{
	uint64_t end = phys + (count << PAGE_SHIFT);
	struct claim *claim;

	/* An entry must be able to hold the address, and nothing but an address. */
	if (!kmap_range_ok(va, count) || pte_phys(phys) != phys || pte_phys(end - PAGE_SIZE) != end - PAGE_SIZE)
		return -EINVAL;
	NUCLEUS_LOCKED;
	claim = claim_covering((struct claim_range){phys, end}, cpu_this()->current->component);
	if (!claim)
		return report_refused_device(NUCLEUS_CALL_device_map, CLAIM_MEMORY, phys);
	if (!kmap_range_empty(va, count))
		return -EEXIST;
	if (!frame_table_reserve(6))
		return -ENOMEM;
	(void)kernel_view_map(va, phys, count,
			      claim->flags & CLAIM_WRITE_COMBINING ? PTE_LOWERED_COMBINING : PTE_LOWERED_DEVICE);
	(void)claim_count_pages(phys, count, true);
	return 0;
}
