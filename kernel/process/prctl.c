/* SPDX-License-Identifier: MIT */
/* prctl(2) as far as it applies here, and personality(2). What is unknown is EINVAL and counted. */
#include "internal.h"
#include "seccomp.h"
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <nucleus/calls.h>

enum prctl_option : int {
	PR_SET_PDEATHSIG = 1,
	PR_GET_PDEATHSIG = 2,
	PR_GET_DUMPABLE = 3,
	PR_SET_DUMPABLE = 4,
	PR_GET_KEEPCAPS = 7,
	PR_SET_KEEPCAPS = 8,
	PR_GET_TIMING = 13,
	PR_SET_TIMING = 14,
	PR_SET_NAME = 15,
	PR_GET_NAME = 16,
	PR_GET_SECCOMP = 21,
	PR_SET_SECCOMP = 22,
	PR_CAPBSET_READ = 23,
	PR_CAPBSET_DROP = 24,
	PR_GET_TSC = 25,
	PR_GET_SECUREBITS = 27,
	PR_SET_SECUREBITS = 28,
	PR_SET_TIMERSLACK = 29,
	PR_GET_TIMERSLACK = 30,
	PR_SET_CHILD_SUBREAPER = 36,
	PR_GET_CHILD_SUBREAPER = 37,
	PR_SET_NO_NEW_PRIVS = 38,
	PR_GET_NO_NEW_PRIVS = 39,
	PR_GET_TID_ADDRESS = 40,
	PR_CAP_AMBIENT = 47,
};
enum : uint64_t { AMBIENT_IS_SET = 1, AMBIENT_RAISE = 2, AMBIENT_LOWER = 3, AMBIENT_CLEAR_ALL = 4 };

static long set_name(user_addr at)
{
	struct thread *t = thread_current();
	struct process *p = t->process;
	char name[16] = {};

	/* Longer names are cut; a terminator within the first 15 bytes is enough. */
	long n = copy_string_from_user(name, at, sizeof(name));
	if (n == -EFAULT)
		return -EFAULT;
	name[sizeof(name) - 1] = '\0';
	spin_lock(&p->signal_lock);
	memcpy(t->name, name, sizeof(name));
	spin_unlock(&p->signal_lock);
	if (t->tid == p->pid)
		process_set_name(p, name);
	process_publish_name(t);
	return 0;
}

static long get_name(user_addr at)
{
	return copy_to_user(at, thread_current()->name, sizeof(thread_current()->name));
}

static long drop_bounding(uint64_t capability)
{
	struct process *p = process_current();

	if (!capable(CAP_SETPCAP))
		return -EPERM;
	if (capability > CAP_LAST)
		return -EINVAL;
	mutex_lock(&p->lock);
	p->cred.cap_bounding &= ~(UINT64_C(1) << capability);
	mutex_unlock(&p->lock);
	return 0;
}

static long set_securebits(uint64_t bits)
{
	struct process *p = process_current();
	long error = -EPERM;

	mutex_lock(&p->lock);
	uint8_t old = p->cred.securebits;
	bool locked = ((old & SECURE_LOCKS) >> 1) & (old ^ bits);
	bool unlocks = old & SECURE_LOCKS & ~bits;
	if (!locked && !unlocks && (bits & ~(uint64_t)(SECURE_BITS | SECURE_LOCKS)) == 0 && capable(CAP_SETPCAP)) {
		p->cred.securebits = (uint8_t)bits;
		error = 0;
	}
	mutex_unlock(&p->lock);
	return error;
}

static long set_keep_caps(uint64_t keep)
{
	struct process *p = process_current();
	long error = 0;

	if (keep > 1)
		return -EINVAL;
	mutex_lock(&p->lock);
	if (p->cred.securebits & (SECURE_KEEP_CAPS << 1))
		error = -EPERM;
	else if (keep)
		p->cred.securebits |= SECURE_KEEP_CAPS;
	else
		p->cred.securebits &= ~SECURE_KEEP_CAPS;
	mutex_unlock(&p->lock);
	return error;
}

