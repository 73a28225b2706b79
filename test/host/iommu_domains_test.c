/* SPDX-License-Identifier: MIT */
/*
 * The nucleus's domains (nucleus/iommu) before an IOMMU that no emulator offers: one that cannot tell functions from
 * each other, whose firmware reserves memory, that remembers all it has seen until it is told to forget, and for whose
 * tables there is no memory at any step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What is in place of the nucleus's headers: its lock, its memory, its log. */
#define NUCLEUS_GATE_CALLS_H
#define NUCLEUS_LOCK_H
#define NUCLEUS_MMU_H
#define NUCLEUS_LOG_H
#define NUCLEUS_REPORT_H
#define NUCLEUS_LOCKED ((void)0)

#include <lib/types.h>
#include <nucleus/call_number.h>
#include <nucleus/layout.h>
#include <nucleus/thread_page.h>
#include <nucleus/upcall.h>

#include <nucleus/device/claim.h>
#include <nucleus/frame/frames.h>
#include <nucleus/iommu/iommu.h>

enum : uint64_t { FRAMES = 4096, TABLES = 3072 /* the first frame that tables are made of */, FIRMWARE = 64 };
enum : uint32_t { LEVELS = 3, BITS = 24, CLAIMS = 4, READ = DMA_ACCESS_READ, WRITE = DMA_ACCESS_WRITE };

