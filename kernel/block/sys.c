/* SPDX-License-Identifier: MIT */
/*
 * Disks and partitions in /sys (Linux, Documentation/ABI/stable/sysfs-block; Documentation/block/queue-sysfs.rst). The
 * argument of a file is its block device, which lives until its directory has gone.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/file/text_file.h>
#include <kernel/mem/text.h>
#include <lib/string.h>

typedef unsigned long long ull;

constexpr uint64_t NS_PER_MS = 1'000'000;
constexpr uint32_t EXTENDED_RANGE = 256; /* minors that a disk's partitions may have */

static const struct disk_geometry *geometry_of(const struct blkdev *b)
{
	return &b->disk->geometry;
}

static int show(struct text_buffer *b, uint64_t value)
{
	text_printf(b, "%llu\n", (ull)value);
	return 0;
}

#define SHOWS(function, value)                                                                                         \
	static int function(struct text_buffer *b, void *arg)                                                          \
	{                                                                                                              \
		const struct blkdev *d = arg;                                                                          \
                                                                                                                       \
		return show(b, (value));                                                                               \
	}
SHOWS(show_size, d->info.sectors)
SHOWS(show_read_only, blkdev_is_read_only(d))
SHOWS(show_start, d->first *(geometry_of(d)->block_bytes / DISK_SECTOR))
SHOWS(show_number, d->number)
SHOWS(show_sequence, d->disk->sequence)
SHOWS(show_block, geometry_of(d)->block_bytes)
SHOWS(show_physical, geometry_of(d)->physical_bytes)
SHOWS(show_rotational, geometry_of(d)->rotational)
SHOWS(show_discard_granularity, geometry_of(d)->has_discard ? geometry_of(d)->block_bytes : 0)
SHOWS(show_max_kb, d->disk->bytes_max / 1024)
SHOWS(show_max_segments, d->disk->pieces_max)
SHOWS(show_requests, d->disk->queues[0].request_count)
SHOWS(show_read_ahead, __atomic_load_n(&d->read_ahead, __ATOMIC_RELAXED) / 2)

static int show_zero(struct text_buffer *b, void *)
{
	return show(b, 0);
}

static int show_range(struct text_buffer *b, void *)
{
	return show(b, BLOCK_MINORS);
}

static int show_ext_range(struct text_buffer *b, void *)
{
	return show(b, EXTENDED_RANGE);
}

static int show_discard_max(struct text_buffer *b, void *arg)
{
	const struct blkdev *d = arg;
	uint64_t bytes = (uint64_t)d->disk->discard_blocks_max * geometry_of(d)->block_bytes;

	return show(b, geometry_of(d)->has_discard ? bytes : 0);
}

static int show_zero_max(struct text_buffer *b, void *arg)
{
	const struct blkdev *d = arg;
	uint64_t bytes = (uint64_t)d->disk->zero_blocks_max * geometry_of(d)->block_bytes;

	return show(b, geometry_of(d)->has_zero ? bytes : 0);
}

static int show_stat(struct text_buffer *b, void *arg)
{
	stats_show(b, blkdev_stats(arg));
	return 0;
}

static int show_timeout(struct text_buffer *b, void *arg)
{
	const struct blkdev *d = arg;

	return show(b, __atomic_load_n(&d->disk->timeout_ns, __ATOMIC_RELAXED) / NS_PER_MS);
}

static long write_timeout(const char *text, size_t n, void *arg)
{
	struct blkdev *d = arg;
	int64_t ms;
	int error = knob_parse(text, n, &ms);

	if (error < 0)
		return error;
	if (ms <= 0 || ms > UINT32_MAX)
		return -EINVAL;
	disk_set_timeout(d->disk, (uint64_t)ms * NS_PER_MS);
	return (long)n;
}

static int show_serial(struct text_buffer *b, void *arg)
{
	text_printf(b, "%s\n", geometry_of(arg)->serial);
	return 0;
}

