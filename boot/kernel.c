/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - reads the kernel, places it in memory and finds its requests.
 *
 * The image lies contiguous in physical memory, 2 MiB-aligned, with holes between segments cleared
 * and never mapped. Requests are looked for in the placed image, on 8-byte boundaries, between
 * the last start marker and the first end marker if there are any.
 * Specification: PROTOCOL.md, "Base protocol revisions", "Features", "Requests Delimiters".
 */
#include <boot/arch.h>
#include <machine.h>

static const char mend_kernel[] = "rebuild the kernel, or name another in the configuration";

static const uint64_t request_ids[REQUEST_KINDS][4] = {
	[REQUEST_BOOTLOADER_INFO] = LIMINE_BOOTLOADER_INFO_REQUEST,
	[REQUEST_FIRMWARE_TYPE] = LIMINE_FIRMWARE_TYPE_REQUEST,
	[REQUEST_STACK_SIZE] = LIMINE_STACK_SIZE_REQUEST,
	[REQUEST_HHDM] = LIMINE_HHDM_REQUEST,
	[REQUEST_FRAMEBUFFER] = LIMINE_FRAMEBUFFER_REQUEST,
	[REQUEST_PAGING_MODE] = LIMINE_PAGING_MODE_REQUEST,
	[REQUEST_MP] = LIMINE_MP_REQUEST,
	[REQUEST_MEMMAP] = LIMINE_MEMMAP_REQUEST,
	[REQUEST_ENTRY_POINT] = LIMINE_ENTRY_POINT_REQUEST,
	[REQUEST_KERNEL_FILE] = LIMINE_KERNEL_FILE_REQUEST,
	[REQUEST_MODULE] = LIMINE_MODULE_REQUEST,
	[REQUEST_RSDP] = LIMINE_RSDP_REQUEST,
	[REQUEST_SMBIOS] = LIMINE_SMBIOS_REQUEST,
	[REQUEST_EFI_SYSTEM_TABLE] = LIMINE_EFI_SYSTEM_TABLE_REQUEST,
	[REQUEST_EFI_MEMMAP] = LIMINE_EFI_MEMMAP_REQUEST,
	[REQUEST_BOOT_TIME] = LIMINE_BOOT_TIME_REQUEST,
	[REQUEST_KERNEL_ADDRESS] = LIMINE_KERNEL_ADDRESS_REQUEST,
	[REQUEST_DTB] = LIMINE_DTB_REQUEST,
};

/* The size of each kind's request, so that one at the end of the image is not read beyond it. */
static const size_t request_sizes[REQUEST_KINDS] = {
	[REQUEST_STACK_SIZE] = sizeof(struct limine_stack_size_request),
	[REQUEST_PAGING_MODE] = sizeof(struct limine_paging_mode_request),
	[REQUEST_MP] = sizeof(struct limine_mp_request),
	[REQUEST_ENTRY_POINT] = sizeof(struct limine_entry_point_request),
};

uint64_t kernel_to_phys(const struct boot *boot, uint64_t virtual)
{
	return boot->kernel_phys + (virtual - boot->elf.low);
}

static void check_layout(const struct boot *boot)
{
	const struct elf *elf = &boot->elf;

	if (elf->type != ELF_TYPE_EXEC)
		die(mend_kernel, "%s: position-independent kernels are not supported", boot->kernel.path);
	if (elf->low < KERNEL_LOWEST)
		die(mend_kernel, "%s: linked at 0x%lx, below 0x%lx", boot->kernel.path, elf->low, KERNEL_LOWEST);
	for (unsigned i = 1; i < elf->count; i++) {
		const struct elf_segment *a = &elf->segment[i - 1], *b = &elf->segment[i];

		if (round_up(a->vaddr + a->mem_size, PAGE) > round_down(b->vaddr, PAGE) && a->flags != b->flags)
			die(mend_kernel, "%s: the page at 0x%lx has two sets of permissions", boot->kernel.path,
			    round_down(b->vaddr, PAGE));
	}
}

static void place(struct boot *boot)
{
	const struct elf *elf = &boot->elf;
	uint64_t pages = (elf->high - elf->low) / PAGE;

	boot->kernel_phys = (uint64_t)alloc_pages_aligned(pages, LARGE_PAGE, "the kernel");
	__builtin_memset((void *)boot->kernel_phys, 0, pages * PAGE);
	for (unsigned i = 0; i < elf->count; i++) {
		const struct elf_segment *s = &elf->segment[i];

		__builtin_memcpy((void *)kernel_to_phys(boot, s->vaddr), (char *)boot->kernel.data + s->offset,
				 s->file_size);
	}
}

static void map_segments(const struct boot *boot)
{
	for (unsigned i = 0; i < boot->elf.count; i++) {
		const struct elf_segment *s = &boot->elf.segment[i];
		uint64_t start = round_down(s->vaddr, PAGE);
		uint64_t end = round_up(s->vaddr + s->mem_size, PAGE);

		arch_map(start, kernel_to_phys(boot, start), end - start,
			 (s->flags & ELF_W ? MAP_WRITE : 0) | (s->flags & ELF_X ? MAP_EXEC : 0));
	}
}

