/* SPDX-License-Identifier: MIT */
/* What the files of kernel/file share with each other and with nobody else. */
#ifndef KERNEL_FILE_INTERNAL_H
#define KERNEL_FILE_INTERNAL_H

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/file/file.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>
#include <kernel/thread/guard.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

DECLARE_COMPONENT(vfs);

/* --- file.c --- */
/* A descriptor of f in t is closed. May sleep. */
void file_note_closed(struct file *f, const struct file_table *t);

#endif
