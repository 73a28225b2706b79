/* SPDX-License-Identifier: MIT */
/*
 * The machine, as its firmware describes it. A device tree is taken when there is one (it says everything without an
 * interpreter), else ACPI, or ACPI when the tree lacks something; nothing is known beforehand.
 *
 * Order at boot, all in the kernel view with interrupts masked:
 *
 *   arch_console_init()   first of all: text is kept until the UART is known
 *   limine_take_cpus()    boot CPU first (boot.h)
 *   platform_init()       boot CPU: reads the description, maps the console and prints what was kept
 *   clock_init(timer_frequency())   boot CPU, before the first clock_ns()
 *   mp_admit_cpus()       boot CPU: who is there and can be used; psci_init() comes before it (boot.h)
 *   gic_init()            boot CPU: maps and resets the controllers (gic.h)
 *   gic_init_cpu()        every CPU, on its own stack, cpu_this()->id set
 *   timer_init_cpu()      every CPU, after that (timer.h)
 *   mp_start_cpus()       boot CPU (boot.h)
 *   boot_reclaim()        only now: the description may lie in the loader's memory
 */
#ifndef ARCH_PLATFORM_H
#define ARCH_PLATFORM_H

#include <lib/arm_platform.h>

/* From CPU_DEVICES_BASE on, one page each; in every view. */
enum device_slot : uint32_t {
	SLOT_CONSOLE = 0,
	SLOT_GIC_CPU_INTERFACE = 1,
	SLOT_GIC_DISTRIBUTOR = 16,
	SLOT_GIC_REDISTRIBUTOR = 32, /* as many as there are, two for those of CPUs in use */
	SLOT_END = 512,
};

extern struct arm_platform platform;

/* 0, or -ENODEV after a line in the log that says what is missing. Fills boot_state.info's console too. */
[[nodiscard]] int platform_init(void);

#endif
