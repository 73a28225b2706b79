/* SPDX-License-Identifier: MIT */
/* POSIX message queues: order, waiting, limits, rights, who is told, the files of the mqueue filesystem. */
#include "ktap.h"

#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *name_of(int n)
{
	static char names[4][40];

	snprintf(names[n], sizeof(names[n]), "/ktap-%d-%d", getpid(), n);
	return names[n];
}

/* A fresh queue without a name that outlives the case. */
static mqd_t queue(int flags, long messages, long bytes)
{
	struct mq_attr a = {.mq_maxmsg = messages, .mq_msgsize = bytes};
	mqd_t q = OK(mq_open(name_of(0), O_CREAT | O_EXCL | O_RDWR | flags, 0600, &a));

	OK(mq_unlink(name_of(0)));
	return q;
}

static void put(mqd_t q, unsigned priority, const char *text)
{
	OK(mq_send(q, text, strlen(text), priority));
}

static void get(mqd_t q, unsigned priority, const char *text)
{
	unsigned got = 77;
	char buffer[8192] = {};

	EQUAL(mq_receive(q, buffer, sizeof(buffer), &got), (long)strlen(text));
	EQUAL(got, priority);
	CHECK(strcmp(buffer, text) == 0);
}

static void the_highest_priority_comes_first(void)
{
	mqd_t q = queue(O_NONBLOCK, 10, 64);

	put(q, 5, "five");
	put(q, 0, "zero");
	put(q, 32767, "most");
	put(q, 5, "again");
	put(q, 7, "");
	put(q, 0, "nought");
	get(q, 32767, "most");
	get(q, 7, "");
	put(q, 6, "six");
	get(q, 6, "six");
	get(q, 5, "five");
	get(q, 5, "again");
	get(q, 0, "zero");
	get(q, 0, "nought");
	FAILS(EAGAIN, mq_receive(q, (char[64]){}, 64, nullptr));
}

static void bad_arguments(void)
{
	struct timespec bad = {0, 1000000000}, early = {-1, 0};
	char text[64] = {};
	mqd_t q = queue(0, 2, 64), reader, writer;

	FAILS(EINVAL, mq_send(q, text, 1, 32768));
	FAILS(EMSGSIZE, mq_send(q, text, 65, 0));
	FAILS(EMSGSIZE, mq_receive(q, text, 63, nullptr));
	FAILS(EFAULT, syscall(SYS_mq_timedsend, q, 8, 1, 0, nullptr));
	FAILS(EINVAL, mq_timedsend(q, text, 1, 0, &bad));
	FAILS(EINVAL, mq_timedreceive(q, text, 64, nullptr, &early));
	FAILS(EFAULT, syscall(SYS_mq_timedsend, q, text, 1, 0, 8));
	FAILS(EBADF, mq_send(-1, text, 1, 0));
	FAILS(EBADF, mq_send(1, text, 1, 0));
	FAILS(EBADF, mq_notify(1, nullptr));
	FAILS(EBADF, syscall(SYS_mq_getsetattr, 1, nullptr, nullptr));
	FAILS(EINVAL, syscall(SYS_mq_getsetattr, q, &(struct mq_attr){.mq_flags = O_APPEND}, nullptr));
	FAILS(EFAULT, syscall(SYS_mq_getsetattr, q, 8, nullptr));
	FAILS(EFAULT, syscall(SYS_mq_getsetattr, q, nullptr, 8));
	/* What a receiver has no memory for is lost. */
	put(q, 1, "lost");
	FAILS(EFAULT, syscall(SYS_mq_timedreceive, q, 8, 64, nullptr, nullptr));
	put(q, 1, "kept");
	get(q, 1, "kept");

	reader = OK(mq_open(name_of(1), O_CREAT | O_RDONLY, 0600, nullptr));
	writer = OK(mq_open(name_of(1), O_WRONLY));
	FAILS(EBADF, mq_send(reader, text, 1, 0));
	FAILS(EBADF, mq_receive(writer, text, 8192, nullptr));
	OK(mq_unlink(name_of(1)));
}

