/* SPDX-License-Identifier: MIT */
/*
 * Kernel stacks. Each has a slot of 32 KiB in the lower half of the kernel mapping range; its lower
 * half is unmapped, so that an overflow faults, its upper half is the stack, with its thread's record of what it holds
 * and the numbers of its frames in the topmost bytes. The landing of a fault does not need this stack: it starts on
 * the thread page's call area.
 *
 * Mapping and unmapping are nucleus calls, and unmapping needs a shoot-down of every CPU: so a number of freed stacks
 * is kept mapped, and what is too many goes many at a time. Lists are under a spinlock; page allocation and nucleus
 * calls happen outside it.
 */
#include "stack.h"

#include <abi/errno.h>
#include <kernel/base/fail.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/mem/page.h>
#include <kernel/thread/thread.h>
#include <lib/string.h>
#include <nucleus/calls.h>

constexpr uint64_t SLOT_BYTES = 32ull * 1024;
constexpr uint64_t BASE_OFFSET = 16ull * 1024;
constexpr uint64_t TOP_OFFSET = SLOT_BYTES - 256;
constexpr unsigned STACK_PAGES = (SLOT_BYTES - BASE_OFFSET) / PAGE_SIZE;
constexpr unsigned SLOTS_MAX = 32768;
constexpr unsigned CACHED_MAX = 64;
constexpr unsigned UNMAPPED_AT_ONCE = 32;
static_assert(UNMAPPED_AT_ONCE * STACK_PAGES <= KMAP_PAGES_MAX);

/* Above a mapped stack. */
struct frames {
	struct thread_kept kept;
	uint64_t pfn[STACK_PAGES];
	struct frames *next; /* in the cache */
};
static_assert(sizeof(struct frames) <= SLOT_BYTES - TOP_OFFSET);

static struct spinlock lock = SPINLOCK_INIT(RANK_NONE);
static struct frames *cache GUARDED_BY(&lock);
static unsigned cached GUARDED_BY(&lock);
static uint64_t used[SLOTS_MAX / 64] GUARDED_BY(&lock);
static unsigned first_candidate GUARDED_BY(&lock); /* no free slot in the words before it */

static uint64_t frames_base(const struct frames *f)
{
	return (uint64_t)f - TOP_OFFSET + BASE_OFFSET;
}

static struct frames *frames_of(uint64_t base)
{
	return (struct frames *)(base - BASE_OFFSET + TOP_OFFSET);
}

/* The base of a free slot's stack, or 0. */
static uint64_t slot_take(void)
{
	uint64_t base = 0;

	spin_lock(&lock);
	for (unsigned i = first_candidate; i < SLOTS_MAX / 64 && base == 0; i++) {
		first_candidate = i;
		if (used[i] == UINT64_MAX)
			continue;
		unsigned bit = (unsigned)__builtin_ctzll(~used[i]);
		used[i] |= 1ull << bit;
		base = KMAP_BASE + (i * 64 + bit) * SLOT_BYTES + BASE_OFFSET;
	}
	spin_unlock(&lock);
	return base;
}

static void slot_give(uint64_t base)
{
	unsigned slot = (unsigned)((base - KMAP_BASE) / SLOT_BYTES);

	spin_lock(&lock);
	used[slot / 64] &= ~(1ull << slot % 64);
	if (slot / 64 < first_candidate)
		first_candidate = slot / 64;
	spin_unlock(&lock);
}

static void free_pages(const uint64_t *pfn, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		page_free_kernel(page_window(pfn[i]), 0);
}

static int map_pages(uint64_t base)
{
	uint64_t pfn[STACK_PAGES];
	unsigned n = 0;
	long error = -ENOMEM;

	for (; n < STACK_PAGES; n++) {
		void *page = page_alloc_kernel(0);

		if (page == nullptr)
			goto fail;
		pfn[n] = page_window_pfn(page);
	}
	if (fail_injected())
		goto fail;
	do {
		memcpy(call_area(), pfn, sizeof(pfn));
		error = nucleus_kmap(base, PFN_LIST, STACK_PAGES, MAP_PROT_READ | MAP_PROT_WRITE);
	} while (error == -ENOMEM && page_relieve_nucleus());
	if (error < 0)
		goto fail;
	memcpy(frames_of(base)->pfn, pfn, sizeof(pfn));
	return 0;
fail:
	free_pages(pfn, n);
	return (int)error;
}

int stack_alloc(struct kernel_stack *out)
{
	/* Which request fails is not to depend on what is kept. */
	if (STELLUX_DEBUG && fail_armed() != 0)
		thread_stacks_drop();
	spin_lock(&lock);
	struct frames *f = cache;
	if (f != nullptr) {
		cache = f->next;
		cached--;
	}
	spin_unlock(&lock);
	uint64_t base = f != nullptr ? frames_base(f) : slot_take();
	if (base == 0)
		return -EAGAIN;
	int error = f != nullptr ? 0 : map_pages(base);
	if (error < 0) {
		slot_give(base);
		return error;
	}
	*out = (struct kernel_stack){.base = base, .kept = &frames_of(base)->kept};
	return 0;
}

/* Unmaps stacks and gives their frames and slots back. */
static void unmap_stacks(struct frames *list)
{
	uint64_t base[UNMAPPED_AT_ONCE], pfn[UNMAPPED_AT_ONCE][STACK_PAGES];
	unsigned n = 0;

	for (; list != nullptr; list = list->next, n++) {
		base[n] = frames_base(list);
		memcpy(pfn[n], list->pfn, sizeof(pfn[n]));
	}
	memcpy(call_area(), base, n * sizeof(base[0]));
	if (nucleus_kunmap_list(n, STACK_PAGES) < 0) {
		log_error("thread: %u stacks at %#lx and others cannot be unmapped", n, base[0]);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		free_pages(pfn[i], STACK_PAGES);
		slot_give(base[i]);
	}
}

/* Up to `count` of the stacks that are kept; nullptr: there are none. */
static struct frames *cut(unsigned count) REQUIRES(lock)
{
	struct frames *first = cache, *last = nullptr;

	for (; count > 0 && cache != nullptr; count--) {
		last = cache;
		cache = last->next;
		cached--;
	}
	if (last != nullptr)
		last->next = nullptr;
	return last != nullptr ? first : nullptr;
}

void stack_free(void *stack)
{
	struct frames *f = frames_of((uint64_t)stack), *surplus = nullptr;

	spin_lock(&lock);
	f->next = cache;
	cache = f;
	cached++;
	if (cached > CACHED_MAX)
		surplus = cut(UNMAPPED_AT_ONCE);
	spin_unlock(&lock);
	if (surplus != nullptr)
		unmap_stacks(surplus);
}

void thread_stacks_drop(void)
{
	struct frames *idle;

	do {
		spin_lock(&lock);
		idle = cut(UNMAPPED_AT_ONCE);
		spin_unlock(&lock);
		if (idle != nullptr)
			unmap_stacks(idle);
	} while (idle != nullptr);
}
