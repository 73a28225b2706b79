/* SPDX-License-Identifier: MIT */
/*
 * firmware.c - a UEFI application that makes QEMU's virt machine one whose CPUs wait in a spin table, as those of a
 * Raspberry Pi do: it starts them by PSCI, each polling its slot in reserved memory, and then starts the loader,
 * which is \LOADER.EFI beside it. The device tree that says so comes by limine.conf's dtb_path (spin_table.py).
 *
 * Compiled with CPUS, PAGE_ADDRESS, CALL ("hvc #0" or "smc #0") and LATE_CPU: one CPU, 0 for none, that goes to the
 * address it is given only when somebody clears the word behind it. Specifications: UEFI 2.10, 7.4 (image
 * services), 10.3.5.4 (file paths); PSCI (DEN 0022F), 5.1.4.
 */
#include "firmware.h"
#include <boot/efi.h>

extern char wait_start[], wait_end[];

efi_status efi_main(efi_handle image, struct efi_system_table *system);

constexpr efi_char LOADER[] = u"\\LOADER.EFI";

/* What boot/efi.h leaves out. */
typedef efi_status load_image(uint8_t by_boot_manager, efi_handle parent, const void *path, void *source, uint64_t size,
			      efi_handle *image);
typedef efi_status start_image(efi_handle image, uint64_t *exit_data_size, efi_char **exit_data);

struct slot {
	uint64_t address, held;
};
static_assert(sizeof(struct slot) == SLOT_BYTES && offsetof(struct slot, held) == SLOT_HELD);

static void start_cpu(uint64_t mpidr, uint64_t entry, const struct slot *slot)
{
	constexpr uint64_t psci_cpu_on = 0xc4000003;
	register uint64_t x0 __asm__("x0") = psci_cpu_on;
	register uint64_t x1 __asm__("x1") = mpidr;
	register uint64_t x2 __asm__("x2") = entry;
	register uint64_t x3 __asm__("x3") = (uint64_t)slot;

	__asm__ volatile(CALL
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 :
			 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
			   "memory");
}

static efi_status start_cpus(struct efi_system_table *system)
{
	uint64_t page = PAGE_ADDRESS;
	efi_status status = system->boot->allocate_pages(EFI_ALLOCATE_ADDRESS, EFI_RESERVED_MEMORY, 1, &page);
	struct slot *slots = (struct slot *)(page + SLOTS);

	if (status != EFI_SUCCESS)
		return status;
	__builtin_memset((void *)page, 0, 4096);
	__builtin_memcpy((void *)page, wait_start, (size_t)(wait_end - wait_start));
	if (LATE_CPU > 0)
		slots[LATE_CPU].held = 1;
	/* CPUs with their caches off read memory. */
	for (uint64_t at = page; at < page + 4096; at += 16)
		__asm__ volatile("dc cvac, %0" : : "r"(at) : "memory");
	__asm__ volatile("dsb sy; ic ialluis; dsb sy; isb" : : : "memory");
	for (uint64_t i = 1; i < CPUS; i++)
		start_cpu(i, page, &slots[i]);
	return EFI_SUCCESS;
}

/* The path of the volume that this program is from, the file's node, the end's. */
static void make_path(struct efi_system_table *system, efi_handle volume, uint8_t *path)
{
	static const struct efi_guid device_path_guid = {
		0x09576e91, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
	constexpr uint8_t type_media = 4, subtype_file = 4, type_end = 0x7f;
	const uint8_t *from;
	void *interface;
	uint64_t size = 0;

	if (system->boot->handle_protocol(volume, &device_path_guid, &interface) != EFI_SUCCESS)
		return;
	for (from = interface; from[size] != type_end;)
		size += from[size + 2] | (uint64_t)from[size + 3] << 8;
	__builtin_memcpy(path, from, size);
	__builtin_memcpy(path + size, &(struct efi_device_path){type_media, subtype_file, {4 + sizeof(LOADER)}}, 4);
	__builtin_memcpy(path + size + 4, LOADER, sizeof(LOADER));
	__builtin_memcpy(path + size + 4 + sizeof(LOADER), &(struct efi_device_path){type_end, 0xff, {4}}, 4);
}

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
	static const struct efi_guid loaded_image_guid = EFI_LOADED_IMAGE_GUID;
	static uint8_t path[1024];
	struct efi_boot_services *boot = system->boot;
	efi_handle loader;
	void *self;
	efi_status status;

	status = start_cpus(system);
	if (status == EFI_SUCCESS)
		status = boot->handle_protocol(image, &loaded_image_guid, &self);
	if (status != EFI_SUCCESS)
		return status;
	make_path(system, ((struct efi_loaded_image *)self)->device, path);
	status = ((load_image *)(void *)boot->load_image)(0, image, path, nullptr, 0, &loader);
	if (status != EFI_SUCCESS)
		return status;
	return ((start_image *)(void *)boot->start_image)(loader, nullptr, nullptr);
}
