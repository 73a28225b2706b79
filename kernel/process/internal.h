/* SPDX-License-Identifier: MIT */
/*
 * What the files of kernel/process share.
 *
 * Ids: one table for process, thread, group and session ids; an id is taken while any of them uses
 * it. Lock order: process_tree_lock, process->lock, process->signal_lock, signal_state->lock.
 */
#ifndef PROCESS_INTERNAL_H
#define PROCESS_INTERNAL_H

#include <kernel/base/killable.h>
#include <kernel/base/syscall.h>
#include <kernel/process/process.h>
#include <kernel/process/signal.h>
#include <kernel/thread/component.h>
#include <nucleus/upcall.h>

DECLARE_COMPONENT(process);

extern struct process *init_process;

struct abi_timespec {
	int64_t sec, nsec;
};
struct abi_timeval {
	int64_t sec, usec;
};

/* --- pid.c --- */
enum : uint32_t { PID_LIMIT = 32768 };
struct pid {
	struct list link; /* hash bucket */
	uint32_t id;
	struct process *process;   /* whose pid it is, until it is reaped */
	struct process *thread_of; /* the process that has the thread of this id */
	struct list group;	   /* processes by group_link */
	struct list session;	   /* processes by session_link */
};
/* Takes a free id into p (memory is the caller's); -EAGAIN: none left. */
void pid_init(void);
uint32_t pid_threads_max(void); /* ids that may be in use at once */
[[nodiscard]] int pid_allocate(struct pid *p) REQUIRES(process_tree_lock);
struct pid *pid_lookup(uint32_t id) REQUIRES(process_tree_lock);
/* Frees it if nothing uses the id any more. */
void pid_release(struct pid *p) REQUIRES(process_tree_lock);
void pid_join(struct process *p, uint32_t pgid, uint32_t sid) REQUIRES(process_tree_lock);
void pid_leave(struct process *p) REQUIRES(process_tree_lock);
void pid_thread_gone(uint32_t tid) REQUIRES(process_tree_lock);

/* --- process.c --- */
extern struct list process_all GUARDED_BY(process_tree_lock);
/* A process without ids, threads, space or files, one reference. nullptr: out of memory. */
[[nodiscard]] struct process *process_create(void);
void process_set_name(struct process *p, const char *name);
/* Adds a thread; its id is set already. The caller has taken a reference for it. */
void process_add_thread(struct process *p, struct thread *t) REQUIRES(p -> signal_lock);
void process_thread_state_init(struct thread *t);
void process_publish_name(struct thread *t); /* tells the nucleus, for reports */
/* A process executes f: nobody may open it for writing meanwhile. begin: -ETXTBSY; again: for one
 * more, f is executed already. */
[[nodiscard]] int exe_begin(struct file *f);
void exe_again(struct file *f); /* takes a reference too */
void exe_end(struct file *f);	/* puts the reference */
void process_usage_add(struct process_usage *to, const struct process_usage *from);
/* What a thread used until now; its times and switches are the nucleus's. */
void process_thread_usage(struct thread *t, struct process_usage *out);
/* A thread ends: what it used goes into its process's and the system's sums. */
void process_usage_of_dead(struct process *p, const struct process_usage *u) REQUIRES(p -> signal_lock);
struct process *process_parent_get(struct process *p);

/* --- credentials.c --- */
enum : uint8_t {
	SECURE_NOROOT = 1,
	SECURE_NO_SETUID_FIXUP = 4,
	SECURE_KEEP_CAPS = 16,
	SECURE_NO_AMBIENT_RAISE = 64,
	SECURE_BITS = SECURE_NOROOT | SECURE_NO_SETUID_FIXUP | SECURE_KEEP_CAPS | SECURE_NO_AMBIENT_RAISE,
	SECURE_LOCKS = (uint8_t)(SECURE_BITS << 1), /* each one's lock is the bit above it */
};
/* Capabilities after the real, effective and saved user ids changed, or the filesystem's alone (old: what it was). */
void credentials_uids_changed(struct credentials *c, const struct credentials *old);
void credentials_fsuid_changed(struct credentials *c, uint32_t old);
/* Whether who was `old` and is c now has to be hidden from those who could look into `old`. */
bool credentials_hide(const struct credentials *c, const struct credentials *old);
/* p, whose lock is held and whose thread the caller is, was `old` before. */
void credentials_after_change(struct process *p, const struct credentials *old);
/* What the program f makes of old, and of the personality; watched: another process shares what it rests on. True: it
 * must not trust its environment (AT_SECURE). */
