/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for lib/devicetree.c and lib/arm_platform_*.c, lib/arm_iort.c (and libfdt below them): whatever firmware
 * hands over, no read is outside of it and every answer is in range. The first byte chooses: raw bytes as a tree, one
 * of the trees of test/host/devicetree with bytes changed (three bytes of input say where and to what), or ACPI tables.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Included, so that they are compiled for the fuzzer's eyes. */
#include <lib/arm_platform_dt.c>
#define missing	     missing_table
#define take_gic     take_gic_tables
#define take_timer   take_timer_tables
#define take_psci    take_psci_tables
#define take_console take_console_tables
#include <lib/arm_iort.c>
#include <lib/arm_platform_acpi.c>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char plain[] = {
#embed "devicetree/gic-v2.dtb"
};
static const unsigned char nested[] = {
#embed "devicetree/gic-v3-nested.dtb"
};
static const unsigned char soc[] = {
#embed "devicetree/soc.dtb"
};
static const unsigned char its[] = {
#embed "devicetree/gic-v3-its.dtb"
};
static const unsigned char smmu[] = {
#embed "devicetree/smmu-v3.dtb"
};
static const struct {
	const unsigned char *bytes;
	size_t size;
} trees[] = {
	{plain, sizeof(plain)}, {nested, sizeof(nested)}, {soc, sizeof(soc)}, {its, sizeof(its)}, {smmu, sizeof(smmu)}};

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_routes(const struct arm_routes *r)
{
	require(r->target_count <= ARM_TARGETS_MAX && r->count <= ARM_ROUTES_MAX);
	for (unsigned i = 0; i < r->count; i++) {
		const struct arm_route *m = &r->route[i];
		uint32_t id, function;
		unsigned target;

		require(m->target < r->target_count && m->first <= m->last && m->first >> 16 == m->last >> 16);
		require(m->id <= UINT32_MAX - (m->last - m->first));
		if (m->mask != 0xffff)
			continue; /* its numbers may have bits that are never looked at */
		require(arm_route_of(r, m->last, &target, &id) && target < r->target_count);
		require(arm_route_back(r, m->target, m->id, &function));
	}
}

static void check_answer(bool good, const struct arm_platform *p)
{
	require(good == !p->why[0] && memchr(p->why, 0, sizeof(p->why)));
	require(p->redistributor_regions <= ARM_REDISTRIBUTOR_REGIONS_MAX);
	require(p->psci || !p->psci_power);
	if (p->console.kind != ARM_UART_NONE)
		require(p->console.interrupt.id == 0 ||
			(p->console.interrupt.id >= 16 && p->console.interrupt.id < 1020));
	check_routes(&p->its);
	check_routes(&p->smmu.routes);
	for (unsigned i = 0; i < p->smmu.routes.target_count; i++)
		require((!p->smmu.wires[i].event.id || p->smmu.wires[i].event.id >= 32) &&
			p->smmu.wires[i].event.id < 1020 && p->smmu.wires[i].error.id < 1020);
	if (!good)
		return;
	require(p->virtual_timer.id >= 16 && p->virtual_timer.id < 32);
	require(p->gic_version == ARM_GIC_V2 || (p->gic_version == ARM_GIC_V3 && p->redistributor_regions));
}

static void ask_about_every_node(const void *fdt)
{
	static const char *const names[] = {"arm,gic-v3", nullptr};
	struct devicetree_interrupt interrupt;
	struct devicetree_cpu cpu;
	uint64_t a, b;

	for (int node = 0; node >= 0; node = devicetree_find(fdt, node, names)) {
		for (unsigned i = 0; i < 3; i++) {
			(void)devicetree_reg(fdt, node, i, &a, &b);
			if (devicetree_interrupt(fdt, node, i, &interrupt))
				require(interrupt.count && interrupt.count <= DEVICETREE_CELLS_MAX);
		}
		(void)devicetree_number(fdt, node, "clock-frequency", &a);
		(void)devicetree_reference(fdt, node, "clocks");
	}
	for (int node = -1; (node = devicetree_cpu(fdt, node, &cpu)) >= 0;)
		require(cpu.method == ENABLE_SPIN_TABLE || !cpu.release_address);
}

static void ask(const void *fdt, size_t size)
{
	struct arm_platform p;
	size_t used;
	char *copy;

	check_answer(arm_platform_from_devicetree(fdt, size, &p), &p);
	if (!devicetree_check(fdt, size))
		return;
	ask_about_every_node(fdt);
	used = devicetree_used(fdt);
	require(used <= size);
	copy = malloc(used);
	devicetree_copy(copy, fdt);
	require(devicetree_check(copy, used));
	free(copy);
}

static void changed_tree(unsigned which, const uint8_t *data, size_t size)
{
	unsigned char *copy = malloc(trees[which].size);

	memcpy(copy, trees[which].bytes, trees[which].size);
	for (; size >= 3; data += 3, size -= 3)
		copy[(data[0] | data[1] << 8) % trees[which].size] = data[2];
	ask(copy, trees[which].size);
	free(copy);
}

/* --- ACPI: a root with six tables that share the input's bytes --- */

enum { TABLES = 6, AT_ROOT = 64, AT_TABLES = 256, ROOM = AT_TABLES + TABLES * 512 };
static unsigned char *memory;

static const void *map(uint64_t phys, size_t size)
{
	return phys <= ROOM && size <= ROOM - phys ? memory + phys : nullptr;
}

static void close_table(size_t at, const char *name, size_t n)
{
	unsigned char sum = 0;

	memcpy(memory + at, name, 4);
	for (int i = 0; i < 4; i++)
		memory[at + 4 + (size_t)i] = (unsigned char)(n >> (8 * i));
	memory[at + 9] = 0;
	for (size_t i = 0; i < n; i++)
		sum += memory[at + i];
	memory[at + 9] = (unsigned char)-sum;
}

static void tables(const uint8_t *data, size_t size)
{
	static const char *const names[TABLES] = {"APIC", "GTDT", "FACP", "SPCR", "IORT", "DBG2"};
	unsigned char sum = 0;
	struct arm_platform p;

	memory = calloc(1, ROOM);
	memcpy(memory, "RSD PTR ", 8);
	memory[15] = 2;
	memory[24] = AT_ROOT;
	for (int i = 0; i < 20; i++)
		sum += memory[i];
	memory[8] = (unsigned char)-sum;
	for (unsigned i = 0; i < TABLES; i++) {
		size_t at = AT_TABLES + i * 512, n = size < 2 ? 36 : 36 + (data[0] | data[1] << 8) % 476;
		size_t take = size < 2 ? 0 : size - 2 < n - 36 ? size - 2 : n - 36;

		memory[AT_ROOT + 36 + 8 * i] = (unsigned char)at;
		memory[AT_ROOT + 37 + 8 * i] = (unsigned char)(at >> 8);
		if (take) {
			memcpy(memory + at + 36, data + 2, take);
			data += 2 + take;
			size -= 2 + take;
		}
		close_table(at, names[i], n);
	}
	close_table(AT_ROOT, "XSDT", 36 + 8 * TABLES);
	check_answer(arm_platform_from_acpi(0, map, &p), &p);
	free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 7 < 5) {
		changed_tree(data[0] % 7, data + 1, size - 1);
	} else if (data[0] % 7 == 5) {
		/* Of its own, so that the sanitizer sees both ends. */
		unsigned char *copy = malloc(size);

		memcpy(copy, data + 1, size - 1);
		ask(copy, size - 1);
		free(copy);
	} else {
		tables(data + 1, size - 1);
	}
	return 0;
}
