/* SPDX-License-Identifier: MIT */
/* seccomp(2): what filters and the strict mode make of calls, who has them, which there may be. */
#include "ktap.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Names of <linux/seccomp.h> and <linux/filter.h>, which musl does not have. */
enum : uint32_t {
	SECCOMP_MODE_STRICT = 1,
	SECCOMP_MODE_FILTER = 2,
	SECCOMP_SET_MODE_STRICT = 0,
	SECCOMP_SET_MODE_FILTER = 1,
	SECCOMP_GET_ACTION_AVAIL = 2,
	SECCOMP_FILTER_FLAG_TSYNC = 1,
	SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 16,
	SECCOMP_RET_KILL_PROCESS = 0x80000000,
	SECCOMP_RET_KILL_THREAD = 0,
	SECCOMP_RET_TRAP = 0x00030000,
	SECCOMP_RET_ERRNO = 0x00050000,
	SECCOMP_RET_TRACE = 0x7ff00000,
	SECCOMP_RET_LOG = 0x7ffc0000,
	SECCOMP_RET_ALLOW = 0x7fff0000,
};
struct seccomp_data {
	int nr;
	uint32_t arch;
	uint64_t instruction_pointer, args[6];
};
struct sock_filter {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};
struct sock_fprog {
	unsigned short len;
	struct sock_filter *filter;
};
enum : uint16_t {
	BPF_LD = 0,
	BPF_ALU = 4,
	BPF_JMP = 5,
	BPF_RET = 6,
	BPF_W = 0,
	BPF_B = 0x10,
	BPF_IMM = 0,
	BPF_ABS = 0x20,
	BPF_ADD = 0,
	BPF_JEQ = 0x10,
	BPF_K = 0,
};
#define BPF_STMT(code, k)	  {(code), 0, 0, (k)}
#define BPF_JUMP(code, k, jt, jf) {(code), (jt), (jf), (k)}

/* AUDIT_ARCH_*: an ELF machine of 64 bits, little end first. */
static bool is_x86_64(void)
{
	struct utsname u;

	OK(uname(&u));
	return strcmp(u.machine, "x86_64") == 0;
}

static uint32_t own_arch(void)
{
	return 0xc0000000u | (is_x86_64() ? 62 : 183);
}

#define LOAD(field)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SAY(answer)  BPF_STMT(BPF_RET | BPF_K, (answer))
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static long install_with(unsigned flags, const struct sock_filter *f, size_t n)
{
	const struct sock_fprog p = {.len = (unsigned short)n, .filter = (struct sock_filter *)f};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}

/* From here on this call gets this answer. */
static void answer(long call, unsigned what)
{
	const struct sock_filter f[] = {LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1), SAY(what),
					SAY(SECCOMP_RET_ALLOW)};

	EQUAL(install_with(0, f, COUNT(f)), 0);
}

static void begin(void)
{
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void errors_are_answered(void)
{
	begin();
	answer(SYS_getppid, SECCOMP_RET_ERRNO | ENOTTY);
	FAILS(ENOTTY, syscall(SYS_getppid));
	EQUAL(syscall(SYS_getpid), getpid());
	answer(SYS_getuid, SECCOMP_RET_ERRNO | 0);
	EQUAL(syscall(SYS_getuid), 0);
	answer(SYS_getgid, SECCOMP_RET_ERRNO | 600); /* numbers the kernel has a use for itself */
	FAILS(600, syscall(SYS_getgid));
	answer(SYS_getegid, SECCOMP_RET_ERRNO | 512);
	FAILS(512, syscall(SYS_getegid));
	answer(SYS_geteuid, SECCOMP_RET_ERRNO | 0xffff);
	FAILS(4095, syscall(SYS_geteuid));
	answer(SYS_getsid, SECCOMP_RET_TRACE | 3);
	FAILS(ENOSYS, syscall(SYS_getsid, 0));
	answer(SYS_getpgid, SECCOMP_RET_LOG);
	EQUAL(syscall(SYS_getpgid, 0), getpgrp());
	/* A call that there is none of is asked about, too. */
	answer(100000, SECCOMP_RET_ERRNO | EXDEV);
	FAILS(EXDEV, syscall(100000));
	FAILS(ENOSYS, syscall(100001));
}

static void arguments_are_seen(void)
{
	const struct sock_filter f[] = {LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, own_arch(), 1, 0),
					SAY(SECCOMP_RET_KILL_PROCESS), LOAD(nr),
					BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 0, 9),
					/* arguments 0 (low), 1 (high), 2 (low) */
					LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 7),
					BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
					BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x12345678, 0, 5), LOAD(args[2]),
					BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 99, 0, 3),
					/* where it was made: not at 0 */
					LOAD(instruction_pointer), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
					SAY(SECCOMP_RET_ERRNO | EDOM), SAY(SECCOMP_RET_ALLOW)};

	begin();
	EQUAL(install_with(0, f, COUNT(f)), 0);
	FAILS(EDOM, syscall(SYS_lseek, 7, 0x1234567800000001, 99));
	FAILS(EBADF, syscall(SYS_lseek, 77, 0x1234567800000001, 99));
}

