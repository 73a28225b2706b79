/* SPDX-License-Identifier: MIT */
/* Mappings in the kernel view: kmap, kunmap, device_map. */
#include "ktest.h"

#include "bare.h"

#include <abi/errno.h>
#include <kernel/mem/kmap.h>
#include <nucleus/device.h>

constexpr uint32_t READ_WRITE = MAP_PROT_READ | MAP_PROT_WRITE;

static void map_and_unmap(void)
{
	uint64_t pfn = kernel_frame(), va = kmap_reserve(2);
	volatile uint64_t *p = (volatile uint64_t *)va;

	EXPECT_EQ(nucleus_kmap(va, pfn, 1, READ_WRITE), 0);
	EXPECT_EQ(mappings(pfn), 1);
	p[3] = 0xabcd;
	EXPECT_EQ(window(pfn)[3], 0xabcd);
	EXPECT_EQ(nucleus_kmap(va, pfn, 1, READ_WRITE), -EEXIST);
	EXPECT_EQ(mappings(pfn), 1);
	/* The same frame twice is fine, and counted. */
	EXPECT_EQ(nucleus_kmap(va + PAGE_SIZE, pfn, 1, MAP_PROT_READ), 0);
	EXPECT_EQ(mappings(pfn), 2);
	EXPECT_EQ(nucleus_kunmap(va, 2), 0);
	EXPECT_EQ(mappings(pfn), 0);
	EXPECT(faults(ACCESS_READ, va));
	EXPECT_EQ(nucleus_kunmap(va, 2), 0);
	EXPECT_EQ(mappings(pfn), 0);
	give_kernel_frame(pfn);
}

static void unmap_list(void)
{
	uint64_t pfn = kernel_frame(), va = kmap_reserve(8), *area = call_area();

	for (unsigned i = 0; i < 8; i++)
		EXPECT_EQ(nucleus_kmap(va + i * PAGE_SIZE, pfn, 1, READ_WRITE), 0);
	area[0] = va + 4 * PAGE_SIZE;
	area[1] = va;
	EXPECT_EQ(nucleus_kunmap_list(2, 2), 0);
	EXPECT_EQ(mappings(pfn), 4);
	for (unsigned i = 0; i < 8; i++)
		EXPECT_EQ(faults(ACCESS_READ, va + i * PAGE_SIZE), i % 4 < 2);
	/* All of a list or nothing. */
	area[0] = va + 2 * PAGE_SIZE;
	area[1] = WINDOW_BASE;
	EXPECT_EQ(nucleus_kunmap_list(2, 1), -EINVAL);
	EXPECT_EQ(nucleus_kunmap_list(0, 1), -EINVAL);
	EXPECT_EQ(nucleus_kunmap_list(1, 0), -EINVAL);
	EXPECT_EQ(nucleus_kunmap_list(1, KMAP_PAGES_MAX + 1), -EINVAL);
	EXPECT_EQ(nucleus_kunmap_list(CALL_AREA_WORDS + 1, 1), -EINVAL);
	EXPECT_EQ(nucleus_kunmap_list(2, UINT64_MAX / 2), -EINVAL);
	EXPECT_EQ(mappings(pfn), 4);
	EXPECT_EQ(nucleus_kunmap(va, 8), 0);
	EXPECT_EQ(mappings(pfn), 0);
	give_kernel_frame(pfn);
}

static void protection(void)
{
	uint64_t pfn = kernel_frame(), va = kmap_reserve(1);

	window(pfn)[0] = BARE_RETURN;
	EXPECT_EQ(nucleus_kmap(va, pfn, 1, MAP_PROT_READ), 0);
	EXPECT(!faults(ACCESS_READ, va));
	EXPECT(faults(ACCESS_WRITE, va));
	EXPECT(faults(ACCESS_EXECUTE, va));
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	EXPECT_EQ(nucleus_kmap(va, pfn, 1, READ_WRITE), 0);
	EXPECT(!faults(ACCESS_WRITE, va));
	EXPECT(faults(ACCESS_EXECUTE, va));
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	give_kernel_frame(pfn);
}

