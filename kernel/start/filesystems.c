/* SPDX-License-Identifier: MIT */
/*
 * Boot of the filesystems: their types, the root tmpfs, the initramfs in it, devfs on /dev, devpts in it.
 */
#include "kernel/vfs/internal.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/super.h"

#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/mem/page.h>
#include <kernel/thread/component.h>
#include <kernel/vfs/page_cache.h>

static void unpack_boot_archive(void)
{
	const struct boot_info *boot = boot_info();

	if (boot->initramfs_bytes == 0) {
		log_warn("vfs: the loader gave no initramfs: / is empty");
		return;
	}
	(void)initramfs_unpack(page_window(boot->initramfs_pfn), boot->initramfs_bytes);
	page_adopt_kernel(boot->initramfs_pfn, (boot->initramfs_bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

int vfs_init(void)
{
	static const char *const steps[] = {"dentry cache", "pipes", "flusher", "root", "devfs"};
	int step = 0;

	file_set_hooks(&vfs_file_hooks);
	filesystems_init();
	int error = dentry_cache_init();
	if (error == 0)
		error = (step++, pipe_init());
	if (error == 0)
		error = (step++, flusher_init());
	if (error == 0)
		error = (step++, mount_root("tmpfs", "mode=755"));
	if (error == 0) {
		step++;
		unpack_boot_archive();
		error = vfs_make_at("/dev", S_IFDIR | 0755, 0, nullptr);
		if (error == 0 || error == -EEXIST)
			error = mount_filesystem("devtmpfs", "devtmpfs", "/dev", MS_NOSUID, "");
		if (error == 0)
			error = mount_filesystem("devpts", "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
						 "mode=620,ptmxmode=666");
	}
	if (error != 0)
		log_error("vfs: %s: error %d", steps[step], -error);
	return error;
}
