/* SPDX-License-Identifier: MIT */
/*
 * Reader of the image's own table of symbols and source lines. See symtab.h.
 *
 * The blob, little-endian, all offsets from its beginning, addresses as 32-bit offsets from
 * `base` (the image is less than 4 GiB long):
 *
 *   header    struct symtab_header
 *   symbols   {address, size, name | function flag}, by address, not overlapping
 *   blocks    {address, offset of the block's rows}, by address
 *   inlines   {address, size, name, call file, call line}, inner before outer
 *   files     {name}
 *   rows      bytes: a block's rows, each  n(step << 1 | new file)  [n(file)]  z(line step)
 *   strings   NUL-terminated
 *
 * n() is a LEB128 number, z() a zigzag-coded one. A block begins with file 0, line 0 and its
 * own address; a row says file and line from its address up to the next row's. Line 0 means
 * "not known".
 * Bytes are read one by one: nothing here relies on alignment or trusts an offset.
 */
#include <lib/symtab.h>

#define SYMTAB_MAGIC	   0x314d595358545300ull /* "\0STXSYM1" */
#define SYMTAB_HEADER_SIZE 72u
#define SYMBOL_SIZE	   12u
#define BLOCK_SIZE	   8u
#define INLINE_SIZE	   20u
#define FILE_SIZE	   4u
#define FUNCTION_FLAG	   0x80000000u

/* Where a table of the blob is, and how many entries it has. */
struct table {
	uint32_t offset;
	uint32_t count;
};

struct view {
	const uint8_t *bytes;
	uint64_t base;
	struct table symbols, blocks, inlines, files, rows, strings;
};

static uint32_t read32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t read64(const uint8_t *at)
{
	return read32(at) | (uint64_t)read32(at + 4) << 32;
}

/* Reads {offset, count} and checks that the whole table lies in the blob. */
static bool read_table(const uint8_t *at, uint32_t total, uint32_t entry_size, struct table *table)
{
	table->offset = read32(at);
	table->count = read32(at + 4);
	return table->offset <= total && table->count <= (total - table->offset) / entry_size;
}

static bool open_blob(const void *blob, size_t len, struct view *view)
{
	const uint8_t *at = blob;

	if (!blob || len < SYMTAB_HEADER_SIZE || read64(at) != SYMTAB_MAGIC)
		return false;
	uint32_t total = read32(at + 16);
	if (total > len)
		return false;
	view->bytes = at;
	view->base = read64(at + 8);
	if (!read_table(at + 24, total, SYMBOL_SIZE, &view->symbols) ||
	    !read_table(at + 32, total, BLOCK_SIZE, &view->blocks) ||
	    !read_table(at + 40, total, INLINE_SIZE, &view->inlines) ||
	    !read_table(at + 48, total, FILE_SIZE, &view->files) || !read_table(at + 56, total, 1, &view->rows) ||
	    !read_table(at + 64, total, 1, &view->strings))
		return false;
	/* The last string ends inside the table, so every string does. */
	return view->strings.count > 0 && at[view->strings.offset + view->strings.count - 1] == 0;
}

static const uint8_t *entry(const struct view *view, struct table table, uint32_t index, uint32_t entry_size)
{
	return view->bytes + table.offset + (size_t)index * entry_size;
}

static const char *string_at(const struct view *view, uint32_t offset)
{
	if (offset >= view->strings.count)
		return nullptr;
	return (const char *)view->bytes + view->strings.offset + offset;
}

static const char *file_name(const struct view *view, uint32_t index)
{
	if (index >= view->files.count)
		return nullptr;
	return string_at(view, read32(entry(view, view->files, index, FILE_SIZE)));
}

/* The number of entries of an address-sorted table that begin at or below `where`. */
static uint32_t count_below(const struct view *view, struct table table, uint32_t entry_size, uint32_t where)
{
	uint32_t low = 0, high = table.count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (read32(entry(view, table, middle, entry_size)) <= where)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool read_symbol(const struct view *view, uint32_t index, struct symtab_symbol *symbol)
{
	const uint8_t *at = entry(view, view->symbols, index, SYMBOL_SIZE);
	uint32_t name = read32(at + 8);

	symbol->name = string_at(view, name & ~FUNCTION_FLAG);
	symbol->address = view->base + read32(at);
	symbol->size = read32(at + 4);
	symbol->function = (name & FUNCTION_FLAG) != 0;
	return symbol->name != nullptr;
}

static bool find_symbol(const struct view *view, uint32_t where, struct symtab_place *place)
{
	uint32_t below = count_below(view, view->symbols, SYMBOL_SIZE, where);
	struct symtab_symbol symbol;

	if (below == 0 || !read_symbol(view, below - 1, &symbol))
		return false;
	uint64_t offset = where - (symbol.address - view->base);
	if (offset >= symbol.size)
		return false;
	place->symbol = symbol;
	place->offset = offset;
	return true;
}

/* Reads a LEB128 number; at the end of the rows or when it is too long, false. */
static bool read_number(const struct view *view, uint32_t *cursor, uint32_t *number)
{
	uint32_t value = 0;

	for (unsigned shift = 0; shift < 35; shift += 7) {
		if (*cursor >= view->rows.count)
			return false;
		uint8_t byte = view->bytes[view->rows.offset + (*cursor)++];
		if (shift < 32)
			value |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*number = value;
			return true;
		}
	}
	return false;
}

