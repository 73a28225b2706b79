/* SPDX-License-Identifier: MIT */
/* Signals as programs know them: numbers, siginfo_t, sigaction (Linux signal(7); asm-generic/siginfo.h). */
#ifndef ABI_SIGNAL_H
#define ABI_SIGNAL_H

#include <stddef.h>
#include <stdint.h>

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
	SI_MESGQ = -3,
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
	SYS_SECCOMP = 1,
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
		struct {
			uint64_t address;
			int32_t number;
			uint32_t arch;
		} call; /* SIGSYS */
		uint64_t words[4];
	};
};
static_assert(sizeof(struct signal_info) == 48);
enum : size_t { SIGINFO_BYTES = 128 };

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

#endif
