/* SPDX-License-Identifier: MIT */
/*
 * The way of a bio: checked, put into a queue of the CPU it was submitted on, handed to the driver in a request,
 * finished.
 *
 * Whoever finds work hands it over: a submitter, or the driver's thread when it finished a request. One thread at a
 * time does so for each queue (`dispatching`); what others add meanwhile it sees before it leaves. The driver's submit
 * runs under the driver's guard and without any lock.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

/* By address of the bio: bios have no queue of their own, since the waiter may free one as soon as it is finished. */
static struct wait_queue waits[16] = {
	WAIT_QUEUE_INIT(waits[0]),  WAIT_QUEUE_INIT(waits[1]),	WAIT_QUEUE_INIT(waits[2]),  WAIT_QUEUE_INIT(waits[3]),
	WAIT_QUEUE_INIT(waits[4]),  WAIT_QUEUE_INIT(waits[5]),	WAIT_QUEUE_INIT(waits[6]),  WAIT_QUEUE_INIT(waits[7]),
	WAIT_QUEUE_INIT(waits[8]),  WAIT_QUEUE_INIT(waits[9]),	WAIT_QUEUE_INIT(waits[10]), WAIT_QUEUE_INIT(waits[11]),
	WAIT_QUEUE_INIT(waits[12]), WAIT_QUEUE_INIT(waits[13]), WAIT_QUEUE_INIT(waits[14]), WAIT_QUEUE_INIT(waits[15]),
};

static struct wait_queue *wait_of(const struct bio *b)
{
	return &waits[((uintptr_t)b / 64) % ARRAY_LEN(waits)];
}

static void count(struct disk *d, const struct bio *b)
{
	uint64_t sectors = (uint64_t)b->blocks * (d->geometry.block_bytes / DISK_SECTOR);
	uint64_t now = clock_monotonic_ns();

	stats_end(&d->stats, b, sectors, now);
	if (b->stats != nullptr)
		stats_end(b->stats, b, sectors, now);
}

/* How far it has come, for after a fault: outside of the guard, and so in memory (what is inlined into who has the
 * guard may have it in registers). */
struct finishing {
	struct list bios; /* which nobody else tells of */
	const struct bio *counted;
	struct bio *told;	  /* it is just being told */
	struct wait_queue *woken; /* where somebody waited for it, whose it is again: it may be gone */
};

static void tell(struct bio *b, struct finishing *f)
{
	if (b->done != nullptr) {
		b->done(b);
		return;
	}
	struct wait_queue *w = wait_of(b);
	f->woken = w;
	__atomic_store_n(&b->finished, 1, __ATOMIC_RELEASE);
	wait_wake_all(w);
}

static void tell_again(struct bio *b, struct wait_queue *woken)
{
	struct finishing f = {};

	if (woken != nullptr)
		wait_wake_all(woken);
	else
		tell(b, &f);
}

static void take_ended(struct block_queue *q, struct list *bios)
{
	spin_lock(&q->lock);
	if (!list_empty(&q->ended)) {
		list_insert_after(q->ended.prev, bios);
		list_remove(&q->ended);
	}
	spin_unlock(&q->lock);
}

[[gnu::noinline]] static void finish_each(struct block_queue *q, struct finishing *f)
{
	if (list_empty(&f->bios))
		take_ended(q, &f->bios);
	while (!list_empty(&f->bios)) {
		struct bio *b = list_first(&f->bios, struct bio, link);

		if (f->counted != b) {
			f->counted = b;
			count(q->disk, b);
		}
		list_remove(&b->link);
		f->told = b;
		tell(b, f);
		f->counted = f->told = nullptr;
		f->woken = nullptr;
	}
}

/* A fault in a `done` is its submitter's, one in the counting this floor's: neither this bio, which is told once more,
 * nor the others nor the queue, which this thread may be handing over from, wait for ever because of it, and the driver
 * whose thread this may be is not blamed. */
void queue_tell(struct block_queue *q)
{
	struct finishing f = {.bios = LIST_INIT(f.bios)};

	GUARD_SHARES(f);
	while (!guard_run_void(&component_block, finish_each(q, &f))) {
		struct bio *again = f.told;
		struct wait_queue *woken = f.woken;

		log_error("%s: a fault where a request's end was told", q->disk->name);
		if (again == nullptr)
			continue;
		f.counted = f.told = nullptr;
		f.woken = nullptr;
		(void)guard_run_void(&component_block, tell_again(again, woken));
	}
}

int bio_wait(struct bio *b)
{
	wait_event(wait_of(b), __atomic_load_n(&b->finished, __ATOMIC_ACQUIRE) != 0);
	return b->error;
}

static bool pieces_fit(const struct disk *d, const struct bio *b)
{
	uint32_t block = d->geometry.block_bytes;
	uint64_t bytes = 0;

	for (uint32_t n = 0; n < b->piece_count; n++) {
		const struct bio_piece *p = &b->pieces[n];

		if (p->length == 0 || p->length % block != 0 || p->length > PAGE_SIZE || p->offset % 4 != 0 ||
		    p->offset > PAGE_SIZE - p->length)
			return false;
		bytes += p->length;
	}
	return bytes == (uint64_t)b->blocks * block;
}

