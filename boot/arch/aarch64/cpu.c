/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - aarch64's serial port, counter, random numbers, and leaving for the kernel.
 *
 * The serial port is the one that the firmware's tables name; where they name none, or one that is
 * no PL011, the loader's words go to the firmware's console only. Specifications: PL011 (DDI 0183),
 * 3.3; Arm Architecture Reference Manual (DDI 0487), D12 (generic timer), D19 (RNDR).
 */
#include <boot/arch.h>
#include <lib/arm_platform.h>
#include <lib/devicetree.h>
#include <lib/uart_wait.h>

#include "aarch64.h"
#include "cpu.h"

static char *first_page;
static uint64_t ticks_per_us = 1;
static uint64_t uart; /* 0: none */

static const void *at_physical(uint64_t phys, size_t)
{
	return (const void *)phys;
}

/* What the tables lack for a kernel is no matter here, so the readers' verdicts are not asked. */
void arch_serial_init(void)
{
	static const struct efi_guid tree_guid = EFI_DEVICE_TREE_GUID, acpi_guid = EFI_ACPI_20_TABLE_GUID;
	const void *tree = firmware_table(&tree_guid);
	uint64_t rsdp = (uint64_t)firmware_table(&acpi_guid);
	static struct arm_platform platform;

	if (tree != nullptr)
		(void)arm_platform_from_devicetree(tree, devicetree_size(tree), &platform);
	else if (rsdp != 0)
		(void)arm_platform_from_acpi(rsdp, at_physical, &platform);
	if (platform.console.kind == ARM_UART_PL011)
		uart = platform.console.phys;
}

static bool serial_ready(void)
{
	constexpr uint64_t flags = 0x18;
	constexpr uint32_t transmitter_full = 1u << 5;

	pause();
	return !(mmio_read(uart + flags) & transmitter_full);
}

void arch_serial_write(char c)
{
	constexpr uint64_t data = 0x00;
	static struct uart_wait wait;

	if (uart == 0)
		return;
	uart_wait(&wait, serial_ready);
	mmio_write(uart + data, (uint8_t)c);
}

void arch_halt(void)
{
	for (;;)
		__asm__ volatile("msr daifset, #15; wfi");
}

uint64_t arch_ticks(void)
{
	__asm__ volatile("isb" : : : "memory");
	return REGISTER_READ(cntvct_el0);
}

bool arch_random(uint64_t *number)
{
	constexpr unsigned rndr_shift = 60;

	if (REGISTER_READ(id_aa64isar0_el1) >> rndr_shift == 0)
		return false;
	/* A failure may pass: the generator was asked too often. */
	for (unsigned i = 0; i < 10; i++) {
		bool good;

		/* RNDR; it tells success by Z clear. */
		__asm__ volatile("mrs %0, s3_3_c2_c4_0" : "=r"(*number), "=@ccne"(good));
		if (good)
			return true;
	}
	return false;
}

bool has_passed(uint64_t ticks, uint64_t us)
{
	pause();
	return arch_ticks() - ticks >= us * ticks_per_us;
}

void arch_prepare(void)
{
	constexpr uint64_t sample_us = 1000, us_per_s = 1000000;
	uint64_t start, hz = REGISTER_READ(cntfrq_el0);

	/* The firmware says how fast the counter runs; where it forgot to, it is measured. */
	start = arch_ticks();
	if (hz == 0) {
		efi->boot->stall(sample_us);
		hz = (arch_ticks() - start) * (us_per_s / sample_us);
	}
	ticks_per_us = hz / us_per_s + 1;
	paging_prepare();
	first_page = trampoline_create(EFI_LOADER_CODE);
}

void arch_enter(struct boot *boot, void *stack_top)
{
	struct trampoline_data *data = trampoline_parameters(first_page);

	data->target = boot->entry_point;
	data->stack = (uint64_t)to_hhdm(stack_top);
	/* The image was written as data; trampoline_enter() makes all CPUs fetch it anew. */
	cache_clean((void *)boot->kernel_phys, boot->elf.high - boot->elf.low);
	trampoline_enter(first_page);
}
