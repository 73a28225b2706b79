/* SPDX-License-Identifier: MIT */
/*
 * What is refused: to a user what is root's or another's, to everybody what a file was opened, mounted or sealed
 * against. Each is also tried where it is allowed, so that a refusal means something.
 */
#include "ktap.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { USER = 1000, PAGE = 4096, ADD_SEALS = 1033, SEAL = 1, SEAL_SHRINK = 2, SEAL_GROW = 4, SEAL_WRITE = 8 };

/* From here on an ordinary user, in a folder of his own. */
static void become_user(void)
{
	ktap_enter_dir();
	OK(mkdir("own", 0700));
	OK(chown("own", USER, USER));
	OK(chmod(".", 0755));
	OK(setgroups(0, nullptr));
	OK(setresgid(USER, USER, USER));
	OK(setresuid(USER, USER, USER));
	OK(chdir("own"));
}

static void mounts_are_roots(void)
{
	ktap_enter_dir();
	OK(chmod(".", 0755));
	OK(mkdir("at", 0777));
	OK(mount("none", "at", "tmpfs", 0, nullptr));
	EXITS(CHILD({
		      OK(setresuid(USER, USER, USER));
		      FAILS(EPERM, umount2("at", 0));
		      FAILS(EPERM, mount("none", "at", "tmpfs", 0, nullptr));
		      FAILS(EPERM, mount(nullptr, "at", nullptr, MS_REMOUNT | MS_RDONLY, nullptr));
		      FAILS(EPERM, mount("/", "at", nullptr, MS_BIND, nullptr));
		      FAILS(EPERM, syscall(SYS_pivot_root, "at", "at"));
	      }),
	      0);
	OK(umount2("at", 0));
}

static void files_are_not_given_away(void)
{
	become_user();
	int fd = OK(open("f", O_RDWR | O_CREAT, 0644));
	FAILS(EPERM, chown("f", 0, -1));
	FAILS(EPERM, fchown(fd, USER + 1, -1));
	FAILS(EPERM, chown("f", -1, USER + 1));
	OK(chown("f", USER, USER));
	FAILS(EPERM, chown("/etc/passwd", USER, -1));
}

static void signals_to_others(void)
{
	pid_t root = getpid();

	EXITS(CHILD({
		      become_user();
		      FAILS(EPERM, kill(root, SIGTERM));
		      FAILS(EPERM, syscall(SYS_tgkill, root, root, SIGTERM));
		      FAILS(EPERM, syscall(SYS_tkill, root, SIGTERM));
		      FAILS(EPERM, syscall(SYS_tgkill, root, root, 0));
		      OK(syscall(SYS_tgkill, getpid(), getpid(), 0));
	      }),
	      0);
}

static void limits_only_fall(void)
{
	pid_t root = getpid();

	EXITS(CHILD({
		      struct rlimit limit;

		      become_user();
		      OK(getrlimit(RLIMIT_NOFILE, &limit));
		      OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, 128}));
		      OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){128, 128}));
		      FAILS(EPERM, setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, 129}));
		      FAILS(EPERM, prlimit(root, RLIMIT_NOFILE, nullptr, &limit));
		      FAILS(EPERM, prlimit(root, RLIMIT_NOFILE, &(struct rlimit){64, 64}, nullptr));
	      }),
	      0);
}

static void locked_memory_is_bounded(void)
{
	become_user();
	OK(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){2 * PAGE, 2 * PAGE}));
	FAILS(EAGAIN,
	      (long)mmap(nullptr, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
	char *one = mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	CHECK(one != MAP_FAILED);
	OK(munmap(one, PAGE));
}

struct caps {
	uint32_t version;
	int pid;
};

static void capabilities_go_and_stay_away(void)
{
	struct caps header = {0x20080522, 0};
	uint32_t sets[6];

	become_user();
	OK(syscall(SYS_capget, &header, sets));
	EQUAL(sets[0] | sets[1] | sets[3] | sets[4], 0);
	sets[0] = sets[1] = 1;
	FAILS(EPERM, syscall(SYS_capset, &header, sets));
	sets[0] = 0;
	FAILS(EPERM, syscall(SYS_capset, &header, sets));
}

static void maps_keep_to_how_the_file_was_opened(void)
{
	ktap_enter_dir();
	int fd = OK(open("f", O_RDWR | O_CREAT, 0644));
	OK(ftruncate(fd, PAGE));
	int reader = OK(open("f", O_RDONLY));
	char *at = mmap(nullptr, PAGE, PROT_READ, MAP_SHARED, reader, 0);
	CHECK(at != MAP_FAILED);
	FAILS(EACCES, mprotect(at, PAGE, PROT_READ | PROT_WRITE));
	FAILS(EACCES, (long)mmap(nullptr, PAGE, PROT_WRITE, MAP_SHARED, reader, 0));
	char *copy = mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE, reader, 0);
	CHECK(copy != MAP_FAILED);
	OK(mprotect(copy, PAGE, PROT_READ | PROT_WRITE));
}

