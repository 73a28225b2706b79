/* SPDX-License-Identifier: MIT */
/*
 * How a table of a GICv3's translation service (ITS: IHI 0069, 5.2 and 12.19.1) is laid out: flat, or of two levels,
 * where the first has the addresses of pages of entries, which are given when an entry of theirs is needed. Pure.
 */
#ifndef LIB_ARM_ITS_TABLE_H
#define LIB_ARM_ITS_TABLE_H

#include <stdint.h>

struct arm_its_table {
	uint64_t page;	   /* bytes */
	uint64_t bytes;	   /* of it, or of its first level: whole pages, a power of two */
	uint64_t per_page; /* of two levels: entries in a page of the second; 0: it is flat */
};

/* A table of so many entries (> 0), in pages of that size (4, 16 or 64 KiB); of two levels if the service can have such
 * and a page is too small. false: it would be larger than `most`, or of more pages than a register can say. */
[[nodiscard]] bool arm_its_table_plan(uint64_t entries, uint64_t entry_bytes, uint64_t page, bool levels, uint64_t most,
				      struct arm_its_table *out);

#endif
