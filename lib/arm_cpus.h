/* SPDX-License-Identifier: MIT */
/*
 * arm_cpus.h - the CPUs of an ARM machine and how they are started, as its firmware describes them.
 *
 * Two readers fill the same structures: one for ACPI (MADT for the CPUs, FADT for the way to start
 * them), one for the device tree. Tables are bounds-checked; nothing outside them is read, nothing
 * is kept. No allocation, no globals.
 *
 * Specification: ACPI 6.5, 5.2.12.14 (GICC), 5.2.9 (FADT, ARM_BOOT_ARCH); PSCI (DEN 0022F), 5.1.4;
 * Devicetree Specification 0.4, 3.8 (cpus); Linux's bindings arm/cpus.yaml, arm/psci.yaml.
 */
#pragma once

#include <lib/arm_platform.h>
#include <stddef.h>
#include <stdint.h>

constexpr uint32_t ARM_PSCI_CPU_ON = 0xc4000003; /* since version 0.2, and always under ACPI */

struct arm_cpu {
	uint64_t mpidr;		  /* affinity fields only */
	uint32_t uid;		  /* ACPI's; 0 in a device tree */
	bool usable;		  /* present, and there is a way to start it */
	uint64_t release_address; /* spin-table: where its entry point goes; 0: by PSCI */
};

struct arm_cpu_start {
	enum arm_psci_conduit conduit;
	uint32_t cpu_on; /* the call's number */
};

/* The CPU in the MADT at *at (begin with 0) and steps over it; false: no more, or malformed. */
[[nodiscard]] bool arm_cpu_next_in_madt(const void *madt, size_t length, size_t *at, struct arm_cpu *cpu);
/* The way that the FADT names; ARM_PSCI_NONE when it names none. */
[[nodiscard]] struct arm_cpu_start arm_cpu_start_from_fadt(const void *fadt, size_t length);

/* The CPU behind *node (begin with -1) of a tree that devicetree_check() accepted; false: no more. */
[[nodiscard]] bool arm_cpu_next_in_devicetree(const void *fdt, int *node, struct arm_cpu *cpu);
[[nodiscard]] struct arm_cpu_start arm_cpu_start_from_devicetree(const void *fdt);