[[nodiscard]] bool credentials_exec(struct credentials *c, const struct credentials *old, const struct file *f,
				    bool watched, uint32_t *personality);
void credentials_exec_secure(struct process *p); /* such a program is now that of the current process; lock held */

/* --- groups.c --- */
struct group_list *groups_get(struct group_list *g); /* nullptr stays */
void groups_put(struct group_list *g);

/* --- work.c --- */
/* Something that the current thread is making of several parts. If the thread ends in between, of a fault or of its
 * own accord, undo takes away what there is of it, and the record itself, which is not on the thread's stack; called
 * again if that faults. */
struct process_work {
	struct process_work *next;
	void (*undo)(struct process_work *w);
};
void process_work_begin(struct process_work *w, void (*undo)(struct process_work *w));
void process_work_end(struct process_work *w);
/* Undoes what the current thread has begun to make. No locks held. */
void process_works_undo(void);

/* --- start.c --- */
/* Starts a process of root's, which is nobody's child, has no files and reaps itself. run is called in it, and executes
 * a program (exec_kernel) or fails; what arg is, is run's then, else still the caller's. -ENOMEM, -EAGAIN. */
[[nodiscard]] int process_start_helper(const char *name, int (*run)(void *arg), void *arg);

/* --- clone.c --- */
struct clone_request {
	uint64_t flags, stack, tls;
	uint32_t exit_signal;
	user_addr parent_tid, child_tid, pidfd;
};
enum : uint64_t {
	CLONE_VM = 0x100,
	CLONE_FS = 0x200,
	CLONE_FILES = 0x400,
	CLONE_SIGHAND = 0x800,
	CLONE_PIDFD = 0x1000,
	CLONE_VFORK = 0x4000,
	CLONE_PARENT = 0x8000,
	CLONE_THREAD = 0x10000,
	CLONE_SYSVSEM = 0x40000,
	CLONE_SETTLS = 0x80000,
	CLONE_PARENT_SETTID = 0x100000,
	CLONE_CHILD_CLEARTID = 0x200000,
	CLONE_DETACHED = 0x400000,
	CLONE_UNTRACED = 0x800000,
	CLONE_CHILD_SETTID = 0x1000000,
	CLONE_CLEAR_SIGHAND = 0x100000000,
};
long process_clone(const struct clone_request *r, uint32_t syscall_number);

/* --- pidfd.c --- */
/* A descriptor of p, which has its id. */
[[nodiscard]] long pidfd_create(struct process *p, uint32_t flags);
/* CLONE_PIDFD: a number is reserved and written to the caller's memory, and becomes the descriptor when nothing can
 * fail any more; until then nobody else can use or close it. take_back undoes either, and leaves nothing (fd -1). */
struct pidfd_promise {
	int32_t fd;
	struct file *file; /* until the promise is kept */
};
[[nodiscard]] int pidfd_promise(struct process *p, user_addr at, struct pidfd_promise *d);
void pidfd_keep_promise(struct pidfd_promise *d);
void pidfd_take_back(struct pidfd_promise *d);
/* The process of a descriptor, with a reference, and the file's flags. -EBADF: it is none's. */
[[nodiscard]] int pidfd_process(int fd, struct process **out, uint32_t *flags);

