/* SPDX-License-Identifier: MIT */
/*
 * Keeping the real-time clock right: adjtimex(2), clock_adjtime(2), and with them the C library's adjtime(3) and
 * ntp_adjtime(3) (RFC 5905 for the loop; adjtimex(2) for the numbers).
 *
 * The clock's rate is the sum of what was asked for lastingly (frequency, tick) and of what the current second is to
 * make up for: a part of the offset, and at most 500 µs of what adjtime asked for. While something is left to do, or a
 * leap second is near, a timer looks at each second of the clock. CLOCK_MONOTONIC keeps the machine's rate.
 */
#include "internal.h"
#include <kernel/base/clock.h>
#include <kernel/base/vdso.h>
#include <kernel/thread/timer.h>
#include <kernel/vm/user.h>

struct abi_timex {
	uint32_t modes, padding;
	int64_t offset, frequency, max_error, estimated_error;
	int32_t status, padding2;
	int64_t constant, precision, tolerance;
	struct abi_timeval time;
	int64_t tick, pps[2];
	int32_t shift, padding3;
	int64_t pps2[5];
	int32_t tai, reserved[11];
};
static_assert(sizeof(struct abi_timex) == 208);

enum : uint32_t {
	ADJ_OFFSET = 1,
	ADJ_FREQUENCY = 2,
	ADJ_MAXERROR = 4,
	ADJ_ESTERROR = 8,
	ADJ_STATUS = 0x10,
	ADJ_TIMECONST = 0x20,
	ADJ_TAI = 0x80,
	ADJ_SETOFFSET = 0x100,
	ADJ_MICRO = 0x1000,
	ADJ_NANO = 0x2000, /* with ADJ_ADJTIME: only tell */
	ADJ_TICK = 0x4000,
	ADJ_ADJTIME = 0x8000,
	ADJ_KNOWN = 0xf1bf,
};
enum : int32_t {
	STA_PLL = 1,
	STA_INS = 0x10,
	STA_DEL = 0x20,
	STA_UNSYNC = 0x40,
	STA_FREQHOLD = 0x80,
	STA_CLOCKERR = 0x1000,
	STA_NANO = 0x2000,
	STA_SETTABLE = 0xff,
};
enum leap_state : int32_t { TIME_OK, TIME_INS, TIME_DEL, TIME_OOP, TIME_WAIT, TIME_ERROR };
enum : int64_t {
	NS = 1'000'000'000,
	DAY_S = 86400,
	OFFSET_MAX_NS = 500'000'000,
	FREQUENCY_MAX = 500 << 16, /* 500 ppm; the unit is 2^-16 ppm */
	ERROR_MAX_US = 16'000'000,
	ERROR_GROWS_US = 500, /* in a second */
	SLEW_MAX_US = 500,    /* in a second */
	CONSTANT_MAX = 10,
	PLL_SHIFT = 2,
	TICK_US = 10'000,
	TAI_MAX = 100'000,
};

static struct spinlock lock = SPINLOCK_INIT(RANK_TIMER - 1);
static struct {
	int32_t status;
	enum leap_state leap;
	int64_t leap_at_s; /* the second of the clock before which it is */
	int64_t offset_ns, frequency, tick_us, constant, slew_us;
	int64_t pll_ns, slewing_us; /* what this second makes up for */
	int64_t max_error_us, estimated_error_us;
	uint64_t max_error_since_ns, offset_since_ns;
} a GUARDED_BY(lock) = {.status = STA_UNSYNC,
			.tick_us = TICK_US,
			.constant = 2,
			.max_error_us = ERROR_MAX_US,
			.estimated_error_us = ERROR_MAX_US};
static struct timer second;

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
	return MAX(MIN(x, high), low);
}

/* Nanoseconds a second as a rate; a second is 2^9 times 5^9 of them. */
static int64_t rate_of_ns(int64_t ns)
{
	return ns * (INT64_C(1) << (VDSO_RATE_SHIFT - 9)) / (NS >> 9);
}

