/* SPDX-License-Identifier: MIT */
/*
 * The end of threads and processes (POSIX.1-2017 _exit(), "Consequences of Process Termination";
 * Linux exit(2), exit_group(2)).
 *
 * A thread ends in its own context: by exit(2), or in process_deliver_pending when its process is
 * to end. It gives back what user memory knows of it, leaves its process's list, and the last one
 * takes the process down: timers, files, space, terminal; children go to the reaper and the parent is told (zombie.c).
 *
 * The way there is a list of steps, and the thread notes where it is. A fault of the kernel in one of them leads back
 * here, with the stack lost: the step is begun anew as often as it allows (each is written such that it can be), then
 * left out. What could not be given back is counted and said; the parent is told in any case.
 */
#include "core.h"
#include "internal.h"
#include "seccomp.h"
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/fs_context.h>
#include <kernel/vm/user.h>
#include <nucleus/calls.h>

uint32_t process_exit_losses;

void process_group_exit(int32_t status)
{
	struct process *p = process_current();

	spin_lock(&p->signal_lock);
	process_group_exit_begin(p, status);
	status = p->exit_code;
	spin_unlock(&p->signal_lock);
	process_thread_end(status);
}

int process_end_other_threads(void)
{
	struct process *p = process_current();
	struct thread *t, *self = thread_current();

	spin_lock(&p->signal_lock);
	if (p->group_exit || p->exec_thread != nullptr) {
		spin_unlock(&p->signal_lock);
		return -EINTR;
	}
	__atomic_store_n(&p->exec_thread, self, __ATOMIC_RELEASE);
	for_each_thread(t, p) {
		if (t == self)
			continue;
		signal_wake(p, t);
		if (process_thread_of(t)->stopped)
			thread_unpark(t);
	}
	spin_unlock(&p->signal_lock);
	int error = wait_event_killable(&p->thread_wait, __atomic_load_n(&p->thread_count, __ATOMIC_ACQUIRE) == 1);
	if (error == 0 && self->tid != p->pid) {
		futex_pi_leave(false);
		/* The process's first thread is gone; whoever executes becomes it (execve(2)). */
		mutex_lock(&process_tree_lock);
		pid_thread_gone(self->tid);
		pid_lookup(p->pid)->thread_of = p;
		self->tid = p->pid;
		thread_note(self);
		mutex_unlock(&process_tree_lock);
		process_publish_name(self);
	}
	__atomic_store_n(&p->exec_thread, nullptr, __ATOMIC_RELEASE);
	return error;
}

