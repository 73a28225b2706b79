/* SPDX-License-Identifier: MIT */
/*
 * Nucleus calls on the process context of a thread: registers and FPU state. Which registers there are, and what may be
 * in them, is the architecture's (arch/context_calls.c). Lock: the nucleus lock.
 */
#include "cpu.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "sched/sched.h"
#include <abi/errno.h>
#include <lib/string.h>

/* The record if its process context may be looked at: the caller's own, or one that does not run. 0 or an error. */
static long settled_record(uint32_t handle, struct record **r)
{
	*r = record_from_handle(handle);
	if (!*r)
		return -ESRCH;
	return *r != cpu_this()->current && (*r)->state == THREAD_RUNNING ? -EBUSY : 0;
}

long call_regs_get(uint32_t handle)
{
	struct record *r;
	long error;

	NUCLEUS_LOCKED;
	error = settled_record(handle, &r);
	if (error)
		return error;
	if (r == cpu_this()->current)
		arch_tls_store(r);
	arch_regs_get(r, (struct user_regs *)current_thread_page()->call);
	return 0;
}

long call_regs_set(uint32_t handle)
{
	/* Copied first, checked in the nucleus's copy. */
	struct user_regs u = *(const struct user_regs *)current_thread_page()->call;
	struct cpu *cpu = cpu_this();
	struct record *r;
	long error;

	if (!arch_regs_ok(&u))
		return -EINVAL;
	NUCLEUS_LOCKED;
	error = settled_record(handle, &r);
	if (error)
		return error;
	arch_regs_set(r, &u);
	r->full_restore = true;
	if (r == cpu->current) {
		__atomic_or_fetch(&cpu->exit_work, WORK_FULL_RESTORE, __ATOMIC_RELAXED);
		arch_tls_load(r);
	}
	return 0;
}

long call_fpu_get(void)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;

	NUCLEUS_LOCKED;
	if (cpu->fpu_owner == r)
		fpu_store(r->fpu);
	memcpy(current_thread_page()->call, r->fpu, cpu_features.fpu_bytes);
	return cpu_features.fpu_bytes;
}

long call_fpu_set(uint32_t handle, uint32_t size)
{
	unsigned char state[CALL_AREA_BYTES];
	struct record *r;
	long error;

	if (size && size != cpu_features.fpu_bytes)
		return -EINVAL;
	/* Copied first, checked in the nucleus's copy. */
	if (size) {
		memcpy(state, current_thread_page()->call, size);
		if (!arch_fpu_ok(state))
			return -EINVAL;
	}
	NUCLEUS_LOCKED;
	error = settled_record(handle, &r);
	if (error)
		return error;
	if (size)
		memcpy(r->fpu, state, size);
	else
		fpu_reset(r);
	/* What a CPU may still have of it is old. */
	r->fpu_cpu = nullptr;
	if (r == cpu_this()->current)
		fpu_take(cpu_this(), r);
	return 0;
}
