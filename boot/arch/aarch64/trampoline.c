/* SPDX-License-Identifier: MIT */
/*
 * trampoline.c - makes trampoline pages (see trampoline.S) and sends the first CPU through its own.
 *
 * A page for each CPU: one that comes late finds its own parameters, never another's. One that
 * comes after the loader has given it up must not go into the kernel's tables, which may be
 * something else by then. Each of the two writes its word, makes it visible, then reads the other's:
 * so at least one knows of the other.
 */
#include <boot/arch.h>

#include "aarch64.h"
#include "cpu.h"

struct trampoline_data *trampoline_parameters(char *page)
{
	return (struct trampoline_data *)(page + TRAMPOLINE_DATA);
}

char *trampoline_create(enum efi_memory_type type)
{
	char *page = alloc_pages_below(1, 1ull << 48, type, "starting a CPU");
	static struct paging paging;

	__builtin_memset(page, 0, PAGE);
	__builtin_memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	arch_map((uint64_t)page, (uint64_t)page, PAGE, MAP_WRITE | MAP_EXEC);
	/* Reserved memory is not in the HHDM by itself. */
	arch_map(HHDM + (uint64_t)page, (uint64_t)page, PAGE, MAP_WRITE | MAP_EXEC);
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

/* As it stands in memory, where a CPU without caches writes it. */
static uint64_t read_sign(char *page)
{
	volatile uint64_t *sign = (uint64_t *)(page + TRAMPOLINE_SIGN);

	/* Never written from here, so nothing but the copy goes. */
	cache_clean((void *)sign, sizeof(*sign));
	return *sign;
}

bool trampoline_abandon(char *page)
{
	constexpr uint64_t patience_us = 1000000;
	uint64_t start = arch_ticks();
	volatile struct trampoline_data *data = trampoline_parameters(page);

	data->abandoned = 1;
	cache_clean((void *)data, sizeof(*data));
	/* Here: it may have looked before that. A working CPU needs microseconds from there to ready. */
	while (read_sign(page) == SIGN_HERE && !has_passed(start, patience_us))
		if (data->ready)
			return false;
	return true;
}

void trampoline_enter(char *page)
{
	const char *first = page + (trampoline_first_cpu - trampoline_start);

	trampoline_publish(page);
	__asm__ volatile("msr daifset, #15; br %0" : : "r"(first) : "memory");
	__builtin_unreachable();
}
