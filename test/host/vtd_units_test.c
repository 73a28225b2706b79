/* SPDX-License-Identifier: MIT */
/*
 * The nucleus's half of VT-d (nucleus/arch/x86_64/iommu) before units that no emulator offers: several, one of which
 * firmware left on with tables of another kind, which cache everything, absent entries too, and believe a message only
 * as Intel VT-d 4.1 says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What is in place of the nucleus's headers. */
#define NUCLEUS_BOOT_H
#define NUCLEUS_LOG_H
#define NUCLEUS_MMU_H
#define NUCLEUS_REPORT_H
#define NUCLEUS_SCHED_H
#define ARCH_MMIO_H
#define ARCH_REGS_H

#include <lib/acpi_dmar.h>
#include <lib/acpi_tables.h>
#include <lib/pci_config.h>
#include <lib/types.h>
#include <nucleus/arch/x86_64/apic.h>
#include <nucleus/arch/x86_64/iommu/vtd.h>
#include <nucleus/arch/x86_64/iommu/vtd_registers.h>
#include <nucleus/frame/frames.h>
#include <nucleus/iommu/iommu.h>
#include <nucleus/irq/irq.h>
#include <nucleus/layout.h>

enum { UNITS = 2, FRAMES = 2048, QUEUE_DESCRIPTORS = 256 };
/* Functions: of the first unit's scope, behind its bridge, and any other. */
enum : uint32_t { OWN = 0x10, BRIDGE = 0xe0, BEHIND = 0x208, OTHER = 0x18, IOAPIC_ID = 2, IOAPIC = 0xf0f8 };
enum : uint32_t { FAULTS = 0x220 /* the first record */ };
constexpr uint64_t BASE = 0xfed90000, CAPS = 2 | CAP_PROTECTED | CAP_CACHES_ABSENT | CAP_THREE_LEVELS | 38ull << 16 |
					     (uint64_t)(FAULTS / 16) << 24 | CAP_PAGE_SELECTIVE | 3ull << 40 |
					     9ull << 48;

