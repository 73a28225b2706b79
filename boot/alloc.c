/* SPDX-License-Identifier: MIT */
/*
 * alloc.c - memory for the loader and for what it hands over.
 *
 * All of it is EFI loader memory, which becomes bootloader-reclaimable unless memmap.c marks it as
 * kernel or module. Small objects and page tables come from chunks, because each call of the
 * firmware's allocator walks and splits its map. Nothing is ever given back.
 */
#include <boot/boot.h>

static const char more_memory[] = "give the machine more memory, or shrink the modules";

static void *allocate(enum efi_allocate_type how, enum efi_memory_type type, uint64_t pages, uint64_t address,
		      const char *what)
{
	efi_status status = efi->boot->allocate_pages(how, type, pages, &address);

	if (status != EFI_SUCCESS)
		die(more_memory, "too little memory: %lu KiB for %s", pages * (PAGE / 1024), what);
	return (void *)address;
}

void *alloc_pages(uint64_t pages, const char *what)
{
	return allocate(EFI_ALLOCATE_ANY_PAGES, EFI_LOADER_DATA, pages, 0, what);
}

void *alloc_pages_below(uint64_t pages, uint64_t limit, enum efi_memory_type type, const char *what)
{
	return allocate(EFI_ALLOCATE_MAX_ADDRESS, type, pages, limit - 1, what);
}

void *alloc_pages_aligned(uint64_t pages, uint64_t align, const char *what)
{
	uint64_t extra = align / PAGE;
	uint64_t base = (uint64_t)alloc_pages(pages + extra, what);
	uint64_t start = round_up(base, align);
	uint64_t before = (start - base) / PAGE;

	/* Failing to give the trimmings back would only cost their memory. */
	if (before > 0)
		efi->boot->free_pages(base, before);
	if (before < extra)
		efi->boot->free_pages(start + pages * PAGE, extra - before);
	return (void *)start;
}

void *alloc_table(void)
{
	constexpr uint64_t chunk_pages = 32;
	static char *next, *end;
	char *page;

	if (next == end) {
		next = alloc_pages(chunk_pages, "page tables");
		end = next + chunk_pages * PAGE;
	}
	page = next;
	next += PAGE;
	__builtin_memset(page, 0, PAGE);
	return page;
}

void *alloc(uint64_t size)
{
	static char *next, *end;
	char *object;

	size = round_up(size, 16);
	if (size > (uint64_t)(end - next)) {
		uint64_t pages = round_up(size, 4 * PAGE) / PAGE;

		next = alloc_pages(pages, "the loader's tables");
		end = next + pages * PAGE;
	}
	object = next;
	next += size;
	__builtin_memset(object, 0, size);
	return object;
}

char *alloc_string(struct limine_conf_string string)
{
	char *copy = alloc(string.size + 1);

	for (size_t i = 0; i < string.size; i++)
		copy[i] = string.at[i];
	return copy;
}