static void names(void)
{
	char longest[NAME_MAX + 3] = "/";
	mqd_t q;

	FAILS(ENOENT, mq_open(name_of(0), O_RDWR));
	FAILS(ENOENT, mq_unlink(name_of(0)));
	q = OK(mq_open(name_of(0), O_CREAT | O_EXCL | O_RDWR, 0600, nullptr));
	FAILS(EEXIST, mq_open(name_of(0), O_CREAT | O_EXCL | O_RDWR, 0600, nullptr));
	OK(mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &(struct mq_attr){.mq_maxmsg = -1}));
	OK(mq_unlink(name_of(0)));
	/* It goes on without a name; of that name there is another. */
	put(q, 1, "old");
	mqd_t other = OK(mq_open(name_of(0), O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0600, nullptr));
	FAILS(EAGAIN, mq_receive(other, (char[8192]){}, 8192, nullptr));
	OK(mq_unlink(name_of(0)));
	get(q, 1, "old");

	FAILS(EACCES, syscall(SYS_mq_open, "a/b", O_CREAT | O_RDWR, 0600, nullptr));
	FAILS(EACCES, syscall(SYS_mq_open, "/a", O_CREAT | O_RDWR, 0600, nullptr));
	FAILS(EACCES, syscall(SYS_mq_open, "..", O_RDWR, 0600, nullptr));
	FAILS(ENOENT, syscall(SYS_mq_open, "", O_CREAT | O_RDWR, 0600, nullptr));
	FAILS(EFAULT, syscall(SYS_mq_open, 8, O_CREAT | O_RDWR, 0600, nullptr));
	FAILS(EFAULT, syscall(SYS_mq_open, "a", O_CREAT | O_RDWR, 0600, 8));
	memset(longest + 1, 'x', NAME_MAX + 1);
	FAILS(ENAMETOOLONG, mq_open(longest, O_CREAT | O_RDWR, 0600, nullptr));
	FAILS(ENAMETOOLONG, mq_unlink(longest));
	longest[NAME_MAX + 1] = '\0';
	OK(mq_open(longest, O_CREAT | O_RDWR, 0600, nullptr));
	OK(mq_unlink(longest));
}

static void attributes(void)
{
	struct mq_attr a = {}, old = {};
	mqd_t q = queue(0, 3, 16);

	OK(mq_getattr(q, &a));
	EQUAL(a.mq_flags, 0);
	EQUAL(a.mq_maxmsg, 3);
	EQUAL(a.mq_msgsize, 16);
	EQUAL(a.mq_curmsgs, 0);
	put(q, 0, "x");
	a = (struct mq_attr){.mq_flags = O_NONBLOCK, .mq_maxmsg = 9};
	OK(mq_setattr(q, &a, &old));
	EQUAL(old.mq_flags, 0);
	EQUAL(old.mq_curmsgs, 1);
	OK(mq_getattr(q, &a));
	EQUAL(a.mq_flags, O_NONBLOCK);
	EQUAL(a.mq_maxmsg, 3);
	EQUAL(OK(fcntl(q, F_GETFL)) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_RDWR);
	EQUAL(OK(fcntl(q, F_GETFD)), FD_CLOEXEC);
	put(q, 0, "y");
	put(q, 0, "z");
	FAILS(EAGAIN, mq_send(q, "w", 1, 0));
	a.mq_flags = 0;
	OK(mq_setattr(q, &a, nullptr));
	EQUAL(OK(fcntl(q, F_GETFL)) & O_NONBLOCK, 0);
}

static void a_timeout_is_a_date(void)
{
	struct timespec now, past = {1, 0}, soon;
	mqd_t q = queue(0, 1, 64);
	char text[64];

	FAILS(ETIMEDOUT, mq_timedreceive(q, text, 64, nullptr, &past));
	put(q, 0, "full");
	FAILS(ETIMEDOUT, mq_timedsend(q, "x", 1, 0, &past));
	OK(clock_gettime(CLOCK_REALTIME, &soon));
	soon.tv_nsec += 50000000;
	soon.tv_sec += soon.tv_nsec / 1000000000;
	soon.tv_nsec %= 1000000000;
	FAILS(ETIMEDOUT, mq_timedsend(q, "x", 1, 0, &soon));
	OK(clock_gettime(CLOCK_REALTIME, &now));
	CHECK(now.tv_sec > soon.tv_sec || (now.tv_sec == soon.tv_sec && now.tv_nsec >= soon.tv_nsec));
	/* None of those who gave up is served any more. */
	get(q, 0, "full");
	FAILS(ETIMEDOUT, mq_timedreceive(q, text, 64, nullptr, &past));
	EQUAL(mq_timedsend(q, "x", 1, 0, &past), 0);
}

