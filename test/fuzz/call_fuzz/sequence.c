/* SPDX-License-Identifier: MIT */
/*
 * A sequence of calls whose arguments are of the right kinds, and wrong in details (sequence.h): the table `known` says
 * of which kinds a call's arguments are, `left_out` which calls are not made, and why.
 */
#include "sequence.h"

#include <fcntl.h>
#include <grp.h>
#include <nucleus/layout.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { CALLS = 60, NUMBERS = 470, FDS = 16, PATHS = 14 };

static const struct {
	long number;
	const char *why;
} left_out[] = {
	{SYS_reboot, "ends the machine"},
	{SYS_exit, "ends the sequence, which the others would not get on with"},
	{SYS_exit_group, "the same"},
	{SYS_rt_sigreturn, "the same: a frame of garbage is a death"},
	{SYS_pivot_root, "takes the root directory away from all"},
	{SYS_chroot, "relative names would be in another place"},
	{SYS_mount, "covers what the next sequence needs; test/user/mounts.c has it"},
	{SYS_umount2, "the same"},
	{SYS_settimeofday, "moves the clock by which the sequence is ended"},
	{SYS_clock_settime, "the same"},
	{SYS_adjtimex, "the same"},
	{SYS_clock_adjtime, "the same"},
	{SYS_vhangup, "hangs the console up"},
	{SYS_sethostname, "outlives the sequence"},
	{SYS_setdomainname, "the same"},
	{SYS_seccomp, "later calls would mean something else; test/user/seccomp.c has it"},
	{SYS_syslog, "reads the log away, in which faults of the kernel would stand"},
};

static uint64_t state;
static char *pages;    /* two pages, the second inaccessible */
static char *readable; /* a page that can only be read */
static int fds[FDS];
static const char *const paths[PATHS] = {"a",
					 "b",
					 "d",
					 "d/x",
					 "link",
					 "fifo",
					 "",
					 ".",
					 "a/",
					 "d/../a",
					 "missing",
					 "nowhere/x",
					 "/proc/self/status",
					 "/dev/null"};
static char long_path[5000];

static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}
static uint64_t below(uint64_t n)
{
	return next() % n;
}

/* --- arguments by their kinds --- */

static uint64_t number(void)
{
	static const uint64_t special[] = {0,
					   1,
					   2,
					   3,
					   8,
					   16,
					   64,
					   127,
					   128,
					   4095,
					   4096,
					   4097,
					   65536,
					   0x7fffffff,
					   0x80000000,
					   0xffffffff,
					   0x100000000,
					   0x7fffffffffffffff,
					   0x8000000000000000,
					   ~0ull,
					   ~1ull};

	return below(2) ? special[below(sizeof(special) / sizeof(*special))] : next() >> below(64);
}

static uint64_t descriptor(void)
{
	switch (below(12)) {
	case 0: return (uint64_t)AT_FDCWD;
	case 1: return ~0ull;
	case 2: return below(64);
	default: return (uint64_t)fds[below(FDS)];
	}
}

static uint64_t pointer(void)
{
	static const uint64_t kernel[] = {USER_END,  USER_END - 1, USER_END - 4096, WINDOW_BASE, DIRECT_BASE,
					  POOL_BASE, FRAMES_BASE,  IMAGE_BASE,	    GATES_BASE,	 ~0xfffull,
					  ~7ull};

	switch (below(10)) {
	case 0: return 0;
	case 1: return kernel[below(sizeof(kernel) / sizeof(*kernel))];
	case 2: return (uint64_t)pages + 4096 - below(64);
	case 3: return (uint64_t)pages + 4096 + below(4096);
	case 4: return (uint64_t)readable + below(4096);
	case 5: return (uint64_t)pages + below(4096);
	default: return (uint64_t)pages + below(400) * 8;
	}
}

static uint64_t path(void)
{
	switch (below(12)) {
	case 0: return pointer();
	case 1: return (uint64_t)long_path;
	default: return (uint64_t)paths[below(PATHS)];
	}
}

static uint64_t flags(void)
{
	switch (below(4)) {
	case 0: return 0;
	case 1: return 1ull << below(32);
	case 2: return 1ull << below(24) | 1ull << below(24) | 1ull << below(24);
	default: return number();
	}
}

/* Of the sequence alone: never its parent, nor everybody. */
static uint64_t process(void)
{
	switch (below(4)) {
	case 0: return 0;
	case 1: return 999999;
	case 2: return (uint64_t)gettid();
	default: return (uint64_t)getpid();
	}
}

/* Those that no handler takes end the sequence: only now and then. */
static uint64_t signal_number(void)
{
	uint64_t signo = below(8) ? below(70) : number();

	return (signo == SIGKILL || signo == SIGSTOP) && below(20) ? SIGUSR1 : signo;
}

