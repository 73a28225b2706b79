/* SPDX-License-Identifier: MIT */
/*
 * fallocate(2) around the end of a file: a hole there takes nothing of what stands before it, and gives back what was
 * allocated in advance.
 */
#include "ktap.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, BYTES = PAGE + 100, ZERO_RANGE = 0x10 /* FALLOC_FL_ZERO_RANGE */ };

static char content[BYTES], seen[2 * PAGE];

static int make_file(void)
{
	int fd = OK(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));

	memset(content, 'x', sizeof(content));
	EQUAL(write(fd, content, BYTES), BYTES);
	return fd;
}

static void expect_whole(int fd)
{
	EQUAL(pread(fd, seen, sizeof(seen), 0), BYTES);
	CHECK(memcmp(seen, content, BYTES) == 0);
}

/* Zeros by a hole, or, where the filesystem can, as a range that stays allocated. */
static void spare_what_is_before(int mode)
{
	static const off_t starts[] = {BYTES,	      BYTES + 1,   PAGE + 2000, 2 * PAGE - 1, 2 * PAGE,
				       2 * PAGE + 50, 100L * PAGE, 1L << 40,	LONG_MAX - 1};
	static const off_t lengths[] = {1, 50, PAGE - 1, PAGE, PAGE + 1, 10 * PAGE};
	int fd = make_file();

	for (size_t s = 0; s < sizeof(starts) / sizeof(*starts); s++) {
		for (size_t n = 0; n < sizeof(lengths) / sizeof(*lengths); n++) {
			if (lengths[n] > LONG_MAX - starts[s] || (mode & ZERO_RANGE && starts[s] > 1L << 30))
				continue;
			if (fallocate(fd, mode, starts[s], lengths[n]) != 0)
				CHECK(errno == EOPNOTSUPP && (mode & ZERO_RANGE));
			expect_whole(fd);
		}
	}
	close(fd);
}

static void a_hole_beyond_the_end(void)
{
	ktap_enter_dir();
	spare_what_is_before(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

static void zeros_beyond_the_end(void)
{
	ktap_enter_dir();
	spare_what_is_before(ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
}

static void a_hole_across_the_end(void)
{
	ktap_enter_dir();
	int fd = make_file();

	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE + 60, 3 * PAGE));
	memset(content + PAGE + 60, 0, BYTES - PAGE - 60);
	expect_whole(fd);
	close(fd);
}

static void what_was_allocated_in_advance_is_given_back(void)
{
	struct stat before, allocated, after;

	ktap_enter_dir();
	int fd = make_file();
	OK(fstat(fd, &before));
	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8 * PAGE));
	OK(fstat(fd, &allocated));
	EQUAL(allocated.st_blocks, 8 * PAGE / 512);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE, 6 * PAGE));
	OK(fstat(fd, &after));
	EQUAL(after.st_blocks, before.st_blocks);
	EQUAL(after.st_size, BYTES);
	expect_whole(fd);
	close(fd);
}

KTAP_MAIN(CASE(a_hole_beyond_the_end), CASE(zeros_beyond_the_end), CASE(a_hole_across_the_end),
	  CASE(what_was_allocated_in_advance_is_given_back))
