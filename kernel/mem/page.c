/* SPDX-License-Identifier: MIT */
/*
 * Page allocation: per-CPU stacks of free pages in front of two buddy pools (kernel frames, user
 * frames).
 *
 * The common path is a claim of the CPU's cache, one pop and a store. Runs of more than one page go
 * to the pool directly. When the pools are empty, page_grow.c finds frames; when it cannot, the
 * out-of-memory killer is asked, and the caller waits for what the victim leaves. Interface and
 * contexts: kernel/mem/page.h.
 */
#include <arch/page_ops.h>
#include <kernel/base/clock.h>
#include <kernel/base/component.h>
#include <kernel/base/fail.h>
#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/mem/page.h>
#include <lib/string.h>
#include <lib/types.h>

#include "page_pool.h"

DEFINE_COMPONENT(vm, .users = "the process whose call or page fault it was ends; others see nothing",
		 .stays = "it has no thread, and its data are the memory of running processes");

struct page_pool page_pools[KIND_COUNT] = {
	[KIND_KERNEL] = {.lock = SPINLOCK_INIT(RANK_PAGE)},
	[KIND_USER] = {.lock = SPINLOCK_INIT(RANK_PAGE)},
};
struct page_cpu *page_cpus[PAGE_MAX_CPUS];
uint64_t page_slab_count;

enum : unsigned {
	OOM_TRIES = 50,
	OOM_TRIES_DYING = 1000, /* while somebody is dying, whose CPU may stand still: bounded, as he may wait for us */
	ORDER_WORTH_KILLING = 3
};
constexpr uint64_t OOM_WAIT_NS = 10'000'000;

struct page_cpu *page_cpu_claim(void)
{
	struct page_cpu *c = page_cpus[thread_page_current()->cpu % PAGE_MAX_CPUS];

	if (unlikely(!c) || unlikely(__atomic_exchange_n(&c->claimed, 1, __ATOMIC_ACQUIRE)))
		return nullptr;
	return c;
}

static uint64_t pool_take(enum page_kind kind, unsigned order)
{
	struct page_pool *pool = &page_pools[kind];

	spin_lock(&pool->lock);
	uint64_t pfn = buddy_alloc(&pool->buddy, order);
	spin_unlock(&pool->lock);
	return pfn;
}

/* Frees single pages; neighbours in the list that are neighbours in memory go together, which is
 * common and much cheaper. */
static void pool_return(enum page_kind kind, struct page *const *pages, unsigned count)
{
	struct page_pool *pool = &page_pools[kind];

	spin_lock(&pool->lock);
	for (unsigned i = 0; i < count;) {
		const struct page *low = pages[i], *high = low;

		for (i++; i < count; i++) {
			if (pages[i] == high + 1)
				high++;
			else if (pages[i] == low - 1)
				low--;
			else
				break;
		}
		buddy_add(&pool->buddy, page_pfn(low), (uint64_t)(high - low) + 1);
	}
	spin_unlock(&pool->lock);
}