static unsigned char memory[FRAMES][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct frame table[FRAMES];
struct frame *frames = table;
uint64_t frame_count = FRAMES;
static struct thread_page page;

static void *direct_map(uint64_t phys)
{
	return (unsigned char *)memory + phys;
}

static struct thread_page *current_thread_page(void)
{
	return &page;
}

static void log_printf(const char *, ...);

/* --- the model --- */

static struct {
	struct claim claim[CLAIMS];
	uint32_t mask; /* of a function's number: what the IOMMU sees of it */
	struct memory_range always;
	uint64_t root[IOMMU_DOMAINS_MAX + 1]; /* by domain, while a requester has it */
	uint32_t requester[IOMMU_DOMAINS_MAX + 1];
	uint32_t seen[IOMMU_DOMAINS_MAX + 1][FRAMES]; /* what the IOMMU remembers */
	unsigned allocations, fail_at, reserved, refused, strays;
	uint32_t stray_claim;
	uint64_t stray_address;
	struct iommu_fault fault;
	bool fault_there;
	unsigned full, said; /* places for reports that are taken; lines of the log */
} m;

uint64_t frame_table_alloc(unsigned level, uint32_t owner)
{
	if (m.reserved > 0)
		m.reserved--;
	else if (++m.allocations == m.fail_at)
		return 0;
	for (uint64_t pfn = TABLES; pfn < FRAMES; pfn++)
		if (table[pfn].type == FRAME_FREE) {
			for (unsigned i = 0; i < PAGE_SIZE; i++)
				assert_int_equal(memory[pfn][i], 0);
			table[pfn] = (struct frame){
				.type = FRAME_PAGE_TABLE, .level = (uint8_t)level, .owner = (uint16_t)owner};
			return pfn << PAGE_SHIFT;
		}
	return 0;
}

void frame_table_free(uint64_t phys)
{
	table[phys >> PAGE_SHIFT] = (struct frame){.type = FRAME_FREE};
}

bool frame_table_reserve(unsigned n)
{
	if (++m.allocations == m.fail_at)
		return false;
	m.reserved = n;
	return true;
}

void frame_table_trim(void)
{
}

struct claim *claim_after(struct claim *c)
{
	for (c = c != nullptr ? c + 1 : m.claim; c < m.claim + CLAIMS; c++)
		if (c->kind != 0)
			return c;
	return nullptr;
}

uint32_t claim_handle(const struct claim *c)
{
	return (uint32_t)(c - m.claim) + 1;
}

struct claim *claim_from_handle(uint64_t handle)
{
	return handle >= 1 && handle <= CLAIMS && m.claim[handle - 1].kind != 0 ? &m.claim[handle - 1] : nullptr;
}

uint32_t pci_requester(uint32_t function)
{
	return function;
}

uint32_t pci_register(uint32_t, uint32_t, uint32_t)
{
	return 0;
}

void pci_register_change(uint32_t, uint32_t, uint32_t, uint32_t)
{
}

static void report_refused(enum nucleus_call_number, uint64_t)
{
	m.refused++;
}

static void log_printf(const char *, ...)
{
	m.said++;
}

static bool report_has_room(void)
{
	return !m.full;
}

static bool report_stray_device(const struct claim *c)
{
	if (!report_has_room())
		return false;
	m.strays++;
	m.stray_claim = claim_handle(c);
	m.stray_address = c->stray.address;
	return true;
}

static void report_wake(void)
{
}

bool arch_iommu_init(void)
{
	return true;
}

bool arch_iommu_covers(uint32_t *requester)
{
	*requester &= m.mask;
	return true;
}

const char *arch_iommu_uncovered(uint32_t)
{
	return "";
}

uint32_t arch_iommu_address_bits(void)
{
	return BITS;
}

uint32_t arch_iommu_levels(void)
{
	return LEVELS;
}

uint32_t arch_iommu_domains(void)
{
	return 2;
}

uint64_t arch_iommu_leaf(uint64_t phys, uint32_t access)
{
	return phys | access;
}

uint64_t arch_iommu_table(uint64_t phys)
{
	return phys | 8;
}

bool arch_iommu_always(uint32_t, unsigned index, struct memory_range *r)
{
	*r = m.always;
	return index == 0 && r->end != 0;
}

void arch_iommu_attach(uint32_t requester, uint32_t domain, uint64_t root)
{
	m.root[domain] = root;
	m.requester[domain] = requester;
	if (root == 0)
		memset(m.seen[domain], 0, sizeof(m.seen[domain]));
}

void arch_iommu_lent(uint32_t domain, uint64_t, uint64_t)
{
	assert_int_not_equal(m.root[domain], 0);
}

void arch_iommu_forget(uint32_t domain, uint64_t address, uint64_t pages)
{
	for (uint64_t pfn = address >> PAGE_SHIFT; pfn < (address >> PAGE_SHIFT) + pages && pfn < FRAMES; pfn++) {
		/* What can still be reached is nobody else's yet. */
		if (m.seen[domain][pfn] != 0 && table[pfn].type == FRAME_PAGE)
			assert_int_not_equal(table[pfn].mappings, 0);
		m.seen[domain][pfn] = 0;
	}
}

void arch_iommu_clean(const void *, uint64_t)
{
}

bool arch_iommu_take_fault(struct iommu_fault *f)
{
	bool there = m.fault_there;

	*f = m.fault;
	m.fault_there = false;
	return there;
}

#include <nucleus/iommu/domain.c>

#include <nucleus/iommu/fault.c>

/* --- what tests do --- */

static void begin(unsigned claim, uint32_t function)
{
	m.claim[claim] = (struct claim){.kind = CLAIM_FUNCTION, .function = function};
	assert_int_equal(iommu_open(&m.claim[claim]), 0);
}

static void end(unsigned claim)
{
	iommu_close(&m.claim[claim]);
	m.claim[claim] = (struct claim){};
}

static long lend_one(unsigned claim, uint64_t pfn, uint32_t access)
{
	return call_dma_lend(claim + 1, pfn, 1, access);
}

static long take_one(unsigned claim, uint64_t pfn, uint32_t access)
{
	return call_dma_return(claim + 1, pfn, 1, access);
}

/* What a function reaches of a page: by what the IOMMU remembers, or else finds, and then remembers. */
static uint32_t reaches(uint32_t function, uint64_t pfn)
{
	for (uint32_t d = 1; d <= IOMMU_DOMAINS_MAX; d++) {
		uint64_t at = m.root[d];

		if (at == 0 || m.requester[d] != (function & m.mask))
			continue;
		if (m.seen[d][pfn] != 0)
			return m.seen[d][pfn];
		for (unsigned level = LEVELS; level > 0 && at != 0; level--)
			at = ((uint64_t *)direct_map(at & ~0xfffull))[pfn >> 9 * (level - 1) & 511];
		assert_true(at == 0 || at >> PAGE_SHIFT == pfn);
		return m.seen[d][pfn] = at & (READ | WRITE);
	}
	return 0;
}

static unsigned tables(void)
{
	unsigned n = 0;

	for (uint64_t pfn = TABLES; pfn < FRAMES; pfn++)
		n += table[pfn].type != FRAME_FREE;
	return n;
}

static int set_up(void **)
{
	memset(&m, 0, sizeof(m));
	memset(table, 0, sizeof(table));
	memset(memory, 0, sizeof(memory));
	memset(domains, 0, sizeof(domains));
	m.mask = UINT32_MAX;
	for (uint64_t pfn = 0; pfn < FRAMES; pfn++)
		table[pfn].type = pfn < FIRMWARE ? FRAME_FIRMWARE : pfn < TABLES ? FRAME_PAGE : FRAME_FREE;
	iommu_init();
	return 0;
}

/* --- tests --- */

static void lent_and_returned(void **)
{
	begin(0, 0x20);
	assert_int_equal(lend_one(0, 700, READ), 0);
	assert_int_equal(reaches(0x20, 700), READ);
	assert_int_equal(reaches(0x28, 700), 0);
	assert_int_equal(lend_one(0, 700, READ | WRITE), 0);
	assert_int_equal(reaches(0x20, 700), READ | WRITE);
	assert_int_equal(table[700].mappings, 3);
	assert_int_equal(take_one(0, 700, READ | WRITE), 0);
	assert_int_equal(reaches(0x20, 700), READ);
	assert_int_equal(take_one(0, 700, WRITE), -EPERM);
	assert_int_equal(take_one(0, 700, READ), 0);
	assert_int_equal(reaches(0x20, 700), 0);
	assert_int_equal(table[700].mappings, 0);
	assert_int_equal(lend_one(0, FIRMWARE - 1, READ), -EPERM);
	assert_int_equal(lend_one(0, TABLES, READ), -EPERM);
	assert_int_equal(lend_one(1, 700, READ), -EBADF);
	assert_int_equal(m.refused, 3);
	end(0);
	assert_int_equal(tables(), 0);
}

/* Functions that an IOMMU cannot tell from each other have one domain, and what one of them lent goes with its claim.
 */
static void shared(void **)
{
	m.mask = ~7u;
	begin(0, 0x23);
	begin(1, 0x21);
	assert_ptr_equal(m.claim[0].domain, m.claim[1].domain);
	begin(2, 0x28);
	assert_ptr_not_equal(m.claim[0].domain, m.claim[2].domain);
	assert_int_equal(lend_one(0, 600, READ | WRITE), 0);
	assert_int_equal(lend_one(0, 601, WRITE), 0);
	assert_int_equal(lend_one(1, 600, READ), 0);
	assert_int_equal(lend_one(1, 1200, READ), 0);
	assert_int_equal(lend_one(2, 601, READ), 0);
	assert_int_equal(reaches(0x23, 600), READ | WRITE);
	assert_int_equal(reaches(0x21, 601), WRITE);
	/* What another lent is not one's own to return. */
	assert_int_equal(take_one(1, 601, WRITE), -EPERM);
	end(0);
	assert_int_equal(reaches(0x21, 600), READ);
	assert_int_equal(reaches(0x21, 601), 0);
	assert_int_equal(reaches(0x21, 1200), READ);
	assert_int_equal(table[600].mappings, 1);
	assert_int_equal(table[601].mappings, 1);
	/* One that comes anew has nothing of the one before. */
	begin(0, 0x23);
	assert_int_equal(take_one(0, 601, WRITE), -EPERM);
	assert_int_equal(lend_one(0, 601, READ), 0);
	end(1);
	assert_int_equal(reaches(0x23, 600), 0);
	assert_int_equal(reaches(0x23, 601), READ);
	assert_int_equal(table[600].mappings + table[1200].mappings, 0);
	end(0);
	end(2);
	assert_int_equal(table[601].mappings, 0);
	assert_int_equal(tables(), 0);
}

/* Functions of two segments may have one number within their own, and one stream. */
static void shared_by_segments(void **)
{
	m.mask = 0xffff;
	begin(0, 0x20);
	begin(1, 0x10020);
	assert_ptr_equal(m.claim[0].domain, m.claim[1].domain);
	assert_int_equal(lend_one(0, 600, READ), 0);
	assert_int_equal(lend_one(1, 600, WRITE), 0);
	assert_int_equal(lend_one(1, 601, READ), 0);
	assert_int_equal(take_one(0, 601, READ), -EPERM);
	end(0);
	assert_int_equal(reaches(0x10020, 600), WRITE);
	assert_int_equal(reaches(0x10020, 601), READ);
	assert_int_equal(table[600].mappings, 1);
	assert_int_equal(take_one(1, 600, WRITE), 0);
	end(1);
	assert_int_equal(table[600].mappings + table[601].mappings, 0);
	assert_int_equal(tables(), 0);
}

/* What firmware reserved is reached at all times, whoever else has the domain, but for memory that is in use. */
static void reserved(void **)
{
	m.mask = ~7u;
	m.always = (struct memory_range){8 << PAGE_SHIFT, 10 << PAGE_SHIFT};
	begin(0, 0x20);
	begin(1, 0x21);
	assert_int_equal(lend_one(0, 64, READ), 0);
	assert_int_equal(reaches(0x20, 8), READ | WRITE);
	assert_int_equal(reaches(0x20, 9), READ | WRITE);
	assert_int_equal(reaches(0x20, 10), 0);
	end(0);
	assert_int_equal(reaches(0x21, 9), READ | WRITE);
	assert_int_equal(reaches(0x21, 64), 0);
	end(1);
	assert_int_equal(tables(), 0);
	m.always.end = (FIRMWARE + 1) << PAGE_SHIFT;
	begin(0, 0x20);
	assert_int_equal(reaches(0x20, 8) | reaches(0x20, FIRMWARE), 0);
	end(0);
	assert_int_equal(tables(), 0);
}

static void no_memory(void **)
{
	m.always = (struct memory_range){8 << PAGE_SHIFT, 9 << PAGE_SHIFT};
	for (unsigned n = 1;; n++) {
		m.allocations = 0;
		m.fail_at = n;
		m.claim[0] = (struct claim){.kind = CLAIM_FUNCTION, .function = 0x20};
		if (iommu_open(&m.claim[0]) == 0) {
			bool done = lend_one(0, 700, READ) == 0 && lend_one(0, 1300, WRITE) == 0;

			end(0);
			assert_int_equal(table[700].mappings + table[1300].mappings, 0);
			assert_int_equal(tables(), 0);
			if (done && n > m.allocations)
				break;
		} else {
			assert_true(m.claim[0].domain == nullptr);
			assert_int_equal(tables(), 0);
		}
	}
	/* So many domains can be, and no more. */
	m.fail_at = 0;
	begin(0, 0x20);
	begin(1, 0x28);
	m.claim[2] = (struct claim){.kind = CLAIM_FUNCTION, .function = 0x30};
	assert_int_equal(iommu_open(&m.claim[2]), -ENOSPC);
}

static void happens(uint32_t requester)
{
	m.fault = (struct iommu_fault){.requester = requester, .address = 700 << PAGE_SHIFT};
	m.fault_there = true;
}

/* A fault is that of the claim under which it happened, and told under its handle. */
static void whose_fault(void **)
{
	begin(0, 0x28);
	happens(0x20);
	begin(1, 0x20);
	iommu_take_faults();
	assert_int_equal(m.strays, 0);
	assert_false(m.claim[1].silenced);
	happens(0x20);
	iommu_take_faults();
	assert_int_equal(m.strays, 1);
	assert_int_equal(m.stray_claim, 2);
	assert_true(m.claim[1].silenced);
	assert_false(m.claim[0].silenced);
	/* The rest of it is no news. */
	happens(0x20);
	iommu_take_faults();
	assert_int_equal(m.strays, 1);
	happens(0x28);
	end(0);
	assert_int_equal(m.strays, 2);
	assert_int_equal(m.stray_claim, 1);
	begin(0, 0x28);
	assert_int_equal(m.strays, 2);
}

/* A stray of which there is no room for a report is told when there is, or is a line of the log when its claim ends. */
static void no_room_for_a_report(void **)
{
	begin(0, 0x20);
	begin(1, 0x28);
	m.full = true;
	happens(0x20);
	/* As long as there is no room, nothing is taken but what has to be. */
	iommu_take_faults();
	assert_true(m.fault_there);
	iommu_take_all_faults();
	assert_false(m.fault_there);
	happens(0x28);
	m.fault.address = 701 << PAGE_SHIFT;
	iommu_take_all_faults();
	assert_true(m.claim[0].silenced && m.claim[1].silenced);
	assert_int_equal(m.strays + m.said, 0);
	end(1);
	assert_int_equal(m.said, 1);
	m.full = false;
	iommu_take_faults();
	assert_int_equal(m.strays, 1);
	assert_int_equal(m.stray_claim, 1);
	assert_int_equal(m.stray_address, 700 << PAGE_SHIFT);
	iommu_take_faults();
	begin(1, 0x28);
	end(0);
	end(1);
	assert_int_equal(m.strays, 1);
	assert_int_equal(m.said, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lent_and_returned, set_up),
		cmocka_unit_test_setup(shared, set_up),
		cmocka_unit_test_setup(reserved, set_up),
		cmocka_unit_test_setup(no_memory, set_up),
		cmocka_unit_test_setup(whose_fault, set_up),
		cmocka_unit_test_setup(shared_by_segments, set_up),
		cmocka_unit_test_setup(no_room_for_a_report, set_up),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
