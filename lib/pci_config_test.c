/* SPDX-License-Identifier: MIT */
/* Host test of lib/pci_config.c: functions described here byte by byte, and lists of capabilities that go in circles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/pci_config.h>

static unsigned char space[PCIE_CONFIG_BYTES];
static unsigned reads;

static uint32_t read_space(void *context, uint32_t offset)
{
	uint32_t word;

	assert_ptr_equal(context, space);
	assert_true(offset % 4 == 0 && offset < sizeof(space));
	reads++;
	memcpy(&word, space + offset, 4);
	return word;
}

static const struct pci_config config = {.read32 = read_space, .context = space, .bytes = PCIE_CONFIG_BYTES};

static void put(uint32_t at, uint32_t value, unsigned bytes)
{
	memcpy(space + at, &value, bytes);
}

static int set_up(void **state)
{
	(void)state;
	memset(space, 0, sizeof(space));
	reads = 0;
	put(PCI_VENDOR_ID, 0x1af4, 2);
	put(PCI_DEVICE_ID, 0x1042, 2);
	put(PCI_STATUS, PCI_STATUS_CAPABILITIES, 2);
	put(PCI_REVISION, 0x01008003, 4);
	return 0;
}

static void test_identity(void **state)
{
	struct pci_identity id;

	(void)state;
	put(PCI_HEADER_TYPE, 0x80, 1);
	put(PCI_SUBSYSTEM_VENDOR_ID, 0x1111, 2);
	put(PCI_SUBSYSTEM_ID, 0x2222, 2);
	put(PCI_INTERRUPT_LINE, 11, 1);
	put(PCI_INTERRUPT_PIN, 4, 1);
	assert_true(pci_identify(&config, &id));
	assert_int_equal(id.vendor, 0x1af4);
	assert_int_equal(id.device, 0x1042);
	assert_int_equal(id.class, 0x010080);
	assert_int_equal(id.revision, 3);
	assert_int_equal(id.subsystem_vendor, 0x1111);
	assert_int_equal(id.subsystem, 0x2222);
	assert_int_equal(id.interrupt_line, 11);
	assert_int_equal(id.interrupt_pin, 4);
	assert_true(id.many_functions);
	put(PCI_HEADER_TYPE, 1, 1);
	put(PCI_SECONDARY_BUS, 3, 1);
	put(PCI_SUBORDINATE_BUS, 7, 1);
	assert_true(pci_identify(&config, &id));
	assert_false(id.many_functions);
	assert_int_equal(id.subsystem_vendor, 0);
	assert_int_equal(id.secondary_bus, 3);
	assert_int_equal(id.subordinate_bus, 7);
}

static void test_nobody_there(void **state)
{
	struct pci_identity id;
	struct pci_msix msix;
	const struct pci_bar bars[PCI_BARS_MAX] = {};

	(void)state;
	put(PCI_VENDOR_ID, 0, 2);
	assert_false(pci_identify(&config, &id));
	memset(space, 0xff, sizeof(space));
	assert_false(pci_identify(&config, &id));
	assert_int_equal(pci_capability_find(&config, PCI_CAP_MSI, 0), 0);
	assert_int_equal(pci_capability_find(&config, 0xff, 0), 0);
	assert_int_equal(pcie_capability_find(&config, 0xffff, 0), 0);
	assert_false(pci_msix_decode(&config, bars, &msix));
}

static void test_capabilities(void **state)
{
	(void)state;
	put(PCI_CAPABILITIES, 0x43, 1); /* the two low bits do not count */
	put(0x40, 0x5009, 2);
	put(0x50, 0xf809, 2);
	put(0xf8, 0x0005, 2);
	assert_int_equal(pci_capability_find(&config, PCI_CAP_VENDOR, 0), 0x40);
	assert_int_equal(pci_capability_find(&config, PCI_CAP_VENDOR, 0x40), 0x50);
	assert_int_equal(pci_capability_find(&config, PCI_CAP_VENDOR, 0x50), 0);
	assert_int_equal(pci_capability_find(&config, PCI_CAP_MSI, 0), 0xf8);
	assert_int_equal(pci_capability_find(&config, PCI_CAP_MSI, 0x40), 0xf8);
	assert_int_equal(pci_capability_find(&config, PCI_CAP_MSIX, 0), 0);
	put(PCI_STATUS, 0, 2);
	assert_int_equal(pci_capability_find(&config, PCI_CAP_MSI, 0), 0);
}