static void the_strictest_answer_holds(void)
{
	begin();
	answer(SYS_getppid, SECCOMP_RET_ERRNO | 1);
	answer(SYS_getppid, SECCOMP_RET_ALLOW);
	FAILS(EPERM, syscall(SYS_getppid));
	answer(SYS_getppid, SECCOMP_RET_ERRNO | 2); /* of two alike the newer one's */
	FAILS(ENOENT, syscall(SYS_getppid));
	answer(SYS_getppid, SECCOMP_RET_LOG);
	FAILS(ENOENT, syscall(SYS_getppid));
	pid_t child = CHILD({
		answer(SYS_getppid, SECCOMP_RET_KILL_PROCESS);
		answer(SYS_getppid, SECCOMP_RET_TRAP);
		syscall(SYS_getppid);
	});
	DIES(child, SIGSYS);
	child = CHILD({
		answer(SYS_getppid, 0x12340000); /* nobody knows what that is */
		syscall(SYS_getppid);
	});
	FAILS(ENOENT, syscall(SYS_getppid));
	EXITS(child, 0);
	child = CHILD({
		answer(SYS_getpgid, 0x12340000);
		syscall(SYS_getpgid, 0);
	});
	DIES(child, SIGSYS);
}

static volatile sig_atomic_t trapped;
static siginfo_t trap_info;

static void on_trap(int, siginfo_t *info, void *)
{
	trapped++;
	trap_info = *info;
}

static void a_trap_is_a_signal(void)
{
	const struct sigaction a = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	begin();
	OK(sigaction(SIGSYS, &a, nullptr));
	answer(SYS_getpgid, SECCOMP_RET_TRAP | 0x321);
	long kept = syscall(SYS_getpgid, 77);
	EQUAL(kept, is_x86_64() ? SYS_getpgid : 77);
	EQUAL(trapped, 1);
	EQUAL(trap_info.si_signo, SIGSYS);
	EQUAL(trap_info.si_code, 1); /* SYS_SECCOMP */
	EQUAL(trap_info.si_errno, 0x321);
	EQUAL(trap_info.si_syscall, SYS_getpgid);
	EQUAL(trap_info.si_arch, own_arch());
	CHECK(trap_info.si_call_addr != nullptr);
	/* Blocked or ignored it is the end. */
	pid_t child = CHILD({
		OK(signal(SIGSYS, SIG_IGN) == SIG_ERR ? -1 : 0);
		syscall(SYS_getpgid, 0);
	});
	DIES(child, SIGSYS);
	child = CHILD({
		sigset_t set;

		sigemptyset(&set);
		sigaddset(&set, SIGSYS);
		OK(sigprocmask(SIG_BLOCK, &set, nullptr));
		syscall(SYS_getpgid, 0);
	});
	DIES(child, SIGSYS);
}

static volatile pid_t killed;

static void *call_getppid(void *)
{
	killed = (pid_t)syscall(SYS_gettid);
	syscall(SYS_getppid);
	_exit(3);
}

static void one_thread_ends(void)
{
	/* The thread alone, while there is another. */
	pid_t child = CHILD({
		pthread_t t;

		begin();
		answer(SYS_getppid, SECCOMP_RET_KILL_THREAD);
		CHECK(pthread_create(&t, nullptr, call_getppid, nullptr) == 0);
		/* No library hears of its end. */
		while (killed == 0 || syscall(SYS_tgkill, getpid(), killed, 0) == 0)
			usleep(1000);
		EQUAL(errno, ESRCH);
		_exit(4);
	});
	EXITS(child, 4);
	child = CHILD({
		pthread_t t;

		begin();
		answer(SYS_getppid, SECCOMP_RET_KILL_PROCESS);
		/* No handler helps. */
		OK(sigaction(SIGSYS, &(struct sigaction){.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO}, nullptr));
		CHECK(pthread_create(&t, nullptr, call_getppid, nullptr) == 0);
		CHECK(pthread_join(t, nullptr) == 0);
	});
	DIES(child, SIGSYS);
	child = CHILD({
		begin();
		answer(SYS_getppid, SECCOMP_RET_KILL_THREAD);
		call_getppid(nullptr);
	});
	DIES(child, SIGSYS);
}

