/* SPDX-License-Identifier: MIT */
/*
 * inotify(7): what happens to files and names, as an instance tells it. Where Linux's versions differ in the order of
 * events of two watches, or of an opening and its cut, only what is told is looked at.
 */
#include "ktap.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef IN_MASK_CREATE
#define IN_MASK_CREATE 0x10000000
#endif
enum : uint32_t { NEVER_A_FLAG = 0x00010000, EXCHANGE = 2 };

static int notify;
static uint32_t cookie; /* the last one that was read */

static int begin(void)
{
	ktap_enter_dir();
	notify = OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	return OK(inotify_add_watch(notify, ".", IN_ALL_EVENTS));
}

/* The next event; false: there is none. */
static bool next(struct inotify_event *e, char name[NAME_MAX + 1])
{
	static union {
		struct inotify_event event;
		char bytes[sizeof(struct inotify_event) + NAME_MAX + 17];
	} buffer[16];
	static ssize_t left;
	static char *at;

	if (left == 0) {
		left = read(notify, buffer, sizeof(buffer));
		if (left < 0) {
			EQUAL(errno, EAGAIN);
			left = 0;
			return false;
		}
		at = (char *)buffer;
	}
	memcpy(e, at, sizeof(*e));
	EQUAL(e->len % sizeof(*e), 0);
	name[0] = '\0';
	if (e->len != 0) {
		CHECK(memchr(at + sizeof(*e), '\0', e->len) != nullptr);
		strcpy(name, at + sizeof(*e));
	}
	at += sizeof(*e) + e->len;
	left -= (ssize_t)(sizeof(*e) + e->len);
	return true;
}

/* Exactly this event is next. */
static void told_at(int line, int wd, uint32_t mask, const char *name)
{
	struct inotify_event e;
	char got[NAME_MAX + 1];

	if (!next(&e, got))
		ktap_fail(__FILE__, line, "nothing is told, wanted %#x of %s", mask, name);
	if (e.wd != wd || e.mask != mask || strcmp(got, name) != 0)
		ktap_fail(__FILE__, line, "told %d %#x of \"%s\", wanted %d %#x of \"%s\"", e.wd, e.mask, got, wd, mask,
			  name);
	cookie = e.cookie;
}
#define TOLD(wd, mask, name) told_at(__LINE__, wd, mask, name)

static void nothing_at(int line)
{
	struct inotify_event e;
	char got[NAME_MAX + 1];

	if (next(&e, got))
		ktap_fail(__FILE__, line, "told %d %#x of \"%s\", wanted nothing", e.wd, e.mask, got);
}
#define NOTHING() nothing_at(__LINE__)

/* Those two, in this order or the other. */
static void either(int wd_a, uint32_t mask_a, const char *name_a, int wd_b, uint32_t mask_b, const char *name_b)
{
	struct inotify_event e[2];
	char names[2][NAME_MAX + 1];

	CHECK(next(&e[0], names[0]) && next(&e[1], names[1]));
	int a = e[0].wd == wd_a && e[0].mask == mask_a ? 0 : 1;
	EQUAL(e[a].wd, wd_a);
	EQUAL(e[a].mask, mask_a);
	CHECK(strcmp(names[a], name_a) == 0);
	EQUAL(e[1 - a].wd, wd_b);
	EQUAL(e[1 - a].mask, mask_b);
	CHECK(strcmp(names[1 - a], name_b) == 0);
}

static void forget(void)
{
	struct inotify_event e;
	char name[NAME_MAX + 1];

	while (next(&e, name))
		;
}

static int make(const char *name)
{
	return OK(open(name, O_CREAT | O_RDWR, 0644));
}

static void touch(const char *name)
{
	OK(close(make(name)));
}

