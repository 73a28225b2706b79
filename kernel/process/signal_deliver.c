/* SPDX-License-Identifier: MIT */
/*
 * On the way back to a process: page faults and other faults become memory or signals, pending
 * signals become handler frames, stops or the end, and interrupted system calls are made again
 * (POSIX.1-2017 XSH 2.4.3; Linux signal(7) "Interruption of system calls").
 *
 * process_event is called by the upcall entry with nothing held, on the
 * thread's kernel stack. The process's registers are in the nucleus; they are fetched, changed in a
 * copy and set again, because user copies use the call area.
 */
#include "core.h"
#include "event.h"
#include "internal.h"
#include <arch/signal.h>
#include <kernel/base/fail.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <nucleus/calls.h>
#include <nucleus/frame.h>

struct delivery {
	struct process *p;
	struct process_thread *s;
	struct user_regs regs;
	bool handled; /* a handler's frame was made */
};

static uint32_t own_handle(void)
{
	return thread_page_current()->handle;
}

static void fetch_regs(struct user_regs *regs)
{
	if (nucleus_regs_get(own_handle()) != 0)
		process_group_exit(SIGKILL);
	memcpy(regs, call_area(), sizeof(*regs));
}

static void store_regs(const struct user_regs *regs)
{
	memcpy(call_area(), regs, sizeof(*regs));
	if (nucleus_regs_set(own_handle()) != 0)
		process_group_exit(SIGSEGV);
}

/* The interrupted call's fate when a handler runs. */
static void restart_for_handler(struct user_regs *regs, const struct signal_action *a)
{
	if (!arch_regs_in_syscall(regs))
		return;
	switch (arch_regs_result(regs)) {
	case -ERESTARTSYS:
		if (a->flags & SA_RESTART)
			arch_regs_restart(regs);
		else
			arch_regs_set_result(regs, -EINTR);
		break;
	case -ERESTARTNOINTR: arch_regs_restart(regs); break;
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK: arch_regs_set_result(regs, -EINTR); break;
	default: break;
	}
	arch_regs_leave_syscall(regs);
}

static void restart_without_handler(struct user_regs *regs)
{
	if (!arch_regs_in_syscall(regs))
		return;
	switch (arch_regs_result(regs)) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND: arch_regs_restart(regs); break;
	case -ERESTART_RESTARTBLOCK: arch_regs_restart_block(regs); break;
	default: return;
	}
	arch_regs_leave_syscall(regs);
	store_regs(regs);
}

static void die_of(struct delivery *d, int signo, const struct signal_info *info)
{
	if (SIGNALS_SYNCHRONOUS & SIGNAL_BIT(signo) && info->code > 0)
		log_debug("process: %s[%u] dies of signal %d (code %d) at pc 0x%llx address 0x%llx", d->p->name,
			  d->p->pid, signo, info->code, (unsigned long long)arch_regs_pc(&d->regs),
			  (unsigned long long)info->fault.address);
	bool dumped = (SIGNALS_DUMP & SIGNAL_BIT(signo)) && core_dump(d->p, info);
	process_group_exit(signo | (dumped ? STATUS_DUMPED : 0));
}

static void run_handler(struct delivery *d, int signo, const struct signal_action *a, const struct signal_info *info)
{
	struct arch_signal_delivery frame = {.signo = signo, .action = *a, .info = *info};

	FAULT_POINT(signal_handler);
	frame.mask_to_restore = d->s->mask_saved ? d->s->saved_mask : d->s->blocked;
	restart_for_handler(&d->regs, a);
	if (arch_signal_frame(&d->regs, &frame) != 0) {
		if (signo == SIGSEGV)
			die_of(d, signo, info);
		signal_force_current(&(struct signal_info){.signo = SIGSEGV, .code = SI_KERNEL});
		return;
	}
	FAULT_POINT(signal_frame);
	d->s->mask_saved = false;
	d->handled = true;
	signal_set_blocked_current(d->s->blocked | a->mask | (a->flags & SA_NODEFER ? 0 : SIGNAL_BIT(signo)));
	store_regs(&d->regs);
}

static void act_on(struct delivery *d, int signo, const struct signal_action *a, struct signal_info *info)
{
	uint64_t bit = SIGNAL_BIT(signo);

	if (info->code == SI_TIMER)
		posix_timer_delivered(d->p, info);
	if (a->handler == SIG_IGN)
		return;
	if (a->handler != SIG_DFL) {
		run_handler(d, signo, a, info);
		return;
	}
	if ((SIGNALS_DEFAULT_IGNORE & bit) || d->p->unkillable)
		return;
	if (SIGNALS_STOP & bit)
		signal_stop_deliver(d->p, signo);
	else
		die_of(d, signo, info);
}

