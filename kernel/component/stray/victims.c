/* SPDX-License-Identifier: MIT */
/*
 * Victims of the stray component, chosen by seed at run time from what lowered code can know: the
 * linker script's boundaries, the frame table, the layout of the address space. They are named by
 * their addresses: names are for the report to find.
 */
#include "stray.h"

#include <abi/errno.h>
#include <arch/stray_victims.h>
#include <kernel/base/init.h>
#include <kernel/mem/page.h>
#include <lib/string.h>

/* The linker script's. */
extern const char nucleus_text_start[], nucleus_text_end[], nucleus_data_start[], nucleus_data_end[];
extern const char lowered_text_end[];

/* Where the nucleus puts its things in the pool: records of threads behind the first CPU's pages;
 * areas of CPUs. */
constexpr uint64_t RECORDS_OFFSET = STRAY_FIRST_CPU_PAGES * PAGE_SIZE, RECORDS_BYTES = 8192;
constexpr uint64_t CPU_AREAS_OFFSET = 0x40000000, CPU_AREA_BYTES = 0x10000, CPU_DATA_OFFSET = 0x1000,
		   CPU_DATA_BYTES = 512;

/* splitmix64: a different number for each seed and step. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static int choose_between(uint64_t seed, const char *what, const char *start, const char *end, struct stray_victim *v)
{
	v->address = (uint64_t)start + next_random(&seed) % (uint64_t)(end - start);
	snprintf(v->name, sizeof(v->name), "%s-at-%#lx", what, v->address);
	return 0;
}

int stray_choose_page_table(uint64_t seed, struct stray_victim *v)
{
	uint64_t count = boot_info()->frame_count, start = next_random(&seed) % count;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t pfn = (start + i) % count;
		const struct frame *frame = frame_entry(pfn);

		if (frame->type != FRAME_PAGE_TABLE || frame->mappings == 0)
			continue;
		uint64_t entry = next_random(&seed) % (PAGE_SIZE / sizeof(uint64_t));
		v->address = (uint64_t)page_window(pfn) + entry * sizeof(uint64_t);
		snprintf(v->name, sizeof(v->name), "page-table-frame-%#lx-level-%u-entry-%lu", pfn, frame->level,
			 entry);
		return 0;
	}
	return -ENOENT;
}

int stray_choose_nucleus_data(uint64_t seed, struct stray_victim *v)
{
	return choose_between(seed, "nucleus-data", nucleus_data_start, nucleus_data_end, v);
}

int stray_choose_nucleus_text(uint64_t seed, struct stray_victim *v)
{
	return choose_between(seed, "nucleus-text", nucleus_text_start, nucleus_text_end, v);
}

int stray_choose_kernel_text(uint64_t seed, struct stray_victim *v)
{
	return choose_between(seed, "kernel-text", (const char *)LOWERED_TEXT_BASE, lowered_text_end, v);
}

int stray_choose_thread_record(uint64_t seed, struct stray_victim *v)
{
	uint64_t offset = RECORDS_OFFSET + next_random(&seed) % RECORDS_BYTES;

	v->address = POOL_BASE + offset;
	snprintf(v->name, sizeof(v->name), "thread-record-at-%#lx", v->address);
	return 0;
}

int stray_choose_entry_page(uint64_t seed, struct stray_victim *v)
{
	uint64_t cpu = next_random(&seed) % boot_info()->cpu_count;
	uint64_t offset = CPU_DATA_OFFSET + next_random(&seed) % CPU_DATA_BYTES;

	v->address = POOL_BASE + CPU_AREAS_OFFSET + cpu * CPU_AREA_BYTES + offset;
	snprintf(v->name, sizeof(v->name), "entry-page-of-cpu-%lu+%#lx", cpu, offset - CPU_DATA_OFFSET);
	return 0;
}

int stray_choose_nucleus_frame(uint64_t seed, struct stray_victim *v)
{
	uint64_t count = boot_info()->frame_count, start = next_random(&seed) % count;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t pfn = (start + i) % count;

		if (frame_entry(pfn)->type != FRAME_NUCLEUS)
			continue;
		v->address = pfn;
		snprintf(v->name, sizeof(v->name), "nucleus-frame-%#lx", pfn);
		return 0;
	}
	return -ENOENT;
}

int stray_choose_number(uint64_t seed, struct stray_victim *v)
{
	v->address = next_random(&seed) | 1;
	snprintf(v->name, sizeof(v->name), "number-%#lx", v->address);
	return 0;
}