/* --- exit.c --- */
[[noreturn]] void process_thread_end(int32_t status); /* ends the calling thread; status counts if it is the last */
[[noreturn]] void process_group_exit(int32_t status);
/* Waits until the caller is its process's only thread (exec). -EINTR: it is dying itself. */
[[nodiscard]] int process_end_other_threads(void);
/* The current thread leaves its program's memory, by its end or by exec: locks of its robust list get
 * FUTEX_OWNER_DIED, and the word that CLONE_CHILD_CLEARTID or set_tid_address named is cleared and its waiter woken. */
void process_leave_image(struct process *p, struct process_thread *s);
void vfork_complete(void); /* of the current thread */
void vfork_put(struct vfork *v);
bool process_must_end(struct process *p);
/* The current thread, which faulted on its way out, goes on there. */
[[noreturn]] void process_exit_goes_on(void);
extern uint32_t process_exit_losses; /* atomic: what faults on the way out cost */

/* --- zombie.c --- */
/* Takes a zombie out of the tree; the caller drops the table's reference (process_put) after
 * unlocking. */
void process_reap_locked(struct process *p) REQUIRES(process_tree_lock);
void process_give_children_away(struct process *p);
/* The process has no thread any more: parent and group are told, and it is reaped if nobody wants to wait for it. */
void process_become_zombie(struct process *p);
/* After a fault on the way there: whoever may have to wait for a child looks. */
void process_settle_zombie(struct process *p);

/* --- group.c --- */
bool group_orphaned_locked(uint32_t pgid, const struct process *without) REQUIRES(process_tree_lock);
void group_signal_if_orphaned_locked(uint32_t pgid) REQUIRES(process_tree_lock);
bool group_has_stopped_locked(uint32_t pgid) REQUIRES(process_tree_lock);

/* --- signals --- */
enum : uint64_t {
	SIGNALS_UNBLOCKABLE = SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP),
	SIGNALS_STOP = SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU),
	SIGNALS_DEFAULT_IGNORE = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH),
	SIGNALS_SYNCHRONOUS = SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) |
			      SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS),
};

/* oom.c */
void oom_init(void);

/* sched.c: the nice value that counts for a thread, and telling the nucleus of it */
int32_t sched_effective_nice(struct thread *t);
void sched_publish_priority(struct thread *t);

/* signal_state.c: handlers */
[[nodiscard]] struct signal_state *signal_state_create(void);
[[nodiscard]] struct signal_state *signal_state_clone(struct signal_state *s);
void signal_state_get(struct signal_state *s);
void signal_state_put(struct signal_state *s);
/* exec, CLONE_CLEAR_SIGHAND: caught signals get their default action. */
void signal_state_reset(struct signal_state *s);
struct signal_action signal_action_get(struct process *p, int signo);
void signal_action_set(struct process *p, int signo, const struct signal_action *a);

/* signal_queue.c: pending sets. The lock is dropped by signal_unlock wherever entries may have been
 * removed. */
void signal_pending_init(struct signal_pending *s);
struct signal_entry *signal_entry_create(struct process *p, int signo, const struct signal_info *info);
void signal_entry_discard(struct process *p, struct signal_entry *e);
void signal_queue(struct process *p, struct signal_pending *to, int signo, struct signal_entry *e)
	REQUIRES(p -> signal_lock);
void signal_flush(struct process *p, struct signal_pending *s, uint64_t set) REQUIRES(p -> signal_lock);
void signal_unlock(struct process *p) RELEASE(p -> signal_lock);
/* Takes the next signal of the current thread that is not in excluded. */
int signal_dequeue(struct process *p, uint64_t excluded, struct signal_info *info) REQUIRES(p -> signal_lock);
/* Removes a caller-owned entry from wherever it is pending. */
void signal_entry_cancel(struct process *p, struct signal_entry *e);

/* signal_calls.c: if the current process may; -EPERM */
int signal_send_checked(struct process *p, int signo, const struct signal_info *info);