static void reads_and_writes(void)
{
	int wd = begin();
	char byte[4];

	int fd = make("a");
	TOLD(wd, IN_CREATE, "a");
	TOLD(wd, IN_OPEN, "a");
	EQUAL(write(fd, "abc", 3), 3);
	EQUAL(write(fd, "abc", 3), 3);
	TOLD(wd, IN_MODIFY, "a");
	NOTHING();
	EQUAL(write(fd, "", 0), 0);
	NOTHING();
	EQUAL(pread(fd, byte, 3, 0), 3);
	TOLD(wd, IN_ACCESS, "a");
	EQUAL(pread(fd, byte, 3, 100), 0);
	NOTHING();
	OK(ftruncate(fd, 2));
	TOLD(wd, IN_MODIFY, "a");
	OK(truncate("a", 2));
	TOLD(wd, IN_MODIFY, "a");
	EQUAL(posix_fallocate(fd, 0, 100), 0);
	TOLD(wd, IN_MODIFY, "a");
	OK(close(fd));
	TOLD(wd, IN_CLOSE_WRITE, "a");
	OK(close(OK(open("a", O_RDONLY))));
	TOLD(wd, IN_OPEN, "a");
	TOLD(wd, IN_CLOSE_NOWRITE, "a");
	fd = OK(open("a", O_RDWR | O_TRUNC));
	either(wd, IN_OPEN, "a", wd, IN_MODIFY, "a");
	OK(close(fd));
	TOLD(wd, IN_CLOSE_WRITE, "a");
	FAILS(ENOENT, open("none", O_RDONLY));
	FAILS(EEXIST, open("a", O_CREAT | O_EXCL | O_RDWR, 0600));
	FAILS(ENOTDIR, open("a", O_DIRECTORY));
	NOTHING();
}

static void moved_between_files(void)
{
	int wd = begin(), from = make("f"), to = make("t");
	off_t zero = 0;

	EQUAL(write(from, "hello", 5), 5);
	forget();
	EQUAL(sendfile(to, from, &zero, 5), 5);
	TOLD(wd, IN_ACCESS, "f");
	TOLD(wd, IN_MODIFY, "t");
	EQUAL(sendfile(to, from, &zero, 5), 0);
	NOTHING();
	zero = 0;
	EQUAL(syscall(SYS_copy_file_range, from, &zero, to, nullptr, 5, 0), 5);
	TOLD(wd, IN_ACCESS, "f");
	TOLD(wd, IN_MODIFY, "t");
	NOTHING();
}

static void attributes(void)
{
	int wd = begin(), fd = make("a"), self = OK(inotify_add_watch(notify, "a", IN_ALL_EVENTS));
	const struct timespec read_time[2] = {{1, 0}, {0, UTIME_OMIT}}, written[2] = {{0, UTIME_OMIT}, {2, 0}};

	forget();
	OK(fchmod(fd, 0600));
	TOLD(wd, IN_ATTRIB, "a");
	TOLD(self, IN_ATTRIB, "");
	OK(chmod("a", 0600));
	TOLD(wd, IN_ATTRIB, "a");
	TOLD(self, IN_ATTRIB, "");
	OK(chown("a", getuid(), (gid_t)-1));
	TOLD(wd, IN_ATTRIB, "a");
	TOLD(self, IN_ATTRIB, "");
	OK(chown("a", (uid_t)-1, (gid_t)-1));
	NOTHING();
	OK(futimens(fd, nullptr));
	TOLD(wd, IN_ATTRIB, "a");
	TOLD(self, IN_ATTRIB, "");
	OK(futimens(fd, read_time));
	TOLD(wd, IN_ACCESS, "a");
	TOLD(self, IN_ACCESS, "");
	OK(utimensat(AT_FDCWD, "a", written, 0));
	TOLD(wd, IN_MODIFY, "a");
	TOLD(self, IN_MODIFY, "");
	FAILS(ENOENT, chmod("none", 0600));
	NOTHING();
}

