/* SPDX-License-Identifier: MIT */
/*
 * New threads and processes: clone(2), clone3(2), unshare(2); fork and vfork are clones (see the
 * architecture's legacy calls).
 *
 * Everything that can fail comes before the thread exists. A fatal signal that arrives while a
 * process is being copied must not miss the copy: the child is linked in under process_tree_lock,
 * where senders to groups are excluded, and if the parent has a signal by then, the child is born
 * dying ("stillborn") and the call is made again.
 */
#include "internal.h"
#include <arch/signal.h>
#include <kernel/log.h>
#include <kernel/slab.h>
#include <kernel/user.h>
#include <lib/string.h>
#include <nucleus/calls.h>

enum : uint64_t {
	CLONE_KNOWN = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PARENT | CLONE_THREAD |
		      CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED |
		      CLONE_UNTRACED | CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND,
};

void process_publish_name(struct thread *t)
{
	uint64_t words[2];

	memcpy(words, t->name, sizeof(words));
	string_make_printable((char *)words, sizeof(words));
	(void)nucleus_thread_set_name(thread_page_of(t)->handle, words[0], words[1], t->tid);
}

static long check_flags(const struct clone_request *r, uint32_t number)
{
	uint64_t f = r->flags;

	if (f & ~(uint64_t)CLONE_KNOWN)
		return syscall_refuse_flags(number, f & ~(uint64_t)CLONE_KNOWN);
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && (!(f & CLONE_VM) || (f & CLONE_CLEAR_SIGHAND)))
		return -EINVAL;
	if ((f & CLONE_PARENT) && process_current() == init_process)
		return -EINVAL;
	if (r->exit_signal > SIGNAL_MAX)
		return -EINVAL;
	return 0;
}

/* The child's space, files, directory and handlers: shared or copied. On failure process_put-able
 * as it is. */
static int copy_resources(struct process *child, struct process *p, uint64_t flags)
{
	int error;

	if (flags & CLONE_FS) {
		fs_context_get(p->fs);
		child->fs = p->fs;
	} else if ((error = fs_context_clone(p->fs, &child->fs)) != 0) {
		return error;
	}
	if (flags & CLONE_FILES) {
		file_table_get(p->files);
		child->files = p->files;
	} else if ((error = file_table_clone(p->files, &child->files)) != 0) {
		return error;
	}
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
	if (flags & CLONE_VM) {
		vm_space_get(p->space);
		child->space = p->space;
		return 0;
	}
	return vm_space_clone(p->space, &child->space);
}

static void drop_resources(struct process *child)
{
	if (child->space != nullptr)
		vm_space_put(child->space);
	if (child->files != nullptr)
		file_table_put(child->files);
	if (child->fs != nullptr)
		fs_context_put(child->fs);
	if (child->exe != nullptr)
		exe_end(child->exe);
	child->space = nullptr;
	child->files = nullptr;
	child->fs = nullptr;
	child->exe = nullptr;
}

static void copy_attributes(struct process *child, struct process *p, const struct clone_request *r)
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
static bool too_many_threads(struct process *p)
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
static void copy_thread_state(struct thread *t, const struct clone_request *r)
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

static void copy_registers(struct thread *t, const struct clone_request *r)
{
	uint32_t handle = thread_page_of(t)->handle;
	long error = nucleus_regs_clone(handle);

	if (error == 0)
		error = nucleus_regs_get(handle);
	KASSERT(error == 0);
	arch_regs_fork((struct user_regs *)call_area(), r->stack, r->flags & CLONE_SETTLS, r->tls);
	error = nucleus_regs_set(handle);
	KASSERT(error == 0);
}

static void write_tids(struct vm_space *space, const struct clone_request *r, uint32_t tid)
{
	/* As on Linux a bad address does not undo the clone. */
	if (r->flags & CLONE_PARENT_SETTID)
		(void)!put_user(r->parent_tid, tid);
	if (r->flags & CLONE_CHILD_SETTID)
		(void)!vm_write(space, r->child_tid.value, &tid, sizeof(tid));
}

