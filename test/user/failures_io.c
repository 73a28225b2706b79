/* SPDX-License-Identifier: MIT */
/* Memory that fails (failures.h) in calls that move bytes, wait, lock, and in some on the process. */
#include "failures.h"
#include "unix_sockets.h"

#include <grp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

static int some_pipe[2], full_pipe[2], some_file, full_file, some_epoll, some_socket[4];
static char memory[4 * PAGE];

static void undo_pipe_write(long n)
{
	EQUAL(read(some_pipe[0], memory, (size_t)n), n);
}

static long do_setgroups(void)
{
	static gid_t groups[300];

	for (gid_t n = 0; n < 300; n++)
		groups[n] = n * 3;
	return setgroups(300, groups);
}

static void undo_setgroups(long)
{
	OK(setgroups(0, nullptr));
}

static long do_chdir(void)
{
	return chdir("point");
}

static void undo_chdir(long)
{
	OK(chdir(".."));
}

static long do_getcwd(void)
{
	return syscall(SYS_getcwd, text, sizeof(text));
}

static long do_pidfd(void)
{
	return syscall(SYS_pidfd_open, getpid(), 0);
}

static long do_splice_in(void)
{
	return splice(full_file, &(off_t){100}, some_pipe[1], nullptr, 2 * PAGE, SPLICE_F_NONBLOCK);
}

/* Puts something in first, and takes what is left. */
static long do_splice_out(void)
{
	ssize_t n = write(some_pipe[1], memory, 2 * PAGE);
	int left = 0;

	if (n < 0)
		return -1;
	n = splice(some_pipe[0], nullptr, some_file, &(off_t){100}, (size_t)n, SPLICE_F_NONBLOCK);
	int error = errno;
	OK(ioctl(some_pipe[0], FIONREAD, &left));
	if (left > 0)
		EQUAL(read(some_pipe[0], text, (size_t)left), left);
	errno = error;
	return n;
}

static long do_tee(void)
{
	return tee(full_pipe[0], some_pipe[1], 2 * PAGE, SPLICE_F_NONBLOCK);
}

static long do_vmsplice(void)
{
	return vmsplice(some_pipe[1], &(struct iovec){memory, 2 * PAGE}, 1, SPLICE_F_NONBLOCK);
}

static long do_sendfile(void)
{
	return sendfile(some_file, full_file, &(off_t){0}, 2 * PAGE);
}

static void undo_sendfile(long)
{
	OK(ftruncate(some_file, 0));
	lseek(some_file, 0, SEEK_SET);
}

static long do_copy_range(void)
{
	return syscall(SYS_copy_file_range, full_file, &(off_t){0}, some_file, &(off_t){0}, 2 * PAGE, 0);
}

static long do_fallocate(void)
{
	return fallocate(some_file, 0, 0, 3 * PAGE);
}

static long do_flock(void)
{
	return flock(some_file, LOCK_EX);
}

static void undo_flock(long)
{
	OK(flock(some_file, LOCK_UN));
}

static long do_async(void)
{
	return fcntl(some_pipe[0], F_SETFL, O_ASYNC);
}

static void undo_async(long)
{
	OK(fcntl(some_pipe[0], F_SETFL, 0));
}

static long do_pipe_size(void)
{
	return fcntl(some_pipe[0], F_SETPIPE_SZ, 256 * 1024);
}

static void undo_pipe_size(long)
{
	OK(fcntl(some_pipe[0], F_SETPIPE_SZ, 64 * 1024));
}

static long do_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(some_pipe[0], &set);
	FD_SET(some_pipe[1], &set);
	return select(FD_SETSIZE, &set, nullptr, nullptr, &(struct timeval){0, 1});
}

static long do_epoll_wait(void)
{
	struct epoll_event events[4];

	return epoll_wait(some_epoll, events, 4, 1);
}

static long do_futex(void)
{
	static int word;

	syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 0, &(struct timespec){0, 1}, nullptr, 0);
	if (errno != ETIMEDOUT)
		return -1;
	return 0;
}

