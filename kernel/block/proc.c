/* SPDX-License-Identifier: MIT */
/* /proc/partitions and /proc/diskstats (proc(5)). */
#include "block.h"

#include <kernel/base/node.h>
#include <kernel/mem/text.h>

typedef unsigned long long ull;

static int show_partitions(struct text_buffer *b, void *)
{
	struct blkdev_info info;

	text_printf(b, "major minor  #blocks  name\n\n");
	for (uint32_t n = 0; blkdev_at(n, &info); n++)
		text_printf(b, "%4u  %7u %10llu %s\n", info.major, info.minor, (ull)(info.sectors / 2), info.name);
	return 0;
}

static int show_diskstats(struct text_buffer *b, void *)
{
	for (struct blkdev *d = blkdev_each(nullptr); d != nullptr; d = blkdev_each(d)) {
		text_printf(b, "%4u %7u %s", d->info.major, d->info.minor, d->info.name);
		stats_show(b, blkdev_stats(d));
	}
	return 0;
}

PROC_FILE(partitions, .component = &component_block, .name = "partitions", .mode = 0444, .show = show_partitions);
PROC_FILE(diskstats, .component = &component_block, .name = "diskstats", .mode = 0444, .show = show_diskstats);
