/* SPDX-License-Identifier: MIT */
/*
 * A flush that a process waits for. It has memory of its own, so that who is to end leaves it to the device, however
 * long that takes. Two own it, the waiter and the device.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/killable.h>
#include <kernel/mem/slab.h>

struct flush {
	struct bio bio;
	uint32_t owners, over; /* atomic */
};

static struct wait_queue flushed = WAIT_QUEUE_INIT(flushed); /* of all disks */

static void put(struct flush *f)
{
	if (__atomic_sub_fetch(&f->owners, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(f);
}

static void flush_done(struct bio *b)
{
	struct flush *f = b->owner;

	/* After a fault it is told once more. */
	if (__atomic_exchange_n(&f->over, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	wait_wake_all(&flushed);
	put(f);
}

int disk_flush(struct disk *d)
{
	struct bio own = {.kind = BIO_FLUSH};
	struct flush *f = subject_current() != nullptr ? kmalloc(sizeof(*f)) : nullptr;

	/* A thread of the kernel is not to end; and without memory the flush counts for more. */
	if (f == nullptr)
		return bio_run(d, &own);
	f->bio = (struct bio){.kind = BIO_FLUSH, .done = flush_done, .owner = f};
	f->owners = 2;
	if (bio_give(d, &f->bio) != 0) {
		f->bio.error = -EIO;
		flush_done(&f->bio);
	}
	int error = wait_event_killable(&flushed, __atomic_load_n(&f->over, __ATOMIC_ACQUIRE) != 0);
	if (error == 0)
		error = f->bio.error;
	put(f);
	return error;
}