static void names(void)
{
	int wd = begin();

	touch("a");
	forget();
	int self = OK(inotify_add_watch(notify, "a", IN_ALL_EVENTS));
	CHECK(self > wd);
	OK(link("a", "b"));
	TOLD(self, IN_ATTRIB, "");
	TOLD(wd, IN_CREATE, "b");
	OK(unlink("b"));
	TOLD(self, IN_ATTRIB, "");
	TOLD(wd, IN_DELETE, "b");
	OK(symlink("a", "s"));
	TOLD(wd, IN_CREATE, "s");
	OK(mkfifo("p", 0600));
	TOLD(wd, IN_CREATE, "p");
	OK(mkdir("d", 0700));
	TOLD(wd, IN_CREATE | IN_ISDIR, "d");
	OK(rmdir("d"));
	TOLD(wd, IN_DELETE | IN_ISDIR, "d");
	FAILS(ENOENT, unlink("d"));
	FAILS(EEXIST, mkdir("a", 0700));
	FAILS(EEXIST, link("a", "s"));
	NOTHING();
	OK(unlink("a"));
	TOLD(self, IN_ATTRIB, "");
	/* The watch ends with its file. */
	struct inotify_event e[3];
	char name[NAME_MAX + 1];
	int deletes = 0, selfs = 0, ignored = 0;
	for (int n = 0; n < 3; n++) {
		CHECK(next(&e[n], name));
		deletes += e[n].wd == wd && e[n].mask == IN_DELETE && strcmp(name, "a") == 0;
		selfs += e[n].wd == self && e[n].mask == IN_DELETE_SELF;
		ignored += e[n].wd == self && e[n].mask == IN_IGNORED && selfs == 1;
	}
	CHECK(deletes == 1 && selfs == 1 && ignored == 1);
	NOTHING();
	FAILS(EINVAL, inotify_rm_watch(notify, self));
}

static void a_long_name(void)
{
	char name[NAME_MAX + 1];
	int wd = begin(), n;

	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	OK(mkdir(name, 0700));
	OK(ioctl(notify, FIONREAD, &n));
	EQUAL(n, sizeof(struct inotify_event) + 256);
	TOLD(wd, IN_CREATE | IN_ISDIR, name);
	/* 15 bytes and a zero fill a piece, 16 need another. */
	OK(mkdir("123456789012345", 0700));
	OK(ioctl(notify, FIONREAD, &n));
	EQUAL(n, sizeof(struct inotify_event) + 16);
	OK(mkdir("1234567890123456", 0700));
	OK(ioctl(notify, FIONREAD, &n));
	EQUAL(n, 2 * sizeof(struct inotify_event) + 16 + 32);
}

static void a_file_that_is_open_is_not_gone(void)
{
	int wd = begin(), fd = make("a");

	int self = OK(inotify_add_watch(notify, "a", IN_ALL_EVENTS));
	forget();
	OK(unlink("a"));
	TOLD(self, IN_ATTRIB, "");
	TOLD(wd, IN_DELETE, "a");
	NOTHING();
	OK(close(fd));
	TOLD(wd, IN_CLOSE_WRITE, "a");
	TOLD(self, IN_CLOSE_WRITE, "");
	TOLD(self, IN_DELETE_SELF, "");
	TOLD(self, IN_IGNORED, "");
	NOTHING();
}

static void unlinked_files_left_out(void)
{
	begin();
	OK(inotify_add_watch(notify, ".", IN_ALL_EVENTS | IN_EXCL_UNLINK));
	int fd = make("a");
	OK(unlink("a"));
	forget();
	EQUAL(write(fd, "x", 1), 1);
	OK(close(fd));
	NOTHING();
}

static void renames(void)
{
	int wd = begin();

	OK(mkdir("d", 0700));
	touch("a");
	touch("b");
	int below = OK(inotify_add_watch(notify, "d", IN_ALL_EVENTS));
	int a = OK(inotify_add_watch(notify, "a", IN_ALL_EVENTS)),
	    b = OK(inotify_add_watch(notify, "b", IN_ALL_EVENTS));
	forget();
	OK(rename("a", "c"));
	TOLD(wd, IN_MOVED_FROM, "a");
	uint32_t first = cookie;
	CHECK(first != 0);
	TOLD(wd, IN_MOVED_TO, "c");
	EQUAL(cookie, first);
	TOLD(a, IN_MOVE_SELF, "");
	EQUAL(cookie, 0);
	OK(rename("c", "d/a"));
	TOLD(wd, IN_MOVED_FROM, "c");
	CHECK(cookie != 0 && cookie != first);
	first = cookie;
	TOLD(below, IN_MOVED_TO, "a");
	EQUAL(cookie, first);
	TOLD(a, IN_MOVE_SELF, "");
	NOTHING();
	/* Over another, which goes. */
	OK(rename("d/a", "b"));
	struct inotify_event e;
	char name[NAME_MAX + 1];
	uint32_t seen = 0;
	for (int n = 0; n < 6; n++) {
		CHECK(next(&e, name));
		if (e.wd == b)
			seen |= e.mask;
		else
			CHECK((e.wd == below && e.mask == IN_MOVED_FROM && strcmp(name, "a") == 0) ||
			      (e.wd == wd && e.mask == IN_MOVED_TO && strcmp(name, "b") == 0) ||
			      (e.wd == a && e.mask == IN_MOVE_SELF));
	}
	EQUAL(seen, IN_ATTRIB | IN_DELETE_SELF | IN_IGNORED);
	NOTHING();
	OK(rename("d", "e"));
	TOLD(wd, IN_MOVED_FROM | IN_ISDIR, "d");
	TOLD(wd, IN_MOVED_TO | IN_ISDIR, "e");
	TOLD(below, IN_MOVE_SELF, "");
	NOTHING();
}

