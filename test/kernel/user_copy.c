/* SPDX-License-Identifier: MIT */
/* Copies to and from a process: right across page borders, and EFAULT for every address that is not the process's to
 * use. */
#include "ktest.h"

#include <abi/errno.h>
#include <abi/mman.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <kernel/process/process.h>
#include <kernel/vm/user.h>
#include <kernel/vm/vm.h>
#include <lib/string.h>

constexpr uint64_t BASE = 0x100000, PAGES = 3, READ_ONLY = 0x200000;
/* A table of page entries ends two pages on. */
constexpr uint64_t START = 0x40000000 - 2 * PAGE_SIZE, COUNT = 4;

/* The calling thread works for a process that has nothing but an address space. */
static bool enter(struct vm_space **space)
{
	struct process *p = kmalloc(sizeof(*p));

	if (!EXPECT(p != nullptr) || !EXPECT_EQ(vm_space_create(space), 0))
		return false;
	EXPECT_EQ(vm_map_fixed(*space, BASE, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, nullptr, 0), 0);
	EXPECT_EQ(vm_map_fixed(*space, READ_ONLY, PAGE_SIZE, PROT_READ, nullptr, 0), 0);
	EXPECT_EQ(vm_map_fixed(*space, START, COUNT * PAGE_SIZE, PROT_READ | PROT_WRITE, nullptr, 0), 0);
	p->space = *space;
	thread_current()->process = p;
	return true;
}

static void leave(struct vm_space *space)
{
	kfree(thread_current()->process);
	thread_current()->process = nullptr;
	vm_space_put(space);
}

static void round_trips(void)
{
	static unsigned char out[2 * PAGE_SIZE], in[2 * PAGE_SIZE];
	static const uint64_t offsets[] = {0, 1, PAGE_SIZE - 1, PAGE_SIZE, 100};
	struct vm_space *space;

	if (!enter(&space))
		return;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 7 + i / 256);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		size_t n = sizeof(out) - i;

		memset(in, 0, sizeof(in));
		EXPECT_EQ(copy_to_user(USER_ADDR(BASE + offsets[i]), out, n), 0);
		EXPECT_EQ(copy_from_user(in, USER_ADDR(BASE + offsets[i]), n), 0);
		EXPECT_EQ(memcmp(in, out, n), 0);
	}
	EXPECT_EQ(clear_user(USER_ADDR(BASE), PAGES * PAGE_SIZE), 0);
	EXPECT_EQ(copy_from_user(in, USER_ADDR(BASE + 50), PAGE_SIZE), 0);
	for (size_t i = 0; i < PAGE_SIZE; i += 97)
		EXPECT_EQ(in[i], 0);
	leave(space);
}

static void bad_addresses(void)
{
	static char buffer[PAGE_SIZE];
	static const uint64_t bad[] = {0,
				       8,
				       BASE - 1,
				       BASE + PAGES * PAGE_SIZE,
				       USER_END - 1,
				       USER_END,
				       USER_END + PAGE_SIZE,
				       0x0000900000000000,
				       WINDOW_BASE,
				       KMAP_BASE,
				       POOL_BASE,
				       IMAGE_BASE,
				       GATES_BASE,
				       UINT64_MAX - 3};
	struct vm_space *space;
	uint32_t word;

	if (!enter(&space))
		return;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(copy_from_user(buffer, USER_ADDR(bad[i]), 4), -EFAULT);
		EXPECT_EQ(copy_to_user(USER_ADDR(bad[i]), buffer, 4), -EFAULT);
		EXPECT_EQ(clear_user(USER_ADDR(bad[i]), 4), -EFAULT);
		EXPECT_EQ(copy_string_from_user(buffer, USER_ADDR(bad[i]), 16), -EFAULT);
		EXPECT_EQ(user_load_u32(USER_ADDR(bad[i] & ~3ull), &word), -EFAULT);
	}
	/* As far as it goes. */
	EXPECT_EQ(copy_to_user_partial(USER_ADDR(BASE + PAGES * PAGE_SIZE - 10), buffer, 100), 10);
	EXPECT_EQ(copy_from_user_partial(buffer, USER_ADDR(BASE + PAGES * PAGE_SIZE - 10), 100), 10);
	EXPECT_EQ(copy_from_user(buffer, USER_ADDR(BASE), 0), 0);
	/* Longer than the address space. */
	EXPECT(copy_from_user_partial(buffer, USER_ADDR(USER_END - 8), 64) == 0);
	EXPECT_EQ(user_load_u32(USER_ADDR(BASE + 2), &word), -EFAULT);
	leave(space);
}

static void read_only(void)
{
	char buffer[16] = {1};
	struct vm_space *space;
	uint32_t seen;

	if (!enter(&space))
		return;
	EXPECT_EQ(copy_from_user(buffer, USER_ADDR(READ_ONLY), 16), 0);
	EXPECT_EQ(buffer[0], 0);
	EXPECT_EQ(copy_to_user(USER_ADDR(READ_ONLY), buffer, 16), -EFAULT);
	EXPECT_EQ(user_cmpxchg_u32(USER_ADDR(READ_ONLY), 0, 1, &seen), -EFAULT);
	EXPECT_EQ(user_load_u32(USER_ADDR(READ_ONLY), &seen), 0);
	EXPECT_EQ(seen, 0);
	leave(space);
}

