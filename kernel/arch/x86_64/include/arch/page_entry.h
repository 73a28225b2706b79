/* SPDX-License-Identifier: MIT */
/* Entries of a process's page tables on x86_64 (Intel SDM vol. 3, 4.5), as the nucleus makes them:
 * kernel/vm/page_table_walk.h. */
#ifndef ARCH_PAGE_ENTRY_H
#define ARCH_PAGE_ENTRY_H

#include <stdint.h>

enum : uint64_t {
	PAGE_ENTRY_PRESENT = 1ull << 0,
	PAGE_ENTRY_WRITABLE = 1ull << 1,
	PAGE_ENTRY_NONE = 1ull << 9, /* software: the frame is kept, access is not allowed */
	PAGE_ENTRY_NO_EXECUTE = 1ull << 63,
	PAGE_ENTRY_FRAME = 0x000ffffffffff000,
};

/* Of present entries. */
static inline bool page_entry_allows_write(uint64_t e)
{
	return e & PAGE_ENTRY_WRITABLE;
}
static inline bool page_entry_allows_execution(uint64_t e)
{
	return !(e & PAGE_ENTRY_NO_EXECUTE);
}

#endif
