/* SPDX-License-Identifier: MIT */
/*
 * Clocks as system calls see them: clock_gettime(2), clock_settime(2), clock_getres(2),
 * gettimeofday(2), settimeofday(2), clock_adjtime(2) and adjtimex(2) read-only, and conversions
 * between nanoseconds and the ABI's structures.
 *
 * Negative clock ids name the CPU time of a process or thread: ~pid << 3, bit 2 for a thread
 * (clock_getcpuclockid(3)).
 */
#include "internal.h"
#include <kernel/clock.h>
#include <kernel/user.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <nucleus/calls.h>

enum : uint64_t { NS_PER_S = 1000000000 };
enum : uint64_t { SECONDS_MAX = INT64_MAX / 1000000000 };

struct wait_queue clock_set_queue = WAIT_QUEUE_INIT(clock_set_queue);

int timespec_to_ns(const struct abi_timespec *ts, uint64_t *ns)
{
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= (int64_t)NS_PER_S)
		return -EINVAL;
	if ((uint64_t)ts->sec >= SECONDS_MAX)
		*ns = INT64_MAX;
	else
		*ns = (uint64_t)ts->sec * NS_PER_S + (uint64_t)ts->nsec;
	return 0;
}

int timespec_from_user(user_addr at, uint64_t *ns)
{
	struct abi_timespec ts;

	if (get_user(ts, at) != 0)
		return -EFAULT;
	return timespec_to_ns(&ts, ns);
}

int timespec_to_user(user_addr at, uint64_t ns)
{
	struct abi_timespec ts = timespec_from_ns(ns);

	return put_user(at, ts);
}

bool clock_is_realtime(int32_t id)
{
	return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_REALTIME_ALARM || id == CLOCK_TAI;
}

static uint64_t thread_cpu_ns(uint32_t handle)
{
	if (nucleus_thread_get_times(handle) != 0)
		return 0;
	const struct thread_times *t = (const struct thread_times *)call_area();
	return t->user_ns + t->kernel_ns;
}

static uint64_t process_cpu_ns(struct process *p)
{
	struct process_usage u;

	process_usage_of_threads(p, &u);
	return u.user_ns + u.system_ns;
}

static int read_thread_clock(uint32_t tid, uint64_t *ns)
{
	struct process_thread_info info;

	if (tid == 0) {
		*ns = thread_cpu_ns(thread_page_current()->handle);
		return 0;
	}
	int error = process_thread_info(process_current(), tid, &info);
	if (error != 0)
		return -EINVAL;
	*ns = info.user_ns + info.system_ns;
	return 0;
}

static int read_cpu_clock(int32_t id, uint64_t *ns)
{
	uint32_t pid = (uint32_t)~(id >> 3);

	if ((id & 3) == 3)
		return -EINVAL;
	if (id & 4)
		return read_thread_clock(pid, ns);
	struct process *p = pid == 0 ? process_current() : process_find(pid);
	if (p == nullptr)
		return -EINVAL;
	*ns = process_cpu_ns(p);
	if (pid != 0)
		process_put(p);
	return 0;
}

int clock_read(int32_t id, uint64_t *ns)
{
	if (id < 0)
		return read_cpu_clock(id, ns);
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI: *ns = (uint64_t)clock_realtime_ns(); return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM: *ns = clock_monotonic_ns(); return 0;
	case CLOCK_PROCESS_CPUTIME_ID: *ns = process_cpu_ns(process_current()); return 0;
	case CLOCK_THREAD_CPUTIME_ID: return read_thread_clock(0, ns);
	default: return -EINVAL;
	}
}

uint64_t clock_deadline(int32_t id, uint64_t when_ns)
{
	if (clock_is_realtime(id)) {
		int64_t offset = clock_realtime_ns() - (int64_t)clock_monotonic_ns();
		if ((int64_t)when_ns <= offset)
			return 1;
		return when_ns - (uint64_t)offset;
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

static long set_clock(uint64_t ns)
{
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	clock_set_realtime_ns((int64_t)ns);
	wait_wake_all(&clock_set_queue);
	posix_timers_clock_was_set();
	timer_files_clock_was_set();
	return 0;
}

static long sys_clock_settime(int id, user_addr at)
{
	uint64_t ns;

	if (id != CLOCK_REALTIME)
		return -EINVAL;
	int error = timespec_from_user(at, &ns);
	return error != 0 ? error : set_clock(ns);
}
SYSCALL(clock_settime);

struct abi_timezone {
	int32_t minutes_west, dst;
};
static struct abi_timezone timezone;

static long sys_gettimeofday(user_addr tv_at, user_addr tz_at)
{
	uint64_t ns = (uint64_t)clock_realtime_ns();
	struct abi_timeval tv = {(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000)};

	if (tv_at.value != 0 && put_user(tv_at, tv) != 0)
		return -EFAULT;
	if (tz_at.value != 0 && put_user(tz_at, timezone) != 0)
		return -EFAULT;
	return 0;
}
SYSCALL(gettimeofday);

static long sys_settimeofday(user_addr tv_at, user_addr tz_at)
{
	struct abi_timeval tv;
	struct abi_timezone tz;

	if (tz_at.value != 0 && get_user(tz, tz_at) != 0)
		return -EFAULT;
	if (tv_at.value != 0) {
		if (get_user(tv, tv_at) != 0)
			return -EFAULT;
		if (tv.sec < 0 || tv.usec < 0 || tv.usec >= 1000000 || (uint64_t)tv.sec >= SECONDS_MAX)
			return -EINVAL;
	}
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (tz_at.value != 0)
		timezone = tz;
	return tv_at.value != 0 ? set_clock((uint64_t)tv.sec * NS_PER_S + (uint64_t)tv.usec * 1000) : 0;
}
SYSCALL(settimeofday);

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
enum : int32_t { STA_UNSYNC = 0x40, TIME_ERROR = 5 };

/* The clock is not disciplined: asking is answered, changing refused. */
static long adjust(uint32_t number, user_addr at)
{
	struct abi_timex t;
	uint64_t ns = (uint64_t)clock_realtime_ns();

	if (get_user(t, at) != 0)
		return -EFAULT;
	if (t.modes != 0)
		return capable(CAP_SYS_TIME) ? syscall_refuse_flags(number, t.modes) : -EPERM;
	t = (struct abi_timex){
		.max_error = 16000000,
		.estimated_error = 16000000,
		.status = STA_UNSYNC,
		.constant = 2,
		.precision = 1,
		.tolerance = 32768000,
		.time = {(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000)},
		.tick = 10000,
	};
	return put_user(at, t) != 0 ? -EFAULT : TIME_ERROR;
}

static long sys_adjtimex(user_addr at)
{
	return adjust(NR_adjtimex, at);
}
SYSCALL(adjtimex);

static long sys_clock_adjtime(int id, user_addr at)
{
	return id == CLOCK_REALTIME ? adjust(NR_clock_adjtime, at) : -EINVAL;
}
SYSCALL(clock_adjtime);