static long do_process_read(void)
{
	struct iovec from[20], to = {text, 20 * 16};

	for (size_t n = 0; n < 20; n++)
		from[n] = (struct iovec){memory + n * 64, 16};
	return process_vm_readv(getpid(), &to, 1, from, 20, 0);
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

static long do_socketpair(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) != 0)
		return -1;
	close(fds[1]);
	return fds[0];
}

/* Bound, connected to and accepted. */
static long do_connection(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "bound"};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = -1, served = -1;

	if (listener >= 0 && bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listener, 1) == 0)
		client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (client >= 0 && connect(client, (struct sockaddr *)&a, sizeof(a)) == 0)
		served = accept(listener, nullptr, nullptr);
	int error = errno;
	close(listener);
	close(client);
	unlink("bound");
	errno = error;
	return served;
}

static long do_send(void)
{
	return send(some_socket[0], memory, 3 * PAGE, 0);
}

static void undo_send(long n)
{
	EQUAL(read(some_socket[1], memory, sizeof(memory)), n);
}

static long do_send_files(void)
{
	return send_fds(some_socket[0], some_pipe, 2, "f");
}

static long do_peek_files(void)
{
	char c;
	int fds[2], flags;
	size_t count;
	long n = receive_fds(some_socket[3], &c, 1, fds, 2, &count, MSG_PEEK, &flags);

	if (n == 1 && count == 0) { /* no memory for the list of files is said so */
		CHECK(flags & MSG_CTRUNC);
		errno = ENOMEM;
		return -1;
	}
	for (size_t k = 0; n == 1 && k < count; k++)
		close(fds[k]);
	return n;
}

static const struct call calls[] = {
	{"setgroups", do_setgroups, undo_setgroups},
	{"chdir", do_chdir, undo_chdir},
	{"getcwd", do_getcwd, nothing},
	{"pidfd", do_pidfd, close_it},
	{"splice-in", do_splice_in, undo_pipe_write},
	{"splice-out", do_splice_out, undo_sendfile},
	{"tee", do_tee, undo_pipe_write},
	{"vmsplice", do_vmsplice, undo_pipe_write},
	{"sendfile", do_sendfile, undo_sendfile},
	{"copy-range", do_copy_range, undo_sendfile},
	{"fallocate", do_fallocate, undo_sendfile},
	{"flock", do_flock, undo_flock},
	{"async", do_async, undo_async},
	{"pipe-size", do_pipe_size, undo_pipe_size},
	{"select", do_select, nothing},
	{"epoll-wait", do_epoll_wait, nothing},
	{"lock", do_lock, undo_lock},
	{"poll", do_poll, nothing},
	{"preadv", do_readv, nothing},
	{"readdir", do_readdir, nothing},
	{"futex", do_futex, nothing},
	{"process-read", do_process_read, nothing},
	{"socketpair", do_socketpair, close_it},
	{"connection", do_connection, close_it},
	{"send", do_send, undo_send},
	{"send-files", do_send_files, undo_send},
	{"peek-files", do_peek_files, nothing},
};

static void nothing_is_left_behind(void)
{
	ktap_enter_dir();
	order = OK(open("/proc/self/fail-nth", O_RDWR));
	OK(pipe(some_pipe));
	OK(pipe(full_pipe));
	some_file = OK(open("some", O_RDWR | O_CREAT, 0600));
	full_file = OK(open("full", O_RDWR | O_CREAT, 0600));
	some_epoll = OK(epoll_create1(0));
	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, some_socket));
	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, some_socket + 2));
	EQUAL(send_fds(some_socket[2], some_pipe, 2, "p"), 1);
	OK(mkdir("point", 0700));
	memset(memory, 1, sizeof(memory));
	memset(text, 1, sizeof(text));
	EQUAL(write(full_file, memory, 3 * PAGE), 3 * PAGE);
	EQUAL(write(full_pipe[1], memory, 2 * PAGE), 2 * PAGE);
	fail_calls(calls, sizeof(calls) / sizeof(*calls));
}

KTAP_MAIN(STELLUX_CASE(nothing_is_left_behind))
