/* SPDX-License-Identifier: MIT */
/* Threads made and ended. The nucleus schedules; this side names, owns and ends them. Their record, and how they wait:
 * kernel/base/thread.h. */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

#include <kernel/base/thread.h>

/* Notes elsewhere who t is, for the case that its page is overwritten: after every change of its component, service,
 * process or tid. Any context. */
void thread_note(struct thread *t);
/* The node of a list whose own pointers were lost is part of it again, or of none, as it was before. The list's lock is
 * held. */
void thread_relink(struct list *head, struct list *node);
/* The thread behind t in a list of threads by the link at this offset; t nullptr: the first. nullptr: there are no
 * more. One whose page was overwritten, and that has not come to mend it yet, is passed over, and its link mended. The
 * list's lock is held. */
struct thread *thread_behind(struct list *head, struct thread *t, size_t link);

/* Creates and starts a kernel thread of a component. -ENOMEM. The thread ends when entry returns.
 */
[[nodiscard]] int kthread_start(struct component *c, const char *name, void (*entry)(void *), void *arg,
				struct thread **out) NOT_ELEVATED;
/*
 * The same for a thread that somebody waits for, or that has something to give back: over(arg) is called in it when
 * entry has returned, and as well when it faulted outside any guard, wherever that was. If over faults it is called
 * again, up to three times in all: each of its steps must bear that, or come after thread_told(). -ENOMEM: then it is
 * not called.
 */
[[nodiscard]] int kthread_start_told(struct component *c, const char *name, void (*entry)(void *), void (*over)(void *),
				     void *arg) NOT_ELEVATED;
/* Of an over function: it is not to be called again. */
void thread_told(void);

/* Makes a thread (page, stack, record) that is not started; for process threads entry is nullptr
 * (it begins by resuming its process context). Used by process code. -ENOMEM. */
[[nodiscard]] int thread_create(const char *name, struct component *c, uint32_t space, void (*entry)(void *), void *arg,
				struct thread **out);
void thread_start(struct thread *t);
/* Stacks of ended threads are kept for others: gives all of them back. No lock held. */
void thread_stacks_drop(void) NOT_ELEVATED;
/* The page and stack are freed once the nucleus has let go of it. Does not return. */
[[noreturn]] void thread_exit(void);

/* Kernel threads ask between two pieces of work whether their component is being stopped, and if so
 * return from entry. They are unparked when that begins. */
bool thread_should_stop(void);

#endif
