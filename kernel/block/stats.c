/* SPDX-License-Identifier: MIT */
/* What is counted of bios, for the disk and for the partition they came through. A bio that went out behind another one
 * counts as merged. Atomic, so that no lock is needed; figures may be a little apart from each other. */
#include "block.h"

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
