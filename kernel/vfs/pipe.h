/* SPDX-License-Identifier: MIT */
/* Pipes and fifos: what fcntl, splice and stat need of them. */
#ifndef KERNEL_VFS_PIPE_H
#define KERNEL_VFS_PIPE_H

#include <kernel/vfs.h>

[[nodiscard]] int pipe_init(void);
long pipe_get_size(struct file *f);			/* -EBADF: not a pipe */
long pipe_set_size(struct file *f, uint64_t bytes);

#endif
