/* SPDX-License-Identifier: MIT */
/*
 * Stray writes, one function for each kind of victim, so that reports name what was done. The write is an atomic "or" of zero:
 * to the hardware a write like any other, but one that changes nothing where it is let through (dynpriv=off).
 */
#include "stray.h"

/* Inlined into each caller, so that the faulting instruction is the caller's. */
[[gnu::always_inline]] static inline void write_to(uint64_t address)
{
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
