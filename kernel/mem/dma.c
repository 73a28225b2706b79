/* SPDX-License-Identifier: MIT */
/*
 * Buffers for devices (kernel/mem/dma.h): pages out of blocks of 2 MiB of type dma, each mapped once as a whole.
 *
 * Locks: `lock` guards the blocks and what is used of them, and is held shortly; grow_lock is taken before it and
 * serialises what calls the nucleus. A block that becomes empty goes back; its record and its addresses wait for the
 * next one, because addresses are never returned.
 */
#include <arch/dma.h>
#include <arch/page_ops.h>
#include <kernel/base/component.h>
#include <kernel/base/fail.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/mem/dma.h>
#include <kernel/mem/kmap.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <lib/bitmap.h>
#include <lib/types.h>
#include <nucleus/calls.h>

#include "dma_lent.h"

DECLARE_COMPONENT(vm);

struct dma_block {
	struct list link;
	uint64_t va, pfn; /* pfn 0: no memory behind the addresses */
	bool uncached;
	uint32_t free_pages;
	uint64_t used[BLOCK_FRAMES / 64];
};

static struct mutex grow_lock = MUTEX_INIT(grow_lock, RANK_NONE); /* a leaf but for the page allocator's locks */
static struct spinlock lock = SPINLOCK_INIT(RANK_DMA);
static struct list blocks GUARDED_BY(&lock) = LIST_INIT(blocks);
static uint64_t lost_pages; /* atomic */

/* The end of what the device can name; 0: no end. */
static uint64_t rules_end(const struct dma_rules *rules)
{
	return rules->bits == 0 || rules->bits >= 64 ? 0 : 1ull << rules->bits;
}

bool dma_reaches(const struct dma_rules *rules, uint64_t address, uint64_t length)
{
	uint64_t end = rules_end(rules);

	return end == 0 || (address < end && length <= end - address);
}

static bool block_suits(const struct dma_block *block, const struct dma_rules *rules)
{
	return block->pfn != 0 && block->uncached == rules->incoherent &&
	       dma_reaches(rules, block->pfn << PAGE_SHIFT, BLOCK_SIZE);
}

/* The first run of so many free pages, or BLOCK_FRAMES. */
static size_t find_run(const struct dma_block *block, size_t pages)
{
	size_t at = bitmap_find_clear(block->used, BLOCK_FRAMES, 0);

	while (at + pages <= BLOCK_FRAMES) {
		size_t end = bitmap_find(block->used, BLOCK_FRAMES, at, 0);

		if (end - at >= pages)
			return at;
		at = bitmap_find_clear(block->used, BLOCK_FRAMES, end);
	}
	return BLOCK_FRAMES;
}

static bool take_from(struct dma_block *block, size_t pages, struct dma_buffer *b) REQUIRES(lock)
{
	size_t first = block->free_pages < pages ? BLOCK_FRAMES : find_run(block, pages);

	if (first == BLOCK_FRAMES)
		return false;
	for (size_t i = 0; i < pages; i++)
		bitmap_set(block->used, first + i);
	block->free_pages -= (uint32_t)pages;
	*b = (struct dma_buffer){.at = (void *)(block->va + (first << PAGE_SHIFT)),
				 .address = (block->pfn + first) << PAGE_SHIFT,
				 .bytes = pages << PAGE_SHIFT,
				 .block = block};
	return true;
}

