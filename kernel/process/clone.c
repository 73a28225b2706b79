/* SPDX-License-Identifier: MIT */
/*
 * New threads and processes: process_clone, behind clone(2), clone3(2) (clone_calls.c), fork and vfork (the
 * architecture's legacy calls).
 *
 * What was made is noted in struct clone, step by step, so that an error, and a fault of the kernel itself, takes all
 * of it away again (undo). A thread that exists already cannot be taken away: it is started and ends by itself.
 *
 * A fatal signal that arrives while a process is being copied must not miss the copy: the child is linked in under
 * process_tree_lock, where senders to groups are excluded, and if the parent has a signal by then, the child is born
 * dying ("stillborn") and the call is made again.
 */
#include "clone.h"
#include "seccomp.h"
#include <arch/signal.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <nucleus/calls.h>

enum : uint64_t {
	CLONE_KNOWN = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PARENT | CLONE_THREAD |
		      CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED |
		      CLONE_UNTRACED | CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND | CLONE_PIDFD,
};

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
	if ((f & CLONE_PIDFD) && ((f & (CLONE_DETACHED | CLONE_THREAD)) ||
				  ((f & CLONE_PARENT_SETTID) && r->pidfd.value == r->parent_tid.value)))
		return -EINVAL;
	return 0;
}

/* A clone in the making: what there is of it, so that it can be undone at any step. */
struct clone {
	struct process_work work;
	struct clone_request request;
	struct process *child; /* the caller's own process for CLONE_THREAD */
	bool fresh;	       /* child is new */
	struct pid *pid;
	bool has_id, linked, shares_vfork;
	struct vfork *vfork;
	struct thread *thread;
	bool alive;
	uint32_t tid;
	struct pidfd_promise pidfd;
};

static void link_thread(struct clone *c)
{
	struct process *p = c->child;
	struct thread *t = c->thread;

	process_get(p);
	spin_lock(&p->signal_lock);
	FAULT_POINT(clone_link);
	process_add_thread(p, t);
	seccomp_share(process_thread_of(t), process_thread_current());
	c->linked = true;
	FAULT_POINT(clone_linked);
	if (p->group_exit || p->exec_thread != nullptr) {
		signal_wake(p, t);
	} else if (p->stop_signal != 0) {
		process_thread_of(t)->stop_ordered = true;
		p->stop_waiting++;
		signal_wake(p, t);
	}
	spin_unlock(&p->signal_lock);
}

/* Into tree, group and session. If the parent has a signal, the child is to die at once. */
static void link_process(struct clone *c, struct process *p)
{
	uint64_t flags = c->request.flags;
	struct process *child = c->child;

	mutex_lock(&process_tree_lock);
	FAULT_POINT(clone_link);
	c->alive = !signal_pending_current();
	struct process *parent = flags & CLONE_PARENT ? p->parent : p;
	if (flags & CLONE_PARENT)
		child->exit_signal = p->exit_signal;
	c->pid->process = child;
	child->parent = parent;
	__atomic_store_n(&child->parent_pid, parent != nullptr ? parent->pid : 0, __ATOMIC_RELAXED);
	if (parent != nullptr)
		list_push_back(&parent->children, &child->sibling);
	list_push_back(&process_all, &child->all);
	pid_join(child, p->pgid, p->sid);
	child->tty = p->tty;
	process_get(child);
	/* Its filters, which another thread may change meanwhile; it runs no call before it is started. */
	spin_lock(&p->signal_lock);
	seccomp_share(process_thread_of(c->thread), process_thread_current());
	spin_unlock(&p->signal_lock);
	spin_lock(&child->signal_lock);
	process_add_thread(child, c->thread);
	c->linked = true;
	FAULT_POINT(clone_linked);
	if (!c->alive) {
		child->exit_signal = 0;
		child->stillborn = true;
		process_group_exit_begin(child, SIGKILL);
	}
	spin_unlock(&child->signal_lock);
	mutex_unlock(&process_tree_lock);
}

