/* SPDX-License-Identifier: MIT */
/*
 * Past the cache of a disk (test/devices/block_test.py gives it) into and out of every kind of memory that a process
 * has: what the device is lent, and what is only copied to. Runs behind alone_block and writes below its places.
 */
#include "ktap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECTORS = 16389, SECTOR = 512, KIB = SECTORS / 2, PAGE = 4096, MIB = 1 << 20 };
constexpr off_t AT = MIB, ELSEWHERE = 3 << 20;

static int open_disk(int flags)
{
	char line[128], name[32], path[64] = "";
	unsigned long long blocks;
	FILE *f = fopen("/proc/partitions", "re");

	CHECK(f != nullptr);
	while (fgets(line, sizeof(line), f) != nullptr)
		if (sscanf(line, "%*u %*u %llu %31s", &blocks, name) == 2 && blocks == KIB)
			snprintf(path, sizeof(path), "/dev/%s", name);
	fclose(f);
	return OK(open(path, flags | O_CLOEXEC));
}

static unsigned char *map(size_t n, int prot, int flags, int fd, off_t at)
{
	void *p = mmap(nullptr, n, prot, flags, fd, at);

	CHECK(p != MAP_FAILED);
	return p;
}

static unsigned char *fresh(size_t n)
{
	return map(n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* What tells places of the disk apart here. */
static unsigned char mark(size_t n, unsigned turn)
{
	return (unsigned char)(n * 11 + n / SECTOR * 5 + turn * 101 + 1);
}

static void fill(unsigned char *bytes, size_t n, unsigned turn)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = mark(i, turn);
}

static void expect(const unsigned char *bytes, size_t from, size_t n, unsigned turn)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != mark(from + i, turn))
			ktap_fail(__FILE__, __LINE__, "byte %zu is %u, not %u", from + i, bytes[i],
				  mark(from + i, turn));
}

/* A file of the same bytes as the disk has at AT. */
static int file_of(size_t n)
{
	int fd = OK(open("/direct", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	OK(ftruncate(fd, (off_t)n));
	return fd;
}

/* The first bytes of the disk at AT are those of the turn. */
static int begin(size_t n, unsigned turn)
{
	unsigned char *bytes = fresh(n);
	int past = open_disk(O_RDWR | O_DIRECT);

	fill(bytes, n, turn);
	CHECK(pwrite(past, bytes, n, AT) == (ssize_t)n);
	OK(munmap(bytes, n));
	return past;
}

/* More than the device is lent at a time, at addresses in the middle of a page, into memory that nobody touched. */
static void much(void)
{
	constexpr size_t n = 3 * MIB / 2;
	int past = begin(n, 1), fd = open_disk(O_RDONLY);

	for (size_t skip = 0; skip < PAGE; skip += 3 * SECTOR) {
		unsigned char *bytes = fresh(n + PAGE);

		CHECK(pread(past, bytes + skip, n, AT) == (ssize_t)n);
		expect(bytes + skip, 0, n, 1);
		for (size_t i = 0; i < skip; i++)
			CHECK(bytes[i] == 0);
		for (size_t i = skip + n; i < n + PAGE; i++)
			CHECK(bytes[i] == 0);
		fill(bytes + skip, n, 2 + (unsigned)skip);
		CHECK(pwrite(past, bytes + skip, n, AT) == (ssize_t)n);
		memset(bytes, 0, n + PAGE);
		CHECK(pread(fd, bytes, n, AT) == (ssize_t)n);
		expect(bytes, 0, n, 2 + (unsigned)skip);
		fill(bytes, n, 1);
		CHECK(pwrite(past, bytes, n, AT) == (ssize_t)n);
		OK(munmap(bytes, n + PAGE));
	}
}

/* What a child has of its parent's memory stays as it was. */
static void after_fork(void)
{
	int past = begin(4 * PAGE, 3), go[2];
	unsigned char *bytes = fresh(4 * PAGE);
	char c;

	fill(bytes, 4 * PAGE, 4);
	OK(pipe(go));
	pid_t child = CHILD(CHECK(read(go[0], &c, 1) == 1); expect(bytes, 0, 4 * PAGE, 4));
	CHECK(pread(past, bytes, 4 * PAGE, AT) == 4 * PAGE);
	expect(bytes, 0, 4 * PAGE, 3);
	CHECK(write(go[1], "x", 1) == 1);
	EXITS(child, 0);
	expect(bytes, 0, 4 * PAGE, 3);
}

static void shared_memory(void)
{
	int past = begin(4 * PAGE, 5), fd = file_of(4 * PAGE);
	unsigned char *anonymous = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned char *file = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned char *private = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), *back = fresh(4 * PAGE);

	EXITS(CHILD(CHECK(pread(past, anonymous, 4 * PAGE, AT) == 4 * PAGE)), 0);
	expect(anonymous, 0, 4 * PAGE, 5);
	CHECK(pread(past, private, 4 * PAGE, AT) == 4 * PAGE);
	expect(private, 0, 4 * PAGE, 5);
	CHECK(pread(fd, back, 4 * PAGE, 0) == 4 * PAGE);
	for (size_t n = 0; n < 4 * PAGE; n++)
		CHECK(back[n] == 0);
	CHECK(pread(past, file, 4 * PAGE, AT) == 4 * PAGE);
	CHECK(pread(fd, back, 4 * PAGE, 0) == 4 * PAGE);
	expect(back, 0, 4 * PAGE, 5);
	/* And out of it, at once with what only the file has. */
	fill(file, 4 * PAGE, 6);
	CHECK(pwrite(past, file, 4 * PAGE, AT) == 4 * PAGE);
	CHECK(pread(past, back, 4 * PAGE, AT) == 4 * PAGE);
	expect(back, 0, 4 * PAGE, 6);
	OK(unlink("/direct"));
}

/* A map of the disk itself is changed by what is read into it, and that gets to the disk. */
static void map_of_the_disk(void)
{
	int past = begin(4 * PAGE, 7), fd = open_disk(O_RDWR);
	unsigned char *there = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, ELSEWHERE),
		      *back = fresh(4 * PAGE);

	memset(there, 1, 4 * PAGE);
	OK(fsync(fd));
	CHECK(pread(past, there, 4 * PAGE, AT) == 4 * PAGE);
	OK(fsync(fd));
	CHECK(pread(past, back, 4 * PAGE, ELSEWHERE) == 4 * PAGE);
	expect(back, 0, 4 * PAGE, 7);
	/* Out of it, and into what it shows. */
	fill(there, 4 * PAGE, 8);
	CHECK(pwrite(past, there, 2 * PAGE, ELSEWHERE + 2 * PAGE) == 2 * PAGE);
	expect(there, 0, 2 * PAGE, 8);
	expect(there + 2 * PAGE, 0, 2 * PAGE, 8);
	CHECK(pread(past, back, 4 * PAGE, ELSEWHERE) == 4 * PAGE);
	expect(back, 0, 2 * PAGE, 8);
	expect(back + 2 * PAGE, 0, 2 * PAGE, 8);
}

