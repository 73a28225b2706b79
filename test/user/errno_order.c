/* SPDX-License-Identifier: MIT */
/* Which of two mistakes a call names: rows of calls with wrong arguments and the errno that Linux gives. */
#include "ktap.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum : int { CLOSED = 90 };
static const uintptr_t NOWHERE = 8;

static int file, ends[2], path_only, terminal, directory;
static char page[4096];

static void prepare(void)
{
	ktap_enter_dir();
	ktap_write_file("file", "contents");
	file = OK(open("file", O_RDWR));
	path_only = OK(open("file", O_PATH));
	directory = OK(open(".", O_RDONLY));
	terminal = OK(open("/dev/null", O_RDWR));
	OK(pipe(ends));
}

struct row {
	const char *what;
	long number;
	long arguments[6];
	int error; /* 0: it succeeds */
};

#define ROW(error_, name, ...) {#name " " #__VA_ARGS__, SYS_##name, {__VA_ARGS__}, error_}
#define AT(pointer)	       (long)(uintptr_t)(pointer)

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		const long *a = r->arguments;

		errno = 0;
		long value = syscall(r->number, a[0], a[1], a[2], a[3], a[4], a[5]);
		int error = value == -1 ? errno : 0;
		if (error != r->error)
			ktap_fail(__FILE__, __LINE__, "%s: errno %d, wanted %d", r->what, error, r->error);
	}
}
#define CHECK_ROWS(...)                                                                                                \
	do {                                                                                                           \
		const struct row rows[] = {__VA_ARGS__};                                                               \
		check_rows(rows, sizeof(rows) / sizeof(*rows));                                                        \
	} while (0)

static void reading_and_writing(void)
{
	struct {
		uintptr_t base;
		size_t length;
	} negative = {AT(page), (size_t)-1}, kernel = {(uintptr_t)-4096, 1}, two[2] = {kernel, negative};

	prepare();
	CHECK_ROWS(ROW(EBADF, read, CLOSED, -1, -1), ROW(EBADF, read, ends[1], -1, 1),
		   ROW(EBADF, read, path_only, 0, 0), ROW(EINVAL, pread64, CLOSED, 0, 1, -1),
		   ROW(EBADF, pread64, CLOSED, -1, 1, 0), ROW(ESPIPE, pread64, ends[1], -1, 1, 0),
		   ROW(EFAULT, pread64, file, -1, 8, 0), ROW(EBADF, readv, CLOSED, NOWHERE, 5000),
		   ROW(EINVAL, readv, ends[1], NOWHERE, 5000), ROW(EFAULT, readv, ends[1], NOWHERE, 1),
		   ROW(EINVAL, readv, ends[0], AT(&negative), 1), ROW(EFAULT, readv, ends[0], AT(&kernel), 1),
		   ROW(EINVAL, readv, ends[0], AT(two), 2), ROW(EBADF, readv, ends[1], 0, 0),
		   ROW(0, readv, ends[0], 0, 0), ROW(ESPIPE, preadv, ends[1], NOWHERE, 5000, 0),
		   ROW(EINVAL, preadv, CLOSED, 0, 0, -1), ROW(ESPIPE, pwritev2, ends[0], NOWHERE, 5000, 0, 0, 0x8000),
		   ROW(EINVAL, pwritev2, CLOSED, 0, 0, -2, 0, 0), ROW(0, pwritev2, file, 0, 0, 0, 0, 0x8000),
		   ROW(EBADF, lseek, CLOSED, 0, 9), ROW(EINVAL, lseek, ends[0], 0, 9),
		   ROW(ESPIPE, lseek, ends[0], 0, 0), ROW(EBADF, fadvise64, CLOSED, 0, -1, 9),
		   ROW(ESPIPE, fadvise64, ends[0], 0, -1, 9), ROW(EINVAL, fadvise64, file, 0, -1, 0),
		   ROW(EINVAL, fadvise64, file, 0, 0, 9), ROW(0, fadvise64, terminal, 0, 0, 0),
		   ROW(EBADF, readahead, ends[1], 0, -1), ROW(EINVAL, readahead, file, 0, -1),
		   ROW(EINVAL, readahead, terminal, 0, 1), ROW(EBADF, sync_file_range, CLOSED, -1, 0, 8),
		   ROW(EINVAL, sync_file_range, ends[0], 0, 0, 8), ROW(EINVAL, sync_file_range, ends[0], -1, 0, 0),
		   ROW(ESPIPE, sync_file_range, ends[0], 0, 0, 0), ROW(EINVAL, sync_file_range, file, INT64_MAX, 1, 0),
		   ROW(EBADF, fallocate, CLOSED, 0x80, -1, 0), ROW(EINVAL, fallocate, ends[0], 0x80, -1, 1),
		   ROW(EOPNOTSUPP, fallocate, ends[0], 0x80, 0, 1), ROW(EOPNOTSUPP, fallocate, file, 2, 0, 1),
		   ROW(EBADF, fallocate, directory, 0, 0, 1), ROW(ESPIPE, fallocate, ends[1], 0, 0, 1),
		   ROW(ENODEV, fallocate, terminal, 0, 0, 1), ROW(EFBIG, fallocate, file, 0, INT64_MAX, INT64_MAX));
}

