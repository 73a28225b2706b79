/* SPDX-License-Identifier: MIT */
/* Structures that grow: shorter than the first version, longer with zeros, with other bytes, beyond what is mapped. */
#include "ktap.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum : size_t { PAGE = 4096, BUFFER = 3 * PAGE };

/* The last `size` bytes before a page that is not there. */
static char *at_edge(size_t size)
{
	char *m = OK(mmap(nullptr, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	OK(munmap(m + BUFFER, PAGE));
	return m + BUFFER - size;
}

/* One call with a structure at `at` of that size. */
typedef long (*call)(void *at, size_t size);

/* `first` and `known` are sizes of the first version and of the whole; `filled` is a valid structure of that. */
static void check_sizes(call call, const void *filled, size_t first, size_t known, int too_short)
{
	char *at = at_edge(BUFFER);

	memcpy(at, filled, known);
	errno = 0;
	CHECK(call(at, first - 1) == -1 && errno == too_short);
	CHECK(call(at, known) >= 0);
	CHECK(call(at, known + 8) >= 0);
	CHECK(call(at, PAGE) >= 0);
	FAILS(E2BIG, call(at, PAGE + 1));
	at[PAGE - 1] = 1;
	FAILS(E2BIG, call(at, PAGE));
	CHECK(call(at, PAGE - 1) >= 0);
	at[known] = 1;
	FAILS(E2BIG, call(at, known + 1));
	char *edge = at_edge(known);
	memcpy(edge, filled, known);
	CHECK(call(edge, known) >= 0);
	FAILS(EFAULT, call(edge, known + 1));
	FAILS(EFAULT, call(edge + 1, known));
}

static long open_it(void *at, size_t size)
{
	long fd = syscall(SYS_openat2, AT_FDCWD, "/", at, size);

	if (fd >= 0)
		close((int)fd);
	return fd;
}

static void openat2_sizes(void)
{
	check_sizes(open_it, (uint64_t[3]){O_RDONLY}, 24, 24, EINVAL);
}

static long clone_it(void *at, size_t size)
{
	long pid = syscall(SYS_clone3, at, size);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		EQUAL(ktap_wait((pid_t)pid), 0);
	return pid;
}

static void clone3_sizes(void)
{
	check_sizes(clone_it, (uint64_t[11]){[4] = SIGCHLD}, 64, 88, EINVAL);
	uint64_t first[8] = {[4] = SIGCHLD};
	CHECK(clone_it(first, sizeof(first)) > 0);
}

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t times[3];
	uint32_t clamps[2];
};

/* The size is in the structure, and the known one is told to who gives another. */
static long set_attr(void *at, size_t size)
{
	struct attr *a = at;

	memcpy(&a->size, &(uint32_t){(uint32_t)size}, sizeof(uint32_t));
	long value = syscall(SYS_sched_setattr, 0, a, 0);
	int error = errno;
	if (value < 0 && error == E2BIG) {
		uint32_t told;
		memcpy(&told, &a->size, sizeof(told));
		EQUAL(told, sizeof(struct attr));
	}
	errno = error;
	return value;
}

static void sched_setattr_sizes(void)
{
	struct attr a = {.nice = 3};

	check_sizes(set_attr, &a, 48, sizeof(a), E2BIG);
	a.size = 0; /* the first version's */
	OK(syscall(SYS_sched_setattr, 0, &a, 0));
	EQUAL(syscall(SYS_getpriority, 0, 0), 17);
	FAILS(EINVAL, syscall(SYS_sched_setattr, 0, nullptr, 0));
	FAILS(EINVAL, syscall(SYS_sched_setattr, 0, &a, 1));
	FAILS(EINVAL, syscall(SYS_sched_setattr, -1, &a, 0));
	FAILS(ESRCH, syscall(SYS_sched_setattr, 99999, &a, 0));
	a.policy = (uint32_t)-1;
	FAILS(EINVAL, syscall(SYS_sched_setattr, 99999, &a, 0));
	a = (struct attr){.policy = SCHED_BATCH, .nice = 4};
	OK(syscall(SYS_sched_setattr, 0, &a, 0));
	EQUAL(syscall(SYS_sched_getscheduler, 0), SCHED_BATCH);
	a.priority = 1;
	FAILS(EINVAL, syscall(SYS_sched_setattr, 0, &a, 0));
	a = (struct attr){.flags = 0x80};
	FAILS(EINVAL, syscall(SYS_sched_setattr, 0, &a, 0));
}

static void sched_getattr_sizes(void)
{
	char big[4096];
	struct attr a = {};

	OK(syscall(SYS_sched_getattr, 0, &a, 48, 0));
	EQUAL(a.size, 48);
	OK(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0));
	EQUAL(a.size, sizeof(a));
	OK(syscall(SYS_sched_getattr, 0, big, sizeof(big), 0));
	FAILS(EINVAL, syscall(SYS_sched_getattr, 0, &a, 47, 0));
	FAILS(EINVAL, syscall(SYS_sched_getattr, 0, big, 4097, 0));
	FAILS(EINVAL, syscall(SYS_sched_getattr, 0, &a, 48, 1));
	FAILS(EINVAL, syscall(SYS_sched_getattr, -1, &a, 48, 0));
	FAILS(ESRCH, syscall(SYS_sched_getattr, 99999, 8, 48, 0));
	FAILS(EFAULT, syscall(SYS_sched_getattr, 0, 8, 48, 0));
}

static long change_mount(void *at, size_t size)
{
	return syscall(SYS_mount_setattr, AT_FDCWD, "/proc", 0, at, size);
}

static void mount_setattr_sizes(void)
{
	check_sizes(change_mount, (uint64_t[4]){}, 32, 32, EINVAL);
	FAILS(EINVAL, syscall(SYS_mount_setattr, AT_FDCWD, "/proc", 1, 0, 0));
	OK(setresuid(1000, 1000, 1000));
	FAILS(EPERM, syscall(SYS_mount_setattr, AT_FDCWD, "/proc", 0, 8, 32));
	FAILS(EINVAL, syscall(SYS_mount_setattr, AT_FDCWD, "/proc", 0, 8, 31));
	FAILS(E2BIG, syscall(SYS_mount_setattr, AT_FDCWD, "/proc", 0, 8, 4097));
}

KTAP_MAIN(CASE(openat2_sizes), CASE(clone3_sizes), CASE(sched_setattr_sizes), CASE(sched_getattr_sizes),
	  CASE(mount_setattr_sizes))
