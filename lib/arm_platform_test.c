/* SPDX-License-Identifier: MIT */
/*
 * Host test of lib/arm_platform_dt.c and lib/arm_platform_acpi.c: the same questions to trees that dtc made
 * (test/host/devicetree), to trees with one thing spoilt, and to ACPI tables made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/arm_platform.h>
#include <lib/devicetree.h>
#include <lib/pci_ranges.h>

static const _Alignas(8) unsigned char plain[] = {
#embed "devicetree/gic-v2.dtb"
};
static const _Alignas(8) unsigned char nested[] = {
#embed "devicetree/gic-v3-nested.dtb"
};
static const _Alignas(8) unsigned char soc[] = {
#embed "devicetree/soc.dtb"
};
static struct arm_platform p;

static bool guards(uint64_t phys)
{
	for (unsigned i = 0; i < p.guarded_count; i++)
		if (phys >= p.guarded[i].phys && phys - p.guarded[i].phys < p.guarded[i].size)
			return true;
	return false;
}

static void tree_of_a_plain_machine(void **state)
{
	(void)state;
	assert_true(arm_platform_from_devicetree(plain, sizeof(plain), &p));
	assert_int_equal(p.gic_version, ARM_GIC_V2);
	assert_int_equal(p.distributor.phys, 0x8000000);
	assert_int_equal(p.cpu_interface.phys, 0x8010000);
	assert_int_equal(p.virtual_timer.id, 27);
	assert_true(p.virtual_timer.level);
	assert_int_equal(p.counter_hz, 0);
	assert_int_equal(p.psci, ARM_PSCI_HVC);
	assert_true(p.psci_power);
	assert_int_equal(p.console.kind, ARM_UART_PL011);
	assert_int_equal(p.console.phys, 0x9000000);
	assert_int_equal(p.console.interrupt.id, 33);
	assert_true(p.console.interrupt.level);
	assert_int_equal(p.console.clock_hz, 24000000);
}

static void tree_of_messages(void **state)
{
	(void)state;
	assert_true(arm_platform_from_devicetree(plain, sizeof(plain), &p));
	/* One whose numbers are no shared lines is none. */
	assert_int_equal(p.msi_frame_count, 2);
	assert_int_equal(p.msi_frame[0].phys, 0x8020000);
	assert_int_equal(p.msi_frame[0].count, 0);
	assert_int_equal(p.msi_frame[1].first, 80);
	assert_int_equal(p.msi_frame[1].count, 64);
	assert_true(guards(0x8020000) && guards(0x8022fff));
	/* There is room for 16 buses of the second. */
	assert_int_equal(p.ecam_count, 2);
	assert_int_equal(p.ecam[0].phys, 0x4010000000);
	assert_int_equal(p.ecam[0].segment, 0);
	assert_int_equal(p.ecam[0].last_bus, 255);
	assert_int_equal(p.ecam[1].segment, 7);
	assert_int_equal(p.ecam[1].first_bus, 0x10);
	assert_int_equal(p.ecam[1].last_bus, 0x1f);
}

static void wires_of_functions(void **state)
{
	static const char *const names[] = {"pci-host-ecam-generic", nullptr};
	int node = devicetree_find(plain, -1, names);
	struct devicetree_interrupt is;
	struct arm_interrupt line;

	(void)state;
	assert_true(node >= 0);
	assert_true(devicetree_interrupt_map(plain, node, 0x0000, 1, &is));
	assert_true(arm_platform_interrupt(plain, &is, &line));
	assert_int_equal(line.id, 35);
	assert_true(line.level);
	/* Device 5, function 1, of bus 2: the mask leaves the two low bits of the device. */
	assert_true(devicetree_interrupt_map(plain, node, 2 << 16 | 5 << 11 | 1 << 8, 2, &is));
	assert_int_equal(is.cells[1], 5);
	assert_false(devicetree_interrupt_map(plain, node, 2 << 11, 1, &is));
	assert_false(devicetree_interrupt_map(plain, node, 0, 3, &is));
	assert_false(devicetree_interrupt_map(plain, 0, 0, 1, &is));
}

