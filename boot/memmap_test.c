/* SPDX-License-Identifier: MIT */
/*
 * Host test of boot/memmap.c: from random firmware maps with kernel, modules and a screen comes a
 * map with the promises of the protocol, in which every page keeps the type that it must have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "memmap.c"

constexpr unsigned PAGES = 256;
constexpr unsigned MAX_DESCRIPTORS = 64;

struct efi_system_table *efi;
bool boot_services_over;

void arch_map(uint64_t, uint64_t, uint64_t, unsigned)
{
}

void *alloc(uint64_t)
{
	return nullptr;
}

void die(const char *, const char *, ...)
{
	abort();
}

const char *efi_status_text(efi_status)
{
	return "";
}

static unsigned below(unsigned n)
{
	return (unsigned)rand() % n;
}

static struct efi_memory_descriptor descriptors[MAX_DESCRIPTORS];
static struct limine_memmap_entry map[MAX_DESCRIPTORS + 2 * (BOOT_MODULES + 3)];
static struct limine_memmap_entry *pointers[MAX_DESCRIPTORS + 2 * (BOOT_MODULES + 3)];
static uint64_t wanted[PAGES]; /* the type of each page; UINT64_MAX: not there */

/* Random runs of random types with gaps, then shuffled. */
static void make_firmware_map(struct boot *boot)
{
	unsigned count = 0;

	for (unsigned page = 0; page < PAGES && count < MAX_DESCRIPTORS;) {
		unsigned pages = 1 + below(12);
		unsigned type = below(16);

		if (pages > PAGES - page)
			pages = PAGES - page;
		if (below(8) != 0) {
			descriptors[count++] = (struct efi_memory_descriptor){
				.type = type, .physical_start = page * PAGE, .number_of_pages = pages};
			for (unsigned i = 0; i < pages; i++)
				wanted[page + i] = type_of(type);
		}
		page += pages;
	}
	for (unsigned i = count; i > 1; i--) {
		unsigned j = below(i);
		struct efi_memory_descriptor d = descriptors[j];

		descriptors[j] = descriptors[i - 1];
		descriptors[i - 1] = d;
	}
	boot->efi_map = descriptors;
	boot->efi_desc_size = sizeof(descriptors[0]);
	boot->efi_map_size = count * sizeof(descriptors[0]);
}

/* A run of pages for the kernel or a module; marked in wanted. */
static struct boot_range make_mark(uint64_t type)
{
	unsigned start = below(PAGES - 20), pages = 1 + below(20);

	for (unsigned i = 0; i < pages; i++)
		wanted[start + i] = type;
	return (struct boot_range){start * PAGE, pages * PAGE};
}

static void check_map(const struct boot *boot)
{
	uint64_t page = 0;

	for (uint64_t i = 0; i < boot->map_count; i++) {
		const struct limine_memmap_entry *e = &boot->map[i];

		assert_int_not_equal(e->length, 0);
		assert_int_equal((e->base | e->length) % PAGE, 0);
		assert_true(i == 0 || e[-1].base + e[-1].length <= e->base);
		assert_true(i == 0 || e[-1].type != e->type || e[-1].base + e[-1].length < e->base);
		for (; page < e->base / PAGE; page++)
			assert_int_equal(wanted[page], UINT64_MAX);
		for (; page < (e->base + e->length) / PAGE; page++)
			assert_int_equal(wanted[page], e->type);
	}
	for (; page < PAGES; page++)
		assert_int_equal(wanted[page], UINT64_MAX);
}

static void test_random_maps(void **)
{
	srand(1);
	for (unsigned round = 0; round < 2000; round++) {
		struct boot boot = {.map = map, .map_pointers = pointers};
		struct boot_range range;

		boot.map_room = sizeof(map) / sizeof(map[0]);
		for (unsigned i = 0; i < PAGES; i++)
			wanted[i] = UINT64_MAX;
		make_firmware_map(&boot);
		if (wanted[0] != UINT64_MAX)
			wanted[0] = LIMINE_MEMMAP_RESERVED;
		if (below(2))
			boot.framebuffer = make_mark(LIMINE_MEMMAP_FRAMEBUFFER);
		range = make_mark(LIMINE_MEMMAP_KERNEL_AND_MODULES);
		boot.kernel_phys = range.base;
		boot.elf.high = range.size;
		boot.module_count = below(BOOT_MODULES + 1);
		for (unsigned i = 0; i < boot.module_count; i++) {
			range = make_mark(LIMINE_MEMMAP_KERNEL_AND_MODULES);
			boot.module[i].data = (void *)range.base;
			boot.module[i].size = range.size - 1 - below(PAGE);
		}
		memmap_build(&boot);
		check_map(&boot);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_maps)};

	return cmocka_run_group_tests_name("memmap", tests, nullptr, nullptr);
}
