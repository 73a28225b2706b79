/* SPDX-License-Identifier: MIT */
/*
 * memmap.c - from the firmware's memory map to the protocol's, and the end of boot services.
 *
 * The firmware's map is read twice: once early, to map all memory and to make room, and last at
 * the moment of leaving. Ours is made from the last one by sorting, marking what holds the kernel
 * and modules, and joining neighbours; from then on no memory is allocated. Boot services memory
 * counts as usable: nothing of the firmware's runs again but runtime services. The kernel's file,
 * as distinct from its image, is reclaimable: only its response refers to it. Specifications:
 * UEFI 7.2 (table 7.10, memory types after ExitBootServices); PROTOCOL.md, "Memory Map Feature",
 * "Entry memory layout".
 */
#include <boot/arch.h>

static enum limine_memmap_type type_of(uint32_t efi_type)
{
	switch (efi_type) {
	case EFI_BOOT_SERVICES_CODE:
	case EFI_BOOT_SERVICES_DATA:
	case EFI_CONVENTIONAL_MEMORY: return LIMINE_MEMMAP_USABLE;
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA: return LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE;
	case EFI_UNUSABLE_MEMORY: return LIMINE_MEMMAP_BAD_MEMORY;
	case EFI_ACPI_RECLAIM_MEMORY: return LIMINE_MEMMAP_ACPI_RECLAIMABLE;
	case EFI_ACPI_MEMORY_NVS: return LIMINE_MEMMAP_ACPI_NVS;
	default: return LIMINE_MEMMAP_RESERVED;
	}
}

static const struct efi_memory_descriptor *descriptor(const struct boot *boot, uint64_t i)
{
	return (const void *)((const char *)boot->efi_map + i * boot->efi_desc_size);
}

static uint64_t descriptor_count(const struct boot *boot)
{
	return boot->efi_map_size / boot->efi_desc_size;
}

static efi_status read_map(struct boot *boot, uint64_t *key)
{
	boot->efi_map_size = boot->efi_map_room;
	return efi->boot->get_memory_map(&boot->efi_map_size, boot->efi_map, key, &boot->efi_desc_size,
					 &boot->efi_desc_version);
}

/* The direct map: the first 4 GiB, all memory above, and the screen write-combining. */
static void map_memory(const struct boot *boot)
{
	arch_map(HHDM, 0, 4 * GIB, MAP_WRITE | MAP_EXEC);
	for (uint64_t i = 0; i < descriptor_count(boot); i++) {
		const struct efi_memory_descriptor *d = descriptor(boot, i);
		enum limine_memmap_type type = type_of(d->type);
		uint64_t start = d->physical_start;
		uint64_t end = start + d->number_of_pages * PAGE;

		/* Runtime data is reserved, but holds the system table that is handed over. */
		if ((type == LIMINE_MEMMAP_RESERVED && d->type != EFI_RUNTIME_SERVICES_DATA) ||
		    type == LIMINE_MEMMAP_BAD_MEMORY || end <= 4 * GIB)
			continue;
		if (start < 4 * GIB)
			start = 4 * GIB;
		arch_map(HHDM + start, start, end - start, MAP_WRITE | MAP_EXEC);
	}
	if (boot->framebuffer.size > 0)
		arch_map(HHDM + boot->framebuffer.base, boot->framebuffer.base, boot->framebuffer.size,
			 MAP_WRITE | MAP_EXEC | MAP_FRAMEBUFFER);
}

void memmap_read(struct boot *boot)
{
	constexpr uint64_t growth = 64; /* descriptors that later allocations may add */
	uint64_t key;
	efi_status status;

	status = read_map(boot, &key); /* no room yet: tells the size */
	if (status != EFI_BUFFER_TOO_SMALL || boot->efi_desc_size == 0)
		die("update the firmware", "the firmware gives no memory map: %s", efi_status_text(status));
	boot->efi_map_room = boot->efi_map_size + growth * boot->efi_desc_size;
	boot->efi_map = alloc(boot->efi_map_room);
	/* Each mark splits one entry into three at most. */
	boot->map_room = boot->efi_map_room / boot->efi_desc_size + 2 * (BOOT_MODULES + 3);
	boot->map = alloc(boot->map_room * sizeof(*boot->map));
	boot->map_pointers = alloc(boot->map_room * sizeof(*boot->map_pointers));
	status = read_map(boot, &key);
	if (status != EFI_SUCCESS)
		die("update the firmware", "the firmware gives no memory map: %s", efi_status_text(status));
	map_memory(boot);
}