static int check(const struct disk *d, const struct bio *b)
{
	const struct disk_geometry *g = &d->geometry;

	if (b->kind == BIO_FLUSH)
		return b->blocks == 0 ? 0 : -EINVAL;
	if (b->blocks == 0 || b->block >= g->blocks || b->blocks > g->blocks - b->block)
		return -EINVAL;
	if (b->kind != BIO_READ && g->read_only)
		return -EROFS;
	if (b->kind == BIO_DISCARD)
		return g->has_discard ? 0 : -EOPNOTSUPP;
	if (b->kind == BIO_ZERO)
		return g->has_zero ? 0 : -EOPNOTSUPP;
	return pieces_fit(d, b) ? 0 : -EINVAL;
}

static void prepare(struct disk *d, struct bio *b, uint64_t now)
{
	list_init(&b->link);
	b->given = b->parts = b->piece = b->piece_used = 0;
	b->tries = b->redo = 0;
	b->alone = b->merged = b->taken = b->begun = false;
	b->finished = 0;
	b->began_ns = now;
	b->error = check(d, b);
	stats_begin(&d->stats, now);
	if (b->stats != nullptr)
		stats_begin(b->stats, now);
	b->begun = true;
}

static enum disk_state state_of(const struct disk *d)
{
	return (enum disk_state)__atomic_load_n(&d->state, __ATOMIC_ACQUIRE);
}

void bio_submit_all(struct disk *d, struct list *bios)
{
	struct block_queue *q = &d->queues[thread_page_current()->cpu % d->queue_count];
	uint64_t now = clock_monotonic_ns();
	bool ended = false;

	while (!list_empty(bios)) {
		struct bio *b = list_first(bios, struct bio, link);

		list_remove(&b->link);
		prepare(d, b, now);
		spin_lock(&q->lock);
		if (b->error == 0 && state_of(d) == DISK_GONE)
			b->error = -ENODEV;
		/* What a disk without a cache of its own has finished is on its medium. */
		if (b->error == 0 && (b->kind != BIO_FLUSH || d->has_flush)) {
			request_insert(q, b);
		} else {
			list_push_back(&q->ended, &b->link);
			ended = true;
		}
		b->taken = true;
		spin_unlock(&q->lock);
	}
	FAULT_POINT(driver_disk_taken);
	if (ended)
		queue_tell(q);
	queue_dispatch(q);
}

void bio_submit(struct disk *d, struct bio *b)
{
	struct list one = LIST_INIT(one);

	list_init(&b->link);
	list_push_back(&one, &b->link);
	bio_submit_all(d, &one);
}

/* All that waits is handed over, and all that has ended is told, whoever was to do so. */
static void kick(struct disk *d)
{
	for (uint32_t n = 0; n < d->queue_count; n++) {
		queue_tell(&d->queues[n]);
		queue_dispatch(&d->queues[n]);
	}
}

int bio_give(struct disk *d, struct bio *b)
{
	b->taken = b->begun = false;
	if (guard_run_void(&component_block, bio_submit(d, b)))
		return 0;
	/* Who was to hand it over may not have come to it. */
	if (b->taken) {
		kick(d);
		return 0;
	}
	/* Nobody has it. */
	if (b->begun) {
		b->error = -EIO;
		(void)guard_run_void(&component_block, count(d, b));
	}
	return -EIO;
}

int bio_run(struct disk *d, struct bio *b)
{
	int error = bio_give(d, b);

	if (error != 0)
		return error;
	/* Its memory is the device's until then, and may be this thread's stack: no fault of this floor ends the wait.
	 */
	while (!guard_run_void(&component_block, (void)bio_wait(b)))
		;
	return b->error;
}

/* What became of handing r over. False: the driver takes no more for now. */
static bool handed_over(struct block_queue *q, struct request *r, int error, uint32_t rooms) REQUIRES(q -> lock)
{
	/* 0, or the driver finished it already, whatever it says about that. After a fault it may be with the device.
	 */
	if (error == 0 || error == -EFAULT || !r->flying)
		return error != -EFAULT;
	if (error != -EBUSY) {
		request_end(q, r, error, REDO_NOT);
		return true;
	}
	request_return(q, r);
	q->full = q->rooms == rooms;
	return !q->full;
}