static void strictly(void)
{
	int ends[2];
	char c = 0;

	OK(pipe(ends));
	pid_t child = CHILD({
		OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
		write(ends[1], "x", 1);
		read(ends[0], &c, 1);
		syscall(SYS_exit, c == 'x' ? 5 : 6);
	});
	EXITS(child, 5);
	child = CHILD({
		OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, nullptr));
		syscall(SYS_getpid);
		syscall(SYS_exit, 0);
	});
	DIES(child, SIGKILL);
	child = CHILD({
		OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
		syscall(SYS_exit_group, 0);
	});
	DIES(child, SIGKILL);
	FAILS(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, nullptr));
	FAILS(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &c));
	begin();
	answer(SYS_getppid, SECCOMP_RET_ERRNO | EPERM);
	FAILS(EINVAL, prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
}

static unsigned long status(const char *what)
{
	char text[4096];

	ktap_read_file("/proc/self/status", text, sizeof(text));
	const char *line = strstr(text, what);
	CHECK(line != nullptr);
	return strtoul(line + strlen(what), nullptr, 10);
}

static void bad_arguments(void)
{
	const struct sock_filter allow[] = {SAY(SECCOMP_RET_ALLOW)};
	const struct sock_filter packet[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), SAY(SECCOMP_RET_ALLOW)};
	const struct sock_filter outside[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), SAY(SECCOMP_RET_ALLOW)};
	const struct sock_filter endless[] = {BPF_STMT(BPF_ALU | BPF_ADD, 1)};
	const struct sock_fprog nowhere = {1, (struct sock_filter *)8};
	uint32_t action = SECCOMP_RET_ERRNO;
	bool filtered_before = status("Seccomp:") != 0; /* as in a container */

	/* Rights are asked for before the program is read. */
	EXITS(CHILD({
		      ktap_become(1000);
		      FAILS(EACCES, install_with(0, allow, 1));
		      FAILS(EINVAL, install_with(0, allow, 0));
		      FAILS(EFAULT, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 8));
		      FAILS(EACCES, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &(struct sock_fprog){1, (void *)allow}));
	      }),
	      0);
	begin();
	FAILS(EINVAL, syscall(SYS_seccomp, 99, 0, nullptr));
	FAILS(EINVAL, prctl(PR_SET_SECCOMP, 3, 0));
	FAILS(EINVAL, prctl(PR_SET_SECCOMP, 0, 0));
	FAILS(EINVAL, install_with(1u << 20, allow, 1));
	FAILS(EINVAL, install_with(0, allow, 0));
	FAILS(EINVAL, install_with(0, packet, 2));
	FAILS(EINVAL, install_with(0, outside, 2));
	FAILS(EINVAL, install_with(0, endless, 1));
	FAILS(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &(struct sock_fprog){5000, (void *)allow}));
	FAILS(EFAULT, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &nowhere));
	EQUAL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), 0);
	action = 0x12340000;
	FAILS(EOPNOTSUPP, syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	FAILS(EINVAL, syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &action));
	FAILS(EFAULT, syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, 8));
	/* 32,768 instructions in all, each filter costs four more; Linux counts some of its own, too. */
	static struct sock_filter longest[4096];
	for (size_t n = 0; n < COUNT(longest); n++)
		longest[n] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
	longest[COUNT(longest) - 1] = longest[1999] = longest[2999] = allow[0];
	int fit = 0;
	while (install_with(0, longest, COUNT(longest)) == 0)
		fit++;
	EQUAL(errno, ENOMEM);
	if (!filtered_before) {
		EQUAL(fit, 7);
		EQUAL(install_with(0, longest, 2000), 0);
		FAILS(ENOMEM, install_with(0, longest, 3000));
	}
}

static void children_have_them_too(void)
{
	unsigned long before = status("Seccomp_filters:");

	begin();
	answer(SYS_getppid, SECCOMP_RET_ERRNO | EDOM);
	answer(SYS_getpgid, SECCOMP_RET_ALLOW);
	EQUAL(status("Seccomp:"), 2);
	EQUAL(status("Seccomp_filters:"), before + 2);
	EQUAL(prctl(PR_GET_SECCOMP), 2);
	EXITS(CHILD({
		      FAILS(EDOM, syscall(SYS_getppid));
		      EQUAL(status("Seccomp_filters:"), before + 2);
		      answer(SYS_getsid, SECCOMP_RET_ERRNO | ENOTTY);
		      FAILS(ENOTTY, syscall(SYS_getsid, 0));
	      }),
	      0);
	CHECK(syscall(SYS_getsid, 0) > 0);
	/* And what it executes. */
	pid_t child = CHILD({
		execl("/proc/self/exe", "seccomp", "-after-exec", nullptr);
		_exit(9);
	});
	EXITS(child, 7);
}

