/* SPDX-License-Identifier: MIT */
/*
 * Disks come, break, come back and go.
 *
 *	RUNS ──(a fault, or time is up: disk_break)──> BROKEN ──(disk_suspend)──> SUSPENDED ──(disk_register)──> RUNS
 *	RUNS ──(disk_suspend)──> SUSPENDED             any ──(disk_gone)──> GONE
 *
 * While a disk is broken or suspended its requests stay where they are: the device may still write into their memory.
 * They are taken back when it is resumed or gone, before which the device core has silenced the device.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

constexpr uint32_t REQUESTS_MAX = 128;
constexpr uint64_t RETRY_NS = 10'000'000;
constexpr int GONE_TRIES = 4; /* after faults of this floor */

static uint64_t last_sequence; /* atomic */

const char *disk_name(const struct disk *d)
{
	return d->name;
}

const struct disk_geometry *disk_geometry(const struct disk *d)
{
	return &d->geometry;
}

enum disk_state disk_state(const struct disk *d)
{
	return (enum disk_state)__atomic_load_n(&d->state, __ATOMIC_ACQUIRE);
}

/* --- what a driver has is watched --- */

static void look_at(struct disk *d, uint64_t when_ns)
{
	if (!__atomic_exchange_n(&d->timer_on, true, __ATOMIC_ACQ_REL))
		timer_arm(&d->timer, when_ns);
}

/* How old a request is of which the driver is told that it is late, and then how old it is when it breaks the driver.
 */
static uint64_t limit_of(const struct disk *d, bool told)
{
	uint64_t limit = __atomic_load_n(&d->timeout_ns, __ATOMIC_RELAXED);

	return told || d->ops->late == nullptr ? limit : limit - limit / 3;
}

void disk_watch(struct disk *d, uint64_t given_ns)
{
	look_at(d, given_ns + limit_of(d, false));
}

/* When the oldest request that the driver has was given to it. */
static uint64_t oldest_given(struct block_queue *q)
{
	uint64_t given = UINT64_MAX;

	spin_lock(&q->lock);
	if (!list_empty(&q->flying))
		given = list_first(&q->flying, struct request, link)->given_ns;
	spin_unlock(&q->lock);
	return given;
}

static void call_late(struct disk *d, uint64_t given_ns)
{
	FAULT_POINT(driver_disk_late);
	if (disk_state(d) == DISK_RUNS && !guard_run_void(d->ops->component, d->ops->late(d->dev, given_ns)))
		disk_break(d, "a fault in late");
}

/* The driver is told of what it was given up to then. It is not suspended meanwhile. */
static void tell_late(struct disk *d, uint64_t given_ns)
{
	__atomic_store_n(&d->telling, true, __ATOMIC_SEQ_CST);
	if (!guard_run_void(&component_block, call_late(d, given_ns)))
		disk_break(d, "a fault of the block floor");
	__atomic_store_n(&d->telling, false, __ATOMIC_SEQ_CST);
	wait_wake_all(&d->quiet);
}

/* The timer is off before the queues are looked at: a request that comes later switches it on again. No request breaks
 * its driver before that was told and had its time, however late it is looked at. */
static void look_at_requests(struct timer *t)
{
	struct disk *d = container_of(t, struct disk, timer);
	uint64_t first = UINT64_MAX, now = clock_monotonic_ns();

	__atomic_store_n(&d->timer_on, false, __ATOMIC_SEQ_CST);
	for (uint32_t n = 0; n < d->queue_count; n++)
		first = MIN(first, oldest_given(&d->queues[n]));
	if (first == UINT64_MAX || disk_state(d) != DISK_RUNS)
		return;
	bool told = first <= d->told_ns;
	uint64_t limit = limit_of(d, told);
	if (first >= now || now - first < limit) {
		look_at(d, first + limit);
	} else if (told || d->ops->late == nullptr) {
		disk_break(d, "a request was not finished in time");
	} else {
		d->told_ns = now - limit;
		look_at(d, MAX(first + limit_of(d, true), now + limit / 2));
		tell_late(d, d->told_ns);
	}
}

/* --- a driver that had no room, and calls nobody --- */

static void retry(struct timer *t)
{
	struct disk *d = container_of(t, struct disk, retry);

	__atomic_store_n(&d->retry_on, false, __ATOMIC_SEQ_CST);
	for (uint32_t n = 0; n < d->queue_count && disk_state(d) == DISK_RUNS; n++)
		queue_retry(&d->queues[n]);
}

void disk_retry_later(struct disk *d)
{
	/* The driver may have found no memory, which its device's thread can look for. */
	if (d->dev != nullptr)
		device_wake(d->dev);
	if (!__atomic_exchange_n(&d->retry_on, true, __ATOMIC_ACQ_REL))
		timer_arm(&d->retry, clock_monotonic_ns() + RETRY_NS);
}

void disk_set_timeout(struct disk *d, uint64_t ns)
{
	__atomic_store_n(&d->timeout_ns, ns, __ATOMIC_RELAXED);
	/* A timer that is on for later would sleep through it. */
	__atomic_store_n(&d->timer_on, true, __ATOMIC_SEQ_CST);
	timer_arm(&d->timer, clock_monotonic_ns());
}

