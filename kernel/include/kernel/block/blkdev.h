/* SPDX-License-Identifier: MIT */
/*
 * Block devices: disks and their partitions as programs see them, by number and by name. Their nodes are devfs's, which
 * hears of each that comes and goes.
 */
#ifndef KERNEL_BLOCK_BLKDEV_H
#define KERNEL_BLOCK_BLKDEV_H

#include <stdint.h>

struct bio;
struct blkdev;
struct file;

struct blkdev_info {
	char name[40];
	uint32_t major, minor;
	uint64_t sectors; /* of 512 bytes */
};
/* The index-th device, in the order they came, a disk before its partitions. False past the last. */
bool blkdev_at(uint32_t index, struct blkdev_info *out);
/* Who keeps nodes is called for each device that comes and goes, under a guard; one, from before the first on. Who was
 * called before. */
typedef int blkdev_change(const struct blkdev_info *d, bool there);
blkdev_change *blkdev_set_nodes(blkdev_change *change);
/* The index-th major number that has a name, in ascending order, for /proc/devices. False past the last. */
bool blkdev_major_at(uint32_t index, uint32_t *major, const char **name);
/* Waits until the partitions of every disk that is there have been read, at most until deadline_ns (monotonic). */
void blkdev_settle(uint64_t deadline_ns);

/* --- for a filesystem on a device, whose node it has open (file_open_path, with O_EXCL) --- */
struct blkdev_facts {
	uint64_t bytes, dev; /* dev: as in st_dev */
	uint32_t block_bytes;
	const char *name; /* borrowed */
	bool read_only;
};
/* The device of an open file, borrowed while it is open; nullptr: it is no block device. */
struct blkdev *blkdev_of_file(const struct file *f);
void blkdev_facts(const struct blkdev *b, struct blkdev_facts *out);
/* bio_give (disk.h) of whole blocks of the device from byte `at` on, which lie on it; past its page cache: what is
 * dirty there was written before. kind, pieces, done and owner of the bio are set. */
[[nodiscard]] int blkdev_give(struct blkdev *b, struct bio *bio, uint64_t at, uint64_t bytes);

#endif