static void nothing_of_a_noexec_mount_is_mapped_executable(void)
{
	ktap_enter_dir();
	OK(mkdir("at", 0755));
	for (unsigned long noexec = 0; noexec < 2; noexec++) {
		OK(mount("none", "at", "tmpfs", noexec ? MS_NOEXEC : 0, nullptr));
		int fd = OK(open("at/f", O_RDWR | O_CREAT, 0755));
		OK(ftruncate(fd, PAGE));
		void *map = mmap(nullptr, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
		EQUAL(map == MAP_FAILED ? errno : 0, noexec ? EPERM : 0);
		if (map != MAP_FAILED)
			OK(munmap(map, PAGE));
		OK(close(fd));
		OK(umount2("at", 0));
	}
}

static int sealed(int seals)
{
	int fd = (int)OK(syscall(SYS_memfd_create, "sealed", 2));

	OK(ftruncate(fd, 2 * PAGE));
	OK(fcntl(fd, ADD_SEALS, seals));
	return fd;
}

static void seals_hold(void)
{
	int fd = sealed(SEAL_SHRINK);

	FAILS(EPERM, ftruncate(fd, PAGE));
	OK(ftruncate(fd, 3 * PAGE));
	fd = sealed(SEAL_GROW);
	FAILS(EPERM, ftruncate(fd, 3 * PAGE));
	FAILS(EPERM, pwrite(fd, "x", 1, 2 * PAGE));
	OK(ftruncate(fd, PAGE));
	fd = sealed(SEAL_WRITE);
	FAILS(EPERM, pwrite(fd, "x", 1, 0));
	FAILS(EPERM, (long)mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	fd = sealed(SEAL);
	FAILS(EPERM, fcntl(fd, ADD_SEALS, SEAL_WRITE));
	EQUAL(pwrite(fd, "x", 1, 0), 1);
}

/* As a whole, however little of it would be used. */
static void vectors_beyond_the_process(void)
{
	int ends[2];
	char c = 'c';
	struct iovec v[2] = {{&c, 1}, {(void *)(UINT64_MAX - PAGE), 1}};

	OK(pipe2(ends, O_NONBLOCK));
	FAILS(EFAULT, writev(ends[1], v, 2));
	FAILS(EAGAIN, read(ends[0], &c, 1));
	EQUAL(writev(ends[1], v, 1), 1);
}

static unsigned long kernel_objects(void)
{
	static char text[8192];
	unsigned long all = 0, one;

	ktap_read_file("/proc/components", text, sizeof(text));
	for (char *line = strtok(text, "\n"); line != nullptr; line = strtok(nullptr, "\n"))
		if (sscanf(line, "%*s %*u %*s %*s %*u %*u %*u %lu", &one) == 1)
			all += one;
	return all;
}

/* What was opened before there was no descriptor for it is closed again. */
static void a_failed_open_leaves_nothing(void)
{
	ktap_enter_dir();
	OK(close(OK(open("f", O_RDWR | O_CREAT, 0644))));
	unsigned long before = kernel_objects();
	struct rlimit limit;
	OK(getrlimit(RLIMIT_NOFILE, &limit));
	OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max}));
	for (int i = 0; i < 500; i++)
		FAILS(EMFILE, open("f", O_RDONLY));
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK(kernel_objects() < before + 100);
}

KTAP_MAIN(CASE(mounts_are_roots), CASE(files_are_not_given_away), CASE(signals_to_others), CASE(limits_only_fall),
	  CASE(locked_memory_is_bounded), CASE(capabilities_go_and_stay_away),
	  CASE(maps_keep_to_how_the_file_was_opened), CASE(nothing_of_a_noexec_mount_is_mapped_executable),
	  CASE(seals_hold), CASE(vectors_beyond_the_process), STELLUX_CASE(a_failed_open_leaves_nothing))