static int reserve_id(struct clone *c)
{
	c->pid = kmalloc(sizeof(*c->pid));
	if (c->pid == nullptr)
		return -ENOMEM;
	mutex_lock(&process_tree_lock);
	FAULT_POINT(clone_id);
	int error = pid_allocate(c->pid);
	if (error == 0) {
		c->pid->thread_of = c->child;
		c->has_id = true;
	}
	mutex_unlock(&process_tree_lock);
	FAULT_POINT(clone_id_taken);
	return error;
}

static void release_id(struct clone *c)
{
	struct pid *pid = c->pid;

	c->pid = nullptr;
	if (pid == nullptr)
		return;
	if (!c->has_id) {
		kfree(pid);
		return;
	}
	mutex_lock(&process_tree_lock);
	pid->thread_of = nullptr;
	pid_release(pid);
	mutex_unlock(&process_tree_lock);
}

static int make_process(struct clone *c, struct process *p)
{
	FAULT_POINT(clone_begin);
	struct process *child = process_create();

	if (child == nullptr)
		return -ENOMEM;
	c->child = child;
	c->fresh = true;
	clone_copy_attributes(child, p, &c->request);
	FAULT_POINT(clone_attributes);
	return clone_copy_resources(child, p, c->request.flags);
}

static int make_vfork(struct clone *c)
{
	if (!(c->request.flags & CLONE_VFORK))
		return 0;
	struct vfork *v = kmalloc(sizeof(*v));
	if (v == nullptr)
		return -ENOMEM;
	v->refs = 2;
	wait_queue_init(&v->wait);
	c->vfork = v;
	return 0;
}

static int make_thread(struct clone *c)
{
	struct thread *t;
	int error = thread_create(thread_current()->name, &component_process, vm_space_handle(c->child->space), nullptr,
				  nullptr, &t);

	if (error != 0)
		return error;
	c->thread = t;
	c->tid = t->tid = c->pid->id;
	t->process = c->child;
	FAULT_POINT(clone_thread);
	clone_copy_thread_state(t, &c->request);
	process_publish_name(t);
	FAULT_POINT(clone_registers);
	return clone_copy_registers(t, &c->request);
}

/* Makes all of it. Not inlined: what it notes in c must be in memory when it faults. */
[[gnu::noinline]] static long build(struct clone *c, struct process *p)
{
	long error = c->request.flags & CLONE_THREAD ? 0 : make_process(c, p);

	if (error == 0)
		error = make_vfork(c);
	if (error == 0)
		error = reserve_id(c);
	if (error == 0 && (c->request.flags & CLONE_PIDFD))
		error = pidfd_promise(c->child, c->request.pidfd, &c->pidfd);
	if (error == 0)
		error = make_thread(c);
	if (error != 0)
		return error;
	FAULT_POINT(clone_tids);
	clone_write_tids(c->child->space, &c->request, c->tid);
	if (c->request.flags & CLONE_THREAD) {
		link_thread(c);
	} else {
		c->child->pid = c->tid;
		if (!(c->request.flags & CLONE_VM))
			vm_space_set_name(c->child->space, c->child->name, c->tid);
		link_process(c, p);
		itimer_watch_limit(c->child);
	}
	if (c->vfork != nullptr) {
		process_kept_of(c->thread)->vfork = c->vfork;
		c->shares_vfork = true;
	}
	if (c->alive)
		pidfd_keep_promise(&c->pidfd);
	FAULT_POINT(clone_start);
	thread_start(c->thread);
	c->thread = nullptr;
	return 0;
}

/* Where a thread begins that belongs to nothing yet: it only takes away what was made for it. */
static void abandoned(void *arg)
{
	struct process *child = arg;

	(void)nucleus_space_use(0);
	if (child == nullptr)
		return;
	clone_drop_resources(child);
	process_put(child);
}