static void on_signal(int)
{
}

static void a_signal_ends_the_wait(void)
{
	mqd_t q = queue(0, 1, 64);

	for (int restart = 0; restart < 2; restart++) {
		pid_t child = CHILD({
			struct sigaction a = {.sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0};

			OK(sigaction(SIGUSR1, &a, nullptr));
			if (restart)
				get(q, 3, "came");
			else
				FAILS(EINTR, mq_receive(q, (char[64]){}, 64, nullptr));
		});
		ktap_until_state(child, "S");
		OK(kill(child, SIGUSR1));
		if (restart)
			put(q, 3, "came");
		EXITS(child, 0);
	}
}

static void who_waits_is_served_in_turn(void)
{
	mqd_t q = queue(0, 1, 64);
	pid_t children[3];

	/* Receivers, the one that came first gets the first message. */
	for (int n = 0; n < 3; n++) {
		children[n] = CHILD({
			char text[64];
			EQUAL(mq_receive(q, text, sizeof(text), nullptr), 1);
			_exit(text[0]);
		});
		ktap_until_state(children[n], "S");
	}
	for (int n = 0; n < 3; n++) {
		OK(mq_send(q, (char[]){(char)(10 + n)}, 1, 0));
		EXITS(children[n], 10 + n);
	}
	/* Senders, whose messages take their place as room comes. */
	put(q, 0, "a");
	for (int n = 0; n < 3; n++) {
		children[n] = CHILD(put(q, (unsigned)n, n == 0 ? "0" : n == 1 ? "1" : "2"));
		ktap_until_state(children[n], "S");
	}
	get(q, 0, "a");
	EXITS(children[0], 0);
	get(q, 0, "0");
	EXITS(children[1], 0);
	get(q, 1, "1");
	EXITS(children[2], 0);
	get(q, 2, "2");
}

static void who_is_nicer_waits_longer(void)
{
	mqd_t q = queue(0, 1, 64);
	pid_t nice_one = CHILD({
		OK(setpriority(PRIO_PROCESS, 0, 10));
		get(q, 0, "second");
	});

	ktap_until_state(nice_one, "S");
	pid_t usual = CHILD(get(q, 0, "first"));
	ktap_until_state(usual, "S");
	put(q, 0, "first");
	EXITS(usual, 0);
	put(q, 0, "second");
	EXITS(nice_one, 0);
}

static void it_is_polled(void)
{
	mqd_t q = queue(0, 2, 64);
	struct pollfd p = {.fd = q, .events = POLLIN | POLLOUT};
	struct epoll_event e = {.events = EPOLLIN | EPOLLET}, got;
	int watch = OK(epoll_create1(0));

	OK(epoll_ctl(watch, EPOLL_CTL_ADD, q, &e));
	EQUAL(epoll_wait(watch, &got, 1, 0), 0);
	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLOUT);
	put(q, 0, "x");
	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLIN | POLLOUT);
	EQUAL(epoll_wait(watch, &got, 1, 0), 1);
	EQUAL(epoll_wait(watch, &got, 1, 0), 0);
	put(q, 0, "y");
	EQUAL(epoll_wait(watch, &got, 1, 0), 1);
	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLIN);
	pid_t child = CHILD({
		p.events = POLLOUT;
		EQUAL(poll(&p, 1, -1), 1);
	});
	ktap_until_state(child, "S");
	get(q, 0, "x");
	EXITS(child, 0);
}

static volatile sig_atomic_t told;
static siginfo_t told_info;

static void on_told(int, siginfo_t *info, void *)
{
	told++;
	told_info = *info;
}

static void listen_for(mqd_t q, int how, int signo, int value)
{
	struct sigaction a = {.sa_sigaction = on_told, .sa_flags = SA_SIGINFO};
	struct sigevent e = {.sigev_notify = how, .sigev_signo = signo, .sigev_value.sival_int = value};

	OK(sigaction(SIGUSR1, &a, nullptr));
	OK(mq_notify(q, &e));
}

