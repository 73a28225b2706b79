/* SPDX-License-Identifier: MIT */
/*
 * The virtual filesystem: inodes, directory entries, mounts, path walks. Filesystems fill in inode_ops and file_ops.
 * The VFS author extends this; what stands here is what others rely on.
 */
#ifndef KERNEL_VFS_H
#define KERNEL_VFS_H

#include <kernel/file.h>

/* Boot: mounts the root tmpfs, unpacks the cpio archive into it, makes /dev, mounts devfs on /dev. */
[[nodiscard]] int vfs_init(void);
[[nodiscard]] int initramfs_unpack(const void *archive, size_t bytes);

/* Character devices: a driver registers a number and operations; devfs shows it under name. */
[[nodiscard]] int chrdev_register(const char *name, uint32_t major, uint32_t minor, uint32_t mode, const struct file_ops *ops, void *private_data);
void chrdev_unregister(uint32_t major, uint32_t minor);
#define MKDEV(major, minor) (((uint64_t)(major) << 8) | (minor))

/* Text files under /proc and so on: show fills a growing buffer; write (or nullptr) gets what a process wrote. */
struct text_buffer;
void text_printf(struct text_buffer *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct proc_file {
	const char *name;		/* below /proc, may contain '/' */
	uint32_t mode;
	int (*show)(struct text_buffer *b, void *arg);
	long (*write)(const char *text, size_t n, void *arg);
	void *arg;
};
/* Static entries; p stays owned by the caller and must live on. Safe before procfs is mounted. */
void proc_register(const struct proc_file *p);
/* /proc/PID entries are made by procfs from kernel/process.h. */

#endif
