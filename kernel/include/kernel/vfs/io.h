/* SPDX-License-Identifier: MIT */
/* Reads and writes by the flags of preadv2(2), for who brings the buffer (kernel/aio). */
#ifndef KERNEL_VFS_IO_H
#define KERNEL_VFS_IO_H

#include <kernel/file/file.h>

/* Whether f can be read or written at all, and so; *how becomes what the buffer is to say. -EBADF, -EINVAL,
 * -EOPNOTSUPP.
 */
[[nodiscard]] int file_io_check(const struct file *f, uint32_t rw_flags, bool write, uint32_t *how);
/* n bytes at pos (of a file without positions it means nothing): how many, or an error. May sleep. */
long file_io_at(struct file *f, struct io_buffer *buf, size_t n, uint64_t pos, uint32_t rw_flags, bool write);

#endif
