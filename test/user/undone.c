/* SPDX-License-Identifier: MIT */
/*
 * Calls that fail late, for another reason than memory: a place that cannot be written to, a name that is there, no
 * descriptor left. What they had made by then is gone: the kernel's counters stay, and no descriptor is open more.
 * (failures.c is about memory.)
 */
#include "ktap.h"
#include "unix_sockets.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, TIMES = 40, NOISE = TIMES / 2, CLONE_PIDFD_FLAG = 0x1000, PEER = 0x5441, DESCRIPTORS = 24 };

static int some_pipe[2], some_file, some_epoll, master, own_pidfd, listener, components, meminfo;
static char *page, text[65536];
static void *const nowhere = (void *)8;

/* A call that fails with this errno. */
struct call {
	const char *name;
	int error;
	long (*make)(void);
};

static long mount_on_file(void)
{
	return mount("none", "there", "tmpfs", 0, "size=64k");
}

static long mount_over_itself(void)
{
	return mount("dev", "/dev", "devtmpfs", 0, nullptr);
}

static long mount_with_nonsense(void)
{
	return mount("none", "full", "tmpfs", 0, "size=nonsense");
}

static long bind_on_file(void)
{
	return mount("full", "there", nullptr, MS_BIND, nullptr);
}

static long move_what_is_none(void)
{
	return mount("full", "full/inner", nullptr, MS_MOVE, nullptr);
}

static long pipe_nowhere(void)
{
	return syscall(SYS_pipe2, nowhere, 0);
}

static long clone_pidfd_nowhere(void)
{
	return syscall(SYS_clone, CLONE_PIDFD_FLAG | SIGCHLD, 0, nowhere, 0, 0);
}

static long exec_folder(void)
{
	return execl("full", "full", nullptr);
}

static long exec_nonsense(void)
{
	return execl("nonsense", "nonsense", nullptr);
}

static long exec_with_bad_arguments(void)
{
	return syscall(SYS_execve, "/proc/self/exe", nowhere, nullptr);
}

static long timer_nowhere(void)
{
	return syscall(SYS_timer_create, CLOCK_MONOTONIC, nullptr, nowhere);
}

static long create_what_is_there(void)
{
	return open("there", O_RDWR | O_CREAT | O_EXCL, 0600);
}

static long open_file_as_folder(void)
{
	return open("there", O_RDONLY | O_DIRECTORY);
}

static long open_fifo_without_reader(void)
{
	return open("fifo", O_WRONLY | O_NONBLOCK);
}

static long make_folder_that_is_there(void)
{
	return mkdir("full", 0700);
}

static long make_link_that_is_there(void)
{
	return symlink("a/target/that/is/longer/than/what/fits/into/a/name/of/its/own", "there");
}

static long link_that_is_there(void)
{
	return link("there", "fifo");
}

static long make_fifo_that_is_there(void)
{
	return mknod("fifo", S_IFIFO | 0600, 0);
}

static long rename_over_full(void)
{
	return rename("empty", "full");
}

static long watch_twice(void)
{
	return epoll_ctl(some_epoll, EPOLL_CTL_ADD, some_pipe[0], &(struct epoll_event){.events = EPOLLIN});
}

static long watch_file(void)
{
	return epoll_ctl(some_epoll, EPOLL_CTL_ADD, some_file, &(struct epoll_event){.events = EPOLLIN});
}

static long shrink_full_pipe(void)
{
	return fcntl(some_pipe[1], F_SETPIPE_SZ, PAGE);
}

static long map_beyond_everything(void)
{
	return (long)mmap(page, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, some_file, INT64_MAX - PAGE + 1);
}

