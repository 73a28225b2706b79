/* SPDX-License-Identifier: MIT */
/*
 * Features that are not there, answered as by a Linux without them: sockets of a network, extended attributes, tracing,
 * namespaces, file handles; with the checks that come first. And the calls that are ENOSYS, which /proc/syscalls names.
 */
#include "ktap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static void *const nowhere = (void *)8;

static void sockets_cannot_be_made(void)
{
	int pair[2];

	/* Families that Linux has: what the test may ask of one elsewhere is only what no kernel has. */
	FAILS(EAFNOSUPPORT, socket(77, SOCK_STREAM, 0));
	FAILS(EAFNOSUPPORT, socket(-1, SOCK_STREAM, 0));
	FAILS(EINVAL, socket(AF_UNIX, 12, 0));
	FAILS(EINVAL, socket(AF_UNIX, SOCK_STREAM | 0x10, 0));
	FAILS(EAFNOSUPPORT, socketpair(77, SOCK_STREAM, 0, pair));
	FAILS(EFAULT, socketpair(77, SOCK_STREAM, 0, nowhere));
	FAILS(EINVAL, socketpair(77, 0x10, 0, nowhere));
}

static void no_other_netlink_is_there(void)
{
	FAILS(EPROTONOSUPPORT, socket(AF_NETLINK, SOCK_RAW, 77));
	FAILS(EPROTONOSUPPORT, socket(AF_NETLINK, SOCK_RAW, -1));
}

static void other_files_are_no_sockets(void)
{
	int ends[2], path = OK(open("/", O_PATH));
	struct timespec bad_time = {-1, 0};

	OK(pipe(ends));
	int fd = ends[0];
	const int closed = 90;
	FAILS(ENOTSOCK, bind(fd, nullptr, 0));
	FAILS(ENOTSOCK, connect(fd, nullptr, 0));
	FAILS(ENOTSOCK, listen(fd, 1));
	FAILS(ENOTSOCK, accept(fd, nullptr, nullptr));
	FAILS(EINVAL, syscall(SYS_accept4, fd, 0, 0, 1));
	FAILS(EBADF, syscall(SYS_accept4, closed, 0, 0, 1));
	FAILS(ENOTSOCK, getsockname(fd, nullptr, nullptr));
	FAILS(ENOTSOCK, getpeername(fd, nullptr, nullptr));
	FAILS(ENOTSOCK, shutdown(fd, 9));
	FAILS(EINVAL, syscall(SYS_setsockopt, closed, 1, 1, 0, -1));
	FAILS(ENOTSOCK, setsockopt(fd, 1, 1, nullptr, 0));
	FAILS(ENOTSOCK, getsockopt(fd, 1, 1, nullptr, nullptr));
	FAILS(EFAULT, syscall(SYS_sendto, closed, (void *)-4096, 1, 0, 0, 0));
	FAILS(ENOTSOCK, send(fd, nullptr, 1, 0));
	FAILS(EFAULT, syscall(SYS_recvfrom, closed, (void *)-1, 9, 0, 0, 0));
	FAILS(EBADF, recv(closed, nullptr, (size_t)-1, 0));
	FAILS(EINVAL, syscall(SYS_sendmsg, closed, 0, 0x80000000));
	FAILS(ENOTSOCK, syscall(SYS_sendmsg, fd, 0, 0));
	FAILS(ENOTSOCK, syscall(SYS_recvmsg, fd, 0, 0));
	FAILS(ENOTSOCK, syscall(SYS_sendmmsg, fd, 0, 1, 0));
	FAILS(EFAULT, syscall(SYS_recvmmsg, closed, 0, 1, 0, nowhere));
	FAILS(EINVAL, syscall(SYS_recvmmsg, closed, 0, 1, 0, &bad_time));
	FAILS(EBADF, bind(path, nullptr, 0));
}

