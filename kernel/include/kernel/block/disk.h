/* SPDX-License-Identifier: MIT */
/*
 * Disks: what their drivers register with, and what filesystems and device nodes read and write by.
 *
 * A disk is an object of this floor and outlives its driver. A driver is given requests through `submit` and says by
 * disk_done() that one is finished. When it breaks (a fault in submit, a request that is not finished in time), the
 * disk gives it nothing more and tells the device core (device_fail), which calls disk_suspend() and silences the
 * device. A driver that registers a disk with the same identity (address, serial number, size) resumes the suspended
 * one: open files go on, and requests that were under way are given again, each as a whole. One of which
 * DISK_TRIES_MAX attempts failed ends with -EIO; disk_gone() ends all with -ENODEV.
 *
 *	submitter:  struct bio b = {.kind = BIO_READ, .block = …, .blocks = …, .pieces = …, .piece_count = …};
 *	            error = bio_run(d, &b);          or bio_submit with b.done set, and no wait
 *	driver:     attach: disk_register()     submit: into a ring     serve: disk_done() for what is finished
 *
 * A request that the driver sees is one of this floor's own: it is made of one or several neighbouring bios of the same
 * kind, or of a part of one, and never exceeds the geometry's limits. Its pieces all begin at the start of a page but
 * for the first, and end at the end of one but for the last; each is a multiple of block_bytes.
 *
 * Locks: RANK_BLOCK, spinlocks, never held while a driver or `done` is called.
 */
#ifndef KERNEL_BLOCK_DISK_H
#define KERNEL_BLOCK_DISK_H

#include <kernel/mem/page.h>
#include <lib/list.h>
#include <stdint.h>

struct component;
struct controller;
struct device;
struct disk;
struct disk_stats;

constexpr uint32_t DISK_BLOCK_MIN = 512, DISK_BLOCK_MAX = 4096;
constexpr uint32_t DISK_SECTOR = 512; /* the unit of what programs are told, whatever the disk's block is */
constexpr uint32_t DISK_QUEUES_MAX = 8;
constexpr uint32_t DISK_PIECES_MAX = 128; /* of one request */
constexpr uint32_t DISK_TRIES_MAX = 5;	  /* how often a bio is given to a driver that breaks */
constexpr uint64_t DISK_TIMEOUT_NS = 30'000'000'000;

/* A piece of memory of one page: of the page cache, of a process, or one that page_alloc_user gave. Devices are lent no
 * frames of the heap. */
struct bio_piece {
	struct page *page;
	uint32_t offset, length; /* bytes; within the page */
};

/* ZERO: blocks of zeros are written, without memory for them. */
enum bio_kind : uint8_t { BIO_READ, BIO_WRITE, BIO_FLUSH, BIO_DISCARD, BIO_ZERO };

/* A request. Memory of it and of its pieces is the submitter's and stays until it is done. */
struct bio {
	enum bio_kind kind;
	uint64_t block;	 /* first, in the disk's blocks; FLUSH: 0 */
	uint32_t blocks; /* READ, WRITE: the pieces together have as many bytes; FLUSH: 0 */
	const struct bio_piece *pieces;
	uint32_t piece_count;
	/* Called once, in any thread (the driver's, under its guard): must not sleep, takes spinlocks only.
	 * b->error is set, and b may be freed in it. One that faults is called once more, so it first finds out whether
	 * it was already. nullptr: somebody calls bio_wait. */
	void (*done)(struct bio *b);
	void *owner; /* the submitter's use */
	int error;   /* 0, -EIO, -ENODEV (the disk is gone), -EINVAL, -EROFS, -EOPNOTSUPP, or what the driver said */
	struct disk_stats *stats; /* of a partition, which counts it too; nullptr: none */
	uint64_t driver[2];	  /* the driver's use, in requests that it was given */
	uint32_t unit;		  /* in requests: the disk's, of its geometry */
	/* the block floor's own */
	struct list link;
	struct block_queue *queue;
	uint32_t given;	     /* blocks that are with the driver or were finished */
	uint32_t parts;	     /* requests that hold some of it */
	uint32_t piece;	     /* where the next part begins */
	uint32_t piece_used; /* bytes of that piece */
	uint8_t tries;
	uint8_t redo;	    /* enum bio_redo: to be given again when no part is out */
	bool alone, merged; /* not to be merged; was behind another one */
	bool taken;	    /* into a queue: it is finished some time */
	bool begun;	    /* it counts as under way */
	uint32_t finished;  /* atomic; bio_wait's */
	uint64_t began_ns;  /* in requests, for the driver: when it was given it */
};

struct disk_geometry {
	uint32_t block_bytes;	     /* logical: a power of two, DISK_BLOCK_MIN … DISK_BLOCK_MAX */
	uint32_t physical_bytes;     /* what the medium writes at once; 0: block_bytes */
	uint64_t blocks;	     /* not 0 */
	uint32_t pieces_max;	     /* of one request; 0: as many as DISK_PIECES_MAX */
	uint32_t bytes_max;	     /* of one request; 0: no limit of the device */
	uint32_t discard_blocks_max; /* of one BIO_DISCARD; 0: no limit of the device */
	uint32_t zero_blocks_max;    /* of one BIO_ZERO; 0: no limit of the device */
	uint32_t queues;	     /* that submit knows, from 0; 0: one */
	uint32_t depth;		     /* requests of one queue that the driver takes at a time; 0: 64 */
	uint32_t unit;		     /* which disk of its device's it is: the driver's number, given back in requests */
	bool read_only, has_flush, has_discard, has_zero, rotational;
	bool no_partitions;	       /* none are looked for */
	struct controller *controller; /* controller.h: below which it is shown; nullptr: below its device */
	char serial[64];	       /* empty: none. Not to be believed further than to tell disks apart */
	char address[64]; /* where it is: the device's address, of a namespace with its number. Empty: the device's */
};