static void test_circles_end(void **state)
{
	(void)state;
	put(PCI_CAPABILITIES, 0x40, 1);
	put(0x40, 0x5009, 2);
	put(0x50, 0x4009, 2);
	assert_int_equal(pci_capability_find(&config, PCI_CAP_MSI, 0), 0);
	assert_true(reads < 200);
	put(0x50, 0x3c09, 2); /* into the header */
	assert_int_equal(pci_capability_find(&config, PCI_CAP_MSI, 0), 0);
	put(0x100, 0x14010001, 4);
	put(0x140, 0x10010002, 4);
	reads = 0;
	assert_int_equal(pcie_capability_find(&config, 3, 0), 0);
	assert_true(reads < 1000);
}

static void test_extended_capabilities(void **state)
{
	const struct pci_config old = {.read32 = read_space, .context = space, .bytes = PCI_CONFIG_BYTES};

	(void)state;
	put(0x100, 0x14010001, 4);
	put(0x140, 0xffc10010, 4);
	put(0xffc, 0x00010010, 4);
	assert_int_equal(pcie_capability_find(&config, 1, 0), 0x100);
	assert_int_equal(pcie_capability_find(&config, 0x10, 0), 0x140);
	assert_int_equal(pcie_capability_find(&config, 0x10, 0x140), 0xffc);
	assert_int_equal(pcie_capability_find(&config, 0x10, 0xffc), 0);
	assert_int_equal(pcie_capability_find(&old, 1, 0), 0);
}

static void test_bars(void **state)
{
	static const uint32_t value[] = {0xfe000000, 0xc001, 0x0000000c, 0x00000380, 0, 0xfebf0008};
	static const uint32_t ones[] = {0xfffff000, 0xffe1, 0xffffc00c, 0xffffffff, 0, 0xffff0008};
	struct pci_bar bar[PCI_BARS_MAX];

	(void)state;
	pci_bars_decode(value, ones, PCI_BARS_MAX, bar);
	assert_int_equal(bar[0].kind, PCI_BAR_MEMORY);
	assert_int_equal(bar[0].base, 0xfe000000);
	assert_int_equal(bar[0].size, 0x1000);
	assert_false(bar[0].prefetchable);
	assert_int_equal(bar[1].kind, PCI_BAR_IO);
	assert_int_equal(bar[1].base, 0xc000);
	assert_int_equal(bar[1].size, 0x20);
	assert_int_equal(bar[2].kind, PCI_BAR_MEMORY_64);
	assert_int_equal(bar[2].base, 0x38000000000);
	assert_int_equal(bar[2].size, 0x4000);
	assert_true(bar[2].prefetchable);
	assert_int_equal(bar[3].kind, PCI_BAR_NONE);
	assert_int_equal(bar[4].kind, PCI_BAR_NONE);
	assert_int_equal(bar[5].size, 0x10000);
	assert_true(bar[5].prefetchable);
}

static void test_large_bar(void **state)
{
	static const uint32_t value[] = {0x0000000c, 0x10}, ones[] = {0x0000000c, 0xfffffffc};
	struct pci_bar bar[2];

	(void)state;
	pci_bars_decode(value, ones, 2, bar);
	assert_int_equal(bar[0].base, 0x1000000000);
	assert_int_equal(bar[0].size, 0x400000000);
}

static void test_senseless_bars(void **state)
{
	static const uint32_t value[] = {0, 1, 0, 4, 4}, ones[] = {0xf0f0f000, 0x1, 0xffff0001, 0x4, 0xffff0004};
	struct pci_bar bar[PCI_BARS_MAX];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		pci_bars_decode(value + i, ones + i, 1, bar);
		assert_int_equal(bar[0].kind, PCI_BAR_NONE);
		assert_int_equal(bar[0].size, 0);
	}
}

