/* SPDX-License-Identifier: MIT */
/*
 * The machine as processes see it: sysinfo(2), load averages, limits that /proc/sys/kernel shows; and what
 * the floor of processes does at boot.
 */
#include "event.h"
#include "internal.h"
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/base/node.h>
#include <kernel/mem/page.h>
#include <kernel/mem/text.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/vfs.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <nucleus/calls.h>

/* --- load averages: exponentially damped, sampled every five seconds, in 1/2048 (as
 * /proc/loadavg's history demands) --- */

enum : uint64_t { LOAD_PERIOD_NS = 5000000000, LOAD_ONE = 2048 };
static const uint32_t load_decay[3] = {1884, 2014, 2037}; /* 2048 / exp(5 s / 1, 5, 15 min) */
static uint32_t load_average[3];
static struct timer load_timer;

static void load_sampled(struct timer *t)
{
	uint64_t active = (uint64_t)process_running_count() * LOAD_ONE;

	for (unsigned i = 0; i < ARRAY_LEN(load_average); i++) {
		uint64_t load = load_average[i] * (uint64_t)load_decay[i] + active * (LOAD_ONE - load_decay[i]);
		if (active >= load_average[i])
			load += LOAD_ONE - 1;
		__atomic_store_n(&load_average[i], (uint32_t)(load / LOAD_ONE), __ATOMIC_RELAXED);
	}
	timer_arm(t, t->deadline_ns + LOAD_PERIOD_NS);
}

void process_load(uint32_t load[3])
{
	for (unsigned i = 0; i < ARRAY_LEN(load_average); i++)
		load[i] = __atomic_load_n(&load_average[i], __ATOMIC_RELAXED);
}

struct abi_sysinfo {
	int64_t uptime;
	uint64_t loads[3], total_ram, free_ram, shared_ram, buffer_ram, total_swap, free_swap;
	uint16_t processes, padding[3];
	uint64_t total_high, free_high;
	uint32_t unit, padding2;
};
static_assert(sizeof(struct abi_sysinfo) == 112);

static long sys_sysinfo(user_addr at)
{
	struct memory_stats m;
	uint32_t load[3];

	page_stats(&m);
	process_load(load);
	struct abi_sysinfo s = {
		.uptime = (int64_t)(clock_monotonic_ns() / 1000000000),
		.total_ram = m.total_pages * PAGE_SIZE,
		.free_ram = m.free_pages * PAGE_SIZE,
		.processes = (uint16_t)MIN(process_thread_total(), 65535u),
		.unit = 1,
	};
	/* sysinfo(2) scales loads by 2^16. */
	for (unsigned i = 0; i < 3; i++)
		s.loads[i] = (uint64_t)load[i] << 5;
	return put_user(at, s);
}
SYSCALL(sysinfo);

static int show_pid_max(struct text_buffer *b, void *)
{
	text_printf(b, "%u\n", PID_LIMIT);
	return 0;
}

static int show_threads_max(struct text_buffer *b, void *)
{
	text_printf(b, "%u\n", pid_threads_max());
	return 0;
}

static uint32_t groups_max = GROUPS_MAX, capability_last = CAP_LAST;

static int show_number(struct text_buffer *b, void *arg)
{
	text_printf(b, "%u\n", *(const uint32_t *)arg);
	return 0;
}

PROC_FILE(ngroups_max, .component = &component_process, .name = "sys/kernel/ngroups_max", .mode = 0444,
	  .show = show_number, .arg = &groups_max);
PROC_FILE(cap_last_cap, .component = &component_process, .name = "sys/kernel/cap_last_cap", .mode = 0444,
	  .show = show_number, .arg = &capability_last);
PROC_FILE(pid_max, .component = &component_process, .name = "sys/kernel/pid_max", .mode = 0444, .show = show_pid_max);
PROC_FILE(threads_max, .component = &component_process, .name = "sys/kernel/threads-max", .mode = 0444,
	  .show = show_threads_max);

static int raise_in_current(int signo)
{
	return signal_send_process(process_current(), signo);
}

static int process_start(void)
{
	static const struct fault_hooks hooks = {.landed = process_fault_landed, .leave = process_fault_exit};
	static const struct subject_signals signals = {
		.raise = raise_in_current,
		.mask_set_temporary = signal_mask_set_temporary,
		.mask_restore = signal_mask_restore,
	};

	guard_set_hooks(&hooks);
	subject_set_signals(&signals);
	sigio_init();
	adjust_init();
	futex_init();
	pid_init();
	oom_init();
	timer_init(&load_timer, load_sampled);
	timer_arm(&load_timer, clock_monotonic_ns() + LOAD_PERIOD_NS);
	return 0;
}
COMPONENT_START(process, process_start);
