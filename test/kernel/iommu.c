/* SPDX-License-Identifier: MIT */
/*
 * What an IOMMU keeps a device from, and what the nucleus lets a component lend: with QEMU's educational device
 * (docs/specs/edu), which copies half a page between memory and a buffer of its own when it is told to. On machines
 * whose command line says `iommu`: there it has to be driven.
 */
#include "ktest.h"

#include "kernel/base/log_read.h"
#include "pci_devices.h"

#include <abi/errno.h>
#include <kernel/mem/kmap.h>
#include <lib/pci_config.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/device.h>

enum edu_dma : uint32_t { EDU_SOURCE = 0x80, EDU_TARGET = 0x88, EDU_COUNT = 0x90, EDU_COMMAND = 0x98 };
enum : uint32_t { EDU_START = 1, EDU_TO_MEMORY = 2, EDU_BUFFER = 0x40000, COPIED = PAGE_SIZE / 2, WORDS = COPIED / 8 };
constexpr uint32_t BOTH = DMA_ACCESS_READ | DMA_ACCESS_WRITE;
constexpr uint64_t OLD = 0x0101010101010101, NEW = 0xfeedfacefeedface;

static struct {
	uint64_t va;
	volatile uint32_t *registers;
	uint32_t function;
	long claim;
} edu;

static void take(void)
{
	if (edu.va == 0)
		edu.va = kmap_reserve(1);
	edu.registers = (volatile uint32_t *)edu.va;
	edu.function = pci_find(EDU, 0);
	edu.claim = pci_take(edu.function, true, edu.va, 1);
}

static void let_go(void)
{
	EXPECT_EQ(nucleus_kunmap(edu.va, 1), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)edu.claim), 0);
}

static long lend(uint64_t pfn, uint32_t access)
{
	return nucleus_dma_lend((uint64_t)edu.claim, pfn, 1, access);
}

static long take_back(uint64_t pfn, uint32_t access)
{
	return nucleus_dma_return((uint64_t)edu.claim, pfn, 1, access);
}

static void copy(uint32_t source, uint32_t target, uint32_t command)
{
	edu.registers[EDU_SOURCE / 4] = source;
	edu.registers[EDU_TARGET / 4] = target;
	edu.registers[EDU_COUNT / 4] = COPIED;
	edu.registers[EDU_COMMAND / 4] = EDU_START | command;
	EXPECT(WAIT_UNTIL((edu.registers[EDU_COMMAND / 4] & EDU_START) == 0));
}

static void device_reads(uint64_t pfn)
{
	copy((uint32_t)(pfn << PAGE_SHIFT), EDU_BUFFER, 0);
}

static void device_writes(uint64_t pfn)
{
	copy(EDU_BUFFER, (uint32_t)(pfn << PAGE_SHIFT), EDU_TO_MEMORY);
}

static void fill(uint64_t pfn, uint64_t value)
{
	for (unsigned i = 0; i < WORDS; i++)
		window(pfn)[i] = value;
}

static bool holds(uint64_t pfn, uint64_t value)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (window(pfn)[i] != value)
			return false;
	return true;
}

/* Has the device's buffer hold a value, by way of a page that is lent for that. */
static void prime(uint64_t value)
{
	uint64_t pfn = user_frame();

	fill(pfn, value);
	EXPECT_EQ(lend(pfn, DMA_ACCESS_READ), 0);
	device_reads(pfn);
	EXPECT_EQ(take_back(pfn, DMA_ACCESS_READ), 0);
	EXPECT_EQ(mappings(pfn), 0);
}

static unsigned lines(struct log_cursor from, const char *words)
{
	struct log_record record;
	char text[LOG_TEXT_MAX];
	unsigned found = 0;

	while (log_get(&from, &record, text, sizeof(text))) {
		text[MIN(record.length, sizeof(text) - 1)] = '\0';
		found += strncmp(text, words, strlen(words)) == 0;
	}
	return found;
}

/* The device strayed: that is told, with whose it is and what it would have hit, and it masters the bus no more. */
static void is_blamed(struct log_cursor from, bool write, uint64_t pfn)
{
	const char *what = write ? "=== stray access of a device caught: write by ktest ==="
				 : "=== stray access of a device caught: read by ktest ===";
	char culprit[80], victim[80];

	snprintf(culprit, sizeof(culprit), "  culprit: component ktest, PCI function %04x:%02x:%02x.%x",
		 edu.function >> 16, edu.function >> 8 & 0xff, edu.function >> 3 & 31, edu.function & 7);
	snprintf(victim, sizeof(victim), "  victim:  user page 0x%lx at 0x%lx", pfn, pfn << PAGE_SHIFT);
	/* A report comes line by line. */
	EXPECT(WAIT_UNTIL(lines(from, "=== end of report: the IOMMU kept it back") > 0));
	EXPECT_EQ(lines(from, what), 1);
	EXPECT_EQ(lines(from, culprit), 1);
	EXPECT_EQ(lines(from, victim), 1);
	EXPECT_EQ(nucleus_pci_read(edu.function, PCI_COMMAND, 2) & PCI_COMMAND_BUS_MASTER, 0);
	EXPECT_EQ(nucleus_pci_write(edu.function, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER), -EPERM);
}

