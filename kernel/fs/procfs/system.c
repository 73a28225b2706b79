/* SPDX-License-Identifier: MIT */
/*
 * The system-wide files of /proc that belong to no one part of the kernel (proc(5)). Others declare theirs
 * where they stand.
 */
#include "procfs.h"

#include "cpuinfo.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/init.h>
#include <kernel/base/random.h>
#include <kernel/block/blkdev.h>
#include <kernel/mem/page.h>
#include <kernel/thread/thread.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>
#include <nucleus/calls.h>

enum : uint64_t { NS_PER_S = 1000000000, NS_PER_TICK = 10000000 };

typedef unsigned long long ull;

static int show_filesystems(struct text_buffer *b, void *)
{
	struct filesystem *fs;

	for (uint32_t n = 0; (fs = filesystem_at(n)) != nullptr; n++)
		text_printf(b, "%s\t%s\n", fs->needs_device ? "" : "nodev", fs->name);
	return 0;
}

static void show_kib(struct text_buffer *b, const char *name, uint64_t pages)
{
	text_printf(b, "%s:%*s%8llu kB\n", name, (int)(15 - strlen(name)), "", (ull)pages * (PAGE_SIZE / 1024));
}

static int show_meminfo(struct text_buffer *b, void *)
{
	uint64_t limit, promised, locked = vm_locked_pages();
	struct memory_stats m;

	page_stats(&m);
	vm_commit_stats(&limit, &promised);
	uint64_t anonymous = m.user_pages > m.cache_pages ? m.user_pages - m.cache_pages : 0;
	uint64_t reclaimable = MIN(dentry_cache_bytes() / PAGE_SIZE, m.slab_pages);
	show_kib(b, "MemTotal", m.total_pages);
	show_kib(b, "MemFree", m.free_pages);
	uint64_t stored = MIN(__atomic_load_n(&page_stored_count, __ATOMIC_RELAXED), m.cache_pages);
	uint64_t dirty = __atomic_load_n(&page_dirty_count, __ATOMIC_RELAXED);
	uint64_t writing = __atomic_load_n(&page_writing_count, __ATOMIC_RELAXED);
	show_kib(b, "MemAvailable", m.free_pages + reclaimable + stored - MIN(stored, dirty + writing));
	show_kib(b, "Buffers", 0);
	show_kib(b, "Cached", m.cache_pages);
	show_kib(b, "SwapCached", 0);
	show_kib(b, "Active", m.user_pages);
	show_kib(b, "Inactive", 0);
	show_kib(b, "Unevictable", locked);
	show_kib(b, "Mlocked", locked);
	show_kib(b, "SwapTotal", 0);
	show_kib(b, "SwapFree", 0);
	show_kib(b, "Dirty", dirty);
	show_kib(b, "Writeback", writing);
	show_kib(b, "AnonPages", anonymous);
	show_kib(b, "Mapped", 0);
	show_kib(b, "Shmem", m.cache_pages - stored);
	show_kib(b, "Slab", m.slab_pages);
	show_kib(b, "SReclaimable", reclaimable);
	show_kib(b, "SUnreclaim", m.slab_pages - reclaimable);
	show_kib(b, "CommitLimit", limit);
	show_kib(b, "Committed_AS", promised);
	show_kib(b, "KernelMemory", m.kernel_pages);
	show_kib(b, "NucleusMemory", m.nucleus_pages);
	return 0;
}

struct times {
	uint64_t user_ns, system_ns;
};

static int add_times(void *ctx, struct process *p)
{
	struct times *t = ctx;
	uint64_t user, system, child_user, child_system;

	process_times(p, &user, &system, &child_user, &child_system);
	t->user_ns += user + child_user;
	t->system_ns += system + child_system;
	return 0;
}

static uint64_t idle_ns(uint32_t cpu)
{
	struct account_cpu a;

	if (nucleus_account_read(ACCOUNT_CPU, cpu) < 0)
		return 0;
	memcpy(&a, call_area(), sizeof(a));
	return a.idle_ns;
}

static uint64_t interrupts(void)
{
	uint64_t sum = 0;

	for (uint32_t n = 0; n < boot_info()->cpu_count; n++)
		if (nucleus_account_read(ACCOUNT_CPU, n) >= 0)
			sum += ((const struct account_cpu *)call_area())->irq;
	return sum;
}

static int show_vmstat(struct text_buffer *b, void *)
{
	struct process_usage all;
	struct memory_stats m;

	page_stats(&m);
	process_usage_total(&all);
	uint64_t reclaimable = MIN(dentry_cache_bytes() / PAGE_SIZE, m.slab_pages);
	text_printf(b, "nr_free_pages %llu\nnr_anon_pages %llu\nnr_file_pages %llu\nnr_shmem %llu\n", (ull)m.free_pages,
		    (ull)(m.user_pages > m.cache_pages ? m.user_pages - m.cache_pages : 0), (ull)m.cache_pages,
		    (ull)m.cache_pages);
	text_printf(b, "nr_slab_reclaimable %llu\nnr_slab_unreclaimable %llu\nnr_dirty 0\nnr_writeback 0\n",
		    (ull)reclaimable, (ull)(m.slab_pages - reclaimable));
	text_printf(b, "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault %llu\npgmajfault %llu\n",
		    (ull)(all.minor_faults + all.major_faults), (ull)all.major_faults);
	return 0;
}