static unsigned char memory[FRAMES * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct frame frame_entries[FRAMES];
struct frame *frames = frame_entries;
uint64_t frame_count = FRAMES;
static uint64_t next_frame;
static struct {
	uint64_t rsdp_phys;
} boot_state;
static const struct cpu {
	uint32_t apic_id;
} this_cpu = {.apic_id = 1};

static struct unit {
	uint32_t registers[1024];
	uint64_t cap, ecap, root, interrupts; /* root, interrupts: in force */
	uint64_t head;
	unsigned looks;		  /* that the queue of firmware takes to become empty */
	uint64_t contexts[0x400]; /* what it remembers of a function; 0: nothing, 1: that there is none */
	bool interrupt_cached[512];
	uint64_t entries[512][2];
} units[UNITS];

static const struct cpu *cpu_this(void)
{
	return &this_cpu;
}

static void cpu_relax(void)
{
}

static void cache_line_write_back(uint64_t)
{
}

static void *direct_map(uint64_t phys)
{
	return phys < sizeof(memory) ? memory + phys : (void *)phys;
}

/* Of variables of the nucleus. */
static uint64_t image_phys(uint64_t address)
{
	return address;
}

static void log_printf(const char *, ...)
{
}

[[noreturn]] static void panic(const void *, const char *fmt, ...)
{
	fail_msg("%s", fmt);
	__builtin_trap();
}

static void *kernel_view_registers(uint32_t, uint64_t phys, uint32_t)
{
	return units[(phys - BASE) >> 16].registers;
}

static const void *kernel_view_firmware(uint64_t, size_t)
{
	return nullptr;
}

uint64_t frame_block_take(void)
{
	uint64_t phys = next_frame << PAGE_SHIFT;

	next_frame += BLOCK_FRAMES;
	return phys;
}

uint64_t frame_table_alloc(unsigned, uint32_t)
{
	return next_frame++ << PAGE_SHIFT;
}

uint32_t pci_register(uint32_t function, uint32_t offset, uint32_t)
{
	if (function != BRIDGE)
		return 0;
	return offset == PCI_HEADER_TYPE ? (uint32_t)PCI_HEADER_BRIDGE : 2;
}

uint32_t pci_requester(uint32_t function)
{
	return function == BEHIND ? 0x200 : function;
}

bool apic_io_id(unsigned index, uint32_t *id)
{
	*id = IOAPIC_ID;
	return index == 0;
}

/* --- a unit --- */

static struct unit *unit_of_registers(const volatile void *base)
{
	return base == units[0].registers ? &units[0] : &units[1];
}

static uint64_t wide(const struct unit *u, uint32_t offset)
{
	return u->registers[offset / 4] | (uint64_t)u->registers[offset / 4 + 1] << 32;
}

static void obey(struct unit *u, const uint64_t *d)
{
	switch (d[0] & 15) {
	case 1: memset(u->contexts, 0, sizeof(u->contexts)); break;
	case 4: memset(u->interrupt_cached, 0, sizeof(u->interrupt_cached)); break;
	case 5: *(volatile uint32_t *)d[1] = (uint32_t)(d[0] >> QUEUE_STATUS_SHIFT); break;
	default: assert_int_equal(d[0] & 15, 2);
	}
}

static uint32_t mmio_read32(const volatile void *base, size_t offset)
{
	struct unit *u = unit_of_registers(base);

	if (offset == VTD_QUEUE_HEAD && u->looks > 0 && --u->looks == 0)
		u->registers[VTD_QUEUE_HEAD / 4] = u->registers[VTD_QUEUE_TAIL / 4];
	return u->registers[offset / 4];
}

/* One bit at a time (11.4.4.1), and none but what may change in that state. */
static void take_command(struct unit *u, uint32_t value)
{
	uint32_t *status = &u->registers[VTD_STATUS / 4], stays = *status & VTD_STATUS_STAYS, changed = value ^ stays;

	assert_int_equal(changed & (changed - 1), 0);
	if (changed & VTD_SET_ROOT) {
		/* Of another kind only while nothing is translated (6.6). */
		assert_true(!(*status & VTD_TRANSLATE) || !(u->root & ROOT_MODE));
		u->root = wide(u, VTD_ROOT);
	}
	if (changed & VTD_SET_INTERRUPT_TABLE)
		u->interrupts = wide(u, VTD_INTERRUPT_TABLE);
	if (changed & VTD_QUEUED && !(value & VTD_QUEUED))
		assert_int_equal(u->registers[VTD_QUEUE_HEAD / 4], u->registers[VTD_QUEUE_TAIL / 4]);
	*status = value;
}

static void mmio_write32(volatile void *base, size_t offset, uint32_t value)
{
	struct unit *u = unit_of_registers(base);
	bool queued = u->registers[VTD_STATUS / 4] & VTD_QUEUED;

	if (offset == VTD_COMMAND) {
		take_command(u, value);
		return;
	}
	if (offset == VTD_QUEUE || (offset == VTD_QUEUE_TAIL && !queued)) {
		assert_false(queued);
		u->registers[VTD_QUEUE_HEAD / 4] = 0;
	}
	/* Writing ones clears. */
	if (offset == FAULTS + 12 || offset == VTD_FAULT_STATUS)
		value = u->registers[offset / 4] & ~value;
	u->registers[offset / 4] = value;
	if (offset == VTD_QUEUE_TAIL + 4)
		while (queued && u->registers[VTD_QUEUE_HEAD / 4] != u->registers[VTD_QUEUE_TAIL / 4]) {
			uint32_t *head = &u->registers[VTD_QUEUE_HEAD / 4];

			obey(u, (uint64_t *)((char *)direct_map(wide(u, VTD_QUEUE) & ~0xfffull) + *head));
			*head = (*head + 16) % (QUEUE_DESCRIPTORS * 16);
		}
}

/* The root of what the function reaches: 0, nothing. */
static uint64_t root_of(unsigned unit, uint32_t function)
{
	struct unit *u = &units[unit];
	uint64_t *known = &u->contexts[function];

	assert_true(u->registers[VTD_STATUS / 4] & VTD_TRANSLATE);
	if (*known == 0) {
		const uint64_t *root = (uint64_t *)direct_map(u->root & ~0xfffull) + 2 * (function >> 8);
		const uint64_t *entry = (uint64_t *)direct_map(root[0] & ~0xfffull) + 2 * (function & 0xff);

		*known = root[0] & ENTRY_PRESENT && entry[0] & ENTRY_PRESENT ? entry[0] & ~0xfffull : 1;
	}
	return *known & ~1ull;
}

/* The vector that a message raises (5.1.3 to 5.1.5); 0: none. */
static uint32_t raises(unsigned unit, uint32_t source, uint32_t address, uint32_t data)
{
	struct unit *u = &units[unit];
	uint32_t status = u->registers[VTD_STATUS / 4], index = (address >> 5 & 0x7fff) | (address >> 2 & 1) << 15;
	const uint64_t *entry;
	uint64_t *known;

	if (!(status & VTD_REMAP_INTERRUPTS) || (!(address & 1 << 4) && status & VTD_OLD_FORMAT))
		return data & 0xff;
	if (!(address & 1 << 4))
		return 0;
	index += address & 1 << 3 ? data & 0xffff : 0;
	assert_true(index < 512);
	known = u->entries[index];
	entry = (uint64_t *)direct_map(u->interrupts & ~0xfffull) + 2ull * index;
	if (!u->interrupt_cached[index])
		memcpy(known, entry, sizeof(u->entries[index]));
	u->interrupt_cached[index] = true;
	if (!(known[0] & REMAP_PRESENT))
		return 0;
	if ((known[1] >> 18 & 3) == 1 && (known[1] & 0xffff) != source)
		return 0;
	if ((known[1] >> 18 & 3) == 2 && (source >> 8 < (known[1] >> 8 & 0xff) || source >> 8 > (known[1] & 0xff)))
		return 0;
	assert_true(known[1] >> 18 & 3);
	return known[0] >> REMAP_VECTOR_SHIFT & 0xff;
}

/* --- what firmware says --- */

static unsigned char dmar[256];
static size_t length, entry;

static void put(uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		dmar[length++] = (unsigned char)(v >> (8 * i));
}

static void put_scope(uint8_t kind, uint8_t id, uint8_t bus, uint8_t at)
{
	put(kind, 1), put(8, 1), put(0, 2), put(id, 1), put(bus, 1), put(at >> 3, 1), put(at & 7, 1);
	dmar[entry + 2] = (unsigned char)(length - entry);
}

static void describe(void)
{
	memset(dmar, 0, sizeof(dmar));
	dmar[36] = 45;
	dmar[37] = 1;
	length = entry = 48;
	put(0, 2), put(16, 2), put(0, 4), put(BASE, 8);
	put_scope(DMAR_ENDPOINT, 0, 0, OWN);
	put_scope(DMAR_BRIDGE, 0, 0, BRIDGE);
	entry = length;
	put(0, 2), put(16, 2), put(1, 1), put(0, 3), put(BASE + 0x10000, 8);
	put_scope(DMAR_IOAPIC, IOAPIC_ID, IOAPIC >> 8, IOAPIC & 0xff);
	entry = length;
	put(1, 2), put(24, 2), put(0, 4), put(0x5000, 8), put(0x6fff, 8);
	put_scope(DMAR_ENDPOINT, 0, 0, OTHER);
}

static const void *find_table(size_t *bytes)
{
	*bytes = length;
	return dmar;
}
#define acpi_find_table(rsdp, signature, map, bytes) ((void)(rsdp), (void)(map), find_table(bytes))

#include <nucleus/arch/x86_64/iommu/vtd.c>

#include <nucleus/arch/x86_64/iommu/vtd_interrupts.c>
#include <nucleus/arch/x86_64/iommu/vtd_unit.c>

/* --- tests --- */

static int set_up(void **)
{
	memset(units, 0, sizeof(units));
	memset(memory, 0, sizeof(memory));
	next_frame = BLOCK_FRAMES;
	for (unsigned i = 0; i < UNITS; i++) {
		uint64_t cap = CAPS, ecap = ECAP_QUEUE | ECAP_INTERRUPTS | ECAP_COHERENT;

		memcpy(&units[i].registers[VTD_CAP / 4], &cap, 8);
		memcpy(&units[i].registers[VTD_ECAP / 4], &ecap, 8);
		units[i].registers[VTD_PROTECTED / 4] = PROTECTED_ENABLE;
	}
	describe();
	return 0;
}

static void each_function_has_its_unit(void **)
{
	uint32_t own = OWN, other = OTHER;

	assert_true(arch_iommu_init());
	assert_int_equal(vtd_unit_count, 2);
	assert_int_equal(arch_iommu_levels(), 3);
	assert_true(arch_iommu_covers(&own) && arch_iommu_covers(&other));
	for (unsigned i = 0; i < UNITS; i++) {
		assert_int_equal(root_of(i, OWN) | root_of(i, OTHER) | root_of(i, 0x200), 0);
		assert_false(units[i].registers[VTD_PROTECTED / 4] & PROTECTED_ENABLE);
	}
	arch_iommu_attach(OWN, 1, 0x10000);
	arch_iommu_attach(OTHER, 2, 0x20000);
	arch_iommu_attach(0x200, 3, 0x30000);
	assert_int_equal(root_of(0, OWN), 0x10000);
	assert_int_equal(root_of(1, OWN), 0);
	assert_int_equal(root_of(1, OTHER), 0x20000);
	assert_int_equal(root_of(0, OTHER), 0);
	assert_int_equal(root_of(0, 0x200), 0x30000);
	arch_iommu_attach(OWN, 1, 0);
	assert_int_equal(root_of(0, OWN), 0);
	assert_int_equal(root_of(1, OTHER), 0x20000);
}

/* Firmware's memory is that of the functions it named. */
static void reserved_memory(void **)
{
	struct memory_range r;

	assert_true(arch_iommu_init());
	assert_true(arch_iommu_always(OTHER, 0, &r));
	assert_int_equal(r.start, 0x5000);
	assert_int_equal(r.end, 0x7000);
	assert_false(arch_iommu_always(OTHER, 1, &r));
	assert_false(arch_iommu_always(OWN, 0, &r));
}

static void left_on_by_firmware(void **)
{
	struct iommu_fault f;

	for (unsigned i = 0; i < UNITS; i++) {
		units[i].registers[VTD_STATUS / 4] = VTD_TRANSLATE | VTD_QUEUED | VTD_REMAP_INTERRUPTS | VTD_OLD_FORMAT;
		units[i].root = units[i].registers[VTD_ROOT / 4] = i == 0 ? 0x7000 | 1 << 10 : 0x7000;
		units[i].registers[VTD_QUEUE_TAIL / 4] = 64;
		units[i].registers[VTD_FAULT_STATUS / 4] = FAULT_STATUS_OVERFLOW;
		units[i].registers[(FAULTS + 12) / 4] = (uint32_t)(FAULT_THERE >> 32);
		units[i].looks = 5;
	}
	assert_true(arch_iommu_init());
	for (unsigned i = 0; i < UNITS; i++) {
		assert_true(vtd_units[i].left_on);
		assert_int_equal(units[i].registers[VTD_STATUS / 4] & ~(VTD_SET_ROOT | VTD_SET_INTERRUPT_TABLE),
				 VTD_TRANSLATE | VTD_QUEUED | VTD_REMAP_INTERRUPTS);
		assert_int_equal(units[i].root, vtd_units[i].root);
		assert_int_equal(root_of(i, OTHER), 0);
		assert_int_equal(raises(i, OTHER, APIC_MESSAGES, 0x41), 0);
	}
	assert_false(arch_iommu_take_fault(&f));
}

/* A message raises its own line, and only if it comes from its function, or from what is behind the same bridge. */
static void forged_messages(void **)
{
	uint32_t own = APIC_MESSAGES | 1 << 4 | 7 << 5, behind = APIC_MESSAGES | 1 << 4 | 9 << 5,
		 wire = APIC_MESSAGES | 1 << 4 | 11 << 5;

	assert_true(arch_iommu_init());
	assert_true(vtd_remaps());
	/* What was seen to be absent is not remembered so. */
	assert_int_equal(raises(0, OWN, own, 0), 0);
	vtd_remap_function(7, OWN, 1, 0x41);
	vtd_remap_function(9, BEHIND, 1, 0x42);
	vtd_remap_ioapic(11, IOAPIC_ID, 1, 0x43, true);
	assert_int_equal(raises(0, OWN, own, 0), 0x41);
	assert_int_equal(raises(0, OTHER, own, 0), 0);
	assert_int_equal(raises(1, OTHER, own, 0), 0);
	assert_int_equal(raises(0, 0x200, behind, 0), 0x42);
	assert_int_equal(raises(0, OWN, behind, 0), 0);
	assert_int_equal(raises(1, IOAPIC, wire, 0), 0x43);
	assert_int_equal(raises(1, OTHER, wire, 0), 0);
	/* The old format names a vector, whoever says so. */
	assert_int_equal(raises(0, OWN, APIC_MESSAGES | 1 << 12, 0x41), 0);
	assert_int_equal(raises(1, OTHER, APIC_MESSAGES | 1 << 12, 0xf1), 0);
	vtd_remap_function(7, OWN, 1, 0x51);
	assert_int_equal(raises(0, OWN, own, 0), 0x51);
	vtd_remap_end(7);
	assert_int_equal(raises(0, OWN, own, 0), 0);
}

/* What it wrote is told under its number, as a write to where messages go: the record says no address. */
static void forged_messages_are_told(void **)
{
	struct iommu_fault f;
	uint32_t *record = &units[1].registers[FAULTS / 4];

	assert_true(arch_iommu_init());
	assert_false(arch_iommu_take_fault(&f));
	/* 11.4.14: for an interrupt the entry's number is where an address has its upper half. */
	record[1] = 7 << 16;
	record[2] = OTHER;
	record[3] = (uint32_t)(FAULT_THERE >> 32) | 0x26;
	assert_true(arch_iommu_take_fault(&f));
	assert_int_equal(f.requester, OTHER);
	assert_int_equal(f.reason, 0x26);
	assert_int_equal(f.address, APIC_MESSAGES);
	assert_true(f.write);
	assert_false(arch_iommu_take_fault(&f));
}

/* All units, or none: one that cannot would leave its functions' messages believed. */
static void one_cannot(void **)
{
	units[1].registers[VTD_ECAP / 4] &= ~(uint32_t)ECAP_INTERRUPTS;
	assert_true(arch_iommu_init());
	assert_false(vtd_remaps());
	units[1].registers[VTD_ECAP / 4] = 0;
	units[0].registers[VTD_STATUS / 4] = units[1].registers[VTD_STATUS / 4] = 0;
	assert_false(arch_iommu_init());
	assert_int_equal(units[0].registers[VTD_STATUS / 4], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_function_has_its_unit, set_up),
		cmocka_unit_test_setup(reserved_memory, set_up),
		cmocka_unit_test_setup(left_on_by_firmware, set_up),
		cmocka_unit_test_setup(forged_messages, set_up),
		cmocka_unit_test_setup(forged_messages_are_told, set_up),
		cmocka_unit_test_setup(one_cannot, set_up),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
