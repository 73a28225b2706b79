/* SPDX-License-Identifier: MIT */
/*
 * Processes, process groups, sessions, credentials.
 *
 * A struct process is what POSIX calls a process: its threads are struct thread with `process` set,
 * and the process's part of a thread is struct process_thread. The tree (parents, groups, sessions,
 * ids) is guarded by process_tree_lock; what threads share (space, files, credentials…) changes
 * under `lock`; signals and the list of threads under `signal_lock`. A zombie has no thread, space,
 * files or fs (nullptr).
 */
#ifndef KERNEL_PROCESS_H
#define KERNEL_PROCESS_H

#include <kernel/base/lock.h>
#include <kernel/base/subject.h>
#include <kernel/file/file.h>
#include <kernel/mem/shared_wait.h>
#include <kernel/mem/text.h>
#include <kernel/process/signal.h>
#include <kernel/thread/thread.h>
#include <kernel/thread/timer.h>
#include <kernel/vm/vm.h>
#include <stddef.h>

struct seccomp_filter;
struct tty;

enum process_state : uint8_t { PROCESS_RUNNING, PROCESS_STOPPED, PROCESS_ZOMBIE, PROCESS_DEAD };

/* Who may have a process's memory, also as a core dump (prctl(2), PR_SET_DUMPABLE). */
enum dumpable : uint8_t { DUMPABLE_NOT = 0, DUMPABLE_BY_OWNER = 1, DUMPABLE_BY_ROOT = 2 };

/* Times in nanoseconds and counts of getrusage(2). */
struct process_usage {
	uint64_t user_ns, system_ns;
	uint64_t minor_faults, major_faults;
	uint64_t max_resident_pages;
	uint64_t voluntary, involuntary; /* context switches */
	struct io_usage io;
};

/* A vfork parent waits on it; one reference each for parent and child. */
struct vfork {
	uint32_t refs;
	bool done;
	struct wait_queue wait;
};

/* The process's part of a thread, in thread->process_state. */
struct process_thread {
	union {
		struct subject_thread subject; /* first: what lower floors see of it */
		struct {
			SUBJECT_THREAD_FIELDS
		};
	};
	bool stop_ordered, stopped; /* group stop: to come; in it */
	bool mask_saved;	    /* saved_mask is to be restored */
	bool exiting;
	/* kernel/process/exit.c: how far the thread's end has come */
	bool in_event;	 /* the kernel works for it without a system call */
	bool no_program; /* there is none to go back to: the first one's start, or an exec past its point of no return
			  */
	uint8_t event_faults, fault_exits; /* kernel/process/fault.c */
	bool doomed;			   /* its clone failed: it ends alone */
	bool exit_begun, exit_faults, left, last;
	bool left_locks; /* nobody may wait for it any more (futex_pi.c) */
	bool rebuilt;	 /* after its page was overwritten */
	uint8_t exit_step, exit_tries;
	int32_t exit_status;
	const char *losing; /* what is lost if the step faults now */
	uint64_t blocked, saved_mask;
	struct signal_pending pending;
	uint64_t altstack_base, altstack_size;
	uint32_t altstack_flags;
	uint32_t trap_number;
	uint64_t trap_error, trap_address; /* of the last fault, for signal frames */
	struct {
		uint64_t pc, page; /* of the last fault of a write */
		uint8_t count;	   /* in a row, with fetches between */
		bool fetched, told;
	} turn; /* signal_deliver.c */
	uint64_t clear_child_tid, robust_list;
	struct process_usage usage; /* faults only; times are the nucleus's, io is the subject's */
	uint64_t affinity;
	int32_t nice;
	int32_t inherited_nice; /* from who waits for its locks (futex_pi.c); INT32_MAX: none */
	uint32_t policy;
	uint32_t parent_death_signal;
	uint16_t io_priority;
	uint8_t seccomp_mode;		/* SECCOMP_MODE_*; kernel/process/seccomp.h */
	struct seccomp_filter *filters; /* the newest, a reference */
};
static_assert(sizeof(struct process_thread) <= sizeof(((struct thread *)nullptr)->process_state));

/* And what is known of a thread even if its page is lost, in thread->kept->process_state. */
struct process_kept {
	struct process_work *works; /* the newest first */
	struct vfork *vfork;
	struct futex_waiter *futex; /* while it waits, on its kernel stack */
	struct pi_waiter *pi;	    /* while it waits for a lock that has an owner */
};
static_assert(sizeof(struct process_kept) <= sizeof(((struct thread_kept *)nullptr)->process_state));

static inline struct process_kept *process_kept_of(struct thread *t)
{
	return (struct process_kept *)t->kept->process_state;
}

static inline struct process_thread *process_thread_of(struct thread *t)
{
	return (struct process_thread *)t->process_state;
}
static inline struct process_thread *process_thread_current(void)
{
	return process_thread_of(thread_current());
}

