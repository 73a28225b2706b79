/* SPDX-License-Identifier: MIT */
/*
 * What an IOMMU may know by heart: rights that change while a function uses a page, and more pages than are forgotten
 * one by one; and that nothing is read, either. By QEMU's educational device, as in iommu.c. A function that strayed
 * masters the bus no more, so each stray is the last copy of a claim.
 */
#include "ktest.h"
#include "pci_devices.h"

#include <abi/errno.h>
#include <kernel/mem/kmap.h>
#include <lib/pci_config.h>
#include <nucleus/device.h>

enum edu_dma : uint32_t { SOURCE = 0x80, TARGET = 0x88, COUNT = 0x90, COMMAND = 0x98, BUFFER = 0x40000 };
enum : uint64_t { RUN = 1, TO_MEMORY = 2 };
enum : uint32_t { WORDS = 16, BOTH = DMA_ACCESS_READ | DMA_ACCESS_WRITE };
constexpr uint64_t PATTERN = 0x5354454c4c555821, SECRET = 0x7365637265740000;

static uint64_t registers; /* of the edu, or 0 */
static uint32_t function;
static uint64_t claim;

static volatile uint64_t *at(enum edu_dma offset)
{
	return (volatile uint64_t *)(registers + offset);
}

static bool begin(void)
{
	function = pci_find(EDU, 0);
	if (!registers)
		registers = kmap_reserve(1);

	long taken = registers ? pci_take(function, true, registers, 1) : -ENOMEM;

	claim = (uint64_t)taken;
	return EXPECT(taken > 0);
}

static void end(void)
{
	EXPECT_EQ(nucleus_kunmap(registers, 1), 0);
	EXPECT_EQ(nucleus_device_release(claim), 0);
}

/* Between the address and the device's buffer. It may be blocked. */
static void copy(uint64_t to_memory, uint64_t address)
{
	*at(SOURCE) = to_memory ? BUFFER : address;
	*at(TARGET) = to_memory ? address : BUFFER;
	*at(COUNT) = WORDS * sizeof(uint64_t);
	*at(COMMAND) = RUN | to_memory;
	EXPECT(WAIT_UNTIL(!(*at(COMMAND) & RUN)));
}

static uint64_t address_of(uint64_t pfn)
{
	return pfn << PAGE_SHIFT;
}

static void fill(uint64_t pfn, uint64_t value)
{
	for (unsigned i = 0; i < WORDS; i++)
		window(pfn)[i] = value + i;
}

static bool holds(uint64_t pfn, uint64_t value)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (window(pfn)[i] != value + i)
			return false;
	return true;
}

static bool masters(void)
{
	return nucleus_pci_read(function, PCI_COMMAND, 2) & PCI_COMMAND_BUS_MASTER;
}

static long lend(uint64_t pfn, uint32_t access)
{
	return nucleus_dma_lend(claim, pfn, 1, access);
}

static long take_back(uint64_t pfn, uint32_t access)
{
	return nucleus_dma_return(claim, pfn, 1, access);
}

/* Whether the device has the pattern in its buffer: it gets it out of that page, which is lent for both. */
static bool device_has(uint64_t pfn, uint64_t value)
{
	fill(pfn, 0);
	copy(TO_MEMORY, address_of(pfn));
	return holds(pfn, value);
}

/* A case: a page that is lent for both, and holds the pattern, and one that is not lent and holds a secret. */
static uint64_t lent, other;

static bool set_up(void)
{
	if (!begin())
		return false;
	lent = user_frame();
	other = user_frame();
	fill(lent, PATTERN);
	fill(other, SECRET);
	EXPECT_EQ(mappings(lent), 0);
	return EXPECT_EQ(lend(lent, BOTH), 0);
}

/* The claim's end takes back what is lent. */
static void take_down(void)
{
	end();
	EXPECT_EQ(mappings(lent), 0);
	EXPECT_EQ(mappings(other), 0);
	give_user_frame(lent);
	give_user_frame(other);
}

/* Once for each stray: what is not lent keeps its content, and the function stops. */
static void expect_stray(uint64_t to_memory, uint64_t pfn)
{
	EXPECT(masters());
	copy(to_memory, address_of(pfn));
	EXPECT(WAIT_UNTIL(!masters()));
}

static void what_is_not_lent_is_not_read(void)
{
	if (!set_up())
		return;
	copy(0, address_of(lent));
	expect_stray(0, other);
	take_down();
	if (!set_up())
		return;
	EXPECT(!device_has(lent, SECRET));
	take_down();
}

/* Rights come and go one by one, each as often as it was lent. */
static void rights_of_one_page(void)
{
	if (!set_up())
		return;
	EXPECT_EQ(lend(other, DMA_ACCESS_READ), 0);
	copy(0, address_of(other));
	EXPECT_EQ(lend(other, DMA_ACCESS_WRITE), 0);
	EXPECT_EQ(lend(other, DMA_ACCESS_WRITE), 0);
	EXPECT_EQ(mappings(other), 3);
	fill(other, 0);
	copy(TO_MEMORY, address_of(other));
	EXPECT(holds(other, SECRET));
	EXPECT_EQ(take_back(other, DMA_ACCESS_WRITE), 0);
	fill(other, 0);
	copy(TO_MEMORY, address_of(other));
	EXPECT(holds(other, SECRET));
	EXPECT(masters());
	EXPECT_EQ(take_back(other, DMA_ACCESS_WRITE), 0);
	EXPECT_EQ(take_back(other, DMA_ACCESS_WRITE), -EPERM);
	fill(other, PATTERN);
	expect_stray(TO_MEMORY, other);
	EXPECT(holds(other, PATTERN));
	take_down();
}

/* More pages than are forgotten one by one, and in a list. */
static void many_pages(void)
{
	enum : unsigned { PAGES = 100 };
	static uint64_t pages[PAGES];
	uint64_t *list = (uint64_t *)call_area();

	if (!set_up())
		return;
	for (unsigned i = 0; i < PAGES; i++)
		pages[i] = user_frame();
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < PAGES; i++)
			list[i] = pages[i];
		EXPECT_EQ(nucleus_dma_lend(claim, PFN_LIST, PAGES, BOTH), 0);
		copy(0, address_of(lent));
		EXPECT(device_has(pages[0], PATTERN) && device_has(pages[PAGES - 1], PATTERN));
		fill(lent, PATTERN);
		for (unsigned i = 0; i < PAGES; i++)
			list[i] = pages[i];
		EXPECT_EQ(nucleus_dma_return(claim, PFN_LIST, PAGES, BOTH), 0);
	}
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(mappings(pages[i]), 0);
	fill(pages[PAGES - 1], SECRET);
	expect_stray(TO_MEMORY, pages[PAGES - 1]);
	EXPECT(holds(pages[PAGES - 1], SECRET));
	take_down();
	for (unsigned i = 0; i < PAGES; i++)
		give_user_frame(pages[i]);
}

KTEST_SUITE(iommu_rights,
	    KTEST("what is not lent is not read", what_is_not_lent_is_not_read, .fits = pci_iommu_expected),
	    KTEST("rights are counted one by one", rights_of_one_page, .fits = pci_iommu_expected),
	    KTEST("many pages go and come in a list", many_pages, .fits = pci_iommu_expected));
