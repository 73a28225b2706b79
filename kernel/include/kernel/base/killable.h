/* SPDX-License-Identifier: MIT */
/* Waits that the end of the current thread ends, and no other signal. Threads of the kernel wait for the condition. */
#ifndef KERNEL_KILLABLE_H
#define KERNEL_KILLABLE_H

#include <kernel/base/subject.h>
#include <kernel/base/wait.h>

/* For a loop that parks interruptibly and is left only on signal_fatal_current(): forgets / restores the kick mark. */
void kick_forget(void);
void kick_restore(void);
/* 0, or -EINTR: the thread is to end. */
#define wait_event_killable(q, cond)                                                                                   \
	({                                                                                                             \
		struct waiter waiter_;                                                                                 \
		int result_ = 0;                                                                                       \
		wait_add((q), &waiter_);                                                                               \
		while (!(cond)) {                                                                                      \
			if (signal_fatal_current()) {                                                                  \
				result_ = -EINTR;                                                                      \
				break;                                                                                 \
			}                                                                                              \
			if (thread_park_interruptible(0) == -EINTR)                                                    \
				kick_forget();                                                                         \
		}                                                                                                      \
		wait_remove(&waiter_);                                                                                 \
		kick_restore();                                                                                        \
		result_;                                                                                               \
	})

#endif
