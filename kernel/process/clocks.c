/* SPDX-License-Identifier: MIT */
/*
 * Clocks as system calls see them: clock_gettime(2), clock_settime(2), clock_getres(2), gettimeofday(2),
 * settimeofday(2). Clocks of CPU time: cpu_clock.c; adjtimex(2): adjust.c.
 */
#include "internal.h"
#include <kernel/base/clock.h>
#include <kernel/base/wait.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <nucleus/calls.h>

enum : uint64_t { NS_PER_S = 1000000000 };

struct wait_queue clock_set_queue = WAIT_QUEUE_INIT(clock_set_queue);

bool clock_is_realtime(int32_t id)
{
	return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_REALTIME_ALARM || id == CLOCK_TAI;
}

static int read_cpu_clock(int32_t id, uint64_t *ns)
{
	struct cpu_clock c;
	int error = cpu_clock_open(id, true, &c);

	if (error == 0)
		error = cpu_clock_read(&c, ns);
	cpu_clock_close(&c);
	return error != 0 ? -EINVAL : 0;
}

int clock_check_timer(int32_t id)
{
	/* Those of open files, which no driver here has, never have timers. */
	if (id < 0 && (id & 7) == 3)
		return -EOPNOTSUPP;
	if (clock_is_cpu(id))
		return 0;
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI: return 0;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE: return -EOPNOTSUPP;
	/* The machine never sleeps, so nothing has to be woken; the right is asked for all the same. */
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM: return capable(CAP_WAKE_ALARM) ? 0 : -EPERM;
	default: return -EINVAL;
	}
}

int32_t clock_followed(int32_t id, bool absolute)
{
	return absolute || !clock_is_realtime(id) ? id : CLOCK_MONOTONIC;
}

static int64_t tai_ns(void)
{
	return clock_tai_seconds() * (int64_t)NS_PER_S;
}

int clock_read(int32_t id, uint64_t *ns)
{
	if (clock_is_cpu(id))
		return read_cpu_clock(id, ns);
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM: *ns = (uint64_t)clock_realtime_ns(); return 0;
	case CLOCK_TAI: *ns = (uint64_t)(clock_realtime_ns() + tai_ns()); return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM: *ns = clock_monotonic_ns(); return 0;
	default: return -EINVAL;
	}
}

uint64_t clock_deadline(int32_t id, uint64_t when_ns)
{
	if (clock_is_realtime(id)) {
		int64_t at = clock_monotonic_at((int64_t)when_ns - (id == CLOCK_TAI ? tai_ns() : 0));
		return at <= 0 ? 1 : (uint64_t)at;
	}
	return when_ns == 0 ? 1 : when_ns;
}

static long sys_clock_gettime(int id, user_addr at)
{
	uint64_t ns;
	int error = clock_read(id, &ns);

	return error != 0 ? error : timespec_to_user(at, ns);
}
SYSCALL(clock_gettime);

static long sys_clock_getres(int id, user_addr at)
{
	uint64_t ns;
	int error = clock_read(id, &ns);

	if (error != 0 || at.value == 0)
		return error;
	return timespec_to_user(at, 1);
}
SYSCALL(clock_getres);

void clock_changed(bool stepped)
{
	wait_wake_all(&clock_set_queue);
	posix_timers_clock_was_set();
	timer_files_clock_was_set(stepped);
}

/* The machine is to run for some years yet. */
constexpr uint64_t LATEST_NS = INT64_MAX - UINT64_C(30) * 365 * 86400 * NS_PER_S;

static long set_clock(uint64_t ns)
{
	/* CLOCK_MONOTONIC began at a date. */
	if (ns < clock_monotonic_ns())
		return -EINVAL;
	clock_set_realtime_ns((int64_t)ns);
	adjust_forget();
	clock_changed(true);
	return 0;
}

static long sys_clock_settime(int id, user_addr at)
{
	struct abi_timespec ts;
	uint64_t ns;

	/* CPU time is nobody's to set; other clocks have no such call. */
	if (id >= 0 && id != CLOCK_REALTIME)
		return -EINVAL;
	if (get_user(ts, at) != 0)
		return -EFAULT;
	if (id != CLOCK_REALTIME)
		return clock_read(id, &ns) == 0 ? -EPERM : -EINVAL;
	if (timespec_to_ns(&ts, &ns) != 0 || ns > LATEST_NS)
		return -EINVAL;
	return capable(CAP_SYS_TIME) ? set_clock(ns) : -EPERM;
}
SYSCALL(clock_settime);

struct abi_timezone {
	int32_t minutes_west, dst;
};

static long sys_gettimeofday(user_addr tv_at, user_addr tz_at)
{
	uint64_t ns = (uint64_t)clock_realtime_ns();
	struct abi_timeval tv = {(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000)};
	struct abi_timezone tz;

	clock_zone(&tz.minutes_west, &tz.dst);
	if (tv_at.value != 0 && put_user(tv_at, tv) != 0)
		return -EFAULT;
	if (tz_at.value != 0 && put_user(tz_at, tz) != 0)
		return -EFAULT;
	return 0;
}
SYSCALL(gettimeofday);

/*
 * The zone is kept for programs. The first that sets one, and no time, says by it that the machine's clock showed
 * local time: the clock is put right once (settimeofday(2)).
 */
static void set_zone(const struct abi_timezone *tz, bool time_too)
{
	static uint32_t known;

	clock_set_zone(tz->minutes_west, tz->dst);
	if (__atomic_exchange_n(&known, 1, __ATOMIC_RELAXED) == 0 && !time_too && tz->minutes_west != 0) {
		clock_step_realtime((int64_t)tz->minutes_west * 60 * (int64_t)NS_PER_S);
		clock_changed(true);
	}
}

static long sys_settimeofday(user_addr tv_at, user_addr tz_at)
{
	enum : int32_t { FARTHEST_MINUTES = 15 * 60 };
	struct abi_timeval tv = {};
	struct abi_timezone tz = {};

	if (tv_at.value != 0) {
		if (get_user(tv, tv_at) != 0)
			return -EFAULT;
		if (tv.usec < 0 || tv.usec >= 1000000)
			return -EINVAL;
	}
	if (tz_at.value != 0 && get_user(tz, tz_at) != 0)
		return -EFAULT;
	if (tv.sec < 0 || (uint64_t)tv.sec > LATEST_NS / NS_PER_S)
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (tz.minutes_west > FARTHEST_MINUTES || tz.minutes_west < -FARTHEST_MINUTES)
		return -EINVAL;
	if (tz_at.value != 0)
		set_zone(&tz, tv_at.value != 0);
	return tv_at.value != 0 ? set_clock((uint64_t)tv.sec * NS_PER_S + (uint64_t)tv.usec * 1000) : 0;
}
SYSCALL(settimeofday);