/* Ports, memory, one of no size, memory of 64 bits that is elsewhere for functions, one beyond all addresses. */
static void ranges_of_a_host_bridge(void **state)
{
	static const char *const names[] = {"pci-host-ecam-generic", nullptr};
	int node = devicetree_find(plain, -1, names);
	struct pci_range r;
	bool more;

	(void)state;
	assert_true(pci_range_from_devicetree(plain, node, 0, &r, &more));
	assert_true(more);
	assert_int_equal(r.kind, PCI_RANGE_IO);
	assert_int_equal(r.bus, 0);
	assert_int_equal(r.cpu, 0x3eff0000);
	assert_int_equal(r.size, 0x10000);
	assert_true(pci_range_from_devicetree(plain, node, 1, &r, &more));
	assert_int_equal(r.kind, PCI_RANGE_MEMORY);
	assert_false(r.prefetchable);
	assert_int_equal(r.bus, 0x10000000);
	assert_int_equal(r.size, 0x2eff0000);
	assert_false(pci_range_from_devicetree(plain, node, 2, &r, &more));
	assert_true(more);
	assert_true(pci_range_from_devicetree(plain, node, 3, &r, &more));
	assert_int_equal(r.kind, PCI_RANGE_MEMORY_64);
	assert_true(r.prefetchable);
	assert_int_equal(r.bus, 0x8000000000);
	assert_int_equal(r.cpu, 0x8100000000);
	assert_int_equal(r.size, 0x8000000000);
	assert_false(pci_range_from_devicetree(plain, node, 4, &r, &more));
	assert_false(more);
	assert_false(pci_range_from_devicetree(plain, node, 5, &r, &more));
	assert_false(pci_range_from_devicetree(plain, 0, 0, &r, &more));
	/* The other has none. */
	assert_false(pci_range_from_devicetree(plain, devicetree_find(plain, node, names), 0, &r, &more));
}

static void tree_with_everything_elsewhere(void **state)
{
	(void)state;
	assert_true(arm_platform_from_devicetree(nested, sizeof(nested), &p));
	assert_int_equal(p.gic_version, ARM_GIC_V3);
	assert_int_equal(p.distributor.phys, 0x281000000);
	assert_int_equal(p.redistributor_regions, 2);
	assert_int_equal(p.redistributors[0].phys, 0x282000000);
	assert_int_equal(p.redistributors[1].phys, 0x283000000);
	assert_int_equal(p.redistributors[1].size, 0x80000);
	assert_int_equal(p.redistributor_stride, 0x40000);
	assert_int_equal(p.virtual_timer.id, 28);
	assert_int_equal(p.counter_hz, 19200000);
	assert_int_equal(p.psci, ARM_PSCI_SMC);
	assert_true(p.psci_power);
	assert_int_equal(p.console.kind, ARM_UART_PL011);
	assert_int_equal(p.console.phys, 0x100201000);
	assert_int_equal(p.console.interrupt.id, 72);
	assert_false(p.console.interrupt.level);
	assert_int_equal(p.console.clock_hz, 48000000);
	assert_true(guards(0x100500000) && guards(0x10051ffff));
	assert_false(guards(0x100520000));
}

static void tree_of_a_small_board(void **state)
{
	(void)state;
	assert_true(arm_platform_from_devicetree(soc, sizeof(soc), &p));
	assert_int_equal(p.gic_version, ARM_GIC_V2);
	assert_int_equal(p.distributor.phys, 0xff841000);
	assert_int_equal(p.psci, ARM_PSCI_NONE);
	assert_false(p.psci_power);
	assert_int_equal(p.console.kind, ARM_UART_16550);
	assert_int_equal(p.console.phys, 0xfe215040);
	assert_int_equal(p.console.register_shift, 2);
	assert_int_equal(p.console.register_bytes, 4);
	assert_int_equal(p.console.interrupt.id, 125);
	assert_true(guards(0xff800000));
}

/* The tree with one string in it replaced by another of the same length. */
static bool with(const unsigned char *tree, size_t size, const char *old, const char *new)
{
	unsigned char *copy = malloc(size), *at;
	bool result;

	assert_int_equal(strlen(old), strlen(new));
	memcpy(copy, tree, size);
	while ((at = memmem(copy, size, old, strlen(old))))
		memcpy(at, new, strlen(new));
	result = arm_platform_from_devicetree(copy, size, &p);
	free(copy);
	return result;
}

