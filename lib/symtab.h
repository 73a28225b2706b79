/* SPDX-License-Identifier: MIT */
/*
 * Reader of the image's own table of symbols and source lines.
 *
 * tools/mksymtab makes the blob from the linked image; the linker puts it into the section
 * .symtab_blob. It names every function and data object and gives file and line of every
 * instruction, with the chain of inlined calls.
 *
 * Pure functions over (blob, len): no state, no locks, no allocation, usable in a
 * fault path of either half. A damaged blob gives "not found", never a read outside it.
 * Returned strings are borrowed: they point into the blob.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symtab_symbol {
	const char *name;
	uint64_t address;
	uint64_t size; /* bytes */
	bool function; /* else a data object */
};

/* What is at an address. Fields that are not known are nullptr or 0. */
struct symtab_place {
	struct symtab_symbol symbol;
	uint64_t offset;  /* from symbol.address */
	const char *file; /* relative to the top of the sources */
	uint32_t line;
};

/* A function that the compiler inlined at an address, and from where it is called. */
struct symtab_inline {
	const char *name;
	const char *call_file;
	uint32_t call_line;
};

/* Whether `blob` begins a table that this reader understands and that fits into `len`. */
[[nodiscard]] bool symtab_valid(const void *blob, size_t len);

/*
 * Fills `place` for `address`; false when neither symbol nor line is known. For a return address
 * of a backtrace pass address - 1, so that the line is that of the call.
 */
[[nodiscard]] bool symtab_lookup(const void *blob, size_t len, uint64_t address, struct symtab_place *place);

/* The last symbol that begins at or below `address`, for addresses that no symbol covers. */
[[nodiscard]] bool symtab_before(const void *blob, size_t len, uint64_t address, struct symtab_symbol *symbol);

/* Finds the first symbol called `name`, in the order of addresses. */
[[nodiscard]] bool symtab_find(const void *blob, size_t len, const char *name, struct symtab_symbol *symbol);

/*
 * Fills `frames` with the functions inlined at `address`, innermost first, and returns their
 * number (at most `max`). The line of frames[0] is that of symtab_lookup(), that of frames[1]
 * is frames[0].call_line, and so on; the last call_line is in the symbol itself.
 */
[[nodiscard]] size_t symtab_inlined(const void *blob, size_t len, uint64_t address, struct symtab_inline *frames,
				    size_t max);