/* Gives a CPU that has none its cache; a failure only costs speed. */
static void cpu_create(void)
{
	struct page_cpu **slot = &page_cpus[thread_page_current()->cpu % PAGE_MAX_CPUS];
	struct page_cpu *none = nullptr;

	static_assert(sizeof(struct page_cpu) <= PAGE_SIZE);
	if (*slot)
		return;
	uint64_t pfn = pool_take(KIND_KERNEL, 0);
	if (pfn == BUDDY_NONE)
		return;
	struct page_cpu *fresh = page_window(pfn);
	page_zero(fresh);
	page_of(pfn)->flags = PAGE_KERNEL;
	if (!__atomic_compare_exchange_n(slot, &none, fresh, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		page_free_kernel(fresh, 0);
}

static void stack_refill(enum page_kind kind, struct page_stack *stack)
{
	struct page_pool *pool = &page_pools[kind];

	spin_lock(&pool->lock);
	while (stack->count < PAGE_CACHE_BATCH) {
		int order = MIN(buddy_largest(&pool->buddy), PAGE_CACHE_REFILL_ORDER);

		if (order < 0)
			break;
		/* The highest goes in first, so that pages come out in ascending order. */
		struct page *run = page_of(buddy_alloc(&pool->buddy, (unsigned)order));
		for (unsigned i = 1u << order; i-- > 0;) {
			run[i].flags = PAGE_CACHED;
			stack->page[stack->count++] = &run[i];
		}
	}
	spin_unlock(&pool->lock);
}

/* Up to `want` single pages; 0 when the pool is empty. */
static unsigned take_pages(enum page_kind kind, struct page **out, unsigned want)
{
	struct page_cpu *c = page_cpu_claim();

	if (unlikely(!c)) {
		uint64_t pfn = pool_take(kind, 0);

		if (pfn == BUDDY_NONE)
			return 0;
		*out = page_of(pfn);
		cpu_create();
		return 1;
	}
	struct page_stack *stack = &c->stack[kind];
	if (stack->count < want)
		stack_refill(kind, stack);
	unsigned n = MIN(want, stack->count);
	for (unsigned i = 0; i < n; i++)
		out[i] = stack->page[--stack->count];
	page_cpu_unclaim(c);
	return n;
}

static void stack_make_room(enum page_kind kind, struct page_stack *stack)
{
	stack->count -= PAGE_CACHE_BATCH;
	for (unsigned i = 0; i < PAGE_CACHE_BATCH; i++)
		stack->page[stack->count + i]->flags = 0;
	pool_return(kind, stack->page + stack->count, PAGE_CACHE_BATCH);
}

static void give_pages(enum page_kind kind, struct page *const *pages, unsigned n)
{
	struct page_cpu *c = page_cpu_claim();

	if (unlikely(!c)) {
		for (unsigned i = 0; i < n; i++)
			pages[i]->flags = 0;
		pool_return(kind, pages, n);
		return;
	}
	struct page_stack *stack = &c->stack[kind];
	for (unsigned i = 0; i < n; i++) {
		if (unlikely(stack->count == PAGE_CACHE_SIZE))
			stack_make_room(kind, stack);
		pages[i]->flags = PAGE_CACHED;
		stack->page[stack->count++] = pages[i];
	}
	page_cpu_unclaim(c);
}

void page_cpus_drain(void)
{
	for (unsigned cpu = 0; cpu < PAGE_MAX_CPUS; cpu++) {
		struct page_cpu *c = __atomic_load_n(&page_cpus[cpu], __ATOMIC_ACQUIRE);

		if (c == nullptr || __atomic_exchange_n(&c->claimed, 1, __ATOMIC_ACQUIRE))
			continue;
		for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
			struct page_stack *stack = &c->stack[kind];

			for (unsigned i = 0; i < stack->count; i++)
				stack->page[i]->flags = 0;
			pool_return((enum page_kind)kind, stack->page, stack->count);
			stack->count = 0;
		}
		page_cpu_unclaim(c);
	}
}

static bool (*killer)(uint64_t need); /* atomic */

void page_set_killer(bool (*kill)(uint64_t need))
{
	__atomic_store_n(&killer, kill, __ATOMIC_RELEASE);
}

bool page_came(uint64_t need)
{
	struct page_pool *pool = &page_pools[need >> 32];

	page_cpus_drain();
	spin_lock(&pool->lock);
	bool came = buddy_largest(&pool->buddy) >= (int)(uint32_t)need;
	spin_unlock(&pool->lock);
	return came;
}

/* What an allocation has tried. */
struct shortage {
	unsigned attempts, while_dying; /* those in which nobody was dying, and the others */
};

/* Memory is short: frames from somewhere, or the killer. False: the caller must do without. */
static bool out_of_memory(enum page_kind kind, unsigned order, struct shortage *s)
{
	unsigned attempt = s->attempts++;

	/* Others may take what is found every time: who is to die does not compete for long. */
	if (attempt >= OOM_TRIES && signal_fatal_current())
		return false;
	/* The page that is wanted has been asked whether it is to fail. */
	bool paused = fail_pause();
	bool room = page_make_room(kind, order);
	fail_resume(paused);
	if (room)
		return true;
	if (order > ORDER_WORTH_KILLING || attempt >= OOM_TRIES || signal_fatal_current())
		return false;
	/* Whether it found somebody or could not look just now: memory may come meanwhile. */
	bool (*kill)(uint64_t need) = __atomic_load_n(&killer, __ATOMIC_ACQUIRE);
	if (kill != nullptr && kill((uint64_t)kind << 32 | order) && s->while_dying < OOM_TRIES_DYING) {
		s->while_dying++;
		s->attempts--;
	}
	thread_park(clock_monotonic_ns() + OOM_WAIT_NS);
	return true;
}

unsigned page_alloc_user_batch(struct page **out, unsigned want, bool zero)
{
	unsigned n;

	if (fail_injected())
		return 0;
	want = MIN(want, (unsigned)PAGE_CACHE_BATCH);
	for (struct shortage s = {}; !(n = take_pages(KIND_USER, out, want));)
		if (!out_of_memory(KIND_USER, 0, &s))
			return 0;
	for (unsigned i = 0; i < n; i++) {
		struct page *page = out[i];

		page->flags = PAGE_USER;
		page->refs = 1;
		page->private = 0;
		list_init(&page->link);
		if (zero)
			page_zero(page_address(page));
	}
	return n;
}

struct page *page_alloc_user(bool zero)
{
	struct page *page;

	return page_alloc_user_batch(&page, 1, zero) ? page : nullptr;
}

void page_release(struct page *page)
{
	KASSERT(page->flags == PAGE_USER); /* else it was free already */
	give_pages(KIND_USER, &page, 1);
}

void page_put_batch(struct page *const *pages, unsigned count)
{
	struct page *last[PAGE_CACHE_BATCH];
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		struct page *page = pages[i];

		if (__atomic_fetch_sub(&page->refs, 1, __ATOMIC_ACQ_REL) != 1)
			continue;
		KASSERT(page->flags == PAGE_USER);
		last[n++] = page;
		if (n == PAGE_CACHE_BATCH) {
			give_pages(KIND_USER, last, n);
			n = 0;
		}
	}
	if (n)
		give_pages(KIND_USER, last, n);
}

