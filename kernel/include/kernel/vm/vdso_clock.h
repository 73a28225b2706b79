/* SPDX-License-Identifier: MIT */
/*
 * Clocks without a system call: this runs in the process, from the vDSO (vdso(7)). CLOCK_MONOTONIC
 * comes from the nucleus's time page, what CLOCK_REALTIME makes of it the kernel keeps in the page behind it; both are
 * mapped read-only right before the image. What is not known here goes to
 * the kernel. No relocations, no data, no calls out. Only for kernel/arch/ARCH/vdso.
 */
#ifndef KERNEL_VDSO_CLOCK_H
#define KERNEL_VDSO_CLOCK_H

#include <arch/counter.h>
#include <kernel/base/vdso.h>

struct timespec {
	int64_t seconds, nanoseconds;
};
struct timeval {
	int64_t seconds, microseconds;
};
struct timezone {
	int32_t minutes_west, dst_time;
};

enum : int {
	CLOCK_REALTIME = 0,
	CLOCK_MONOTONIC = 1,
	CLOCK_MONOTONIC_RAW = 4,
	CLOCK_REALTIME_COARSE = 5,
	CLOCK_MONOTONIC_COARSE = 6,
	CLOCK_BOOTTIME = 7,
	CLOCK_TAI = 11,
};
constexpr uint64_t VDSO_NS = 1'000'000'000;

/* The linker puts it at the image's first byte. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static inline uint64_t vdso_monotonic_ns(void)
{
	const struct time_page *p = (const struct time_page *)(__ehdr_start - VDSO_DATA_PAGES * PAGE_SIZE);
	uint32_t seq;
	uint64_t ns;

	/* The compiler is not to know where the page lies: it would make each field's address anew. */
	__asm__("" : "+r"(p));
	do {
		/* Acquire: the parameters are read after seq; the fence keeps them before its
		 * second reading. */
		seq = __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE);
		uint64_t passed = counter_read() - p->base;
		ns = p->base_ns + (uint64_t)((unsigned __int128)passed * p->mult >> (p->shift & 63)); /* at most 32 */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((seq & 1) || seq != __atomic_load_n(&p->seq, __ATOMIC_RELAXED));
	return ns;
}

static inline struct vdso_clock vdso_date_clock(void)
{
	return vdso_clock_read((const struct vdso_data *)(__ehdr_start - PAGE_SIZE));
}

static inline uint64_t vdso_realtime_ns(void)
{
	struct vdso_clock c = vdso_date_clock();

	return (uint64_t)vdso_date_at(&c, vdso_monotonic_ns());
}

static inline uint64_t vdso_tai_ns(void)
{
	struct vdso_clock c = vdso_date_clock();

	return (uint64_t)(vdso_date_at(&c, vdso_monotonic_ns()) + c.tai_s * (int64_t)VDSO_NS);
}

/* False: the kernel has to be asked. */
static inline bool vdso_clock_gettime(int clock, struct timespec *out)
{
	uint64_t ns;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE: ns = vdso_realtime_ns(); break;
	case CLOCK_TAI: ns = vdso_tai_ns(); break;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME: ns = vdso_monotonic_ns(); break;
	default: return false;
	}
	out->seconds = (int64_t)(ns / VDSO_NS);
	out->nanoseconds = (int64_t)(ns % VDSO_NS);
	return true;
}

static inline void vdso_gettimeofday(struct timeval *out, struct timezone *zone)
{
	if (out) {
		uint64_t ns = vdso_realtime_ns();

		out->seconds = (int64_t)(ns / VDSO_NS);
		out->microseconds = (int64_t)(ns % VDSO_NS / 1000);
	}
	if (zone) {
		struct vdso_clock c = vdso_date_clock();

		*zone = (struct timezone){c.minutes_west, c.dst_time};
	}
}

#endif
