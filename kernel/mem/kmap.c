/* SPDX-License-Identifier: MIT */
/*
 * Addresses of the kernel mapping range (kernel/mem/kmap.h). Thread stacks use fixed slots in the lower
 * half (stack.c); the upper half, up to the page array, is handed out with one unmapped page behind each run to catch
 * overruns. Runs that come back wait for somebody who needs as many pages: device registers come in few sizes.
 */
#include <kernel/base/lock.h>
#include <kernel/mem/kmap.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <nucleus/layout.h>

struct kmap_run {
	struct list link; /* in runs while nobody has it */
	uint64_t address, pages;
};

static struct spinlock runs_lock = SPINLOCK_INIT(RANK_NONE);
static struct list runs GUARDED_BY(&runs_lock) = LIST_INIT(runs);

static uint64_t next_address = KMAP_BASE + (KMAP_END - KMAP_BASE) / 2;

uint64_t kmap_reserve(uint64_t pages)
{
	uint64_t bytes = (pages + 1) * PAGE_SIZE;
	uint64_t at = __atomic_fetch_add(&next_address, bytes, __ATOMIC_RELAXED);

	return at + bytes <= PAGE_ARRAY_BASE ? at : 0;
}

static struct kmap_run *take_returned(uint64_t pages)
{
	struct kmap_run *found = nullptr, *run;

	spin_lock(&runs_lock);
	list_for_each(run, &runs, link) {
		if (run->pages == pages) {
			found = run;
			list_remove(&run->link);
			break;
		}
	}
	spin_unlock(&runs_lock);
	return found;
}

struct kmap_run *kmap_run_take(uint64_t pages)
{
	struct kmap_run *run = take_returned(pages);

	if (run != nullptr || (run = kmalloc(sizeof(*run))) == nullptr)
		return run;
	list_init(&run->link);
	run->pages = pages;
	run->address = kmap_reserve(pages);
	if (run->address != 0)
		return run;
	kfree(run);
	return nullptr;
}

uint64_t kmap_run_address(const struct kmap_run *run)
{
	return run->address;
}

void kmap_run_give(struct kmap_run *run)
{
	spin_lock(&runs_lock);
	list_push_front(&runs, &run->link);
	spin_unlock(&runs_lock);
}
