/* SPDX-License-Identifier: MIT */
/* /proc/partitions and /proc/diskstats (proc(5); the fields of the latter: Linux,
 * Documentation/admin-guide/iostats.rst). */
#include "block.h"

#include <kernel/base/clock.h>
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

static uint64_t load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static ull milliseconds(uint64_t ns)
{
	return ns / 1'000'000;
}

/* Completed, merged, sectors, milliseconds. */
static void show_kind(struct text_buffer *b, const struct disk_stats *s, enum bio_kind kind)
{
	text_printf(b, " %llu %llu %llu %llu", (ull)load(&s->done[kind]), (ull)load(&s->merged[kind]),
		    (ull)load(&s->sectors[kind]), milliseconds(load(&s->ns[kind])));
}

void stats_show(struct text_buffer *b, const struct disk_stats *s)
{
	uint32_t under_way = __atomic_load_n(&s->under_way, __ATOMIC_RELAXED);
	uint64_t busy = load(&s->busy_ns), since = load(&s->busy_since_ns), now = clock_monotonic_ns(), all = 0;

	if (under_way > 0 && since < now)
		busy += now - since;
	for (unsigned kind = 0; kind < 4; kind++)
		all += load(&s->ns[kind]);
	show_kind(b, s, BIO_READ);
	show_kind(b, s, BIO_WRITE);
	text_printf(b, " %u %llu %llu", under_way, milliseconds(busy), milliseconds(all));
	show_kind(b, s, BIO_DISCARD);
	text_printf(b, " %llu %llu\n", (ull)load(&s->done[BIO_FLUSH]), milliseconds(load(&s->ns[BIO_FLUSH])));
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
