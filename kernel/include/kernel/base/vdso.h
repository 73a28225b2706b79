/* SPDX-License-Identifier: MIT */
/* What the kernel and its vDSO share: two read-only data pages right before the vDSO's image, the
 * nucleus's time page and this one. */
#ifndef KERNEL_VDSO_H
#define KERNEL_VDSO_H

#include <nucleus/layout.h>
#include <nucleus/upcall.h>
#include <stdint.h>

#define VDSO_DATA_PAGES 2

/* CLOCK_REALTIME as a line over CLOCK_MONOTONIC, which adjtimex bends, and what else belongs to the date. */
struct vdso_clock {
	uint64_t from_ns; /* CLOCK_MONOTONIC, where the line begins */
	int64_t date_ns;  /* CLOCK_REALTIME there */
	int64_t rate;	  /* how much faster it runs, in 2^-40 */
	int32_t tai_s;	  /* CLOCK_TAI - CLOCK_REALTIME */
	int32_t minutes_west, dst_time;
};
/* A seqlock: seq is odd while the kernel writes. */
struct vdso_data {
	uint32_t seq;
	struct vdso_clock clock;
};
enum : unsigned { VDSO_RATE_SHIFT = 40 };

static inline int64_t vdso_date_at(const struct vdso_clock *c, uint64_t monotonic_ns)
{
	int64_t passed = (int64_t)(monotonic_ns - c->from_ns);

	return c->date_ns + passed + (int64_t)((__int128)passed * c->rate >> VDSO_RATE_SHIFT);
}

static inline struct vdso_clock vdso_clock_read(const struct vdso_data *d)
{
	struct vdso_clock c;
	uint32_t seq;

	do {
		/* Acquire: the rest is read after seq; the fence keeps it before its second reading. */
		seq = __atomic_load_n(&d->seq, __ATOMIC_ACQUIRE);
		c.from_ns = __atomic_load_n(&d->clock.from_ns, __ATOMIC_RELAXED);
		c.date_ns = __atomic_load_n(&d->clock.date_ns, __ATOMIC_RELAXED);
		c.rate = __atomic_load_n(&d->clock.rate, __ATOMIC_RELAXED);
		c.tai_s = __atomic_load_n(&d->clock.tai_s, __ATOMIC_RELAXED);
		c.minutes_west = __atomic_load_n(&d->clock.minutes_west, __ATOMIC_RELAXED);
		c.dst_time = __atomic_load_n(&d->clock.dst_time, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((seq & 1) || seq != __atomic_load_n(&d->seq, __ATOMIC_RELAXED));
	return c;
}

static inline void vdso_clock_write(struct vdso_data *d, const struct vdso_clock *c)
{
	/* Nobody may see a new value under the old number: the fence keeps what follows behind the odd one. */
	__atomic_store_n(&d->seq, d->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&d->clock.from_ns, c->from_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&d->clock.date_ns, c->date_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&d->clock.rate, c->rate, __ATOMIC_RELAXED);
	__atomic_store_n(&d->clock.tai_s, c->tai_s, __ATOMIC_RELAXED);
	__atomic_store_n(&d->clock.minutes_west, c->minutes_west, __ATOMIC_RELAXED);
	__atomic_store_n(&d->clock.dst_time, c->dst_time, __ATOMIC_RELAXED);
	__atomic_store_n(&d->seq, d->seq + 1, __ATOMIC_RELEASE);
}

#endif
