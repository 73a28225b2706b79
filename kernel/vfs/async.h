/* SPDX-License-Identifier: MIT */
/* Owners of files (kernel/vfs/async.h): the part of fcntl(2) and ioctl(2), and of the last close. */
#ifndef KERNEL_VFS_ASYNC_H
#define KERNEL_VFS_ASYNC_H

#include <kernel/vfs/async.h>
#include <kernel/vfs/file.h>

/* O_ASYNC on or off, asked for through descriptor fd. A file that cannot tell stays without it. -ENOMEM. */
[[nodiscard]] int async_set(int fd, struct file *f, bool on);
/* F_SETOWN, F_GETOWN, F_SETOWN_EX, F_GETOWN_EX, F_SETSIG, F_GETSIG. -EINVAL: none of them. */
long async_command(struct file *f, uint32_t command, uint64_t arg);
/* Before the file is released. */
void async_forget(struct file *f);

#endif
