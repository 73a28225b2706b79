/* SPDX-License-Identifier: MIT */
/*
 * Host tests for lib/arm_cpus.c: the CPUs of a MADT, the way to start them of a FADT, and both of
 * device trees (test/host/devicetree).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arm_cpus.c"

alignas(8) static const unsigned char plain[] = {
#embed "devicetree/gic-v2.dtb"
};
alignas(8) static const unsigned char soc[] = {
#embed "devicetree/soc.dtb"
};
alignas(8) static const unsigned char old[] = {
#embed "devicetree/psci-old.dtb"
};

struct table {
	unsigned char bytes[1024];
	size_t size;
};

static void add(struct table *t, const void *bytes, size_t size)
{
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
}

static void add_gicc(struct table *t, uint8_t size, uint32_t uid, uint32_t flags, uint64_t mpidr)
{
	unsigned char entry[82] = {GICC_TYPE, size};

	memcpy(entry + 8, &uid, 4);
	memcpy(entry + 12, &flags, 4);
	memcpy(entry + 68, &mpidr, 8);
	add(t, entry, size);
}

static void test_madt(void **)
{
	struct table t = {.size = MADT_FIRST_ENTRY};
	const unsigned char distributor[24] = {12, 24};
	struct arm_cpu cpu;
	size_t at = 0;

	add_gicc(&t, 76, 7, 1, 0x80000100);
	add(&t, distributor, sizeof(distributor));
	add_gicc(&t, 82, 8, 0, 0x101);
	add_gicc(&t, 40, 9, 1, 0); /* ACPI 5.0: no MPIDR */
	add_gicc(&t, 80, 10, 1, 0x0000001200000003);

	assert_true(arm_cpu_next_in_madt(t.bytes, t.size, &at, &cpu));
	assert_int_equal(cpu.uid, 7);
	assert_true(cpu.usable);
	assert_true(cpu.mpidr == 0x100); /* the reserved bit is no part of a name */
	assert_true(arm_cpu_next_in_madt(t.bytes, t.size, &at, &cpu));
	assert_int_equal(cpu.uid, 8);
	assert_false(cpu.usable);
	assert_true(arm_cpu_next_in_madt(t.bytes, t.size, &at, &cpu));
	assert_int_equal(cpu.uid, 10);
	assert_true(cpu.mpidr == 0x1200000003);
	assert_false(arm_cpu_next_in_madt(t.bytes, t.size, &at, &cpu));
}

/* An entry that ends beyond the table, or that would never end the walk, ends it. */
static void test_madt_malformed(void **)
{
	struct arm_cpu cpu;
	struct table t = {.size = MADT_FIRST_ENTRY};
	size_t at = 0;

	add_gicc(&t, 80, 1, 1, 1);
	assert_false(arm_cpu_next_in_madt(t.bytes, t.size - 1, &at, &cpu));
	t.bytes[MADT_FIRST_ENTRY + 1] = 0;
	at = 0;
	assert_false(arm_cpu_next_in_madt(t.bytes, t.size, &at, &cpu));
	at = 0;
	assert_false(arm_cpu_next_in_madt(t.bytes, 10, &at, &cpu));
}

static void test_fadt(void **)
{
	unsigned char fadt[268] = {};

	assert_int_equal(arm_cpu_start_from_fadt(fadt, sizeof(fadt)).conduit, ARM_PSCI_NONE);
	fadt[129] = 1;
	assert_int_equal(arm_cpu_start_from_fadt(fadt, sizeof(fadt)).conduit, ARM_PSCI_SMC);
	fadt[129] = 3;
	assert_int_equal(arm_cpu_start_from_fadt(fadt, sizeof(fadt)).conduit, ARM_PSCI_HVC);
	assert_true(arm_cpu_start_from_fadt(fadt, sizeof(fadt)).cpu_on == ARM_PSCI_CPU_ON);
	fadt[129] = 2; /* HVC alone says nothing */
	assert_int_equal(arm_cpu_start_from_fadt(fadt, sizeof(fadt)).conduit, ARM_PSCI_NONE);
	fadt[129] = 3;
	assert_int_equal(arm_cpu_start_from_fadt(fadt, 130).conduit, ARM_PSCI_NONE);
}

static void test_tree(void **)
{
	struct arm_cpu_start start = arm_cpu_start_from_devicetree(plain);
	static const uint64_t wanted[] = {0, 1, 0x100};
	struct arm_cpu cpu;
	int node = -1;

	for (unsigned i = 0; i < 3; i++) {
		assert_true(arm_cpu_next_in_devicetree(plain, &node, &cpu));
		assert_true(cpu.mpidr == wanted[i] && cpu.usable && cpu.release_address == 0);
	}
	assert_false(arm_cpu_next_in_devicetree(plain, &node, &cpu));
	assert_int_equal(start.conduit, ARM_PSCI_HVC);
	assert_true(start.cpu_on == ARM_PSCI_CPU_ON);
}

static void test_spin_table(void **)
{
	struct arm_cpu cpu;
	int node = -1;

	assert_true(arm_cpu_next_in_devicetree(soc, &node, &cpu));
	assert_true(cpu.usable && cpu.release_address == 0xd8);
	assert_true(arm_cpu_next_in_devicetree(soc, &node, &cpu));
	assert_true(cpu.mpidr == 1 && cpu.release_address == 0xe0);
	assert_int_equal(arm_cpu_start_from_devicetree(soc).conduit, ARM_PSCI_NONE);
}

static void test_old_psci(void **)
{
	struct arm_cpu_start start = arm_cpu_start_from_devicetree(old);
	struct arm_cpu cpu;
	int node = -1;

	assert_int_equal(start.conduit, ARM_PSCI_SMC);
	assert_true(start.cpu_on == 0x95c1ba60);
	assert_true(arm_cpu_next_in_devicetree(old, &node, &cpu) && !cpu.usable);
	assert_true(arm_cpu_next_in_devicetree(old, &node, &cpu) && cpu.usable && cpu.mpidr == 0x101);
	assert_true(arm_cpu_next_in_devicetree(old, &node, &cpu) && !cpu.usable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_madt), cmocka_unit_test(test_madt_malformed), cmocka_unit_test(test_fadt),
		cmocka_unit_test(test_tree), cmocka_unit_test(test_spin_table),	    cmocka_unit_test(test_old_psci),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
