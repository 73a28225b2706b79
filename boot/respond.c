/* SPDX-License-Identifier: MIT */
/*
 * respond.c - answers the kernel's requests, all but those for CPUs and the memory maps' contents.
 *
 * A response is a cleared object in loader memory whose address plus HHDM goes into the request.
 * Features that the machine lacks are left without an answer, as the protocol says.
 * Specification: PROTOCOL.md, "Feature List".
 */
#include <boot/boot.h>
#include <lib/devicetree.h>

/* The request is asked: makes its response. nullptr: not asked. */
static void *answer(struct boot *boot, enum request_kind kind, uint64_t size, uint64_t revision)
{
	struct limine_request *request = boot->request[kind];
	uint64_t *response;

	if (request == nullptr)
		return nullptr;
	response = alloc(size);
	*response = revision;
	request->response = to_hhdm(response);
	return response;
}

static char *text(const char *s)
{
	return to_hhdm(alloc_string((struct limine_conf_string){s, __builtin_strlen(s)}));
}

static struct limine_file *describe(const struct boot_file *file)
{
	struct limine_file *f = alloc(sizeof(*f));

	f->address = to_hhdm(file->data);
	f->size = file->size;
	f->path = to_hhdm(file->path);
	f->cmdline = to_hhdm(file->cmdline);
	f->media_type = LIMINE_MEDIA_TYPE_GENERIC;
	return to_hhdm(f);
}

static void respond_files(struct boot *boot)
{
	struct limine_kernel_file_response *kernel = answer(boot, REQUEST_KERNEL_FILE, sizeof(*kernel), 0);
	struct limine_module_response *modules = answer(boot, REQUEST_MODULE, sizeof(*modules), 0);

	if (kernel != nullptr)
		kernel->kernel_file = describe(&boot->kernel);
	if (modules == nullptr)
		return;
	modules->module_count = boot->module_count;
	modules->modules = alloc(boot->module_count * sizeof(*modules->modules));
	for (unsigned i = 0; i < boot->module_count; i++)
		modules->modules[i] = describe(&boot->module[i]);
	modules->modules = to_hhdm(modules->modules);
}

static void respond_screen(struct boot *boot)
{
	struct limine_framebuffer *fb = firmware_framebuffer(boot);
	struct limine_framebuffer_response *r;

	if (fb == nullptr)
		return;
	r = answer(boot, REQUEST_FRAMEBUFFER, sizeof(*r), 1);
	if (r == nullptr)
		return;
	r->framebuffer_count = 1;
	r->framebuffers = alloc(sizeof(*r->framebuffers));
	r->framebuffers[0] = to_hhdm(fb);
	r->framebuffers = to_hhdm(r->framebuffers);
}

static void respond_pointer(struct boot *boot, enum request_kind kind, void *pointer)
{
	struct limine_rsdp_response *r; /* DTB and EFI system table have the same form */

	static_assert(sizeof(*r) == sizeof(struct limine_dtb_response));
	static_assert(sizeof(*r) == sizeof(struct limine_efi_system_table_response));
	if (pointer == nullptr)
		return;
	r = answer(boot, kind, sizeof(*r), 0);
	if (r != nullptr)
		r->address = to_hhdm(pointer);
}

/* The tree that the configuration names, in place of the firmware's. */
static const void *configured_tree(struct boot *boot)
{
	struct boot_file file = {};

	config_read_file(boot, boot->entry->dtb_path, (struct limine_conf_string){}, boot->entry->dtb_line, &file);
	if (!devicetree_check(file.data, file.size))
		die("make it anew with dtc, or remove that line of the configuration",
		    "%s: not a well-formed device tree (named in %s:%u)", file.path, boot->conf_path,
		    boot->entry->dtb_line);
	return file.data;
}

/*
 * The firmware may keep its device tree in memory that is free once boot services are over, so the
 * kernel gets a copy, without the room that firmware leaves behind it.
 */
