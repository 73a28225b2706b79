/* SPDX-License-Identifier: MIT */
/* What mount.c, which owns the table, shares with mount_bind.c. */
#ifndef KERNEL_VFS_MOUNT_TABLE_H
#define KERNEL_VFS_MOUNT_TABLE_H

#include <kernel/vfs/vfs.h>

/* What a mount keeps of mount(2)'s flags, and what the superblock. */
enum : uint32_t {
	MOUNT_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME |
		      MS_NOSYMFOLLOW,
	SUPER_FLAGS = MS_RDONLY | MS_LAZYTIME,
};

extern struct mutex mount_change; /* serialises mounting and unmounting */

void mount_note_change(void); /* to who polls /proc/PID/mounts */
/* Takes over the caller's share of sb. nullptr: out of memory, nothing taken. */
struct mount *mount_create(struct superblock *sb, struct dentry *root, const char *source, uint32_t flags);
/* Makes m cover `at` (its references are taken over); the table takes over m's first reference. */
void mount_attach(struct mount *m, const struct path *at) REQUIRES(mount_change);
/* Makes m cover `at`, or what is mounted there by now: -ENOTDIR; -ENOENT if it was removed meanwhile. The caller keeps
 * its references to `at`, which may then be another place. */
[[nodiscard]] int mount_attach_checked(struct mount *m, struct path *at) REQUIRES(mount_change);
/* What is mounted on `parent` with the smallest id above this one, or nullptr. */
struct mount *mount_child_after(const struct mount *parent, uint32_t id) REQUIRES(mount_change);

#endif