/* A process that may have been on its way into the tree. */
static void leave_tree(struct process *child)
{
	mutex_lock(&process_tree_lock);
	list_remove(&child->sibling);
	list_remove(&child->all);
	pid_leave(child);
	struct pid *pid = pid_lookup(child->pid);
	if (pid != nullptr && pid->process == child)
		pid->process = nullptr;
	mutex_unlock(&process_tree_lock);
}

/* The thread, and the process if it is new, end by themselves, unheard of. */
static void abandon_thread(struct clone *c)
{
	struct thread *t = c->thread;
	struct process *child = c->child;

	c->thread = nullptr;
	if (!c->linked) {
		t->process = nullptr;
		t->entry = abandoned;
		t->arg = c->fresh ? child : nullptr;
		c->fresh = false;
	} else if (c->fresh) {
		mutex_lock(&process_tree_lock);
		child->exit_signal = 0;
		child->stillborn = true;
		mutex_unlock(&process_tree_lock);
		spin_lock(&child->signal_lock);
		process_group_exit_begin(child, SIGKILL);
		spin_unlock(&child->signal_lock);
		c->fresh = false;
		c->pid = nullptr;
	} else {
		spin_lock(&child->signal_lock);
		process_thread_of(t)->doomed = true;
		signal_wake(child, t);
		spin_unlock(&child->signal_lock);
		c->pid = nullptr;
	}
	thread_start(t);
}

/* Takes away what there is. Called again after a fault, it goes on with what is left. */
[[gnu::noinline]] static long undo(struct clone *c)
{
	if (c->fresh && !c->linked)
		leave_tree(c->child);
	if (c->thread != nullptr)
		abandon_thread(c);
	release_id(c);
	pidfd_take_back(&c->pidfd);
	struct vfork *vfork = c->vfork;
	c->vfork = nullptr;
	if (c->shares_vfork)
		vfork_put(vfork);
	else
		kfree(vfork);
	if (c->fresh) {
		struct process *child = c->child;
		c->fresh = false;
		clone_drop_resources(child);
		process_put(child);
	}
	return 0;
}

static void undo_work(struct process_work *w)
{
	struct clone *c = container_of(w, struct clone, work);

	(void)undo(c);
	kfree(c);
}

/* The parent of a vfork waits until the child no longer needs its memory. */
static void wait_for_vfork(struct vfork *vfork)
{
	(void)wait_event_killable(&vfork->wait, __atomic_load_n(&vfork->done, __ATOMIC_ACQUIRE));
	vfork_put(vfork);
}

/* What was made is a child now, but one that is to die at once if it is not alive. */
static long finish(struct clone *c)
{
	if (c->vfork != nullptr)
		wait_for_vfork(c->vfork);
	if (c->alive)
		return c->tid;
	pidfd_take_back(&c->pidfd);
	return -ERESTARTNOINTR;
}

long process_clone(const struct clone_request *r, uint32_t syscall_number)
{
	enum { UNDO_TRIES = 4 };
	struct process *p = process_current();
	long result = check_flags(r, syscall_number);

	if (result != 0)
		return result;
	if (clone_too_many_threads(p))
		return -EAGAIN;
	if ((r->flags & CLONE_SETTLS) && !arch_tls_allowed(r->tls))
		return -EPERM;
	struct clone *c = kmalloc(sizeof(*c));
	if (c == nullptr)
		return -ENOMEM;
	*c = (struct clone){.request = *r, .child = p, .alive = true, .pidfd = {.fd = -1}};
	process_work_begin(&c->work, undo_work);
	/* A fault of the kernel in here fails the call, like any other error. */
	result = guard_run(&component_process, build(c, p));
	for (int i = 0; result != 0 && i < UNDO_TRIES && guard_run(&component_process, undo(c)) != 0; i++)
		log_error("process: %s[%u]: a clone that failed cannot be undone", p->name, p->pid);
	process_work_end(&c->work);
	if (result == 0)
		result = finish(c);
	kfree(c);
	return result;
}