/* Acts on one thing; false when there is nothing left. */
static bool deliver_one(struct delivery *d)
{
	struct process *p = d->p;
	struct signal_action a = {};
	struct signal_info info;

	spin_lock(&p->signal_lock);
	if (process_must_end(p) || d->s->doomed) {
		int32_t status = p->group_exit ? p->exit_code : 0;
		spin_unlock(&p->signal_lock);
		process_thread_end(status);
	}
	if (d->s->stop_ordered || p->notify_continued) {
		spin_unlock(&p->signal_lock);
		signal_stop_wait(p);
		return true;
	}
	FAULT_POINT(signal_take);
	int signo = signal_dequeue(p, d->s->blocked, &info);
	if (signo == 0) {
		signal_recalculate_current(p);
		signal_unlock(p);
		return false;
	}
	a = signal_action_get(p, signo);
	if ((a.flags & SA_RESETHAND) && a.handler != SIG_IGN && a.handler != SIG_DFL) {
		struct signal_action reset = a;
		reset.handler = SIG_DFL;
		signal_action_set(p, signo, &reset);
	}
	if (SIGNALS_STOP & SIGNAL_BIT(signo))
		p->stop_dequeued = true;
	signal_unlock(p);
	act_on(d, signo, &a, &info);
	return true;
}

void process_deliver_pending(void)
{
	struct delivery d = {.p = process_current(), .s = process_thread_current()};

	FAULT_POINT(signal_pending);
	fetch_regs(&d.regs);
	if (thread_current()->value_result) {
		/* What the call returned is no wish to be called again. */
		thread_current()->value_result = false;
		arch_regs_leave_syscall(&d.regs);
		store_regs(&d.regs);
	}
	while (signal_pending_current()) {
		if (!deliver_one(&d))
			break;
	}
	if (!d.handled)
		restart_without_handler(&d.regs);
	signal_mask_restore();
}

/* Out of memory where nothing can be reported to the process: it dies, and the log says why. */
static void die_out_of_memory(uint64_t address)
{
	struct process *p = process_current();

	/* When the out-of-memory killer chose it, that was said. */
	if (!process_must_end(p))
		log_error("process: %s[%u] killed: out of memory for address 0x%llx", p->name, p->pid,
			  (unsigned long long)address);
	process_group_exit(SIGKILL);
}

/*
 * Whether the instruction at pc can never do what it tries: a page is never writable and executable at once, so one
 * that writes into the page that it is in turns the page from the one to the other and back, for ever. It shows by
 * faults of the same instruction at the same page, a fetch and a write by turns. Who only writes where others execute
 * fetches from elsewhere.
 */
static bool turns_for_ever(struct process_thread *s, uint64_t code, uint64_t address, uint64_t pc)
{
	enum : uint8_t { TURNS_MAX = 8 };
	uint64_t page = align_down(address, PAGE_SIZE);
	bool same = pc == s->turn.pc && page == s->turn.page;

	if (code & FAULT_EXEC) {
		s->turn.fetched = same;
		return false;
	}
	if (!(code & FAULT_WRITE))
		return false;
	s->turn.count = same && s->turn.fetched ? s->turn.count + 1 : 0;
	s->turn.fetched = false;
	s->turn.pc = pc;
	s->turn.page = page;
	return s->turn.count >= TURNS_MAX;
}

static void page_fault(uint64_t code, uint64_t address, uint64_t pc)
{
	struct process *p = process_current();
	struct process_thread *s = process_thread_current();
	struct signal_info info = {.signo = SIGSEGV, .code = SEGV_MAPERR, .fault.address = address};
	bool paused = fail_pause();
	int result = vm_fault(p->space, address, (uint32_t)code);

	fail_resume(paused);

	if (result == 0 && turns_for_ever(s, code, address, pc)) {
		/* Once: its handler may go on trying. */
		if (!s->turn.told)
			log_warn(
				"process: %s[%u]: the instruction at 0x%llx writes into its own page, which is never writable "
				"and executable at once: SIGSEGV",
				p->name, p->pid, (unsigned long long)pc);
		s->turn.told = true;
		result = -EACCES;
	}
	if (result == 0) {
		s->usage.minor_faults++;
		return;
	}
	if (result == -EINTR)
		return;
	if (result == -ENOMEM)
		die_out_of_memory(address);
	if (result == -EACCES)
		info.code = SEGV_ACCERR;
	if (result == -EIO)
		info = (struct signal_info){.signo = SIGBUS, .code = BUS_ADRERR, .fault.address = address};
	uint32_t trap = 0;
	struct signal_info unused;
	arch_fault_signal(EVENT_PAGE_FAULT, code, address, pc, &unused, &trap);
	s->trap_number = trap;
	s->trap_error = code;
	s->trap_address = address;
	signal_force_current(&info);
}

static void handle_event(struct process_thread *s, uint32_t cause, uint64_t code, uint64_t address, uint64_t pc)
{
	struct process *p = process_current();

	if (cause == EVENT_PAGE_FAULT) {
		page_fault(code, address, pc);
		if (!signal_pending_current())
			return;
	} else if (cause != EVENT_PENDING) {
		struct signal_info info = {};
		arch_fault_signal(cause, code, address, pc, &info, &s->trap_number);
		s->trap_error = code;
		signal_force_current(&info);
	}
	/* Before looking: what is sent from now on marks the thread again. Who has just marked it sets the flag under
	 * the lock. */
	(void)nucleus_thread_clear_kick();
	spin_lock(&p->signal_lock);
	spin_unlock(&p->signal_lock);
	process_deliver_pending();
}

void process_event(uint32_t cause, uint64_t code, uint64_t address, uint64_t pc)
{
	struct process_thread *s = process_thread_current();

	s->in_event = true;
	handle_event(s, cause, code, address, pc);
	s->in_event = false;
	s->event_faults = 0;
}