void *page_alloc_kernel(unsigned order)
{
	struct component *component = thread_current()->component;
	struct page *page = nullptr;

	if (fail_injected())
		return nullptr;
	for (struct shortage s = {};;) {
		if (order == 0) {
			if (take_pages(KIND_KERNEL, &page, 1))
				break;
		} else {
			uint64_t pfn = pool_take(KIND_KERNEL, order);

			if (pfn != BUDDY_NONE) {
				page = page_of(pfn);
				break;
			}
		}
		if (order >= BUDDY_ORDERS || !out_of_memory(KIND_KERNEL, order, &s))
			return nullptr;
	}
	page->flags = PAGE_KERNEL;
	page->order = (uint8_t)order;
	page->tag = component ? (uint16_t)component->id : 0;
	page->refs = 1;
	page->private = 0;
	list_init(&page->link);
	return page_address(page);
}

void page_free_kernel(void *p, unsigned order)
{
	struct page *page = page_of(page_window_pfn(p));

	KASSERT(page->flags == PAGE_KERNEL &&
		(order == 0 || page->order == order)); /* else freed twice or never allocated */
	if (order == 0) {
		give_pages(KIND_KERNEL, &page, 1);
		return;
	}
	page->flags = 0;
	spin_lock(&page_pools[KIND_KERNEL].lock);
	buddy_free(&page_pools[KIND_KERNEL].buddy, page_pfn(page), order);
	spin_unlock(&page_pools[KIND_KERNEL].lock);
}