static void what_cannot_be_written(void)
{
	int past = begin(8 * PAGE, 9);
	unsigned char *bytes = fresh(8 * PAGE), *back = fresh(8 * PAGE);

	/* As far as there is memory. */
	OK(mprotect(bytes + 3 * PAGE, PAGE, PROT_READ));
	CHECK(pread(past, bytes, 8 * PAGE, AT) == 3 * PAGE);
	expect(bytes, 0, 3 * PAGE, 9);
	FAILS(EFAULT, pread(past, bytes + 3 * PAGE, PAGE, AT));
	for (size_t n = 3 * PAGE; n < 8 * PAGE; n++)
		CHECK(bytes[n] == 0);
	/* What may be read is written, what nobody touched as zeros. */
	CHECK(pwrite(past, bytes + 2 * PAGE, 3 * PAGE, AT) == 3 * PAGE);
	CHECK(pread(past, back, 8 * PAGE, AT) == 8 * PAGE);
	expect(back, 2 * PAGE, PAGE, 9);
	for (size_t n = PAGE; n < 3 * PAGE; n++)
		CHECK(back[n] == 0);
	expect(back + 3 * PAGE, 3 * PAGE, 5 * PAGE, 9);
	OK(mprotect(bytes + 3 * PAGE, PAGE, PROT_NONE));
	FAILS(EFAULT, pwrite(past, bytes + 3 * PAGE, PAGE, AT));
	OK(munmap(bytes + 5 * PAGE, PAGE));
	CHECK(pwrite(past, bytes + 4 * PAGE, 4 * PAGE, AT) == PAGE);
	FAILS(EFAULT, pwrite(past, bytes + 5 * PAGE, PAGE, AT));
}

/* Buffers that do not follow each other. */
static void vectors(void)
{
	int past = begin(8 * PAGE, 10);
	unsigned char *a = fresh(2 * PAGE), *b = fresh(2 * PAGE), *c = fresh(4 * PAGE);
	struct iovec v[] = {
		{a + SECTOR, 3 * SECTOR}, {b, 2 * PAGE}, {c, 0}, {c + PAGE - SECTOR, 2 * SECTOR}, {c + 2 * PAGE, PAGE}};
	constexpr size_t all = 5 * SECTOR + 3 * PAGE;

	CHECK(preadv(past, v, 5, AT) == (ssize_t)all);
	expect(a + SECTOR, 0, 3 * SECTOR, 10);
	expect(b, 3 * SECTOR, 2 * PAGE, 10);
	expect(c + PAGE - SECTOR, 3 * SECTOR + 2 * PAGE, 2 * SECTOR, 10);
	expect(c + 2 * PAGE, 5 * SECTOR + 2 * PAGE, PAGE, 10);
	CHECK(a[0] == 0 && a[4 * SECTOR] == 0 && c[PAGE - SECTOR - 1] == 0 && c[PAGE + SECTOR] == 0);
	CHECK(pwritev(past, v, 5, AT + SECTOR) == (ssize_t)all);
	CHECK(pread(past, c, 4 * PAGE, AT) == 4 * PAGE);
	expect(c, 0, SECTOR, 10);
	expect(c + SECTOR, 0, all, 10);
}

KTAP_MAIN(CASE(much), CASE(after_fork), CASE(shared_memory), CASE(map_of_the_disk), CASE(what_cannot_be_written),
	  CASE(vectors))
