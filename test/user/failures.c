/* SPDX-License-Identifier: MIT */
/*
 * Calls that run out of memory at each of their allocations in turn (/proc/self/fail-nth): each ends with an error that
 * says so, and nothing is left behind in the kernel's counters. Release kernels cannot fail on order.
 */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MANY = 200, NOISE_ROUNDS = 12, PIDFD_FLAG = 0x1000 /* CLONE_PIDFD */ };

static int order, some_pipe[2], some_file, some_epoll;
static char *memory, text[65536];

/* A call to make: -1 and errno, or not. What it made is undone by the second. */
struct call {
	const char *name;
	long (*make)(void);
	void (*undo)(long result);
};

static void close_it(long fd)
{
	close((int)fd);
}

static void nothing(long)
{
}

static void reap(long pid)
{
	waitpid((pid_t)pid, nullptr, 0);
}

static long do_fork(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

/* Its descriptor is made before the thread. */
static long do_fork_with_descriptor(void)
{
	int fd = -1;
	long pid = syscall(SYS_clone, SIGCHLD | PIDFD_FLAG, 0, &fd, 0, 0);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		close(fd);
	return pid;
}

static int leave(void *)
{
	_exit(0);
}

static long do_vfork(void)
{
	static char stack[16384] __attribute__((aligned(16)));

	return clone(leave, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr);
}

/* Where exec fails the child says with which errno. */
static long do_exec(void)
{
	char number[16];
	int error = 0;

	/* The order is the child's, for its exec alone. */
	lseek(order, 0, SEEK_SET);
	ssize_t n = read(order, number, sizeof(number) - 1);
	number[n > 0 ? n : 0] = '\0';
	(void)!write(order, "0", 1);
	pid_t pid = vfork();
	if (pid == 0) {
		close(STDOUT_FILENO);
		(void)!write(order, number, strlen(number));
		execl("/proc/self/exe", "failures", "-l", nullptr);
		error = errno;
		_exit(error);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status)) {
		errno = EIO;
		return -1;
	}
	errno = WEXITSTATUS(status);
	(void)!write(order, errno ? "0" : "1000", errno ? 1 : 4);
	return errno ? -1 : 0;
}

static long do_pipe(void)
{
	int fds[2];

	if (pipe2(fds, 0) != 0)
		return -1;
	close(fds[1]);
	return fds[0];
}

static long do_open(void)
{
	return open("made", O_RDWR | O_CREAT, 0600);
}

static void undo_open(long fd)
{
	close((int)fd);
	unlink("made");
}

static long do_write_file(void)
{
	return pwrite(some_file, memory, 3 * PAGE, 0);
}

static void undo_write_file(long)
{
	OK(ftruncate(some_file, 0));
}