/* `mine`: it is this thread that dispatches; outside of the guard that it does so under, as struct finishing is. */
[[gnu::noinline]] static void hand_over(struct block_queue *q, bool *mine)
{
	struct disk *d = q->disk;
	struct request *r;

	spin_lock(&q->lock);
	if (q->dispatching) {
		spin_unlock(&q->lock);
		return;
	}
	q->dispatching = *mine = true;
	while (state_of(d) == DISK_RUNS && !q->full && (r = request_next(q)) != nullptr) {
		uint32_t rooms = q->rooms;
		uint64_t now = clock_monotonic_ns();

		r->given_ns = r->bio.began_ns = now;
		spin_unlock(&q->lock);
		FAULT_POINT(driver_disk_watched);
		disk_watch(d, now);
		int error = (int)guard_run(d->ops->component,
					   d->ops->submit(d->dev, q->number % d->driver_queues, &r->bio));
		if (error == -EFAULT)
			disk_break(d, "a fault in submit");
		spin_lock(&q->lock);
		bool nobody_calls = !handed_over(q, r, error, rooms) && list_empty(&q->flying);
		if (nobody_calls || !list_empty(&q->ended)) {
			spin_unlock(&q->lock);
			/* While it is dispatching, so that the disk is still there. */
			if (nobody_calls)
				disk_retry_later(d);
			queue_tell(q);
			spin_lock(&q->lock);
		}
	}
	q->dispatching = *mine = false;
	spin_unlock(&q->lock);
	if (state_of(d) != DISK_RUNS)
		wait_wake_all(&d->quiet);
}

void queue_dispatch(struct block_queue *q)
{
	bool mine = false;

	GUARD_SHARES(mine);
	if (guard_run_void(&component_block, hand_over(q, &mine)))
		return;
	/* This floor's own fault. What was being handed over counts as with the driver, which begins anew, and gets it
	 * once more; nobody waits for what this thread has left. */
	disk_break(q->disk, "a fault of the block floor");
	queue_tell(q);
	spin_lock(&q->lock);
	if (mine)
		q->dispatching = false;
	spin_unlock(&q->lock);
	wait_wake_all(&q->disk->quiet);
}

void queue_retry(struct block_queue *q)
{
	spin_lock(&q->lock);
	bool retry = q->full && list_empty(&q->flying);
	if (retry) {
		q->rooms++;
		q->full = false;
	}
	spin_unlock(&q->lock);
	if (retry)
		queue_dispatch(q);
}

bool queue_is_quiet(struct block_queue *q)
{
	spin_lock(&q->lock);
	bool quiet = !q->dispatching;
	spin_unlock(&q->lock);
	return quiet;
}

/* There is room in one of the driver's queues, which several of ours may lead to. */
static void make_room(struct disk *d, unsigned driver_queue)
{
	for (uint32_t n = driver_queue; n < d->queue_count; n += d->driver_queues) {
		struct block_queue *q = &d->queues[n];

		spin_lock(&q->lock);
		q->rooms++;
		q->full = false;
		bool work = !list_empty(&q->waiting) && !q->dispatching;
		spin_unlock(&q->lock);
		if (work)
			queue_dispatch(q);
	}
}

void disk_room(struct disk *d, unsigned queue)
{
	if (state_of(d) == DISK_RUNS && queue < d->driver_queues)
		make_room(d, queue);
}

/* The request of which the driver has b; nullptr: it is none of this disk's. */
static struct request *request_of(struct disk *d, const struct bio *b)
{
	for (uint32_t n = 0; n < d->queue_count; n++) {
		const struct block_queue *q = &d->queues[n];
		uintptr_t offset = (uintptr_t)b - (uintptr_t)&q->requests[0].bio;

		if (offset < q->request_count * sizeof(struct request))
			return offset % sizeof(struct request) == 0 ? &q->requests[offset / sizeof(struct request)]
								    : nullptr;
	}
	return nullptr;
}

void disk_done(struct disk *d, struct bio *b, int error)
{
	struct request *r = request_of(d, b);

	if (r == nullptr) {
		__atomic_fetch_add(&d->strays, 1, __ATOMIC_RELAXED);
		return;
	}
	struct block_queue *q = r->queue;
	spin_lock(&q->lock);
	bool mine = r->flying && state_of(d) == DISK_RUNS;
	if (mine && error == -EAGAIN)
		request_end(q, r, 0, REDO_BROKEN);
	else if (mine)
		request_end(q, r, error > 0 ? -EIO : error, REDO_NOT);
	spin_unlock(&q->lock);
	if (!mine) {
		__atomic_fetch_add(&d->strays, 1, __ATOMIC_RELAXED);
		return;
	}
	FAULT_POINT(driver_disk_ended);
	queue_tell(q);
	make_room(d, q->number % d->driver_queues);
}

void queue_take_back(struct block_queue *q, int error)
{
	spin_lock(&q->lock);
	/* The newest first, since each goes before all that waits. */
	while (!list_empty(&q->flying)) {
		struct request *r = list_entry(q->flying.prev, struct request, link);
		request_end(q, r, 0, REDO_BROKEN);
	}
	q->full = false;
	while (error != 0 && !list_empty(&q->waiting)) {
		struct bio *b = list_first(&q->waiting, struct bio, link);

		b->error = error;
		list_remove(&b->link);
		list_push_back(&q->ended, &b->link);
	}
	spin_unlock(&q->lock);
	queue_tell(q);
}