static void a_signal_tells_of_the_first_message(void)
{
	mqd_t q = queue(0, 4, 64);
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65};

	FAILS(EINVAL, mq_notify(q, &e));
	FAILS(EINVAL, syscall(SYS_mq_notify, q, &(struct sigevent){.sigev_notify = 7}));
	FAILS(EFAULT, syscall(SYS_mq_notify, q, 8));
	put(q, 0, "there");
	listen_for(q, SIGEV_SIGNAL, SIGUSR1, 42);
	FAILS(EBUSY, mq_notify(q, &(struct sigevent){.sigev_notify = SIGEV_NONE}));
	put(q, 0, "more"); /* it was not empty */
	EQUAL(told, 0);
	get(q, 0, "there");
	get(q, 0, "more");
	pid_t child = CHILD({
		FAILS(EBUSY, mq_notify(q, &(struct sigevent){.sigev_notify = SIGEV_NONE}));
		OK(mq_notify(q, nullptr)); /* it has nothing to take back */
		OK(mq_close(q));
		mqd_t again = OK(mq_open(name_of(3), O_CREAT | O_RDWR, 0600, nullptr));
		OK(mq_unlink(name_of(3)));
		OK(mq_close(again));
	});
	EXITS(child, 0);
	EQUAL(told, 0);
	child = CHILD(put(q, 0, "first"));
	EXITS(child, 0);
	EQUAL(told, 1);
	EQUAL(told_info.si_code, SI_MESGQ);
	EQUAL(told_info.si_pid, child);
	EQUAL(told_info.si_uid, getuid());
	EQUAL(told_info.si_value.sival_int, 42);
	get(q, 0, "first");
	put(q, 0, "once only");
	EQUAL(told, 1);
}

static void who_waits_comes_before_who_is_told(void)
{
	mqd_t q = queue(0, 4, 64);

	listen_for(q, SIGEV_SIGNAL, SIGUSR1, 1);
	pid_t child = CHILD(get(q, 0, "handed over"));
	ktap_until_state(child, "S");
	put(q, 0, "handed over");
	EXITS(child, 0);
	EQUAL(told, 0);
	put(q, 0, "stays");
	EQUAL(told, 1);
}

static void closing_takes_it_back(void)
{
	mqd_t q = queue(0, 4, 64);

	listen_for(q, SIGEV_SIGNAL, SIGUSR1, 1);
	OK(mq_notify(q, nullptr));
	put(q, 0, "x");
	get(q, 0, "x");
	int other = OK(dup(q));
	listen_for(q, SIGEV_SIGNAL, SIGUSR1, 1);
	OK(close(other));
	put(q, 0, "x");
	get(q, 0, "x");
	EQUAL(told, 0);
	/* By a child's end it is given back, too. */
	pid_t child = CHILD(listen_for(q, SIGEV_SIGNAL, SIGUSR1, 1));
	EXITS(child, 0);
	listen_for(q, SIGEV_NONE, 0, 0);
	FAILS(EBUSY, mq_notify(q, &(struct sigevent){.sigev_notify = SIGEV_NONE}));
	put(q, 0, "x");
	OK(mq_notify(q, &(struct sigevent){.sigev_notify = SIGEV_NONE})); /* what says nothing is used up as well */
}