static long do_mmap(void)
{
	return (long)mmap(nullptr, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void undo_mmap(long at)
{
	munmap((void *)at, 4 * PAGE);
}

static long do_mmap_shared(void)
{
	return (long)mmap(nullptr, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static long do_mprotect(void)
{
	return mprotect(memory + PAGE, PAGE, PROT_READ);
}

static void undo_mprotect(long)
{
	OK(mprotect(memory, 8 * PAGE, PROT_READ | PROT_WRITE));
}

static long do_munmap(void)
{
	return munmap(memory + PAGE, PAGE);
}

static void undo_munmap(long)
{
	OK(mmap(memory + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memory[PAGE] = 1;
}

static long do_mremap(void)
{
	return (long)mremap(memory + 4 * PAGE, 2 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
}

static void undo_mremap(long at)
{
	munmap((void *)at, 5 * PAGE);
	OK(mmap(memory + 4 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(memory + 4 * PAGE, 1, 2 * PAGE);
}

static long do_mlock(void)
{
	return mlock(memory + PAGE, PAGE);
}

static void undo_mlock(long)
{
	OK(munlock(memory, 8 * PAGE));
}

static long do_brk(void)
{
	char *now = (char *)syscall(SYS_brk, 0);

	if ((char *)syscall(SYS_brk, now + 4 * PAGE) == now + 4 * PAGE)
		return (long)now;
	errno = ENOMEM;
	return -1;
}

static void undo_brk(long was)
{
	syscall(SYS_brk, was);
}

static long do_epoll(void)
{
	return epoll_create1(0);
}

static long do_epoll_add(void)
{
	return epoll_ctl(some_epoll, EPOLL_CTL_ADD, some_pipe[0], &(struct epoll_event){.events = EPOLLIN});
}

static void undo_epoll_add(long)
{
	OK(epoll_ctl(some_epoll, EPOLL_CTL_DEL, some_pipe[0], nullptr));
}

static long do_eventfd(void)
{
	return eventfd(0, 0);
}

static long do_timerfd(void)
{
	return timerfd_create(CLOCK_MONOTONIC, 0);
}

static long do_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return signalfd(-1, &set, 0);
}

static long do_memfd(void)
{
	return (long)syscall(SYS_memfd_create, "failing", 0);
}

static long do_timer(void)
{
	int id;

	return syscall(SYS_timer_create, CLOCK_MONOTONIC, nullptr, &id) == 0 ? id : -1;
}

static void undo_timer(long id)
{
	OK(syscall(SYS_timer_delete, (int)id));
}

static long do_mkdir(void)
{
	return mkdir("directory", 0700);
}

static void undo_mkdir(long)
{
	OK(rmdir("directory"));
}

static long do_symlink(void)
{
	return symlink("a/target/that/is/longer/than/what/fits/into/a/dentry", "link");
}

static void undo_link(long)
{
	OK(unlink("link"));
}

static long do_link(void)
{
	return link("there", "link");
}

static long do_rename(void)
{
	return rename("there", "there-with-a-name-that-is-longer-than-what-a-dentry-holds-itself");
}

static void undo_rename(long)
{
	OK(rename("there-with-a-name-that-is-longer-than-what-a-dentry-holds-itself", "there"));
}

static long do_fifo(void)
{
	return mknod("fifo", S_IFIFO | 0600, 0);
}

static void undo_fifo(long)
{
	OK(unlink("fifo"));
}

static long do_mount(void)
{
	return mount("none", "point", "tmpfs", 0, "size=64k");
}

static long do_bind(void)
{
	return mount("point", "point", nullptr, MS_BIND, nullptr);
}

static void undo_mount(long)
{
	OK(umount("point"));
}

static long do_pty(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY);
}

static long do_dup_high(void)
{
	return fcntl(some_file, F_DUPFD, 700);
}

static long do_lock(void)
{
	return fcntl(some_file, F_SETLK,
		     &(struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 7});
}

static void undo_lock(long)
{
	OK(fcntl(some_file, F_SETLK, &(struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET}));
}

static long do_pipe_write(void)
{
	return write(some_pipe[1], memory, 2 * PAGE);
}

static void undo_pipe_write(long n)
{
	EQUAL(read(some_pipe[0], memory, (size_t)n), n);
}

static long do_queue_signal(void)
{
	return sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 1});
}

static void undo_queue_signal(long)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigtimedwait(&set, nullptr, &(struct timespec){});
}

static long do_proc_read(void)
{
	int fd = open("/proc/self/maps", O_RDONLY);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof(text));
	int error = errno;
	close(fd);
	errno = error;
	return n;
}

static long do_poll(void)
{
	struct pollfd fds[64];

	for (size_t n = 0; n < 64; n++)
		fds[n] = (struct pollfd){some_pipe[0], POLLIN, 0};
	return poll(fds, 64, 1);
}

static long do_readv(void)
{
	struct iovec many[64];

	for (size_t n = 0; n < 64; n++)
		many[n] = (struct iovec){memory + n, 1};
	return preadv(some_file, many, 64, 0);
}

static long do_readdir(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return -1;
	long n = syscall(SYS_getdents64, fd, text, sizeof(text));
	int error = errno;
	close(fd);
	errno = error;
	return n;
}

static const struct call calls[] = {
	{"fork", do_fork, reap},
	{"fork-descriptor", do_fork_with_descriptor, reap},
	{"vfork", do_vfork, reap},
	{"exec", do_exec, nothing},
	{"pipe", do_pipe, close_it},
	{"open", do_open, undo_open},
	{"write", do_write_file, undo_write_file},
	{"mmap", do_mmap, undo_mmap},
	{"mmap-shared", do_mmap_shared, undo_mmap},
	{"mprotect", do_mprotect, undo_mprotect},
	{"munmap", do_munmap, undo_munmap},
	{"mremap", do_mremap, undo_mremap},
	{"mlock", do_mlock, undo_mlock},
	{"brk", do_brk, undo_brk},
	{"epoll", do_epoll, close_it},
	{"epoll-add", do_epoll_add, undo_epoll_add},
	{"eventfd", do_eventfd, close_it},
	{"timerfd", do_timerfd, close_it},
	{"signalfd", do_signalfd, close_it},
	{"memfd", do_memfd, close_it},
	{"timer", do_timer, undo_timer},
	{"mkdir", do_mkdir, undo_mkdir},
	{"symlink", do_symlink, undo_link},
	{"link", do_link, undo_link},
	{"rename", do_rename, undo_rename},
	{"fifo", do_fifo, undo_fifo},
	{"mount", do_mount, undo_mount},
	{"bind", do_bind, undo_mount},
	{"pty", do_pty, close_it},
	{"dup", do_dup_high, close_it},
	{"lock", do_lock, undo_lock},
	{"pipe-write", do_pipe_write, undo_pipe_write},
	{"signal", do_queue_signal, undo_queue_signal},
	{"proc", do_proc_read, nothing},
	{"poll", do_poll, nothing},
	{"preadv", do_readv, nothing},
	{"readdir", do_readdir, nothing},
};

static long arm(int nth)
{
	char number[16];
	int n = snprintf(number, sizeof(number), "%d", nth);

	return write(order, number, (size_t)n);
}

/* Whether the ordered failure has not come; none is ordered from here on. */
static bool was_left(void)
{
	char number[16] = "";

	EQUAL(lseek(order, 0, SEEK_SET), 0);
	CHECK(read(order, number, sizeof(number) - 1) > 0);
	EQUAL(arm(0), 1);
	return atoi(number) != 0;
}

static bool is_memory_error(int error)
{
	return error == ENOMEM || error == EAGAIN || error == ENFILE || error == EMFILE || error == ENOSPC ||
	       error == EFAULT;
}

/* A call fails at each of its allocations, then succeeds. */
static void fail_each(const struct call *c)
{
	for (int nth = 1;; nth++) {
		if (nth > MANY)
			ktap_fail(__FILE__, __LINE__, "%s: never without a failure", c->name);
		arm(nth);
		long result = c->make();
		int error = errno;
		bool left = was_left();
		if (result != -1)
			c->undo(result);
		else if (left || !is_memory_error(error))
			ktap_fail(__FILE__, __LINE__, "%s: errno %d at allocation %d%s", c->name, error, nth,
				  left ? ", which succeeded" : "");
		if (left)
			return;
	}
}

/* What a call that failed must not leave: allocations of all components, threads, descriptors, promised memory. */
static long count(void)
{
	long sum = 0, threads = 0, promised = 0;
	char *save, *line;

	ktap_read_file("/proc/components", text, sizeof(text));
	for (line = strtok_r(text, "\n", &save); line != nullptr; line = strtok_r(nullptr, "\n", &save)) {
		long allocations;
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %ld", &allocations) == 1)
			sum += allocations;
	}
	CHECK(sum > 0);
	ktap_read_file("/proc/loadavg", text, sizeof(text));
	CHECK(sscanf(text, "%*s %*s %*s %*d/%ld", &threads) == 1);
	ktap_read_file("/proc/meminfo", text, sizeof(text));
	line = strstr(text, "Committed_AS:");
	CHECK(line != nullptr && sscanf(line, "Committed_AS: %ld", &promised) == 1);
	for (int fd = 0; fd < 1024; fd++)
		sum += fcntl(fd, F_GETFD) != -1;
	return sum + threads + promised;
}

static void prepare(void)
{
	sigset_t set;

	ktap_enter_dir();
	order = OK(open("/proc/self/fail-nth", O_RDWR));
	OK(pipe(some_pipe));
	some_file = OK(open("there", O_RDWR | O_CREAT, 0600));
	some_epoll = OK(epoll_create1(0));
	OK(mkdir("point", 0700));
	memory = OK(mmap(nullptr, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(memory, 1, 8 * PAGE);
	memset(text, 1, sizeof(text));
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	OK(sigprocmask(SIG_BLOCK, &set, nullptr));
}

/* The first round fills caches; a leak grows by something with each later one. */
static void nothing_is_left_behind(void)
{
	prepare();
	for (size_t n = 0; n < sizeof(calls) / sizeof(*calls); n++) {
		long before = 0, grown = 0;

		for (int round = 0; round < 3; round++) {
			fail_each(&calls[n]);
			usleep(20000); /* ended threads are taken apart a little later */
			long now = count();
			if (round > 0 && now > before)
				grown++;
			if (round > 0 && round == 2 && grown == 2) {
				/* Others allocate as well: once more, to be sure. */
				fail_each(&calls[n]);
				usleep(200000);
				if (count() > now)
					ktap_fail(__FILE__, __LINE__, "%s: something is left behind each time",
						  calls[n].name);
			}
			before = now;
		}
	}
}

KTAP_MAIN(STELLUX_CASE(nothing_is_left_behind))
