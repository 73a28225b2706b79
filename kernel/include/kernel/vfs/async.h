/* SPDX-License-Identifier: MIT */
/*
 * Signals when a file becomes ready (fcntl(2), "Managing signals": O_ASYNC, F_SETOWN, F_SETSIG). What files read from
 * and write to (a pipe, a terminal) has a list of the files that asked; struct file_ops.async names it, and whoever
 * makes the thing readable or writable calls async_notify.
 *
 * One mutex (RANK_ASYNC) guards all lists and owners; a list that nobody is in costs one load.
 */
#ifndef KERNEL_ASYNC_H
#define KERNEL_ASYNC_H

#include <lib/list.h>
#include <lib/types.h>

struct file;

struct async_list {
	struct list files;
	uint32_t group; /* process group that gets the signals of files without an owner; 0: who asks for them */
};
void async_list_init(struct async_list *l);
/* Sends to the owners of those files that are open in one of the modes (FILE_READ, FILE_WRITE). code: POLL_IN,
 * POLL_OUT. May sleep; locks below RANK_ASYNC only. */
void async_notify(struct async_list *l, int code, uint32_t modes);
/* Nobody is in the list afterwards: the files lose O_ASYNC. May sleep. */
void async_clear(struct async_list *l);

#endif
