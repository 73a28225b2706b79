/* SPDX-License-Identifier: MIT */
/* Nucleus calls on the process context of a thread: registers, FPU state, TLS bases. Lock: the nucleus lock. */
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

long call_regs_get(uint32_t handle)
{
	struct user_regs *u = (struct user_regs *)current_thread_page()->call;
	long result = 0;
	struct record *r;

	nucleus_lock_acquire();
	r = settled_record(handle, &result);
	if (r) {
		const struct context *p = &r->process;

		if (r == cpu_this()->current && cpu_features.fsgsbase) {
			r->tls.fs_base = msr_read(MSR_FS_BASE);
			r->tls.gs_base = msr_read(MSR_KERNEL_GS_BASE);
		}
		/* The general registers stand in the same order in both. */
		static_assert(offsetof(struct context, rdi) == offsetof(struct user_regs, rdi));
		memcpy(u, p, offsetof(struct user_regs, orig_rax));
		u->orig_rax = p->vector == VECTOR_SYSCALL ? p->error : UINT64_MAX;
		u->rip = p->rip;
		u->cs = p->cs;
		u->rflags = p->rflags;
		u->rsp = p->rsp;
		u->ss = p->ss;
		u->fs_base = r->tls.fs_base;
		u->gs_base = r->tls.gs_base;
	}
	nucleus_lock_release();
	return result;
}

static bool canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Anything that gets here is safe to IRET with: our selectors, no IOPL or NT, canonical user addresses. */
long call_regs_set(uint32_t handle)
{
	struct user_regs u = *(const struct user_regs *)current_thread_page()->call;
	struct cpu *cpu = cpu_this();
	long result = 0;
	struct record *r;

	/* A call in the last bytes returns to USER_END, which the way out refuses. Bases only need to be loadable: a
	 * process may have given itself any with WRGSBASE, and reaches nothing through it. */
	if (u.rip > USER_END || !canonical(u.fs_base) || !canonical(u.gs_base))
		return -EINVAL;
	nucleus_lock_acquire();
	r = settled_record(handle, &result);
	if (r) {
		struct context *p = &r->process;

		memcpy(p, &u, offsetof(struct user_regs, orig_rax));
		p->vector = u.orig_rax == UINT64_MAX ? 0 : VECTOR_SYSCALL;
		p->error = u.orig_rax == UINT64_MAX ? 0 : u.orig_rax;
		p->rip = u.rip;
		p->cs = SELECTOR_USER_CODE;
		p->ss = SELECTOR_USER_DATA;
		p->rflags = (u.rflags & RFLAGS_USER) | RFLAGS_IF | 2;
		p->rsp = u.rsp;
		r->tls.fs_base = u.fs_base;
		r->tls.gs_base = u.gs_base;
		r->full_restore = true;
		if (r == cpu->current) {
			__atomic_or_fetch(&cpu->exit_work, WORK_FULL_RESTORE, __ATOMIC_RELAXED);
			msr_write(MSR_FS_BASE, r->tls.fs_base);
			msr_write(MSR_KERNEL_GS_BASE, r->tls.gs_base);
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
		struct context *p = &r->process;

		fpu_sync_from_cpu(cpu, me);
		memcpy(p, &me->process, CONTEXT_TOP);
		p->cs = SELECTOR_USER_CODE;
		p->ss = SELECTOR_USER_DATA;
		memcpy(r->fpu, me->fpu, cpu_features.fpu_bytes);
		r->tls.fs_base = cpu_features.fsgsbase ? msr_read(MSR_FS_BASE) : me->tls.fs_base;
		r->tls.gs_base = cpu_features.fsgsbase ? msr_read(MSR_KERNEL_GS_BASE) : me->tls.gs_base;
		r->full_restore = true;
	}
	nucleus_lock_release();
	return result;
}

long call_fpu_get(void)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;

	static_assert(CALL_AREA_BYTES >= 2696);
	nucleus_lock_acquire();
	fpu_sync_from_cpu(cpu, r);
	memcpy(current_thread_page()->call, r->fpu, cpu_features.fpu_bytes);
	nucleus_lock_release();
	return cpu_features.fpu_bytes;
}

/* Header of the XSAVE area (Intel SDM vol. 1, 13.4.2): unknown features, a compacted form or reserved bits would fault
 * in XRSTOR; so would reserved MXCSR bits. */
static bool fpu_state_ok(const unsigned char *area)
{
	uint64_t header[8];
	uint32_t mxcsr;

	memcpy(&mxcsr, area + 24, sizeof(mxcsr));
	if (mxcsr & ~cpu_features.mxcsr_mask)
		return false;
	if (!cpu_features.xsave)
		return true;
	memcpy(header, area + 512, sizeof(header));
	if (header[0] & ~cpu_features.xcr0)
		return false;
	for (int i = 1; i < 8; i++)
		if (header[i])
			return false;
	return true;
}

long call_fpu_set(uint32_t size)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;
	unsigned char state[CALL_AREA_BYTES];

	if (size && size != cpu_features.fpu_bytes)
		return -EINVAL;
	/* Copied first, checked in the nucleus's copy. */
	if (size) {
		memcpy(state, current_thread_page()->call, size);
		if (!fpu_state_ok(state))
			return -EINVAL;
	}
	nucleus_lock_acquire();
	if (size)
		memcpy(r->fpu, state, size);
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
	if (which == TLS_FS) {
		r->tls.fs_base = base;
		msr_write(MSR_FS_BASE, base);
	} else if (which == TLS_GS) {
		r->tls.gs_base = base;
		msr_write(MSR_KERNEL_GS_BASE, base);
	} else {
		return -EINVAL;
	}
	return 0;
}

long call_tls_get(uint32_t which)
{
	struct record *r = cpu_this()->current;

	if (which == TLS_FS)
		return (long)(cpu_features.fsgsbase ? msr_read(MSR_FS_BASE) : r->tls.fs_base);
	if (which == TLS_GS)
		return (long)(cpu_features.fsgsbase ? msr_read(MSR_KERNEL_GS_BASE) : r->tls.gs_base);
	return -EINVAL;
}
