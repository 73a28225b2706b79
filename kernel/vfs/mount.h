/* SPDX-License-Identifier: MIT */
/* The mount table's operations, as boot and the mount system calls use them. Paths are borrowed. */
#ifndef KERNEL_VFS_MOUNT_H
#define KERNEL_VFS_MOUNT_H

#include <kernel/vfs/vfs.h>

[[nodiscard]] int mount_root(const char *type, const char *data);
[[nodiscard]] int mount_at(struct path *at, const char *type, const char *source, uint32_t flags, const char *data);
[[nodiscard]] int mount_bind(const char *from_path, struct path *at, bool recursive);
/* Where the root of a filesystem that has one instance is mounted, with a reference; nullptr: nowhere. */
struct mount *mount_of_single(struct filesystem *fs);
[[nodiscard]] int mount_move(const struct path *from, struct path *at);
[[nodiscard]] int mount_remount(struct path *at, uint32_t flags, bool bind, const char *data);
[[nodiscard]] int mount_detach_path(struct path *p, uint32_t flags);
[[nodiscard]] int mount_pivot(struct path *new_root, struct path *put_old, const struct path *old_root);

#endif
