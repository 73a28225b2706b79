/* SPDX-License-Identifier: MIT */
/*
 * On whose behalf a thread runs: what every floor may ask of the process, which itself is kernel/process's. Its rights
 * and limits, what its system calls work on, and whether it is ending. A struct process begins with these fields.
 */
#ifndef KERNEL_SUBJECT_H
#define KERNEL_SUBJECT_H

#include <kernel/base/lock.h>

#define GROUPS_MAX 65536
/* Sorted, and never changed, only replaced (kernel/process/groups.c). */
struct group_list {
	uint32_t refs, count;
	uint32_t ids[];
};
struct credentials {
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	struct group_list *groups; /* nullptr: none; looked at under the process's lock */
	uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
	uint8_t securebits; /* SECURE_* of kernel/process/internal.h */
	bool no_new_privs;
};

enum rlimit : uint32_t {
	RLIMIT_CPU,
	RLIMIT_FSIZE,
	RLIMIT_DATA,
	RLIMIT_STACK,
	RLIMIT_CORE,
	RLIMIT_RSS,
	RLIMIT_NPROC,
	RLIMIT_NOFILE,
	RLIMIT_MEMLOCK,
	RLIMIT_AS,
	RLIMIT_LOCKS,
	RLIMIT_SIGPENDING,
	RLIMIT_MSGQUEUE,
	RLIMIT_NICE,
	RLIMIT_RTPRIO,
	RLIMIT_RTTIME,
};
static_assert(RLIMIT_RTTIME == 15);
#define RLIM_INFINITY UINT64_MAX

enum : unsigned {
	CAP_CHOWN = 0,
	CAP_DAC_OVERRIDE,
	CAP_DAC_READ_SEARCH,
	CAP_FOWNER,
	CAP_FSETID,
	CAP_KILL,
	CAP_SETGID,
	CAP_SETUID,
	CAP_SETPCAP,
	CAP_LINUX_IMMUTABLE,
	CAP_NET_BIND_SERVICE,
	CAP_NET_BROADCAST,
	CAP_NET_ADMIN,
	CAP_NET_RAW,
	CAP_IPC_LOCK,
	CAP_IPC_OWNER,
	CAP_SYS_MODULE,
	CAP_SYS_RAWIO,
	CAP_SYS_CHROOT,
	CAP_SYS_PTRACE,
	CAP_SYS_PACCT,
	CAP_SYS_ADMIN,
	CAP_SYS_BOOT,
	CAP_SYS_NICE,
	CAP_SYS_RESOURCE,
	CAP_SYS_TIME,
	CAP_SYS_TTY_CONFIG,
	CAP_MKNOD,
	CAP_LEASE,
	CAP_AUDIT_WRITE,
	CAP_AUDIT_CONTROL,
	CAP_SETFCAP,
	CAP_MAC_OVERRIDE,
	CAP_MAC_ADMIN,
	CAP_SYSLOG,
	CAP_WAKE_ALARM,
	CAP_LAST = 40,
};
#define CAP_BIT(capability) (UINT64_C(1) << (capability))
enum : uint32_t { ADDR_NO_RANDOMIZE = 0x0040000, READ_IMPLIES_EXEC = 0x0400000 };

struct vm_space;
struct file_table;
struct fs_context;

/* pid stays; cred, space, files, fs and rlimits change under lock, and the process itself reads them freely;
 * thread_count, group_exit and exec_thread change under its signal_lock. rlimits: soft, hard. personality:
 * ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC. group_exit: all threads are to end; exec_thread: all others are. */
#define SUBJECT_FIELDS                                                                                                 \
	uint32_t pid;                                                                                                  \
	uint32_t thread_count;                                                                                         \
	struct credentials cred;                                                                                       \
	struct mutex lock;                                                                                             \
	struct vm_space *space;                                                                                        \
	struct file_table *files;                                                                                      \
	struct fs_context *fs;                                                                                         \
	uint64_t rlimits[16][2];                                                                                       \
	uint32_t personality;                                                                                          \
	bool group_exit;                                                                                               \
	struct thread *exec_thread;
struct subject {
	SUBJECT_FIELDS
};

/* What restart_syscall(2) calls after an interrupted sleep. */
struct restart_block {
	long (*again)(struct restart_block *r);
	uint64_t words[6];
};
/* Reads and writes by system calls, of any file. */
struct io_usage {
	uint64_t read_bytes, written_bytes, reads, writes;
};
/* What is so of one of its threads: the process's part of a thread begins with these fields. io is written by the
 * thread alone. default_slack_ns: its creator's. */
#define SUBJECT_THREAD_FIELDS                                                                                          \
	struct restart_block restart;                                                                                  \
	struct io_usage io;                                                                                            \
	uint64_t timer_slack_ns, default_slack_ns;
struct subject_thread {
	SUBJECT_THREAD_FIELDS
};

/* Of the current thread; nullptr: a thread of the kernel. */
static inline struct subject *subject_current(void)
{
	return (struct subject *)thread_current()->process;
}
/* Of a thread of the kernel it is zeros. */
static inline struct subject_thread *subject_thread_current(void)
{
	return (struct subject_thread *)thread_current()->process_state;
}

/* Soft limit of the current process; none for threads of the kernel. */
uint64_t process_rlimit(uint32_t which);
/* Whether the current process has CAP_* of capabilities(7); threads of the kernel do. */
bool capable(unsigned capability);
/* Whether gid is one of the current process's supplementary groups. */
bool process_in_group(uint32_t gid);
/* Whether s has begun to end, as the current thread sees it. */
bool subject_must_end(const struct subject *s);
/* Whether the current thread is about to die: waits that no ordinary signal may end are left on this. */
bool signal_fatal_current(void);
/* When a sleep of the current thread until then may end: its timer slack (prctl(2)) later at most. 0 (never) stays. */
uint64_t process_slacken(uint64_t deadline_ns);

/* What signals do, of which the floor of processes knows; set once, at boot. */
struct subject_signals {
	int (*raise)(int signo);
	void (*mask_set_temporary)(uint64_t mask);
	void (*mask_restore)(void);
};
void subject_set_signals(const struct subject_signals *s);
/* A signal to the current process, from the kernel: 0. Nothing happens to a thread of the kernel. Allocates; no
 * spinlock held. */
int subject_raise(int signo);
/* ppoll, pselect, epoll_pwait: sets the current thread's mask until the call ends; restored after the handler ran, or
 * by mask_restore. Of a process's threads only. */
void subject_mask_set_temporary(uint64_t mask);
void subject_mask_restore(void);

#endif
