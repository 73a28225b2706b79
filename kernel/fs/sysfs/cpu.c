/* SPDX-License-Identifier: MIT */
/*
 * /sys/devices/system/cpu and node (Linux, Documentation/ABI: sysfs-devices-system-cpu, stable/sysfs-devices-node;
 * admin-guide/cputopology.rst). As in /proc/cpuinfo all processors are cores of one package without further threads,
 * and all memory is one node. The argument of a processor's file is its number.
 */
#include "sysfs.h"

#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/mem/page.h>
#include <kernel/mem/text.h>
#include <lib/string.h>

static uint64_t all(void)
{
	uint32_t count = boot_info()->cpu_count;

	return count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
}

/* A set as Linux's bitmaps are written: "0-3" or "0,2"; an empty one is an empty line. */
static int show_list(struct text_buffer *b, uint64_t set)
{
	const char *between = "";

	for (uint32_t first = 0; first < 64; first++) {
		uint32_t last = first;

		if (!(set >> first & 1))
			continue;
		while (last < 63 && (set >> (last + 1) & 1))
			last++;
		text_printf(b, "%s%u", between, first);
		if (last > first)
			text_printf(b, "-%u", last);
		between = ",";
		first = last;
	}
	text_printf(b, "\n");
	return 0;
}

/* The same in hexadecimal, words of 32 bits, as many digits as the machine's processors need. */
static int show_mask(struct text_buffer *b, uint64_t set)
{
	uint32_t count = boot_info()->cpu_count, digits = (count + 3) / 4;

	if (digits <= 8)
		text_printf(b, "%0*x\n", (int)digits, (uint32_t)set);
	else
		text_printf(b, "%0*x,%08x\n", (int)digits - 8, (uint32_t)(set >> 32), (uint32_t)set);
	return 0;
}

static int show_all_list(struct text_buffer *b, void *)
{
	return show_list(b, all());
}
static int show_all_mask(struct text_buffer *b, void *)
{
	return show_mask(b, all());
}
static int show_none(struct text_buffer *b, void *)
{
	return show_list(b, 0);
}
static int show_own_list(struct text_buffer *b, void *cpu)
{
	return show_list(b, UINT64_C(1) << (uintptr_t)cpu);
}
static int show_own_mask(struct text_buffer *b, void *cpu)
{
	return show_mask(b, UINT64_C(1) << (uintptr_t)cpu);
}
static int show_number(struct text_buffer *b, void *number)
{
	text_printf(b, "%lu\n", (unsigned long)(uintptr_t)number);
	return 0;
}

#define CPU_FILE(ident, file_name, function, ...)                                                                      \
	SYS_FILE(ident, .component = &component_sysfs, .name = (file_name), .mode = 0444, .show = (function),          \
		 __VA_ARGS__)
CPU_FILE(cpu_online, "devices/system/cpu/online", show_all_list);
CPU_FILE(cpu_possible, "devices/system/cpu/possible", show_all_list);
CPU_FILE(cpu_present, "devices/system/cpu/present", show_all_list);
CPU_FILE(cpu_offline, "devices/system/cpu/offline", show_none);
CPU_FILE(cpu_isolated, "devices/system/cpu/isolated", show_none);
/* The highest number that there may be: masks have 64 bits. */
CPU_FILE(cpu_kernel_max, "devices/system/cpu/kernel_max", show_number, .arg = (void *)63);
CPU_FILE(node_online, "devices/system/node/online", show_number);
CPU_FILE(node_possible, "devices/system/node/possible", show_number);
CPU_FILE(node_has_cpu, "devices/system/node/has_cpu", show_number);
CPU_FILE(node_has_memory, "devices/system/node/has_memory", show_number);
CPU_FILE(node_has_normal_memory, "devices/system/node/has_normal_memory", show_number);
CPU_FILE(node0_cpulist, "devices/system/node/node0/cpulist", show_all_list);
CPU_FILE(node0_cpumap, "devices/system/node/node0/cpumap", show_all_mask);
/* Of a node to itself (ACPI 6.5, 5.2.17). */
CPU_FILE(node0_distance, "devices/system/node/node0/distance", show_number, .arg = (void *)10);

static int show_node_memory(struct text_buffer *b, void *)
{
	struct memory_stats m;

	page_stats(&m);
	const struct {
		const char *name;
		uint64_t pages;
	} lines[] = {
		{"MemTotal", m.total_pages},
		{"MemFree", m.free_pages},
		{"MemUsed", m.total_pages - m.free_pages},
		{"FilePages", m.cache_pages},
	};

	for (size_t n = 0; n < ARRAY_LEN(lines); n++)
		text_printf(b, "Node 0 %s:%*s%8lu kB\n", lines[n].name, (int)(15 - strlen(lines[n].name)), "",
			    lines[n].pages * (PAGE_SIZE / 1024));
	return 0;
}
CPU_FILE(node0_meminfo, "devices/system/node/node0/meminfo", show_node_memory);

#define TOPOLOGY(file_name, function)                                                                                  \
	{.component = &component_sysfs, .name = "topology/" file_name, .mode = 0444, .show = (function)}
static int show_package(struct text_buffer *b, void *)
{
	text_printf(b, "0\n");
	return 0;
}
static const struct node_file of_cpu[] = {
	TOPOLOGY("physical_package_id", show_package),
	TOPOLOGY("core_id", show_number),
	TOPOLOGY("thread_siblings", show_own_mask),
	TOPOLOGY("thread_siblings_list", show_own_list),
	TOPOLOGY("core_cpus", show_own_mask),
	TOPOLOGY("core_cpus_list", show_own_list),
	TOPOLOGY("core_siblings", show_all_mask),
	TOPOLOGY("core_siblings_list", show_all_list),
	TOPOLOGY("package_cpus", show_all_mask),
	TOPOLOGY("package_cpus_list", show_all_list),
	{},
};

int sysfs_add_cpus(void)
{
	struct tree_node *cpus = tree_path(&sys_tree, "devices/system/cpu");
	struct tree_node *node = tree_path(&sys_tree, "devices/system/node/node0");
	int error = cpus == nullptr || node == nullptr ? -ENOMEM : 0;

	for (uintptr_t n = 0; error == 0 && n < boot_info()->cpu_count; n++) {
		char name[16];

		snprintf(name, sizeof(name), "cpu%lu", (unsigned long)n);
		struct tree_node *cpu = tree_path(cpus, name);
		if (cpu == nullptr)
			return -ENOMEM;
		error = tree_add_files(cpu, of_cpu, (void *)n);
		if (error == 0)
			error = tree_add_link(node, name, cpu);
		if (error == 0)
			error = tree_add_link(cpu, "node0", node);
	}
	return error;
}