/* signal_send.c */
/* All threads of p end, with that status of p, unless it ends already. */
void process_group_exit_begin(struct process *p, int32_t status) REQUIRES(p -> signal_lock);
int signal_send_thread(struct process *p, uint32_t tid, int signo, const struct signal_info *info);
int signal_send_group_locked(uint32_t pgid, int signo) REQUIRES(process_tree_lock);
/* Sends an entry that the caller owns (POSIX timers) to the process, or to one thread (tid != 0).
 * False: ignored, or still pending. */
bool signal_send_entry(struct process *p, uint32_t tid, struct signal_entry *e);
void signal_wake(struct process *p, struct thread *t) REQUIRES(p -> signal_lock); /* sets the flag, kicks */
void signal_recalculate_current(struct process *p) REQUIRES(p -> signal_lock);
void signal_set_blocked_current(uint64_t mask);
void signal_wait_any(void); /* sleeps until a signal is to be handled */
/* The current thread no longer takes these: signals meant for the process go to another one. */
void signal_retarget(struct process *p, uint64_t set) REQUIRES(p -> signal_lock);

/* core_name.c: enum dumpable of set-id programs and of who changed his ids (/proc/sys/fs/suid_dumpable); atomic */
extern int32_t core_of_set_id;

void system_host_name(char *out, size_t size); /* uname.c */

/* signal_stop.c */
void signal_continue(struct process *p) REQUIRES(p -> signal_lock); /* SIGCONT or SIGKILL was sent */
void signal_stop_deliver(struct process *p, int signo);
void signal_stop_wait(struct process *p); /* the current thread's part of a stop */
bool signal_stop_thread_leaves(struct process *p, struct thread *t) REQUIRES(p -> signal_lock);
void signal_notify_parent_locked(struct process *p, int code, int status) REQUIRES(process_tree_lock);
void signal_notify_stop(struct process *p, int code, int status);

/* Everything that waits before a return to the process: signals, stop, end. */
void process_deliver_pending(void);

/* --- timers of a process --- */
void itimer_init(struct process *p);
void itimer_stop(struct process *p);	    /* the process is ending */
void itimer_watch_limit(struct process *p); /* RLIMIT_CPU was set or inherited */
/* which: 0 real, 1 virtual, 2 profiling. */
void itimer_change(int which, uint64_t value_ns, uint64_t interval_ns, uint64_t *old_left, uint64_t *old_interval);
void posix_timers_destroy(struct process *p);
/* A signal with SI_TIMER was taken: fills in the overrun and arms the next period. No spinlock
 * held. */
void posix_timer_delivered(struct process *p, struct signal_info *info);

/* --- sigio.c --- */
void sigio_init(void); /* the signals of files are sent from here on */

/* --- usage.c --- */
struct abi_rusage {
	struct abi_timeval user, system;
	int64_t max_resident_kib, ix_rss, id_rss, is_rss, minor_faults, major_faults, swaps, in_blocks, out_blocks,
		sent, received, signals, voluntary, involuntary;
};
static_assert(sizeof(struct abi_rusage) == 144);
void rusage_fill(struct abi_rusage *out, const struct process_usage *u);

/* --- futex.c --- */
void futex_init(void);
int futex_wake_address(user_addr at, int32_t count);
void futex_robust_exit(struct process_thread *t);
void futex_thread_exit(void); /* the current thread no longer waits */
/* Until *over, which its setter follows by an unpark, or a deadline on the clock (0: none): 0, -ETIMEDOUT,
 * -ERESTARTSYS. */
[[nodiscard]] int futex_sleep(const bool *over, bool realtime, uint64_t when);

/* --- futex_pi.c, futex_pi_queue.c --- */
void futex_pi_init(void);
/* The current thread's locks are nobody's any more, because it ends (for good) or executes another program. */
void futex_pi_leave(bool for_good);
/* The current thread waits for no lock any more: it faulted while it did. May sleep. */
void futex_pi_stop(void);