static void names(void)
{
	char empty[] = "", good[] = "file", none[] = "none", up[] = "file/x";

	prepare();
	CHECK_ROWS(
		ROW(EINVAL, readlinkat, AT_FDCWD, NOWHERE, AT(page), 0),
		ROW(EFAULT, readlinkat, AT_FDCWD, NOWHERE, AT(page), 1),
		ROW(ENOENT, readlinkat, AT_FDCWD, AT(empty), AT(page), 9),
		ROW(ENOENT, readlinkat, file, AT(empty), AT(page), 9),
		ROW(EINVAL, readlinkat, AT_FDCWD, AT(good), NOWHERE, 9),
		ROW(EINVAL, renameat2, CLOSED, NOWHERE, CLOSED, NOWHERE, 0x80),
		ROW(EFAULT, renameat2, CLOSED, NOWHERE, CLOSED, AT(good), 0),
		ROW(EBADF, renameat2, CLOSED, AT(good), AT_FDCWD, NOWHERE, 0),
		ROW(ENOENT, renameat2, AT_FDCWD, AT(empty), AT_FDCWD, NOWHERE, 0),
		ROW(EFAULT, renameat2, AT_FDCWD, AT(none), AT_FDCWD, NOWHERE, 0),
		ROW(ENOENT, linkat, AT_FDCWD, AT(none), AT_FDCWD, NOWHERE, 0),
		ROW(EEXIST, mknodat, AT_FDCWD, AT(good), S_IFCHR, 0), ROW(EPERM, mknodat, CLOSED, NOWHERE, S_IFDIR, 0),
		ROW(EINVAL, mknodat, CLOSED, NOWHERE, 0170000, 0), ROW(EBADF, openat, CLOSED, AT(good), -1),
		ROW(ENOTDIR, openat, file, AT(good), -1),
		ROW(ENOTDIR, openat, AT_FDCWD, AT(up), O_RDWR | O_CREAT, 0600),
		ROW(EFAULT, execve, AT(none), NOWHERE, 0), ROW(EFAULT, execve, AT(none), 0, NOWHERE),
		ROW(ENOENT, execve, AT(none), 0, 0), ROW(EFAULT, execve, NOWHERE, NOWHERE, 0),
		ROW(EFAULT, utimensat, CLOSED, NOWHERE, NOWHERE, -1), ROW(EINVAL, utimensat, CLOSED, NOWHERE, 0, -1),
		ROW(EFAULT, utimensat, AT_FDCWD, 0, 0, 0), ROW(EINVAL, utimensat, file, 0, 0, AT_SYMLINK_NOFOLLOW),
		ROW(0, utimensat, CLOSED, NOWHERE, AT(((struct timespec[2]){{0, UTIME_OMIT}, {0, UTIME_OMIT}})), -1));
}

