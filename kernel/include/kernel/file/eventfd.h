/* SPDX-License-Identifier: MIT */
/* eventfd(2) for the kernel: telling a process's counter that something is done. */
#ifndef KERNEL_EVENTFD_H
#define KERNEL_EVENTFD_H

struct file;

bool file_is_eventfd(const struct file *f);
/* Adds one to the counter, unless it is full, and wakes who waits. Does not sleep. */
void eventfd_signal(struct file *f);

#endif