static void ranges(void)
{
	uint64_t pfn = kernel_frame(), va = kmap_reserve(1);
	static const uint64_t bad[] = {0,	   0x400000,  KMAP_BASE - PAGE_SIZE, KMAP_END,	 WINDOW_BASE,
				       IMAGE_BASE, POOL_BASE, DIRECT_BASE,	     GATES_BASE, UINT64_MAX & ~4095ull};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(nucleus_kmap(bad[i], pfn, 1, MAP_PROT_READ), -EINVAL);
		EXPECT_EQ(nucleus_kunmap(bad[i], 1), -EINVAL);
		EXPECT_EQ(nucleus_device_map(bad[i], 0xfed00000, 1), -EINVAL);
	}
	EXPECT_EQ(nucleus_kmap(va + 1, pfn, 1, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_kmap(va, pfn, 0, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_kmap(va, pfn, 513, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_kmap(va, pfn, UINT64_MAX, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_kmap(va, PFN_LIST, CALL_AREA_WORDS + 1, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_kmap(KMAP_END - PAGE_SIZE, pfn, 2, MAP_PROT_READ), -EINVAL);
	EXPECT_EQ(nucleus_kmap(va, pfn, 1, MAP_PROT_READ | MAP_PROT_EXEC), -EINVAL);
	EXPECT_EQ(nucleus_kmap(va, pfn, 1, 8), -EINVAL);
	EXPECT_EQ(nucleus_kunmap(va + 8, 1), -EINVAL);
	EXPECT_EQ(nucleus_kunmap(va, 0), -EINVAL);
	EXPECT_EQ(nucleus_kunmap(KMAP_END - PAGE_SIZE, 2), -EINVAL);
	EXPECT_EQ(mappings(pfn), 0);
	give_kernel_frame(pfn);
}

static void frame_types(void)
{
	uint64_t page = user_frame(), va = kmap_reserve(1);
	const uint64_t bad[] = {page,
				find_frame(FRAME_NUCLEUS),
				find_frame(FRAME_PAGE_TABLE),
				find_frame(FRAME_FREE),
				boot_info()->time_page_pfn,
				boot_info()->frame_count,
				UINT64_MAX >> PAGE_SHIFT,
				UINT64_MAX - 1};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_EQ(nucleus_kmap(va, bad[i], 1, MAP_PROT_READ), -EPERM);
	EXPECT(faults(ACCESS_READ, va));
	give_user_frame(page);
}

static void list(void)
{
	uint64_t va = kmap_reserve(4), pfn[4], bad = user_frame();

	for (int i = 0; i < 4; i++) {
		pfn[i] = kernel_frame();
		window(pfn[i])[0] = 100 + (uint64_t)i;
		call_area()[i] = pfn[i];
	}
	EXPECT_EQ(nucleus_kmap(va, PFN_LIST, 4, READ_WRITE), 0);
	for (unsigned i = 0; i < 4; i++)
		EXPECT_EQ(*(volatile uint64_t *)(va + i * PAGE_SIZE), 100 + i);
	EXPECT_EQ(nucleus_kunmap(va, 4), 0);
	/* One bad frame, and nothing is mapped. */
	call_area()[2] = bad;
	EXPECT_EQ(nucleus_kmap(va, PFN_LIST, 4, READ_WRITE), -EPERM);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(mappings(pfn[i]), 0);
	/* The same when one address is taken. */
	EXPECT_EQ(nucleus_kmap(va + 3 * PAGE_SIZE, pfn[3], 1, READ_WRITE), 0);
	for (int i = 0; i < 4; i++)
		call_area()[i] = pfn[i];
	EXPECT_EQ(nucleus_kmap(va, PFN_LIST, 4, READ_WRITE), -EEXIST);
	EXPECT_EQ(mappings(pfn[0]), 0);
	EXPECT_EQ(nucleus_kunmap(va, 4), 0);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(mappings(pfn[i]), 0);
		give_kernel_frame(pfn[i]);
	}
	give_user_frame(bad);
}

/* Of what is no memory of the kernel's some is what the firmware's services use while the machine runs. */
static bool firmware_memory_is_refused(void)
{
	uint64_t lowest = 0;

	while (type_of(lowest) == FRAME_NONE)
		lowest++;
	/* Between the ends of memory: below it an interrupt controller may stand. */
	for (uint64_t pfn = boot_info()->frame_count; pfn-- > lowest;) {
		if (type_of(pfn) != FRAME_NONE)
			continue;
		long claim = nucleus_device_claim(CLAIM_MEMORY, pfn << PAGE_SHIFT, PAGE_SIZE, 0);

		if (claim == -EPERM)
			return true;
		if (!EXPECT(claim > 0) || !EXPECT_EQ(nucleus_device_release((uint64_t)claim), 0))
			break;
	}
	return false;
}

static void device_errors(void)
{
	uint64_t va = kmap_reserve(1), pfn = kernel_frame();

	EXPECT_EQ(nucleus_device_map(va, 0xfed00001, 1), -EINVAL);
	EXPECT_EQ(nucleus_device_map(va, 1ull << 52, 1), -EINVAL);
	EXPECT_EQ(nucleus_device_map(va, 0xfed00000, 0), -EINVAL);
	EXPECT_EQ(nucleus_device_map(va, pfn << PAGE_SHIFT, 1), -EPERM);
	EXPECT_EQ(nucleus_device_map(va, find_frame(FRAME_NUCLEUS) << PAGE_SHIFT, 1), -EPERM);
	EXPECT_EQ(nucleus_device_map(va, find_frame(FRAME_PAGE_TABLE) << PAGE_SHIFT, 1), -EPERM);
	EXPECT_EQ(nucleus_device_map(va, find_frame(FRAME_FREE) << PAGE_SHIFT, 1), -EPERM);
	if (boot_info()->rsdp_phys != 0)
		EXPECT_EQ(nucleus_device_map(va, boot_info()->rsdp_phys & ~4095ull, 1), -EPERM);
	if (boot_info()->dtb_bytes != 0)
		EXPECT_EQ(nucleus_device_map(va, boot_info()->dtb_phys, 1), -EPERM);
	EXPECT(firmware_memory_is_refused());
	give_kernel_frame(pfn);
}

/* --- another CPU forgets --- */

static struct {
	volatile uint64_t *word;
	uint64_t first, second;
	uint32_t step;
} peer;

static void set_step(uint32_t step)
{
	__atomic_store_n(&peer.step, step, __ATOMIC_SEQ_CST);
}
static uint32_t step(void)
{
	return __atomic_load_n(&peer.step, __ATOMIC_SEQ_CST);
}

static void peer_thread(void *)
{
	peer.first = *peer.word;
	set_step(1);
	/* Without leaving the CPU, so that what it cached stays. */
	while (step() != 2)
		;
	peer.second = *peer.word;
	set_step(3);
}

/* By kunmap in even rounds, by a list in the others. */
static int unmap(uint64_t va, int round)
{
	if (round % 2 == 0)
		return (int)nucleus_kunmap(va, 1);
	*(uint64_t *)call_area() = va;
	return (int)nucleus_kunmap_list(1, 1);
}

static void other_cpus_forget(void)
{
	uint64_t old = kernel_frame(), new = kernel_frame();

	run_on(0);
	for (int round = 0; round < 10; round++) {
		uint64_t va = kmap_reserve(1);

		window(old)[0] = 111;
		window(new)[0] = 222;
		EXPECT_EQ(nucleus_kmap(va, old, 1, READ_WRITE), 0);
		peer.word = (volatile uint64_t *)va;
		set_step(0);
		if (!start_thread(peer_thread, nullptr, 1) || !EXPECT(WAIT_UNTIL(step() == 1)))
			return;
		EXPECT_EQ(unmap(va, round), 0);
		EXPECT_EQ(nucleus_kmap(va, new, 1, READ_WRITE), 0);
		set_step(2);
		EXPECT(WAIT_UNTIL(step() == 3));
		EXPECT_EQ(peer.first, 111);
		EXPECT_EQ(peer.second, 222);
		EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	}
	give_kernel_frame(old);
	give_kernel_frame(new);
}

KTEST_SUITE(kmap, KTEST("map and unmap, counted", map_and_unmap), KTEST("a list is unmapped at once", unmap_list),
	    KTEST("protection holds, nothing is executable", protection),
	    KTEST("ranges outside the kmap area are refused", ranges),
	    KTEST("only kernel frames are mapped", frame_types), KTEST("lists are mapped whole or not at all", list),
	    KTEST("device_map refuses memory", device_errors),
	    KTEST("kunmap reaches the other CPUs", other_cpus_forget, .min_cpus = 2));
