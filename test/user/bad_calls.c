/* SPDX-License-Identifier: MIT */
/*
 * Calls that must fail: EFAULT for pointers that lead nowhere, into the kernel, or to memory
 * without the right; ENOSYS for unknown numbers; EINVAL for unknown flags; and /proc/syscalls,
 * which counts the last two kinds.
 *
 * The format of /proc/syscalls that is relied on: lines "unknown NUMBER count N" and "refused
 * NUMBER NAME flags FLAGS count N".
 */
#include "bad_calls.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static void paths(void)
{
	char buffer[64];

	prepare();
	FAULTS(SYS_openat, AT_FDCWD, P, O_RDONLY);
	FAULTS(SYS_newfstatat, AT_FDCWD, P, buffer, 0);
	FAULTS(SYS_faccessat, AT_FDCWD, P, 0);
	FAULTS(SYS_chdir, P);
	FAULTS(SYS_mkdirat, AT_FDCWD, P, 0700);
	FAULTS(SYS_unlinkat, AT_FDCWD, P, AT_REMOVEDIR);
	FAULTS(SYS_unlinkat, AT_FDCWD, P, 0);
	FAULTS(SYS_renameat2, AT_FDCWD, P, AT_FDCWD, "x", 0);
	FAULTS(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, P, 0);
	FAULTS(SYS_linkat, AT_FDCWD, "file", AT_FDCWD, P, 0);
	FAULTS(SYS_symlinkat, P, AT_FDCWD, "x");
	FAULTS(SYS_symlinkat, "x", AT_FDCWD, P);
	FAULTS(SYS_readlinkat, AT_FDCWD, P, buffer, 64);
	FAULTS(SYS_fchmodat, AT_FDCWD, P, 0600);
	FAULTS(SYS_fchownat, AT_FDCWD, P, 0, 0, 0);
	FAULTS(SYS_truncate, P, 0);
	FAULTS(SYS_mknodat, AT_FDCWD, P, S_IFIFO | 0600, 0);
	FAULTS(SYS_execve, P, 0, 0);
	FAULTS(SYS_chroot, P);
	FAULTS(SYS_umount2, P, 0);
}

static void data_in(void)
{
	prepare();
	FAULTS(SYS_write, ends[1], P, 10);
	FAULTS(SYS_write, file_fd, P, 10);
	FAULTS(SYS_pwrite64, file_fd, P, 10, 0);
	FAULTS(SYS_writev, ends[1], P, 1);
	FAULTS(SYS_rt_sigaction, SIGUSR1, P, 0, 8);
	FAULTS(SYS_rt_sigprocmask, SIG_BLOCK, P, 0, 8);
	FAULTS(SYS_nanosleep, P, 0);
	FAULTS(SYS_rt_sigsuspend, P, 8);
	FAULTS(SYS_setitimer, ITIMER_REAL, P, 0);
	FAULTS(SYS_setrlimit, RLIMIT_CORE, P);
	FAULTS(SYS_ppoll, P, 1, 0, 0, 8);
	FAULTS(SYS_pselect6, 64, P, 0, 0, 0, 0);
	FAULTS(SYS_pselect6, 0, 0, 0, 0, P, 0);
	FAULTS(SYS_sethostname, P, 3);
	FAULTS(SYS_mq_open, P, O_RDWR, 0, 0);
	FAULTS(SYS_mq_unlink, P);
	FAULTS(SYS_utimensat, AT_FDCWD, "file", P, 0);
	FAULTS(SYS_futex, P, 1 /* FUTEX_WAKE */ | 0, 1, 0, 0, 0);
	for (int p = 0; p < POINTERS; p++) {
		struct iovec parts[2] = {{"ok", 2}, {(void *)bad[p], 4}};
		long value = syscall(SYS_writev, ends[1], parts, 2);
		CHECK(value == 2 || (value == -1 && errno == EFAULT));
	}
}