struct disk_ops {
	struct component *component; /* the driver's: submit runs under its guard */
	/*
	 * Hands request b to queue `queue` of the device. 0; -EBUSY: it is full and the request stays here until the
	 * next disk_done or disk_room of the queue, or a moment if none of the queue's is with the driver (as when it
	 * has no memory); another error: the request has failed with it. Never parks; called in any thread, also from
	 * within disk_done and disk_room, by one thread at a time for each queue of each disk. It may finish the
	 * request (disk_done) before it returns. A fault in it breaks the driver.
	 */
	int (*submit)(struct device *dev, unsigned queue, struct bio *b);
	/* Requests that the driver was given up to then (monotonic; b->began_ns) have taken two thirds of their time;
	 * it may look after them before they break it. In the timer's thread: must not sleep. May be nullptr. */
	void (*late)(struct device *dev, uint64_t given_ns);
};

/*
 * By a driver's attach, when submit may be called: it is, before this returns. name_prefix: "vd" (the next free letters
 * follow) or, if it ends with a digit, the whole name ("nvme0n1"). dev is nullptr for a disk without a device. *out
 * stays valid until disk_gone. May sleep. -EINVAL: the geometry is none; -ENOMEM; -EEXIST: a disk of that name and
 * identity is there and works.
 */
[[nodiscard]] int disk_register(struct device *dev, const char *name_prefix, const struct disk_ops *ops,
				const struct disk_geometry *g, struct disk **out);
/* By a driver's attach that has registered all its disks: what the device had in a round before and has no more is gone
 * (disk_gone). Errors: none. May sleep. */
void disk_drop_missing(struct device *dev);
/* By a driver's serve: the disk is not there any more, while its device goes on. The driver has forgotten the disk's
 * requests, which end with -ENODEV, and its submit gives back -ENODEV for what comes meanwhile. In the device's thread,
 * without a lock. May sleep. The pointer is no longer valid. */
void disk_drop(struct disk *d);
/* By the driver: request b is finished. -EAGAIN: it is to be given again, as if the driver had broken with it. Without
 * any lock that submit takes, since it may call submit. A request that is not the driver's (finished twice, or taken
 * back) is counted and left alone. Any thread; does not sleep. */
void disk_done(struct disk *d, struct bio *b, int error);
/* By the driver, after submit said -EBUSY: it may be called again for the queue. As disk_done. */
void disk_room(struct disk *d, unsigned queue);
/* By the device core: no thread is inside submit any more, and none enters it. Requests stay as they are until the disk
 * is resumed or gone, which is after the device was silenced. After a fault in it, it is called again. May sleep; not
 * in submit. */
void disk_suspend(struct disk *d);
/* By the device core, for good, once the device is silent: the disk leaves /dev and all requests end with -ENODEV,
 * those to come too. The caller's pointer is no longer valid. May sleep. */
void disk_gone(struct disk *d);

/* Any thread; does not sleep, allocates nothing. Errors come through the bio. */
void bio_submit(struct disk *d, struct bio *b);
/* The same for several, linked by their `link` into a list: neighbours among them become one request. The list is empty
 * afterwards. */
void bio_submit_all(struct disk *d, struct list *bios);
/* The same for one, whose submitter goes on when the block floor itself faults meanwhile; its memory stays until this
 * returns, even when it is finished before. 0: it is finished some time; -EIO: by that fault nobody has it, and nobody
 * tells its end. */
[[nodiscard]] int bio_give(struct disk *d, struct bio *b);
/* Waits until b (without `done`) is finished; its error. Not under a driver's guard. No signal ends the wait: requests
 * end, if need be by disk_gone. */
int bio_wait(struct bio *b);
/*
 * bio_submit and bio_wait for one whose memory the caller owns: it is nobody's any more when this returns, also when
 * the block floor itself faults in between. b->done is nullptr. May sleep.
 */
int bio_run(struct disk *d, struct bio *b);
/* Submits, waits. What was finished before is on the medium afterwards. May sleep. -EINTR: the thread is to end, and
 * does not wait longer; other errors: a bio's. */
int disk_flush(struct disk *d);

/* --- for those who have a reference --- */
void disk_get(struct disk *d);
void disk_put(struct disk *d); /* may sleep */
const char *disk_name(const struct disk *d);
const struct disk_geometry *disk_geometry(const struct disk *d); /* as at the first registration; size never changes */
enum disk_state : uint8_t { DISK_RUNS, DISK_BROKEN, DISK_SUSPENDED, DISK_GONE };
enum disk_state disk_state(const struct disk *d); /* as it was just now */
/* Nanoseconds after which a request that the driver has not finished breaks it. */
void disk_set_timeout(struct disk *d, uint64_t ns);

#endif
