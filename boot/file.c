/* SPDX-License-Identifier: MIT */
/*
 * file.c - reads files from the volume that the loader itself came from.
 *
 * Each file is read by one call into page-aligned memory of its own; the firmware's FAT driver is
 * quick only with large blocks. Specification: UEFI 13.4 and 13.5.
 */
#include <boot/boot.h>

constexpr size_t PATH_ROOM = 256;

void files_open_volume(struct boot *boot)
{
	static const struct efi_guid loaded_image = EFI_LOADED_IMAGE_GUID;
	static const struct efi_guid file_system = EFI_SIMPLE_FILE_SYSTEM_GUID;
	struct efi_simple_file_system *volume;
	efi_status status;

	status = efi->boot->handle_protocol(boot->image, &loaded_image, (void **)&boot->loaded);
	if (status == EFI_SUCCESS)
		status = efi->boot->handle_protocol(boot->loaded->device, &file_system, (void **)&volume);
	if (status == EFI_SUCCESS)
		status = volume->open_volume(volume, &boot->root);
	if (status != EFI_SUCCESS)
		die("start the loader from a FAT volume of a disk", "the boot volume cannot be opened: %s",
		    efi_status_text(status));
}

/* "/boot/x" to u"\boot\x". */
static bool convert_path(const char *path, efi_char out[PATH_ROOM])
{
	size_t i = 0;

	for (; path[i] != '\0'; i++) {
		if (i + 1 == PATH_ROOM)
			return false;
		out[i] = path[i] == '/' ? u'\\' : (efi_char)path[i];
	}
	out[i] = 0;
	return true;
}

static efi_status read_open_file(struct efi_file *file, const char *path, void **data, uint64_t *size)
{
	static const struct efi_guid file_info = EFI_FILE_INFO_GUID;
	struct efi_file_info info;
	uint64_t info_size = sizeof(info);
	efi_status status = file->get_info(file, &file_info, &info_size, &info);

	if (status != EFI_SUCCESS)
		return status;
	if (info.attribute & EFI_FILE_DIRECTORY)
		return EFI_NOT_FOUND;
	*size = info.file_size;
	*data = alloc_pages(round_up(info.file_size + 1, PAGE) / PAGE, path);
	for (uint64_t done = 0; done < info.file_size;) {
		uint64_t part = info.file_size - done;

		status = file->read(file, &part, (char *)*data + done);
		if (status != EFI_SUCCESS)
			return status;
		if (part == 0)
			return EFI_VOLUME_CORRUPTED;
		done += part;
	}
	return EFI_SUCCESS;
}

efi_status file_read(struct boot *boot, const char *path, void **data, uint64_t *size)
{
	efi_char name[PATH_ROOM];
	struct efi_file *file;
	efi_status status;

	if (!convert_path(path, name))
		return EFI_NOT_FOUND;
	status = boot->root->open(boot->root, &file, name, EFI_FILE_MODE_READ, 0);
	if (status != EFI_SUCCESS)
		return status;
	status = read_open_file(file, path, data, size);
	file->close(file);
	return status;
}
