/* SPDX-License-Identifier: MIT */
/*
 * Signals (POSIX.1-2017 XSH 2.4; Linux signal(7)): numbers, siginfo, and what other parts of the
 * kernel send.
 *
 * Pending sets, masks and job-control state of a process and of its threads are guarded by
 * `signal_lock` of the process; handlers by the lock of their struct signal_state, which is taken
 * inside. A thread's `signal_flag` and its kick mark in the nucleus are set together under
 * signal_lock, and cleared together by the thread itself: interruptible sleeps end and the next
 * return to the process comes as EVENT_PENDING.
 * Senders may hold sleeping locks up to RANK_SIGNAL, no spinlock. Senders allocate, so they may
 * sleep.
 */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <lib/list.h>
#include <lib/types.h>

enum : int {
	SIGHUP = 1,
	SIGINT,
	SIGQUIT,
	SIGILL,
	SIGTRAP,
	SIGABRT,
	SIGBUS,
	SIGFPE,
	SIGKILL,
	SIGUSR1,
	SIGSEGV,
	SIGUSR2,
	SIGPIPE,
	SIGALRM,
	SIGTERM,
	SIGSTKFLT,
	SIGCHLD,
	SIGCONT,
	SIGSTOP,
	SIGTSTP,
	SIGTTIN,
	SIGTTOU,
	SIGURG,
	SIGXCPU,
	SIGXFSZ,
	SIGVTALRM,
	SIGPROF,
	SIGWINCH,
	SIGIO,
	SIGPWR,
	SIGSYS,
	SIGRTMIN = 32,
	SIGNAL_MAX = 64,
};
static_assert(SIGSYS == 31);
#define SIGNAL_BIT(signo) (UINT64_C(1) << ((signo) - 1))

/* si_code (asm-generic/siginfo.h). */
enum : int32_t {
	SI_USER = 0,
	SI_KERNEL = 0x80,
	SI_QUEUE = -1,
	SI_TIMER = -2,
	SI_SIGIO = -5,
	SI_TKILL = -6,
	ILL_ILLOPC = 1,
	ILL_ILLOPN = 2,
	FPE_INTDIV = 1,
	FPE_INTOVF = 2,
	FPE_FLTDIV = 3,
	FPE_FLTOVF = 4,
	FPE_FLTUND = 5,
	FPE_FLTRES = 6,
	FPE_FLTINV = 7,
	SEGV_MAPERR = 1,
	SEGV_ACCERR = 2,
	BUS_ADRALN = 1,
	BUS_ADRERR = 2,
	TRAP_BRKPT = 1,
	TRAP_TRACE = 2,
	CLD_EXITED = 1,
	CLD_KILLED = 2,
	CLD_DUMPED = 3,
	CLD_STOPPED = 5,
	CLD_CONTINUED = 6,
	POLL_IN = 1,
	POLL_OUT = 2,
	POLL_HUP = 6,
};

/* The part of siginfo_t that is ever used; user programs see it followed by zeros up to 128 bytes.
 */
struct signal_info {
	int32_t signo, error, code, padding;
	union {
		struct {
			uint32_t pid, uid;
			uint64_t value;
		} sender; /* kill, sigqueue */
		struct {
			int32_t timer, overrun;
			uint64_t value;
		} timer;
		struct {
			uint32_t pid, uid;
			int32_t status, padding;
			int64_t utime, stime;
		} child;
		struct {
			uint64_t address;
			uint16_t address_lsb;
		} fault;
		struct {
			int64_t band;
			int32_t fd;
		} poll;
		uint64_t words[4];
	};
};
static_assert(sizeof(struct signal_info) == 48);
enum : size_t { SIGINFO_BYTES = 128 };

struct signal_entry {
	struct list link;
	struct signal_info info;
	struct posix_timer *timer; /* the entry is part of this timer */
	bool queued;
};
struct signal_pending {
	uint64_t set;
	struct list queue; /* of struct signal_entry, oldest first */
};

/* As in rt_sigaction(2) on x86_64 and aarch64. */
struct signal_action {
	uint64_t handler, flags, restorer, mask;
};
enum : uint64_t {
	SIG_DFL = 0,
	SIG_IGN = 1,
	SA_NOCLDSTOP = 1,
	SA_NOCLDWAIT = 2,
	SA_SIGINFO = 4,
	SA_RESTORER = 0x04000000,
	SA_ONSTACK = 0x08000000,
	SA_RESTART = 0x10000000,
	SA_NODEFER = 0x40000000,
	SA_RESETHAND = 0x80000000,
};

/* Handlers, shared with CLONE_SIGHAND. */
struct signal_state {
	uint32_t refs;
	struct spinlock lock;
	struct signal_action action[SIGNAL_MAX] GUARDED_BY(&lock);
};

struct process;
struct thread;

/* Whether the current thread has a signal (or its end) to handle: signal_pending_current(), kernel/base/wait.h. */

/* info == nullptr: SI_KERNEL. 0 or -EAGAIN (queue full; real-time signals only). */
int signal_send_process_info(struct process *p, int signo, const struct signal_info *info);
/* Whom the signals of a file go to (kernel/process/sigio.c). The kinds are those of fcntl's F_SETOWN_EX. */
enum : uint8_t { SIGNAL_OWNER_THREAD = 0, SIGNAL_OWNER_PROCESS = 1, SIGNAL_OWNER_GROUP = 2 };
struct signal_owner {
	uint32_t id; /* 0: nobody */
	uint8_t kind;
	uint32_t uid, euid; /* of who decided so */
	uint64_t born_ns;
};
/* The current process decides. -ESRCH. */
[[nodiscard]] int signal_owner_set(struct signal_owner *o, uint32_t kind, uint32_t id);
/* 0: it is no more. */
uint32_t signal_owner_id(const struct signal_owner *o);
/* 0, also if nobody may get it; -EAGAIN: the queue is full. */
int signal_owner_send(const struct signal_owner *o, int signo, const struct signal_info *info);
/* Synchronous: the current thread gets it even if blocked or ignored (then the default action). */
void signal_force_current(const struct signal_info *info);

/* signalfd and sigtimedwait: takes a pending signal out of mask. Signal number or 0. */
int signal_take_current(uint64_t mask, struct signal_info *out);
/* Pending for the current thread and process, blocked ones included. */
uint64_t signal_pending_set_current(void);
/* Woken when a signal arrives that every thread blocks (signalfd, sigtimedwait). */
struct shared_wait *signal_wait_current(void);
/* ppoll, pselect, epoll_pwait: sets the mask until the call ends; restored after the handler ran,
 * or by mask_restore. */
void signal_mask_set_temporary(uint64_t mask);
void signal_mask_restore(void);

#endif