static void not_lent(void)
{
	struct log_cursor from = log_newest();
	uint64_t pfn = user_frame();

	fill(pfn, OLD);
	take();
	EXPECT(nucleus_dma_lend((uint64_t)edu.claim, 0, 0, BOTH) > 20);
	prime(NEW);
	device_writes(pfn);
	EXPECT(holds(pfn, OLD));
	is_blamed(from, true, pfn);
	let_go();
	/* The next claim has a new beginning; a read is kept back, too. */
	from = log_newest();
	take();
	device_reads(pfn);
	is_blamed(from, false, pfn);
	let_go();
}

static void lent(void)
{
	struct log_cursor from = log_newest();
	uint64_t read_only[] = {user_frame(), user_frame()}, both = user_frame();

	fill(read_only[0], NEW);
	fill(read_only[1], OLD);
	fill(both, OLD);
	take();
	EXPECT_EQ(lend(read_only[0], DMA_ACCESS_READ), 0);
	EXPECT_EQ(lend(read_only[1], DMA_ACCESS_READ), 0);
	EXPECT_EQ(lend(both, BOTH), 0);
	device_reads(read_only[0]);
	device_writes(both);
	EXPECT(holds(both, NEW));
	/* Not the one that it has read: of what it knows already QEMU's VT-d keeps a write back, and tells nobody. */
	device_writes(read_only[1]);
	EXPECT(holds(read_only[1], OLD));
	is_blamed(from, true, read_only[1]);
	let_go();
}

/* Also what the hardware knew by heart. */
static void returned(void)
{
	struct log_cursor from = log_newest();
	uint64_t pfn = user_frame();

	take();
	prime(NEW);
	EXPECT_EQ(lend(pfn, BOTH), 0);
	device_writes(pfn);
	EXPECT(holds(pfn, NEW));
	EXPECT_EQ(take_back(pfn, BOTH), 0);
	fill(pfn, OLD);
	device_writes(pfn);
	EXPECT(holds(pfn, OLD));
	is_blamed(from, true, pfn);
	let_go();
}

/* Another domain may have the number of the one that ended. */
static void released(void)
{
	struct log_cursor from = log_newest();
	uint64_t pfn = user_frame();

	take();
	prime(NEW);
	EXPECT_EQ(lend(pfn, BOTH), 0);
	device_writes(pfn);
	let_go();
	EXPECT_EQ(mappings(pfn), 0);
	fill(pfn, OLD);
	take();
	device_writes(pfn);
	EXPECT(holds(pfn, OLD));
	is_blamed(from, true, pfn);
	let_go();
}

static void as_often_as_lent(void)
{
	uint64_t pfn = user_frame();

	take();
	EXPECT_EQ(lend(pfn, BOTH), 0);
	EXPECT_EQ(lend(pfn, DMA_ACCESS_READ), 0);
	EXPECT_EQ(lend(pfn, DMA_ACCESS_WRITE), 0);
	EXPECT_EQ(mappings(pfn), 4);
	EXPECT_EQ(nucleus_frame_retype(pfn, 1, FRAME_KERNEL), -EBUSY);
	EXPECT_EQ(take_back(pfn, BOTH), 0);
	EXPECT_EQ(mappings(pfn), 2);
	prime(NEW);
	device_writes(pfn);
	EXPECT(holds(pfn, NEW));
	device_reads(pfn);
	EXPECT_EQ(take_back(pfn, BOTH), 0);
	EXPECT_EQ(mappings(pfn), 0);
	EXPECT_EQ(take_back(pfn, DMA_ACCESS_READ), -EPERM);
	EXPECT_EQ(take_back(pfn, DMA_ACCESS_WRITE), -EPERM);
	EXPECT_EQ(nucleus_frame_retype(pfn, 1, FRAME_KERNEL), 0);
	EXPECT_EQ(nucleus_frame_retype(pfn, 1, FRAME_PAGE), 0);
	let_go();
}

