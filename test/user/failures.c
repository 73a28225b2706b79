/* SPDX-License-Identifier: MIT */
/* Memory that fails (failures.h) in calls on processes, memory, names and descriptors. */
#include "failures.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#include <time.h>
#include <unistd.h>

enum { PIDFD_FLAG = 0x1000 /* CLONE_PIDFD */ };

static int some_pipe[2], some_file, some_epoll;
static char *memory;

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

/* Takes the order back, to be given to somebody else. */
static void take_order(char number[16])
{
	lseek(order, 0, SEEK_SET);
	ssize_t n = read(order, number, 15);
	number[n > 0 ? n : 0] = '\0';
	(void)!write(order, "0", 1);
}

/* Where exec fails the child says with which errno. */
static long exec_with(char *const arguments[], char *const environment[])
{
	char number[16];
	int error = 0;

	/* The order is the child's, for its exec alone. */
	take_order(number);
	pid_t pid = vfork();
	if (pid == 0) {
		close(STDOUT_FILENO);
		(void)!write(order, number, strlen(number));
		execve("/proc/self/exe", arguments, environment);
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

static long do_exec(void)
{
	return exec_with((char *[]){"failures", "-l", nullptr}, (char *[]){nullptr});
}

/* Strings of some pages. */
static long do_exec_many(void)
{
	static char word[100], *arguments[200] = {"failures", "-l"}, *environment[200];

	memset(word, 'w', sizeof(word) - 1);
	for (size_t n = 0; n < 199; n++) {
		environment[n] = word;
		if (n >= 2)
			arguments[n] = word;
	}
	return exec_with(arguments, environment);
}

/* A child that dumps its core. Whether it had memory for that is seen in the end only. */
static long do_core(void)
{
	char number[16];
	int status = 0;

	take_order(number);
	pid_t pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
		(void)!write(order, number, strlen(number));
		raise(SIGQUIT);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	bool made = WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT && WCOREDUMP(status);
	if (made)
		(void)!write(order, "1000", 4);
	unlink("core");
	errno = WIFSIGNALED(status) ? ENOMEM : EIO;
	return made ? 0 : -1;
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
	return fcntl(some_file, F_DUPFD, HIGH_FD);
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

/* Its memory is the caller's. */
static int thread_main(void *)
{
	syscall(SYS_exit, 0);
	return 0;
}

static long do_thread(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	static pid_t gone;

	gone = 1;
	long tid = clone(thread_main, stack + sizeof(stack),
			 CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
				 CLONE_CHILD_CLEARTID,
			 nullptr, nullptr, nullptr, &gone);
	while (tid != -1 && __atomic_load_n(&gone, __ATOMIC_ACQUIRE) != 0)
		sched_yield();
	return tid;
}

static const struct call calls[] = {
	{"fork", do_fork, reap},
	{"fork-descriptor", do_fork_with_descriptor, reap},
	{"vfork", do_vfork, reap},
	{"exec", do_exec, nothing},
	{"exec-many-strings", do_exec_many, nothing},
	{"core-dump", do_core, nothing},
	{"thread", do_thread, nothing},
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
	{"pipe-write", do_pipe_write, undo_pipe_write},
	{"signal", do_queue_signal, undo_queue_signal},
	{"proc", do_proc_read, nothing},
};

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

static void nothing_is_left_behind(void)
{
	prepare();
	fail_calls(calls, sizeof(calls) / sizeof(*calls));
}

KTAP_MAIN(STELLUX_CASE(nothing_is_left_behind))
