/* SPDX-License-Identifier: MIT */
/* Entries of a process's page tables on aarch64 (DDI 0487, D8.3), as the nucleus makes them:
 * kernel/vm/page_table_walk.h.
 */
#ifndef ARCH_PAGE_ENTRY_H
#define ARCH_PAGE_ENTRY_H

#include <stdint.h>

enum : uint64_t {
	PAGE_ENTRY_PRESENT = 1ull << 0,
	PAGE_ENTRY_DBM = 1ull << 51, /* the process may write; read-only as well: it has not yet */
	PAGE_ENTRY_UXN = 1ull << 54,
	PAGE_ENTRY_NONE = 1ull << 56, /* software: the frame is kept, access is not allowed */
	PAGE_ENTRY_FRAME = 0x0000fffffffff000,
};

/* Of present entries. */
static inline bool page_entry_allows_write(uint64_t e)
{
	return e & PAGE_ENTRY_DBM;
}
static inline bool page_entry_allows_execution(uint64_t e)
{
	return !(e & PAGE_ENTRY_UXN);
}

#endif
