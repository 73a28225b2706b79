/* SPDX-License-Identifier: MIT */
/* On whose behalf the current thread runs, and what that allows it (kernel/base/subject.h). */
#include <kernel/base/subject.h>
#include <lib/types.h>

/* However much is allowed, nobody is to think that the sleeper hangs. */
enum : uint64_t { SLACK_MAX_NS = 100'000'000 };

uint64_t process_rlimit(uint32_t which)
{
	const struct subject *p = subject_current();

	if (p == nullptr || which >= ARRAY_LEN(p->rlimits))
		return RLIM_INFINITY;
	return __atomic_load_n(&p->rlimits[which][0], __ATOMIC_RELAXED);
}

bool capable(unsigned capability)
{
	const struct subject *p = subject_current();

	return p == nullptr || (p->cred.cap_effective >> capability & 1);
}

bool subject_must_end(const struct subject *s)
{
	struct thread *exec = __atomic_load_n(&s->exec_thread, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&s->group_exit, __ATOMIC_ACQUIRE) || (exec != nullptr && exec != thread_current());
}

bool signal_fatal_current(void)
{
	const struct subject *s = subject_current();

	return s != nullptr && subject_must_end(s);
}

uint64_t process_slacken(uint64_t deadline_ns)
{
	uint64_t slack = MIN(subject_thread_current()->timer_slack_ns, (uint64_t)SLACK_MAX_NS);

	if (deadline_ns == 0 || slack <= 1 || deadline_ns > INT64_MAX - slack)
		return deadline_ns;
	/* Multiples, so that sleepers who allow it wake together. */
	return (deadline_ns + slack - 1) / slack * slack;
}

static const struct subject_signals *signals;

void subject_set_signals(const struct subject_signals *s)
{
	signals = s;
}

int subject_raise(int signo)
{
	return subject_current() != nullptr ? signals->raise(signo) : 0;
}

void subject_mask_set_temporary(uint64_t mask)
{
	signals->mask_set_temporary(mask);
}

void subject_mask_restore(void)
{
	signals->mask_restore();
}

static bool contains(const struct group_list *g, uint32_t id)
{
	uint32_t low = 0, high = g != nullptr ? g->count : 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (g->ids[middle] == id)
			return true;
		if (g->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool process_in_group(uint32_t gid)
{
	struct subject *p = subject_current();

	mutex_lock(&p->lock);
	bool found = contains(p->cred.groups, gid);
	mutex_unlock(&p->lock);
	return found;
}
