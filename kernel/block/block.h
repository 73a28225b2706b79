/* SPDX-License-Identifier: MIT */
/*
 * What the files of the block floor share: a disk with its queues and requests, and the block devices on it (the whole
 * disk and its partitions), which have numbers, nodes and page caches.
 */
#ifndef KERNEL_BLOCK_BLOCK_H
#define KERNEL_BLOCK_BLOCK_H

#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/block/blkdev.h>
#include <kernel/block/disk.h>
#include <kernel/device/class.h>
#include <kernel/device/device.h>
#include <kernel/thread/component.h>
#include <kernel/thread/timer.h>
#include <kernel/vfs/vfs.h>

DECLARE_COMPONENT(block);

/* --- stats.c: what /proc/diskstats tells; atomic, of a disk and of each partition --- */
struct disk_stats {
	uint64_t done[4], merged[4], sectors[4], ns[4]; /* by enum bio_kind; BIO_ZERO counts as BIO_WRITE */
	uint32_t under_way;
	uint64_t busy_since_ns, busy_ns; /* while at least one was under way */
};
void stats_begin(struct disk_stats *s, uint64_t now_ns);
void stats_end(struct disk_stats *s, const struct bio *b, uint64_t sectors, uint64_t now_ns);
void stats_show(struct text_buffer *b, const struct disk_stats *s); /* a line, which begins with a space */

/* --- request.c: requests are made of bios; the queue's lock is held --- */
/* What the driver is given. It belongs to its queue for ever, so that a driver that is confused finds no memory of
 * others there. */
struct request {
	struct bio bio; /* what the driver sees */
	struct list link;
	struct block_queue *queue;
	bool flying; /* with the driver */
	uint64_t given_ns;
	uint32_t bytes;
	/* Where the first of the bios began, should the request be taken apart. */
	uint32_t first_given, first_piece, first_piece_used;
	uint32_t bio_count;
	struct bio *bios[DISK_PIECES_MAX];
	struct bio_piece pieces[DISK_PIECES_MAX];
};

/* Why a bio is to be given again when none of its parts is with the driver any more. */
enum bio_redo : uint8_t {
	REDO_NOT,
	REDO_ALONE,  /* a request that it was part of failed: perhaps for another's sake */
	REDO_BROKEN, /* the driver broke */
};

struct block_queue {
	struct disk *disk;
	unsigned number;
	struct spinlock lock;
	struct list waiting GUARDED_BY(&lock); /* bios of which not all has been given */
	struct list flying GUARDED_BY(&lock);  /* requests with the driver, the oldest first */
	struct list idle GUARDED_BY(&lock);    /* requests that are free */
	struct list ended GUARDED_BY(&lock);   /* bios whose end is still to be told */
	uint32_t rooms GUARDED_BY(&lock);      /* how often there was room anew */
	bool full GUARDED_BY(&lock);	       /* submit said so, and no room came since */
	bool dispatching GUARDED_BY(&lock);    /* a thread hands over requests */
	struct request *requests;
	uint32_t request_count;
};

void request_insert(struct block_queue *q, struct bio *b) REQUIRES(q -> lock);
/* The next request, made of what waits first and its neighbours; nullptr: nothing waits, or all requests are out. */
struct request *request_next(struct block_queue *q) REQUIRES(q -> lock);
/* r was not taken: its bios wait as before, in front. */
void request_return(struct block_queue *q, struct request *r) REQUIRES(q -> lock);
/* r has ended: with an error (0: none), or to be given again. Bios that ended go to q->ended. After a fault in it, it
 * is called again. */
void request_end(struct block_queue *q, struct request *r, int error, enum bio_redo redo) REQUIRES(q -> lock);

/* --- queue.c --- */
/* Tells the end of what has ended. */
void queue_tell(struct block_queue *q);
/* Hands over what waits, as long as the driver takes it. */
void queue_dispatch(struct block_queue *q);
/* Takes all requests of the queue back. error 0: they are kept to be given again; else all that waits ends with it. */
void queue_take_back(struct block_queue *q, int error);
/* Hands over what waits once more, if the driver had no room and has nothing of the queue whose end would tell of some.
 */
void queue_retry(struct block_queue *q);
/* No thread hands over requests. */
bool queue_is_quiet(struct block_queue *q);

