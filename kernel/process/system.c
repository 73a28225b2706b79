/* SPDX-License-Identifier: MIT */
/*
 * The machine as processes see it: uname(2), sethostname(2), setdomainname(2), sysinfo(2),
 * reboot(2), load averages, and the /proc/sys/kernel files that show the same.
 *
 * The release has the form that C libraries parse for a minimum version.
 */
#include "event.h"
#include "internal.h"
#include <arch/signal.h>
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

enum : size_t { UTS_BYTES = 65 };
#define UTS_SYSNAME "Stellux"
#define UTS_RELEASE "6.1.0-stellux"
/* STELLUX_VERSION comes from the build: the number in user/etc/os-release and what the sources hash to. */
#define UTS_VERSION "#1 SMP PREEMPT " STELLUX_VERSION

struct abi_utsname {
	char sysname[UTS_BYTES], nodename[UTS_BYTES], release[UTS_BYTES], version[UTS_BYTES], machine[UTS_BYTES],
		domain[UTS_BYTES];
};

static struct mutex names_lock = MUTEX_INIT(names_lock, RANK_PROCESS);
static char host_name[UTS_BYTES] GUARDED_BY(names_lock) = "stellux";
static char domain_name[UTS_BYTES] GUARDED_BY(names_lock) = "(none)";

static long sys_uname(user_addr at)
{
	struct abi_utsname u = {
		.sysname = UTS_SYSNAME, .release = UTS_RELEASE, .version = UTS_VERSION, .machine = ARCH_UTS_MACHINE};

	mutex_lock(&names_lock);
	memcpy(u.nodename, host_name, sizeof(host_name));
	memcpy(u.domain, domain_name, sizeof(domain_name));
	mutex_unlock(&names_lock);
	return put_user(at, u);
}
SYSCALL(uname);

void system_host_name(char *out, size_t size)
{
	mutex_lock(&names_lock);
	strlcpy(out, host_name, size);
	mutex_unlock(&names_lock);
}

static long read_new_name(user_addr at, int length, char fresh[UTS_BYTES])
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (length < 0 || length >= (int)UTS_BYTES)
		return -EINVAL;
	memset(fresh, 0, UTS_BYTES);
	return copy_from_user(fresh, at, (size_t)length);
}

static long sys_sethostname(user_addr at, int length)
{
	char fresh[UTS_BYTES];
	long error = read_new_name(at, length, fresh);

	if (error == 0) {
		mutex_lock(&names_lock);
		memcpy(host_name, fresh, sizeof(host_name));
		mutex_unlock(&names_lock);
	}
	return error;
}
SYSCALL(sethostname);

static long sys_setdomainname(user_addr at, int length)
{
	char fresh[UTS_BYTES];
	long error = read_new_name(at, length, fresh);

	if (error == 0) {
		mutex_lock(&names_lock);
		memcpy(domain_name, fresh, sizeof(domain_name));
		mutex_unlock(&names_lock);
	}
	return error;
}
SYSCALL(setdomainname);

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

enum : uint32_t {
	REBOOT_MAGIC1 = 0xfee1dead,
	REBOOT_MAGIC2 = 672274793,
	REBOOT_MAGIC2A = 85072278,
	REBOOT_MAGIC2B = 369367448,
	REBOOT_MAGIC2C = 537993216,
	REBOOT_RESTART = 0x01234567,
	REBOOT_HALT = 0xcdef0123,
	REBOOT_POWER_OFF = 0x4321fedc,
	REBOOT_RESTART2 = 0xa1b2c3d4,
};

static long power(uint32_t action, const char *word)
{
	log_info("process: %s, asked by %s[%u]", word, process_current()->name, process_current()->pid);
	log_settle();
	return nucleus_power(action);
}

static long sys_reboot(uint32_t magic1, uint32_t magic2, uint32_t command, user_addr)
{
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (magic1 != REBOOT_MAGIC1 || (magic2 != REBOOT_MAGIC2 && magic2 != REBOOT_MAGIC2A &&
					magic2 != REBOOT_MAGIC2B && magic2 != REBOOT_MAGIC2C))
		return -EINVAL;
	switch (command) {
	case REBOOT_RESTART:
	case REBOOT_RESTART2: return power(POWER_RESET, "restarting");
	case REBOOT_HALT:
		/* There is no state between running and off to halt in. */
		return power(POWER_OFF, "halting");
	case REBOOT_POWER_OFF: return power(POWER_OFF, "powering off");
	/* REBOOT_CAD_ON and _OFF too: no keyboard raises it, so there is nothing to switch. */
	default: return syscall_refuse_flags(NR_reboot, command);
	}
}
SYSCALL(reboot);

static int show_host_name(struct text_buffer *b, void *)
{
	mutex_lock(&names_lock);
	text_printf(b, "%s\n", host_name);
	mutex_unlock(&names_lock);
	return 0;
}

static long write_host_name(const char *text, size_t n, void *)
{
	size_t length = n;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	while (length > 0 && text[length - 1] == '\n')
		length--;
	if (length >= UTS_BYTES)
		return -EINVAL;
	mutex_lock(&names_lock);
	memset(host_name, 0, sizeof(host_name));
	memcpy(host_name, text, length);
	mutex_unlock(&names_lock);
	return (long)n;
}

static int show_domain_name(struct text_buffer *b, void *)
{
	mutex_lock(&names_lock);
	text_printf(b, "%s\n", domain_name);
	mutex_unlock(&names_lock);
	return 0;
}

static int show_text(struct text_buffer *b, void *arg)
{
	text_printf(b, "%s\n", (const char *)arg);
	return 0;
}

static int show_version(struct text_buffer *b, void *)
{
	text_printf(b, "%s version %s (clang %s) %s\n", UTS_SYSNAME, UTS_RELEASE, __clang_version__, UTS_VERSION);
	return 0;
}

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

PROC_FILE(hostname, .component = &component_process, .name = "sys/kernel/hostname", .mode = 0644,
	  .show = show_host_name, .write = write_host_name);
PROC_FILE(domainname, .component = &component_process, .name = "sys/kernel/domainname", .mode = 0444,
	  .show = show_domain_name);
PROC_FILE(ostype, .component = &component_process, .name = "sys/kernel/ostype", .mode = 0444, .show = show_text,
	  .arg = UTS_SYSNAME);
PROC_FILE(osrelease, .component = &component_process, .name = "sys/kernel/osrelease", .mode = 0444, .show = show_text,
	  .arg = UTS_RELEASE);
PROC_FILE(sources_version, .component = &component_process, .name = "sys/kernel/version", .mode = 0444,
	  .show = show_text, .arg = UTS_VERSION);
PROC_FILE(version, .component = &component_process, .name = "version", .mode = 0444, .show = show_version);
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
