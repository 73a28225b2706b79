/* SPDX-License-Identifier: MIT */
/* The current process's descriptors, as the system calls change them. */
#ifndef KERNEL_FILE_TABLE_H
#define KERNEL_FILE_TABLE_H

#include <kernel/file/file.h>

int file_close(int fd); /* -EBADF */
/* Puts f (its reference is taken over) at fd; what was there comes out, for file_close_replaced. Descriptor or error:
 * -EBADF, -EMFILE, -ENOMEM, -EBUSY (reserved by another thread). */
int file_replace(struct file *f, uint32_t fd, bool close_on_exec, struct file **replaced);
void file_close_replaced(struct file *f);
bool file_is_at(const struct file *f, int fd);
bool file_get_cloexec(int fd);
void file_set_cloexec(int fd, bool on);
const void *file_lock_owner(void); /* who owns this process's record locks */

#endif