static void link_thread(struct process *p, struct thread *t)
{
	process_get(p);
	spin_lock(&p->signal_lock);
	process_add_thread(p, t);
	if (p->group_exit || p->exec_thread != nullptr) {
		signal_wake(p, t);
	} else if (p->stop_signal != 0) {
		process_thread_of(t)->stop_ordered = true;
		p->stop_waiting++;
		signal_wake(p, t);
	}
	spin_unlock(&p->signal_lock);
}

/* Into tree, group and session. False: the parent has a signal, so the child is to die at once. */
static bool link_process(struct process *child, struct pid *pid, struct thread *t, uint64_t flags)
{
	struct process *p = process_current();

	mutex_lock(&process_tree_lock);
	bool alive = !signal_pending_current();
	struct process *parent = flags & CLONE_PARENT ? p->parent : p;
	if (flags & CLONE_PARENT)
		child->exit_signal = p->exit_signal;
	pid->process = child;
	child->parent = parent;
	__atomic_store_n(&child->parent_pid, parent != nullptr ? parent->pid : 0, __ATOMIC_RELAXED);
	if (parent != nullptr)
		list_push_back(&parent->children, &child->sibling);
	list_push_back(&process_all, &child->all);
	pid_join(child, p->pgid, p->sid);
	child->tty = p->tty;
	process_get(child);
	spin_lock(&child->signal_lock);
	process_add_thread(child, t);
	if (!alive) {
		child->exit_signal = 0;
		child->stillborn = true;
		process_group_exit_begin(child, SIGKILL);
	}
	spin_unlock(&child->signal_lock);
	mutex_unlock(&process_tree_lock);
	return alive;
}

static int reserve_id(struct process *owner, struct pid **out)
{
	struct pid *pid = kmalloc(sizeof(*pid));

	if (pid == nullptr)
		return -ENOMEM;
	mutex_lock(&process_tree_lock);
	int error = pid_allocate(pid);
	if (error == 0)
		pid->thread_of = owner;
	mutex_unlock(&process_tree_lock);
	if (error != 0)
		kfree(pid);
	else
		*out = pid;
	return error;
}

static void release_id(struct pid *pid)
{
	mutex_lock(&process_tree_lock);
	pid->thread_of = nullptr;
	pid_release(pid);
	mutex_unlock(&process_tree_lock);
}

static int make_process(struct process *p, const struct clone_request *r, struct process **out)
{
	struct process *child = process_create();

	if (child == nullptr)
		return -ENOMEM;
	copy_attributes(child, p, r);
	int error = copy_resources(child, p, r->flags);
	if (error != 0) {
		drop_resources(child);
		process_put(child);
		return error;
	}
	*out = child;
	return 0;
}

static long finish_clone(struct thread *t, struct vfork *vfork, uint32_t tid, bool alive)
{
	if (vfork != nullptr)
		process_thread_of(t)->vfork = vfork;
	thread_start(t);
	if (vfork != nullptr) {
		(void)wait_event_killable(&vfork->wait, __atomic_load_n(&vfork->done, __ATOMIC_ACQUIRE));
		vfork_put(vfork);
	}
	return alive ? (long)tid : -ERESTARTNOINTR;
}

static int make_vfork(uint64_t flags, struct vfork **out)
{
	*out = nullptr;
	if (!(flags & CLONE_VFORK))
		return 0;
	struct vfork *v = kmalloc(sizeof(*v));
	if (v == nullptr)
		return -ENOMEM;
	v->refs = 2;
	wait_queue_init(&v->wait);
	*out = v;
	return 0;
}

