/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory whose driver does what a test says: it keeps requests until the test finishes them, in any order,
 * with any error; it says that it is full, loses requests, or strays in submit.
 */
#ifndef RAMDISK_H
#define RAMDISK_H

#include "ktest.h"

#include <kernel/base/lock.h>
#include <kernel/block/disk.h>

enum : uint32_t { RAM_BLOCK = 512, RAM_HELD_MAX = 64 };

/* Before or after submit has noted the request; when it is told of late ones. */
enum ram_stray { STRAY_NOT, STRAY_BEFORE, STRAY_AFTER, STRAY_LATE };

struct blkdev_info;
struct file;

struct ramdisk {
	struct disk *disk;
	struct device *device; /* nullptr: the disk has none */
	struct disk_geometry geometry;
	uint32_t block_bytes;
	unsigned char *data; /* geometry.blocks × block_bytes */
	struct spinlock lock;
	/* What the test sets. */
	bool hold;	    /* requests stay in `held`; else submit finishes them */
	uint32_t room;	    /* how many are held at most; then -EBUSY */
	uint64_t bad_block; /* a request that has it fails; UINT64_MAX: none */
	int bad_error;
	uint32_t fail_nth;  /* the request, counted from 1, that fails; 0: none */
	uint32_t fail_from; /* that one and all after it fail */
	uint32_t slow_nth;  /* that one is held */
	int refuse;	    /* what submit says instead of taking a request; 0: nothing */
	uint32_t strays;    /* so many calls of submit stray */
	enum ram_stray stray;
	bool has_late; /* as it is registered */
	/* What the test looks at. */
	struct bio *held[RAM_HELD_MAX];
	uint32_t held_count;
	uint32_t submits, taken, flushes, discards, zeros;
	uint32_t most_blocks; /* of one request */
	uint32_t told_late;   /* how often */
	uint32_t late;	      /* held requests that were, added up */
	bool broke_rules;     /* a request that a driver must never see */
};

/* A disk of so many blocks that is not yet registered. False: no memory, which is recorded. */
bool ram_create(struct ramdisk *r, uint32_t block_bytes, uint64_t blocks);
/* The same of blocks of RAM_BLOCK, which the pattern tells apart, and *buffer with room for all of them: the caller's.
 */
bool ram_create_filled(struct ramdisk *r, uint64_t blocks, unsigned char **buffer);
/* One more beside that, of zeros. */
bool ram_create_second(struct ramdisk *r, uint64_t blocks);
/* With r->geometry; the disk is r->disk. */
int ram_register(struct ramdisk *r);
/* Finishes the index-th held request, with r->bad_error if it has the bad block, else as given. */
void ram_finish(struct ramdisk *r, uint32_t index, int error);
void ram_finish_all(struct ramdisk *r);
/* As after a reset of the device: it has no request any more, and does as it should. */
void ram_reset(struct ramdisk *r);
/* The disk is gone, its memory free. */
void ram_destroy(struct ramdisk *r);

/* What is told of the device of that name; false: there is none. The machine may have disks of its own. */
bool blkdev_find(const char *name, struct blkdev_info *out);

/* A bio over a buffer of its own; `blocks` at most a page. */
struct ram_io {
	struct bio bio;
	struct bio_piece piece;
	unsigned char *bytes;
	uint32_t ended; /* atomic: how often `done` was called */
};
bool ram_io_create(struct ram_io *io, const struct ramdisk *r, enum bio_kind kind, uint64_t block, uint32_t blocks);
void ram_io_destroy(struct ram_io *io);
/* One is made and submitted. */
bool ram_submit(struct ram_io *io, struct ramdisk *r, enum bio_kind kind, uint64_t block, uint32_t blocks);
/* The first `ended` of them ended once each; then none of them is there any more, nor the disk. */
void ram_ios_destroy(struct ram_io *ios, uint32_t count, uint32_t ended, struct ramdisk *r);
/* Its node, or another file. nullptr: it is not there, which is recorded. */
struct file *ram_open(const char *path, uint32_t flags);
/* A table: a primary partition of blocks 8…71, an extended one with one logical partition of blocks 104…135. */
void ram_make_table(struct ramdisk *r);
/* An entry of the table in a block, which becomes one. */
void ram_put_entry(struct ramdisk *r, uint64_t block, unsigned slot, unsigned char type, uint32_t first,
		   uint32_t blocks);
/* A thread that reads the first bytes of an open file. */
struct ram_reader {
	struct file *file;
	void *to;
	uint64_t bytes;
	long result;
	uint32_t reading; /* atomic */
};
/* Begins; returns when the driver, which keeps what it gets, has a request. */
bool ram_reader_start(struct ram_reader *r, const struct ramdisk *ram, struct file *f, void *to, uint64_t bytes);
bool ram_reader_ends(struct ram_reader *r);
/* Bytes that tell blocks apart. */
void ram_pattern(unsigned char *bytes, uint64_t block, uint32_t blocks, uint32_t block_bytes, unsigned char salt);

#endif
