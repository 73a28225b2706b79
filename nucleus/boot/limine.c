/* SPDX-License-Identifier: MIT */
/*
 * The Limine requests and what is taken from their responses (base revision 2). Whatever a loader does not offer and
 * cannot be done without is named on the console.
 */
#include "boot/limine.h"
#include "boot/boot.h"
#include "device/claim.h"
#include "frame/frames.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include <boot/limine_protocol.h>
#include <lib/devicetree.h>
#include <lib/string.h>

#define REQUEST(name, kind, ...)                                                                                       \
	[[gnu::used,                                                                                                   \
	  gnu::section(".limine_requests")]] static volatile struct limine_##kind##_request name##_request = {         \
		__VA_ARGS__}

[[gnu::used, gnu::section(".limine_start")]] static volatile uint64_t start_marker[] = LIMINE_REQUESTS_START_MARKER;
[[gnu::used, gnu::section(".limine_end")]] static volatile uint64_t end_marker[] = LIMINE_REQUESTS_END_MARKER;
[[gnu::used, gnu::section(".limine_requests")]] static volatile uint64_t base_revision[] = LIMINE_BASE_REVISION(2);
REQUEST(hhdm, hhdm, .id = LIMINE_HHDM_REQUEST);
REQUEST(memmap, memmap, .id = LIMINE_MEMMAP_REQUEST);
REQUEST(address, kernel_address, .id = LIMINE_KERNEL_ADDRESS_REQUEST);
REQUEST(file, kernel_file, .id = LIMINE_KERNEL_FILE_REQUEST);
REQUEST(module, module, .id = LIMINE_MODULE_REQUEST);
REQUEST(rsdp, rsdp, .id = LIMINE_RSDP_REQUEST);
REQUEST(dtb, dtb, .id = LIMINE_DTB_REQUEST);
REQUEST(efi, efi_system_table, .id = LIMINE_EFI_SYSTEM_TABLE_REQUEST);
REQUEST(efi_map, efi_memmap, .id = LIMINE_EFI_MEMMAP_REQUEST);
REQUEST(boot_time, boot_time, .id = LIMINE_BOOT_TIME_REQUEST);
REQUEST(mp, mp, .id = LIMINE_MP_REQUEST);
REQUEST(paging, paging_mode, .id = LIMINE_PAGING_MODE_REQUEST, .revision = 1);
REQUEST(framebuffer, framebuffer, .id = LIMINE_FRAMEBUFFER_REQUEST);
REQUEST(info, bootloader_info, .id = LIMINE_BOOTLOADER_INFO_REQUEST);

[[noreturn]] static void give_up(const char *what)
{
	boot_stop("the boot loader does not provide %s; boot with Stellux's own loader or Limine 8", what);
}

/* Limine gives pointers into its direct map up to base revision 2; physical addresses are smaller than that. */
static uint64_t physical(uint64_t address)
{
	return address >= boot_state.hhdm ? address - boot_state.hhdm : address;
}

void limine_check(void)
{
	if (base_revision[2] != 0)
		give_up("base revision 2 of the Limine protocol");
	if (!hhdm_request.response)
		give_up("a direct map (HHDM)");
	boot_state.hhdm = hhdm_request.response->offset;
	direct_base = boot_state.hhdm;
	if (!address_request.response)
		give_up("the kernel's address");
	boot_state.kernel_phys = address_request.response->physical_base;
	/* From here on the machine can be switched off. */
	if (efi_request.response)
		boot_state.efi_system_table_phys = physical((uint64_t)efi_request.response->address);
	if (!memmap_request.response || !memmap_request.response->entry_count)
		give_up("a memory map");
	if (address_request.response->virtual_base != IMAGE_BASE)
		give_up("the image at its link address");
	if (info_request.response)
		log_printf("boot: loader %s %s\n", info_request.response->name, info_request.response->version);
}

unsigned limine_memory(unsigned index, struct memory_range *range, uint64_t *type)
{
	struct limine_memmap_response *map = memmap_request.response;

	if (index >= map->entry_count)
		return 0;
	range->start = align_up(map->entries[index]->base, PAGE_SIZE);
	range->end = align_down(map->entries[index]->base + map->entries[index]->length, PAGE_SIZE);
	*type = map->entries[index]->type;
	return 1;
}

