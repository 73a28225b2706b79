/* SPDX-License-Identifier: MIT */
/*
 * Tells in words what a kernel address is, for fault reports: heap object and its owner, page run,
 * page table, page array. Reads only the frame table, struct pages that exist and tags; takes no
 * lock, so it may be used while anything is broken.
 */
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <nucleus/frame.h>
#include <nucleus/layout.h>

#include "page_pool.h"

static size_t describe_kernel_frame(uint64_t pfn, uint64_t address, char *out, size_t size)
{
	const struct page *page = page_of(pfn);
	struct slab_object object;

	if (!page_is_managed(pfn))
		return (size_t)scnprintf(out, size, "kernel frame 0x%llx", (unsigned long long)pfn);
	if (page->flags & PAGE_SLAB) {
		if (!slab_describe(address, &object))
			return (size_t)scnprintf(out, size, "tags of a slab at frame 0x%llx", (unsigned long long)pfn);
		if (!object.owner && !object.live)
			return (size_t)scnprintf(out, size, "unused %u-byte heap object", object.size);
		return (size_t)scnprintf(
			out, size, "%s %u-byte object of %s, offset %llu", object.live ? "live" : "freed", object.size,
			object.owner ? object.owner : "the boot thread", (unsigned long long)(address - object.base));
	}
	if (page->flags & (PAGE_FREE | PAGE_CACHED))
		return (size_t)scnprintf(out, size, "free kernel frame 0x%llx", (unsigned long long)pfn);
	if (page->flags & PAGE_KERNEL) {
		const char *owner = slab_owner_name(page->tag);

		return (size_t)scnprintf(out, size, "%u-page allocation of %s, offset %llu", 1u << page->order,
					 owner ? owner : "vm", (unsigned long long)(address & (PAGE_SIZE - 1)));
	}
	return (size_t)scnprintf(out, size, "kernel frame 0x%llx", (unsigned long long)pfn);
}

static size_t describe_frame(uint64_t pfn, uint64_t address, char *out, size_t size)
{
	static const char *const names[FRAME_TYPES] = {
		[FRAME_NONE] = "no RAM",
		[FRAME_FREE] = "free frame of the nucleus",
		[FRAME_NUCLEUS] = "nucleus frame",
		[FRAME_DMA] = "DMA frame",
		[FRAME_DEVICE] = "device frame",
		[FRAME_SHARED] = "shared frame",
		[FRAME_FIRMWARE] = "firmware frame",
		[FRAME_IOMMU] = "table of a device's domain",
	};
	const struct frame *frame = frame_entry(pfn);

	switch (frame->type) {
	case FRAME_KERNEL: return describe_kernel_frame(pfn, address, out, size);
	case FRAME_PAGE:
		if (page_is_managed(pfn) && !(page_of(pfn)->flags & PAGE_USER))
			return (size_t)scnprintf(out, size, "free user frame 0x%llx", (unsigned long long)pfn);
		return (size_t)scnprintf(out, size, "user frame 0x%llx, mapped %u times", (unsigned long long)pfn,
					 frame->mappings);
	case FRAME_PAGE_TABLE:
		return (size_t)scnprintf(out, size, "level-%u page table of space %u", frame->level, frame->owner);
	default:
		return (size_t)scnprintf(out, size, "%s 0x%llx",
					 frame->type < FRAME_TYPES ? names[frame->type] : "frame",
					 (unsigned long long)pfn);
	}
}

size_t vm_describe_address(uint64_t address, char *out, size_t size)
{
	uint64_t pfn = page_window_pfn((const void *)address);

	if (address < USER_END)
		return (size_t)scnprintf(out, size, address < PAGE_SIZE ? "null pointer" : "address of a process");
	if (address >= WINDOW_BASE && pfn < page_frame_limit)
		return describe_frame(pfn, address, out, size);
	if (address >= PAGE_ARRAY_BASE && address < KMAP_END)
		return (size_t)scnprintf(out, size, "struct page of frame 0x%llx",
					 (unsigned long long)page_pfn((const struct page *)address));
	if (address >= KMAP_BASE && address < KMAP_END)
		return (size_t)scnprintf(out, size, "kernel mapping (stack or device registers)");
	return (size_t)scnprintf(out, size, "0x%llx", (unsigned long long)address);
}