static void test_decodable(void **state)
{
	/* Memory, ports, memory of 64 bits. */
	static const uint32_t ones[] = {0xfffff000, 0xffe1, 0xffffc00c, 0xffffffff, 0, 0};
	uint32_t value[] = {0xfe000000, 0xc001, 0x0000000c, 0x00000380, 0, 0}, broken[PCI_BARS_MAX];
	struct pci_bar bar[PCI_BARS_MAX];

	(void)state;
	pci_bars_decode(value, ones, PCI_BARS_MAX, bar);
	assert_int_equal(pci_bars_decodable(ones, bar, PCI_BARS_MAX), PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	value[1] = 1;
	pci_bars_decode(value, ones, PCI_BARS_MAX, bar);
	assert_int_equal(pci_bars_decodable(ones, bar, PCI_BARS_MAX), PCI_COMMAND_MEMORY);
	value[1] = 0xc001, value[3] = 0;
	pci_bars_decode(value, ones, PCI_BARS_MAX, bar);
	assert_int_equal(pci_bars_decodable(ones, bar, PCI_BARS_MAX), PCI_COMMAND_IO);
	/* What takes bits and yet is no BAR. */
	value[3] = 0x380;
	for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
		memcpy(broken, ones, sizeof(broken));
		broken[i] = i == 1 ? 0xf0f1 : 0xf0f0f00c;
		pci_bars_decode(value, broken, PCI_BARS_MAX, bar);
		/* The upper half of the third may be anything that makes a size: this does not. */
		assert_int_equal(pci_bars_decodable(broken, bar, PCI_BARS_MAX), 0);
	}
}

static void test_windows(void **state)
{
	struct pci_windows w;

	(void)state;
	put(PCI_IO_WINDOW, 0xd1c1, 2);
	put(PCI_IO_WINDOW_HIGH, 0x00010001, 4);
	put(PCI_MEMORY_WINDOW, 0xfe80fe00, 4);
	put(PCI_PREFETCHABLE_WINDOW, 0x00110001, 4);
	put(PCI_PREFETCHABLE_BASE_HIGH, 0x38, 4);
	put(PCI_PREFETCHABLE_LIMIT_HIGH, 0x39, 4);
	pci_windows_decode(&config, &w);
	assert_int_equal(w.io.base, 0x1c000);
	assert_int_equal(w.io.limit, 0x1dfff);
	assert_int_equal(w.memory.base, 0xfe000000);
	assert_int_equal(w.memory.limit, 0xfe8fffff);
	assert_int_equal(w.prefetchable.base, 0x3800000000);
	assert_int_equal(w.prefetchable.limit, 0x39001fffff);
	put(PCI_MEMORY_WINDOW, 0x0000fff0, 4);
	pci_windows_decode(&config, &w);
	assert_true(w.memory.base > w.memory.limit);
	pci_windows_placed(&config, &w);
	assert_true(w.memory.base > w.memory.limit);
	assert_int_equal(w.prefetchable.base, 0x3800000000);
	assert_int_equal(w.io.limit, 0x1dfff);
}

/* Of memory windows one register after the other; nothing is written. */
static void test_windows_written(void **state)
{
	struct pci_windows w;

	(void)state;
	put(PCI_MEMORY_WINDOW, 0xfe10fe00, 4);
	put(PCI_PREFETCHABLE_WINDOW, 0x80118001, 4);
	put(PCI_PREFETCHABLE_BASE_HIGH, 2, 4);
	put(PCI_PREFETCHABLE_LIMIT_HIGH, 2, 4);
	pci_windows_decode_written(&config, 0, 0, &w);
	assert_int_equal(w.memory.base, 0xfe000000);
	assert_int_equal(w.prefetchable.limit, 0x2801fffff);
	pci_windows_decode_written(&config, PCI_MEMORY_WINDOW, 0x40002000, &w);
	assert_int_equal(w.memory.base, 0x20000000);
	assert_int_equal(w.memory.limit, 0x400fffff);
	/* How wide it is is not written. */
	pci_windows_decode_written(&config, PCI_PREFETCHABLE_WINDOW, 0x90009000, &w);
	assert_int_equal(w.prefetchable.base, 0x290000000);
	assert_int_equal(w.prefetchable.limit, 0x2900fffff);
	pci_windows_decode_written(&config, PCI_MEMORY_WINDOW, 0xfe1ffe0f, &w);
	assert_int_equal(w.memory.base, 0xfe000000);
	pci_windows_decode_written(&config, PCI_PREFETCHABLE_BASE_HIGH, 1, &w);
	assert_int_equal(w.prefetchable.base, 0x180000000);
	assert_int_equal(w.prefetchable.limit, 0x2801fffff);
	pci_windows_decode(&config, &w);
	assert_int_equal(w.memory.limit, 0xfe1fffff);
	assert_int_equal(w.prefetchable.base, 0x280000000);
}