/* The firmware's memory map (UEFI 2.10, 7.2.3): what runtime services use must not be written by anybody. */
static void take_firmware(void)
{
	struct limine_efi_memmap_response *map = efi_map_request.response;
	enum : uint32_t { RUNTIME_CODE = 5, RUNTIME_DATA = 6 };

	for (uint64_t at = 0; map && map->desc_size >= 40 && at + map->desc_size <= map->memmap_size;
	     at += map->desc_size) {
		const unsigned char *d = (const unsigned char *)map->memmap + at;
		uint64_t start = *(const uint64_t *)(d + 8), pages = *(const uint64_t *)(d + 24);
		uint32_t type = *(const uint32_t *)d;

		if (type == RUNTIME_CODE || type == RUNTIME_DATA)
			claim_withhold(start, start + (pages << PAGE_SHIFT));
	}
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

/* Module "entropy": 64 random bytes. The first other module is the initramfs. */
static void take_modules(struct boot_info *info)
{
	struct limine_module_response *modules = module_request.response;

	for (uint64_t i = 0; modules && i < modules->module_count; i++) {
		struct limine_file *m = modules->modules[i];

		if (ends_with(m->path, "entropy")) {
			info->entropy_bytes = (uint32_t)MIN(m->size, sizeof(info->entropy));
			memcpy(info->entropy, m->address, info->entropy_bytes);
			memset(m->address, 0, info->entropy_bytes);
		} else if (!info->initramfs_bytes) {
			info->initramfs_pfn = physical((uint64_t)m->address) >> PAGE_SHIFT;
			info->initramfs_bytes = m->size;
		}
	}
	if (!info->initramfs_bytes)
		log_printf("boot: no initramfs module: the configuration's entry has no module_path line\n");
}

const void *limine_device_tree(void)
{
	return dtb_request.response ? dtb_request.response->dtb_ptr : nullptr;
}

uint64_t limine_rsdp(void)
{
	return rsdp_request.response ? physical((uint64_t)rsdp_request.response->address) : 0;
}

/* A copy of our own: the original is in memory that will be used for other things, and often has much room behind. */
static void take_device_tree(struct boot_info *info)
{
	const void *tree = limine_device_tree();
	size_t bytes = tree ? devicetree_used(tree) : 0;

	if (tree && !bytes)
		log_printf("boot: what the loader gave as device tree is none; it is ignored\n");
	if (!bytes)
		return;
	info->dtb_phys = frame_boot_alloc(bytes);
	if (!info->dtb_phys) {
		log_printf("boot: no memory for the device tree (%zu bytes)\n", bytes);
		return;
	}
	devicetree_copy(direct_map(info->dtb_phys), tree);
	info->dtb_bytes = bytes;
}

static void take_screen(struct boot_screen *screen)
{
	struct limine_framebuffer_response *r = framebuffer_request.response;
	const struct limine_framebuffer *f = r && r->framebuffer_count ? r->framebuffers[0] : nullptr;

	if (f && f->memory_model == LIMINE_FRAMEBUFFER_RGB)
		*screen = (struct boot_screen){.phys = physical((uint64_t)f->address),
					       .pitch = f->pitch,
					       .width = (uint32_t)f->width,
					       .height = (uint32_t)f->height,
					       .bits = f->bpp,
					       .red = {f->red_mask_shift, f->red_mask_size},
					       .green = {f->green_mask_shift, f->green_mask_size},
					       .blue = {f->blue_mask_shift, f->blue_mask_size}};
}

const char *limine_cmdline(void)
{
	struct limine_kernel_file_response *file = file_request.response;

	return file && file->kernel_file->cmdline ? file->kernel_file->cmdline : "";
}

void limine_take(struct boot_info *info)
{
	if (strlcpy(info->cmdline, limine_cmdline(), sizeof(info->cmdline)) >= sizeof(info->cmdline))
		log_printf("boot: command line cut after %zu characters\n", sizeof(info->cmdline) - 1);
	boot_state.rsdp_phys = info->rsdp_phys = limine_rsdp();
	take_device_tree(info);
	if (boot_time_request.response)
		info->boot_epoch_seconds = boot_time_request.response->boot_time;
	take_screen(&info->screen);
	take_firmware();
	take_modules(info);
	limine_take_cpus(mp_request.response);
}