static void spoilt_trees(void **state)
{
	(void)state;
	assert_false(with(plain, sizeof(plain), "arm,cortex-a15-gic", "arm,cortex-z99-gic"));
	assert_string_equal(p.why, "no GICv2 or GICv3 at the timer's interrupt");
	assert_int_equal(p.console.phys, 0x9000000); /* known all the same */
	assert_false(with(soc, sizeof(soc), "arm,armv8-timer", "arm,armv9-timer"));
	assert_string_equal(p.why, "no generic timer");
	assert_false(with(nested, sizeof(nested), "interrupt-controller", "interrupt-kontroller"));
	assert_string_equal(p.why, "no interrupt of the virtual timer");
	/* No such path, or one that is not to be used: the first UART that there is. */
	assert_true(with(soc, sizeof(soc), "serial1:115200n8", "serial2:115200n8"));
	assert_int_equal(p.console.phys, 0xfe201000);
	assert_true(with(soc, sizeof(soc), "serial1:115200n8", "serial7:115200n8"));
	assert_int_equal(p.console.phys, 0xfe201000);
	assert_true(with(plain, sizeof(plain), "hvc", "xyz"));
	assert_int_equal(p.psci, ARM_PSCI_NONE);
	assert_false(p.psci_power);
	assert_false(arm_platform_from_devicetree(plain, sizeof(plain) - 1, &p));
	assert_string_equal(p.why, "no well-formed device tree");
}

/* --- ACPI --- */

enum { XSDT = 0x100, MADT = 0x200, GTDT = 0x600, FADT = 0x700, SPCR = 0x900, DBG2 = 0xa00 };
static unsigned char memory[4096];
static size_t madt_bytes;

static const void *map(uint64_t phys, size_t size)
{
	return phys <= sizeof(memory) && size <= sizeof(memory) - phys ? memory + phys : nullptr;
}

static void put(size_t at, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		memory[at + (size_t)i] = (unsigned char)(v >> (8 * i));
}

static void fix_sum(size_t at, size_t n, size_t where)
{
	unsigned char sum = 0;

	memory[where] = 0;
	for (size_t i = 0; i < n; i++)
		sum += memory[at + i];
	memory[where] = (unsigned char)-sum;
}

static void finish_table(size_t at, const char *name, size_t n)
{
	memcpy(memory + at, name, 4);
	put(at + 4, n, 4);
	fix_sum(at, n, at + 9);
}

static size_t madt_entry(uint8_t type, uint8_t n)
{
	size_t at = MADT + madt_bytes;

	memory[at] = type;
	memory[at + 1] = n;
	madt_bytes += n;
	return at;
}

static void add_gicc(uint32_t flags, uint64_t cpu_interface, uint64_t redistributor)
{
	size_t at = madt_entry(0x0b, 80);

	put(at + 12, flags, 4);
	put(at + 32, cpu_interface, 8);
	put(at + 60, redistributor, 8);
}

static void add_gicd(uint8_t version)
{
	size_t at = madt_entry(0x0c, 24);

	put(at + 8, 0x8000000, 8);
	memory[at + 20] = version;
}

static bool read_tables(void)
{
	finish_table(MADT, "APIC", madt_bytes);
	return arm_platform_from_acpi(16, map, &p);
}

/* All but the MADT's entries. */
static int build(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memcpy(memory + 16, "RSD PTR ", 8);
	memory[16 + 15] = 2;
	put(16 + 24, XSDT, 8);
	fix_sum(16, 20, 16 + 8);
	put(XSDT + 36, MADT, 8);
	put(XSDT + 44, GTDT, 8);
	put(XSDT + 52, FADT, 8);
	put(XSDT + 60, SPCR, 8);
	finish_table(XSDT, "XSDT", 68);
	madt_bytes = 44;
	put(GTDT + 64, 27, 4);
	finish_table(GTDT, "GTDT", 96);
	put(FADT + 129, 3, 2);
	finish_table(FADT, "FACP", 268);
	memory[SPCR + 36] = 3;
	memory[SPCR + 41] = 32;
	memory[SPCR + 43] = 3;
	put(SPCR + 44, 0x9000000, 8);
	memory[SPCR + 52] = 8;
	put(SPCR + 54, 33, 4);
	finish_table(SPCR, "SPCR", 80);
	return 0;
}

