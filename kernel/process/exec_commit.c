/* SPDX-License-Identifier: MIT */
/*
 * The second half of execve(2): the caller, who is alone in its process by now, becomes the new program. Nothing here
 * can fail; a fault of the kernel ends the process, which has no program to go back to.
 */
#include "exec.h"
#include <arch/signal.h>
#include <kernel/base/fault_point.h>
#include <kernel/vfs/vfs.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <nucleus/calls.h>

static void reset_signals(struct process *p, struct exec *e)
{
	struct process_thread *s = process_thread_current();
	struct signal_state *old = nullptr;

	mutex_lock(&p->lock);
	spin_lock(&p->signal_lock);
	if (e->handlers != nullptr) {
		old = p->signals;
		p->signals = e->handlers;
		e->handlers = nullptr;
	}
	spin_unlock(&p->signal_lock);
	mutex_unlock(&p->lock);
	signal_state_reset(p->signals);
	if (old != nullptr)
		signal_state_put(old);
	s->altstack_base = s->altstack_size = s->altstack_flags = 0;
	s->restart.again = nullptr;
	posix_timers_destroy(p);
}

static void set_names(struct process *p, const struct exec *e, struct vm_space *space)
{
	const char *base = strrchr(e->name, '/');
	struct thread *t = thread_current();

	base = base != nullptr ? base + 1 : e->name;
	process_set_name(p, base);
	strlcpy(t->name, base, sizeof(t->name));
	process_publish_name(t);
	vm_space_set_name(space, p->name, p->pid);
}

/* Everything from here on replaces the program; nothing can fail. */
static void commit(struct exec *e)
{
	struct process *p = process_current();
	struct process_thread *s = process_thread_current();
	struct vm_space *old = p->space;

	FAULT_POINT(exec_commit);
	process_leave_image(p, s);
	vm_set_exec_info(e->space, &e->info);
	mutex_lock(&p->lock);
	struct vm_space *space = p->space = e->space;
	e->space = nullptr;
	struct file *old_exe = p->exe;
	p->exe = e->file;
	e->file = nullptr;
	struct credentials old_cred = p->cred;
	p->cred = e->cred;
	p->cred.groups = old_cred.groups; /* another thread may have changed them before it ended */
	p->personality = e->personality;
	bool own = !e->unreadable && e->cred.euid == e->cred.uid && e->cred.egid == e->cred.gid;
	p->dumpable = own ? DUMPABLE_BY_OWNER : (uint8_t)__atomic_load_n(&core_of_set_id, __ATOMIC_RELAXED);
	credentials_after_change(p, &old_cred);
	if (e->secure)
		credentials_exec_secure(p);
	mutex_unlock(&p->lock);
	vm_space_use(space);
	FAULT_POINT(exec_names);
	set_names(p, e, space);
	FAULT_POINT(exec_old_space);
	if (old != nullptr) {
		struct vm_stats stats;
		vm_stats(old, &stats);
		p->dead_usage.max_resident_pages = MAX(p->dead_usage.max_resident_pages, stats.peak_pages);
		vm_space_put(old);
	}
	if (old_exe != nullptr)
		exe_end(old_exe);
	mutex_lock(&process_tree_lock);
	p->has_execed = true;
	if (p->exit_signal != 0)
		p->exit_signal = SIGCHLD;
	mutex_unlock(&process_tree_lock);
	file_table_close_on_exec(p->files);
	FAULT_POINT(exec_signals);
	reset_signals(p, e);
	vfork_complete();
}

static void set_registers(uint64_t entry, uint64_t stack)
{
	uint32_t self = thread_page_current()->handle;

	if (nucleus_regs_get(self) != 0)
		process_group_exit(SIGKILL);
	arch_regs_exec((struct user_regs *)call_area(), entry, stack);
	if (nucleus_regs_set(self) != 0 || nucleus_fpu_set(self, 0) != 0)
		process_group_exit(SIGKILL);
}

/* The point of no return. The registers are the new program's then; e is freed. */
void exec_become(struct exec *e)
{
	struct process_thread *s = process_thread_current();
	uint64_t entry = e->image.entry, stack = e->stack_pointer;

	s->no_program = true;
	commit(e);
	exec_free(e);
	FAULT_POINT(exec_registers);
	set_registers(entry, stack);
	s->no_program = false;
}