static long map_where_something_is(void)
{
	return (long)mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static long protect_hole(void)
{
	return mprotect(page, 3 * PAGE, PROT_READ);
}

static long grow_where_something_is(void)
{
	return (long)mremap(page, PAGE, 1L << 46, MREMAP_MAYMOVE);
}

static long read_nowhere(void)
{
	return read(some_pipe[0], nowhere, 1);
}

static const struct call late[] = {
	{"a mount on a file", ENOTDIR, mount_on_file},
	{"a mount over itself", EBUSY, mount_over_itself},
	{"a mount with a wrong option", EINVAL, mount_with_nonsense},
	{"a bind mount on a file", ENOTDIR, bind_on_file},
	{"moving what is no mount", EINVAL, move_what_is_none},
	{"a pipe told nowhere", EFAULT, pipe_nowhere},
	{"a child whose descriptor is told nowhere", EFAULT, clone_pidfd_nowhere},
	{"executing a folder", EACCES, exec_folder},
	{"executing what is no program", ENOEXEC, exec_nonsense},
	{"executing with bad arguments", EFAULT, exec_with_bad_arguments},
	{"a timer told nowhere", EFAULT, timer_nowhere},
	{"creating a file that is there", EEXIST, create_what_is_there},
	{"opening a file as a folder", ENOTDIR, open_file_as_folder},
	{"opening a FIFO that nobody reads", ENXIO, open_fifo_without_reader},
	{"making a folder that is there", EEXIST, make_folder_that_is_there},
	{"making a symbolic link that is there", EEXIST, make_link_that_is_there},
	{"linking to a name that is there", EEXIST, link_that_is_there},
	{"making a FIFO that is there", EEXIST, make_fifo_that_is_there},
	{"renaming over a full folder", ENOTEMPTY, rename_over_full},
	{"watching twice", EEXIST, watch_twice},
	{"watching a file", EPERM, watch_file},
	{"shrinking a full pipe", EBUSY, shrink_full_pipe},
	{"mapping beyond everything", EOVERFLOW, map_beyond_everything},
	{"mapping where something is", EEXIST, map_where_something_is},
	{"protecting a hole", ENOMEM, protect_hole},
	{"growing beyond everything", ENOMEM, grow_where_something_is},
	{"reading to nowhere", EFAULT, read_nowhere},
};

static long full_open(void)
{
	return open("made", O_RDWR | O_CREAT, 0600);
}

static long full_unnamed(void)
{
	return open(".", O_RDWR | O_TMPFILE, 0600);
}

static long full_fifo(void)
{
	return open("fifo", O_RDWR);
}

static long full_pipe(void)
{
	int fds[2];

	return pipe2(fds, 0);
}

static long full_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long full_sockets(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static long full_accept(void)
{
	return accept(listener, nullptr, nullptr);
}

static long full_epoll(void)
{
	return epoll_create1(0);
}

static long full_eventfd(void)
{
	return syscall(SYS_eventfd2, 0, 0);
}

static long full_timerfd(void)
{
	return syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0);
}

static long full_signalfd(void)
{
	uint64_t set = 1;

	return syscall(SYS_signalfd4, -1, &set, sizeof(set), 0);
}

static long full_memfd(void)
{
	return syscall(SYS_memfd_create, "full", 0);
}

static long full_pidfd(void)
{
	return syscall(SYS_pidfd_open, getpid(), 0);
}

static long full_pidfd_getfd(void)
{
	return syscall(SYS_pidfd_getfd, own_pidfd, some_file, 0);
}

static long full_clone_pidfd(void)
{
	int fd;

	return syscall(SYS_clone, CLONE_PIDFD_FLAG | SIGCHLD, 0, &fd, 0, 0);
}

static long full_dup(void)
{
	return dup(some_file);
}

static long full_master(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY);
}

static long full_peer(void)
{
	return ioctl(master, PEER, O_RDWR | O_NOCTTY);
}

static const struct call full[] = {
	{"open", EMFILE, full_open},
	{"an unnamed file", EMFILE, full_unnamed},
	{"a FIFO", EMFILE, full_fifo},
	{"pipe", EMFILE, full_pipe},
	{"socket", EMFILE, full_socket},
	{"socketpair", EMFILE, full_sockets},
	{"accept", EMFILE, full_accept},
	{"epoll", EMFILE, full_epoll},
	{"eventfd", EMFILE, full_eventfd},
	{"timerfd", EMFILE, full_timerfd},
	{"signalfd", EMFILE, full_signalfd},
	{"memfd", EMFILE, full_memfd},
	{"pidfd", EMFILE, full_pidfd},
	{"pidfd_getfd", EMFILE, full_pidfd_getfd},
	{"a child's descriptor", EMFILE, full_clone_pidfd},
	{"dup", EMFILE, full_dup},
	{"a terminal", EMFILE, full_master},
	{"a terminal's other end", EMFILE, full_peer},
};