static pthread_barrier_t ready, go;
static long in_thread, own_tid;

static void *wait_and_call(void *own)
{
	if (own != nullptr)
		answer(SYS_getsid, SECCOMP_RET_ALLOW);
	own_tid = syscall(SYS_gettid);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&go);
	in_thread = syscall(SYS_getppid) == -1 ? errno : 0;
	return nullptr;
}

static void all_threads_follow(void)
{
	const struct sock_filter f[] = {LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
					SAY(SECCOMP_RET_ERRNO | EDOM), SAY(SECCOMP_RET_ALLOW)};
	pthread_t t;

	begin();
	CHECK(pthread_barrier_init(&ready, nullptr, 2) == 0 && pthread_barrier_init(&go, nullptr, 2) == 0);
	CHECK(pthread_create(&t, nullptr, wait_and_call, nullptr) == 0);
	pthread_barrier_wait(&ready);
	EQUAL(install_with(SECCOMP_FILTER_FLAG_TSYNC, f, COUNT(f)), 0);
	pthread_barrier_wait(&go);
	CHECK(pthread_join(t, nullptr) == 0);
	EQUAL(in_thread, EDOM);
	/* One that has a filter of its own cannot. */
	CHECK(pthread_create(&t, nullptr, wait_and_call, (void *)1) == 0);
	pthread_barrier_wait(&ready);
	EQUAL(install_with(SECCOMP_FILTER_FLAG_TSYNC, f, COUNT(f)), own_tid);
	FAILS(ESRCH, install_with(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, f, COUNT(f)));
	pthread_barrier_wait(&go);
	CHECK(pthread_join(t, nullptr) == 0);
	/* Without it the others stay as they are. */
	CHECK(pthread_create(&t, nullptr, wait_and_call, nullptr) == 0);
	pthread_barrier_wait(&ready);
	answer(SYS_getpgid, SECCOMP_RET_ERRNO | ENOTTY);
	EQUAL(install_with(SECCOMP_FILTER_FLAG_TSYNC, f, COUNT(f)), 0); /* it has what the caller had before */
	pthread_barrier_wait(&go);
	CHECK(pthread_join(t, nullptr) == 0);
}

enum { MAKERS = 4 };
static volatile bool stop_making;

static void *call_once(void *)
{
	if (syscall(SYS_getppid) != -1 && __atomic_load_n(&stop_making, __ATOMIC_ACQUIRE))
		return (void *)1;
	return nullptr;
}

/* Threads that make others, all of which must have the filter once it is installed for all. */
static void *make_threads(void *)
{
	uintptr_t wrong = 0;

	for (int n = 0; n < 100; n++) {
		void *result;
		pthread_t t;
		/* As it was when the thread was asked for. */
		bool late = __atomic_load_n(&stop_making, __ATOMIC_ACQUIRE);

		CHECK(pthread_create(&t, nullptr, call_once, nullptr) == 0);
		CHECK(pthread_join(t, &result) == 0);
		wrong += late && result != nullptr;
	}
	return (void *)wrong;
}

static void who_is_made_meanwhile_follows(void)
{
	const struct sock_filter f[] = {LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
					SAY(SECCOMP_RET_ERRNO | EDOM), SAY(SECCOMP_RET_ALLOW)};
	pthread_t t[MAKERS];

	begin();
	for (int n = 0; n < MAKERS; n++)
		CHECK(pthread_create(&t[n], nullptr, make_threads, nullptr) == 0);
	for (int n = 0; n < 20; n++)
		EQUAL(install_with(SECCOMP_FILTER_FLAG_TSYNC, f, COUNT(f)), 0);
	__atomic_store_n(&stop_making, true, __ATOMIC_RELEASE);
	for (int n = 0; n < MAKERS; n++) {
		void *wrong;

		CHECK(pthread_join(t[n], &wrong) == 0);
		CHECK(wrong == nullptr);
	}
}

static const struct ktap_case cases[] = {CASE(errors_are_answered),
					 CASE(arguments_are_seen),
					 CASE(the_strictest_answer_holds),
					 CASE(a_trap_is_a_signal),
					 CASE(one_thread_ends),
					 CASE(strictly),
					 CASE(bad_arguments),
					 CASE(children_have_them_too),
					 CASE(all_threads_follow),
					 CASE(who_is_made_meanwhile_follows)};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "-after-exec") == 0)
		return syscall(SYS_getppid) == -1 && errno == EDOM && prctl(PR_GET_SECCOMP) == 2 ? 7 : 8;
	return ktap_main(argc, argv, cases, COUNT(cases));
}