/* What the arguments of a call are: a letter for each. f descriptor, p pointer, s path, n number, g flags, i process, k
 * signal. */
static const struct {
	long number;
	const char *kinds;
} known[] = {
	{SYS_read, "fpn"},
	{SYS_write, "fpn"},
	{SYS_pread64, "fpnn"},
	{SYS_pwrite64, "fpnn"},
	{SYS_readv, "fpn"},
	{SYS_writev, "fpn"},
	{SYS_lseek, "fnn"},
	{SYS_openat, "fsgn"},
	{SYS_close, "f"},
	{SYS_fstat, "fp"},
	{SYS_newfstatat, "fspg"},
	{SYS_statx, "fsgnp"},
	{SYS_getdents64, "fpn"},
	{SYS_ioctl, "fnp"},
	{SYS_fcntl, "fnn"},
	{SYS_fcntl, "fnp"},
	{SYS_dup, "f"},
	{SYS_dup3, "ffg"},
	{SYS_pipe2, "pg"},
	{SYS_ftruncate, "fn"},
	{SYS_fallocate, "fgnn"},
	{SYS_mkdirat, "fsn"},
	{SYS_unlinkat, "fsg"},
	{SYS_renameat2, "fsfsg"},
	{SYS_linkat, "fsfsg"},
	{SYS_symlinkat, "sfs"},
	{SYS_readlinkat, "fspn"},
	{SYS_mknodat, "fsnn"},
	{SYS_fchmodat, "fsn"},
	{SYS_fchownat, "fsnng"},
	{SYS_utimensat, "fspg"},
	{SYS_faccessat, "fsg"},
	{SYS_chdir, "s"},
	{SYS_getcwd, "pn"},
	{SYS_statfs, "sp"},
	{SYS_mq_open, "sgnp"},
	{SYS_mq_unlink, "s"},
	{SYS_mq_timedsend, "fpnnp"},
	{SYS_mq_timedreceive, "fpnpp"},
	{SYS_mq_notify, "fp"},
	{SYS_mq_getsetattr, "fpp"},
	{SYS_fstatfs, "fp"},
	{SYS_mmap, "pnggfn"},
	{SYS_munmap, "pn"},
	{SYS_mprotect, "png"},
	{SYS_mremap, "pnngp"},
	{SYS_madvise, "pnn"},
	{SYS_msync, "png"},
	{SYS_mincore, "pnp"},
	{SYS_mlock, "pn"},
	{SYS_brk, "p"},
	{SYS_futex, "pgnppn"},
	{SYS_kcmp, "iinff"},
	{SYS_process_madvise, "fpnng"},
	{SYS_rt_sigaction, "kppn"},
	{SYS_rt_sigprocmask, "nppn"},
	{SYS_rt_sigtimedwait, "pppn"},
	{SYS_rt_sigpending, "pn"},
	{SYS_sigaltstack, "pp"},
	{SYS_kill, "ik"},
	{SYS_tgkill, "iik"},
	{SYS_tkill, "ik"},
	{SYS_rt_sigqueueinfo, "ikp"},
	{SYS_signalfd4, "fpng"},
	{SYS_timerfd_create, "ng"},
	{SYS_timerfd_settime, "fgpp"},
	{SYS_timer_create, "npp"},
	{SYS_timer_settime, "ngpp"},
	{SYS_setitimer, "npp"},
	{SYS_nanosleep, "pp"},
	{SYS_clock_nanosleep, "ngpp"},
	{SYS_epoll_create1, "g"},
	{SYS_epoll_ctl, "fnfp"},
	{SYS_epoll_pwait, "fpnnpn"},
	{SYS_ppoll, "pnppn"},
	{SYS_pselect6, "npppp"},
	{SYS_eventfd2, "ng"},
	{SYS_memfd_create, "sg"},
	{SYS_splice, "fpfpng"},
	{SYS_tee, "ffng"},
	{SYS_vmsplice, "fpng"},
	{SYS_sendfile, "ffpn"},
	{SYS_copy_file_range, "fpfpng"},
	{SYS_flock, "fg"},
	{SYS_clone, "gppnp"},
	{SYS_clone3, "pn"},
	{SYS_wait4, "ipgp"},
	{SYS_waitid, "nipgp"},
	{SYS_setpgid, "ii"},
	{SYS_getpgid, "i"},
	{SYS_setsid, ""},
	{SYS_prctl, "nnnnn"},
	{SYS_prctl, "nppnn"},
	{SYS_prlimit64, "inpp"},
	{SYS_getrusage, "np"},
	{SYS_sched_setaffinity, "inp"},
	{SYS_sched_setscheduler, "inp"},
	{SYS_sched_setattr, "ipg"},
	{SYS_setpriority, "nin"},
	{SYS_getrandom, "png"},
	{SYS_process_vm_readv, "ipnpng"},
	{SYS_process_vm_writev, "ipnpng"},
	{SYS_capget, "pp"},
	{SYS_capset, "pp"},
	{SYS_setresuid, "nnn"},
	{SYS_setgroups, "np"},
	{SYS_execve, "spp"},
	{SYS_personality, "n"},
	{SYS_set_robust_list, "pn"},
	{SYS_openat2, "fspn"},
	{SYS_close_range, "nng"},
	{SYS_unshare, "g"},
};