static void tables_of_a_gic_v2(void **state)
{
	(void)state;
	add_gicc(0, 0x7777000, 0); /* cannot be started */
	add_gicc(1, 0x8010000, 0);
	add_gicd(2);
	assert_true(read_tables());
	assert_int_equal(p.gic_version, ARM_GIC_V2);
	assert_int_equal(p.distributor.phys, 0x8000000);
	assert_int_equal(p.cpu_interface.phys, 0x8010000);
	assert_int_equal(p.virtual_timer.id, 27);
	assert_true(p.virtual_timer.level);
	assert_int_equal(p.psci, ARM_PSCI_HVC);
	assert_true(p.psci_power);
	assert_int_equal(p.console.kind, ARM_UART_PL011);
	assert_int_equal(p.console.phys, 0x9000000);
	assert_int_equal(p.console.interrupt.id, 33);
}

static void tables_of_a_gic_v3(void **state)
{
	size_t at;

	(void)state;
	add_gicc(1, 0, 0x9990000); /* the GICR structure stands for it */
	add_gicd(4);
	at = madt_entry(0x0e, 16);
	put(at + 4, 0x80a0000, 8);
	put(at + 12, 0xf60000, 4);
	assert_true(read_tables());
	assert_int_equal(p.gic_version, ARM_GIC_V3);
	assert_int_equal(p.redistributor_regions, 1);
	assert_int_equal(p.redistributors[0].phys, 0x80a0000);
	assert_int_equal(p.redistributors[0].size, 0xf60000);
}

static void tables_with_a_redistributor_for_each_cpu(void **state)
{
	(void)state;
	add_gicc(1, 0, 0x9990000);
	add_gicc(8, 0, 0xaaa0000);
	add_gicd(0);
	assert_true(read_tables());
	assert_int_equal(p.gic_version, ARM_GIC_V3);
	assert_int_equal(p.redistributor_regions, 2);
	assert_int_equal(p.redistributors[1].phys, 0xaaa0000);
	assert_int_equal(p.redistributors[1].size, 0x20000);
}

/* Doorbells of message-signalled interrupts and IOMMUs, of both generations. */
static void tables_with_what_is_not_given_away(void **state)
{
	enum { IORT = 0xa00 };
	size_t at;

	(void)state;
	add_gicc(1, 0, 0x9990000);
	add_gicd(3);
	put(madt_entry(0x0d, 24) + 8, 0x8020000, 8);
	put(madt_entry(0x0f, 20) + 8, 0x8080000, 8);
	put(XSDT + 68, IORT, 8);
	finish_table(XSDT, "XSDT", 76);
	put(IORT + 40, 48, 4);
	at = IORT + 48;
	put(at + 1, 20, 2); /* an ITS group */
	at += 20;
	memory[at] = 4;
	put(at + 1, 68, 2);
	put(at + 16, 0x9050000, 8);
	at += 68;
	memory[at] = 3;
	put(at + 1, 76, 2);
	put(at + 16, 0x7000000, 8);
	put(at + 24, 0x40000, 8);
	finish_table(IORT, "IORT", 48 + 20 + 68 + 76);
	assert_true(read_tables());
	assert_true(guards(0x8020fff));
	assert_true(guards(0x8080000) && guards(0x809ffff));
	assert_true(guards(0x9050000) && guards(0x906ffff));
	assert_true(guards(0x7000000) && guards(0x703ffff));
	assert_false(guards(0x8021000) || guards(0x80a0000) || guards(0x9070000) || guards(0x7040000));
	/* No room is no secret. */
	assert_int_equal(p.guarded_count, 4);
	assert_int_equal(p.guarded_lost, 0);
	for (unsigned i = 0; i < ARM_GUARDED_MAX; i++)
		arm_platform_guard(&p, (struct arm_region){0x1000, 0x1000});
	assert_int_equal(p.guarded_count, ARM_GUARDED_MAX);
	assert_int_equal(p.guarded_lost, 4);
	/* A node that says it has no length ends the list. */
	put(at + 1, 0, 2);
	finish_table(IORT, "IORT", 48 + 20 + 68 + 76);
	assert_true(read_tables());
	assert_false(guards(0x7000000));
}