static void show_cpu_line(struct text_buffer *b, const char *name, uint64_t user_ns, uint64_t system_ns, uint64_t idle)
{
	text_printf(b, "%s %llu 0 %llu %llu 0 0 0 0 0 0\n", name, (ull)(user_ns / NS_PER_TICK),
		    (ull)(system_ns / NS_PER_TICK), (ull)(idle / NS_PER_TICK));
}

/* Idle time is known for each CPU. What is left of the time is user time in the proportion that processes report for
 * all CPUs. */
static int show_stat(struct text_buffer *b, void *)
{
	uint32_t cpus = boot_info()->cpu_count;
	uint64_t up = clock_monotonic_ns(), idle_total = 0, busy_total;
	struct times t = {};
	char name[16];

	for (uint32_t n = 0; n < cpus; n++)
		idle_total += MIN(idle_ns(n), up);
	busy_total = up * cpus - idle_total;
	(void)process_for_each(add_times, &t);
	uint64_t user = MIN(t.user_ns, busy_total);
	show_cpu_line(b, "cpu ", user, busy_total - user, idle_total);
	for (uint32_t n = 0; n < cpus; n++) {
		uint64_t idle = MIN(idle_ns(n), up), busy = up - idle;
		uint64_t share = busy_total >= 1000 ? busy / 1000 * user / (busy_total / 1000) : 0;

		snprintf(name, sizeof(name), "cpu%u", n);
		show_cpu_line(b, name, MIN(share, busy), busy - MIN(share, busy), idle);
	}
	struct process_usage all;
	process_usage_total(&all);
	text_printf(b, "intr %llu\nctxt %llu\nbtime %lld\nprocesses %llu\nprocs_running %u\nprocs_blocked 0\n",
		    (ull)interrupts(), (ull)(all.voluntary + all.involuntary),
		    (long long)((clock_realtime_ns() - (int64_t)up) / (int64_t)NS_PER_S), (ull)process_forks(),
		    process_running_count());
	/* Work that interrupts put off is done by threads. */
	text_printf(b, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

static int show_uptime(struct text_buffer *b, void *)
{
	uint64_t up = clock_monotonic_ns(), idle = 0;

	for (uint32_t n = 0; n < boot_info()->cpu_count; n++)
		idle += idle_ns(n);
	text_printf(b, "%llu.%02llu %llu.%02llu\n", (ull)(up / NS_PER_S), (ull)(up / NS_PER_TICK % 100),
		    (ull)(idle / NS_PER_S), (ull)(idle / NS_PER_TICK % 100));
	return 0;
}

static int show_loadavg(struct text_buffer *b, void *)
{
	uint32_t load[3];

	process_load(load);
	for (int n = 0; n < 3; n++)
		text_printf(b, "%u.%02u ", load[n] / 2048, load[n] % 2048 * 100 / 2048);
	text_printf(b, "%u/%u %u\n", process_running_count(), process_thread_total(), process_last_pid());
	return 0;
}

static int show_cmdline(struct text_buffer *b, void *)
{
	text_printf(b, "%s\n", cmdline_text());
	return 0;
}

static int show_cpuinfo(struct text_buffer *b, void *)
{
	for (uint32_t n = 0; n < boot_info()->cpu_count; n++)
		cpuinfo_show(b, n);
	return 0;
}

static int show_devices(struct text_buffer *b, void *)
{
	struct chrdev_info info;
	uint32_t last = UINT32_MAX;
	const char *name;

	text_printf(b, "Character devices:\n");
	for (uint32_t n = 0; chrdev_at(n, &info); n++) {
		size_t length = strlen(info.name);

		if (info.major == last)
			continue;
		last = info.major;
		/* The driver's name is that of its devices without their number; memory devices are many under one. */
		while (length > 0 && info.name[length - 1] >= '0' && info.name[length - 1] <= '9')
			length--;
		text_printf(b, "%3u %.*s\n", info.major, (int)length, info.major == 1 ? "mem" : info.name);
	}
	text_printf(b, "\nBlock devices:\n");
	for (uint32_t n = 0; blkdev_major_at(n, &last, &name); n++)
		text_printf(b, "%3u %s\n", last, name);
	return 0;
}

static int show_swaps(struct text_buffer *b, void *)
{
	text_printf(b, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	return 0;
}

static void show_uuid(struct text_buffer *b, const unsigned char *bytes)
{
	for (int n = 0; n < 16; n++)
		text_printf(b, "%s%02x", n == 4 || n == 6 || n == 8 || n == 10 ? "-" : "", bytes[n]);
	text_printf(b, "\n");
}

/* A random UUID (RFC 9562 section 5.4). */
static void make_uuid(unsigned char bytes[16])
{
	random_bytes(bytes, 16);
	bytes[6] = (bytes[6] & 0x0f) | 0x40;
	bytes[8] = (bytes[8] & 0x3f) | 0x80;
}

static int show_new_uuid(struct text_buffer *b, void *)
{
	unsigned char bytes[16];

	make_uuid(bytes);
	show_uuid(b, bytes);
	return 0;
}

static int show_boot_id(struct text_buffer *b, void *)
{
	static struct mutex lock = MUTEX_INIT(lock, RANK_NONE);
	static unsigned char id[16];
	static bool made;

	mutex_lock(&lock);
	if (!made)
		make_uuid(id);
	made = true;
	mutex_unlock(&lock);
	show_uuid(b, id);
	return 0;
}

static int show_entropy(struct text_buffer *b, void *)
{
	text_printf(b, "%u\n", random_seeded() ? 256 : 0);
	return 0;
}

static int show_text(struct text_buffer *b, void *arg)
{
	text_printf(b, "%s\n", (const char *)arg);
	return 0;
}

/* 1: page caches, 2: names and inodes, 3: both; 4 as well, which Linux takes as a wish not to log it. */
static long write_drop_caches(const char *text, size_t n, void *)
{
	int64_t what;
	int error = knob_parse(text, n, &what);

	if (error == 0 && (what < 1 || what > 7))
		error = -EINVAL;
	if (error != 0)
		return error;
	if (what & 1)
		page_cache_evict_all();
	if (what & 2) {
		dentry_cache_drop();
		thread_stacks_drop();
	}
	return (long)n;
}

static int show_file_count(struct text_buffer *b, void *)
{
	text_printf(b, "%d\t0\t%d\n", __atomic_load_n(&file_total, __ATOMIC_RELAXED),
		    __atomic_load_n(&file_ceiling, __ATOMIC_RELAXED));
	return 0;
}

PROC_FILE(filesystems, .component = &component_procfs, .name = "filesystems", .mode = 0444, .show = show_filesystems);
PROC_FILE(meminfo, .component = &component_procfs, .name = "meminfo", .mode = 0444, .show = show_meminfo);
PROC_FILE(vmstat, .component = &component_procfs, .name = "vmstat", .mode = 0444, .show = show_vmstat);
PROC_FILE(stat, .component = &component_procfs, .name = "stat", .mode = 0444, .show = show_stat);
PROC_FILE(uptime, .component = &component_procfs, .name = "uptime", .mode = 0444, .show = show_uptime);
PROC_FILE(loadavg, .component = &component_procfs, .name = "loadavg", .mode = 0444, .show = show_loadavg);
PROC_FILE(cmdline, .component = &component_procfs, .name = "cmdline", .mode = 0444, .show = show_cmdline);
PROC_FILE(cpuinfo, .component = &component_procfs, .name = "cpuinfo", .mode = 0444, .show = show_cpuinfo);
PROC_FILE(devices, .component = &component_procfs, .name = "devices", .mode = 0444, .show = show_devices);
PROC_FILE(swaps, .component = &component_procfs, .name = "swaps", .mode = 0444, .show = show_swaps);
PROC_FILE(uuid, .component = &component_procfs, .name = "sys/kernel/random/uuid", .mode = 0444, .show = show_new_uuid);
PROC_FILE(boot_id, .component = &component_procfs, .name = "sys/kernel/random/boot_id", .mode = 0444,
	  .show = show_boot_id);
PROC_FILE(entropy_avail, .component = &component_procfs, .name = "sys/kernel/random/entropy_avail", .mode = 0444,
	  .show = show_entropy);
PROC_FILE(poolsize, .component = &component_procfs, .name = "sys/kernel/random/poolsize", .mode = 0444,
	  .show = show_text, .arg = "256");
PROC_FILE(drop_caches, .component = &component_procfs, .name = "sys/vm/drop_caches", .mode = 0200,
	  .write = write_drop_caches);
PROC_KNOB(file_max, component_procfs, "sys/fs/file-max", 0644, &file_ceiling, 0, INT32_MAX, 0);
PROC_KNOB(nr_open, component_procfs, "sys/fs/nr_open", 0644, &descriptor_ceiling, 64, 1 << 20, 0);
PROC_FILE(file_nr, .component = &component_procfs, .name = "sys/fs/file-nr", .mode = 0444, .show = show_file_count);

void proc_system_init(void)
{
	/* A tenth of memory at a KiB each, as on Linux. */
	struct memory_stats m;
	page_stats(&m);
	file_ceiling = (int32_t)MAX(MIN(m.total_pages * (PAGE_SIZE / 1024) / 10, (uint64_t)INT32_MAX), UINT64_C(8192));
}
