/* SPDX-License-Identifier: MIT */
/*
 * Memory that is promised, locked, moved and given back: overcommit and its counts, mremap's rarer forms, offsets
 * beyond all files, MADV_REMOVE, mlock and its counts.
 */
#include "ktap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, USER = 4321, DONTUNMAP = 4 };
constexpr size_t HUGE_SIZE = 1ul << 46;

/* The number after `key` at the beginning of a line of the file. */
static long number_in(const char *path, const char *key)
{
	static char text[65536];
	size_t length = strlen(key);

	ktap_read_file(path, text, sizeof(text));
	for (const char *line = text; line != nullptr; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0)
			return atol(line + length);
	}
	ktap_fail(__FILE__, __LINE__, "no %s in %s", key, path);
}

static char *map(size_t size, int prot, int flags)
{
	return mmap(nullptr, size, prot, flags | MAP_ANONYMOUS, -1, 0);
}

static void more_than_all_memory(void)
{
	FAILS(ENOMEM, (long)map(HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	FAILS(ENOMEM, (long)map(HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED));
	char *none = OK(map(HUGE_SIZE, PROT_NONE, MAP_PRIVATE));
	FAILS(ENOMEM, mprotect(none, HUGE_SIZE, PROT_READ | PROT_WRITE));
	OK(mprotect(none + HUGE_SIZE / 2, PAGE, PROT_READ | PROT_WRITE));
	none[HUGE_SIZE / 2] = 1;
	OK(munmap(none, HUGE_SIZE));
	char *read_only = OK(map(HUGE_SIZE, PROT_READ, MAP_PRIVATE));
	FAILS(ENOMEM, mprotect(read_only, HUGE_SIZE, PROT_WRITE));
	OK(munmap(read_only, HUGE_SIZE));
	char *unreserved = OK(map(HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE));
	OK(mprotect(unreserved, HUGE_SIZE, PROT_NONE));
	OK(mprotect(unreserved, HUGE_SIZE, PROT_READ | PROT_WRITE));
	OK(munmap(unreserved, HUGE_SIZE));
	char *grows = OK(map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	FAILS(ENOMEM, (long)mremap(grows, PAGE, HUGE_SIZE, MREMAP_MAYMOVE));
}

static long promised(void)
{
	return number_in("/proc/meminfo", "Committed_AS:");
}

/* Others promise meanwhile, but not 64 MiB. */
static void promises_are_counted(void)
{
	enum : long { SIZE = 256l << 20, NOISE = 65536 };
	long before = promised();

	char *none = OK(map(SIZE, PROT_NONE, MAP_PRIVATE));
	CHECK(labs(promised() - before) < NOISE);
	OK(mprotect(none, SIZE / 2, PROT_READ | PROT_WRITE));
	CHECK(labs(promised() - before - SIZE / 2 / 1024) < NOISE);
	OK(mprotect(none, SIZE / 2, PROT_READ));
	CHECK(labs(promised() - before - SIZE / 2 / 1024) < NOISE);
	EXITS(CHILD(CHECK(labs(promised() - before - SIZE / 1024) < NOISE)), 0);
	OK(munmap(none, SIZE));
	CHECK(labs(promised() - before) < NOISE);
}

static void settings(void)
{
	char text[32];

	ktap_read_file("/proc/sys/vm/overcommit_memory", text, sizeof(text));
	CHECK(strcmp(text, "0\n") == 0);
	ktap_read_file("/proc/sys/vm/overcommit_ratio", text, sizeof(text));
	CHECK(strcmp(text, "50\n") == 0);
	long total = number_in("/proc/meminfo", "MemTotal:"), limit = number_in("/proc/meminfo", "CommitLimit:");
	CHECK(labs(total / 2 - limit) <= PAGE);
	int file = OK(open("/proc/sys/vm/overcommit_memory", O_WRONLY));
	FAILS(EINVAL, write(file, "3", 1));
}

static void set(const char *name, long value)
{
	char path[64], text[24];

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
	snprintf(text, sizeof(text), "%ld", value);
	ktap_write_file(path, text);
}

/* Mode 1: whatever is asked for is promised. */
static void try_always(void)
{
	set("overcommit_memory", 1);
	char *huge = OK(map(HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	huge[HUGE_SIZE / 2] = 1;
	EXITS(CHILD(CHECK(huge[HUGE_SIZE / 2] == 1)), 0);
	OK(munmap(huge, HUGE_SIZE));
	char *none = OK(map(HUGE_SIZE, PROT_NONE, MAP_PRIVATE));
	OK(mprotect(none, HUGE_SIZE, PROT_READ | PROT_WRITE));
	OK(munmap(none, HUGE_SIZE));
}

/* Mode 2: no more than the limit in sum, however it comes to be writable. What others may promise meanwhile is small.
 */
static void try_never(void)
{
	enum : long { ROOM = 64l << 20, SMALL = 16l << 20, LARGE = 128l << 20 };

	set("overcommit_kbytes", promised() + ROOM / 1024);
	set("overcommit_memory", 2);
	CHECK(labs(number_in("/proc/meminfo", "CommitLimit:") - promised() - ROOM / 1024) < SMALL / 1024);
	char *small = OK(map(SMALL, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	FAILS(ENOMEM, (long)map(LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	FAILS(ENOMEM, (long)map(LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE));
	FAILS(ENOMEM, (long)mremap(small, SMALL, LARGE, MREMAP_MAYMOVE));
	long end = syscall(SYS_brk, 0);
	EQUAL(syscall(SYS_brk, end + LARGE), end);
	char *none = OK(map(LARGE, PROT_NONE, MAP_PRIVATE));
	FAILS(ENOMEM, mprotect(none, LARGE, PROT_READ | PROT_WRITE));
	OK(mprotect(none, 2l * SMALL, PROT_READ | PROT_WRITE));
	/* A child would need as much again. */
	FAILS(ENOMEM, fork());
	OK(munmap(none, LARGE));
	OK(munmap(small, SMALL));
}

/* The settings are put back whatever comes of it. */
static void the_other_modes(void)
{
	pid_t child = CHILD(try_always(););
	int always, never;

	OK(waitpid(child, &always, 0));
	set("overcommit_memory", 0);
	child = CHILD(try_never(););
	OK(waitpid(child, &never, 0));
	set("overcommit_memory", 0);
	set("overcommit_ratio", 50);
	EQUAL(always, 0);
	EQUAL(never, 0);
	EQUAL(number_in("/proc/sys/vm/overcommit_kbytes", ""), 0);
	/* One of the two is in force. */
	set("overcommit_kbytes", 1000);
	EQUAL(number_in("/proc/sys/vm/overcommit_ratio", ""), 0);
	set("overcommit_ratio", 50);
}

static void remap_of_nothing(void)
{
	char *shared = OK(map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED));
	char *own = OK(map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));

	shared[PAGE] = 7;
	char *again = OK(mremap(shared + PAGE, 0, PAGE, MREMAP_MAYMOVE));
	EQUAL(*again, 7);
	*again = 8;
	EQUAL(shared[PAGE], 8);
	FAILS(ENOMEM, (long)mremap(shared, 0, PAGE, 0));
	FAILS(EINVAL, (long)mremap(own, 0, PAGE, MREMAP_MAYMOVE));
	FAILS(EINVAL, (long)mremap(own, PAGE, 0, MREMAP_MAYMOVE));
}

static void remap_that_leaves(void)
{
	char *old = OK(map(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));

	memset(old, 5, 3 * PAGE);
	FAILS(EINVAL, (long)mremap(old, PAGE, PAGE, DONTUNMAP, 0));
	FAILS(EINVAL, (long)mremap(old, PAGE, 2 * PAGE, MREMAP_MAYMOVE | DONTUNMAP, 0));
	char *new = OK(mremap(old + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | DONTUNMAP, 0));
	CHECK(new != old + PAGE);
	EQUAL(new[9], 5);
	EQUAL(old[0], 5);
	EQUAL(old[PAGE + 9], 0);
	EQUAL(old[2 * PAGE], 5);
	old[PAGE] = 6;
	EQUAL(new[0], 5);
	char *fixed = OK(mremap(old + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | DONTUNMAP, new));
	CHECK(fixed == new);
	EQUAL(new[0], 5);
	EQUAL(old[2 * PAGE], 0);
	/* Of shared memory both show the same. */
	char *shared = OK(map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED));
	*shared = 3;
	char *other = OK(mremap(shared, PAGE, PAGE, MREMAP_MAYMOVE | DONTUNMAP, 0));
	EQUAL(*other, 3);
	EQUAL(*shared, 3);
}

static void remap_errors(void)
{
	char *at = OK(map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));

	FAILS(EINVAL, (long)mremap(at + 1, PAGE, PAGE, MREMAP_MAYMOVE));
	FAILS(EINVAL, (long)mremap(at, PAGE, PAGE, MREMAP_FIXED, at + 2 * PAGE));
	FAILS(EINVAL, (long)mremap(at, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, at + 1));
	FAILS(EINVAL, (long)mremap(at, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, at + PAGE));
	FAILS(EINVAL, (long)mremap(at, PAGE, PAGE, 64));
	FAILS(EFAULT, (long)mremap(at, 5 * PAGE + HUGE_SIZE, 6 * PAGE + HUGE_SIZE, MREMAP_MAYMOVE));
	OK(munmap(at + PAGE, PAGE));
	FAILS(EFAULT, (long)mremap(at, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE));
	FAILS(EFAULT, (long)mremap(at + PAGE, PAGE, PAGE, MREMAP_MAYMOVE));
}

static void offsets_beyond_files(void)
{
	int file = OK(memfd_create("far", 0));

	FAILS(EOVERFLOW, (long)mmap(nullptr, PAGE, PROT_READ, MAP_SHARED, file, 0x7ffffffffffff000));
	FAILS(EOVERFLOW, (long)mmap(nullptr, PAGE, PROT_READ, MAP_PRIVATE, file, (off_t)0xfffffffffffff000));
	char *last = OK(mmap(nullptr, PAGE, PROT_READ, MAP_SHARED, file, 0x7fffffffffffe000));
	OK(munmap(last, PAGE));
}

static void removed_pages(void)
{
	int file = OK(memfd_create("holes", 0));
	OK(ftruncate(file, 4 * PAGE));
	char *one = OK(mmap(nullptr, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
	char path[32], byte;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	char *two = OK(mmap(nullptr, 4 * PAGE, PROT_READ, MAP_SHARED, OK(open(path, O_RDONLY)), 0));
	char *own = OK(mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
	char *anonymous = OK(map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));

	memset(one, 4, 4 * PAGE);
	EQUAL(two[PAGE], 4);
	OK(madvise(one + PAGE, 2 * PAGE, MADV_REMOVE));
	EQUAL(one[0], 4);
	EQUAL(one[PAGE], 0);
	EQUAL(two[2 * PAGE], 0);
	EQUAL(two[3 * PAGE], 4);
	EQUAL(pread(file, &byte, 1, PAGE), 1);
	EQUAL(byte, 0);
	FAILS(EACCES, madvise(two, PAGE, MADV_REMOVE));
	FAILS(EACCES, madvise(own, PAGE, MADV_REMOVE));
	FAILS(EINVAL, madvise(anonymous, PAGE, MADV_REMOVE));
	FAILS(EINVAL, madvise(one + 1, PAGE, MADV_REMOVE));
	OK(mlock(one, PAGE));
	FAILS(EINVAL, madvise(one, PAGE, MADV_REMOVE));
	OK(madvise(one, 0, MADV_REMOVE));
	char *shared = OK(map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED));
	shared[PAGE] = 1;
	OK(madvise(shared, 2 * PAGE, MADV_REMOVE));
	EQUAL(shared[PAGE], 0);
	OK(munmap(shared, PAGE));
	FAILS(ENOMEM, madvise(shared, 2 * PAGE, MADV_REMOVE));
}

static long locked(void)
{
	return number_in("/proc/self/status", "VmLck:");
}

static void locks_are_counted(void)
{
	char *at = OK(map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));

	EQUAL(locked(), 0);
	OK(mlock(at + PAGE + 5, PAGE));
	EQUAL(locked(), 8);
	OK(mlock(at, 4 * PAGE));
	EQUAL(locked(), 16);
	if (ktap_on_stellux()) { /* Linux counts when it comes to it */
		CHECK(number_in("/proc/meminfo", "Mlocked:") >= 16);
		CHECK(number_in("/proc/meminfo", "Unevictable:") >= 16);
	}
	FAILS(EINVAL, madvise(at, PAGE, MADV_DONTNEED));
	OK(munlock(at, PAGE));
	EQUAL(locked(), 12);
	OK(syscall(SYS_mlock2, at + 4 * PAGE, 4 * PAGE, MLOCK_ONFAULT));
	EQUAL(locked(), 28);
	unsigned char there[8];
	OK(mincore(at, 8 * PAGE, there));
	EQUAL(there[1] & 1, 1);
	EQUAL(there[5] & 1, 0);
	EXITS(CHILD(EQUAL(locked(), 0)), 0);
	OK(munmap(at, 8 * PAGE));
	EQUAL(locked(), 0);
	OK(mlockall(MCL_FUTURE | MCL_ONFAULT));
	at = OK(map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	EQUAL(locked(), 8);
	OK(munlockall());
	EQUAL(locked(), 0);
	FAILS(EINVAL, mlockall(MCL_ONFAULT));
	FAILS(EINVAL, mlockall(0));
	FAILS(EINVAL, syscall(SYS_mlock2, at, PAGE, 2));
}

static void locks_are_limited(void)
{
	char *at = OK(map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	char *hole = OK(map(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));

	OK(munmap(hole + PAGE, PAGE));
	FAILS(ENOMEM, mlock(hole, 3 * PAGE));
	OK(munlockall());
	FAILS(ENOMEM, munlock(hole, 3 * PAGE));
	char *none = OK(map(PAGE, PROT_NONE, MAP_PRIVATE));
	FAILS(ENOMEM, mlock(none, PAGE));
	OK(munmap(none, PAGE));
	OK(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){4 * PAGE, 4 * PAGE}));
	OK(setuid(USER));
	OK(mlock(at, 4 * PAGE));
	OK(mlock(at + PAGE, 3 * PAGE)); /* locked already: no more */
	FAILS(ENOMEM, mlock(at + 4 * PAGE, PAGE));
	FAILS(EAGAIN, (long)map(PAGE, PROT_READ, MAP_PRIVATE | MAP_LOCKED));
	FAILS(ENOMEM, mlockall(MCL_CURRENT));
	OK(munlock(at, 4 * PAGE));
	OK(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}));
	FAILS(EPERM, mlock(at, PAGE));
	FAILS(EPERM, mlock(at, 0));
	FAILS(EPERM, mlockall(MCL_CURRENT));
	/* The library makes ENOMEM of it. */
	FAILS(EPERM, syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
}

/* What one call makes writable counts in sum, in however many pieces it lies. */
static void limits_of_a_whole_call(void)
{
	constexpr size_t half = 64 * PAGE;
	char *at = OK(map(2 * half, PROT_NONE, MAP_PRIVATE));

	OK(madvise(at, half, MADV_DONTFORK));
	rlim_t most = (rlim_t)number_in("/proc/self/status", "VmData:") * 1024 + half + half / 2;
	OK(setrlimit(RLIMIT_DATA, &(struct rlimit){most, most}));
	FAILS(ENOMEM, mprotect(at, 2 * half, PROT_READ | PROT_WRITE));
	OK(mprotect(at, half, PROT_READ | PROT_WRITE));
	FAILS(ENOMEM, mprotect(at + half, half, PROT_READ | PROT_WRITE));
}

/* Where the second mapping is to be the first one goes first, and what is gone is not mapped again. */
static void remap_of_nothing_over_itself(void)
{
	constexpr int both = MREMAP_MAYMOVE | MREMAP_FIXED;
	int fd = OK((int)syscall(SYS_memfd_create, "sealed later", 2 /* MFD_ALLOW_SEALING */));
	OK(ftruncate(fd, 4 * PAGE));
	char *at = OK(mmap(nullptr, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	OK(mmap(at, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0));
	at[PAGE] = 1;
	CHECK(mremap(at + PAGE, 0, PAGE, both, at) == at);
	EQUAL(at[0], 1);
	CHECK(mremap(at + PAGE, 0, 2 * PAGE, both, at + 2 * PAGE) == at + 2 * PAGE);
	EQUAL(at[2 * PAGE], 1);
	FAILS(EFAULT, mremap(at + PAGE, 0, PAGE, both, at + PAGE));
	FAILS(EFAULT, mremap(at, 0, 4 * PAGE, both, at));
	/* Nothing can write to it any more. */
	OK(fcntl(fd, 1033 /* F_ADD_SEALS */, 8 /* F_SEAL_WRITE */));
	munmap(at, 8 * PAGE);
	close(fd);
}

/* Once, however many map it, and until the last one does not. */
static void shared_promises_are_counted(void)
{
	enum { MIB = 1 << 20, SIZE = 64 * MIB, KIB = SIZE / 1024 };
	int ends[2];
	char c;

	OK(pipe(ends));
	long before = number_in("/proc/meminfo", "Committed_AS:");
	char *shared = OK(map(SIZE, PROT_READ | PROT_WRITE, MAP_SHARED));
	long counted = number_in("/proc/meminfo", "Committed_AS:") - before;
	/* Others promise and give back a little meanwhile. */
	CHECK(counted > KIB / 2 && counted < KIB * 3 / 2);
	char *unreserved = OK(map(SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE));
	OK(munmap(unreserved, SIZE));
	pid_t child = CHILD({
		close(ends[1]);
		(void)!read(ends[0], &c, 1);
	});
	counted = number_in("/proc/meminfo", "Committed_AS:") - before;
	CHECK(counted > KIB / 2 && counted < KIB * 3 / 2);
	OK(munmap(shared, SIZE));
	counted = number_in("/proc/meminfo", "Committed_AS:") - before;
	CHECK(counted > KIB / 2);
	close(ends[1]);
	EXITS(child, 0);
	while (number_in("/proc/meminfo", "Committed_AS:") - before > KIB / 2)
		usleep(2000);
}

KTAP_MAIN(CASE(more_than_all_memory), CASE(promises_are_counted), CASE(shared_promises_are_counted), CASE(settings),
	  CASE(the_other_modes), CASE(remap_of_nothing), CASE(remap_of_nothing_over_itself), CASE(remap_that_leaves),
	  CASE(remap_errors), CASE(offsets_beyond_files), CASE(removed_pages), CASE(locks_are_counted),
	  CASE(locks_are_limited), CASE(limits_of_a_whole_call))
