/* SPDX-License-Identifier: MIT */
/* Host test of lib/devicetree.c on trees that dtc made (test/host/devicetree), and on trees cut short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/devicetree.h>

static const _Alignas(8) unsigned char plain[] = {
#embed "devicetree/gic-v2.dtb"
};
static const _Alignas(8) unsigned char nested[] = {
#embed "devicetree/gic-v3-nested.dtb"
};
static const _Alignas(8) unsigned char soc[] = {
#embed "devicetree/soc.dtb"
};

static int compatible(const void *fdt, const char *name)
{
	const char *const names[] = {name, nullptr};

	return devicetree_find(fdt, -1, names);
}

static void assert_reg(const void *fdt, int node, unsigned index, uint64_t phys, uint64_t size)
{
	uint64_t found_phys, found_size;

	assert_true(node >= 0);
	assert_true(devicetree_reg(fdt, node, index, &found_phys, &found_size));
	assert_int_equal(found_phys, phys);
	assert_int_equal(found_size, size);
}

/* Each node once, the root first. */
static void all_nodes(void **state)
{
	int gic = compatible(plain, "arm,cortex-a15-gic"), seen = 0;

	(void)state;
	assert_int_equal(devicetree_next(plain, -1), 0);
	assert_string_equal(devicetree_name(plain, 0), "");
	for (int node = -1, last = -1; (node = devicetree_next(plain, node)) >= 0; last = node) {
		assert_true(node > last);
		seen += node == gic;
	}
	assert_int_equal(seen, 1);
	assert_memory_equal(devicetree_name(plain, gic), "interrupt-controller@8000000", 28);
	assert_string_equal(devicetree_name(plain, gic + 1), "");
}

static void addresses_without_buses(void **state)
{
	int gic = compatible(plain, "arm,cortex-a15-gic");
	uint64_t phys, size;

	(void)state;
	assert_reg(plain, gic, 0, 0x8000000, 0x10000);
	assert_reg(plain, gic, 1, 0x8010000, 0x10000);
	assert_false(devicetree_reg(plain, gic, 2, &phys, &size));
	assert_false(devicetree_reg(plain, 0, 0, &phys, &size));
	assert_false(devicetree_reg(plain, compatible(plain, "fixed-clock"), 0, &phys, &size));
}

static void addresses_through_buses(void **state)
{
	uint64_t phys, size;
	int outside = compatible(nested, "test,unreachable");

	(void)state;
	assert_reg(nested, compatible(nested, "vendor,uart"), 0, 0x100201000, 0x1000);
	assert_reg(nested, compatible(nested, "vendor,special"), 2, 0x283000000, 0x80000);
	/* Past the range of its bus, and only with its end. */
	assert_false(devicetree_reg(nested, outside, 0, &phys, &size));
	assert_false(devicetree_reg(nested, outside, 1, &phys, &size));
	assert_reg(soc, compatible(soc, "arm,gic-400"), 1, 0xff842000, 0x2000);
	/* A CPU's number is no address: its bus has no ranges. */
	assert_false(devicetree_reg(soc, devicetree_cpu(soc, -1, &(struct devicetree_cpu){}), 0, &phys, &size));
}

static void assert_interrupt(const void *fdt, int node, unsigned index, int controller, uint32_t kind, uint32_t number,
			     uint32_t flags)
{
	struct devicetree_interrupt i;

	assert_true(devicetree_interrupt(fdt, node, index, &i));
	assert_int_equal(i.controller, controller);
	assert_int_equal(i.count, 3);
	assert_int_equal(i.cells[0], kind);
	assert_int_equal(i.cells[1], number);
	assert_int_equal(i.cells[2], flags);
}

static void interrupts(void **state)
{
	struct devicetree_interrupt i;
	int timer = compatible(plain, "arm,armv8-timer"), gic = compatible(plain, "arm,cortex-a15-gic");

	(void)state;
	assert_interrupt(plain, timer, 2, gic, 1, 11, 0x104);
	assert_false(devicetree_interrupt(plain, timer, 4, &i));
	assert_false(devicetree_interrupt(plain, gic, 0, &i));
	assert_interrupt(nested, compatible(nested, "vendor,uart"), 0, compatible(nested, "vendor,special"), 0, 40, 1);
	assert_false(devicetree_interrupt(nested, compatible(nested, "vendor,uart"), 1, &i));
	assert_int_equal(
		devicetree_string_index(nested, compatible(nested, "arm,armv8-timer"), "interrupt-names", "virt"), 0);
}

static void standard_output(void **state)
{
	(void)state;
	assert_int_equal(devicetree_stdout(plain), compatible(plain, "arm,pl011"));
	assert_int_equal(devicetree_stdout(nested), compatible(nested, "vendor,uart"));
	assert_int_equal(devicetree_stdout(soc), compatible(soc, "brcm,bcm2835-aux-uart"));
}

