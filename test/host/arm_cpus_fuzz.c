/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for lib/arm_cpus.c: the readers stay inside their tables (the sanitizers watch), every
 * walk ends, and what comes out keeps the promises of lib/arm_cpus.h. A first byte says which
 * reader gets the rest: a MADT, a FADT, or changes (three bytes: where and what) to a good tree.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/arm_cpus.c> /* included, so that it is compiled for the fuzzer's eyes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char plain[] = {
#embed "devicetree/gic-v2.dtb"
};
static const unsigned char soc[] = {
#embed "devicetree/soc.dtb"
};
static const unsigned char old[] = {
#embed "devicetree/psci-old.dtb"
};
static const struct {
	const unsigned char *bytes;
	size_t size;
} trees[] = {{plain, sizeof(plain)}, {soc, sizeof(soc)}, {old, sizeof(old)}};

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_madt(const uint8_t *table, size_t size)
{
	struct arm_cpu cpu;
	size_t at = 0, before = 0;

	while (arm_cpu_next_in_madt(table, size, &at, &cpu)) {
		require(at <= size && at >= before + GICC_BYTES);
		require((cpu.mpidr & ~AFFINITY) == 0 && cpu.release_address == 0);
		before = at;
	}
}

static void check_fadt(const uint8_t *table, size_t size)
{
	struct arm_cpu_start start = arm_cpu_start_from_fadt(table, size);

	require(start.conduit == ARM_PSCI_NONE ? start.cpu_on == 0 : start.cpu_on == ARM_PSCI_CPU_ON);
}

static void check_tree(unsigned which, const uint8_t *changes, size_t size)
{
	size_t tree_size = trees[which].size;
	uint8_t *tree = malloc(tree_size);
	struct arm_cpu_start start;
	struct arm_cpu cpu;

	memcpy(tree, trees[which].bytes, tree_size);
	for (; size >= 3; changes += 3, size -= 3)
		tree[(changes[0] | (size_t)changes[1] << 8) % tree_size] = changes[2];
	if (devicetree_check(tree, tree_size)) {
		size_t count = 0;

		for (int node = -1; arm_cpu_next_in_devicetree(tree, &node, &cpu);) {
			require((cpu.mpidr & ~AFFINITY) == 0 && count++ < tree_size);
			require(cpu.release_address == 0 || cpu.usable);
		}
		start = arm_cpu_start_from_devicetree(tree);
		require(start.conduit != ARM_PSCI_NONE || start.cpu_on == 0);
	}
	free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *table;

	if (size == 0)
		return 0;
	if (data[0] % 8 >= 4) {
		check_tree(data[0] / 8 % 3, data + 1, size - 1);
		return 0;
	}
	/* Of its exact size, so that a byte too far is seen. */
	table = malloc(size - 1 + (size == 1));
	memcpy(table, data + 1, size - 1);
	if (data[0] % 4 != 0)
		check_madt(table, size - 1);
	else
		check_fadt(table, size - 1);
	free(table);
	return 0;
}
