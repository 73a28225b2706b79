/* SPDX-License-Identifier: MIT */
/*
 * config.c - finds limine.conf, chooses the entry, and reads the files that it names.
 *
 * The candidates and their order are Limine's (CONFIG.md, "Location of the config file"). Text
 * comes from the disk; lib/limine_conf.c checks it, and every complaint names file and line. With
 * a timeout the entries are listed: a digit chooses one, any other key boots the default at once.
 */
#include <boot/boot.h>

static const char *const candidates[] = {
	"/limine.conf", "/limine/limine.conf", "/boot/limine.conf", "/boot/limine/limine.conf", "/EFI/BOOT/limine.conf",
};

/* The entry that the user picks, or the default when the time is over. */
static unsigned choose_entry(const struct limine_conf *conf)
{
	unsigned chosen = conf->default_entry;
	struct efi_input_key key;

	if (conf->timeout_s == 0)
		return chosen;
	for (unsigned i = 0; i < conf->count; i++)
		print("  %u  %s\n", i + 1, alloc_string(conf->entry[i].title));
	if (conf->timeout_s == LIMINE_CONF_TIMEOUT_NEVER)
		print("Number of the entry to boot: ");
	else
		print("Entry %u boots in %u s; a digit chooses another: ", chosen + 1, conf->timeout_s);
	if (wait_for_key(conf->timeout_s, &key) && key.unicode >= '1' && key.unicode < '1' + conf->count)
		chosen = key.unicode - u'1';
	print("\n");
	return chosen;
}

void config_load(struct boot *boot)
{
	struct limine_conf_error error;
	efi_status status = EFI_NOT_FOUND;
	void *text = nullptr;
	uint64_t size = 0;
	unsigned chosen;
	bool good;

	for (unsigned i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		boot->conf_path = candidates[i];
		status = file_read(boot, candidates[i], &text, &size);
		if (status != EFI_NOT_FOUND)
			break;
	}
	if (status == EFI_NOT_FOUND)
		die("put one on the boot volume, as /limine.conf, /boot/limine.conf or "
		    "/EFI/BOOT/limine.conf",
		    "limine.conf: file not found");
	if (status != EFI_SUCCESS)
		die("check the disk", "%s: %s", boot->conf_path, efi_status_text(status));
	good = limine_conf_parse(text, size, &boot->conf, &error);
	error_timeout_s = boot->conf.error_timeout_s;
	if (!good)
		die("mend that line of the file", "%s:%u: %s", boot->conf_path, error.line, error.fault);

	chosen = choose_entry(&boot->conf);
	boot->entry = &boot->conf.entry[chosen];
	if (!limine_conf_equal(boot->entry->protocol, "limine") || boot->entry->kernel_path.size == 0)
		die("choose another entry, or mend this one", "%s:%u: the entry needs 'protocol: limine' and 'path:'",
		    boot->conf_path, boot->entry->line);
}

void config_read_file(struct boot *boot, struct limine_conf_string path, struct limine_conf_string cmdline,
		      unsigned line, struct boot_file *file)
{
	struct limine_conf_string volume_path;
	const char *fault;
	efi_status status;

	if (!limine_conf_boot_path(path, &volume_path, &fault))
		die("mend that line of the file", "%s:%u: %s: %s", boot->conf_path, line, alloc_string(path), fault);
	file->path = alloc_string(volume_path);
	file->cmdline = alloc_string(cmdline);
	status = file_read(boot, file->path, &file->data, &file->size);
	if (status != EFI_SUCCESS)
		die("put the file there, or mend that line of the configuration", "%s: %s (named in %s:%u)", file->path,
		    efi_status_text(status), boot->conf_path, line);
}
