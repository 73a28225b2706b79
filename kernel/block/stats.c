/* SPDX-License-Identifier: MIT */
/* What is counted of bios, for the disk and for the partition they came through. A bio that went out behind another one
 * counts as merged. Atomic, so that no lock is needed; figures may be a little apart from each other. How they are
 * shown: Linux, Documentation/admin-guide/iostats.rst. */
#include "block.h"

#include <kernel/base/clock.h>
#include <kernel/mem/text.h>

typedef unsigned long long ull;

void stats_begin(struct disk_stats *s, uint64_t now_ns)
{
	if (__atomic_fetch_add(&s->under_way, 1, __ATOMIC_RELAXED) == 0)
		__atomic_store_n(&s->busy_since_ns, now_ns, __ATOMIC_RELAXED);
}

void stats_end(struct disk_stats *s, const struct bio *b, uint64_t sectors, uint64_t now_ns)
{
	unsigned kind = b->kind == BIO_ZERO ? BIO_WRITE : b->kind;
	uint64_t since = __atomic_load_n(&s->busy_since_ns, __ATOMIC_RELAXED);

	if (__atomic_fetch_sub(&s->under_way, 1, __ATOMIC_RELAXED) == 1 && since < now_ns)
		__atomic_fetch_add(&s->busy_ns, now_ns - since, __ATOMIC_RELAXED);
	if (b->error != 0)
		return;
	__atomic_fetch_add(b->merged ? &s->merged[kind] : &s->done[kind], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->sectors[kind], sectors, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->ns[kind], now_ns - b->began_ns, __ATOMIC_RELAXED);
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
