/* SPDX-License-Identifier: MIT */
/*
 * When the nucleus cannot boot, its console is not mapped yet, and no description of the machine was read. Here that is
 * made good in the loader's view: the description is read through the loader's direct map, and the UART appears in the
 * lower half, whose tables the loader leaves to the kernel (Limine protocol, aarch64 machine state). Nothing that was
 * there is kept: the machine ends.
 */
#include "boot/limine.h"
#include "console.h"
#include "mmu/mmu.h"
#include "platform.h"
#include "regs.h"
#include <lib/devicetree.h>
#include <lib/types.h>

/* A lower half of 1 GiB: translation begins with a table of 2 MiB blocks (DDI 0487, D8.2.7). */
enum : uint64_t {
	TCR_LOWER = 0xffff, /* all that concerns TTBR0 */
	TCR_T0SZ_30 = 34,
	MAIR_INDEX = 7, /* our own attribute, device nGnRnE: the byte 0 */
	SLOT = 1,	/* of the table; not 0, so that no address is nullptr */
	PAR_FAILED = 1,
};

static _Alignas(PAGE_SIZE) uint64_t table[512];

/* Where the image lies is asked of the hardware: the loader's word may be what is missing. */
static uint64_t physical(const void *p)
{
	uint64_t par;

	__asm__ volatile("at s1e1r, %0\n\tisb" : : "r"(p) : "memory");
	par = sysreg_read(par_el1);
	return par & PAR_FAILED ? 0 : (par & PTE_FRAME_MASK) | ((uint64_t)p & (PAGE_SIZE - 1));
}

static volatile void *reach(uint64_t phys)
{
	uint64_t root = physical(table);

	if (!root)
		return nullptr;
	table[SLOT] =
		align_down(phys, BLOCK_SIZE) | PTE_VALID | MAIR_INDEX << 2 | PTE_ACCESSED | ARM_PXN | PTE_NO_EXECUTE;
	sysreg_write(mair_el1, sysreg_read(mair_el1) & ~(0xffull << 8 * MAIR_INDEX));
	sysreg_write(tcr_el1, (sysreg_read(tcr_el1) & ~(uint64_t)TCR_LOWER) | TCR_T0SZ_30 | TCR_IRGN0_WB |
				      TCR_ORGN0_WB | TCR_SH0_INNER | TCR_TG0_4K);
	/* The entry is in memory before a walk may look for it; nothing old remains. */
	dsb_ish();
	sysreg_write(ttbr0_el1, root);
	isb();
	__asm__ volatile("tlbi vmalle1" : : : "memory");
	dsb_ish();
	isb();
	return (volatile void *)(SLOT * BLOCK_SIZE + (phys & (BLOCK_SIZE - 1)));
}

static const void *map_loaders(uint64_t phys, size_t)
{
	return direct_map(phys);
}

void console_last_words(void)
{
	const void *tree = limine_device_tree();
	volatile void *uart;

	if (console_started() || !direct_base)
		return;
	/* What is missing for a whole machine does not matter any more, as long as there is a console. */
	if (tree)
		(void)arm_platform_from_devicetree(tree, devicetree_size(tree), &platform);
	else if (limine_rsdp())
		(void)arm_platform_from_acpi(limine_rsdp(), map_loaders, &platform);
	if (platform.console.kind == ARM_UART_NONE)
		return;
	uart = reach(platform.console.phys);
	if (uart)
		console_start(uart);
}
