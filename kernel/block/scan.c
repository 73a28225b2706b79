/* SPDX-License-Identifier: MIT */
/*
 * The partitions of a disk, as its table says (lib/partition.h). They are read by a thread of this floor when the disk
 * is registered, since its driver serves nobody before its attach has returned; and by who asks for it (BLKRRPART).
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/partition.h>

static uint32_t under_way; /* atomic: threads that read a table */
static struct wait_queue all_read = WAIT_QUEUE_INIT(all_read);

struct scan {
	struct disk *disk;
	struct page *page; /* which the disk writes into */
	uint32_t count;
};

static int read_block(void *context, uint64_t number, void *)
{
	struct scan *s = context;
	struct bio_piece piece = {s->page, 0, s->disk->geometry.block_bytes};
	struct bio b = {.kind = BIO_READ, .block = number, .blocks = 1, .pieces = &piece, .piece_count = 1};

	return bio_run(s->disk, &b);
}

static int add_partition(void *context, const struct partition *p)
{
	struct scan *s = context;
	int error = blkdev_add(s->disk, p->number, p->first, p->blocks, p->read_only ? BLKDEV_READ_ONLY : 0);

	s->count += error == 0;
	return error == -EBUSY ? 0 : error;
}

static int read_table(struct disk *d)
{
	struct scan s = {.disk = d, .page = page_alloc_user(false)};
	struct partition_result result;

	if (s.page == nullptr)
		return -ENOMEM;
	struct partition_disk disk = {.read = read_block,
				      .context = &s,
				      .block_bytes = d->geometry.block_bytes,
				      .blocks = d->geometry.blocks,
				      .block = page_address(s.page)};
	int error = partition_read(&disk, add_partition, &s, &result);
	page_put(s.page);
	if (error != 0) {
		log_warn("%s: its partitions cannot be read: error %d", d->name, -error);
		return error;
	}
	if (result.trouble != nullptr)
		log_warn("%s: %s", d->name, result.trouble);
	if (result.second_copy)
		log_warn("%s: the first copy of its table is broken, the second was taken", d->name);
	if (result.scheme != PARTITION_NONE)
		log_info("%s: %s with %u partitions%s", d->name, result.scheme == PARTITION_GPT ? "GPT" : "MBR",
			 s.count, result.left_out > 0 ? ", others are left out" : "");
	return 0;
}

static long read_guarded(void *arg)
{
	return read_table(arg);
}

static void scan_thread(void *arg)
{
	struct disk *d = arg;

	(void)guard_call(&component_block, read_guarded, d);
}

/* Whatever becomes of the thread, nobody waits for it any more. */
static void scan_over(void *arg)
{
	struct disk *d = arg;

	__atomic_store_n(&d->scanning, false, __ATOMIC_RELEASE);
	(void)guard_run_void(&component_block, disk_put(d));
	thread_told();
	__atomic_fetch_sub(&under_way, 1, __ATOMIC_RELEASE);
	wait_wake_all(&all_read);
}

void scan_start(struct disk *d)
{
	disk_get(d);
	__atomic_store_n(&d->scanning, true, __ATOMIC_RELEASE);
	__atomic_fetch_add(&under_way, 1, __ATOMIC_RELAXED);
	if (kthread_start_told(&component_block, "partitions", scan_thread, scan_over, d) == 0)
		return;
	log_warn("%s: no memory to read its partitions", d->name);
	__atomic_store_n(&d->scanning, false, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&under_way, 1, __ATOMIC_RELEASE);
	disk_put(d);
}

int scan_again(struct disk *d)
{
	if (__atomic_exchange_n(&d->scanning, true, __ATOMIC_ACQ_REL))
		return -EBUSY;
	int error = blkdev_remove_partitions(d, 0);
	if (error == 0)
		error = (int)guard_call(&component_block, read_guarded, d);
	__atomic_store_n(&d->scanning, false, __ATOMIC_RELEASE);
	return error;
}

void blkdev_settle(uint64_t deadline_ns)
{
	(void)wait_event_deadline(&all_read, __atomic_load_n(&under_way, __ATOMIC_ACQUIRE) == 0, deadline_ns);
}