/* --- disk.c --- */
struct disk {
	struct list link;
	uint32_t refs;	/* atomic */
	uint32_t state; /* enum disk_state; atomic */
	char name[32];
	char prefix[16];
	uint32_t index;		       /* of its letters */
	struct disk_geometry geometry; /* of the first registration */
	/* What the driver said when it registered last; changed only while no request can be given. */
	const struct disk_ops *ops;
	struct device *dev;	  /* a reference, or nullptr */
	struct resource resource; /* the device's, while there is one */
	uint32_t pieces_max, bytes_max, discard_blocks_max, zero_blocks_max, driver_queues, unit;
	bool has_flush;

	struct block_queue *queues;
	uint32_t queue_count;
	struct wait_queue quiet; /* dispatchers that left */
	struct timer timer;
	bool timer_on; /* atomic */
	struct timer retry;
	bool retry_on;	  /* atomic */
	bool telling;	  /* atomic: the timer is in the driver's `late` */
	uint64_t told_ns; /* the timer's: requests that were given up to then are late, and the driver knows */
	uint64_t timeout_ns;
	struct disk_stats stats;
	struct page_store store; /* the page cache's */
	struct sync_job sync_job;
	uint64_t strays;   /* atomic: disk_done for what the driver did not have */
	uint64_t sequence; /* no other disk has or had it */
	bool scanning;	   /* atomic */
};

/* One that has no driver yet, with one reference. nullptr: out of memory. */
struct disk *disk_create(const char *prefix, const struct disk_geometry *g);
/* Who is asked from now on; no request is under way. */
void disk_take_driver(struct disk *d, const struct disk_ops *ops, const struct disk_geometry *g);
/* A suspended one goes on. */
void disk_resume(struct disk *d, const struct disk_ops *ops, const struct disk_geometry *g);
void disk_unlist(struct disk *d); /* register.c: its name is free */
/* The disk after `after` (which is put), or the first for nullptr, with a reference; nullptr: there are no more. */
struct disk *disk_each(struct disk *after);
/* The driver is broken: nothing more is given to it, and the device core hears of it. Any thread; does not sleep. */
void disk_break(struct disk *d, const char *why);
/* A queue's driver had no room, for want of memory perhaps, and no end of a request tells of some: it is asked again
 * soon. */
void disk_retry_later(struct disk *d);
/* A request is handed over, at given_ns: it is watched. */
void disk_watch(struct disk *d, uint64_t given_ns);

/* --- blkdev.c --- */
constexpr uint32_t BLOCK_MINORS = 16; /* of a disk, where the major is its driver's */
/* A disk as a whole (number 0), or a partition of it. */
struct blkdev {
	struct list link;	  /* of all, a disk before its partitions; devices_lock */
	bool leaving;		  /* found by nobody any more; devices_lock */
	struct list leaving_link; /* of who takes it away */
	uint32_t refs;		  /* atomic: the list, and whoever has it open */
	struct disk *disk;
	uint32_t number;
	uint64_t serial;	/* in the order in which they came */
	uint64_t first, blocks; /* in the disk's */
	struct blkdev_info info;
	bool fixed_read_only, read_only; /* by the disk or the table; by BLKROSET */
	uint32_t block_bytes;		 /* BLKBSZSET */
	uint32_t read_ahead;		 /* BLKRASET, sectors */
	uint32_t opens;			 /* devices_lock */
	const struct file *holder;	 /* opened with O_EXCL; devices_lock */
	struct inode *inode;		 /* its page cache hangs on it; programs never see it */
	struct disk_stats own_stats;	 /* of a partition */
	struct blkdev *whole;		 /* of a partition: a reference */
	bool shown;			 /* atomic: its node and its directory in /sys were made, or cannot be */
	struct class_entry entry;
};
/* Walks all devices: the one after `after` (whose reference it takes), or the first for nullptr, with a reference for
 * the caller; nullptr: there are no more. */
struct blkdev *blkdev_each(struct blkdev *after);
void blkdev_put(struct blkdev *b);  /* may sleep */
void blkdev_free(struct blkdev *b); /* by its inode's end */
/* A new device with its node. BLKDEV_APART: no other partition may have some of its blocks. -ENOMEM; -EBUSY: there is
 * one of that number, or not apart; or one of the number is just leaving. May sleep. */