void disk_break(struct disk *d, const char *why)
{
	uint32_t runs = DISK_RUNS;

	if (!__atomic_compare_exchange_n(&d->state, &runs, DISK_BROKEN, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return;
	log_error("%s: %s: its driver is broken, requests are kept", d->name, why);
	if (d->dev != nullptr)
		device_fail(d->dev, why);
}

/* --- memory --- */

void disk_get(struct disk *d)
{
	__atomic_fetch_add(&d->refs, 1, __ATOMIC_RELAXED);
}

static void disk_free(struct disk *d)
{
	for (uint32_t n = 0; d->queues != nullptr && n < d->queue_count; n++)
		kfree(d->queues[n].requests);
	kfree(d->queues);
	kfree(d);
}

void disk_put(struct disk *d)
{
	if (__atomic_fetch_sub(&d->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	(void)timer_cancel(&d->timer);
	(void)timer_cancel(&d->retry);
	device_put(d->dev);
	disk_free(d);
}

static bool queue_init(struct disk *d, uint32_t number, uint32_t depth) NO_THREAD_SAFETY
{
	struct block_queue *q = &d->queues[number];

	q->disk = d;
	q->number = number;
	spin_init(&q->lock, RANK_BLOCK);
	list_init(&q->waiting);
	list_init(&q->flying);
	list_init(&q->idle);
	list_init(&q->ended);
	q->requests = kmalloc(depth * sizeof(*q->requests));
	if (q->requests == nullptr)
		return false;
	q->request_count = depth;
	for (uint32_t n = 0; n < depth; n++) {
		q->requests[n].queue = q;
		list_push_back(&q->idle, &q->requests[n].link);
	}
	return true;
}

struct disk *disk_create(const char *prefix, const struct disk_geometry *g)
{
	struct disk *d = kmalloc(sizeof(*d));

	if (d == nullptr)
		return nullptr;
	d->refs = 1;
	d->geometry = *g;
	d->timeout_ns = DISK_TIMEOUT_NS;
	d->sequence = __atomic_add_fetch(&last_sequence, 1, __ATOMIC_RELAXED);
	strlcpy(d->prefix, prefix, sizeof(d->prefix));
	list_init(&d->link);
	list_init(&d->resource.link);
	wait_queue_init(&d->quiet);
	sync_job_init(&d->sync_job, &cache_sync_work, d);
	timer_init(&d->timer, look_at_requests);
	timer_init(&d->retry, retry);
	d->queue_count = MIN(MIN(g->queues, boot_info()->cpu_count), DISK_QUEUES_MAX);
	d->queues = kmalloc(d->queue_count * sizeof(*d->queues));
	bool made = d->queues != nullptr;
	for (uint32_t n = 0; made && n < d->queue_count; n++)
		made = queue_init(d, n, MIN(g->depth, REQUESTS_MAX / d->queue_count));
	if (!made) {
		disk_free(d);
		return nullptr;
	}
	return d;
}

/* --- it runs, stops, and goes --- */

void disk_take_driver(struct disk *d, const struct disk_ops *ops, const struct disk_geometry *g)
{
	d->ops = ops;
	d->pieces_max = g->pieces_max;
	d->bytes_max = g->bytes_max;
	d->discard_blocks_max = g->discard_blocks_max;
	d->zero_blocks_max = g->zero_blocks_max;
	d->has_flush = g->has_flush;
	d->driver_queues = g->queues;
	d->unit = g->unit;
}

static bool is_quiet(struct disk *d)
{
	for (uint32_t n = 0; n < d->queue_count; n++)
		if (!queue_is_quiet(&d->queues[n]))
			return false;
	return !__atomic_load_n(&d->telling, __ATOMIC_SEQ_CST);
}

/* The driver has none of the disk's requests any more: its device is silent. */
static void take_back(struct disk *d, int error)
{
	for (uint32_t n = 0; n < d->queue_count; n++)
		queue_take_back(&d->queues[n], error);
}

void disk_resume(struct disk *d, const struct disk_ops *ops, const struct disk_geometry *g)
{
	take_back(d, 0);
	disk_take_driver(d, ops, g);
	__atomic_store_n(&d->state, DISK_RUNS, __ATOMIC_RELEASE);
	for (uint32_t n = 0; n < d->queue_count; n++)
		queue_dispatch(&d->queues[n]);
}

void disk_suspend(struct disk *d)
{
	uint32_t state = __atomic_load_n(&d->state, __ATOMIC_ACQUIRE);

	while ((state == DISK_RUNS || state == DISK_BROKEN) &&
	       !__atomic_compare_exchange_n(&d->state, &state, DISK_SUSPENDED, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE))
		;
	if (state == DISK_GONE)
		return;
	FAULT_POINT(driver_disk_suspended);
	wait_event(&d->quiet, is_quiet(d));
	log_info("%s: suspended", d->name);
}

static void take_back_all(struct disk *d)
{
	wait_event(&d->quiet, is_quiet(d));
	take_back(d, -ENODEV);
}

void disk_gone(struct disk *d)
{
	if (__atomic_exchange_n(&d->state, DISK_GONE, __ATOMIC_ACQ_REL) == DISK_GONE)
		return;
	/* A fault of this floor in one step is no reason to leave the others out. */
	bool whole = false;
	for (int n = 0; n < GONE_TRIES && !whole; n++)
		whole = guard_run_void(&component_block, take_back_all(d));
	(void)guard_run_void(&component_block, blkdev_remove_all(d));
	disk_unlist(d);
	log_info("%s: gone", d->name);
	/* Who may still be inside, and what may still be in its queues, keeps it. */
	if (whole)
		disk_put(d);
}
