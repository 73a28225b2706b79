/* SPDX-License-Identifier: MIT */
/*
 * What the nucleus is told of memory for devices that an IOMMU confines (kernel/mem/dma.h): one call for a buffer, and
 * one for each 384 pages of a list. Nothing here is called for other devices.
 */
#include <abi/errno.h>
#include <kernel/base/fail.h>
#include <kernel/base/thread.h>
#include <kernel/mem/dma.h>
#include <kernel/mem/page.h>
#include <nucleus/calls.h>
#include <nucleus/device.h>

#include "dma_lent.h"

constexpr uint32_t BOTH = DMA_ACCESS_READ | DMA_ACCESS_WRITE;

unsigned dma_confined_bits(uint64_t claim)
{
	long bits = nucleus_dma_lend(claim, 0, 0, BOTH);

	return bits > 0 ? (unsigned)bits : 0;
}

int dma_confine(uint64_t claim, const struct dma_buffer *b)
{
	long result;

	do
		result = nucleus_dma_lend(claim, b->address >> PAGE_SHIFT, b->bytes >> PAGE_SHIFT, BOTH);
	while (result == -ENOMEM && page_relieve_nucleus());
	return (int)result;
}

bool dma_free_again(uint64_t claim, const struct dma_buffer *b)
{
	long result = nucleus_dma_return(claim, b->address >> PAGE_SHIFT, b->bytes >> PAGE_SHIFT, BOTH);

	return result == 0 || result == -EBADF;
}

static uint32_t access_for(enum dma_direction direction)
{
	return (direction & DMA_TO_DEVICE ? DMA_ACCESS_READ : 0) | (direction & DMA_FROM_DEVICE ? DMA_ACCESS_WRITE : 0);
}

static long tell(const struct dma_list *list, bool lend, uint64_t pfn, uint64_t count)
{
	uint32_t access = access_for(list->direction);

	return lend ? nucleus_dma_lend(list->rules.claim, pfn, count, access)
		    : nucleus_dma_return(list->rules.claim, pfn, count, access);
}

/* Tells of the first `most` pages of the list; *told: of how many. */
static long tell_all(const struct dma_list *list, bool lend, uint64_t most, uint64_t *told)
{
	uint64_t *pfn = call_area();
	uint64_t n = 0;
	long result = 0;

	*told = 0;
	for (unsigned i = 0; i < list->count; i++) {
		const struct dma_segment *s = &list->segments[i];
		uint64_t first = s->address >> PAGE_SHIFT, pages = dma_segment_pages(s);

		for (uint64_t page = 0; page < pages && *told + n < most; page++) {
			pfn[n++] = first + page;
			if (n < CALL_AREA_WORDS)
				continue;
			result = tell(list, lend, PFN_LIST, n);
			if (result < 0)
				return result;
			*told += n;
			n = 0;
		}
	}
	if (n > 0)
		result = n == 1 ? tell(list, lend, pfn[0], 1) : tell(list, lend, PFN_LIST, n);
	*told += result < 0 ? 0 : n;
	return result;
}

/* Who submits may not sleep, and cannot give memory back itself. Atomic. */
static bool needs_relief;

bool dma_needs_relief(void)
{
	return __atomic_load_n(&needs_relief, __ATOMIC_RELAXED);
}

void dma_relieve(void)
{
	if (dma_needs_relief() && __atomic_exchange_n(&needs_relief, false, __ATOMIC_ACQ_REL))
		(void)page_relieve_nucleus();
}

int dma_confine_list(struct dma_list *list)
{
	uint64_t told = 0, back;
	long result = fail_injected() ? -ENOMEM : tell_all(list, true, UINT64_MAX, &told);

	list->confined = result == 0;
	if (result == -ENOMEM)
		__atomic_store_n(&needs_relief, true, __ATOMIC_RELEASE);
	if (result < 0)
		(void)tell_all(list, false, told, &back);
	return result == 0 ? 0 : -EAGAIN;
}

bool dma_free_list_again(struct dma_list *list)
{
	uint64_t told;
	long result = list->confined ? tell_all(list, false, UINT64_MAX, &told) : 0;

	list->confined = false;
	/* The claim's end has returned all. */
	return result == 0 || result == -EBADF;
}
