/* SPDX-License-Identifier: MIT */
/*
 * Pages lent to devices (kernel/mem/dma.h). A segment holds each page that it touches once. Where the device cannot
 * reach a page, or where it does not look into caches and the piece shares a cache line with its neighbours, the device
 * gets a copy in a dma buffer instead, at the same place within a page: some devices take pieces only so that each but
 * the first begins a page, and each but the last ends one. No lock: a list is its caller's.
 */
#include <abi/errno.h>
#include <arch/dma.h>
#include <arch/page_ops.h>
#include <kernel/mem/dma.h>
#include <kernel/mem/page.h>
#include <lib/types.h>

#include "dma_lent.h"

static uint64_t lent_pages, lost_pages; /* atomic */

void dma_list_begin(struct dma_list *list, const struct dma_rules *rules, enum dma_direction direction,
		    struct dma_segment *segments, unsigned max, uint32_t length_max)
{
	*list = (struct dma_list){
		.segments = segments,
		.max = max,
		.length_max = length_max != 0 ? length_max : UINT32_MAX & ~(uint32_t)(PAGE_SIZE - 1),
		.direction = direction,
		.rules = *rules,
	};
}

static void hold(struct page *page)
{
	page_get(page);
	__atomic_fetch_add(&lent_pages, 1, __ATOMIC_RELAXED);
}

/* Whether the piece goes on where the last segment ends; it is part of that then. */
static bool join(struct dma_list *list, struct page *page, uint64_t address, uint32_t length)
{
	struct dma_segment *last = list->count > 0 ? &list->segments[list->count - 1] : nullptr;

	if (last == nullptr || last->copy != nullptr || last->address + last->length != address ||
	    last->length > list->length_max - MIN(length, list->length_max))
		return false;
	/* A page that the segment reached already is held. */
	if (address % PAGE_SIZE == 0)
		hold(page);
	last->length += length;
	return true;
}

static bool needs_copy(const struct dma_list *list, uint64_t address, uint32_t length)
{
	if (!dma_reaches(&list->rules, address, length))
		return true;
	return list->rules.incoherent && list->direction != DMA_TO_DEVICE && (address | length) % dma_cache_line() != 0;
}

int dma_list_add(struct dma_list *list, struct page *page, uint32_t offset, uint32_t length)
{
	uint64_t address = (page_pfn(page) << PAGE_SHIFT) + offset;
	struct dma_buffer copy = {};
	char *at = nullptr;

	if (length == 0 || offset >= PAGE_SIZE || length > PAGE_SIZE - offset || length > list->length_max ||
	    page->flags != PAGE_USER)
		return -EINVAL;
	if (needs_copy(list, address, length)) {
		if (list->count == list->max)
			return -E2BIG;
		int error = dma_take_now(&list->rules, PAGE_SIZE, &copy);
		if (error)
			return error;
		address = copy.address + offset;
		at = (char *)copy.at + offset;
	} else if (join(list, page, address, length)) {
		return 0;
	}
	if (list->count == list->max)
		return -E2BIG;
	hold(page);
	list->segments[list->count++] = (struct dma_segment){
		.address = address, .length = length, .offset = offset, .page = page, .copy = at, .block = copy.block};
	return 0;
}

/* The window's addresses of a segment's pages: frames of one run are one run there too. */
static void *segment_at(const struct dma_segment *s)
{
	return (char *)page_address(s->page) + s->offset;
}

unsigned dma_segment_pages(const struct dma_segment *s)
{
	return (unsigned)((s->offset + (uint64_t)s->length + PAGE_SIZE - 1) >> PAGE_SHIFT);
}

int dma_list_ready(struct dma_list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		struct dma_segment *s = &list->segments[i];

		/* Also for a device that only writes: what it leaves out of the copy stays what it was, instead of what
		 * was another's before. */
		if (s->copy != nullptr)
			bulk_copy(s->copy, segment_at(s), s->length);
		/* Written back for a device that reads; and nothing dirty may be written over what it writes. */
		else if (s->copy == nullptr && list->rules.incoherent)
			dma_cache_flush(segment_at(s), s->length);
	}
	return list->rules.claim != 0 ? dma_confine_list(list) : 0;
}

static struct dma_buffer copy_of(const struct dma_segment *s)
{
	return (struct dma_buffer){.at = (char *)s->copy - s->offset,
				   .address = s->address - s->offset,
				   .bytes = PAGE_SIZE,
				   .block = s->block};
}

static void let_go(struct dma_segment *s)
{
	unsigned pages = dma_segment_pages(s);

	for (unsigned i = 0; i < pages; i++)
		page_put(s->page + i);
	__atomic_fetch_sub(&lent_pages, pages, __ATOMIC_RELAXED);
}

/* The device may still write: the pages are never let go. */
static void lose(struct dma_list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		struct dma_segment *s = &list->segments[i];

		if (s->copy != nullptr) {
			struct dma_buffer copy = copy_of(s);
			dma_quarantine(&copy);
			let_go(s); /* the device never knew of the page */
			continue;
		}
		__atomic_fetch_sub(&lent_pages, dma_segment_pages(s), __ATOMIC_RELAXED);
		__atomic_fetch_add(&lost_pages, dma_segment_pages(s), __ATOMIC_RELAXED);
	}
	list->count = 0;
}

void dma_list_end(struct dma_list *list, bool done)
{
	if (!dma_free_list_again(list)) {
		lose(list);
		return;
	}
	for (unsigned i = 0; i < list->count; i++) {
		struct dma_segment *s = &list->segments[i];

		if (s->copy != nullptr) {
			if (done && list->direction & DMA_FROM_DEVICE)
				bulk_copy(segment_at(s), s->copy, s->length);
			struct dma_buffer copy = copy_of(s);
			dma_give_now(&copy);
		} else if (list->rules.incoherent && list->direction & DMA_FROM_DEVICE) {
			/* What was read ahead meanwhile is old. */
			dma_cache_flush(segment_at(s), s->length);
		}
		let_go(s);
	}
	list->count = 0;
}

void dma_list_quarantine(struct dma_list *list)
{
	/* Of one that is confined it is certain that it does not. */
	if (list->rules.claim != 0)
		dma_list_end(list, false);
	else
		lose(list);
}

void dma_lent_stats(struct dma_stats *out)
{
	out->lent = __atomic_load_n(&lent_pages, __ATOMIC_RELAXED);
	out->quarantined = __atomic_load_n(&lost_pages, __ATOMIC_RELAXED);
}
