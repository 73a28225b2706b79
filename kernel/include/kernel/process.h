/* SPDX-License-Identifier: MIT */
/*
 * Processes, process groups, sessions, credentials. The process author extends this; what stands here is what others rely on.
 */
#ifndef KERNEL_PROCESS_H
#define KERNEL_PROCESS_H

#include <kernel/file.h>
#include <kernel/lock.h>
#include <kernel/thread.h>
#include <kernel/vm.h>

struct tty;
struct signal_state;			/* handlers, shared with CLONE_SIGHAND */

#define GROUPS_MAX 32
struct credentials {
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	uint32_t group_count;
	uint32_t groups[GROUPS_MAX];
	uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding;
};

enum process_state : uint8_t { PROCESS_RUNNING, PROCESS_STOPPED, PROCESS_ZOMBIE, PROCESS_DEAD };

struct process {
	uint32_t pid, refs;
	struct process *parent;		/* guarded by the process tree lock */
	struct list children, sibling;
	struct list all;		/* in the list of all processes */
	uint32_t pgid, sid;
	struct tty *tty;		/* controlling terminal, nullptr if none */
	enum process_state state;
	struct mutex lock;
	struct list threads;
	uint32_t thread_count;
	struct vm_space *space;
	struct file_table *files;
	struct fs_context *fs;
	struct signal_state *signals;
	struct credentials cred;
	char name[16];			/* comm */
	uint64_t start_ns;
	uint64_t rlimits[16][2];
	void *extra;			/* private to kernel/process */
};

static inline struct process *process_current(void) { return thread_current()->process; }
/* With a reference, or nullptr. */
struct process *process_find(uint32_t pid);
void process_get(struct process *p);
void process_put(struct process *p);
/* Calls fn for each process (with a reference held, no lock). Nonzero from fn stops. */
int process_for_each(int (*fn)(void *ctx, struct process *p), void *ctx);
/* For procfs: utime/stime in ns, state letter as in /proc/PID/stat. */
void process_times(struct process *p, uint64_t *user_ns, uint64_t *system_ns, uint64_t *child_user_ns, uint64_t *child_system_ns);
char process_state_letter(struct process *p);
struct file *process_exe(struct process *p);	/* with a reference, or nullptr */
/* Starts PID 1 from the path with stdin/out/err on /dev/console. */
[[nodiscard]] int process_start_init(const char *path);
uint64_t process_rlimit(uint32_t which);	/* soft limit of the current process */

/* Superuser checks of the current process. */
bool capable(unsigned capability);		/* CAP_* of capabilities(7) */

/* Signals to others. From a driver or the TTY too; not with a spinlock held. */
int signal_send_process(struct process *p, int signo);
int signal_send_group(uint32_t pgid, int signo);	/* -ESRCH if nobody */
void signal_send_current_fault(int signo, int code, uint64_t address);	/* synchronous */

/* Job control, for the TTY. */
bool process_group_orphaned(uint32_t pgid);
bool process_group_in_session(uint32_t pgid, uint32_t sid);
bool signal_current_ignored_or_blocked(int signo);
/* SIGHUP and SIGCONT to the session's foreground group, and the terminal forgotten by all. */
void session_lost_tty(struct tty *tty, uint32_t sid);

#endif
