/* SPDX-License-Identifier: MIT */
/* What the files of this floor share among themselves and with boot (kernel/start/core.c). */
#ifndef THREAD_CORE_H
#define THREAD_CORE_H

#include <kernel/base/init.h>
#include <kernel/thread/component.h>
#include <kernel/thread/thread.h>

DECLARE_COMPONENT(core);

extern struct thread *thread_boot;
void thread_init_boot(void); /* the record of the thread that boots */
/* thread_note.c: whether the thread's page is as it should be; and what becomes of one that is not: its struct thread
 * is made anew. */
bool thread_is_whole(const struct thread *t);
bool thread_holds(const struct thread *t, const void *p); /* in its page or on its stack */
void thread_make_whole(struct thread *t);
void thread_relist(struct thread *t); /* it is where it was in its component's list */
void thread_init(void);		      /* starts the reaper */
/* Unparks every thread of the component, so that thread_should_stop() is asked. */
void thread_wake_component(struct component *c);
void timer_start(void);
void component_init(void);
/* component_reset.c: keeps what its data are before it has started; and resets them, once it has stopped, if nobody is
 * inside or leads there. The component thread. */
void component_keep_image(struct component *c);
void component_reset(struct component *c);
void log_start(void); /* from here on a thread of its own prints the log */
/* Starts a thread that gathers timing jitter, after which random numbers count as seeded. -ENOMEM. */
[[nodiscard]] int random_gather(void);

/* context.S: guard_save (kernel/thread/guard.h) returns once more, with 1. */
[[noreturn]] void guard_leave(const uint64_t *context);
/* Forgets the current stack and calls fn, which does not return, at the top of another. */
[[noreturn]] void call_on_stack(uint64_t top, void (*fn)(void));

#endif