/* The files stay open: there may be no descriptor for them later. */
static char *read_again(int fd)
{
	ssize_t n = OK(pread(fd, text, sizeof(text) - 1, 0));

	text[n] = '\0';
	return text;
}

/* Allocations of all components, and promised memory. */
static long count(void)
{
	long sum = 0, promised = 0;
	char *save, *line;

	if (!ktap_on_stellux())
		return 0;
	for (line = strtok_r(read_again(components), "\n", &save); line != nullptr;
	     line = strtok_r(nullptr, "\n", &save)) {
		long allocations;
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %ld", &allocations) == 1)
			sum += allocations;
	}
	CHECK(sum > 0);
	line = strstr(read_again(meminfo), "Committed_AS:");
	CHECK(line != nullptr && sscanf(line, "Committed_AS: %ld", &promised) == 1);
	return sum + promised;
}

static int descriptors(void)
{
	int open_ones = 0;

	for (int fd = 0; fd < 256; fd++)
		open_ones += fcntl(fd, F_GETFD) != -1;
	return open_ones;
}

static void fail_once(const struct call *c)
{
	errno = 0;
	long result = c->make();

	if (result == 0 && c->make == full_clone_pidfd)
		_exit(0);
	if (result != -1 || errno != c->error)
		ktap_fail(__FILE__, __LINE__, "%s: %ld, errno %d instead of %d", c->name, result, errno, c->error);
}

/* Others allocate meanwhile, but not each time that this is tried by as much. */
static void leaves_nothing(const struct call *c)
{
	int open_before = descriptors();
	long before, grown;

	fail_once(c);
	for (int attempt = 0; attempt < 100; attempt++) {
		before = count();
		for (int i = 0; i < TIMES; i++)
			fail_once(c);
		grown = count() - before;
		if (grown < NOISE)
			break;
		usleep(20000);
	}
	if (grown >= NOISE)
		ktap_fail(__FILE__, __LINE__, "%s: %d times leave %ld behind", c->name, TIMES, grown);
	EQUAL(descriptors(), open_before);
}

static void prepare(void)
{
	ktap_enter_dir();
	some_file = OK(open("there", O_RDWR | O_CREAT, 0700));
	ktap_write_file("nonsense", "nonsense");
	OK(chmod("nonsense", 0700));
	OK(mkdir("full", 0700));
	OK(mkdir("full/inner", 0700));
	OK(mkdir("empty", 0700));
	OK(mkfifo("fifo", 0600));
	OK(pipe(some_pipe));
	OK(write(some_pipe[1], text, 4 * PAGE));
	some_epoll = OK(epoll_create1(0));
	OK(watch_twice());
	master = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	listener = unix_listener(SOCK_STREAM, "@undone", 1);
	OK(ioctl(master, TIOCSPTLCK, &(int){0}));
	own_pidfd = (int)OK(syscall(SYS_pidfd_open, getpid(), 0));
	if (ktap_on_stellux()) {
		components = OK(open("/proc/components", O_RDONLY));
		meminfo = OK(open("/proc/meminfo", O_RDONLY));
	}
	page = OK(mmap(nullptr, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(munmap(page + PAGE, PAGE));
}

static void late_errors_leave_nothing(void)
{
	prepare();
	for (size_t n = 0; n < sizeof(late) / sizeof(*late); n++)
		leaves_nothing(&late[n]);
	FAILS(EINVAL, umount("full"));
}

/* With no descriptor left, and with one, which is enough for all but a pipe. */
static void full_tables_leave_nothing(void)
{
	int last = 0;

	prepare();
	OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){DESCRIPTORS, DESCRIPTORS}));
	for (int fd; (fd = dup(some_file)) >= 0;)
		last = fd;
	EQUAL(errno, EMFILE);
	for (size_t n = 0; n < sizeof(full) / sizeof(*full); n++)
		leaves_nothing(&full[n]);
	OK(close(last));
	leaves_nothing(&(struct call){"a pipe with one descriptor left", EMFILE, full_pipe});
	/* The terminals' places were given back too. */
	int fd = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	OK(close(fd));
}

KTAP_MAIN(CASE(late_errors_leave_nothing), CASE(full_tables_leave_nothing))
