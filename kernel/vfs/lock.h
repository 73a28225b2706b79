/* SPDX-License-Identifier: MIT */
/* Advisory locks, as fcntl(2) reaches them. */
#ifndef KERNEL_VFS_LOCK_H
#define KERNEL_VFS_LOCK_H

#include <kernel/file/file.h>

/* F_GETLK, F_SETLK, F_SETLKW and their F_OFD_ forms on the file at fd; at: struct flock. */
long file_lock_command(int fd, struct file *f, uint32_t command, user_addr at);

#endif