extern struct mutex process_tree_lock;

struct process {
	union {
		struct subject subject; /* first: what lower floors see of it */
		struct {
			SUBJECT_FIELDS
		};
	};
	uint32_t refs;

	/* Guarded by process_tree_lock; parent_pid, pgid and sid may be read freely. */
	struct process *parent;
	struct list children, sibling;
	struct list all; /* in the list of all processes */
	struct list group_link, session_link;
	uint32_t parent_pid, pgid, sid;
	struct tty *tty;	  /* controlling terminal, nullptr if none */
	enum process_state state; /* STOPPED also under signal_lock */
	uint8_t exit_signal;	  /* to the parent; 0: none */
	bool has_execed, child_subreaper;
	bool stillborn;					  /* its fork was interrupted: nobody is to hear of it */
	bool told_group, told_parent, group_was_orphaned; /* of its end */
	int32_t exit_status;				  /* as wait4 reports it, once ZOMBIE */
	struct wait_queue child_wait;			  /* of the parent's waiters */
	struct wait_queue exit_wait;			  /* of who polls a descriptor of it: woken when it has ended */
	struct process_usage children_usage;

	struct file *exe;
	char name[16]; /* comm */
	uint64_t start_ns;
	struct process_usage dead_usage; /* of threads that ended; under signal_lock */
	uint8_t dumpable;		 /* enum dumpable */
	uint32_t dump_filter;		 /* which memory a core dump has: /proc/PID/coredump_filter */
	int16_t oom_adjustment;		 /* /proc/PID/oom_score_adj */

	struct spinlock signal_lock;
	struct list threads GUARDED_BY(&signal_lock);
	struct signal_state *signals;
	struct signal_pending pending GUARDED_BY(&signal_lock);
	struct list signal_garbage GUARDED_BY(&signal_lock); /* entries to free once the lock is dropped */
	uint32_t queued_signals;			     /* atomic */
	bool unkillable;				     /* PID 1: default actions do not apply */
	struct core_dump *dump;				     /* in progress (kernel/process/core.h) */
	int32_t dump_signal;				     /* of it; the status then */
	bool stop_dequeued;				     /* a stop signal is being acted upon; SIGCONT clears it */
	bool notify_continued;				     /* the parent is to be told */
	bool report_continued;				     /* for wait */
	int32_t exit_code;				     /* wait4's format */
	int32_t stop_signal;				     /* of the stop in progress or complete; 0: none */
	int32_t report_stop;				     /* stop signal that wait has not yet reported; 0: none */
	uint32_t stop_waiting;				     /* threads that have yet to stop */
	struct wait_queue thread_wait;			     /* woken when a thread has left */
	struct shared_wait *signal_wait; /* an epoll of another process may watch it longer than this one lives */

	/* Interval timers, guarded by signal_lock (kernel/process/itimer.c, posix_timer.c). */
	struct timer real_timer;
	uint64_t real_interval_ns;
	struct timer cpu_timer;				 /* samples CPU time while a CPU interval timer runs */
	uint64_t cpu_deadline_ns[2], cpu_interval_ns[2]; /* VIRTUAL, PROF */
	uint64_t next_cpu_warning;			 /* second of CPU time at which SIGXCPU comes next */
	struct list posix_timers;
	uint32_t next_timer_id;
};

/* process.c: the thread of the process behind t, the first one for nullptr; nullptr: there are no more. Not one whose
 * page was overwritten and which has not come to mend it yet: it is about to end. The process's signal_lock is held. */
struct thread *process_thread_behind(struct process *p, struct thread *t) REQUIRES(p -> signal_lock);
#define for_each_thread(t, p)                                                                                          \
	for ((t) = process_thread_behind((p), nullptr); (t) != nullptr; (t) = process_thread_behind((p), (t)))

static_assert(offsetof(struct process, subject) == 0);

static inline struct process *process_current(void)
{
	return thread_current()->process;
}
/* With a reference, or nullptr. */
struct process *process_find(uint32_t pid);
/* The process that has a thread of this id, with a reference, or nullptr. */
struct process *process_find_by_tid(uint32_t tid);
void process_get(struct process *p);
void process_put(struct process *p);
/* Calls fn for each process (with a reference held, no lock), by ascending pid. Nonzero from fn
 * stops and is returned. */
int process_for_each(int (*fn)(void *ctx, struct process *p), void *ctx);
/* With a reference each, or nullptr when the process has none any more. For other threads than the
 * process's own. */