static bool words_equal(const uint64_t *words, const uint64_t *wanted, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (words[i] != wanted[i])
			return false;
	}
	return true;
}

/* Narrows [*first, *end) to what the markers enclose. */
static void find_markers(uint64_t **first, uint64_t **end)
{
	static const uint64_t start_marker[4] = LIMINE_REQUESTS_START_MARKER;
	static const uint64_t end_marker[2] = LIMINE_REQUESTS_END_MARKER;
	uint64_t *begin = *first;

	for (uint64_t *w = *first; w + 4 <= *end; w++) {
		if (w[0] == start_marker[0] && words_equal(w, start_marker, 4))
			begin = w + 4;
	}
	for (uint64_t *w = begin; w + 2 <= *end; w++) {
		if (w[0] == end_marker[0] && words_equal(w, end_marker, 2)) {
			*end = w;
			break;
		}
	}
	*first = begin;
}

static void add_request(struct boot *boot, uint64_t *w, const uint64_t *end)
{
	for (unsigned kind = 0; kind < REQUEST_KINDS; kind++) {
		size_t size = request_sizes[kind];

		if (!words_equal(w, request_ids[kind], 4))
			continue;
		if (size < sizeof(struct limine_request))
			size = sizeof(struct limine_request);
		if ((size_t)((const char *)end - (const char *)w) < size)
			die(mend_kernel, "%s: a request is cut off", boot->kernel.path);
		if (boot->request[kind] != nullptr)
			die(mend_kernel, "%s: request %lx is there twice", boot->kernel.path, w[2]);
		boot->request[kind] = (struct limine_request *)w;
	}
}

static void find_requests(struct boot *boot)
{
	constexpr uint64_t oldest = 1, newest = 2;
	uint64_t *w = (uint64_t *)boot->kernel_phys;
	uint64_t *end = w + (boot->elf.high - boot->elf.low) / sizeof(*w);
	uint64_t *revision = nullptr;

	find_markers(&w, &end);
	for (; w + 3 <= end; w++) {
		if (w[0] == LIMINE_MAGIC_0 && w[1] == LIMINE_MAGIC_1 && w + 4 <= end)
			add_request(boot, w, end);
		if (w[0] == LIMINE_BASE_REVISION_MAGIC_0 && w[1] == LIMINE_BASE_REVISION_MAGIC_1)
			revision = &w[2];
	}
	if (revision == nullptr || *revision < oldest)
		die("use a kernel that asks for base revision 2",
		    "%s: asks for base revision 0 of the Limine protocol; this loader has 1 and 2", boot->kernel.path);
	/* A newer one is left as it stands: so the kernel learns that it did not get it. */
	if (*revision <= newest)
		*revision = 0;
}

/* The parameters of requests that shape the rest: entry, stack, paging. */
static void read_parameters(struct boot *boot)
{
	const struct limine_entry_point_request *entry = (void *)boot->request[REQUEST_ENTRY_POINT];
	const struct limine_stack_size_request *stack = (void *)boot->request[REQUEST_STACK_SIZE];
	const struct limine_paging_mode_request *paging = (void *)boot->request[REQUEST_PAGING_MODE];

	boot->entry_point = boot->elf.entry;
	if (entry != nullptr)
		boot->entry_point = (uint64_t)entry->entry;
	if (boot->entry_point < boot->elf.low || boot->entry_point >= boot->elf.high)
		die(mend_kernel, "%s: entry point 0x%lx is outside the image", boot->kernel.path, boot->entry_point);
	boot->stack_size = STACK_SMALLEST;
	if (stack != nullptr && stack->stack_size > STACK_SMALLEST)
		boot->stack_size = round_up(stack->stack_size, PAGE);
	if (boot->stack_size > GIB)
		die(mend_kernel, "%s: asks for stacks of 0x%lx bytes", boot->kernel.path, boot->stack_size);
	if (paging != nullptr && paging->revision >= 1 && paging->min_mode > LIMINE_PAGING_MODE_4LVL)
		die(mend_kernel, "%s: needs 5-level paging; this loader has 4 levels", boot->kernel.path);
}

void kernel_load(struct boot *boot)
{
	const struct limine_conf_entry *entry = boot->entry;
	enum elf_fault fault;

	config_read_file(boot, entry->kernel_path, entry->cmdline, entry->path_line, &boot->kernel);
	fault = elf_parse(boot->kernel.data, boot->kernel.size, boot->kernel.size, BOOT_ELF_MACHINE, &boot->elf);
	if (fault != ELF_OK)
		die(mend_kernel, "%s: %s", boot->kernel.path, elf_fault_text(fault));
	check_layout(boot);
	place(boot);
	map_segments(boot);
	find_requests(boot);
	read_parameters(boot);
	for (unsigned i = 0; i < entry->module_count; i++)
		config_read_file(boot, entry->module[i].path, entry->module[i].cmdline, entry->module[i].line,
				 &boot->module[boot->module_count++]);
}
