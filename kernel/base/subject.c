/* SPDX-License-Identifier: MIT */
/* On whose behalf the current thread runs, and what that allows it (kernel/base/subject.h). */
#include <kernel/base/subject.h>
#include <lib/types.h>

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