static void attributes_are_not_supported(void)
{
	char long_name[300], value[8];

	ktap_enter_dir();
	ktap_write_file("file", "x");
	OK(mkdir("dir", 0755));
	OK(mkfifo("fifo", 0666));
	OK(symlink("absent", "link"));
	memset(long_name, 'x', sizeof(long_name));
	long_name[299] = '\0';
	FAILS(EOPNOTSUPP, setxattr("file", "user.a", "v", 1, 0));
	FAILS(EOPNOTSUPP, getxattr("dir", "user.a", value, sizeof(value)));
	FAILS(EOPNOTSUPP, removexattr("file", "user.a"));
	FAILS(EOPNOTSUPP, setxattr("file", "nameless", "v", 1, 0));
	FAILS(ERANGE, setxattr("file", "", "v", 1, 0));
	FAILS(ERANGE, getxattr("file", long_name, value, sizeof(value)));
	FAILS(EINVAL, setxattr("file", "", "v", 1, 4));
	FAILS(E2BIG, setxattr("file", "user.a", nowhere, 65537, 0));
	FAILS(EFAULT, setxattr("file", "user.a", nowhere, 1, 0));
	FAILS(EFAULT, setxattr("file", nowhere, "v", 1, 0));
	FAILS(ENOENT, setxattr("absent", nowhere, "v", 1, 4));
	FAILS(ENOENT, getxattr("", "user.a", value, sizeof(value)));
	FAILS(EFAULT, getxattr(nowhere, "user.a", value, sizeof(value)));
	FAILS(EPERM, setxattr("fifo", "user.a", "v", 1, 0));
	FAILS(ENODATA, getxattr("fifo", "user.a", value, sizeof(value)));
	FAILS(ENODATA, lgetxattr("link", "user.a", value, sizeof(value)));
	FAILS(ENOENT, getxattr("link", "user.a", value, sizeof(value)));
}

static void attributes_of_descriptors(void)
{
	char value[8];
	int ends[2], path = OK(open("/", O_PATH));

	ktap_enter_dir();
	ktap_write_file("file", "x");
	int fd = OK(open("file", O_RDONLY));
	OK(pipe(ends));
	FAILS(EOPNOTSUPP, fsetxattr(fd, "user.a", "v", 1, 0));
	FAILS(EOPNOTSUPP, fgetxattr(fd, "user.a", value, sizeof(value)));
	FAILS(EOPNOTSUPP, fremovexattr(fd, "user.a"));
	FAILS(EBADF, fsetxattr(path, "user.a", "v", 1, 0));
	FAILS(EBADF, fgetxattr(90, nowhere, value, sizeof(value)));
	FAILS(EBADF, flistxattr(path, value, sizeof(value)));
	FAILS(EPERM, fsetxattr(ends[0], "user.a", "v", 1, 0));
	EQUAL(flistxattr(fd, nowhere, sizeof(value)), 0);
	EQUAL(listxattr("file", nullptr, 0), 0);
	FAILS(ENOENT, listxattr("absent", nullptr, 0));
}

static void attributes_and_rights(void)
{
	char value[8];

	ktap_enter_dir();
	ktap_write_file("file", "x");
	OK(mkdir("sticky", 0777));
	OK(chmod("sticky", 01777));
	OK(chmod("file", 0600));
	OK(chmod(".", 0755));
	OK(setresuid(1000, 1000, 1000));
	FAILS(EACCES, setxattr("file", "user.a", "v", 1, 0));
	FAILS(EACCES, getxattr("file", "user.a", value, sizeof(value)));
	FAILS(EPERM, setxattr("sticky", "user.a", "v", 1, 0));
	FAILS(EPERM, setxattr("file", "trusted.a", "v", 1, 0));
	FAILS(ENODATA, getxattr("file", "trusted.a", value, sizeof(value)));
	FAILS(EPERM, lsetxattr("file", "trusted.a", "v", 1, 0));
	FAILS(EPERM, removexattr("file", "trusted.a"));
	FAILS(EPERM, lremovexattr("file", "trusted.a"));
	FAILS(EPERM, setxattr("file", "security.a", "v", 1, 0));
	FAILS(EPERM, removexattr("file", "security.a"));
}