/* Who shares its descriptors closes none when it ends. Linux keeps its notification until a message comes. */
static void who_has_ended_is_in_nobodys_way(void)
{
	mqd_t q = queue(0, 4, 64);

	pid_t child = OK((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
	if (child == 0) {
		listen_for(q, SIGEV_SIGNAL, SIGUSR1, 1);
		_exit(0);
	}
	EXITS(child, 0);
	listen_for(q, SIGEV_SIGNAL, SIGUSR1, 2);
	put(q, 0, "x");
	EQUAL(told, 1);
}

static int thread_pipe[2];

static void in_thread(union sigval v)
{
	write(thread_pipe[1], &v.sival_int, sizeof(v.sival_int));
}

static void a_thread_of_the_library_is_told(void)
{
	struct sigevent e = {
		.sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread, .sigev_value.sival_int = 99};
	mqd_t q = queue(0, 4, 64);
	int value = 0;

	FAILS(EBADF,
	      syscall(SYS_mq_notify, q,
		      &(struct sigevent){
			      .sigev_notify = SIGEV_THREAD, .sigev_signo = 99, .sigev_value.sival_ptr = (char[32]){}}));
	FAILS(EFAULT, syscall(SYS_mq_notify, q,
			      &(struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_value.sival_ptr = (void *)8}));
	OK(pipe(thread_pipe));
	FAILS(ENOTSOCK, syscall(SYS_mq_notify, q,
				&(struct sigevent){.sigev_notify = SIGEV_THREAD,
						   .sigev_signo = thread_pipe[0],
						   .sigev_value.sival_ptr = (char[32]){}}));
	for (int turn = 0; turn < 3; turn++) {
		OK(mq_notify(q, &e));
		FAILS(EBUSY, mq_notify(q, &(struct sigevent){.sigev_notify = SIGEV_NONE}));
		put(q, 0, "come");
		EQUAL(read(thread_pipe[0], &value, sizeof(value)), sizeof(value));
		EQUAL(value, 99);
		get(q, 0, "come");
	}
	OK(mq_notify(q, &e));
	OK(mq_notify(q, nullptr));
	put(q, 0, "x");
	struct pollfd p = {.fd = thread_pipe[0], .events = POLLIN};
	EQUAL(poll(&p, 1, 0), 0);
}

static void cookies_come_by_netlink(void)
{
	char cookie[32] = "0123456789012345678901234567890", got[64];
	int s = OK(socket(AF_NETLINK, SOCK_RAW, 0));
	struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_signo = s, .sigev_value.sival_ptr = cookie};
	mqd_t q = queue(0, 4, 64);

	OK(syscall(SYS_mq_notify, q, &e));
	FAILS(EAGAIN, recv(s, got, sizeof(got), MSG_DONTWAIT));
	put(q, 0, "x");
	EQUAL(recv(s, got, sizeof(got), MSG_DONTWAIT), 32);
	CHECK(memcmp(got, cookie, 31) == 0);
	EQUAL(got[31], 1);
	get(q, 0, "x");
	OK(syscall(SYS_mq_notify, q, &e));
	OK(mq_notify(q, nullptr));
	EQUAL(recv(s, got, sizeof(got), MSG_DONTWAIT), 32);
	EQUAL(got[31], 2);
	/* The socket may go first. */
	OK(syscall(SYS_mq_notify, q, &e));
	OK(close(s));
	put(q, 0, "x");
	get(q, 0, "x");
}

static void rights(void)
{
	mqd_t q = OK(mq_open(name_of(0), O_CREAT | O_RDWR, 0640, nullptr));
	const char *name = name_of(0);
	struct stat s;

	OK(fstat(q, &s));
	EQUAL(s.st_mode, S_IFREG | 0640);
	EQUAL(s.st_size, 80);
	OK(fchmod(q, 0604));
	EXITS(CHILD({
		      ktap_become(1000);
		      OK(mq_open(name, O_RDONLY));
		      FAILS(EACCES, mq_open(name, O_RDWR));
		      FAILS(EACCES, mq_open(name, O_CREAT | O_WRONLY, 0666, nullptr));
		      FAILS(EACCES, mq_unlink(name)); /* the directory is sticky */
		      FAILS(EPERM, syscall(SYS_mq_unlink, name + 1));
		      name = name_of(1);
		      OK(mq_open(name, O_CREAT | O_RDWR, 0, nullptr));
		      FAILS(EACCES, mq_open(name, O_RDONLY));
		      OK(mq_unlink(name));
	      }),
	      0);
	OK(mq_unlink(name_of(0)));
	OK(fstat(q, &s));
	EQUAL(s.st_nlink, 0);
}

static long number(const char *path)
{
	char text[32];

	ktap_read_file(path, text, sizeof(text));
	return atol(text);
}

/* Without CAP_SYS_RESOURCE root has no more than others. */
static bool may_have_more(void)
{
	char text[4096];

	ktap_read_file("/proc/self/status", text, sizeof(text));
	return strtoull(strstr(text, "CapEff:") + 7, nullptr, 16) >> 24 & 1;
}

static void limits(void)
{
	const struct rlimit little = {100000, 100000};
	struct mq_attr a = {.mq_maxmsg = 65537, .mq_msgsize = 1};

	FAILS(EINVAL, mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &a));
	a = (struct mq_attr){.mq_maxmsg = 1, .mq_msgsize = (16 << 20) + 1};
	FAILS(EINVAL, mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &a));
	a = (struct mq_attr){.mq_maxmsg = 0, .mq_msgsize = 1};
	FAILS(EINVAL, mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &a));
	a = (struct mq_attr){.mq_maxmsg = 1, .mq_msgsize = 0};
	FAILS(EINVAL, mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &a));
	a = (struct mq_attr){.mq_maxmsg = 2, .mq_msgsize = 16 << 20};
	if (may_have_more())
		FAILS(EMFILE, mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &a));
	EXITS(CHILD({
		      ktap_become(1001);
		      a.mq_maxmsg = number("/proc/sys/fs/mqueue/msg_max");
		      a.mq_msgsize = 16;
		      OK(mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &a));
		      OK(mq_unlink(name_of(0)));
		      a.mq_maxmsg++;
		      FAILS(EINVAL, mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &a));
		      a.mq_maxmsg = 1;
		      a.mq_msgsize = number("/proc/sys/fs/mqueue/msgsize_max") + 1;
		      FAILS(EINVAL, mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &a));
	      }),
	      0);
	/* A queue of 10 messages of 8192 bytes counts 10 * (8192 + 48 + 48) = 82,880. */
	EXITS(CHILD({
		      OK(setrlimit(RLIMIT_MSGQUEUE, &little));
		      ktap_become(1002);
		      a = (struct mq_attr){.mq_maxmsg = 10, .mq_msgsize = 8192};
		      mqd_t q = OK(mq_open(name_of(0), O_CREAT | O_RDWR, 0600, &a));
		      FAILS(EMFILE, mq_open(name_of(1), O_CREAT | O_RDWR, 0600, &a));
		      a = (struct mq_attr){.mq_maxmsg = 10, .mq_msgsize = 1616};
		      mqd_t rest = OK(mq_open(name_of(1), O_CREAT | O_RDWR, 0600, &a));
		      OK(mq_unlink(name_of(1)));
		      OK(mq_close(rest));
		      a.mq_msgsize++;
		      FAILS(EMFILE, mq_open(name_of(1), O_CREAT | O_RDWR, 0600, &a));
		      OK(mq_unlink(name_of(0)));
		      FAILS(EMFILE, mq_open(name_of(1), O_CREAT | O_RDWR, 0600, &a)); /* it is open */
		      OK(mq_close(q));
		      OK(mq_open(name_of(1), O_CREAT | O_RDWR, 0600, &a));
		      OK(mq_unlink(name_of(1)));
	      }),
	      0);
}