static void memory(void)
{
	char *at = mmap(nullptr, 2 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prepare();
	CHECK_ROWS(ROW(EBADF, mmap, 0, 0, PROT_WRITE, MAP_SHARED, CLOSED, 0), ROW(EINVAL, mmap, 0, 0, 0, 0, CLOSED, 1),
		   ROW(EINVAL, mmap, 0, 0, 0, MAP_PRIVATE, file, 0), ROW(ENOMEM, mmap, 0, -1, 0, 0, file, 0),
		   ROW(EINVAL, mmap, 0, 0, 0, MAP_PRIVATE | MAP_ANONYMOUS, CLOSED, 0),
		   ROW(EOVERFLOW, mmap, 0, 8192, 1, MAP_PRIVATE, file, -4096), ROW(EINVAL, mmap, 0, 1, 1, 0, file, 0),
		   ROW(EINVAL, mprotect, AT(at) + 1, 0, -1), ROW(0, mprotect, AT(at), 0, 0x100),
		   ROW(ENOMEM, mprotect, AT(at), -1, 0x100), ROW(EINVAL, mprotect, AT(at), 4096, 0x100),
		   ROW(EINVAL, mincore, AT(at) + 1, -1, NOWHERE), ROW(ENOMEM, mincore, AT(at), -4096, AT(page)),
		   ROW(EFAULT, mincore, AT(at), 0, -1), ROW(0, madvise, AT(at), 0, 22), ROW(0, madvise, 0, 0, 23),
		   ROW(EINVAL, madvise, 0, 0, 0x7777), ROW(EINVAL, mremap, AT(at), 4096, 4096, 5, 1),
		   ROW(EINVAL, mremap, AT(at), 4096, 4096, 5, AT(at)), ROW(EFAULT, mincore, AT(at), 4096, NOWHERE),
		   ROW(EINVAL, msync, AT(at), -1, 8), ROW(EINVAL, msync, AT(at) + 1, 1, 4),
		   ROW(0, msync, AT(at), -1, 4), ROW(0, mlock, AT(at), -1), ROW(ENOMEM, mlock, 8, 0));
}

/* Descriptors that have no place of their own in a file: some know lseek(2), and it moves nothing. */
static void places(void)
{
	sigset_t none;

	prepare();
	sigemptyset(&none);
	int still[] = {OK(eventfd(0, 0)), OK(timerfd_create(CLOCK_MONOTONIC, 0)), OK(signalfd(-1, &none, 0)),
		       OK(epoll_create1(0))};
	for (size_t n = 0; n < sizeof(still) / sizeof(*still); n++)
		CHECK_ROWS(ROW(0, lseek, still[n], 5, SEEK_SET), ROW(0, lseek, still[n], -5, SEEK_END),
			   ROW(EINVAL, lseek, still[n], 0, 9), ROW(ESPIPE, pread64, still[n], AT(page), 8, 0));
	CHECK(lseek(still[0], 5, SEEK_SET) == 0);
	CHECK(lseek(still[0], 0, SEEK_CUR) == 0);
	/* No byte is read or written beyond what an offset can name. */
	int memory = OK(memfd_create("m", 0));
	CHECK_ROWS(ROW(EINVAL, pwrite64, memory, AT(page), 3, INT64_MAX - 1),
		   ROW(EINVAL, pread64, memory, AT(page), 3, INT64_MAX - 1),
		   ROW(EINVAL, preadv, memory, AT((&(struct iovec){page, 3})), 1, INT64_MAX - 1),
		   ROW(0, pread64, memory, AT(page), 1, INT64_MAX - 1));
	CHECK(lseek(memory, INT64_MAX - 1, SEEK_SET) == INT64_MAX - 1);
	CHECK_ROWS(ROW(EINVAL, write, memory, AT(page), 3), ROW(EINVAL, read, memory, AT(page), 3),
		   ROW(0, read, memory, AT(page), 1));
	int process = OK((int)syscall(SYS_pidfd_open, getpid(), 0));
	CHECK_ROWS(ROW(ESPIPE, lseek, process, 0, SEEK_SET), ROW(ESPIPE, lseek, ends[0], 0, SEEK_SET));
}

/* What is looked at before the file is asked, or before the right is; and numbers in registers that are too wide. */
static void before_the_file(void)
{
	int64_t *offset = OK(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	char *half = OK(mmap(nullptr, 2 * 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	uint32_t *version = (uint32_t *)(half + 4092);
	constexpr long above = 1L << 32, beyond = INT64_MIN;

	prepare();
	OK(munmap(half + 4096, 4096));
	CHECK_ROWS(ROW(EFAULT, read, directory, -1, 1), ROW(EISDIR, read, directory, NOWHERE, 1),
		   ROW(EFAULT, pread64, directory, -1, 1, 0), ROW(EISDIR, pread64, directory, NOWHERE, 1, 0));
	CHECK_ROWS(ROW(EINVAL, mprotect, AT(half), beyond, 0x100),
		   ROW(ENOMEM, mprotect, AT(half), beyond, PROT_READ | PROT_WRITE));
	/* The offset is written back, whatever the call said. */
	CHECK_ROWS(ROW(EINVAL, sendfile, ends[1], file, 0, beyond), ROW(EFAULT, sendfile, CLOSED, file, AT(offset), 1),
		   ROW(EFAULT, sendfile, CLOSED, ends[0], AT(offset), 1),
		   ROW(EFAULT, sendfile, file, CLOSED, AT(offset), 1));
	CHECK_ROWS(ROW(EFAULT, connect, file, NOWHERE, 16), ROW(EINVAL, connect, file, NOWHERE, -1),
		   ROW(ENOTSOCK, connect, file, AT(page), 16), ROW(EBADF, connect, CLOSED, NOWHERE, -1));
	CHECK_ROWS(ROW(0, fcntl, file, F_DUPFD, above), ROW(0, fcntl, file, F_DUPFD_CLOEXEC, above | 20),
		   ROW(EINVAL, fcntl, file, F_DUPFD, above - 1));
	/* A version that nobody knows is answered before the rest is read. */
	CHECK_ROWS(ROW(EINVAL, capget, AT(version), AT(page)));
	CHECK(*version == 0x20080522);
	CHECK_ROWS(ROW(EFAULT, capget, AT(version), AT(page)), ROW(EFAULT, capset, AT(version), AT(page)),
		   ROW(0, capget, AT(version), 0));
	CHECK_ROWS(ROW(ESRCH, ioprio_get, 1, -1), ROW(ESRCH, ioprio_set, 1, -1, 0));
}

/* Modes of fallocate(2) that only some filesystems have: what is wrong with the call comes before that. */
static void modes_of_fallocate(void)
{
	enum : long { KEEP = 1, PUNCH = 2, COLLAPSE = 8, ZERO = 16, INSERT = 32, UNSHARE = 64, UNKNOWN = 0x1000 };

	prepare();
	CHECK_ROWS(ROW(EBADF, fallocate, CLOSED, UNKNOWN, -1, 0), ROW(EINVAL, fallocate, ends[0], UNKNOWN, -1, 1),
		   ROW(EOPNOTSUPP, fallocate, ends[0], UNKNOWN, 0, 1), ROW(EOPNOTSUPP, fallocate, ends[0], PUNCH, 0, 1),
		   ROW(EOPNOTSUPP, fallocate, ends[0], PUNCH | ZERO | KEEP, 0, 1));
	for (long mode = COLLAPSE; mode <= UNSHARE; mode *= 2)
		CHECK_ROWS(ROW(EBADF, fallocate, ends[0], mode, 0, 1), ROW(EBADF, fallocate, directory, mode, 0, 1),
			   ROW(ESPIPE, fallocate, ends[1], mode, 0, 1), ROW(ENODEV, fallocate, terminal, mode, 0, 1),
			   ROW(EFBIG, fallocate, file, mode, 1, INT64_MAX));
	CHECK_ROWS(ROW(EOPNOTSUPP, fallocate, ends[0], COLLAPSE | KEEP, 0, 1),
		   ROW(EOPNOTSUPP, fallocate, ends[0], INSERT | ZERO, 0, 1),
		   ROW(EOPNOTSUPP, fallocate, ends[0], UNSHARE | ZERO, 0, 1));
}

static void waiting_and_watching(void)
{
	prepare();
	int set = OK((int)syscall(SYS_epoll_create1, 0));
	CHECK_ROWS(ROW(EFAULT, epoll_ctl, CLOSED, 9, CLOSED, NOWHERE),
		   ROW(EBADF, epoll_ctl, CLOSED, 9, CLOSED, AT(page)), ROW(EBADF, epoll_ctl, file, 9, CLOSED, AT(page)),
		   ROW(EPERM, epoll_ctl, file, 9, file, AT(page)),
		   ROW(EINVAL, epoll_ctl, ends[0], 1, ends[0], AT(page)),
		   ROW(EINVAL, epoll_ctl, set, 9, ends[0], AT(page)), ROW(EINVAL, epoll_ctl, set, 1, set, AT(page)),
		   ROW(ENOENT, epoll_ctl, set, 2, ends[0], NOWHERE), ROW(EINVAL, epoll_pwait, CLOSED, -1, 0, 0, 0, 8),
		   ROW(EFAULT, epoll_pwait, CLOSED, -1, 1, 0, 0, 8),
		   ROW(EBADF, epoll_pwait, CLOSED, NOWHERE, 1, 0, 0, 8), ROW(EFAULT, waitid, 9, 0, NOWHERE, 0, 0),
		   ROW(EINVAL, waitid, 9, 0, 0, WEXITED, 0), ROW(ECHILD, waitid, P_ALL, 0, AT(page), WEXITED, 0),
		   ROW(EFAULT, waitid, P_ALL, 0, NOWHERE, WEXITED, 0));
}

static void signals(void)
{
	char info[128] = {}, action[64] = {};
	siginfo_t from_kernel = {.si_code = SI_KERNEL};

	prepare();
	pid_t dead = OK(fork());
	if (dead == 0)
		_exit(0);
	siginfo_t ended;
	OK(waitid(P_PID, dead, &ended, WEXITED | WNOWAIT));
	from_kernel.si_signo = SIGWINCH;
	CHECK_ROWS(ROW(ESRCH, kill, 99999, 65), ROW(ESRCH, kill, -99999, -1), ROW(ESRCH, kill, INT32_MIN, 65),
		   ROW(EINVAL, kill, getpid(), 65), ROW(EINVAL, kill, dead, 65), ROW(0, kill, dead, SIGTERM),
		   ROW(ESRCH, tkill, 99999, 65), ROW(EINVAL, tkill, 0, 65), ROW(0, tkill, dead, SIGTERM),
		   ROW(EINVAL, tkill, dead, 65), ROW(ESRCH, tgkill, dead, getpid(), 65),
		   ROW(EINVAL, tgkill, getpid(), getpid(), -1), ROW(0, tgkill, dead, dead, 0),
		   ROW(EFAULT, rt_sigqueueinfo, -1, 65, NOWHERE),
		   ROW(ESRCH, rt_sigqueueinfo, 99999, 65, AT(&(siginfo_t){.si_code = SI_QUEUE})),
		   ROW(EPERM, rt_sigqueueinfo, 99999, 65, AT(info)),
		   ROW(EFAULT, rt_tgsigqueueinfo, -1, -1, 65, NOWHERE),
		   ROW(EINVAL, rt_tgsigqueueinfo, 0, 1, 65, AT(info)),
		   ROW(EPERM, rt_tgsigqueueinfo, getpid(), dead, 65, AT(info)),
		   ROW(EPERM, rt_sigqueueinfo, dead, SIGWINCH, AT(&from_kernel)),
		   ROW(0, rt_sigqueueinfo, getpid(), SIGWINCH, AT(&from_kernel)));
	CHECK_ROWS(ROW(EFAULT, rt_sigaction, 65, NOWHERE, 0, 8), ROW(EINVAL, rt_sigaction, 65, NOWHERE, 0, 7),
		   ROW(EFAULT, rt_sigaction, SIGKILL, NOWHERE, 0, 8),
		   ROW(EINVAL, rt_sigaction, SIGKILL, AT(action), NOWHERE, 8),
		   ROW(EINVAL, signalfd4, -2, NOWHERE, 7, -1), ROW(EFAULT, signalfd4, -2, NOWHERE, 8, -1),
		   ROW(EINVAL, signalfd4, -2, AT(page), 8, -1), ROW(EBADF, signalfd4, -2, AT(page), 8, 0));
	/* Of a process that has ended there is only its end to wait for. */
	CHECK_ROWS(ROW(ECHILD, waitid, P_ALL, 0, AT(page), WCONTINUED, 0),
		   ROW(ECHILD, waitid, P_PID, dead, 0, WSTOPPED | WNOHANG, 0),
		   ROW(ECHILD, waitid, P_PID, dead, 0, WSTOPPED | WCONTINUED | WNOWAIT, 0),
		   ROW(0, waitid, P_PID, dead, 0, WEXITED | WSTOPPED, 0));
}

/* Which of the values that a process gives its limits and its next program is wrong first. */
static void limits_and_programs(void)
{
	uint64_t upside_down[2] = {2, 1};
	char empty[] = "", none[] = "none", plain[] = "file", dir[] = ".";
	char *words[] = {plain, nullptr}, *bad_words[] = {(char *)NOWHERE, nullptr};
	enum : int { LIMITS = 16 };

	prepare();
	CHECK_ROWS(ROW(EFAULT, prlimit64, -1, -1, NOWHERE, 0), ROW(ESRCH, prlimit64, -1, -1, 0, 0),
		   ROW(ESRCH, prlimit64, 99999, LIMITS, 0, 0), ROW(EINVAL, prlimit64, 0, LIMITS, 0, NOWHERE),
		   ROW(EINVAL, prlimit64, 0, RLIMIT_CPU, AT(upside_down), NOWHERE),
		   ROW(EFAULT, prlimit64, 0, RLIMIT_CPU, 0, NOWHERE), ROW(EFAULT, setrlimit, LIMITS, NOWHERE),
		   ROW(EINVAL, setrlimit, LIMITS, AT(upside_down)));
	CHECK_ROWS(ROW(EFAULT, execve, NOWHERE, NOWHERE, 0), ROW(ENOENT, execve, AT(empty), NOWHERE, 0),
		   ROW(EFAULT, execve, AT(none), NOWHERE, 0), ROW(EFAULT, execve, AT(none), AT(words), NOWHERE),
		   ROW(EFAULT, execve, AT(dir), AT(bad_words), 0), ROW(EACCES, execve, AT(dir), AT(words), 0),
		   ROW(EACCES, execve, AT(plain), AT(words), 0), ROW(EFAULT, execveat, CLOSED, NOWHERE, NOWHERE, 0, -1),
		   ROW(ENOENT, execveat, CLOSED, AT(empty), AT(words), 0, 1),
		   ROW(EFAULT, execveat, CLOSED, AT(none), NOWHERE, 0, -1),
		   ROW(EINVAL, execveat, CLOSED, AT(none), AT(words), 0, 1),
		   ROW(EBADF, execveat, CLOSED, AT(empty), AT(words), 0, AT_EMPTY_PATH),
		   ROW(EBADF, execveat, CLOSED, AT(none), AT(words), 0, 0));
	/* It is open for writing, which shows only where it may be run. */
	OK(chmod("file", 0755));
	CHECK_ROWS(ROW(ETXTBSY, execve, AT(plain), AT(words), 0));
}

/* A child may announce its end by a signal that does not exist: then it announces nothing. */
static void no_such_end_signal(void)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, rest[3];
	} modern = {.exit_signal = 65};
	int status;

	prepare();
	CHECK_ROWS(ROW(EINVAL, clone3, AT(&modern), sizeof(modern)));
	pid_t child = OK((pid_t)syscall(SYS_clone, 0xff, 0, 0, 0, 0));
	if (child == 0)
		_exit(7);
	FAILS(ECHILD, waitpid(child, &status, 0));
	CHECK(OK(waitpid(child, &status, __WALL)) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void processes(void)
{
	prepare();
	CHECK_ROWS(
		ROW(EINVAL, sched_getparam, 0, 0), ROW(EINVAL, sched_getparam, -1, AT(page)),
		ROW(ESRCH, sched_getparam, 99999, NOWHERE), ROW(EINVAL, sched_setscheduler, 99999, -1, NOWHERE),
		ROW(EFAULT, sched_setscheduler, 99999, 77, NOWHERE),
		ROW(ESRCH, sched_setscheduler, 99999, 77, AT(page)), ROW(EINVAL, sched_setscheduler, 0, 77, AT(page)),
		ROW(ESRCH, sched_getaffinity, -1, 128, NOWHERE), ROW(EINVAL, sched_getaffinity, -1, 7, NOWHERE),
		ROW(EFAULT, sched_setaffinity, -1, 8, NOWHERE), ROW(ESRCH, sched_setaffinity, -1, 8, AT(page)),
		ROW(EFAULT, sched_setparam, 99999, NOWHERE), ROW(ESRCH, sched_setparam, 99999, AT(page)),
		ROW(EFAULT, setitimer, 9, NOWHERE, 0), ROW(EINVAL, setitimer, 9, AT(page), 0),
		ROW(EFAULT, clock_adjtime, 77, NOWHERE), ROW(EOPNOTSUPP, clock_adjtime, 1, AT(page)),
		ROW(EINVAL, getrlimit, -1, 0), ROW(EFAULT, getrlimit, 0, 0), ROW(EINVAL, setpgid, -1, 0),
		ROW(EINVAL, setpgid, 99999, -1), ROW(ESRCH, setpgid, 99999, 0), ROW(EINVAL, timer_settime, 99, 0, 0, 0),
		ROW(EFAULT, timer_settime, 99, 0, NOWHERE, 0), ROW(ENOSYS, futex, AT(page), 256, 0, 0, 0, 0),
		ROW(ENOSYS, futex, AT(page) + 1, 77, 0, 0, 0, 0), ROW(EINVAL, futex, NOWHERE, 3, -1, 0, AT(page), 0));
	CHECK_ROWS(ROW(EINVAL, clock_nanosleep, 77, 99, NOWHERE, 0),
		   ROW(EOPNOTSUPP, clock_nanosleep, 4, 99, NOWHERE, 0), ROW(EFAULT, clock_nanosleep, 1, 0, NOWHERE, 0),
		   ROW(EFAULT, timerfd_settime, CLOSED, 99, NOWHERE, 0),
		   ROW(EINVAL, timerfd_settime, CLOSED, 99, AT(page), 0),
		   ROW(EBADF, timerfd_settime, CLOSED, 0, AT(page), 0));
}

/* Whether the caller may wake a machine is asked after all that can be wrong otherwise. */
static void alarm_clocks(void)
{
	struct timespec wrong = {0, -1}, soon = {0, 1};
	enum : long { BOOTTIME_ALARM = 9 };

	OK(setresuid(1000, 1000, 1000));
	if (clock_gettime(BOOTTIME_ALARM, &soon) != 0)
		ktap_skip("this machine has no clock that wakes it");
	soon = (struct timespec){0, 1};
	CHECK_ROWS(ROW(EFAULT, clock_nanosleep, BOOTTIME_ALARM, 0, NOWHERE, 0),
		   ROW(EINVAL, clock_nanosleep, BOOTTIME_ALARM, 0, AT(&wrong), 0),
		   ROW(EPERM, clock_nanosleep, BOOTTIME_ALARM, 0, AT(&soon), 0));
}

/* A timeout is read first, a word is looked for last. */
static void futexes(void)
{
	prepare();
	CHECK_ROWS(ROW(EFAULT, futex, AT(page) + 1, 0, 0, NOWHERE, 0, 0),
		   ROW(EFAULT, futex, AT(page), 256, 0, NOWHERE, 0, 0),
		   ROW(EINVAL, futex, AT(page) + 1, 0, 0, AT(page), 0, 0), ROW(EINVAL, futex, NOWHERE, 9, 0, 0, 0, 0),
		   ROW(EINVAL, futex, NOWHERE, 10, 1, 0, 0, 0), ROW(EFAULT, futex, NOWHERE, 0, 0, 0, 0, 0),
		   ROW(EFAULT, futex, NOWHERE, 10, 1, 0, 0, 1), ROW(EFAULT, futex, NOWHERE, 6, 0, NOWHERE, 0, 0),
		   ROW(EFAULT, futex, AT(page) + 1, 6, 0, NOWHERE, 0, 0),
		   ROW(EINVAL, futex, AT(page) + 1, 6, 0, 0, 0, 0), ROW(EFAULT, futex, NOWHERE, 7, 0, NOWHERE, 0, 0),
		   ROW(EPERM, futex, AT(page), 7, 0, NOWHERE, 0, 0), ROW(EINVAL, futex, AT(page), 4, -1, 0, NOWHERE, 0),
		   ROW(EFAULT, futex, AT(page), 4, 1, 0, NOWHERE, 0),
		   ROW(EAGAIN, futex, AT(page), 4, 1, 0, AT(page), 7));
}

static void clones(void)
{
	enum { STACK = 5, STACK_SIZE = 6, SET_TID = 8, SET_TID_SIZE = 9, WORDS = 11 };
	uint64_t tid_without_size[WORDS] = {[SET_TID] = NOWHERE}, size_without_tid[WORDS] = {[SET_TID_SIZE] = 1},
		 size_alone[WORDS] = {[STACK_SIZE] = 4096}, stack_alone[WORDS] = {[STACK] = 4096},
		 beyond[WORDS] = {[STACK] = UINT64_MAX - 4095, [STACK_SIZE] = 8192}, signal_in_flags[WORDS] = {SIGCHLD};

	prepare();
	CHECK_ROWS(ROW(EINVAL, clone3, NOWHERE, 63), ROW(E2BIG, clone3, NOWHERE, 4097),
		   ROW(EFAULT, clone3, NOWHERE, 64), ROW(EINVAL, clone3, AT(tid_without_size), 88),
		   ROW(EINVAL, clone3, AT(size_without_tid), 88), ROW(EINVAL, clone3, AT(size_alone), 88),
		   ROW(EINVAL, clone3, AT(stack_alone), 88), ROW(EINVAL, clone3, AT(beyond), 88),
		   ROW(EINVAL, clone3, AT(signal_in_flags), 88));
}

static void mounting(void)
{
	char none[] = "none", here[] = ".";

	prepare();
	OK(chmod(".", 0755));
	OK(setresuid(1000, 1000, 1000));
	CHECK_ROWS(ROW(EFAULT, mount, AT(none), AT(none), NOWHERE, -1, 0),
		   ROW(EFAULT, mount, NOWHERE, AT(none), AT(none), -1, 0),
		   ROW(EFAULT, mount, AT(none), AT(none), AT(none), -1, NOWHERE),
		   ROW(ENOENT, mount, AT(none), AT(none), AT(none), 0, 0),
		   ROW(EPERM, mount, AT(none), AT(here), AT(none), 0, 0), ROW(EINVAL, umount2, NOWHERE, 0x100),
		   ROW(ENOENT, umount2, AT(none), 0), ROW(EPERM, umount2, AT(here), 0));
}

/* As root: what is wrong with flags and names comes before what is wrong with the places. */
static void mounting_by_root(void)
{
	char none[] = "none", missing[] = "missing", empty[] = "", text[] = "file", type[] = "tmpfs", m[] = "m",
	     d[] = "d", below[] = "file/x", top[] = "/", nosuch[] = "nosuch";
	enum : long { LOCKED_FLAG = 0x100 };

	prepare();
	OK(mkdir("m", 0755));
	OK(mkdir("d", 0755));
	if (!ktap_on_stellux()) {
		OK(unshare(CLONE_NEWNS));
		OK(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
	}
	OK(mount("t", "m", "tmpfs", 0, nullptr));
	/* No type is a mistake of its own; an empty one is a type that there is not. */
	CHECK_ROWS(ROW(EINVAL, mount, AT(none), AT(d), 0, 0, 0), ROW(ENODEV, mount, AT(none), AT(d), AT(empty), 0, 0),
		   ROW(ENODEV, mount, AT(none), AT(text), AT(nosuch), 0, 0),
		   ROW(ENOENT, mount, AT(none), AT(missing), 0, 0, 0),
		   ROW(ENOTDIR, mount, AT(none), AT(text), AT(type), 0, 0));
	/* No source is not one that is missing. */
	CHECK_ROWS(ROW(EINVAL, mount, 0, AT(d), 0, MS_BIND, 0), ROW(EINVAL, mount, AT(empty), AT(d), 0, MS_MOVE, 0),
		   ROW(ENOENT, mount, AT(missing), AT(d), 0, MS_BIND, 0),
		   ROW(ENOENT, mount, AT(missing), AT(d), 0, MS_MOVE, 0),
		   ROW(ENOTDIR, mount, AT(text), AT(d), 0, MS_BIND, 0),
		   ROW(EINVAL, mount, AT(text), AT(d), 0, MS_MOVE, 0),
		   ROW(EINVAL, mount, AT(m), AT(text), 0, MS_MOVE, 0), ROW(EINVAL, mount, AT(d), AT(d), 0, MS_MOVE, 0),
		   ROW(ELOOP, mount, AT(m), AT(m), 0, MS_MOVE, 0), ROW(ENOENT, mount, 0, AT(missing), 0, MS_MOVE, 0));
	/* Only what is mounted can be private, or mounted again; one kind of propagation, and nothing else with it. */
	CHECK_ROWS(ROW(EINVAL, mount, 0, AT(d), 0, MS_PRIVATE, 0), ROW(0, mount, 0, AT(m), 0, MS_PRIVATE, 0),
		   ROW(0, mount, 0, AT(m), 0, MS_SLAVE | MS_REC | MS_SILENT, 0),
		   ROW(EINVAL, mount, 0, AT(m), 0, MS_PRIVATE | MS_SLAVE, 0),
		   ROW(EINVAL, mount, 0, AT(m), 0, MS_PRIVATE | MS_RDONLY, 0),
		   ROW(EINVAL, mount, 0, AT(m), 0, MS_PRIVATE | MS_MOVE, 0),
		   ROW(EINVAL, mount, 0, AT(d), 0, MS_REMOUNT, 0),
		   ROW(EINVAL, mount, 0, AT(d), 0, MS_REMOUNT | MS_BIND, 0));
	CHECK_ROWS(ROW(EINVAL, umount2, NOWHERE, LOCKED_FLAG), ROW(EFAULT, umount2, NOWHERE, MNT_FORCE),
		   ROW(ENOENT, umount2, AT(missing), MNT_EXPIRE),
		   ROW(ENOENT, umount2, AT(empty), MNT_FORCE | MNT_DETACH),
		   ROW(ENOTDIR, umount2, AT(below), MNT_EXPIRE | MNT_DETACH), ROW(EINVAL, umount2, AT(d), MNT_FORCE),
		   ROW(EINVAL, umount2, AT(m), MNT_EXPIRE | MNT_FORCE), ROW(EINVAL, umount2, AT(text), 0));
	CHECK_ROWS(ROW(EFAULT, pivot_root, NOWHERE, AT(missing)), ROW(ENOENT, pivot_root, AT(missing), NOWHERE),
		   ROW(ENOTDIR, pivot_root, AT(text), AT(d)), ROW(ENOTDIR, pivot_root, AT(m), AT(text)),
		   ROW(EBUSY, pivot_root, AT(d), AT(top)), ROW(EBUSY, pivot_root, AT(m), AT(top)),
		   ROW(EBUSY, pivot_root, AT(top), AT(d)), ROW(EBUSY, pivot_root, AT(top), AT(m)),
		   ROW(EBUSY, pivot_root, AT(top), AT(top)));
	OK(umount("m"));
}

static void umounting_by_anybody(void)
{
	char missing[] = "missing", here[] = ".";

	prepare();
	OK(chmod(".", 0755));
	OK(setresuid(1000, 1000, 1000));
	CHECK_ROWS(ROW(ENOENT, umount2, AT(missing), MNT_FORCE), ROW(EPERM, umount2, AT(here), MNT_FORCE),
		   ROW(EPERM, umount2, AT(here), MNT_EXPIRE | MNT_DETACH), ROW(EFAULT, umount2, NOWHERE, MNT_EXPIRE),
		   ROW(EPERM, pivot_root, NOWHERE, NOWHERE), ROW(EPERM, mount, 0, AT(here), 0, MS_PRIVATE, 0),
		   ROW(EPERM, mount, 0, AT(here), 0, MS_BIND, 0));
}

KTAP_MAIN(CASE(reading_and_writing), CASE(names), CASE(memory), CASE(places), CASE(before_the_file),
	  CASE(modes_of_fallocate), CASE(waiting_and_watching), CASE(signals), CASE(limits_and_programs),
	  CASE(no_such_end_signal), CASE(processes), CASE(alarm_clocks), CASE(futexes), CASE(clones), CASE(mounting),
	  CASE(mounting_by_root), CASE(umounting_by_anybody))