struct vm_space *process_get_space(struct process *p);
struct file_table *process_get_files(struct process *p);
struct fs_context *process_get_fs(struct process *p);
struct file *process_exe(struct process *p);
/* The smallest thread id above `after`, or 0; and what /proc/PID/task/TID shows of one (-ESRCH). */
uint32_t process_next_tid(struct process *p, uint32_t after);
struct process_thread_info {
	char name[16];
	char state;
	uint32_t cpu;
	int32_t nice, effective_nice; /* its own, and the one that it runs with */
	uint32_t policy;
	uint64_t user_ns, system_ns, start_ns;
	struct process_usage usage;
	uint64_t blocked, pending;
	uint64_t affinity;
	uint32_t seccomp_mode, seccomp_filters;
};
[[nodiscard]] int process_thread_info(struct process *p, uint32_t tid, struct process_thread_info *out);
struct text_buffer;
void process_show_timers(struct process *p, struct text_buffer *b); /* POSIX timers, for /proc/PID/timers */
/* Of the first thread (PR_SET_TIMERSLACK); 0 sets what it began with. */
uint64_t process_timer_slack(struct process *p);
void process_set_timer_slack(struct process *p, uint64_t ns);
/* Signal sets for /proc/PID/status. */
struct process_signal_info {
	uint64_t pending, ignored, caught;
	uint32_t queued;
};
void process_signal_info(struct process *p, struct process_signal_info *out);
/* For procfs: utime/stime in ns, state letter as in /proc/PID/stat. */
void process_times(struct process *p, uint64_t *user_ns, uint64_t *system_ns, uint64_t *child_user_ns,
		   uint64_t *child_system_ns);
char process_state_letter(struct process *p);
/* Of all processes since boot, those that are gone included. */
void process_usage_total(struct process_usage *out);
uint64_t process_forks(void); /* ids ever given */
void process_usage_of_threads(struct process *p, struct process_usage *out);
uint32_t process_count(void);
uint32_t process_thread_total(void);
uint32_t process_last_pid(void);
/* Runnable or running threads, for /proc/loadavg; and the three load averages in 1/2048. */
uint32_t process_running_count(void);
void process_load(uint32_t load[3]);

/* Starts PID 1 from the path with stdin/out/err on /dev/console. */
[[nodiscard]] int process_start_init(const char *path);
/* The auxiliary vector of the program in a space, from its initial stack; at most so many pairs; bytes. */
size_t process_auxv(struct vm_space *space, uint64_t *out, size_t entries);

/* Supplementary groups, as /proc/PID/status shows them. */
void process_show_groups(struct process *p, struct text_buffer *b);

/* Whether the current process may look into p (ptrace access; /proc/PID/{environ,fd,maps…}). */
bool process_may_inspect(struct process *p);
bool process_may_inspect_really(struct process *p); /* by its real ids: system calls, not files */

/* Out of memory for `need` (page_set_killer): kills the process that holds most memory and says so, unless one is dying
 * already or memory has come. False: none left to kill. Any lock may be held. */
bool oom_kill(uint64_t need);
enum : int { OOM_ADJUSTMENT_MIN = -1000, OOM_ADJUSTMENT_MAX = 1000 };
/* How much p is to blame, in thousandths of memory, with its adjustment; 0 and less: never chosen. */
int64_t oom_score(struct process *p);
[[nodiscard]] int oom_adjust(struct process *p, int adjustment); /* -EINVAL, -EACCES */

/* Signals to others. From a driver or the TTY too; not with a spinlock held. */
int signal_send_process(struct process *p, int signo);
int signal_send_group(uint32_t pgid, int signo);		       /* -ESRCH if nobody */
void signal_send_current_fault(int signo, int code, uint64_t address); /* synchronous */

/* Job control, for the TTY. */
bool process_group_orphaned(uint32_t pgid);
bool process_group_in_session(uint32_t pgid, uint32_t sid);
bool signal_current_ignored_or_blocked(int signo);
/* How a session loses its controlling terminal. */
enum session_loss : uint8_t {
	SESSION_ROBBED,	     /* TIOCSCTTY of another session: nobody is told */
	SESSION_GAVE_UP,     /* the leader's TIOCNOTTY: SIGHUP and SIGCONT to the foreground */
	SESSION_LEADER_ENDS, /* SIGHUP to the foreground */
	SESSION_HUNG_UP,     /* SIGHUP and SIGCONT to the leader and the foreground */
};
/* SIGHUP and SIGCONT to the session's foreground group, and the terminal forgotten by all. */
void session_lost_tty(struct tty *tty, uint32_t sid, uint32_t foreground, enum session_loss how);
/* Who is told when a session's leader ends, in process context: the terminals, once, at boot. */
void session_set_end(void (*end)(struct tty *tty, uint32_t sid, enum session_loss how));

/* Who is told, in its last thread, that a process ends, before anything of it is given back (semaphores it has to
 * undo). Called anew after a fault in it. Once, at boot. */
void process_set_farewell(void (*tell)(struct process *p));

/* Who is told, in the thread of reboot(2) or of PID 1's end, that power goes or the machine is restarted (off), and
 * that it did not come to that. Once, at boot. */
void power_set_farewell(void (*tell)(bool off));

#endif
