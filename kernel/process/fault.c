/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a process when the kernel faults while it works for it, outside of any guard.
 *
 * The process pays: it is killed, as if by SIGKILL. Not so one that is ending already, whose end goes on with the next
 * step (exit.c); and not PID 1, which the machine cannot do without: its system call fails with EFAULT, an event
 * (a page fault, a signal) is tried again, and where neither can be its program is started anew.
 *
 * Calls that make something of several parts (clone, exec) run under a guard of their own and fail with EFAULT.
 */
#include "event.h"
#include "internal.h"
#include <arch/gates.h>
#include <kernel/base/lock.h>
#include <kernel/base/log.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

constexpr uint8_t EVENT_TRIES = 3, GROUP_EXIT_TRIES = 2;

void process_fault_landed(void)
{
	/* Where it waits is noted on the stack that is about to go. */
	futex_thread_exit();
}

/* Returns only to its program. */
[[noreturn]] static void init_goes_on(struct thread *t)
{
	struct process_thread *s = process_thread_of(t);
	bool storm = t->storm;

	t->storm = false;
	/* Its end, and with it the machine's, was ordered before. */
	if (t->process->group_exit)
		process_thread_end(t->process->exit_code);
	if (s->no_program)
		process_init_anew("its program was being replaced");
	if (storm)
		process_init_anew("a storm of faults");
	signal_mask_restore();
	kick_restore();
	if (!s->in_event) {
		log_error("process: a system call of PID 1 fails with EFAULT: the kernel faulted in it");
		gate_exit(-EFAULT);
	}
	if (++s->event_faults > EVENT_TRIES)
		process_init_anew("the kernel faults whenever it serves it");
	s->in_event = false;
	log_error("process: what the kernel did for PID 1 when it faulted is tried again");
	gate_resume();
}

/* The page of the thread was overwritten, and with it what is this folder's. */
static void rebuild(struct process *p, struct thread *t)
{
	struct process_thread *s = process_thread_of(t);

	process_thread_state_init(t);
	s->rebuilt = true;
	s->no_program = p == init_process;
	spin_lock(&p->signal_lock);
	thread_relink(&p->threads, &t->process_link);
	/* Its end had come so far. */
	s->left = s->exit_begun = list_empty(&t->process_link);
	s->last = s->left && p->thread_count == 0;
	spin_unlock(&p->signal_lock);
	strlcpy(t->name, p->name, sizeof(t->name));
}

void process_fault_exit(void)
{
	struct thread *t = thread_current();
	struct process *p = t->process;
	struct process_thread *s = process_thread_of(t);

	if (t->rebuilt && !s->rebuilt)
		rebuild(p, t);
	process_works_undo();
	if (s->exit_begun)
		process_exit_goes_on();
	if (p == init_process) {
		/* A fault in there is one too many: the record is lost. */
		if (!guard_run_void(&component_process, futex_pi_stop()))
			process_kept_of(t)->pi = nullptr;
		init_goes_on(t);
	}
	log_error("process: %s[%u] is killed: the kernel faulted while it worked for it", p->name, p->pid);
	if (s->fault_exits++ < GROUP_EXIT_TRIES)
		process_group_exit(SIGKILL);
	process_thread_end(SIGKILL);
}