static void set_rate(void) REQUIRES(lock)
{
	/* 2^-16 ppm are 2^24 / 10^6 in units of 2^-40. */
	int64_t lasting = a.frequency * (INT64_C(1) << (VDSO_RATE_SHIFT - 16)) / 1'000'000 +
			  rate_of_ns((a.tick_us - TICK_US) * 100'000);

	clock_set_rate(lasting + rate_of_ns(a.pll_ns + a.slewing_us * 1000));
}

static bool is_busy(void) REQUIRES(lock)
{
	return a.pll_ns != 0 || a.slewing_us != 0 || a.slew_us != 0 || a.leap != TIME_OK ||
	       (a.status & (STA_INS | STA_DEL)) || a.offset_ns / (INT64_C(1) << (PLL_SHIFT + a.constant)) != 0;
}

/* At the clock's next second, if there is work. */
static void look_again(void) REQUIRES(lock)
{
	if (is_busy())
		timer_arm(&second,
			  (uint64_t)MAX(clock_monotonic_at((clock_realtime_ns() / NS + 1) * NS), INT64_C(1)) + 1000);
}

/* The leap second's states (ntp_adjtime); what the clock is to be stepped by. */
static int64_t step_leap(int64_t now_s) REQUIRES(lock)
{
	int64_t midnight_s = (now_s / DAY_S + 1) * DAY_S;

	switch (a.leap) {
	case TIME_OK:
		if (a.status & (STA_INS | STA_DEL)) {
			a.leap = a.status & STA_INS ? TIME_INS : TIME_DEL;
			a.leap_at_s = midnight_s;
		}
		return 0;
	case TIME_INS:
	case TIME_DEL: {
		bool insert = a.leap == TIME_INS;

		if (!(a.status & (insert ? STA_INS : STA_DEL))) {
			a.leap = TIME_OK;
		} else if (now_s + (insert ? 0 : 1) >= a.leap_at_s) {
			a.leap = insert ? TIME_OOP : TIME_WAIT;
			clock_set_tai(clock_tai_seconds() + (insert ? 1 : -1));
			return insert ? -NS : NS;
		}
		return 0;
	}
	case TIME_OOP: a.leap = TIME_WAIT; return 0;
	default:
		if (!(a.status & (STA_INS | STA_DEL)))
			a.leap = TIME_OK;
		return 0;
	}
}

static void second_passed(struct timer *)
{
	spin_lock(&lock);
	int64_t step = step_leap(clock_realtime_ns() / NS);
	if (step != 0)
		clock_step_realtime(step);
	a.pll_ns = a.offset_ns / (INT64_C(1) << (PLL_SHIFT + a.constant));
	a.offset_ns -= a.pll_ns;
	a.slewing_us = clamp(a.slew_us, -SLEW_MAX_US, SLEW_MAX_US);
	a.slew_us -= a.slewing_us;
	set_rate();
	look_again();
	spin_unlock(&lock);
	clock_changed(step != 0);
}

void adjust_init(void)
{
	timer_init(&second, second_passed);
}

void adjust_forget(void)
{
	spin_lock(&lock);
	a.status |= STA_UNSYNC;
	a.max_error_us = a.estimated_error_us = ERROR_MAX_US;
	a.max_error_since_ns = clock_monotonic_ns();
	a.offset_ns = a.pll_ns = a.slew_us = a.slewing_us = 0;
	/* The day's end is another now. */
	a.leap = TIME_OK;
	set_rate();
	look_again();
	spin_unlock(&lock);
}

static void set_status(int32_t status) REQUIRES(lock)
{
	if ((a.status & STA_PLL) && !(status & STA_PLL)) {
		a.leap = TIME_OK;
		a.status = STA_UNSYNC;
	}
	if (!(a.status & STA_PLL) && (status & STA_PLL))
		a.offset_since_ns = clock_monotonic_ns();
	a.status = (a.status & ~STA_SETTABLE) | (status & STA_SETTABLE);
}

/* A measured offset goes into the phase, and the longer ago the last one was, into the frequency. */
static void set_offset(int64_t offset_ns) REQUIRES(lock)
{
	if (!(a.status & STA_PLL))
		return;
	uint64_t now = clock_monotonic_ns();
	int64_t longest_s = INT64_C(1) << (PLL_SHIFT + 1 + a.constant);
	int64_t seconds = MIN((int64_t)((now - a.offset_since_ns) / (uint64_t)NS), longest_s);

	a.offset_since_ns = now;
	a.offset_ns = clamp(offset_ns, -OFFSET_MAX_NS, OFFSET_MAX_NS);
	if (a.status & STA_FREQHOLD)
		return;
	/* ns a second, in units of 2^-16 ppm (1000 ns a second are a ppm). */
	int64_t more = a.offset_ns * seconds * 65536 / 1000 / (INT64_C(1) << (2 * (PLL_SHIFT + 2 + a.constant)));
	a.frequency = clamp(a.frequency + more, -FREQUENCY_MAX, FREQUENCY_MAX);
}

static void change(const struct abi_timex *t) REQUIRES(lock)
{
	if (t->modes & ADJ_STATUS)
		set_status(t->status);
	if (t->modes & ADJ_NANO)
		a.status |= STA_NANO;
	if (t->modes & ADJ_MICRO)
		a.status &= ~STA_NANO;
	if (t->modes & ADJ_FREQUENCY)
		a.frequency = clamp(t->frequency, -FREQUENCY_MAX, FREQUENCY_MAX);
	if (t->modes & ADJ_MAXERROR) {
		a.max_error_us = clamp(t->max_error, 0, ERROR_MAX_US);
		a.max_error_since_ns = clock_monotonic_ns();
	}
	if (t->modes & ADJ_ESTERROR)
		a.estimated_error_us = clamp(t->estimated_error, 0, ERROR_MAX_US);
	if (t->modes & ADJ_TIMECONST)
		a.constant =
			clamp(clamp(t->constant, 0, CONSTANT_MAX) + (a.status & STA_NANO ? 0 : 4), 0, CONSTANT_MAX);
	if ((t->modes & ADJ_TAI) && t->constant >= 0 && t->constant <= TAI_MAX)
		clock_set_tai((int32_t)t->constant);
	if (t->modes & ADJ_OFFSET)
		set_offset(a.status & STA_NANO ? t->offset : clamp(t->offset, -OFFSET_MAX_NS, OFFSET_MAX_NS) * 1000);
	if (t->modes & ADJ_TICK)
		a.tick_us = t->tick;
	set_rate();
}

static void tell(struct abi_timex *t) REQUIRES(lock)
{
	uint64_t passed_s = (clock_monotonic_ns() - a.max_error_since_ns) / (uint64_t)NS;
	int64_t max_error = a.max_error_us + (int64_t)MIN(passed_s, UINT64_C(1) << 20) * ERROR_GROWS_US;
	bool nano = a.status & STA_NANO;

	if (max_error > ERROR_MAX_US) {
		max_error = ERROR_MAX_US;
		a.status |= STA_UNSYNC;
	}
	uint64_t now = (uint64_t)clock_realtime_ns();
	int64_t offset = nano ? a.offset_ns : a.offset_ns / 1000;
	*t = (struct abi_timex){
		.modes = t->modes,
		.offset = t->modes & ADJ_ADJTIME ? t->offset : offset,
		.frequency = a.frequency,
		.max_error = max_error,
		.estimated_error = a.estimated_error_us,
		.status = a.status,
		.constant = a.constant,
		.precision = 1,
		.tolerance = FREQUENCY_MAX,
		.time = {(int64_t)(now / (uint64_t)NS), (int64_t)(now % (uint64_t)NS / (nano ? 1 : 1000))},
		.tick = a.tick_us,
		.tai = clock_tai_seconds(),
	};
}

static long check(uint32_t number, const struct abi_timex *t)
{
	if (t->modes & ~ADJ_KNOWN)
		return syscall_refuse_flags(number, t->modes);
	if (t->modes & ADJ_ADJTIME) {
		if (!(t->modes & ADJ_OFFSET))
			return -EINVAL;
		return t->modes & ADJ_NANO || capable(CAP_SYS_TIME) ? 0 : -EPERM;
	}
	if (t->modes != 0 && !capable(CAP_SYS_TIME))
		return -EPERM;
	if ((t->modes & ADJ_TICK) && (t->tick < TICK_US * 9 / 10 || t->tick > TICK_US * 11 / 10))
		return -EINVAL;
	if (t->modes & ADJ_SETOFFSET) {
		int64_t limit = t->modes & ADJ_NANO ? NS : 1'000'000;

		if (t->time.usec < 0 || t->time.usec >= limit || t->time.sec > INT64_MAX / NS / 4 ||
		    t->time.sec < -(INT64_MAX / NS / 4))
			return -EINVAL;
	}
	return 0;
}

/* ADJ_SETOFFSET: -EINVAL if the clock would leave what can be set. */
static int step_by(const struct abi_timex *t)
{
	int64_t by = t->time.sec * NS + t->time.usec * (t->modes & ADJ_NANO ? 1 : 1000), then;

	if (__builtin_add_overflow(clock_realtime_ns(), by, &then) || then < (int64_t)clock_monotonic_ns())
		return -EINVAL;
	clock_step_realtime(by);
	adjust_forget();
	clock_changed(true);
	return 0;
}

static long adjust(uint32_t number, user_addr at)
{
	struct abi_timex t;

	if (get_user(t, at) != 0)
		return -EFAULT;
	long result = check(number, &t);
	if (result == 0 && (t.modes & ADJ_SETOFFSET) && !(t.modes & ADJ_ADJTIME))
		result = step_by(&t);
	if (result != 0)
		return result;
	spin_lock(&lock);
	if (t.modes & ADJ_ADJTIME) {
		/* What this second makes up for is no longer part of it, and is not taken back. */
		int64_t left = a.slew_us;

		if (!(t.modes & ADJ_NANO))
			a.slew_us = clamp(t.offset, -INT64_MAX / 2000, INT64_MAX / 2000);
		t.offset = left;
	} else if (t.modes != 0) {
		change(&t);
	}
	bool changed = t.modes != 0 && !(t.modes & ADJ_ADJTIME && t.modes & ADJ_NANO);
	if (changed)
		look_again();
	tell(&t);
	result = a.status & (STA_UNSYNC | STA_CLOCKERR) ? TIME_ERROR : a.leap;
	spin_unlock(&lock);
	if (changed)
		clock_changed(false);
	return put_user(at, t) != 0 ? -EFAULT : result;
}

static long sys_adjtimex(user_addr at)
{
	return adjust(NR_adjtimex, at);
}
SYSCALL(adjtimex);

static long sys_clock_adjtime(int id, user_addr at)
{
	struct abi_timex t;
	uint64_t ns;

	if (id == CLOCK_REALTIME)
		return adjust(NR_clock_adjtime, at);
	if (get_user(t, at) != 0)
		return -EFAULT;
	/* Other clocks are there, but cannot be adjusted. */
	return clock_read(id, &ns) == 0 || (id < 0 && (id & 7) != 3) ? -EOPNOTSUPP : -EINVAL;
}
SYSCALL(clock_adjtime);
