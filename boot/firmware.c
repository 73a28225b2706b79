/* SPDX-License-Identifier: MIT */
/*
 * firmware.c - what the firmware knows: its tables, the screen, the time.
 *
 * Specifications: UEFI 4.6 (configuration tables), 8.3 (GetTime), 12.9 (graphics output);
 * ACPI 6.5, 5.2.5 (RSDP), 5.2.7 and 5.2.8 (RSDT, XSDT).
 */
#include <boot/boot.h>

static bool guid_equal(const struct efi_guid *a, const struct efi_guid *b)
{
	return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

void *firmware_table(const struct efi_guid *guid)
{
	for (uint64_t i = 0; i < efi->table_count; i++) {
		if (guid_equal(&efi->tables[i].vendor, guid))
			return efi->tables[i].table;
	}
	return nullptr;
}

bool firmware_time(int64_t *seconds)
{
	struct efi_time t;
	int64_t year, day, month;

	if (efi->runtime->get_time(&t, nullptr) != EFI_SUCCESS || t.month < 1 || t.month > 12)
		return false;
	/* Days since 1970-01-01, with the year taken to begin in March. */
	year = t.month <= 2 ? t.year - 1 : t.year;
	month = (t.month + 9) % 12;
	day = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + t.day - 1;
	day -= 719468;
	*seconds = ((day * 24 + t.hour) * 60 + t.minute) * 60 + t.second;
	if (t.timezone != EFI_UNSPECIFIED_TIMEZONE)
		*seconds += t.timezone * 60;
	return true;
}

static void mask_to_field(uint32_t mask, uint8_t *size, uint8_t *shift)
{
	*shift = mask != 0 ? (uint8_t)__builtin_ctz(mask) : 0;
	*size = (uint8_t)__builtin_popcountg(mask);
}

/* The masks of a mode; false: pixels cannot be written directly. */
static bool pixel_masks(const struct efi_graphics_info *info, uint32_t mask[4])
{
	switch (info->format) {
	case EFI_PIXEL_RGBX: mask[0] = 0xff, mask[1] = 0xff00, mask[2] = 0xff0000, mask[3] = 0xff000000; return true;
	case EFI_PIXEL_BGRX: mask[0] = 0xff0000, mask[1] = 0xff00, mask[2] = 0xff, mask[3] = 0xff000000; return true;
	case EFI_PIXEL_BITMASK:
		mask[0] = info->red_mask, mask[1] = info->green_mask;
		mask[2] = info->blue_mask, mask[3] = info->reserved_mask;
		return true;
	default: return false;
	}
}

struct limine_framebuffer *firmware_framebuffer(struct boot *boot)
{
	static const struct efi_guid guid = EFI_GRAPHICS_OUTPUT_GUID;
	struct efi_graphics_output *gop;
	const struct efi_graphics_info *info;
	struct limine_framebuffer *fb;
	struct limine_video_mode *mode;
	uint32_t mask[4], bits;

	if (efi->boot->locate_protocol(&guid, nullptr, (void **)&gop) != EFI_SUCCESS)
		return nullptr;
	info = gop->mode->info;
	if (info == nullptr || gop->mode->framebuffer_base == 0 || !pixel_masks(info, mask))
		return nullptr;

	bits = mask[0] | mask[1] | mask[2] | mask[3];
	fb = alloc(sizeof(*fb));
	fb->address = to_hhdm((void *)gop->mode->framebuffer_base);
	fb->width = info->width;
	fb->height = info->height;
	fb->bpp = (uint16_t)round_up(32 - (unsigned)__builtin_clzg(bits, 32), 8);
	fb->pitch = (uint64_t)info->pixels_per_line * fb->bpp / 8;
	fb->memory_model = LIMINE_FRAMEBUFFER_RGB;
	mask_to_field(mask[0], &fb->red_mask_size, &fb->red_mask_shift);
	mask_to_field(mask[1], &fb->green_mask_size, &fb->green_mask_shift);
	mask_to_field(mask[2], &fb->blue_mask_size, &fb->blue_mask_shift);

	mode = alloc(sizeof(*mode));
	*mode = (struct limine_video_mode){
		.pitch = fb->pitch,
		.width = fb->width,
		.height = fb->height,
		.bpp = fb->bpp,
		.memory_model = fb->memory_model,
		.red_mask_size = fb->red_mask_size,
		.red_mask_shift = fb->red_mask_shift,
		.green_mask_size = fb->green_mask_size,
		.green_mask_shift = fb->green_mask_shift,
		.blue_mask_size = fb->blue_mask_size,
		.blue_mask_shift = fb->blue_mask_shift,
	};
	fb->mode_count = 1;
	fb->modes = alloc(sizeof(*fb->modes));
	fb->modes[0] = to_hhdm(mode);
	fb->modes = to_hhdm(fb->modes);
	boot->framebuffer.base = round_down(gop->mode->framebuffer_base, PAGE);
	boot->framebuffer.size =
		round_up(gop->mode->framebuffer_base + fb->pitch * fb->height, PAGE) - boot->framebuffer.base;
	return fb;
}

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
};

void *firmware_acpi(void *rsdp_address, const char signature[4])
{
	const struct acpi_rsdp *rsdp = rsdp_address;
	const struct acpi_header *root;
	bool wide;
	size_t entry_size;

	if (rsdp == nullptr)
		return nullptr;
	wide = rsdp->revision >= 2 && rsdp->xsdt != 0;
	entry_size = wide ? 8 : 4;
	root = wide ? (const void *)rsdp->xsdt : (const void *)(uint64_t)rsdp->rsdt;
	for (size_t at = sizeof(*root); at + entry_size <= root->length; at += entry_size) {
		uint64_t address = 0;

		__builtin_memcpy(&address, (const char *)root + at, entry_size);
		if (__builtin_memcmp((const void *)address, signature, 4) == 0)
			return (void *)address;
	}
	return nullptr;
}