static void disabled_nodes_are_passed_over(void **state)
{
	(void)state;
	const char *const names[] = {"arm,pl011", nullptr};
	int first = devicetree_find_any(nested, -1, names);

	assert_int_equal(compatible(nested, "arm,pl011"), compatible(nested, "vendor,uart"));
	assert_true(first >= 0 && first < compatible(nested, "arm,pl011"));
	assert_int_equal(devicetree_find_any(nested, first, names), compatible(nested, "vendor,uart"));
}

static void cpus(void **state)
{
	struct devicetree_cpu cpu;
	int node = devicetree_cpu(plain, -1, &cpu);

	(void)state;
	assert_true(node >= 0 && cpu.id == 0 && cpu.method == ENABLE_PSCI);
	/* Off, but it can be started; the next cannot. */
	node = devicetree_cpu(plain, node, &cpu);
	assert_true(node >= 0 && cpu.id == 1 && cpu.method == ENABLE_PSCI);
	node = devicetree_cpu(plain, node, &cpu);
	assert_true(node >= 0 && cpu.id == 0x100);
	assert_true(devicetree_cpu(plain, node, &cpu) < 0);
	assert_true(devicetree_cpu(nested, -1, &cpu) >= 0);
	assert_int_equal(cpu.id, 0x100000200);
	node = devicetree_cpu(soc, devicetree_cpu(soc, -1, &cpu), &cpu);
	assert_true(node >= 0 && cpu.method == ENABLE_SPIN_TABLE);
	assert_int_equal(cpu.release_address, 0xe0);
}

static void values(void **state)
{
	int clock = compatible(plain, "fixed-clock"), uart = compatible(plain, "arm,pl011");
	uint64_t number;
	uint32_t u32;

	(void)state;
	assert_int_equal(devicetree_reference(plain, uart, "clocks"), clock);
	assert_true(devicetree_reference(plain, uart, "nothing") < 0);
	assert_true(devicetree_u32(plain, clock, "clock-frequency", &u32) && u32 == 24000000);
	assert_true(devicetree_number(plain, clock, "clock-frequency", &number) && number == 24000000);
	assert_false(devicetree_u32(plain, uart, "reg", &u32));
	assert_false(devicetree_number(plain, uart, "reg", &number));
	assert_string_equal(devicetree_string(nested, compatible(nested, "arm,psci-0.2"), "method"), "smc");
	/* Cells are no string unless they end in a zero byte. */
	assert_null(devicetree_string(plain, uart, "nothing"));
}

/* Every shorter piece of a tree is refused. */
static void coherence(void **state)
{
	(void)state;
	/* As the bus, otherwise than the bus, and where nobody says anything. */
	assert_true(devicetree_coherent(soc, compatible(soc, "arm,gic-400")));
	assert_false(devicetree_coherent(soc, compatible(soc, "brcm,bcm2835-aux-uart")));
	assert_false(devicetree_coherent(soc, compatible(soc, "arm,armv8-timer")));
	assert_false(devicetree_coherent(soc, 0));
}

static void cut_short(void **state)
{
	unsigned char *copy = malloc(sizeof(soc));

	(void)state;
	memcpy(copy, soc, sizeof(soc));
	assert_true(devicetree_check(copy, sizeof(soc)));
	for (size_t n = 0; n < sizeof(soc); n++) {
		unsigned char *piece = malloc(n + 1);

		memcpy(piece, soc, n);
		assert_false(devicetree_check(piece, n));
		free(piece);
	}
	free(copy);
}

static void copies_without_room(void **state)
{
	enum { ROOM = 65536 };
	unsigned char *roomy = calloc(1, ROOM), *copy;
	size_t used;

	(void)state;
	memcpy(roomy, nested, sizeof(nested));
	roomy[4] = 0, roomy[5] = 1, roomy[6] = 0, roomy[7] = 0;
	assert_true(devicetree_check(roomy, ROOM));
	assert_int_equal(devicetree_size(roomy), ROOM);
	used = devicetree_used(roomy);
	assert_true(used <= sizeof(nested));
	copy = malloc(used);
	devicetree_copy(copy, roomy);
	assert_true(devicetree_check(copy, used));
	assert_int_equal(devicetree_size(copy), used);
	assert_reg(copy, compatible(copy, "vendor,uart"), 0, 0x100201000, 0x1000);
	roomy[5] = 0xff;
	assert_int_equal(devicetree_size(roomy), 0);
	roomy[0] = 0;
	assert_int_equal(devicetree_size(roomy), 0);
	free(copy);
	free(roomy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_nodes),
		cmocka_unit_test(addresses_without_buses),
		cmocka_unit_test(addresses_through_buses),
		cmocka_unit_test(interrupts),
		cmocka_unit_test(standard_output),
		cmocka_unit_test(disabled_nodes_are_passed_over),
		cmocka_unit_test(cpus),
		cmocka_unit_test(values),
		cmocka_unit_test(coherence),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(copies_without_room),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
