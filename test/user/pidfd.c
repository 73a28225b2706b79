/* SPDX-License-Identifier: MIT */
/* Descriptors of processes: where they come from, signals, polling, waiting, files taken out of them. */
#include "ktap.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KIND_PIDFD = 3 };

static int open_pid(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static long send(int fd, int signal, siginfo_t *info)
{
	return syscall(SYS_pidfd_send_signal, fd, signal, info, 0);
}

static void signals_and_the_end(void)
{
	pid_t child = CHILD(pause(); pause());
	int fd = OK(open_pid(child, 0));
	struct pollfd p = {fd, POLLIN, 0};
	char c;

	EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQUAL(poll(&p, 1, 0), 0);
	OK(send(fd, 0, nullptr));
	FAILS(EINVAL, send(fd, 65, nullptr));
	FAILS(EINVAL, syscall(SYS_pidfd_send_signal, fd, 0, 0, 1));
	FAILS(EINVAL, read(fd, &c, 1));
	OK(send(fd, SIGKILL, nullptr));
	EQUAL(poll(&p, 1, -1), 1);
	EQUAL(p.revents, POLLIN);
	OK(send(fd, 0, nullptr)); /* a zombie takes signals */
	DIES(child, SIGKILL);
	EQUAL(poll(&p, 1, 0), 1);
	FAILS(ESRCH, send(fd, 0, nullptr));
	FAILS(ESRCH, open_pid(child, 0));
}

static void *another(void *tid)
{
	__atomic_store_n((pid_t *)tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	pause();
	return nullptr;
}

static void what_has_none(void)
{
	pthread_t thread;
	pid_t tid = 0;

	FAILS(EINVAL, open_pid(0, 0));
	FAILS(EINVAL, open_pid(-1, 0));
	FAILS(EINVAL, open_pid(getpid(), 1));
	FAILS(ESRCH, open_pid(99999, 0));
	EQUAL(pthread_create(&thread, nullptr, another, &tid), 0);
	while (__atomic_load_n(&tid, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	FAILS(EINVAL, open_pid(tid, 0));
	FAILS(EBADF, send(OK(open("/dev/null", O_RDWR)), 0, nullptr));
	FAILS(EBADF, send(-1, 0, nullptr));
}

static void information(void)
{
	pid_t child = CHILD(pause());
	int fd = OK(open_pid(child, 0)), own = OK(open_pid(getpid(), 0));
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};

	FAILS(EINVAL, send(fd, SIGUSR2, &info));
	FAILS(EPERM, send(fd, SIGUSR1, &info));
	FAILS(EFAULT, send(fd, SIGUSR1, (siginfo_t *)8));
	signal(SIGUSR1, SIG_IGN);
	OK(send(own, SIGUSR1, &info));
	info.si_code = SI_QUEUE;
	OK(send(fd, SIGUSR1, &info));
	DIES(child, SIGUSR1);
}

static void rights(void)
{
	pid_t child = CHILD(pause());
	int fd = OK(open_pid(child, 0)), parent = OK(open_pid(getppid(), 0));

	EXITS(CHILD(OK(setresuid(1000, 1000, 1000)); FAILS(EPERM, send(fd, SIGTERM, nullptr));
		    FAILS(EPERM, syscall(SYS_pidfd_getfd, parent, 0, 0))),
	      0);
	OK(send(fd, SIGTERM, nullptr));
	DIES(child, SIGTERM);
}

static void epoll_sees_the_end(void)
{
	pid_t child = CHILD(pause());
	int fd = OK(open_pid(child, 0)), set = OK(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN};

	OK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	EQUAL(epoll_wait(set, &event, 1, 0), 0);
	OK(kill(child, SIGKILL));
	EQUAL(epoll_wait(set, &event, 1, -1), 1);
	DIES(child, SIGKILL);
	EQUAL(epoll_wait(set, &event, 1, 0), 1);
	close(fd);
	EQUAL(epoll_wait(set, &event, 1, 0), 0);
}

static void waiting(void)
{
	siginfo_t info = {};
	pid_t child = CHILD(pause());
	int fd = OK(open_pid(child, 0)), busy = OK(open_pid(child, O_NONBLOCK));

	OK(waitid(KIND_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG));
	EQUAL(info.si_pid, 0);
	FAILS(EAGAIN, waitid(KIND_PIDFD, (id_t)busy, &info, WEXITED));
	OK(waitid(KIND_PIDFD, (id_t)busy, &info, WEXITED | WNOHANG));
	OK(kill(child, SIGKILL));
	OK(waitid(KIND_PIDFD, (id_t)fd, &info, WEXITED));
	EQUAL(info.si_pid, child);
	EQUAL(info.si_status, SIGKILL);
	FAILS(ECHILD, waitid(KIND_PIDFD, (id_t)fd, &info, WEXITED));
	FAILS(ECHILD, waitid(KIND_PIDFD, (id_t)OK(open_pid(getppid(), 0)), &info, WEXITED));
	FAILS(EBADF, waitid(KIND_PIDFD, (id_t)OK(open("/dev/null", O_RDWR)), &info, WEXITED));
	FAILS(EINVAL, waitid(KIND_PIDFD, (id_t)-1, &info, WEXITED));
}

static void files_of_others(void)
{
	int ends[2], go[2];
	char c;

	OK(pipe(go));
	OK(pipe(ends));
	pid_t child = CHILD(close(go[1]); EQUAL(read(go[0], &c, 1), 0));
	int fd = OK(open_pid(child, 0)), writer = ends[1];
	close(ends[1]);
	int taken = OK((int)syscall(SYS_pidfd_getfd, fd, writer, 0));
	EQUAL(fcntl(taken, F_GETFD), FD_CLOEXEC);
	EQUAL(write(taken, "x", 1), 1);
	EQUAL(read(ends[0], &c, 1), 1);
	FAILS(EBADF, syscall(SYS_pidfd_getfd, fd, 200, 0));
	FAILS(EBADF, syscall(SYS_pidfd_getfd, fd, -1, 0));
	FAILS(EINVAL, syscall(SYS_pidfd_getfd, fd, writer, 1));
	FAILS(EBADF, syscall(SYS_pidfd_getfd, ends[0], writer, 0));
	close(go[1]);
	EXITS(child, 0);
	FAILS(ESRCH, syscall(SYS_pidfd_getfd, fd, writer, 0));
}

static bool info_says(int fd, pid_t pid)
{
	char path[64], text[512], line[32];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(line, sizeof(line), "\nPid:\t%d\n", pid);
	ktap_read_file(path, text, sizeof(text));
	return strstr(text, line) != nullptr;
}

static void named_in_proc(void)
{
	pid_t child = CHILD(pause());
	int fd = OK(open_pid(child, 0));

	CHECK(info_says(fd, child));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
	CHECK(info_says(fd, -1));
}

static long clone_three(uint64_t flags, uint64_t pidfd, uint64_t parent_tid)
{
	uint64_t arguments[11] = {flags, pidfd, 0, parent_tid, SIGCHLD};
	long pid = syscall(SYS_clone3, arguments, sizeof(arguments));

	if (pid == 0)
		_exit(7);
	return pid;
}

static void clones(void)
{
	int fd = -1, tid = 0;
	long pid = OK(clone_three(CLONE_PIDFD, (uintptr_t)&fd, 0));

	CHECK(fd > 2);
	EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	struct pollfd p = {fd, POLLIN, 0};
	EQUAL(poll(&p, 1, -1), 1);
	EXITS((pid_t)pid, 7);
	pid = OK(clone_three(CLONE_PIDFD | CLONE_PARENT_SETTID, (uintptr_t)&fd, (uintptr_t)&tid));
	EQUAL(tid, pid);
	EXITS((pid_t)pid, 7);
	FAILS(EINVAL, clone_three(CLONE_PIDFD | CLONE_PARENT_SETTID, (uintptr_t)&fd, (uintptr_t)&fd));
	FAILS(EFAULT, clone_three(CLONE_PIDFD, 8, 0));
	FAILS(EINVAL, syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0));
	pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
	if (pid == 0)
		_exit(8);
	OK(pid);
	OK(send(fd, 0, nullptr));
	EXITS((pid_t)pid, 8);
	/* Nothing is left of those that failed. */
	int next = OK(dup(0));
	FAILS(EFAULT, clone_three(CLONE_PIDFD, 8, 0));
	EQUAL(OK(dup(0)), next + 1);
	FAILS(ECHILD, waitpid(-1, nullptr, WNOHANG));
}

static volatile bool clones_done;

static void *close_again_and_again(void *fd)
{
	while (!clones_done) {
		if (close((int)(long)fd) == 0)
			ktap_fail(__FILE__, __LINE__, "a descriptor of a clone that fails could be closed");
		/* Nor is the number to be had by dup2 while it is promised. */
		if (dup2(0, (int)(long)fd) == -1 && errno != EBUSY)
			ktap_fail(__FILE__, __LINE__, "dup2: errno %d", errno);
		else
			close((int)(long)fd);
	}
	return nullptr;
}

/* Nobody gets hold of the descriptor before the child is there. */
static void a_promise_that_is_broken(void)
{
	enum { TIMES = 300 };
	pthread_t thread;
	int next = OK(dup(0));

	close(next);
	EQUAL(pthread_create(&thread, nullptr, close_again_and_again, (void *)(long)next), 0);
	for (int n = 0; n < TIMES; n++)
		FAILS(EFAULT, clone_three(CLONE_PIDFD, 8, 0));
	clones_done = true;
	EQUAL(pthread_join(thread, nullptr), 0);
	EQUAL(OK(dup(0)), next);
}

KTAP_MAIN(CASE(signals_and_the_end), CASE(what_has_none), CASE(information), CASE(rights), CASE(epoll_sees_the_end),
	  CASE(waiting), CASE(files_of_others), CASE(clones), CASE(a_promise_that_is_broken), CASE(named_in_proc))
