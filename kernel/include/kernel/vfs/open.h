/* SPDX-License-Identifier: MIT */
/* Opening by name or inode, files without a name, and what a file's name is. */
#ifndef KERNEL_VFS_OPEN_H
#define KERNEL_VFS_OPEN_H

#include <kernel/file/file.h>

/* A regular file in memory without a name (shared anonymous memory, memfd), O_RDWR, of that size. One reference.
 * kernel/fs/tmpfs. */
[[nodiscard]] int file_create_memory(const char *label, uint64_t size, struct file **out);
/* An anonymous pipe: the end to read and the one to write, of which O_NONBLOCK and O_DIRECT are in flags. -ENOMEM,
 * -ENFILE. */
[[nodiscard]] int file_create_pipe(uint32_t flags, struct file *ends[2]);
/* A path that leads to an anonymous pipe, for /proc/PID/fd. -ENXIO: not a pipe. */
[[nodiscard]] int pipe_path(struct file *f, struct path *out);
/* Opens a file in the root of a type of filesystem that has one instance, wherever it is mounted. -ENODEV: there is no
 * such type. */
[[nodiscard]] int file_open_single(const char *type, const char *name, uint32_t flags, struct file **out);
/* Opens a name in the root of such a type, mounted or not, as the current process; with O_CREAT it is made if need be,
 * of that mode less the umask, and `wanted` goes to inode_ops.make. Of flags only O_ACCMODE, O_CREAT, O_EXCL and
 * O_NONBLOCK. -ENODEV, -ENOENT, -EEXIST, -EACCES, -ENAMETOOLONG, what make gives. */
[[nodiscard]] int file_open_below(const char *type, const char *name, uint32_t flags, uint32_t mode, const void *wanted,
				  struct file **out);
/* Removes such a name as unlink(2) does. */
[[nodiscard]] int path_remove_below(const char *type, const char *name);
/* Opens by path for the kernel itself. */
[[nodiscard]] int file_open_path(const char *path, uint32_t flags, uint32_t mode, struct file **out);
/* Makes a node of that type and mode, less the umask, for the current process: what its path then names, with
 * references. -EEXIST, and what mknod(2) gives. */
[[nodiscard]] int path_make_node(const char *path, uint32_t mode, struct path *out);
/* Opens what path names, following no more links; permissions as the current process's. */
[[nodiscard]] int file_open_at(const struct path *path, uint32_t flags, struct file **out);
/* Reads at a position into kernel memory; bytes or error. */
long file_read_at(struct file *f, void *dst, size_t n, uint64_t pos);
long file_write_at(struct file *f, const void *src, size_t n, uint64_t pos);
/* lseek for files whose size is inode->size. */
long file_seek_generic(struct file *f, int64_t offset, int whence);
/* What F_GETFL and fdinfo tell of the file's flags: O_LARGEFILE where a name, or memory alone, was opened as a file. */
uint32_t file_shown_flags(const struct file *f);
/* For reading by the kernel on behalf of a process that may execute it, whether or not it may read it. -EACCES,
 * -ETXTBSY. */
[[nodiscard]] int file_open_exec(const struct path *path, struct file **out);
/* 0 if the current process may execute it. */
[[nodiscard]] int file_check_exec(struct file *f);
/* Absolute path within the process's root; length or -ENAMETOOLONG. */
long path_format(const struct path *p, char *out, size_t size);
void path_get(const struct path *p);
void path_put(const struct path *p);
/* What /proc/PID/fd/N and maps show: a path, or pipe:[17]. Length or -ENAMETOOLONG. */
long file_describe(struct file *f, char *out, size_t size);

#endif