static int try_take(const struct dma_rules *rules, size_t bytes, struct dma_buffer *b)
{
	size_t pages = (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
	struct dma_block *block;
	bool taken = false;

	*b = (struct dma_buffer){};
	if (bytes == 0 || bytes > DMA_BUFFER_MAX)
		return -EINVAL;
	spin_lock(&lock);
	list_for_each(block, &blocks, link) {
		taken = block_suits(block, rules) && take_from(block, pages, b);
		if (taken)
			break;
	}
	spin_unlock(&lock);
	return taken ? 0 : -EAGAIN;
}

int dma_take_now(const struct dma_rules *rules, size_t bytes, struct dma_buffer *b)
{
	if (fail_injected()) {
		*b = (struct dma_buffer){};
		return -EAGAIN;
	}
	return try_take(rules, bytes, b);
}

/* Addresses without memory: of a block that went back, or new ones. */
static struct dma_block *idle_block(void) REQUIRES(grow_lock)
{
	struct dma_block *block, *idle = nullptr;

	spin_lock(&lock);
	list_for_each(block, &blocks, link)
		if (block->pfn == 0)
			idle = block;
	spin_unlock(&lock);
	if (idle != nullptr)
		return idle;
	idle = kmalloc(sizeof(*idle));
	if (idle == nullptr)
		return nullptr;
	idle->va = kmap_reserve(BLOCK_FRAMES);
	if (idle->va == 0) {
		kfree(idle);
		return nullptr;
	}
	spin_lock(&lock);
	list_push_back(&blocks, &idle->link);
	spin_unlock(&lock);
	return idle;
}

/* A block more that keeps the rules. */
static int grow(const struct dma_rules *rules) REQUIRES(grow_lock)
{
	struct dma_block *block = idle_block();
	uint64_t pfn;
	long result;

	if (block == nullptr)
		return -ENOMEM;
	do
		result = nucleus_frame_take(FRAME_DMA, rules_end(rules), rules->incoherent);
	while (result == -ENOMEM && page_relieve_nucleus());
	if (result < 0)
		return (int)result;
	pfn = (uint64_t)result >> 10;
	do
		result = nucleus_kmap(block->va, pfn, BLOCK_FRAMES, MAP_PROT_READ | MAP_PROT_WRITE);
	while (result == -ENOMEM && page_relieve_nucleus());
	if (result < 0) {
		nucleus_frame_give(pfn, BLOCK_FRAMES);
		return (int)result;
	}
	/* Whatever caches still hold of what the frames were before would be written over what devices write. */
	if (rules->incoherent)
		dma_cache_flush((void *)block->va, BLOCK_SIZE);
	spin_lock(&lock);
	block->uncached = rules->incoherent;
	block->free_pages = BLOCK_FRAMES;
	block->pfn = pfn;
	spin_unlock(&lock);
	return 0;
}

int dma_take(const struct dma_rules *rules, size_t bytes, struct dma_buffer *b)
{
	if (fail_injected()) {
		*b = (struct dma_buffer){};
		return -ENOMEM;
	}

	int error = try_take(rules, bytes, b);
	if (error == -EAGAIN) {
		mutex_lock(&grow_lock);
		/* Another thread may have been here first; and one may take the new block before us. */
		while ((error = try_take(rules, bytes, b)) == -EAGAIN)
			if ((error = grow(rules)) != 0)
				break;
		mutex_unlock(&grow_lock);
	}
	if (error == 0)
		bulk_zero(b->at, b->bytes);
	return error;
}

/* Gives the block back if nothing of it is used any more. */
static void shrink(struct dma_block *block) REQUIRES(grow_lock)
{
	uint64_t pfn = 0;

	spin_lock(&lock);
	if (block->free_pages == BLOCK_FRAMES) {
		pfn = block->pfn;
		block->pfn = 0; /* nobody takes from it from here on */
	}
	spin_unlock(&lock);
	if (pfn == 0)
		return;
	nucleus_kunmap(block->va, BLOCK_FRAMES);
	nucleus_frame_give(pfn, BLOCK_FRAMES);
}

/* Result: whether the block is empty now. */
static bool release(const struct dma_buffer *b)
{
	struct dma_block *block = b->block;
	size_t first = ((uint64_t)b->at - block->va) >> PAGE_SHIFT, pages = b->bytes >> PAGE_SHIFT;

	spin_lock(&lock);
	for (size_t i = 0; i < pages; i++) {
		KASSERT(bitmap_test(block->used, first + i)); /* else it was given twice */
		bitmap_clear(block->used, first + i);
	}
	block->free_pages += (uint32_t)pages;
	bool empty = block->free_pages == BLOCK_FRAMES;
	spin_unlock(&lock);
	return empty;
}

void dma_give_now(struct dma_buffer *b)
{
	(void)release(b);
	*b = (struct dma_buffer){};
}

void dma_give(struct dma_buffer *b)
{
	struct dma_block *block = b->block;

	if (b->at == nullptr)
		return;
	if (release(b)) {
		mutex_lock(&grow_lock);
		shrink(block);
		mutex_unlock(&grow_lock);
	}
	*b = (struct dma_buffer){};
}

void dma_quarantine(struct dma_buffer *b)
{
	/* It stays used for ever, and its block with it. */
	__atomic_fetch_add(&lost_pages, b->bytes >> PAGE_SHIFT, __ATOMIC_RELAXED);
	*b = (struct dma_buffer){};
}

void dma_stats(struct dma_stats *out)
{
	const struct dma_block *block;

	*out = (struct dma_stats){};
	spin_lock(&lock);
	list_for_each(block, &blocks, link) {
		if (block->pfn == 0)
			continue;
		out->pages += BLOCK_FRAMES;
		out->used += BLOCK_FRAMES - block->free_pages;
	}
	spin_unlock(&lock);
	dma_lent_stats(out);
	out->quarantined += __atomic_load_n(&lost_pages, __ATOMIC_RELAXED);
}

static int show_dma(struct text_buffer *t, void *)
{
	struct dma_stats s;

	dma_stats(&s);
	text_printf(t, "Reserved:    %8llu kB\nBuffers:     %8llu kB\nLent:        %8llu kB\nQuarantined: %8llu kB\n",
		    (unsigned long long)s.pages * 4, (unsigned long long)s.used * 4, (unsigned long long)s.lent * 4,
		    (unsigned long long)s.quarantined * 4);
	return 0;
}

PROC_FILE(dma_memory, .component = &component_vm, .name = "dma_memory", .mode = 0444, .show = show_dma);