static long ambient(uint64_t operation, uint64_t capability)
{
	struct process *p = process_current();
	struct credentials *c = &p->cred;
	uint64_t bit = UINT64_C(1) << (capability & 63);
	long result = 0;

	if (capability > CAP_LAST || (operation == AMBIENT_CLEAR_ALL && capability != 0))
		return -EINVAL;
	mutex_lock(&p->lock);
	switch (operation) {
	case AMBIENT_IS_SET: result = (c->cap_ambient & bit) != 0; break;
	case AMBIENT_RAISE:
		if ((c->cap_permitted & c->cap_inheritable & bit) && !(c->securebits & SECURE_NO_AMBIENT_RAISE))
			c->cap_ambient |= bit;
		else
			result = -EPERM;
		break;
	case AMBIENT_LOWER: c->cap_ambient &= ~bit; break;
	case AMBIENT_CLEAR_ALL: c->cap_ambient = 0; break;
	default: result = -EINVAL; break;
	}
	mutex_unlock(&p->lock);
	return result;
}

static long get_number(int option, uint64_t a, uint64_t others)
{
	struct process *p = process_current();
	struct process_thread *s = process_thread_current();
	int32_t value;

	switch (option) {
	case PR_GET_PDEATHSIG: value = (int32_t)s->parent_death_signal; return put_user(USER_ADDR(a), value);
	case PR_GET_CHILD_SUBREAPER: value = p->child_subreaper; return put_user(USER_ADDR(a), value);
	case PR_GET_TID_ADDRESS: return put_user(USER_ADDR(a), s->clear_child_tid);
	case PR_GET_DUMPABLE: return p->dumpable;
	case PR_GET_KEEPCAPS: return (p->cred.securebits & SECURE_KEEP_CAPS) != 0;
	case PR_GET_SECUREBITS: return p->cred.securebits;
	case PR_GET_NO_NEW_PRIVS: return a != 0 || others != 0 ? -EINVAL : p->cred.no_new_privs;
	case PR_GET_TIMERSLACK: return syscall_value((long)s->timer_slack_ns);
	case PR_CAPBSET_READ: return a > CAP_LAST ? -EINVAL : (long)(p->cred.cap_bounding >> a & 1);
	case PR_GET_TIMING: return 0;
	case PR_GET_SECCOMP: return s->seccomp_mode;
	default: return syscall_refuse_flags(NR_prctl, (uint64_t)option);
	}
}

static long sys_prctl(int option, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct process *p = process_current();
	struct process_thread *s = process_thread_current();

	switch (option) {
	case PR_SET_NAME: return set_name(USER_ADDR(a));
	case PR_GET_NAME: return get_name(USER_ADDR(a));
	case PR_SET_PDEATHSIG:
		if (a > SIGNAL_MAX)
			return -EINVAL;
		s->parent_death_signal = (uint32_t)a;
		return 0;
	case PR_SET_DUMPABLE:
		if (a > 1)
			return -EINVAL;
		p->dumpable = a != 0 ? DUMPABLE_BY_OWNER : DUMPABLE_NOT;
		return 0;
	case PR_SET_KEEPCAPS: return set_keep_caps(a);
	case PR_SET_SECUREBITS: return set_securebits(a);
	case PR_SET_CHILD_SUBREAPER: p->child_subreaper = a != 0; return 0;
	case PR_SET_NO_NEW_PRIVS:
		if (a != 1 || b != 0 || c != 0 || d != 0)
			return -EINVAL;
		p->cred.no_new_privs = true;
		return 0;
	case PR_SET_SECCOMP: return seccomp_set_mode(a, USER_ADDR(b));
	case PR_SET_TIMERSLACK: s->timer_slack_ns = a != 0 ? a : s->default_slack_ns; return 0;
	case PR_SET_TIMING: return a == 0 ? 0 : syscall_refuse_flags(NR_prctl, (uint64_t)option);
	case PR_CAPBSET_DROP: return drop_bounding(a);
	case PR_CAP_AMBIENT: return c != 0 || d != 0 ? -EINVAL : ambient(a, b);
	default: return get_number(option, a, b | c | d);
	}
}
SYSCALL(prctl);

enum : uint32_t { PER_QUERY = 0xffffffff };

static long sys_personality(uint32_t persona)
{
	struct process *p = process_current();
	uint32_t old = p->personality;

	if (persona == PER_QUERY)
		return old;
	if (persona & ~(uint32_t)(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC))
		return syscall_refuse_flags(NR_personality, persona);
	p->personality = persona;
	return old;
}
SYSCALL(personality);
