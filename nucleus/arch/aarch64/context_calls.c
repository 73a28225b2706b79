/* SPDX-License-Identifier: MIT */
/* Nucleus calls on the process context of a thread: registers, FPU state, thread pointer. Lock: the nucleus lock. */
#include "cpu.h"
#include "gate/calls.h"
#include "gate/lock.h"
#include "regs.h"
#include "sched/sched.h"
#include "switch.h"
#include <abi/errno.h>
#include <lib/string.h>
#include <nucleus/upcall.h>

/* The record if its process context may be looked at: the caller's own, or one that does not run. */
static struct record *settled_record(uint32_t handle, long *error)
{
	struct record *r = record_from_handle(handle);

	if (!r)
		*error = -ESRCH;
	else if (r != cpu_this()->current && r->state == THREAD_RUNNING)
		*error = -EBUSY;
	return *error ? nullptr : r;
}

/* The registers stand in the same order in both, up to and with what restarts need. */
static_assert(offsetof(struct context, syscall) == offsetof(struct user_regs, orig_syscall));
static_assert(offsetof(struct context, pc) == offsetof(struct user_regs, pc));
enum { SHARED_BYTES = offsetof(struct user_regs, tpidr) };

long call_regs_get(uint32_t handle)
{
	struct user_regs *u = (struct user_regs *)current_thread_page()->call;
	long result = 0;
	struct record *r;

	nucleus_lock_acquire();
	r = settled_record(handle, &result);
	if (r) {
		if (r == cpu_this()->current && r->space)
			r->tls.tpidr = sysreg_read(tpidr_el0);
		memcpy(u, &r->process, SHARED_BYTES);
		u->tpidr = r->tls.tpidr;
	}
	nucleus_lock_release();
	return result;
}

/* Anything that gets here is safe to return to: EL0 in AArch64, nothing masked, no single step. */
long call_regs_set(uint32_t handle)
{
	struct user_regs u = *(const struct user_regs *)current_thread_page()->call;
	struct cpu *cpu = cpu_this();
	long result = 0;
	struct record *r;

	if (u.pc > USER_END) /* a call in the last word returns there, which the way out refuses */
		return -EINVAL;
	nucleus_lock_acquire();
	r = settled_record(handle, &result);
	if (r) {
		memcpy(&r->process, &u, SHARED_BYTES);
		r->process.pstate = (u.pstate & PSTATE_USER) | PSTATE_EL0;
		r->tls.tpidr = u.tpidr;
		r->full_restore = true;
		if (r == cpu->current) {
			__atomic_or_fetch(&cpu->exit_work, WORK_FULL_RESTORE, __ATOMIC_RELAXED);
			if (r->space)
				sysreg_write(tpidr_el0, u.tpidr);
		}
	}
	nucleus_lock_release();
	return result;
}

long call_regs_clone(uint32_t handle)
{
	struct cpu *cpu = cpu_this();
	struct record *me = cpu->current, *r;
	long result = 0;

	nucleus_lock_acquire();
	r = settled_record(handle, &result);
	if (r && (r == me || r->started)) {
		result = -EBUSY;
	} else if (r) {
		fpu_sync_from_cpu(cpu, me);
		memcpy(&r->process, &me->process, SHARED_BYTES);
		memcpy(r->fpu, me->fpu, cpu_features.fpu_bytes);
		r->process.pstate = (me->process.pstate & PSTATE_USER) | PSTATE_EL0;
		r->tls.tpidr = me->space ? sysreg_read(tpidr_el0) : me->tls.tpidr;
		r->full_restore = true;
	}
	nucleus_lock_release();
	return result;
}

long call_fpu_get(void)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;

	static_assert(CALL_AREA_BYTES >= sizeof(struct user_fpu));
	nucleus_lock_acquire();
	fpu_sync_from_cpu(cpu, r);
	memcpy(current_thread_page()->call, r->fpu, cpu_features.fpu_bytes);
	nucleus_lock_release();
	return cpu_features.fpu_bytes;
}

/* All bits that some extension defines (DDI 0487, C5.2.8, C5.2.10): whatever the registers can hold may come back. */
enum : uint32_t { FPSR_ALLOWED = 0xf800009f, FPCR_ALLOWED = 0x07ffbf07 };

long call_fpu_set(uint32_t size)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;
	struct user_fpu state;

	if (size && size != cpu_features.fpu_bytes)
		return -EINVAL;
	/* Copied first, checked in the nucleus's copy. */
	if (size) {
		memcpy(&state, current_thread_page()->call, sizeof(state));
		if ((state.fpsr & ~FPSR_ALLOWED) || (state.fpcr & ~FPCR_ALLOWED))
			return -EINVAL;
	}
	nucleus_lock_acquire();
	if (size)
		memcpy(r->fpu, &state, sizeof(state));
	else
		fpu_reset(r);
	fpu_sync_to_cpu(cpu, r);
	r->fpu_cpu = cpu;
	nucleus_lock_release();
	return 0;
}

long call_tls_set(uint32_t which, uint64_t base)
{
	struct record *r = cpu_this()->current;

	if (base >= USER_END)
		return -EPERM;
	if (which != TLS_EL0)
		return -EINVAL;
	r->tls.tpidr = base;
	if (r->space)
		sysreg_write(tpidr_el0, base);
	return 0;
}

long call_tls_get(uint32_t which)
{
	struct record *r = cpu_this()->current;

	if (which != TLS_EL0)
		return -EINVAL;
	return (long)(r->space ? sysreg_read(tpidr_el0) : r->tls.tpidr);
}
