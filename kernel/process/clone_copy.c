/* SPDX-License-Identifier: MIT */
/*
 * What a new thread or process has of its parent: clone.c's steps that copy or share (clone(2), "The flags mask").
 */
#include "clone.h"
#include <arch/signal.h>
#include <kernel/base/fault_point.h>
#include <kernel/vfs/fs_context.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <nucleus/calls.h>

/* The child's space, files, directory and handlers: shared or copied. On failure process_put-able
 * as it is. */
int clone_copy_resources(struct process *child, struct process *p, uint64_t flags)
{
	int error;

	FAULT_POINT(clone_fs);
	if (flags & CLONE_FS) {
		error = fs_context_join(p->fs);
		if (error != 0)
			return error;
		child->fs = p->fs;
	} else if ((error = fs_context_clone(p->fs, &child->fs)) != 0) {
		return error;
	}
	FAULT_POINT(clone_files);
	if (flags & CLONE_FILES) {
		file_table_get(p->files);
		child->files = p->files;
	} else if ((error = file_table_clone(p->files, &child->files)) != 0) {
		return error;
	}
	FAULT_POINT(clone_signals);
	if (flags & CLONE_SIGHAND) {
		signal_state_get(p->signals);
		child->signals = p->signals;
	} else {
		child->signals = signal_state_clone(p->signals);
		if (child->signals == nullptr)
			return -ENOMEM;
		if (flags & CLONE_CLEAR_SIGHAND)
			signal_state_reset(child->signals);
	}
	FAULT_POINT(clone_space);
	if (flags & CLONE_VM) {
		vm_space_get(p->space);
		child->space = p->space;
		return 0;
	}
	return vm_space_clone(p->space, &child->space);
}

void clone_drop_resources(struct process *child)
{
	struct vm_space *space = child->space;
	struct file_table *files = child->files;
	struct fs_context *fs = child->fs;
	struct file *exe = child->exe;

	/* What faults while it is given back is not given back a second time. */
	child->space = nullptr;
	if (space != nullptr)
		vm_space_put(space);
	child->files = nullptr;
	file_table_put(files);
	child->fs = nullptr;
	if (fs != nullptr)
		fs_context_leave(fs);
	child->exe = nullptr;
	if (exe != nullptr)
		exe_end(exe);
}

void clone_copy_attributes(struct process *child, struct process *p, const struct clone_request *r)
{
	mutex_lock(&p->lock);
	child->cred = p->cred;
	(void)groups_get(child->cred.groups);
	memcpy(child->name, p->name, sizeof(child->name));
	memcpy(child->rlimits, p->rlimits, sizeof(child->rlimits));
	child->personality = p->personality;
	child->dumpable = p->dumpable;
	child->dump_filter = p->dump_filter;
	child->oom_adjustment = p->oom_adjustment;
	if (p->exe != nullptr) {
		exe_again(p->exe);
		child->exe = p->exe;
	}
	mutex_unlock(&p->lock);
	child->exit_signal = (uint8_t)r->exit_signal;
}

/* RLIMIT_NPROC bounds the threads of all processes of a user; one that is dead but not yet waited for counts too. */
bool clone_too_many_threads(struct process *p)
{
	uint32_t uid = p->cred.uid;
	uint64_t count = 0;
	struct process *other;

	uint64_t limit = p->rlimits[RLIMIT_NPROC][0];

	if (p->cred.uid == 0 || limit == RLIM_INFINITY || capable(CAP_SYS_RESOURCE) || capable(CAP_SYS_ADMIN))
		return false;
	mutex_lock(&process_tree_lock);
	list_for_each(other, &process_all, all) {
		if (other->cred.uid == uid)
			count += MAX(__atomic_load_n(&other->thread_count, __ATOMIC_RELAXED), 1u);
	}
	mutex_unlock(&process_tree_lock);
	return count >= limit;
}

/* The new thread's part of the process state, from the caller's. */
void clone_copy_thread_state(struct thread *t, const struct clone_request *r)
{
	const struct process_thread *from = process_thread_current();
	struct process_thread *s = process_thread_of(t);

	process_thread_state_init(t);
	s->blocked = from->blocked;
	s->affinity = from->affinity;
	s->nice = from->nice;
	s->policy = from->policy;
	s->io_priority = from->io_priority;
	s->timer_slack_ns = s->default_slack_ns = from->timer_slack_ns;
	if ((r->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
		s->altstack_base = from->altstack_base;
		s->altstack_size = from->altstack_size;
		s->altstack_flags = from->altstack_flags;
	}
	if (r->flags & CLONE_CHILD_CLEARTID)
		s->clear_child_tid = r->child_tid.value;
	if (s->nice != 0 || s->policy != 0)
		sched_publish_priority(t);
	if (s->affinity != UINT64_MAX)
		(void)nucleus_thread_set_affinity(thread_page_of(t)->handle, s->affinity);
}

int clone_copy_registers(struct thread *t, const struct clone_request *r)
{
	uint32_t handle = thread_page_of(t)->handle;
	long error = nucleus_regs_get(thread_page_current()->handle);

	if (error != 0)
		return (int)error;
	arch_regs_fork((struct user_regs *)call_area(), r->stack, r->flags & CLONE_SETTLS, r->tls);
	error = nucleus_regs_set(handle);
	if (error != 0)
		return (int)error;
	return (int)nucleus_fpu_set(handle, (uint32_t)nucleus_fpu_get());
}

void clone_write_tids(struct vm_space *space, const struct clone_request *r, uint32_t tid)
{
	/* As on Linux a bad address does not undo the clone. */
	if (r->flags & CLONE_PARENT_SETTID)
		(void)!put_user(r->parent_tid, tid);
	if (r->flags & CLONE_CHILD_SETTID)
		(void)!vm_write(space, r->child_tid.value, &tid, sizeof(tid));
}
