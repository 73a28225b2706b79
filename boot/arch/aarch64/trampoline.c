/* SPDX-License-Identifier: MIT */
/*
 * trampoline.c - makes trampoline pages (see trampoline.S) and sends the first CPU through its own.
 *
 * A page for each CPU: one that comes late finds its own parameters, never another's.
 */
#include <boot/arch.h>

#include "aarch64.h"
#include "cpu.h"

struct trampoline_data *trampoline_parameters(char *page)
{
	return (struct trampoline_data *)(page + TRAMPOLINE_DATA);
}

char *trampoline_create(void)
{
	char *page = alloc_pages_below(1, 1ull << 48, EFI_LOADER_CODE, "starting a CPU");
	static struct paging paging;

	__builtin_memset(page, 0, PAGE);
	__builtin_memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	arch_map((uint64_t)page, (uint64_t)page, PAGE, MAP_WRITE | MAP_EXEC);
	if (paging.ttbr1 == 0)
		paging = paging_registers();
	*trampoline_parameters(page) = (struct trampoline_data){
		.hhdm = (uint64_t)page + HHDM,
		.ttbr0 = paging.ttbr0,
		.ttbr0_empty = paging.ttbr0_empty,
		.ttbr1 = paging.ttbr1,
		.tcr = paging.tcr,
	};
	return page;
}

void trampoline_publish(char *page)
{
	cache_clean(page, PAGE);
	instructions_forget();
}

void trampoline_enter(char *page)
{
	const char *first = page + (trampoline_first_cpu - trampoline_start);

	trampoline_publish(page);
	__asm__ volatile("msr daifset, #15; br %0" : : "r"(first) : "memory");
	__builtin_unreachable();
}