void vfork_put(struct vfork *v)
{
	if (__atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(v);
}

void vfork_complete(void)
{
	struct process_kept *s = process_kept_of(thread_current());
	struct vfork *v = s->vfork;

	if (v == nullptr)
		return;
	__atomic_store_n(&v->done, true, __ATOMIC_RELEASE);
	wait_wake_all(&v->wait);
	s->vfork = nullptr;
	vfork_put(v);
}

/* A step of the end of a thread; some are the last thread's only. */
struct exit_step {
	const char *name;
	void (*run)(struct process *p, struct thread *t);
	bool of_process; /* the last thread's */
	uint8_t again;	 /* so often it may be begun anew after a fault in it */
};

/* Once only: the dump counts who has arrived. */
static void join_dump(struct process *p, struct thread *t)
{
	(void)t;
	core_thread_ends(p);
}

static void leave_stop(struct process *p, struct thread *t)
{
	struct process_thread *s = process_thread_of(t);

	spin_lock(&p->signal_lock);
	s->exiting = true;
	FAULT_POINT(exit_leave_stop);
	signal_retarget(p, ~s->blocked);
	bool stopped = signal_stop_thread_leaves(p, t);
	int stop_signal = p->stop_signal;
	spin_unlock(&p->signal_lock);
	if (stopped)
		signal_notify_stop(p, CLD_STOPPED, stop_signal);
}

static void leave_robust_list(struct process *p, struct process_thread *s)
{
	if (p->space != nullptr)
		futex_robust_exit(s);
	s->robust_list = 0;
}

static void clear_tid(struct process *p, struct process_thread *s)
{
	user_addr at = USER_ADDR(s->clear_child_tid);
	uint32_t zero = 0;
	/* Nobody waits for it in memory that is going as well; and what was mapped shared keeps its value. */
	bool others = p->space != nullptr &&
		      (__atomic_load_n(&p->thread_count, __ATOMIC_ACQUIRE) > 1 || vm_space_is_shared(p->space));

	FAULT_POINT(exit_clear_tid);
	if (at.value != 0 && others && put_user(at, zero) == 0)
		(void)futex_wake_address(at, 1);
	s->clear_child_tid = 0;
}

void process_leave_image(struct process *p, struct process_thread *s)
{
	leave_robust_list(p, s);
	futex_pi_leave(false);
	clear_tid(p, s);
}

static void leave_futexes(struct process *p, struct thread *t)
{
	futex_thread_exit();
	FAULT_POINT(exit_robust);
	leave_robust_list(p, process_thread_of(t));
	futex_pi_leave(true);
}

static void leave_id_in_memory(struct process *p, struct thread *t)
{
	clear_tid(p, process_thread_of(t));
}

static void end_vfork(struct process *, struct thread *)
{
	FAULT_POINT(exit_vfork);
	vfork_complete();
}

static void leave_space(struct process *, struct thread *)
{
	FAULT_POINT(exit_space_use);
	(void)nucleus_space_use(0);
}

static void give_id_back(struct process *p, struct thread *t)
{
	mutex_lock(&process_tree_lock);
	FAULT_POINT(exit_tid);
	struct pid *pid = pid_lookup(t->tid);
	if (pid != nullptr && pid->thread_of == p)
		pid_thread_gone(t->tid);
	mutex_unlock(&process_tree_lock);
}

/* Once for each thread: whether it was the last one is known from here on. */
static void count_out(struct process *p, struct thread *t) REQUIRES(p -> signal_lock)
{
	struct process_thread *s = process_thread_of(t);

	if (s->left)
		return;
	s->left = true;
	list_remove(&t->process_link);
	s->last = __atomic_sub_fetch(&p->thread_count, 1, __ATOMIC_ACQ_REL) == 0;
	if (s->last && !p->group_exit) {
		p->exit_code = s->exit_status;
		p->group_exit = true;
	}
}

static void leave_process(struct process *p, struct thread *t)
{
	struct process_thread *s = process_thread_of(t);
	struct process_usage usage;

	process_thread_usage(t, &usage);
	spin_lock(&p->signal_lock);
	FAULT_POINT(exit_leave);
	if (!s->left)
		process_usage_of_dead(p, &usage);
	count_out(p, t);
	FAULT_POINT(exit_left);
	signal_flush(p, &s->pending, UINT64_MAX);
	signal_unlock(p);
}

/* Where the step before was left out: without this nobody would take the process down. */
static void leave_anyway(struct process *p, struct thread *t)
{
	if (process_thread_of(t)->left)
		return;
	spin_lock(&p->signal_lock);
	count_out(p, t);
	spin_unlock(&p->signal_lock);
}

static void wake_threads(struct process *p, struct thread *)
{
	FAULT_POINT(exit_wake);
	wait_wake_all(&p->thread_wait);
}

static void leave_filters(struct process *, struct thread *t)
{
	seccomp_leave(process_thread_of(t));
}

static void end_of_init(struct process *p, struct thread *)
{
	if (p != init_process)
		return;
	log_error("process: PID 1 ended with status 0x%x; nothing is left to run", (unsigned)p->exit_code);
	power_off_without_init();
}

static void stop_timers(struct process *p, struct thread *)
{
	FAULT_POINT(exit_timers);
	itimer_stop(p);
}

static void end_posix_timers(struct process *p, struct thread *)
{
	FAULT_POINT(exit_posix_timers);
	posix_timers_destroy(p);
}

static void note_peak(struct process *p, struct thread *)
{
	struct vm_stats stats;

	if (p->space == nullptr)
		return;
	vm_stats(p->space, &stats);
	p->dead_usage.max_resident_pages = MAX(p->dead_usage.max_resident_pages, stats.peak_pages);
}

/* Takes *at from the process. Until it is given back, `what` is lost if that faults. */
#define TAKE(p, s, at, what)                                                                                           \
	({                                                                                                             \
		mutex_lock(&(p)->lock);                                                                                \
		auto taken_ = (p)->at;                                                                                 \
		(p)->at = nullptr;                                                                                     \
		mutex_unlock(&(p)->lock);                                                                              \
		(s)->losing = taken_ != nullptr ? (what) : nullptr;                                                    \
		taken_;                                                                                                \
	})

static void (*farewell)(struct process *p);

void process_set_farewell(void (*tell)(struct process *p))
{
	farewell = tell;
}

static void take_leave(struct process *p, struct thread *)
{
	FAULT_POINT(exit_farewell);
	if (farewell != nullptr)
		farewell(p);
}

static void give_files_back(struct process *p, struct thread *t)
{
	FAULT_POINT(exit_files);
	file_table_put(TAKE(p, process_thread_of(t), files, "descriptor table"));
}

static void give_fs_back(struct process *p, struct thread *t)
{
	FAULT_POINT(exit_fs);
	struct fs_context *fs = TAKE(p, process_thread_of(t), fs, "working directory");
	if (fs != nullptr)
		fs_context_leave(fs);
}

static void give_program_back(struct process *p, struct thread *t)
{
	FAULT_POINT(exit_exe);
	struct file *exe = TAKE(p, process_thread_of(t), exe, "program");
	if (exe != nullptr)
		exe_end(exe);
}

static void give_space_back(struct process *p, struct thread *t)
{
	FAULT_POINT(exit_space);
	struct vm_space *space = TAKE(p, process_thread_of(t), space, "address space");
	if (space != nullptr)
		vm_space_put(space);
}

static void end_session(struct process *p, struct thread *)
{
	FAULT_POINT(exit_session);
	if (p->sid == p->pid)
		session_ends(p);
}

static void give_children(struct process *p, struct thread *)
{
	process_give_children_away(p);
}

static void become_zombie(struct process *p, struct thread *)
{
	process_become_zombie(p);
}

/* What somebody may wait for, where a step that tells of it may have been left out. */
static void settle(struct process *p, struct thread *t)
{
	struct process_thread *s = process_thread_of(t);

	if (!s->exit_faults)
		return;
	vfork_complete();
	wait_wake_all(&p->thread_wait);
	if (!s->last)
		return;
	/* Somebody may wait for the end of a pipe. */
	file_table_put(TAKE(p, s, files, "descriptor table"));
	process_settle_zombie(p);
}

static void put_process(struct process *p, struct thread *t)
{
	t->process = nullptr;
	thread_note(t);
	FAULT_POINT(exit_put);
	process_put(p);
}

static const struct exit_step steps[] = {
	{"joining a dump", join_dump, false, 0},
	{"leaving a stop", leave_stop, false, 1},
	{"leaving its futexes", leave_futexes, false, 1},
	{"clearing its id in memory", leave_id_in_memory, false, 1},
	{"letting the parent of a vfork go on", end_vfork, false, 1},
	{"leaving its address space", leave_space, false, 1},
	{"giving its id back", give_id_back, false, 1},
	{"leaving the process", leave_process, false, 1},
	{"leaving the process after a fault", leave_anyway, false, 1},
	{"waking who waits for it", wake_threads, false, 1},
	{"letting go of its filters", leave_filters, false, 1},
	{"the end of PID 1", end_of_init, true, 0},
	{"stopping timers", stop_timers, true, 1},
	{"freeing POSIX timers", end_posix_timers, true, 1},
	{"noting its size", note_peak, true, 0},
	{"undoing what it did to semaphores", take_leave, true, 1},
	{"closing files", give_files_back, true, 1},
	{"leaving its directory", give_fs_back, true, 1},
	{"giving its program back", give_program_back, true, 1},
	{"freeing memory", give_space_back, true, 1},
	{"leaving its session", end_session, true, 1},
	{"giving its children away", give_children, true, 3},
	{"telling its parent", become_zombie, true, 3},
	{"telling others after a fault", settle, false, 1},
	{"letting go of the process", put_process, false, 0},
};

/* Counts and says what a fault on the way out cost. */
static void note_loss(struct thread *t, const char *verb, const char *what)
{
	__atomic_fetch_add(&process_exit_losses, 1, __ATOMIC_RELAXED);
	log_error("process: the end of %s, thread %u: %s %s", t->name, t->tid, what, verb);
}

/* Goes through the steps from where the thread is. Faults come here again. */
[[noreturn]] static void run_exit_steps(void)
{
	struct thread *t = thread_current();
	struct process_thread *s = process_thread_of(t);

	while (s->exit_step < ARRAY_LEN(steps)) {
		const struct exit_step *e = &steps[s->exit_step];

		if (!e->of_process || s->last) {
			if (s->exit_tries <= e->again) {
				s->exit_tries++;
				e->run(t->process, t);
			} else {
				/* What the step would have taken away may still point to the process: it stays. */
				if (t->process != nullptr)
					process_get(t->process);
				note_loss(t, "faulted and is left out", e->name);
			}
		}
		s->exit_step++;
		s->exit_tries = 0;
		s->losing = nullptr;
	}
	thread_exit();
}

void process_exit_goes_on(void)
{
	struct thread *t = thread_current();
	struct process_thread *s = process_thread_of(t);
	const char *lost = s->losing;

	s->losing = nullptr;
	s->exit_faults = true;
	if (lost != nullptr)
		note_loss(t, "is lost", lost);
	run_exit_steps();
}

void process_thread_end(int32_t status)
{
	struct thread *t = thread_current();
	struct process_thread *s = process_thread_of(t);

	/* Whoever guarded the call that ends here is not returned to. */
	guards_forget(t);
	process_works_undo();
	s->exit_status = status;
	s->exit_begun = true;
	run_exit_steps();
}

static long sys_exit(int code)
{
	process_thread_end((code & 0xff) << 8);
}
SYSCALL(exit);

static long sys_exit_group(int code)
{
	process_group_exit((code & 0xff) << 8);
}
SYSCALL(exit_group);