enum blkdev_how : uint32_t { BLKDEV_READ_ONLY = 1, BLKDEV_APART = 2 };
[[nodiscard]] int blkdev_add(struct disk *d, uint32_t number, uint64_t first, uint64_t blocks, uint32_t how);
/* Takes partitions of d (number 0: all of them) from the list and from /dev. -EBUSY: one is open, and nothing was done;
 * -ENXIO: there is none of that number. May sleep. */
[[nodiscard]] int blkdev_remove_partitions(struct disk *d, uint32_t number);
void blkdev_remove_all(struct disk *d); /* open or not */
/* file_ops.open and release of every node. */
int blkdev_open(struct file *f);
void blkdev_close(struct file *f);
static inline struct blkdev *blkdev_of(const struct file *f)
{
	return f->private_data;
}
static inline bool blkdev_is_read_only(const struct blkdev *b)
{
	return b->fixed_read_only || __atomic_load_n(&b->read_only, __ATOMIC_RELAXED);
}
static inline uint64_t blkdev_bytes(const struct blkdev *b)
{
	return b->blocks * b->disk->geometry.block_bytes;
}
static inline struct disk_stats *blkdev_stats(struct blkdev *b)
{
	return b->number == 0 ? &b->disk->stats : &b->own_stats;
}
/* A bio of b's blocks from byte `at` on, without memory. */
struct bio blkdev_bio(struct blkdev *b, enum bio_kind kind, uint64_t at, uint64_t bytes);
/* Reads or writes whole blocks of b from byte `at` on; waits. Memory is pieces. */
[[nodiscard]] int blkdev_transfer(struct blkdev *b, enum bio_kind kind, uint64_t at, const struct bio_piece *pieces,
				  uint32_t count);
/* Discards, or zeros, whole blocks; waits. */
[[nodiscard]] int blkdev_without_data(struct blkdev *b, enum bio_kind kind, uint64_t at, uint64_t bytes);

/* --- controller.c --- */
/* Where its disks are shown; nullptr for none. */
struct class_entry *controller_entry(struct controller *c);

/* --- sys.c --- */
/* The class is there before its first disk is, which does not pay for it. -ENOMEM. */
[[nodiscard]] int block_show_class(void);
void block_show(struct blkdev *b); /* in /sys; class_remove(&b->entry) undoes it */

/* --- cache.c --- */
/* The inode of a device, with a page cache that is filled from it. nullptr: out of memory. */
struct inode *cache_create(struct blkdev *b);
/* Writes what is dirty of n bytes from `at` on; a flush of the disk's own cache is not part of it. -EINTR: the thread
 * is to end, and does not wait longer; patient: it waits even then. */
[[nodiscard]] int cache_write_back(struct blkdev *b, uint64_t at, uint64_t n, bool patient);
/* What sync(2) does with a disk. */
extern const struct sync_work cache_sync_work;
/* Gives back what is cached of n bytes from `at` on, clean and used by nobody. Waits for what is being read. */
void cache_shed(struct blkdev *b, uint64_t at, uint64_t n);
/* Bytes (nullptr: zeros) were written past the cache: what it has of them is made the same, and dirty. */
void cache_update(struct blkdev *b, uint64_t at, const void *from, uint64_t n);
/* Whole pages of the range are not cached any more, dirty or not; those that somebody uses, as by a mapping, are zeros
 * then, and go on showing what others write. */
void cache_forget(struct blkdev *b, uint64_t at, uint64_t n);

/* --- file.c, direct.c, ioctl.c --- */
extern const struct file_ops blkdev_file_ops;
long direct_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
long direct_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
long blkdev_ioctl(struct file *f, uint32_t command, uint64_t arg);

/* Writes zeros to whole blocks of b past the cache, which sees the same, however far it got; waits. -ENOMEM, -EIO,
 * -ENODEV; -EINTR: the thread is to end. */
[[nodiscard]] long blkdev_write_zeros(struct blkdev *b, uint64_t at, uint64_t bytes);

/* --- scan.c --- */
/* Reads the table of partitions in a thread of its own. */
void scan_start(struct disk *d);
/* Reads it anew. -EBUSY: partitions are open, or it is being read. May sleep. */
[[nodiscard]] int scan_again(struct disk *d);

#endif