static void an_exchange(void)
{
	int wd = begin();

	touch("a");
	OK(mkdir("b", 0700));
	forget();
	OK(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", EXCHANGE));
	TOLD(wd, IN_MOVED_FROM, "a");
	uint32_t first = cookie;
	TOLD(wd, IN_MOVED_TO, "b");
	EQUAL(cookie, first);
	TOLD(wd, IN_MOVED_FROM | IN_ISDIR, "b");
	CHECK(cookie != first);
	first = cookie;
	TOLD(wd, IN_MOVED_TO | IN_ISDIR, "a");
	EQUAL(cookie, first);
	NOTHING();
}

static void directories(void)
{
	int wd = begin();

	OK(mkdir("d", 0700));
	forget();
	int self = OK(inotify_add_watch(notify, "d", IN_ALL_EVENTS | IN_ONLYDIR));
	DIR *d = opendir("d");
	CHECK(d != nullptr && readdir(d) != nullptr);
	TOLD(wd, IN_OPEN | IN_ISDIR, "d");
	TOLD(self, IN_OPEN | IN_ISDIR, "");
	TOLD(wd, IN_ACCESS | IN_ISDIR, "d");
	TOLD(self, IN_ACCESS | IN_ISDIR, "");
	OK(closedir(d));
	TOLD(wd, IN_CLOSE_NOWRITE | IN_ISDIR, "d");
	TOLD(self, IN_CLOSE_NOWRITE | IN_ISDIR, "");
	OK(chmod("d", 0755));
	TOLD(wd, IN_ATTRIB | IN_ISDIR, "d");
	TOLD(self, IN_ATTRIB | IN_ISDIR, "");
	touch("d/x");
	TOLD(self, IN_CREATE, "x");
	TOLD(self, IN_OPEN, "x");
	TOLD(self, IN_CLOSE_WRITE, "x");
	OK(unlink("d/x"));
	TOLD(self, IN_DELETE, "x");
	/* Absent names that were asked for do not keep it. */
	FAILS(ENOENT, access("d/absent", F_OK));
	FAILS(ENOENT, access("d/another", F_OK));
	OK(rmdir("d"));
	uint32_t seen = 0;
	for (int n = 0; n < 3; n++) {
		struct inotify_event e;
		char name[NAME_MAX + 1];
		CHECK(next(&e, name));
		seen |= e.mask;
		EQUAL(e.wd, e.mask & IN_DELETE ? wd : self);
	}
	EQUAL(seen, IN_DELETE | IN_ISDIR | IN_DELETE_SELF | IN_IGNORED);
	NOTHING();
}

static void a_directory_that_is_open_is_not_gone(void)
{
	int wd = begin();

	OK(mkdir("d", 0700));
	int fd = OK(open("d", O_RDONLY));
	FAILS(ENOENT, access("d/absent", F_OK));
	OK(rmdir("d"));
	forget();
	char path[40];
	sprintf(path, "/proc/self/fd/%d", fd);
	int self = OK(inotify_add_watch(notify, path, IN_DELETE_SELF));
	NOTHING();
	OK(close(fd));
	TOLD(wd, IN_CLOSE_NOWRITE | IN_ISDIR, "d");
	TOLD(self, IN_DELETE_SELF, "");
	TOLD(self, IN_IGNORED, "");
}

static void once(void)
{
	int wd = begin();

	EQUAL(inotify_add_watch(notify, ".", IN_CREATE | IN_ONESHOT), wd);
	touch("a");
	touch("b");
	TOLD(wd, IN_CREATE, "a");
	TOLD(wd, IN_IGNORED, "");
	NOTHING();
	CHECK(inotify_add_watch(notify, ".", IN_CREATE) > wd);
}

static void masks(void)
{
	int wd = begin();

	EQUAL(inotify_add_watch(notify, ".", IN_CREATE), wd);
	touch("a");
	TOLD(wd, IN_CREATE, "a");
	NOTHING();
	EQUAL(inotify_add_watch(notify, ".", IN_DELETE | IN_MASK_ADD), wd);
	touch("b");
	OK(unlink("b"));
	TOLD(wd, IN_CREATE, "b");
	TOLD(wd, IN_DELETE, "b");
	FAILS(EEXIST, inotify_add_watch(notify, ".", IN_CREATE | IN_MASK_CREATE));
	OK(inotify_add_watch(notify, "a", IN_CREATE | IN_MASK_CREATE));
	/* Two instances do not know each other. */
	int other = OK(inotify_init1(IN_NONBLOCK));
	EQUAL(inotify_add_watch(other, ".", IN_CREATE | IN_MASK_CREATE), 1);
	touch("c");
	TOLD(wd, IN_CREATE, "c");
	NOTHING();
	char buffer[100];
	EQUAL(read(other, buffer, sizeof(buffer)), sizeof(struct inotify_event) + 16);
}

static void refusals(void)
{
	int ends[2], wd = begin();

	OK(pipe(ends));
	touch("f");
	OK(symlink("f", "s"));
	OK(symlink("loop", "loop"));
	FAILS(EINVAL, inotify_init1(1));
	FAILS(EINVAL, inotify_add_watch(notify, ".", 0));
	FAILS(EINVAL, inotify_add_watch(notify, ".", NEVER_A_FLAG));
	FAILS(EINVAL, inotify_add_watch(notify, ".", NEVER_A_FLAG | IN_MODIFY));
	FAILS(EINVAL, inotify_add_watch(99, ".", 0));
	FAILS(EBADF, inotify_add_watch(99, ".", IN_MODIFY));
	FAILS(EINVAL, inotify_add_watch(ends[0], (void *)8, IN_MODIFY));
	FAILS(EINVAL, inotify_add_watch(notify, ".", IN_MODIFY | IN_MASK_ADD | IN_MASK_CREATE));
	FAILS(EFAULT, inotify_add_watch(notify, (void *)8, IN_MODIFY));
	FAILS(ENOENT, inotify_add_watch(notify, "none", IN_MODIFY));
	FAILS(ENOENT, inotify_add_watch(notify, "", IN_MODIFY));
	FAILS(ENOTDIR, inotify_add_watch(notify, "f", IN_MODIFY | IN_ONLYDIR));
	FAILS(ENOTDIR, inotify_add_watch(notify, "f/g", IN_MODIFY));
	FAILS(ELOOP, inotify_add_watch(notify, "loop", IN_MODIFY));
	OK(inotify_add_watch(notify, "loop", IN_MODIFY | IN_DONT_FOLLOW));
	CHECK(inotify_add_watch(notify, "s", IN_MODIFY) != inotify_add_watch(notify, "s", IN_MODIFY | IN_DONT_FOLLOW));
	EQUAL(inotify_add_watch(notify, "s", IN_MODIFY), inotify_add_watch(notify, "f", IN_MODIFY));
	FAILS(EINVAL, inotify_rm_watch(notify, 12345));
	FAILS(EINVAL, inotify_rm_watch(notify, -1));
	FAILS(EINVAL, inotify_rm_watch(ends[0], wd));
	FAILS(EBADF, inotify_rm_watch(99, wd));
	FAILS(EBADF, write(notify, "x", 1));
	forget();
	OK(inotify_rm_watch(notify, wd));
	TOLD(wd, IN_IGNORED, "");
	FAILS(EINVAL, inotify_rm_watch(notify, wd));
	touch("f");
	OK(close(OK(open("/dev/null", O_RDONLY))));
	NOTHING();
}

static void who_may_not_read_may_not_watch(void)
{
	begin();
	if (geteuid() != 0)
		ktap_skip("needs root");
	touch("f");
	OK(chmod("f", 0200));
	OK(chmod(".", 0711));
	EXITS(CHILD({
		      ktap_become(1000);
		      FAILS(EACCES, inotify_add_watch(notify, "f", IN_MODIFY));
		      FAILS(EACCES, inotify_add_watch(notify, ".", IN_MODIFY));
	      }),
	      0);
}

static void reading(void)
{
	int n, ends[2];
	char buffer[100];

	begin();
	EQUAL(fcntl(notify, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
	EQUAL(fcntl(notify, F_GETFD), FD_CLOEXEC);
	OK(ioctl(notify, FIONREAD, &n));
	EQUAL(n, 0);
	FAILS(EAGAIN, read(notify, buffer, sizeof(buffer)));
	FAILS(EAGAIN, read(notify, buffer, 1));
	touch("a");
	OK(ioctl(notify, FIONREAD, &n));
	EQUAL(n, 3 * (sizeof(struct inotify_event) + 16));
	FAILS(EINVAL, read(notify, buffer, 31));
	EQUAL(read(notify, buffer, 63), 32);
	FAILS(EFAULT, read(notify, (void *)8, 100));
	OK(ioctl(notify, FIONREAD, &n));
	EQUAL(n, sizeof(struct inotify_event) + 16);
	FAILS(ENOTTY, ioctl(notify, TIOCGWINSZ, buffer));
	/* Nobody else's are read. */
	OK(pipe(ends));
	EQUAL(write(ends[1], "x", 1), 1);
	EQUAL(read(notify, buffer, sizeof(buffer)), 32);
}

static void *touch_later(void *)
{
	ktap_until_thread_state(getpid(), getpid(), "S");
	touch("late");
	return nullptr;
}

static void waiting(void)
{
	int wd = begin();
	struct pollfd p = {notify, POLLIN | POLLOUT, 0};
	struct epoll_event event = {EPOLLIN, {0}};
	pthread_t thread;
	union {
		struct inotify_event e;
		char bytes[64];
	} buffer;

	EQUAL(poll(&p, 1, 0), 0);
	int epoll = OK(epoll_create1(0));
	OK(epoll_ctl(epoll, EPOLL_CTL_ADD, notify, &event));
	EQUAL(epoll_wait(epoll, &event, 1, 0), 0);
	EQUAL(pthread_create(&thread, nullptr, touch_later, nullptr), 0);
	EQUAL(epoll_wait(epoll, &event, 1, -1), 1);
	EQUAL(pthread_join(thread, nullptr), 0);
	EQUAL(poll(&p, 1, -1), 1);
	EQUAL(p.revents, POLLIN);
	forget();
	EQUAL(poll(&p, 1, 0), 0);
	OK(unlink("late"));
	forget();
	OK(fcntl(notify, F_SETFL, 0));
	EQUAL(pthread_create(&thread, nullptr, touch_later, nullptr), 0);
	CHECK(read(notify, &buffer, sizeof(buffer)) >= 32);
	EQUAL(buffer.e.wd, wd);
	EQUAL(buffer.e.mask, IN_CREATE);
	EQUAL(pthread_join(thread, nullptr), 0);
}

static volatile sig_atomic_t signals, ready_fd, ready_code;

static void on_ready(int, siginfo_t *info, void *)
{
	signals++;
	ready_fd = info->si_fd;
	ready_code = info->si_code;
}

static void signals_tell(void)
{
	struct sigaction a = {.sa_sigaction = on_ready, .sa_flags = SA_SIGINFO};

	begin();
	OK(sigaction(40, &a, nullptr));
	OK(fcntl(notify, F_SETOWN, getpid()));
	OK(fcntl(notify, 10 /* F_SETSIG */, 40));
	OK(fcntl(notify, F_SETFL, O_ASYNC | O_NONBLOCK));
	OK(mkdir("d", 0700));
	EQUAL(signals, 1);
	EQUAL(ready_fd, notify);
	EQUAL(ready_code, 1 /* POLL_IN */);
	OK(fcntl(notify, F_SETFL, O_NONBLOCK));
	OK(rmdir("d"));
	EQUAL(signals, 1);
}

static long number_of(const char *path)
{
	char text[40];

	ktap_read_file(path, text, sizeof(text));
	return atol(text);
}

static void limits(void)
{
	static const char events[] = "/proc/sys/fs/inotify/max_queued_events";
	static const char instances[] = "/proc/sys/fs/inotify/max_user_instances";
	static const char watches[] = "/proc/sys/fs/inotify/max_user_watches";

	EQUAL(number_of(instances), 128);
	EQUAL(number_of(events), 16384);
	CHECK(number_of(watches) >= 8192);
	ktap_enter_dir();
	if (geteuid() != 0)
		ktap_skip("needs root");
	OK(chmod(".", 0777));
	EXITS(CHILD({
		      ktap_become(12345);
		      for (int n = 0; n < 128; n++)
			      OK(inotify_init1(0));
		      FAILS(EMFILE, inotify_init1(0));
		      OK(close(5));
		      OK(inotify_init1(0));
		      FAILS(EMFILE, inotify_init1(0));
	      }),
	      0);
	if (!ktap_on_stellux())
		ktap_skip("the machine's other users would feel lower limits");
	long had = number_of(watches);
	ktap_put(watches, "2\n");
	EXITS(CHILD({
		      ktap_become(12345);
		      notify = OK(inotify_init1(0));
		      int other = OK(inotify_init1(0));
		      OK(inotify_add_watch(notify, ".", IN_OPEN));
		      OK(inotify_add_watch(other, ".", IN_OPEN));
		      FAILS(ENOSPC, inotify_add_watch(other, "/", IN_OPEN));
		      EQUAL(inotify_add_watch(other, ".", IN_CREATE), 1);
		      OK(close(notify));
		      OK(inotify_add_watch(other, "/", IN_OPEN));
		      OK(inotify_rm_watch(other, 1));
		      OK(inotify_add_watch(other, "/tmp", IN_OPEN));
		      FAILS(ENOSPC, inotify_add_watch(other, ".", IN_OPEN));
	      }),
	      0);
	char text[40];
	sprintf(text, "%ld\n", had);
	ktap_put(watches, text);
	FAILS(EINVAL, write(OK(open(watches, O_WRONLY)), "-1\n", 3));
	EXITS(CHILD({
		      ktap_become(12345);
		      FAILS(EACCES, open(watches, O_WRONLY));
	      }),
	      0);
}

static void overflow(void)
{
	long most = number_of("/proc/sys/fs/inotify/max_queued_events");
	int wd = begin();

	OK(mkdir("a", 0700));
	OK(rmdir("a"));
	forget();
	for (long n = 0; n < most; n += 2) {
		OK(mkdir("a", 0700));
		OK(rmdir("a"));
	}
	OK(mkdir("b", 0700));
	OK(rmdir("b"));
	for (long n = 0; n < most; n += 2) {
		TOLD(wd, IN_CREATE | IN_ISDIR, "a");
		TOLD(wd, IN_DELETE | IN_ISDIR, "a");
	}
	TOLD(-1, IN_Q_OVERFLOW, "");
	NOTHING();
	OK(mkdir("b", 0700));
	TOLD(wd, IN_CREATE | IN_ISDIR, "b");
}

static void unmounting(void)
{
	int wd = begin();

	OK(mkdir("m", 0700));
	if (mount("none", "m", "tmpfs", 0, nullptr) != 0)
		ktap_skip("needs the right to mount");
	touch("m/f");
	forget();
	int root = OK(inotify_add_watch(notify, "m", IN_ALL_EVENTS)),
	    file = OK(inotify_add_watch(notify, "m/f", IN_OPEN));
	OK(umount("m"));
	uint32_t seen[2] = {};
	for (int n = 0; n < 4; n++) {
		struct inotify_event e;
		char name[NAME_MAX + 1];
		CHECK(next(&e, name));
		CHECK(e.wd == root || e.wd == file);
		uint32_t gone = e.wd == file ? IN_UNMOUNT : IN_UNMOUNT | IN_ISDIR;
		CHECK(e.mask == (seen[e.wd == file] == 0 ? gone : IN_IGNORED));
		seen[e.wd == file] |= e.mask;
	}
	NOTHING();
	FAILS(EINVAL, inotify_rm_watch(notify, root));
	OK(rmdir("m"));
	TOLD(wd, IN_DELETE | IN_ISDIR, "m");
}

static void what_an_instance_shows(void)
{
	char path[60], text[2000], wanted[100];
	struct stat s;

	begin();
	OK(inotify_add_watch(notify, ".", IN_CREATE | IN_EXCL_UNLINK));
	OK(stat(".", &s));
	sprintf(path, "/proc/self/fdinfo/%d", notify);
	ktap_read_file(path, text, sizeof(text));
	sprintf(wanted, "inotify wd:1 ino:%lx sdev:", (unsigned long)s.st_ino);
	CHECK(strstr(text, wanted) != nullptr);
	CHECK(strstr(text, " mask:4000100 ignored_mask:0") != nullptr);
	sprintf(path, "/proc/self/fd/%d", notify);
	ssize_t n = OK(readlink(path, text, sizeof(text)));
	CHECK(n == 18 && memcmp(text, "anon_inode:inotify", 18) == 0);
}

static volatile bool stop;

static void *change_names(void *)
{
	while (!stop) {
		touch("race/a");
		(void)rename("race/a", "race/b");
		(void)unlink("race/b");
	}
	return nullptr;
}

/* Watches come and go while what they watch does: each that is told of is one that there was, and its end comes last.
 */
static void races(void)
{
	pthread_t threads[2];
	enum { ROUNDS = 300 };
	static bool ended[ROUNDS * 2 + 2];

	begin();
	OK(inotify_rm_watch(notify, 1));
	OK(mkdir("race", 0700));
	for (int n = 0; n < 2; n++)
		EQUAL(pthread_create(&threads[n], nullptr, change_names, nullptr), 0);
	forget();
	for (int n = 0; n < ROUNDS; n++) {
		int wd = inotify_add_watch(notify, "race", IN_ALL_EVENTS),
		    file = inotify_add_watch(notify, "race/a", IN_ALL_EVENTS);
		struct inotify_event e;
		char name[NAME_MAX + 1];

		CHECK(wd > 0 && (file > 0 || errno == ENOENT));
		OK(inotify_rm_watch(notify, wd));
		if (file > 0)
			(void)inotify_rm_watch(notify, file);
		while (next(&e, name)) {
			CHECK(e.wd > 0 && e.wd <= ROUNDS * 2 + 1 && !ended[e.wd]);
			ended[e.wd] = e.mask & IN_IGNORED;
		}
		CHECK(ended[wd]);
	}
	stop = true;
	for (int n = 0; n < 2; n++)
		EQUAL(pthread_join(threads[n], nullptr), 0);
	/* A thread ends an instance that others fill. */
	for (int n = 0; n < 50; n++) {
		int fd = OK(inotify_init1(0));
		OK(inotify_add_watch(fd, "race", IN_ALL_EVENTS));
		pid_t child = CHILD(touch("race/c"));
		OK(close(fd));
		EXITS(child, 0);
	}
}

KTAP_MAIN(CASE(reads_and_writes), CASE(moved_between_files), CASE(attributes), CASE(names), CASE(a_long_name),
	  CASE(a_file_that_is_open_is_not_gone), CASE(unlinked_files_left_out), CASE(renames), CASE(an_exchange),
	  CASE(directories), CASE(a_directory_that_is_open_is_not_gone), CASE(once), CASE(masks), CASE(refusals),
	  CASE(who_may_not_read_may_not_watch), CASE(reading), CASE(waiting), CASE(signals_tell), CASE(limits),
	  CASE(overflow), CASE(unmounting), CASE(what_an_instance_shows), CASE(races))
