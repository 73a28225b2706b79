/* SPDX-License-Identifier: MIT */
/*
 * What a thread may call (seccomp(2)): nothing but read, write, exit and rt_sigreturn, or what its filters let pass.
 *
 * A filter never changes, and has a reference to the one before it; all threads that descend from who installed one
 * share it. A thread's mode and filters change under its process's signal_lock: by itself, and, with TSYNC, by another
 * of its threads. It reads them itself without.
 */
#ifndef PROCESS_SECCOMP_H
#define PROCESS_SECCOMP_H

#include <abi/filter.h>
#include <abi/seccomp.h>
#include <kernel/process/process.h>

/* --- seccomp.c --- */
/* Whether the current thread may make the call; if not, what it gets instead. It may end here. */
[[nodiscard]] bool seccomp_allows(const uint64_t arguments[6], uint64_t number, long *result);

/* --- seccomp_install.c --- */
/* prctl(PR_SET_SECCOMP, mode, program). */
[[nodiscard]] long seccomp_set_mode(uint64_t mode, user_addr program);

/* --- seccomp_filter.c --- */
struct seccomp_filter {
	uint32_t refs;		       /* atomic */
	uint32_t depth;		       /* filters, this one included */
	uint32_t total;		       /* instructions of all, as they are counted */
	bool looks_at_pc;	       /* this one, or one before */
	bool log;		       /* SECCOMP_FILTER_FLAG_LOG */
	struct seccomp_filter *before; /* a reference; nullptr: it is the first */
	uint32_t count;
	struct sock_filter program[];
};
/* The process's program, checked, with one reference; it stands before none yet. -EINVAL, -EFAULT, -EACCES, -ENOMEM. */
[[nodiscard]] int seccomp_filter_read(user_addr program, struct seccomp_filter **out);
void seccomp_filter_put(struct seccomp_filter *f); /* nullptr is fine */
/* A thread has its first filter, or mode, from now on; it has none any more. No lock above RANK_SIGNAL. */
void seccomp_count(bool more);
/* What a new thread has of the current one. from's process's signal_lock is held, or its thread is the only one. */
void seccomp_share(struct process_thread *to, const struct process_thread *from);
/* It ends, and nobody sees it any more. */
void seccomp_leave(struct process_thread *s);

#endif