static void lists(void)
{
	uint64_t pfn[3] = {user_frame(), user_frame(), user_frame()}, refused = kernel_frame();

	take();
	for (unsigned i = 0; i < 4; i++)
		call_area()[i] = pfn[i % 3];
	EXPECT_EQ(nucleus_dma_lend((uint64_t)edu.claim, PFN_LIST, 4, DMA_ACCESS_WRITE), 0);
	EXPECT_EQ(mappings(pfn[0]), 2);
	EXPECT_EQ(mappings(pfn[2]), 1);
	/* All or none. */
	call_area()[3] = refused;
	EXPECT_EQ(nucleus_dma_lend((uint64_t)edu.claim, PFN_LIST, 4, DMA_ACCESS_WRITE), -EPERM);
	EXPECT_EQ(mappings(pfn[1]), 1);
	for (unsigned i = 0; i < 4; i++)
		call_area()[i] = pfn[i % 3];
	EXPECT_EQ(nucleus_dma_return((uint64_t)edu.claim, PFN_LIST, 4, DMA_ACCESS_WRITE), 0);
	for (unsigned i = 0; i < 3; i++)
		EXPECT_EQ(mappings(pfn[i]), 0);
	/* As far as it was lent. */
	EXPECT_EQ(lend(pfn[0], DMA_ACCESS_WRITE), 0);
	EXPECT_EQ(lend(pfn[2], DMA_ACCESS_WRITE), 0);
	EXPECT_EQ(nucleus_dma_return((uint64_t)edu.claim, PFN_LIST, 3, DMA_ACCESS_WRITE), -EPERM);
	EXPECT_EQ(mappings(pfn[0]), 0);
	EXPECT_EQ(mappings(pfn[2]), 1);
	let_go();
	EXPECT_EQ(mappings(pfn[2]), 0);
}

static void refused(void)
{
	static const enum frame_type types[] = {FRAME_FREE,   FRAME_NUCLEUS,  FRAME_PAGE_TABLE, FRAME_KERNEL,
						FRAME_SHARED, FRAME_FIRMWARE, FRAME_IOMMU};
	struct log_cursor from = log_newest();
	uint64_t pfn = user_frame(), claim;
	char victim[80];

	take();
	claim = (uint64_t)edu.claim;
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		uint64_t one = find_frame(types[i]);

		if (one == UINT64_MAX)
			continue;
		uint32_t before = mappings(one);

		EXPECT_EQ(lend(one, DMA_ACCESS_WRITE), -EPERM);
		EXPECT_EQ(mappings(one), before);
	}
	pfn = find_frame(FRAME_NUCLEUS);
	snprintf(victim, sizeof(victim), "  victim:  nucleus frame 0x%lx", pfn);
	/* While there is no room for one more report it is only counted. */
	EXPECT(WAIT_UNTIL(lend(pfn, BOTH) == -EPERM && lines(from, victim) > 0));
	EXPECT(lines(from, "=== nucleus call refused: dma_lend by ktest ===") > 0);
	EXPECT_EQ(lend(boot_info()->frame_count, BOTH), -EPERM);
	EXPECT_EQ(lend(UINT64_MAX - 1, BOTH), -EPERM);
	pfn = user_frame();
	EXPECT_EQ(lend(pfn, 0), -EINVAL);
	EXPECT_EQ(lend(pfn, 4), -EINVAL);
	EXPECT_EQ(nucleus_dma_lend(claim, pfn, 513, BOTH), -EINVAL);
	EXPECT_EQ(nucleus_dma_lend(claim, PFN_LIST, CALL_AREA_WORDS + 1, BOTH), -EINVAL);
	EXPECT_EQ(nucleus_dma_lend(claim + 1, pfn, 1, BOTH), -EBADF);
	EXPECT_EQ(nucleus_dma_lend(claim + (1 << 16), pfn, 1, BOTH), -EBADF);
	EXPECT_EQ(nucleus_dma_return(claim + 1, pfn, 1, BOTH), -EBADF);
	EXPECT_EQ(take_back(pfn, BOTH), -EPERM);
	EXPECT_EQ(mappings(pfn), 0);
	let_go();
	EXPECT_EQ(lend(pfn, BOTH), -EBADF);
	EXPECT_EQ(take_back(pfn, BOTH), -EBADF);
}

/* --- no room for a report --- */

enum { REPORTS_KEPT = 4 }; /* of refused calls and of devices */
static uint32_t holders, holders_go, holders_over;

