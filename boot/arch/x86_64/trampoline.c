/* SPDX-License-Identifier: MIT */
/*
 * trampoline.c - sets up the trampoline page (see trampoline.S) and sends the first CPU through it.
 */
#include <boot/arch.h>

#include "cpu.h"
#include "x86_64.h"

static char *page;

struct trampoline_data *trampoline_parameters(void)
{
	return (struct trampoline_data *)(page + TRAMPOLINE_DATA);
}

static uint32_t address_of(const char *label)
{
	return (uint32_t)(uint64_t)(page + (label - trampoline_start));
}

void trampoline_prepare(void)
{
	constexpr uint64_t mib = 1 << 20;
	struct trampoline_data *data;

	page = alloc_pages_below(1, mib, EFI_LOADER_CODE, "starting CPUs, below 1 MiB");
	__builtin_memset(page, 0, PAGE);
	__builtin_memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	arch_map((uint64_t)page, (uint64_t)page, PAGE, MAP_WRITE | MAP_EXEC);

	data = trampoline_parameters();
	*data = (struct trampoline_data){
		.hhdm = (uint64_t)page + HHDM,
		.cr3 = paging_root(),
		.pml4 = paging_root() + HHDM,
		.efer = EFER_LME | (cpu_has_nx() ? EFER_NXE : 0),
		.far_32 = address_of(trampoline_32),
		.far_32_selector = GDT_CODE_32,
		.far_64 = address_of(trampoline_64),
		.far_64_selector = GDT_CODE_64,
		.gdtr_limit = sizeof(data->gdt) - 1,
		.gdtr_base = (uint32_t)(uint64_t)data->gdt,
		.gdtr_hhdm_limit = sizeof(data->gdt) - 1,
		.gdtr_hhdm_base = (uint64_t)data->gdt + HHDM,
		/* Intel SDM 3A 3.4.5; all present, ring 0, accessed. */
		.gdt =
			{
				[GDT_CODE_16 / 8] = 0x00009b000000ffff,
				[GDT_DATA_16 / 8] = 0x000093000000ffff,
				[GDT_CODE_32 / 8] = 0x00cf9b000000ffff,
				[GDT_DATA_32 / 8] = 0x00cf93000000ffff,
				[GDT_CODE_64 / 8] = 0x00209b0000000000,
				[GDT_DATA_64 / 8] = 0x0000930000000000,
			},
	};
}

void trampoline_enter(uint64_t entry, uint64_t stack)
{
	struct trampoline_data *data = trampoline_parameters();

	data->target = entry;
	data->stack = stack;
	/* RCX is what trampoline_first_cpu expects; it never returns. */
	__asm__ volatile("cli; jmpq *%0" : : "a"((uint64_t)address_of(trampoline_first_cpu)), "c"(page) : "memory");
	__builtin_unreachable();
}
