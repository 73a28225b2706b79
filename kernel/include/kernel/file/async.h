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
struct signal_info;

/* Whom the signals of a file go to. The kinds are those of fcntl's F_SETOWN_EX. */
enum : uint8_t { SIGNAL_OWNER_THREAD = 0, SIGNAL_OWNER_PROCESS = 1, SIGNAL_OWNER_GROUP = 2 };
struct signal_owner {
	uint32_t id; /* 0: nobody */
	uint8_t kind;
	uint32_t uid, euid; /* of who decided so */
	uint64_t born_ns;
};
/* Who finds and signals them: the floor of processes, set once, at boot. */
struct async_signals {
	/* The current process decides. -ESRCH. */
	int (*set)(struct signal_owner *o, uint32_t kind, uint32_t id);
	/* 0: it is no more. */
	uint32_t (*id)(const struct signal_owner *o);
	/* 0, also if nobody may get it; -EAGAIN: the queue is full. info == nullptr: SI_KERNEL. */
	int (*send)(const struct signal_owner *o, int signo, const struct signal_info *info);
};
void async_set_signals(const struct async_signals *s);

struct async_list {
	struct list files;
	uint32_t group; /* process group that gets the signals of files without an owner; 0: who asks for them */
};
void async_list_init(struct async_list *l);
/* Sends to the owners of those files that are open in one of the modes (FILE_READ, FILE_WRITE). code: POLL_IN,
 * POLL_OUT. May sleep; locks below RANK_ASYNC only. */
void async_notify(struct async_list *l, int code, uint32_t modes);
/* Something urgent came for the file: SIGURG to its owner, also without O_ASYNC. As async_notify; the caller keeps the
 * file from going. */
void async_urgent(struct file *f);
/* Nobody is in the list afterwards: the files lose O_ASYNC. May sleep. */
void async_clear(struct async_list *l);

/* --- of one file: fcntl(2), ioctl(2), the last close --- */
/* O_ASYNC on or off, asked for through descriptor fd. A file that cannot tell stays without it. -ENOMEM. */
[[nodiscard]] int async_set(int fd, struct file *f, bool on);
/* F_SETOWN, F_GETOWN, F_SETOWN_EX, F_GETOWN_EX, F_SETSIG, F_GETSIG. -EINVAL: none of them. */
long async_command(struct file *f, uint32_t command, uint64_t arg);
/* Before the file is released. */
void async_forget(struct file *f);

#endif