static int show_write_cache(struct text_buffer *b, void *arg)
{
	text_printf(b, "write %s\n", ((const struct blkdev *)arg)->disk->has_flush ? "back" : "through");
	return 0;
}

static int show_no_scheduler(struct text_buffer *b, void *)
{
	text_printf(b, "[none]\n");
	return 0;
}

static int show_not_zoned(struct text_buffer *b, void *)
{
	text_printf(b, "none\n");
	return 0;
}

#define ENTRY(entry_name, function)                                                                                    \
	{.component = &component_block, .name = (entry_name), .mode = 0444, .show = (function)}
#define OF_BOTH                                                                                                        \
	ENTRY("size", show_size), ENTRY("ro", show_read_only), ENTRY("stat", show_stat),                               \
		ENTRY("alignment_offset", show_zero), ENTRY("discard_alignment", show_zero)
static const struct node_file of_partition[] = {
	OF_BOTH,
	ENTRY("partition", show_number),
	ENTRY("start", show_start),
	{},
};
static const struct node_file of_disk[] = {
	OF_BOTH,
	ENTRY("removable", show_zero),
	ENTRY("hidden", show_zero),
	ENTRY("range", show_range),
	ENTRY("ext_range", show_ext_range),
	ENTRY("diskseq", show_sequence),
	ENTRY("queue/logical_block_size", show_block),
	ENTRY("queue/hw_sector_size", show_block),
	ENTRY("queue/physical_block_size", show_physical),
	ENTRY("queue/minimum_io_size", show_physical),
	ENTRY("queue/optimal_io_size", show_zero),
	ENTRY("queue/rotational", show_rotational),
	ENTRY("queue/discard_granularity", show_discard_granularity),
	ENTRY("queue/discard_max_bytes", show_discard_max),
	ENTRY("queue/discard_max_hw_bytes", show_discard_max),
	ENTRY("queue/write_zeroes_max_bytes", show_zero_max),
	ENTRY("queue/max_sectors_kb", show_max_kb),
	ENTRY("queue/max_hw_sectors_kb", show_max_kb),
	ENTRY("queue/max_segments", show_max_segments),
	ENTRY("queue/nr_requests", show_requests),
	ENTRY("queue/read_ahead_kb", show_read_ahead),
	ENTRY("queue/write_cache", show_write_cache),
	ENTRY("queue/scheduler", show_no_scheduler),
	{.component = &component_block,
	 .name = "queue/io_timeout",
	 .mode = 0644,
	 .show = show_timeout,
	 .write = write_timeout},
	ENTRY("queue/zoned", show_not_zoned),
	{},
};
static const struct node_file of_named_disk[] = {ENTRY("serial", show_serial), {}};

/* What it is made of and what is made of it: of nothing, but programs look. */
static void add_relations(struct tree_node *directory, bool slaves)
{
	if (directory == nullptr)
		return;
	(void)tree_path(directory, "holders");
	if (slaves)
		(void)tree_path(directory, "slaves");
}

void block_show(struct blkdev *b)
{
	bool whole = b->number == 0;

	b->entry = (struct class_entry){
		.class = "block",
		.device = b->disk->dev,
		.parent = whole ? controller_entry(geometry_of(b)->controller) : &b->whole->entry,
		.block = true,
		.has_number = true,
		.major = b->info.major,
		.minor = b->info.minor,
		.type = whole ? "disk" : "partition",
	};
	strlcpy(b->entry.name, b->info.name, sizeof(b->entry.name));
	class_add(&b->entry, whole ? of_disk : of_partition, b);
	add_relations(b->entry.directory, whole);
	if (whole && b->entry.directory != nullptr && geometry_of(b)->serial[0] != '\0')
		(void)tree_add_files(b->entry.directory, of_named_disk, b);
}

int block_show_class(void)
{
	return tree_path(&sys_tree, "class/block") != nullptr &&
			       tree_path(&sys_tree, "devices/virtual/block") != nullptr
		       ? 0
		       : -ENOMEM;
}