/* Walks the rows of one block until the row that holds `where`. */
static bool find_line(const struct view *view, uint32_t where, struct symtab_place *place)
{
	uint32_t below = count_below(view, view->blocks, BLOCK_SIZE, where);
	if (below == 0)
		return false;
	const uint8_t *block = entry(view, view->blocks, below - 1, BLOCK_SIZE);
	uint32_t address = read32(block), cursor = read32(block + 4);
	uint32_t end = view->rows.count, file = 0, line = 0, found_file = 0, found_line = 0;

	if (below < view->blocks.count)
		end = read32(block + BLOCK_SIZE + 4);
	while (cursor < end) {
		uint32_t step, line_step;

		if (!read_number(view, &cursor, &step))
			break;
		address += step >> 1;
		if (address > where)
			break;
		if ((step & 1) && !read_number(view, &cursor, &file))
			break;
		if (!read_number(view, &cursor, &line_step))
			break;
		line += (line_step >> 1) ^ (0u - (line_step & 1));
		found_file = file;
		found_line = line;
	}
	if (found_line == 0)
		return false;
	place->file = file_name(view, found_file);
	place->line = place->file ? found_line : 0;
	return place->file != nullptr;
}

/* `address` as an offset from the image's base, when it can be in the image at all. */
static bool to_offset(const struct view *view, uint64_t address, uint32_t *where)
{
	if (address < view->base || address - view->base > UINT32_MAX)
		return false;
	*where = (uint32_t)(address - view->base);
	return true;
}

bool symtab_valid(const void *blob, size_t len)
{
	struct view view;

	return open_blob(blob, len, &view);
}

bool symtab_lookup(const void *blob, size_t len, uint64_t address, struct symtab_place *place)
{
	struct view view;
	uint32_t where;

	*place = (struct symtab_place){};
	if (!open_blob(blob, len, &view) || !to_offset(&view, address, &where))
		return false;
	bool symbol_known = find_symbol(&view, where, place);
	bool line_known = find_line(&view, where, place);
	return symbol_known || line_known;
}

static bool same_string(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

bool symtab_before(const void *blob, size_t len, uint64_t address, struct symtab_symbol *symbol)
{
	struct view view;

	if (!open_blob(blob, len, &view) || address < view.base || address - view.base > UINT32_MAX)
		return false;
	uint32_t below = count_below(&view, view.symbols, SYMBOL_SIZE, (uint32_t)(address - view.base));

	return below != 0 && read_symbol(&view, below - 1, symbol);
}

bool symtab_find(const void *blob, size_t len, const char *name, struct symtab_symbol *symbol)
{
	struct view view;

	if (!open_blob(blob, len, &view))
		return false;
	for (uint32_t i = 0; i < view.symbols.count; i++) {
		if (read_symbol(&view, i, symbol) && same_string(symbol->name, name))
			return true;
	}
	return false;
}

size_t symtab_inlined(const void *blob, size_t len, uint64_t address, struct symtab_inline *frames, size_t max)
{
	struct view view;
	uint32_t where;
	size_t found = 0;

	if (!open_blob(blob, len, &view) || !to_offset(&view, address, &where))
		return 0;
	for (uint32_t i = 0; i < view.inlines.count && found < max; i++) {
		const uint8_t *at = entry(&view, view.inlines, i, INLINE_SIZE);
		uint32_t start = read32(at);

		if (where < start || where - start >= read32(at + 4))
			continue;
		frames[found].name = string_at(&view, read32(at + 8));
		frames[found].call_file = file_name(&view, read32(at + 12));
		frames[found].call_line = read32(at + 16);
		if (frames[found].name)
			found++;
	}
	return found;
}
