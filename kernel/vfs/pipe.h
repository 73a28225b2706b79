/* SPDX-License-Identifier: MIT */
/* Pipes and fifos: what fcntl, splice and stat need of them. */
#ifndef KERNEL_VFS_PIPE_H
#define KERNEL_VFS_PIPE_H

#include <kernel/vfs/vfs.h>

[[nodiscard]] int pipe_init(void);
/* A path that leads to an anonymous pipe, for /proc/PID/fd. -ENXIO: not a pipe. */
[[nodiscard]] int pipe_path(struct file *f, struct path *out);
long pipe_get_size(struct file *f); /* -EBADF: not a pipe */
long pipe_set_size(struct file *f, uint64_t bytes);
/* Bytes that a write will take at once, after waiting for some as f's flags and nowait say; much for what is no pipe.
 * -EAGAIN, -ERESTARTSYS. */
[[nodiscard]] long pipe_wait_room(struct file *f, bool nowait);
bool pipe_has_bytes(struct file *f); /* f is a pipe's end */

#endif