static void data_out(void)
{
	prepare();
	FAULTS(SYS_read, ends[0], P, 4);
	FAULTS(SYS_read, zero_fd, P, 4);
	FAULTS(SYS_read, file_fd, P, 4);
	FAULTS(SYS_pread64, file_fd, P, 4, 0);
	FAULTS(SYS_readv, zero_fd, P, 1);
	FAULTS(SYS_fstat, file_fd, P);
	FAULTS(SYS_newfstatat, AT_FDCWD, "file", P, 0);
	FAULTS(SYS_statfs, "/", P);
	FAULTS(SYS_getcwd, P, 4096);
	FAULTS(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", P, 64);
	FAULTS(SYS_getdents64, open("/", O_RDONLY), P, 4096);
	FAULTS(SYS_pipe2, P, O_CLOEXEC);
	FAULTS(SYS_uname, P);
	FAULTS(SYS_sysinfo, P);
	FAULTS(SYS_times, P);
	FAULTS(SYS_getrusage, RUSAGE_SELF, P);
	FAULTS(SYS_getrlimit, RLIMIT_NOFILE, P);
	FAULTS(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, P);
	FAULTS(SYS_gettimeofday, P, 0);
	FAULTS(SYS_clock_gettime, CLOCK_REALTIME, P);
	FAULTS(SYS_clock_getres, CLOCK_REALTIME, P);
	FAULTS(SYS_getitimer, ITIMER_REAL, P);
	FAULTS(SYS_rt_sigprocmask, SIG_BLOCK, 0, P, 8);
	FAULTS(SYS_rt_sigpending, P, 8);
	FAULTS(SYS_rt_sigaction, SIGUSR1, 0, P, 8);
	FAULTS(SYS_sigaltstack, 0, P);
	FAULTS(SYS_sigaltstack, P, 0);
	FAULTS(SYS_getrandom, P, 16, 0);
	OK(setgroups(2, (gid_t[]){5, 6}));
	FAULTS(SYS_getgroups, 65536, P);
	FAULTS(SYS_getresuid, P, P, P);
	FAULTS(SYS_sched_getaffinity, 0, 128, P);
	FAULTS(SYS_ioctl, ends[0], FIONREAD, P);
}

/* wait4 with a bad status pointer has reaped the child all the same, as on Linux. */
static void wait_status(void)
{
	prepare();
	for (int p = 0; p < POINTERS; p++) {
		CHILD(_exit(1));
		FAILS(EFAULT, syscall(SYS_wait4, -1, bad[p], 0, 0));
		FAILS(ECHILD, syscall(SYS_wait4, -1, 0, 0, 0));
	}
}

static void read_only_memory_is_not_written(void)
{
	char *at = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prepare();
	FAILS(EFAULT, read(zero_fd, at, 1));
	FAILS(EFAULT, pipe((int *)at));
	FAILS(EFAULT, uname((struct utsname *)at));
	FAILS(EFAULT, read(zero_fd, (void *)(uintptr_t)prepare, 1));
}

/* A buffer that wraps around, or whose end lies in the kernel half. */
static void ranges_that_wrap(void)
{
	char byte;

	prepare();
	FAILS(EFAULT, read(zero_fd, (void *)-4096, 8192));
	CHECK(read(zero_fd, &byte, (size_t)-1) == -1 || errno == 0);
	FAILS(EFAULT, syscall(SYS_read, zero_fd, USER_END, 1ul << 47));
	struct iovec wide = {&byte, (size_t)-1};
	FAILS(EINVAL, readv(zero_fd, &wide, 1));
}

/* A string without an end before the hole. */
static void strings_that_run_off(void)
{
	char *at = mmap(nullptr, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	OK(munmap(at + 4096, 4096));
	memset(at, 'x', 4096);
	FAILS(EFAULT, open(at + 4096 - 10, O_RDONLY));
	FAILS(ENAMETOOLONG, open(at, O_RDONLY));
	at[4095] = '\0';
	FAILS(ENOENT, open(at + 4096 - 10, O_RDONLY));
}

static const int unknown[] = {500, 511, 600, 999, 1000, 5000, 0x3fffffff, 0x7fffffff, -5, (int)0x80000001};

static void unknown_numbers(void)
{
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		FAILS(ENOSYS, syscall(unknown[i], 1, 2, 3, 4, 5, 6));
	FAILS(ENOSYS, syscall(0x100000000 | 10000, 0));
}

static void unknown_flags(void)
{
	int fds[2];

	prepare();
	FAILS(EINVAL, syscall(SYS_pipe2, fds, 0x20000000));
	FAILS(EINVAL, syscall(SYS_dup3, 0, 40, 1));
	FAILS(EINVAL, syscall(SYS_getrandom, fds, 4, 0x80));
	FAILS(EINVAL, syscall(SYS_unlinkat, AT_FDCWD, "file", 0x1));
	FAILS(EINVAL, syscall(SYS_newfstatat, AT_FDCWD, "file", fds, 0x1));
	FAILS(EINVAL, syscall(SYS_wait4, -1, 0, 0x100, 0));
	FAILS(EINVAL, syscall(SYS_faccessat2, AT_FDCWD, "file", 0, 0x1));
	FAILS(EINVAL, syscall(SYS_faccessat, AT_FDCWD, "file", 0x10));
	FAILS(EINVAL, syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "y", 0x80));
	FAILS(EINVAL, syscall(SYS_madvise, bad[1], 4096, 9999));
	FAILS(EINVAL, syscall(SYS_mremap, bad[1], 4096, 4096, 0x80));
	FAILS(EINVAL, syscall(SYS_lseek, file_fd, 0, 77));
	FAILS(EINVAL, syscall(SYS_rt_sigprocmask, 77, bad, 0, 8));
	FAILS(EINVAL, syscall(SYS_reboot, 1, 2, 3, 0));
	FAILS(EINVAL, syscall(SYS_clock_gettime, 77, bad));
	FAILS(EINVAL, syscall(SYS_clock_nanosleep, 77, 0, &(struct timespec){}, 0));
	FAILS(EINVAL, syscall(SYS_getrusage, 77, bad));
	FAILS(EINVAL, syscall(SYS_mmap, 0, 4096, PROT_READ, 0, zero_fd, 0));
}

static unsigned long count_of(const char *key)
{
	static char text[65536];
	size_t length = strlen(key);

	ktap_read_file("/proc/syscalls", text, sizeof(text));
	for (char *line = text; line != nullptr && *line != '\0';
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : nullptr) {
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return strtoul(line + length, nullptr, 10);
	}
	return 0;
}

static void unknown_calls_are_counted(void)
{
	unsigned long before = count_of("unknown 500 count");

	FAILS(ENOSYS, syscall(500));
	FAILS(ENOSYS, syscall(500));
	EQUAL(count_of("unknown 500 count"), before + 2);
}

static void unknown_flags_are_counted(void)
{
	char key[64];
	int fds[2];

	snprintf(key, sizeof(key), "refused %d pipe2 flags 0x20000000 count", SYS_pipe2);
	unsigned long before = count_of(key);
	FAILS(EINVAL, syscall(SYS_pipe2, fds, 0x20000000));
	EQUAL(count_of(key), before + 1);
}

KTAP_MAIN(CASE(paths), CASE(data_in), CASE(data_out), CASE(wait_status), CASE(read_only_memory_is_not_written),
	  CASE(ranges_that_wrap), CASE(strings_that_run_off), CASE(unknown_numbers), CASE(unknown_flags),
	  STELLUX_CASE(unknown_calls_are_counted), STELLUX_CASE(unknown_flags_are_counted))