static void only_so_many_queues(void)
{
	static const char path[] = "/proc/sys/fs/mqueue/queues_max";
	char before[32];

	ktap_read_file(path, before, sizeof(before));
	mqd_t one = OK(mq_open(name_of(0), O_CREAT | O_RDWR, 0600, nullptr));
	OK(mq_unlink(name_of(0)));
	ktap_put(path, "1");
	int status = ktap_wait(CHILD({
		ktap_become(1003);
		FAILS(ENOSPC, mq_open(name_of(1), O_CREAT | O_RDWR, 0600, nullptr));
	}));
	mqd_t other = mq_open(name_of(1), O_CREAT | O_RDWR, 0600, nullptr);
	if (other >= 0)
		OK(mq_unlink(name_of(1)));
	ktap_put(path, before);
	EQUAL(status, 0);
	CHECK((other >= 0) == may_have_more());
	OK(mq_close(one));
}

static void the_files_of_mqueue(void)
{
	char path[128], text[128], wanted[128];
	struct statfs fs;
	struct stat s;
	int fd;

	ktap_enter_dir();
	OK(mkdir("m", 0700));
	OK(mount("none", "m", "mqueue", 0, nullptr));
	OK(statfs("m", &fs));
	EQUAL(fs.f_type, 0x19800202);
	OK(stat("m", &s));
	EQUAL(s.st_mode, S_IFDIR | 01777);
	mqd_t q = OK(mq_open(name_of(0), O_CREAT | O_RDWR, 0600, nullptr));
	snprintf(path, sizeof(path), "m%s", name_of(0));
	ktap_read_file(path, text, sizeof(text));
	CHECK(strcmp(text, "QSIZE:0          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n") == 0);
	put(q, 0, "12345");
	put(q, 0, "678");
	listen_for(q, SIGEV_SIGNAL, SIGUSR1, 1);
	snprintf(wanted, sizeof(wanted), "QSIZE:8          NOTIFY:0     SIGNO:%-5d NOTIFY_PID:%-6d\n", SIGUSR1,
		 getpid());
	ktap_read_file(path, text, sizeof(text));
	CHECK(strcmp(text, wanted) == 0);
	/* Opened by its path it is the queue, too. */
	fd = OK(open(path, O_RDWR));
	get(fd, 0, "12345");
	FAILS(EINVAL, write(fd, "x", 1));
	OK(close(fd));
	OK(unlink(path));
	FAILS(ENOENT, mq_open(name_of(0), O_RDWR));
	/* One that is made by its path has the default size. */
	snprintf(path, sizeof(path), "m%s", name_of(1));
	OK(close(OK(open(path, O_CREAT | O_EXCL | O_RDWR, 0600))));
	fd = OK(mq_open(name_of(1), O_RDWR));
	struct mq_attr a;
	OK(mq_getattr(fd, &a));
	EQUAL(a.mq_maxmsg, number("/proc/sys/fs/mqueue/msg_default"));
	EQUAL(a.mq_msgsize, number("/proc/sys/fs/mqueue/msgsize_default"));
	FAILS(EPERM, mkdir("m/d", 0700));
	FAILS(EPERM, link(path, "m/other"));
	FAILS(EPERM, symlink("x", "m/link"));
	FAILS(EPERM, rename(path, "m/other"));
	FAILS(EPERM, mkfifo("m/fifo", 0600));
	OK(unlink(path));
	OK(umount("m"));
	/* Queues do not need it to be mounted. */
	get(q, 0, "678");
	/* read_file(3) of /proc/filesystems has it without a device. */
	static char list[4096];
	ktap_read_file("/proc/filesystems", list, sizeof(list));
	CHECK(strstr(list, "nodev\tmqueue\n") != nullptr);
}