static void spoilt_tables(void **state)
{
	(void)state;
	add_gicc(1, 0x8010000, 0);
	assert_false(read_tables());
	assert_string_equal(p.why, "no GIC distributor in the MADT");
	add_gicd(3);
	assert_false(read_tables());
	assert_string_equal(p.why, "a GICv3 without redistributors in the MADT");
	put(GTDT + 64, 40, 4);
	finish_table(GTDT, "GTDT", 96);
	add_gicd(2);
	assert_false(read_tables());
	assert_string_equal(p.why, "a virtual timer whose interrupt is not private to its CPU");
	(void)madt_entry(0x0b, 1);
	madt_bytes += 1;
	assert_false(read_tables());
	assert_string_equal(p.why, "a malformed MADT");
	memory[GTDT + 50] ^= 1; /* its sum is wrong now */
	madt_bytes -= 2;
	assert_false(read_tables());
	assert_string_equal(p.why, "no GTDT");
}

static void firmware_without_calls(void **state)
{
	(void)state;
	add_gicc(1, 0x8010000, 0);
	add_gicd(2);
	put(FADT + 129, 2, 2);
	finish_table(FADT, "FACP", 268);
	put(SPCR + 40, 1, 1); /* port space */
	finish_table(SPCR, "SPCR", 80);
	assert_true(read_tables());
	assert_int_equal(p.psci, ARM_PSCI_NONE);
	assert_int_equal(p.console.kind, ARM_UART_NONE);
}

static void console_of_the_debug_ports(void **state)
{
	enum { DEVICE = DBG2 + 44, BYTES = 22 + 12 };

	(void)state;
	add_gicc(1, 0x8010000, 0);
	add_gicd(2);
	put(DBG2 + 36, 44, 4);
	put(DBG2 + 40, 2, 4);
	/* Ports, which nothing here reaches, and memory. */
	for (unsigned i = 0; i < 2; i++) {
		put(DEVICE + i * BYTES + 1, BYTES, 2);
		put(DEVICE + i * BYTES + 3, 1, 1);
		put(DEVICE + i * BYTES + 12, 0x8000, 2);
		put(DEVICE + i * BYTES + 18, 22, 2);
		put(DEVICE + i * BYTES + 22, i == 0 ? 0x01000801 : 0x03002000, 4);
		put(DEVICE + i * BYTES + 26, i == 0 ? 0x3f8 : 0x9050000, 8);
	}
	finish_table(DBG2, "DBG2", 44 + 2 * BYTES);
	put(XSDT + 68, DBG2, 8);
	finish_table(XSDT, "XSDT", 76);
	assert_true(read_tables());
	assert_int_equal(p.console.phys, 0x9000000); /* that of SPCR */
	assert_false(p.console.proposed);
	assert_int_equal(arm_console_state_at(&p), 0x18);
	put(SPCR + 44, 0, 8);
	finish_table(SPCR, "SPCR", 80);
	assert_true(read_tables());
	assert_int_equal(p.console.kind, ARM_UART_16550);
	assert_int_equal(p.console.phys, 0x9050000);
	assert_int_equal(p.console.register_shift, 2);
	assert_int_equal(p.console.register_bytes, 4);
	assert_int_equal(p.console.interrupt.id, 0);
	assert_true(p.console.proposed);
	assert_int_equal(arm_console_state_at(&p), 20);
	assert_true(arm_console_state_ok(0x90) && arm_console_state_ok(0x60) && arm_console_state_ok(0));
	assert_false(arm_console_state_ok(0xff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_of_a_plain_machine),
		cmocka_unit_test(tree_of_messages),
		cmocka_unit_test(wires_of_functions),
		cmocka_unit_test(ranges_of_a_host_bridge),
		cmocka_unit_test(tree_with_everything_elsewhere),
		cmocka_unit_test(tree_of_a_small_board),
		cmocka_unit_test(spoilt_trees),
		cmocka_unit_test_setup(tables_of_a_gic_v2, build),
		cmocka_unit_test_setup(tables_of_a_gic_v3, build),
		cmocka_unit_test_setup(tables_with_a_redistributor_for_each_cpu, build),
		cmocka_unit_test_setup(tables_with_what_is_not_given_away, build),
		cmocka_unit_test_setup(spoilt_tables, build),
		cmocka_unit_test_setup(firmware_without_calls, build),
		cmocka_unit_test_setup(console_of_the_debug_ports, build),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
