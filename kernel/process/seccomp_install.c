/* SPDX-License-Identifier: MIT */
/* seccomp(2), and prctl(2)'s way to the same: a thread, or with TSYNC all of its process, gets a mode or one filter
 * more. There is no way back. User notification is refused: no filter has a listener. */
#include "internal.h"
#include "seccomp.h"

#include <kernel/base/node.h>
#include <kernel/base/syscall.h>
#include <kernel/mem/text.h>
#include <kernel/vm/user.h>
#include <lib/seccomp.h>

enum : uint32_t { TOTAL_MOST = 32768, EACH_MORE = 4 }; /* instructions of all filters of a thread; each costs so many */
enum : uint64_t {
	FLAGS = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW |
		SECCOMP_FILTER_FLAG_TSYNC_ESRCH
};

/* Actions that filters may ask for; what has no meaning here is not among them. */
static const struct {
	uint32_t action;
	const char *name;
} actions[] = {
	{SECCOMP_RET_KILL_PROCESS, "kill_process"},
	{SECCOMP_RET_KILL_THREAD, "kill_thread"},
	{SECCOMP_RET_TRAP, "trap"},
	{SECCOMP_RET_ERRNO, "errno"},
	{SECCOMP_RET_TRACE, "trace"},
	{SECCOMP_RET_LOG, "log"},
	{SECCOMP_RET_ALLOW, "allow"},
};

static void set_mode(struct process_thread *s, uint8_t mode, struct seccomp_filter *f)
{
	if (s->seccomp_mode == SECCOMP_MODE_DISABLED)
		seccomp_count(true);
	__atomic_store_n(&s->filters, f, __ATOMIC_RELEASE);
	__atomic_store_n(&s->seccomp_mode, mode, __ATOMIC_RELEASE);
}

static long set_strict(void)
{
	struct process *p = process_current();
	struct process_thread *s = process_thread_current();

	spin_lock(&p->signal_lock);
	bool allowed = s->seccomp_mode != SECCOMP_MODE_FILTER;
	if (allowed)
		set_mode(s, SECCOMP_MODE_STRICT, nullptr);
	spin_unlock(&p->signal_lock);
	return allowed ? 0 : -EINVAL;
}

/* Whether all that it may not call the caller may not call either. */
static bool may_follow(const struct process_thread *s, const struct seccomp_filter *callers)
{
	if (s->seccomp_mode != SECCOMP_MODE_FILTER)
		return s->seccomp_mode == SECCOMP_MODE_DISABLED;
	while (callers != nullptr && callers != s->filters)
		callers = callers->before;
	return callers != nullptr;
}

/* The first thread that cannot have the caller's filters, or 0. */
static uint32_t who_cannot_follow(struct process *p, const struct process_thread *own) REQUIRES(p -> signal_lock)
{
	struct thread *t;

	for_each_thread(t, p) {
		const struct process_thread *s = process_thread_of(t);

		if (s != own && !s->exiting && !may_follow(s, own->filters))
			return t->tid;
	}
	return 0;
}

/* What the thread had is among what f stands on: its reference is never the last. */
static void follow(struct process_thread *s, struct seccomp_filter *f)
{
	struct seccomp_filter *had = s->filters;

	__atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
	set_mode(s, SECCOMP_MODE_FILTER, f);
	if (had != nullptr)
		__atomic_fetch_sub(&had->refs, 1, __ATOMIC_RELEASE);
}

static void all_follow(struct process *p, const struct process_thread *own) REQUIRES(p -> signal_lock)
{
	struct thread *t;

	for_each_thread(t, p) {
		struct process_thread *s = process_thread_of(t);

		if (s != own && !s->exiting)
			follow(s, own->filters);
	}
}

/* f stands before what the thread has. */
static int put_before(struct seccomp_filter *f, struct process_thread *s)
{
	struct seccomp_filter *before = s->filters;

	if (s->seccomp_mode == SECCOMP_MODE_STRICT)
		return -EINVAL;
	f->total = f->count + EACH_MORE + (before != nullptr ? before->total : 0);
	f->depth = 1 + (before != nullptr ? before->depth : 0);
	if (f->total - EACH_MORE > TOTAL_MOST)
		return -ENOMEM;
	f->looks_at_pc |= before != nullptr && before->looks_at_pc;
	return 0;
}

static long set_filter(uint64_t flags, user_addr program)
{
	struct process *p = process_current();
	struct process_thread *s = process_thread_current();
	struct seccomp_filter *f;

	if (flags & ~(uint64_t)FLAGS)
		return syscall_refuse_flags(NR_seccomp, flags);
	long error = seccomp_filter_read(program, &f);
	if (error != 0)
		return error;
	f->log = flags & SECCOMP_FILTER_FLAG_LOG;
	spin_lock(&p->signal_lock);
	error = put_before(f, s);
	if (error == 0 && (flags & SECCOMP_FILTER_FLAG_TSYNC)) {
		error = who_cannot_follow(p, s);
		if (error != 0 && (flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH))
			error = -ESRCH;
	}
	if (error == 0) {
		f->before = s->filters; /* the thread's reference is f's now */
		set_mode(s, SECCOMP_MODE_FILTER, f);
		if (flags & SECCOMP_FILTER_FLAG_TSYNC)
			all_follow(p, s);
		f = nullptr;
	}
	spin_unlock(&p->signal_lock);
	seccomp_filter_put(f);
	return error;
}

static long action_available(uint64_t flags, user_addr at)
{
	uint32_t action;

	if (flags != 0)
		return -EINVAL;
	if (get_user(action, at) != 0)
		return -EFAULT;
	for (size_t n = 0; n < ARRAY_LEN(actions); n++) {
		if (actions[n].action == action)
			return 0;
	}
	return -EOPNOTSUPP;
}

static long sys_seccomp(uint32_t operation, uint32_t flags, user_addr at)
{
	switch (operation) {
	case SECCOMP_SET_MODE_STRICT: return flags != 0 || at.value != 0 ? -EINVAL : set_strict();
	case SECCOMP_SET_MODE_FILTER: return set_filter(flags, at);
	case SECCOMP_GET_ACTION_AVAIL: return action_available(flags, at);
	default: return syscall_refuse_flags(NR_seccomp, operation);
	}
}
SYSCALL(seccomp);

long seccomp_set_mode(uint64_t mode, user_addr program)
{
	switch (mode) {
	case SECCOMP_MODE_STRICT: return set_strict();
	case SECCOMP_MODE_FILTER: return set_filter(0, program);
	default: return -EINVAL;
	}
}

static int show_actions(struct text_buffer *b, void *)
{
	for (size_t n = 0; n < ARRAY_LEN(actions); n++)
		text_printf(b, "%s%s", n > 0 ? " " : "", actions[n].name);
	text_printf(b, "\n");
	return 0;
}
PROC_FILE(seccomp_actions, .component = &component_process, .name = "sys/kernel/seccomp/actions_avail", .mode = 0444,
	  .show = show_actions);