/* As after a reset; the lowest bits say how wide the window can be. */
static void test_windows_of_zeros(void **state)
{
	struct pci_windows w;

	(void)state;
	for (uint32_t wide = 0; wide <= 1; wide++) {
		put(PCI_IO_WINDOW, wide * 0x0101, 2);
		put(PCI_IO_WINDOW_HIGH, 0, 4);
		put(PCI_MEMORY_WINDOW, 0, 4);
		put(PCI_PREFETCHABLE_WINDOW, wide * 0x00010001, 4);
		put(PCI_PREFETCHABLE_BASE_HIGH, 0, 4);
		put(PCI_PREFETCHABLE_LIMIT_HIGH, 0, 4);
		pci_windows_decode(&config, &w);
		assert_true(w.io.base == 0 && w.io.limit == 0xfff);
		assert_true(w.memory.base == 0 && w.memory.limit == 0xfffff);
		assert_true(w.prefetchable.base == 0 && w.prefetchable.limit == 0xfffff);
		pci_windows_placed(&config, &w);
		assert_true(w.io.base > w.io.limit);
		assert_true(w.memory.base > w.memory.limit);
		assert_true(w.prefetchable.base > w.prefetchable.limit);
	}
	/* Of the same base, and more. */
	put(PCI_MEMORY_WINDOW, 0x00100000, 4);
	put(PCI_IO_WINDOW, 0x1000, 2);
	put(PCI_PREFETCHABLE_LIMIT_HIGH, 1, 4);
	pci_windows_placed(&config, &w);
	assert_true(w.memory.base == 0 && w.memory.limit == 0x1fffff);
	assert_true(w.io.base == 0 && w.io.limit == 0x1fff);
	assert_true(w.prefetchable.base == 0 && w.prefetchable.limit == 0x1000fffff);
}

static void test_msix(void **state)
{
	const struct pci_bar bars[PCI_BARS_MAX] = {{.kind = PCI_BAR_MEMORY, .size = 0x1000},
						   {.kind = PCI_BAR_IO, .size = 0x1000},
						   {.kind = PCI_BAR_MEMORY_64, .size = 0x4000}};
	struct pci_msix m;

	(void)state;
	put(PCI_CAPABILITIES, 0x40, 1);
	put(0x40, 0x00100011, 4); /* 17 vectors */
	put(0x44, 0x00003002, 4);
	put(0x48, 0x00000ff0, 4);
	assert_true(pci_msix_decode(&config, bars, &m));
	assert_int_equal(m.vectors, 17);
	assert_int_equal(m.table_bar, 2);
	assert_int_equal(m.table_offset, 0x3000);
	assert_int_equal(m.pending_bar, 0);
	assert_int_equal(m.pending_offset, 0xff0);
	/* Tables in no BAR, in a BAR of ports, beyond its end, and with pending bits beyond the end. */
	static const uint32_t bad[][2] = {{0x3006, 0},	   {0x3007, 0},	     {0x0001, 0},     {0x3ff2, 0},
					  {0xfffffff8, 0}, {0x0002, 0x1000}, {0x0002, 0x0004}};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(0x44, bad[i][0], 4);
		put(0x48, bad[i][1], 4);
		assert_false(pci_msix_decode(&config, bars, &m));
	}
	put(0x40, 0x07ff0011, 4); /* 2048 vectors are 32 KiB */
	put(0x44, 2, 4);
	put(0x48, 0, 4);
	assert_false(pci_msix_decode(&config, bars, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_identity, set_up),
		cmocka_unit_test_setup(test_nobody_there, set_up),
		cmocka_unit_test_setup(test_capabilities, set_up),
		cmocka_unit_test_setup(test_circles_end, set_up),
		cmocka_unit_test_setup(test_extended_capabilities, set_up),
		cmocka_unit_test_setup(test_bars, set_up),
		cmocka_unit_test_setup(test_large_bar, set_up),
		cmocka_unit_test_setup(test_senseless_bars, set_up),
		cmocka_unit_test_setup(test_decodable, set_up),
		cmocka_unit_test_setup(test_windows, set_up),
		cmocka_unit_test_setup(test_windows_written, set_up),
		cmocka_unit_test_setup(test_windows_of_zeros, set_up),
		cmocka_unit_test_setup(test_msix, set_up),
	};

	return cmocka_run_group_tests_name("pci_config", tests, nullptr, nullptr);
}
