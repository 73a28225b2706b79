/* SPDX-License-Identifier: MIT */
/*
 * The nucleus's half of SMMUv3 (nucleus/arch/aarch64/iommu) before SMMUs that no emulator offers: with a flat stream
 * table, left on by firmware, with functions that share a stream, beside a GICv2m frame, and out of order. The model
 * remembers all it has read until it is told to forget (IHI 0070E, 3.21, 4.3, 4.4).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What is in place of the nucleus's headers. */
#define NUCLEUS_LOG_H
#define NUCLEUS_MMU_H
#define NUCLEUS_REPORT_H
#define ARCH_GIC_H
#define ARCH_MMIO_H
#define ARCH_PLATFORM_H
#define ARCH_REGS_H

#include <lib/arm_platform.h>
#include <lib/types.h>
#include <nucleus/frame/frames.h>
#include <nucleus/iommu/iommu.h>
#include <nucleus/layout.h>

enum : uint64_t { BASE = 0x9050000, FRAMES = 1024, DOORBELL = 0x8020000 };
enum : uint32_t { STREAMS = 256, PAGES = 512, FIRST = 0x10, SECOND = 0x11, OTHER = 0x20, UNKNOWN = 0x10000 };

static unsigned char memory[FRAMES * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct frame frame_entries[FRAMES];
struct frame *frames = frame_entries;
uint64_t frame_count = FRAMES;
static uint64_t next_frame;
static struct arm_platform platform;
static char said[4096];

static void *direct_map(uint64_t phys)
{
	return memory + phys;
}

static void log_printf(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(said + strlen(said), sizeof(said) - strlen(said), fmt, args);
	va_end(args);
}

[[noreturn]] static void panic(const void *, const char *fmt, ...)
{
	fail_msg("%s", fmt);
	__builtin_trap();
}

/* Of MAIR_EL1; what memory is is no matter here. */
enum : uint64_t { MAIR_NORMAL = 0xff, MAIR_DEVICE = 0, MAIR_NORMAL_UNCACHED = 0x440000 };

static void dsb_sy(void)
{
}

static bool gic_keep_line(uint32_t)
{
	return true;
}

uint64_t gic_its_doorbell(uint32_t)
{
	return 0;
}

uint64_t table_memory_take(uint64_t bytes)
{
	uint64_t phys = align_up(next_frame << PAGE_SHIFT, bytes);

	next_frame = (phys + bytes) >> PAGE_SHIFT;
	return phys;
}

void table_memory_publish(const void *, uint64_t)
{
}

uint64_t frame_table_alloc(unsigned, uint32_t)
{
	return next_frame++ << PAGE_SHIFT;
}

/* --- the SMMU --- */

#include <nucleus/arch/aarch64/iommu/smmu_registers.h>
#include <nucleus/arch/aarch64/pte.h>

static struct {
	uint32_t registers[0x10200 / 4];
	uint64_t streams[STREAMS][2]; /* what it remembers of entries; 0: nothing */
	uint64_t pages[16][PAGES];    /* of translations, by ASID */
	bool deaf;		      /* takes no commands */
} m;

static void *device_window(uint64_t phys)
{
	return (char *)m.registers + (phys - BASE);
}

static uint64_t wide(uint32_t offset)
{
	return m.registers[offset / 4] | (uint64_t)m.registers[offset / 4 + 1] << 32;
}

static void obey(const uint64_t *c)
{
	uint32_t stream = (uint32_t)(c[0] >> 32), asid = (uint32_t)(c[0] >> 48);

	switch (c[0] & 0xff) {
	case CMD_CFGI_STE: memset(m.streams[stream], 0, sizeof(m.streams[stream])); break;
	case CMD_CFGI_ALL: memset(m.streams, 0, sizeof(m.streams)); break;
	case CMD_TLBI_NH_ASID: memset(m.pages[asid], 0, sizeof(m.pages[asid])); break;
	case CMD_TLBI_NH_VA: m.pages[asid][c[1] >> PAGE_SHIFT] = 0; break;
	case CMD_TLBI_NSNH_ALL: memset(m.pages, 0, sizeof(m.pages)); break;
	default: break;
	}
}

static void take_commands(void)
{
	uint64_t base = wide(SMMU_CMDQ_BASE);
	uint32_t size = 1u << (base & 31), *at = &m.registers[SMMU_CMDQ_CONS / 4];

	while (!m.deaf && *at != m.registers[SMMU_CMDQ_PROD / 4]) {
		obey((uint64_t *)direct_map(base & 0xfffffffff000) + (size_t)(*at & (size - 1)) * 2);
		*at = (*at + 1) & (2 * size - 1);
	}
}

static uint32_t mmio_read32(const volatile void *base, size_t offset)
{
	return *(const volatile uint32_t *)((const volatile char *)base + offset);
}

static void mmio_write32(volatile void *base, size_t offset, uint32_t value)
{
	size_t at = (size_t)((volatile char *)base - (char *)m.registers) + offset;
	uint32_t on = m.registers[SMMU_CR0 / 4];

	/* What may not change while it is in use (6.3.24, 6.3.26). */
	if (at == SMMU_STRTAB_BASE || at == SMMU_STRTAB_BASE_CFG)
		assert_false(on & CR0_TRANSLATE);
	if (at == SMMU_CMDQ_BASE || at == SMMU_CMDQ_CONS)
		assert_false(on & CR0_COMMANDS);
	m.registers[at / 4] = at == SMMU_GBPR ? value & ~GBPR_UPDATE : value;
	if (at == SMMU_CR0 || at == SMMU_IRQ_CTRL)
		m.registers[at / 4 + 1] = value;
	if (at == SMMU_CMDQ_PROD && on & CR0_COMMANDS)
		take_commands();
}

static void mmio_write64(volatile void *base, size_t offset, uint64_t value)
{
	mmio_write32(base, offset, (uint32_t)value);
	mmio_write32(base, offset + 4, (uint32_t)(value >> 32));
}

static uint64_t mmio_probe(const volatile void *)
{
	return 0;
}

static const uint64_t *entry_in_memory(uint32_t stream)
{
	uint64_t base = wide(SMMU_STRTAB_BASE) & 0xfffffffff000;
	uint32_t how = m.registers[SMMU_STRTAB_BASE_CFG / 4], split = how >> 6 & 31;
	const uint64_t *table = direct_map(base);

	if (stream >= 1u << (how & 63))
		return nullptr;
	if (how >> 16 & 1) {
		if ((table[stream >> split] & 31) == 0)
			return nullptr;
		table = direct_map(table[stream >> split] & 0xfffffffff000);
		stream &= (1u << split) - 1;
	}
	return table + (size_t)stream * STREAM_WORDS;
}

static void note(uint32_t stream, uint32_t reason, uint64_t address)
{
	uint64_t base = wide(SMMU_EVENTQ_BASE), *event;
	uint32_t size = 1u << (base & 31), *at = &m.registers[SMMU_EVENTQ_PROD / 4];

	event = (uint64_t *)direct_map(base & 0xfffffffff000) + (size_t)(*at & (size - 1)) * 4;
	event[0] = reason | (uint64_t)stream << 32;
	event[2] = address;
	*at = (*at + 1) & (2 * size - 1);
}

/* Whether an access of the stream, a write, gets to where it names. */
static bool reaches(uint32_t stream, uint64_t address)
{
	const uint64_t *entry, *context;
	uint64_t *known = m.streams[stream], *page, at;

	if (!(m.registers[SMMU_CR0 / 4] & CR0_TRANSLATE))
		return !(m.registers[SMMU_GBPR / 4] & GBPR_ABORT);
	entry = entry_in_memory(stream);
	if (!(known[0] & STE_VALID) && entry)
		memcpy(known, entry, sizeof(m.streams[stream]));
	if (!(known[0] & STE_VALID)) {
		note(stream, entry ? 4 : 2, 0);
		return false;
	}
	if ((known[0] & 14) != STE_TRANSLATE_STAGE_1)
		return (known[0] & 14) == 8; /* bypass */
	context = direct_map(known[0] & 0xfffffffff000);
	assert_true(context[0] & CD_VALID && context[0] & CD_AARCH64);
	page = &m.pages[context[0] >> CD_ASID_SHIFT][address >> PAGE_SHIFT];
	at = context[1];
	for (unsigned level = arch_iommu_levels(); !*page && at && level > 0; level--) {
		at = ((uint64_t *)direct_map(at & 0xfffffffff000))[address >> (3 + 9 * level) & 511];
		if (!(at & PTE_VALID))
			at = 0;
	}
	*page = *page ? *page : at;
	if (!*page || *page & ARM_READ_ONLY) {
		note(stream, 0x10, address);
		return false;
	}
	assert_int_equal(*page & PTE_FRAME_MASK, address);
	return true;
}

#include <nucleus/arch/aarch64/iommu/smmu_setup.c>
#include <nucleus/arch/aarch64/iommu/smmu_v3.c>

/* --- tests --- */

/* One SMMU, which knows functions by their numbers without the bits that are not in `mask`. */
static void describe(uint32_t idr0, uint32_t mask)
{
	memset(&m, 0, sizeof(m));
	memset(memory, 0, sizeof(memory));
	memset(smmus, 0, sizeof(smmus));
	memset(&platform, 0, sizeof(platform));
	memset(said, 0, sizeof(said));
	smmu_contexts = 0;
	next_frame = 16;
	m.registers[SMMU_IDR0 / 4] = idr0 | IDR0_STAGE_1 | IDR0_AARCH64 | IDR0_COHERENT;
	m.registers[SMMU_IDR1 / 4] = 8 | 10 << IDR1_EVENTS_SHIFT | 10 << IDR1_COMMANDS_SHIFT;
	m.registers[SMMU_IDR5 / 4] = IDR5_4K | 2;
	platform.smmu.routes.target_count = platform.smmu.routes.count = 1;
	platform.smmu.routes.target[0].phys = BASE;
	platform.smmu.routes.route[0] = (struct arm_route){.last = STREAMS - 1, .mask = mask};
	platform.msi_frame_count = 1;
	platform.msi_frame[0].phys = DOORBELL;
}

/* A table of one page, which is at its own address. */
static uint64_t table_of(uint64_t pfn, uint32_t access)
{
	uint64_t at = arch_iommu_leaf(pfn << PAGE_SHIFT, access), index = pfn;

	for (unsigned level = 1; level <= arch_iommu_levels(); level++, index >>= 9) {
		uint64_t table = next_frame++ << PAGE_SHIFT;

		((uint64_t *)direct_map(table))[index & 511] = at;
		at = level == arch_iommu_levels() ? table : arch_iommu_table(table);
	}
	return at;
}

static void streams_of(uint32_t idr0)
{
	uint64_t root;

	describe(idr0, UINT32_MAX);
	frame_entries[300].type = FRAME_PAGE;
	assert_true(arch_iommu_init());
	assert_int_equal(smmus[0].two_levels, idr0 != 0);
	root = table_of(300, DMA_ACCESS_WRITE);
	assert_false(reaches(FIRST, 300 << PAGE_SHIFT));
	arch_iommu_attach(FIRST, 1, root);
	assert_true(reaches(FIRST, 300 << PAGE_SHIFT));
	assert_false(reaches(FIRST, 301 << PAGE_SHIFT));
	assert_false(reaches(SECOND, 300 << PAGE_SHIFT));
	assert_false(reaches(OTHER, 300 << PAGE_SHIFT));
	assert_false(reaches(STREAMS - 1, 300 << PAGE_SHIFT));
	arch_iommu_attach(FIRST, 1, 0);
	assert_false(reaches(FIRST, 300 << PAGE_SHIFT));
}

static void flat_table(void **)
{
	streams_of(0);
}

static void two_levels(void **)
{
	streams_of(IDR0_TWO_LEVELS);
}

/* What firmware let through, and what it left in caches, is no more. */
static void left_on_by_firmware(void **)
{
	uint64_t *entry;

	describe(0, UINT32_MAX);
	entry = (uint64_t *)direct_map(0x4000) + (size_t)FIRST * STREAM_WORDS;
	entry[0] = STE_VALID | 4 << 1;
	m.registers[SMMU_STRTAB_BASE / 4] = 0x4000;
	m.registers[SMMU_STRTAB_BASE_CFG / 4] = 8;
	m.registers[SMMU_CR0 / 4] = m.registers[SMMU_CR0ACK / 4] = CR0_TRANSLATE | CR0_COMMANDS | CR0_EVENTS;
	m.registers[SMMU_GERROR / 4] = 4;
	assert_true(reaches(FIRST, 300 << PAGE_SHIFT));
	assert_true(arch_iommu_init());
	assert_false(reaches(FIRST, 300 << PAGE_SHIFT));
	assert_int_equal(m.registers[SMMU_GERRORN / 4], 4);
	assert_true(m.registers[SMMU_GBPR / 4] & GBPR_ABORT);
}

/* Those that share a stream are one, and the one that faults are told of. */
static void one_stream(void **)
{
	uint32_t first = FIRST, second = SECOND, other = OTHER, unknown = UNKNOWN;
	struct iommu_fault f;

	describe(0, ~7u);
	assert_true(arch_iommu_init());
	assert_true(arch_iommu_covers(&first) && arch_iommu_covers(&second) && arch_iommu_covers(&other));
	assert_int_equal(first, second);
	assert_int_not_equal(first, other);
	assert_false(reaches(FIRST, 0));
	assert_true(arch_iommu_take_fault(&f));
	assert_int_equal(f.requester, second);
	assert_false(arch_iommu_take_fault(&f));
	assert_false(arch_iommu_covers(&unknown));
	assert_non_null(strstr(arch_iommu_uncovered(UNKNOWN), "names no SMMU"));
}

/* Beside a GICv2m frame, messages are written there. */
static void beside_gicv2m(void **)
{
	struct memory_range r;

	describe(0, UINT32_MAX);
	assert_true(arch_iommu_init());
	assert_true(arch_iommu_always(FIRST, 0, &r));
	assert_int_equal(r.start, DOORBELL);
	assert_int_equal(r.end, DOORBELL + PAGE_SIZE);
	assert_false(arch_iommu_always(FIRST, 1, &r));
}

/* One that takes no commands is not used and lets nothing through, and the log says so; of one that has no stage 1 it
 * does not say that. */
static void not_used(void **)
{
	uint32_t function = FIRST;

	describe(0, UINT32_MAX);
	m.deaf = true;
	assert_false(arch_iommu_init());
	assert_non_null(strstr(said, "takes no commands"));
	assert_false(arch_iommu_covers(&function));
	assert_string_equal(arch_iommu_uncovered(FIRST), "its SMMU blocks it");
	assert_false(reaches(FIRST, 0));
	describe(0, UINT32_MAX);
	m.registers[SMMU_IDR0 / 4] &= ~(uint32_t)IDR0_STAGE_1;
	assert_false(arch_iommu_init());
	assert_non_null(strstr(arch_iommu_uncovered(FIRST), "may reach all memory"));
	assert_true(reaches(FIRST, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat_table), cmocka_unit_test(two_levels),    cmocka_unit_test(left_on_by_firmware),
		cmocka_unit_test(one_stream), cmocka_unit_test(beside_gicv2m), cmocka_unit_test(not_used),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
