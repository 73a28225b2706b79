/* SPDX-License-Identifier: MIT */
/* What the files of the lowest floors share among themselves. */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <kernel/base/init.h>
#include <kernel/thread/component.h>
#include <kernel/thread/thread.h>

DECLARE_COMPONENT(core);

/* thread.c */
extern struct thread *thread_boot;
void thread_init_boot(void); /* the record of the thread that boots */
/* thread_note.c: whether the thread's page is as it should be; and what becomes of one that is not: its struct thread
 * is made anew. */
bool thread_is_whole(const struct thread *t);
void thread_make_whole(struct thread *t);
void thread_relist(struct thread *t); /* it is where it was in its component's list */
void thread_init(void);		      /* starts the reaper */
/* Unparks every thread of the component, so that thread_should_stop() is asked. */
void thread_wake_component(struct component *c);

/* clock.c, log.c, log_file.c, timer.c, random.c, syscall.c, component.c, guard.c, privilege.c */
void clock_init(const struct boot_info *boot);
void log_init(void);
void log_start(void);
int log_file_init(void);  /* needs devfs */
void cmdline_check(void); /* warns of options that nobody knows */
void timer_start(void);
void random_init(const struct boot_info *boot);
void syscall_init(void);
void component_init(void);
void privilege_init(void);

/* context.S: guard_save (kernel/thread/guard.h) returns once more, with 1. */
[[noreturn]] void guard_leave(const uint64_t *context);
/* Forgets the current stack and calls fn, which does not return, at the top of another. */
[[noreturn]] void call_on_stack(uint64_t top, void (*fn)(void));

#endif