enum { ROUNDS = 2000, SENDERS = 4 };
static mqd_t storm_queue;

static void *storm_send(void *arg)
{
	for (uint32_t n = 0; n < ROUNDS; n++) {
		uint32_t words[2] = {(uint32_t)(uintptr_t)arg, n};

		OK(mq_send(storm_queue, (char *)words, sizeof(words), (uint32_t)(uintptr_t)arg));
	}
	return nullptr;
}

/* Nothing is lost, doubled or overtaken by what the same sender sent later. */
static void storm(void)
{
	pthread_t threads[SENDERS];
	uint32_t next[SENDERS] = {}, words[2];

	storm_queue = queue(0, 3, sizeof(words));
	for (uintptr_t n = 0; n < SENDERS; n++)
		CHECK(pthread_create(&threads[n], nullptr, storm_send, (void *)n) == 0);
	for (uint32_t n = 0; n < ROUNDS * SENDERS; n++) {
		unsigned priority;

		EQUAL(mq_receive(storm_queue, (char *)words, sizeof(words), &priority), sizeof(words));
		EQUAL(words[0], priority);
		EQUAL(words[1], next[words[0]]++);
	}
	for (uintptr_t n = 0; n < SENDERS; n++)
		CHECK(pthread_join(threads[n], nullptr) == 0);
	struct mq_attr a;
	OK(mq_getattr(storm_queue, &a));
	EQUAL(a.mq_curmsgs, 0);
}

KTAP_MAIN(CASE(the_highest_priority_comes_first), CASE(bad_arguments), CASE(names), CASE(attributes),
	  CASE(a_timeout_is_a_date), CASE(a_signal_ends_the_wait), CASE(who_waits_is_served_in_turn),
	  CASE(who_is_nicer_waits_longer), CASE(it_is_polled), CASE(a_signal_tells_of_the_first_message),
	  CASE(who_waits_comes_before_who_is_told), CASE(closing_takes_it_back),
	  STELLUX_CASE(who_has_ended_is_in_nobodys_way), CASE(a_thread_of_the_library_is_told),
	  CASE(cookies_come_by_netlink), CASE(rights), CASE(limits), CASE(only_so_many_queues),
	  CASE(the_files_of_mqueue), CASE(storm))