static void copy_device_tree(struct boot *boot)
{
	static const struct efi_guid guid = EFI_DEVICE_TREE_GUID;
	bool configured = boot->entry->dtb_path.at != nullptr;
	const void *tree = configured ? configured_tree(boot) : firmware_table(&guid);

	if (tree == nullptr)
		return;
	if (!configured && !devicetree_check(tree, devicetree_size(tree))) {
		print("stellux-boot: the firmware's device tree is malformed; the kernel does not get it\n");
		return;
	}
	boot->tree = alloc_pages(round_up(devicetree_used(tree), PAGE) / PAGE, "the device tree");
	devicetree_copy(boot->tree, tree);
}

static void respond_firmware(struct boot *boot)
{
	static const struct efi_guid acpi_2 = EFI_ACPI_20_TABLE_GUID, acpi_1 = EFI_ACPI_10_TABLE_GUID;
	static const struct efi_guid smbios = EFI_SMBIOS_GUID, smbios_3 = EFI_SMBIOS3_GUID;
	struct limine_smbios_response *bios;
	struct limine_boot_time_response *time;
	int64_t seconds;

	boot->rsdp = firmware_table(&acpi_2);
	if (boot->rsdp == nullptr)
		boot->rsdp = firmware_table(&acpi_1);
	respond_pointer(boot, REQUEST_RSDP, boot->rsdp);
	copy_device_tree(boot);
	respond_pointer(boot, REQUEST_DTB, boot->tree);
	respond_pointer(boot, REQUEST_EFI_SYSTEM_TABLE, efi);
	if (firmware_table(&smbios) != nullptr || firmware_table(&smbios_3) != nullptr) {
		bios = answer(boot, REQUEST_SMBIOS, sizeof(*bios), 0);
		if (bios != nullptr) {
			bios->entry_32 = to_hhdm(firmware_table(&smbios));
			bios->entry_64 = to_hhdm(firmware_table(&smbios_3));
		}
	}
	if (firmware_time(&seconds)) {
		time = answer(boot, REQUEST_BOOT_TIME, sizeof(*time), 0);
		if (time != nullptr)
			time->boot_time = seconds;
	}
}

static void respond_loader(struct boot *boot)
{
	struct limine_bootloader_info_response *info = answer(boot, REQUEST_BOOTLOADER_INFO, sizeof(*info), 0);
	struct limine_firmware_type_response *type = answer(boot, REQUEST_FIRMWARE_TYPE, sizeof(*type), 0);
	struct limine_hhdm_response *hhdm = answer(boot, REQUEST_HHDM, sizeof(*hhdm), 0);
	struct limine_kernel_address_response *address = answer(boot, REQUEST_KERNEL_ADDRESS, sizeof(*address), 0);
	struct limine_paging_mode_response *paging = answer(boot, REQUEST_PAGING_MODE, sizeof(*paging), 0);

	(void)answer(boot, REQUEST_STACK_SIZE, sizeof(struct limine_stack_size_response), 0);
	(void)answer(boot, REQUEST_ENTRY_POINT, sizeof(struct limine_entry_point_response), 0);
	if (info != nullptr) {
		info->name = text("stellux-boot");
		info->version = text("1");
	}
	if (type != nullptr)
		type->firmware_type = LIMINE_FIRMWARE_TYPE_UEFI64;
	if (hhdm != nullptr)
		hhdm->offset = HHDM;
	if (address != nullptr) {
		address->physical_base = boot->kernel_phys;
		address->virtual_base = boot->elf.low;
	}
	if (paging != nullptr)
		paging->mode = LIMINE_PAGING_MODE_4LVL;
}

void respond(struct boot *boot)
{
	respond_loader(boot);
	respond_files(boot);
	respond_screen(boot);
	respond_firmware(boot);
	(void)answer(boot, REQUEST_MEMMAP, sizeof(struct limine_memmap_response), 0);
	(void)answer(boot, REQUEST_EFI_MEMMAP, sizeof(struct limine_efi_memmap_response), 0);
}