long process_clone(const struct clone_request *r, uint32_t syscall_number)
{
	struct process *p = process_current(), *child = p;
	struct pid *pid = nullptr;
	struct vfork *vfork = nullptr;
	struct thread *t;
	bool alive = true;
	long error = check_flags(r, syscall_number);

	if (error != 0)
		return error;
	if (too_many_threads(p))
		return -EAGAIN;
	if (!(r->flags & CLONE_THREAD)) {
		error = make_process(p, r, &child);
		if (error != 0)
			return error;
	}
	error = make_vfork(r->flags, &vfork);
	if (error != 0)
		goto fail;
	error = reserve_id(child, &pid);
	if (error != 0)
		goto fail;
	error = thread_create(thread_current()->name, &component_process, vm_space_handle(child->space), nullptr,
			      nullptr, &t);
	if (error != 0)
		goto fail;
	uint32_t tid = pid->id;
	t->tid = tid;
	t->process = child;
	copy_thread_state(t, r);
	process_publish_name(t);
	copy_registers(t, r);
	write_tids(child->space, r, tid);
	if (r->flags & CLONE_THREAD) {
		link_thread(p, t);
	} else {
		child->pid = tid;
		if (!(r->flags & CLONE_VM))
			vm_space_set_name(child->space, child->name, tid);
		alive = link_process(child, pid, t, r->flags);
		itimer_watch_limit(child);
	}
	return finish_clone(t, vfork, tid, alive);
fail:
	if (pid != nullptr)
		release_id(pid);
	kfree(vfork);
	if (child != p) {
		drop_resources(child);
		process_put(child);
	}
	return error;
}

struct abi_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
		cgroup;
};
enum : size_t { CLONE_ARGS_SIZE_VER0 = 64 };

static long sys_clone3(user_addr at, size_t size)
{
	struct abi_clone_args a;

	int error = copy_struct_from_user(&a, sizeof(a), CLONE_ARGS_SIZE_VER0, at, size);
	if (error != 0)
		return error;
	/* pidfd and cgroup count only with their flags, which clone_check refuses; C libraries fill pidfd in always. */
	if (a.set_tid_size != 0)
		return syscall_refuse_flags(NR_clone3, a.flags);
	if ((a.flags & 0xff) || (a.flags & CLONE_DETACHED) || a.exit_signal > SIGNAL_MAX ||
	    (a.stack == 0) != (a.stack_size == 0))
		return -EINVAL;
	if ((a.flags & (CLONE_THREAD | CLONE_PARENT)) && a.exit_signal != 0)
		return -EINVAL;
	struct clone_request r = {
		.flags = a.flags,
		.stack = a.stack + a.stack_size,
		.tls = a.tls,
		.exit_signal = (uint32_t)a.exit_signal,
		.parent_tid = USER_ADDR(a.parent_tid),
		.child_tid = USER_ADDR(a.child_tid),
	};
	return process_clone(&r, NR_clone3);
}
SYSCALL(clone3);

/* With another process: after vfork, or clone with CLONE_VM alone. */
static bool shares_space(struct process *p)
{
	bool shared = false;
	struct process *other;

	mutex_lock(&process_tree_lock);
	list_for_each(other, &process_all, all)
		shared |= other != p && __atomic_load_n(&other->space, __ATOMIC_RELAXED) == p->space;
	mutex_unlock(&process_tree_lock);
	return shared;
}

/* What was shared by clone becomes the caller's process's own. There are no namespaces to leave. */
static long sys_unshare(uint64_t flags)
{
	struct process *p = process_current();
	constexpr uint64_t known = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM;
	struct fs_context *fs = nullptr;

	if (flags & ~known)
		return syscall_refuse_flags(NR_unshare, flags);
	/* The threads of a process share all of these. */
	if ((flags & ~(uint64_t)CLONE_SYSVSEM) && p->thread_count > 1)
		return syscall_refuse_flags(NR_unshare, flags);
	if ((flags & CLONE_SIGHAND) && p->signals->refs > 1)
		return -EINVAL;
	/* A copy of its own could be made only while nobody runs in the shared one. */
	if ((flags & CLONE_VM) && shares_space(p))
		return syscall_refuse_flags(NR_unshare, flags);
	int error = flags & CLONE_FS ? fs_context_clone(p->fs, &fs) : 0;
	if (error == 0 && (flags & CLONE_FILES))
		error = file_table_unshare_current();
	if (error == 0 && fs != nullptr) {
		mutex_lock(&p->lock);
		struct fs_context *old = p->fs;
		p->fs = fs;
		mutex_unlock(&p->lock);
		fs = old;
	}
	if (fs != nullptr)
		fs_context_put(fs);
	return error;
}
SYSCALL(unshare);