void memmap_exit_boot_services(struct boot *boot)
{
	constexpr unsigned tries = 8;
	efi_status status = EFI_SUCCESS;

	/* Fails with a stale key when an event of the firmware allocated in between. */
	for (unsigned i = 0; i < tries; i++) {
		uint64_t key;

		status = read_map(boot, &key);
		if (status != EFI_SUCCESS)
			break;
		status = efi->boot->exit_boot_services(boot->image, key);
		if (status == EFI_SUCCESS) {
			boot_services_over = true;
			return;
		}
	}
	die("update the firmware", "boot services cannot be left: %s", efi_status_text(status));
}

/* Entries are kept sorted by base; this one goes behind those that begin no later. */
static void insert(struct boot *boot, uint64_t base, uint64_t end, enum limine_memmap_type type)
{
	uint64_t at = boot->map_count;

	if (base >= end)
		return;
	if (boot->map_count == boot->map_room)
		die("report this firmware", "its memory map grew beyond %lu entries", boot->map_room);
	for (; at > 0 && boot->map[at - 1].base > base; at--)
		boot->map[at] = boot->map[at - 1];
	boot->map[at] = (struct limine_memmap_entry){base, end - base, type};
	boot->map_count++;
}

/* Gives [base, base + size) a type of its own, cutting it out of whatever is there. */
static void mark(struct boot *boot, uint64_t base, uint64_t size, enum limine_memmap_type type)
{
	uint64_t end = base + size;

	if (size == 0)
		return;
	for (uint64_t i = 0; i < boot->map_count; i++) {
		struct limine_memmap_entry *e = &boot->map[i];
		uint64_t e_base = e->base, e_end = e->base + e->length;

		if (e_end <= base || e_base >= end)
			continue;
		e->length = e_base < base ? base - e_base : 0;
		if (e_end > end)
			insert(boot, end, e_end, (enum limine_memmap_type)e->type);
	}
	insert(boot, base, end, type);
}

/* Drops the empty entries that mark() leaves and joins neighbours of one type. */
static void join(struct boot *boot)
{
	uint64_t kept = 0;

	for (uint64_t i = 0; i < boot->map_count; i++) {
		struct limine_memmap_entry e = boot->map[i];
		struct limine_memmap_entry *last = kept > 0 ? &boot->map[kept - 1] : nullptr;

		if (e.length == 0)
			continue;
		if (last != nullptr && last->type == e.type && last->base + last->length == e.base)
			last->length += e.length;
		else
			boot->map[kept++] = e;
	}
	boot->map_count = kept;
}

static void publish(struct boot *boot)
{
	struct limine_request *request = boot->request[REQUEST_MEMMAP];

	for (uint64_t i = 0; i < boot->map_count; i++)
		boot->map_pointers[i] = to_hhdm(&boot->map[i]);
	if (request != nullptr) {
		struct limine_memmap_response *r = from_hhdm(request->response);

		r->entry_count = boot->map_count;
		r->entries = to_hhdm(boot->map_pointers);
	}
	request = boot->request[REQUEST_EFI_MEMMAP];
	if (request != nullptr) {
		struct limine_efi_memmap_response *r = from_hhdm(request->response);

		r->memmap = to_hhdm(boot->efi_map);
		r->memmap_size = boot->efi_map_size;
		r->desc_size = boot->efi_desc_size;
		r->desc_version = boot->efi_desc_version;
	}
}

void memmap_build(struct boot *boot)
{
	boot->map_count = 0;
	for (uint64_t i = 0; i < descriptor_count(boot); i++) {
		const struct efi_memory_descriptor *d = descriptor(boot, i);

		insert(boot, d->physical_start, d->physical_start + d->number_of_pages * PAGE, type_of(d->type));
	}
	/* "Memory between 0 and 0x1000 is never marked as usable memory." */
	if (boot->map_count > 0 && boot->map[0].base == 0)
		mark(boot, 0, PAGE, LIMINE_MEMMAP_RESERVED);
	mark(boot, boot->framebuffer.base, boot->framebuffer.size, LIMINE_MEMMAP_FRAMEBUFFER);
	mark(boot, boot->kernel_phys, boot->elf.high - boot->elf.low, LIMINE_MEMMAP_KERNEL_AND_MODULES);
	for (unsigned i = 0; i < boot->module_count; i++)
		mark(boot, (uint64_t)boot->module[i].data, round_up(boot->module[i].size + 1, PAGE),
		     LIMINE_MEMMAP_KERNEL_AND_MODULES);
	join(boot);
	publish(boot);
}