static void nobody_is_traced(void)
{
	FAILS(ESRCH, syscall(SYS_ptrace, 16, 99999, 0, 0));
	FAILS(ESRCH, syscall(SYS_ptrace, 16, -1, 0, 0));
	FAILS(ESRCH, syscall(SYS_ptrace, 1, 1, 0, 0));
	FAILS(ESRCH, syscall(SYS_ptrace, -1, 1, 0, 0));
	OK(setresuid(1000, 1000, 1000));
	FAILS(EPERM, syscall(SYS_ptrace, 16, 1, 0, 0));
	FAILS(EIO, syscall(SYS_ptrace, 0x4206, 1, 1, 0));
}

static void tracing_is_switched_off(void)
{
	FAILS(EPERM, syscall(SYS_ptrace, 0, 0, 0, 0));
	pid_t child = CHILD(pause());
	FAILS(EPERM, syscall(SYS_ptrace, 16, child, 0, 0));
	OK(kill(child, SIGKILL));
	DIES(child, SIGKILL);
}

static void namespaces_and_handles(void)
{
	unsigned handle[4] = {8};

	FAILS(EBADF, syscall(SYS_setns, -1, 0));
	FAILS(EBADF, syscall(SYS_setns, OK(open("/", O_PATH)), 0));
	FAILS(EINVAL, syscall(SYS_setns, OK(open("/", O_RDONLY)), 0));
	FAILS(EINVAL, syscall(SYS_name_to_handle_at, AT_FDCWD, "/", handle, handle, 1));
	FAILS(ENOENT, syscall(SYS_name_to_handle_at, AT_FDCWD, "/absent", handle, handle, 0));
	FAILS(EOPNOTSUPP, syscall(SYS_name_to_handle_at, AT_FDCWD, "/proc/self/status", handle, handle, 0));
	FAILS(EFAULT, syscall(SYS_open_by_handle_at, AT_FDCWD, nowhere, 0));
	handle[0] = 129;
	FAILS(EINVAL, syscall(SYS_open_by_handle_at, AT_FDCWD, handle, 0));
	OK(setresuid(1000, 1000, 1000));
	FAILS(EPERM, syscall(SYS_open_by_handle_at, AT_FDCWD, nowhere, 0));
	FAILS(EPERM, syscall(SYS_vhangup));
}

static void statistics_of_what_has_no_path(void)
{
	struct statfs s;
	int fd = OK((int)syscall(SYS_eventfd2, 0, 0));

	OK(fstatfs(fd, &s));
	EQUAL(s.f_type, 0x09041934);
#ifdef SYS_ustat
	struct stat root;
	char out[32];
	OK(stat("/", &root));
	OK(syscall(SYS_ustat, root.st_dev, out));
	FAILS(EINVAL, syscall(SYS_ustat, 0xfffff, nowhere));
	FAILS(EFAULT, syscall(SYS_ustat, root.st_dev, nowhere));
#endif
}

/* Lines "absent NUMBER NAME: WHY". */
static void absent_calls_say_so(void)
{
	static char text[65536];
	unsigned seen = 0;

	ktap_read_file("/proc/syscalls", text, sizeof(text));
	for (char *line = strstr(text, "\nabsent "); line != nullptr; line = strstr(line + 1, "\nabsent ")) {
		long number = strtol(line + 8, nullptr, 10);

		errno = 0;
		if (syscall(number, -1, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
			ktap_fail(__FILE__, __LINE__, "%.40s: errno %d", line + 1, errno);
		seen++;
	}
	CHECK(seen > 20);
}

KTAP_MAIN(CASE(sockets_cannot_be_made), CASE(no_other_netlink_is_there), CASE(other_files_are_no_sockets),
	  STELLUX_CASE(attributes_are_not_supported), STELLUX_CASE(attributes_of_descriptors),
	  CASE(attributes_and_rights), CASE(nobody_is_traced), STELLUX_CASE(tracing_is_switched_off),
	  CASE(namespaces_and_handles), CASE(statistics_of_what_has_no_path), STELLUX_CASE(absent_calls_say_so))
