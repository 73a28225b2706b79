/* SPDX-License-Identifier: MIT */
/*
 * Stray writes, one function for each kind of victim, so that reports name what was done. A
 * privileged thread (dynpriv=off), whom nothing may stop, writes by an atomic "or" of zero, which
 * changes nothing.
 */
#include "stray.h"

#include <kernel/thread/thread.h>
#include <lib/string.h>

constexpr uint8_t RUBBISH = 0xa5;

/* Inlined into each caller, so that the faulting instruction is the caller's. */
[[gnu::always_inline]] static inline void write_to(uint64_t address)
{
	if (thread_page_current()->home_elevated == 0)
		*(volatile uint8_t *)address = RUBBISH;
	else
		__atomic_fetch_or((volatile uint8_t *)address, 0, __ATOMIC_SEQ_CST);
}

[[gnu::noinline]] void stray_write_page_table(uint64_t address)
{
	write_to(address);
}

[[gnu::noinline]] void stray_write_nucleus_data(uint64_t address)
{
	write_to(address);
}

[[gnu::noinline]] void stray_write_nucleus_text(uint64_t address)
{
	write_to(address);
}

[[gnu::noinline]] void stray_write_kernel_text(uint64_t address)
{
	write_to(address);
}

[[gnu::noinline]] void stray_write_thread_record(uint64_t address)
{
	write_to(address);
}

[[gnu::noinline]] void stray_write_entry_page(uint64_t address)
{
	write_to(address);
}

[[gnu::noinline]] void stray_write_by_memset(uint64_t address)
{
	/* No constant, or the compiler would do without the function. */
	volatile size_t n = 3;

	memset((void *)address, RUBBISH, n);
}