/* --- clock conversions --- */
struct abi_itimerspec {
	struct abi_timespec interval, value;
};
[[nodiscard]] int timespec_from_user(user_addr at, uint64_t *ns); /* -EFAULT, -EINVAL; saturates */
[[nodiscard]] int timespec_to_user(user_addr at, uint64_t ns);
[[nodiscard]] int timespec_to_ns(const struct abi_timespec *ts, uint64_t *ns);
static inline struct abi_timespec timespec_from_ns(uint64_t ns)
{
	return (struct abi_timespec){(int64_t)(ns / 1000000000), (int64_t)(ns % 1000000000)};
}
enum clock_id : int32_t {
	CLOCK_REALTIME = 0,
	CLOCK_MONOTONIC = 1,
	CLOCK_PROCESS_CPUTIME_ID = 2,
	CLOCK_THREAD_CPUTIME_ID = 3,
	CLOCK_MONOTONIC_RAW = 4,
	CLOCK_REALTIME_COARSE = 5,
	CLOCK_MONOTONIC_COARSE = 6,
	CLOCK_BOOTTIME = 7,
	CLOCK_REALTIME_ALARM = 8,
	CLOCK_BOOTTIME_ALARM = 9,
	CLOCK_TAI = 11,
};
enum : int { TIMER_ABSTIME = 1 };
/* -EINVAL: no such clock. */
[[nodiscard]] int clock_read(int32_t id, uint64_t *ns);
/* Whether a timer or sleep may use the clock. -EINVAL: there is none; -EOPNOTSUPP: it can only be read; -EPERM. */
[[nodiscard]] int clock_check_timer(int32_t id);
/* The clock that a timer follows which was set relatively or absolutely: who sets the date moves absolute ones only. */
int32_t clock_followed(int32_t id, bool absolute);
bool clock_is_realtime(int32_t id);
/* Monotonic time at which the clock shows when_ns (never 0). */
uint64_t clock_deadline(int32_t id, uint64_t when_ns);
/* Woken when somebody sets the clock. */
extern struct wait_queue clock_set_queue;
/* Tells all that wait for a date: it was set, or (stepped false) it runs at another rate from now on. */
void clock_changed(bool stepped);
void posix_timers_clock_was_set(void);
void timer_files_clock_was_set(bool stepped); /* false: it only runs at another rate */

/* --- adjust.c --- */
void adjust_init(void);
void adjust_forget(void); /* the clock was set: what was to be corrected is no more */

/* --- cpu_clock.c --- */
struct cpu_clock {
	struct process *process; /* with a reference */
	uint32_t tid;		 /* one thread's; 0: all */
	bool user_only;
};
bool clock_is_cpu(int32_t id);
/* -EINVAL: no such clock, or a thread of another process. only_to_read: the process may be named by the calling
 * thread's id, too. */
[[nodiscard]] int cpu_clock_open(int32_t id, bool only_to_read, struct cpu_clock *c);
void cpu_clock_close(struct cpu_clock *c);
/* -ESRCH: the thread has ended. May be called by any thread; takes signal_lock. */
[[nodiscard]] int cpu_clock_read(const struct cpu_clock *c, uint64_t *ns);
/* Nobody announces CPU time: monotonic time at which to look again for when_ns. */
uint64_t cpu_clock_next_look(const struct cpu_clock *c, uint64_t now, uint64_t when_ns);

/* --- signalfd.c --- */
long signal_file_make(int fd, user_addr mask, size_t size, uint32_t flags);

/* --- start.c --- */
/* The calling thread, of PID 1, becomes PID 1's program once more: the kernel faulted such that the one there was is
 * lost. After a number of times the machine is switched off. */
[[noreturn]] void process_init_anew(const char *why);
/* --- power.c --- */
/* PID 1 is no more: what was written is kept, drivers are told, the machine is switched off. Comes back only if it
 * cannot be. Process context. */
void power_off_without_init(void);

/* --- exec.c --- */
/* The current process's program becomes path, strings from the kernel; 0: the registers are the new
 * program's, go on with gate_resume. */
[[nodiscard]] int exec_kernel(const char *path, const char *const *argv, const char *const *envp);

/* A session's leader ends: its terminal, if it has one, hears of it. */
void session_ends(struct process *leader);

#endif