static void strings(void)
{
	char buffer[32];
	struct vm_space *space;
	uint64_t end = BASE + PAGES * PAGE_SIZE;

	if (!enter(&space))
		return;
	EXPECT_EQ(copy_to_user(USER_ADDR(BASE + PAGE_SIZE - 3), "across", 7), 0);
	EXPECT_EQ(copy_string_from_user(buffer, USER_ADDR(BASE + PAGE_SIZE - 3), sizeof(buffer)), 6);
	EXPECT_EQ(strcmp(buffer, "across"), 0);
	EXPECT_EQ(copy_string_from_user(buffer, USER_ADDR(BASE + PAGE_SIZE - 3), 6), -ENAMETOOLONG);
	EXPECT_EQ(copy_string_from_user(buffer, USER_ADDR(BASE + PAGE_SIZE - 3), 7), 6);
	/* The terminator may be the last byte there is. */
	EXPECT_EQ(copy_to_user(USER_ADDR(end - 4), "end", 4), 0);
	EXPECT_EQ(copy_string_from_user(buffer, USER_ADDR(end - 4), sizeof(buffer)), 3);
	EXPECT_EQ(copy_to_user(USER_ADDR(end - 4), "endx", 4), 0);
	EXPECT_EQ(copy_string_from_user(buffer, USER_ADDR(end - 4), sizeof(buffer)), -EFAULT);
	leave(space);
}

/* Between pages and a process, at every alignment of one to the other, across a border of the process's page tables,
 * and as far as there is memory. */
static void pages_of_the_kernel(void)
{
	constexpr size_t ALL = COUNT * PAGE_SIZE;
	static const size_t offsets[] = {0, 1, 100, PAGE_SIZE - 8, PAGE_SIZE - 1, PAGE_SIZE};
	struct page *pages[COUNT];
	struct vm_space *space;

	if (!enter(&space))
		return;
	unsigned got = page_alloc_user_batch(pages, COUNT, true);
	unsigned char *seen = kmalloc(ALL);
	if (EXPECT_EQ(got, COUNT) && EXPECT(seen != nullptr)) {
		for (size_t n = 0; n < ALL; n++)
			((unsigned char *)page_address(pages[n / PAGE_SIZE]))[n % PAGE_SIZE] =
				(unsigned char)(n * 3 + n / 256);
		for (size_t i = 0; i < ARRAY_LEN(offsets) * ARRAY_LEN(offsets); i++) {
			size_t skip = offsets[i % ARRAY_LEN(offsets)], at = offsets[i / ARRAY_LEN(offsets)];
			size_t n = ALL - MAX(skip, at) - i, wrong = 0;

			EXPECT_EQ(clear_user(USER_ADDR(START), ALL), 0);
			EXPECT_EQ(copy_pages_to_user(USER_ADDR(START + at), pages, skip, n), n);
			EXPECT_EQ(copy_from_user(seen, USER_ADDR(START), ALL), 0);
			for (size_t k = 0; k < ALL; k++) {
				size_t from = k - at + skip;
				wrong +=
					seen[k] != (k >= at && k < at + n ? (unsigned char)(from * 3 + from / 256) : 0);
			}
			EXPECT_EQ(wrong, 0);
			/* Back to where it came from, the bytes' complement. */
			for (size_t k = 0; k < n; k++)
				seen[k] = (unsigned char)~seen[at + k];
			EXPECT_EQ(copy_to_user(USER_ADDR(START + at), seen, n), 0);
			EXPECT_EQ(copy_pages_from_user(pages, skip, USER_ADDR(START + at), n), n);
			for (size_t k = 0; k < ALL; k++) {
				unsigned char *byte =
					(unsigned char *)page_address(pages[k / PAGE_SIZE]) + k % PAGE_SIZE;
				unsigned char whole = (unsigned char)(k * 3 + k / 256);

				wrong += *byte != (unsigned char)(k >= skip && k < skip + n ? ~whole : whole);
				*byte = whole;
			}
			EXPECT_EQ(wrong, 0);
		}
		EXPECT_EQ(copy_pages_to_user(USER_ADDR(START + ALL - 10), pages, 0, 100), 10);
		EXPECT_EQ(copy_pages_from_user(pages, 5000, USER_ADDR(START + ALL - 5000), 6000), 5000);
		EXPECT_EQ(copy_pages_to_user(USER_ADDR(READ_ONLY), pages, 0, 100), 0);
		EXPECT_EQ(copy_pages_to_user(USER_ADDR(USER_END), pages, 0, 1), 0);
	}
	kfree(seen);
	page_put_batch(pages, got);
	leave(space);
}

static void no_process(void)
{
	char buffer[4];

	EXPECT_EQ(copy_from_user(buffer, USER_ADDR(BASE), 4), -EFAULT);
	EXPECT_EQ(copy_to_user(USER_ADDR(BASE), buffer, 4), -EFAULT);
}

KTEST_SUITE(user_copy, KTEST("what goes in comes out", round_trips),
	    KTEST("addresses that are not the process's", bad_addresses),
	    KTEST("read-only memory is not written", read_only), KTEST("pages of the kernel", pages_of_the_kernel),
	    KTEST("strings end where they end", strings), KTEST("a kernel thread has no user memory", no_process));