/* Takes the record of a refused call, and gives it back when it is told to; or ends, and leaves it. */
static void hold_a_report(void *leaves)
{
	do
		EXPECT_EQ(nucleus_kmap(KMAP_BASE, find_frame(FRAME_NUCLEUS), 1, MAP_PROT_READ), -EPERM);
	while (nucleus_report_take(false) <= 0);
	__atomic_add_fetch(&holders, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&holders_go, __ATOMIC_SEQ_CST) == 0)
		sleep_ns(MS);
	if (leaves == nullptr)
		(void)nucleus_report_done();
	__atomic_add_fetch(&holders_over, 1, __ATOMIC_SEQ_CST);
}

/* The device is stopped all the same, and it is told when there is room. */
static void told_after(void *leaves)
{
	struct log_cursor from = log_newest();
	uint64_t pfn = user_frame();

	holders = holders_go = holders_over = 0;
	take();
	prime(NEW);
	for (unsigned i = 0; i < REPORTS_KEPT; i++)
		(void)start_thread(hold_a_report, leaves, -1);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&holders, __ATOMIC_SEQ_CST) == REPORTS_KEPT));
	device_writes(pfn);
	/* Before another function is claimed, all that came before is looked at. */
	long other = nucleus_device_claim(CLAIM_FUNCTION, pci_find(EDU, 1), 0, 0);

	EXPECT(other > 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)other), 0);
	EXPECT_EQ(nucleus_pci_read(edu.function, PCI_COMMAND, 2) & PCI_COMMAND_BUS_MASTER, 0);
	EXPECT_EQ(lines(from, "=== stray access of a device caught: write by ktest ==="), 0);
	__atomic_store_n(&holders_go, 1, __ATOMIC_SEQ_CST);
	is_blamed(from, true, pfn);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&holders_over, __ATOMIC_SEQ_CST) == REPORTS_KEPT));
	let_go();
}

static void told_when_there_is_room(void)
{
	told_after(nullptr);
}

/* Threads that end with a record give its place back, too. */
static void told_when_holders_end(void)
{
	told_after(&holders);
}

/* The registers of the IOMMU itself are nobody's, and its tables come back when the domain ends. */
static void tables_end(void)
{
	enum { PAGES = 64 };
	uint64_t pfn[PAGES];
	unsigned before = 0, after = 0;

	take();
	for (unsigned i = 0; i < PAGES; i++) {
		pfn[i] = user_frame();
		EXPECT_EQ(lend(pfn[i], BOTH), 0);
	}
	for (uint64_t i = 0; i < boot_info()->frame_count; i++)
		before += type_of(i) == FRAME_IOMMU;
	let_go();
	for (uint64_t i = 0; i < boot_info()->frame_count; i++)
		after += type_of(i) == FRAME_IOMMU;
	/* At least a root, a table of leaves and its counts. */
	EXPECT(after + 3 <= before);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(mappings(pfn[i]), 0);
}

/* Where there is none no claim has a domain. */
static void without(void)
{
	uint64_t pfn = user_frame();
	long claim = nucleus_device_claim(CLAIM_FUNCTION, pci_find(EDU, 0), 0, 0);

	if (!EXPECT(claim > 0))
		return;
	EXPECT_EQ(nucleus_dma_lend((uint64_t)claim, 0, 0, BOTH), -ENODEV);
	EXPECT_EQ(nucleus_dma_lend((uint64_t)claim, pfn, 1, BOTH), -ENODEV);
	EXPECT_EQ(nucleus_dma_return((uint64_t)claim, pfn, 1, BOTH), -ENODEV);
	EXPECT_EQ(mappings(pfn), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)claim), 0);
}

static bool not_expected(void)
{
	return pci_edu_there() && !pci_iommu_expected();
}

KTEST_SUITE(iommu, KTEST("a device does not reach what was not lent", not_lent, .fits = pci_iommu_expected),
	    KTEST("it reaches what was, as it was", lent, .fits = pci_iommu_expected),
	    KTEST("what was returned is forgotten", returned, .fits = pci_iommu_expected),
	    KTEST("the end of a claim returns all", released, .fits = pci_iommu_expected),
	    KTEST("a page is lent as often as it is lent", as_often_as_lent, .fits = pci_iommu_expected),
	    KTEST("lists are lent as a whole", lists, .fits = pci_iommu_expected),
	    KTEST("what is nobody's to lend is refused", refused, .fits = pci_iommu_expected),
	    KTEST("tables end with their claim", tables_end, .fits = pci_iommu_expected),
	    KTEST("a stray that there is no room for is told later", told_when_there_is_room,
		  .fits = pci_iommu_expected),
	    KTEST("or when threads end that had the room", told_when_holders_end, .fits = pci_iommu_expected),
	    KTEST("without an IOMMU nothing is lent", without, .fits = not_expected));
