/* SPDX-License-Identifier: MIT */
/* A thread's part of the dump of its process (core.h): its registers, and its wait until the file is written. */
#include "core.h"

#include <kernel/base/init.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <nucleus/calls.h>

struct core_thread *core_note_current(void)
{
	size_t fpu_bytes = MAX((size_t)boot_info()->fpu_state_bytes, (size_t)ARCH_CORE_FPU_BYTES);
	struct core_thread *r = kmalloc(sizeof(*r) + fpu_bytes);
	struct process_thread *s = process_thread_current();

	if (r == nullptr)
		return nullptr;
	memset(r->fpu, 0, fpu_bytes);
	*r = (struct core_thread){
		.fpu_bytes = fpu_bytes, .tid = thread_current()->tid, .pending = s->pending.set, .blocked = s->blocked};
	if (nucleus_regs_get(thread_page_current()->handle) == 0)
		memcpy(&r->regs, call_area(), sizeof(r->regs));
	long got = nucleus_fpu_get();
	if (got > 0)
		memcpy(r->fpu, call_area(), MIN((size_t)got, fpu_bytes));
	return r;
}

void core_thread_ends(struct process *p)
{
	spin_lock(&p->signal_lock);
	bool joins = p->dump != nullptr && p->dump->leader != thread_current();
	spin_unlock(&p->signal_lock);
	if (!joins)
		return;
	struct core_thread *r = core_note_current();
	spin_lock(&p->signal_lock);
	/* It stays while a thread that was there when it began has neither arrived nor left. */
	if (p->dump != nullptr) {
		if (r != nullptr)
			list_push_back(&p->dump->threads, &r->link);
		r = nullptr;
		__atomic_fetch_add(&p->dump->arrived, 1, __ATOMIC_RELEASE);
	}
	spin_unlock(&p->signal_lock);
	kfree(r);
	wait_wake_all(&p->thread_wait);
	wait_event(&p->thread_wait, __atomic_load_n(&p->dump, __ATOMIC_ACQUIRE) == nullptr);
}