static bool is_left_out(long call)
{
	for (size_t i = 0; i < sizeof(left_out) / sizeof(*left_out); i++)
		if (left_out[i].number == call)
			return true;
	return false;
}

static uint64_t argument(char kind)
{
	switch (kind) {
	case 'f': return descriptor();
	case 'p': return pointer();
	case 's': return path();
	case 'g': return flags();
	case 'i': return process();
	case 'k': return signal_number();
	default: return number();
	}
}

static void fill_memory(void)
{
	for (unsigned i = 0; i < 24; i++)
		((uint64_t *)(void *)pages)[below(512)] = below(3) ? number() : below(2) ? pointer() : descriptor();
}

/* Some of the numbers that are not in the table, whose arguments nobody knows; none that is meant for another process.
 */
static void call_unknown(void)
{
	long call = (long)below(NUMBERS);

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].number == call)
			return;
	if (!is_left_out(call) && call != SYS_rt_tgsigqueueinfo)
		syscall(call, argument("fpsgn"[below(5)]), argument("fpsgn"[below(5)]), argument("pgn"[below(3)]),
			number(), number(), number());
}

static void call_known(void)
{
	size_t which = below(sizeof(known) / sizeof(*known));
	const char *kinds = known[which].kinds;
	uint64_t a[6] = {};

	for (size_t i = 0; kinds[i]; i++)
		a[i] = argument(kinds[i]);
	/* Children and threads that share this stack would only trample on it. */
	if (known[which].number == SYS_clone)
		a[0] &= ~(uint64_t)0x100;
	syscall(known[which].number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- a sequence --- */

static void open_files(void)
{
	int ends[2], n = 0;

	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	fds[n++] = open("a", O_RDWR | O_CREAT, 0666);
	fds[n++] = open("b", O_RDONLY | O_CREAT, 0666);
	fds[n++] = open("d", O_RDONLY | O_DIRECTORY);
	fds[n++] = open("fifo", O_RDWR | O_NONBLOCK);
	fds[n++] = open("/dev/null", O_RDWR);
	fds[n++] = open("/dev/zero", O_RDWR);
	fds[n++] = open("/proc/self/maps", O_RDONLY);
	fds[n++] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	fds[n++] = eventfd(0, EFD_NONBLOCK);
	fds[n++] = epoll_create1(0);
	fds[n++] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	fds[n++] = (int)syscall(SYS_memfd_create, "memory", 3);
	if (pipe2(ends, O_NONBLOCK) == 0) {
		fds[n++] = ends[0];
		fds[n++] = ends[1];
	}
	fds[n] = open(".", O_PATH);
}

static void *another_thread(void *)
{
	for (int i = 0; i < CALLS; i++)
		call_known();
	return nullptr;
}

static void become(uid_t user)
{
	setrlimit(RLIMIT_NPROC, &(struct rlimit){40, 40});
	setrlimit(RLIMIT_AS, &(struct rlimit){96 << 20, 96 << 20});
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 20});
	setrlimit(RLIMIT_CORE, &(struct rlimit){});
	if (user != 0 && (setgroups(0, nullptr) != 0 || setgid(user) != 0 || setuid(user) != 0))
		_exit(1);
}

static void on_signal(int)
{
}

void sequence(uint64_t seed, uid_t user)
{
	pthread_t thread;

	setsid();
	become(user);
	state = seed;
	/* Nothing that is written goes to the console. */
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	for (int signo = 1; signo < 65; signo++)
		if (signo != SIGSEGV && signo != SIGBUS)
			sigaction(signo, &(struct sigaction){.sa_handler = on_signal}, nullptr);
	mkdir("d", 0777);
	mkfifo("fifo", 0666);
	(void)!symlink("d", "link");
	open_files();
	pages = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	readable = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(long_path, 'x', sizeof(long_path) - 1);
	mprotect(pages + 4096, 4096, PROT_NONE);
	if (below(3) == 0)
		pthread_create(&thread, nullptr, another_thread, nullptr);
	pid_t self = getpid();
	for (int i = 0; i < CALLS; i++) {
		if (i % 8 == 0)
			fill_memory();
		if (below(12) == 0)
			call_unknown();
		else
			call_known();
		if (syscall(SYS_getpid) != self)
			_exit(0);
	}
	_exit(0);
}
