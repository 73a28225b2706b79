/* SPDX-License-Identifier: MIT */
/*
 * Signals (POSIX.1-2017 XSH 2.4; Linux signal(7)): what is pending, handlers, and what other parts of the
 * kernel send. Numbers and structures of programs: abi/signal.h.
 *
 * Pending sets, masks and job-control state of a process and of its threads are guarded by
 * `signal_lock` of the process; handlers by the lock of their struct signal_state, which is taken
 * inside. A thread's `signal_flag` and its kick mark in the nucleus are set together under
 * signal_lock, and cleared together by the thread itself: interruptible sleeps end and the next
 * return to the process comes as EVENT_PENDING.
 * Senders may hold sleeping locks up to RANK_SIGNAL, no spinlock. Senders allocate, so they may
 * sleep.
 */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include <abi/signal.h>
#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <lib/list.h>
#include <lib/types.h>

struct signal_entry {
	struct list link;
	struct signal_info info;
	struct posix_timer *timer; /* the entry is part of this timer */
	bool queued;
};
struct signal_pending {
	uint64_t set;
	struct list queue; /* of struct signal_entry, oldest first */
};

/* Handlers, shared with CLONE_SIGHAND. */
struct signal_state {
	uint32_t refs;
	struct spinlock lock;
	struct signal_action action[SIGNAL_MAX] GUARDED_BY(&lock);
};

struct process;
struct thread;

/* Whether the current thread has a signal (or its end) to handle: signal_pending_current(), kernel/base/wait.h. */

/* info == nullptr: SI_KERNEL. 0 or -EAGAIN (queue full; real-time signals only). */
int signal_send_process_info(struct process *p, int signo, const struct signal_info *info);
/* Synchronous: the current thread gets it even if blocked or ignored (then the default action). */
void signal_force_current(const struct signal_info *info);

/* signalfd and sigtimedwait: takes a pending signal out of mask. Signal number or 0. */
int signal_take_current(uint64_t mask, struct signal_info *out);
/* Pending for the current thread and process, blocked ones included. */
uint64_t signal_pending_set_current(void);
/* Woken when a signal arrives that every thread blocks (signalfd, sigtimedwait). */
struct shared_wait *signal_wait_current(void);
/* As in kernel/base/subject.h. */
void signal_mask_set_temporary(uint64_t mask);
void signal_mask_restore(void);

#endif
