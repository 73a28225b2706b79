/* SPDX-License-Identifier: MIT */
/*
 * A disk as programs see it (test/devices/block_test.py gives it): nodes, sizes, bytes at any place through the cache
 * and past it, maps, partitions that come and go, what is refused. The host has written a pattern to it that tells
 * places apart, and looks at the end for what the last case leaves.
 */
#include "ktap.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the C library has no header for (linux/fs.h, linux/hdreg.h, linux/blkpg.h). */
enum : unsigned long {
	HDIO_GETGEO = 0x301,
	BLKPG = 0x1269,
	BLKDISCARD = 0x1277,
	BLKIOMIN = 0x1278,
	BLKIOOPT = 0x1279,
	BLKALIGNOFF = 0x127a,
	BLKPBSZGET = 0x127b,
	BLKDISCARDZEROES = 0x127c,
	BLKROTATIONAL = 0x127e,
	BLKZEROOUT = 0x127f,
};
struct hd_geometry {
	unsigned char heads, sectors;
	unsigned short cylinders;
	unsigned long start;
};
enum { BLKPG_ADD_PARTITION = 1, BLKPG_DEL_PARTITION = 2 };
struct blkpg_ioctl_arg {
	int op, flags, datalen;
	void *data;
};
struct blkpg_partition {
	long long start, length;
	int pno;
	char devname[64], volname[64];
};

/* The script's disk is the one of this size. */
enum { SECTORS = 16389, SECTOR = 512, KIB = SECTORS / 2 };
constexpr off_t BYTES = (off_t)SECTORS * SECTOR;
/* Where cases write: the last one's is looked at from outside. */
constexpr off_t SCRATCH = 4 << 20, LEFT = 6 << 20;
enum { LEFT_BYTES = 100'000 };

static char disk[64], name[32];

static void find_disk(void)
{
	char line[128], found[32];
	unsigned long long blocks;
	FILE *f = fopen("/proc/partitions", "re");

	CHECK(f != nullptr);
	while (fgets(line, sizeof(line), f) != nullptr)
		if (sscanf(line, "%*u %*u %llu %31s", &blocks, found) == 2 && blocks == KIB)
			strcpy(name, found);
	fclose(f);
	CHECK(name[0] != '\0');
	snprintf(disk, sizeof(disk), "/dev/%s", name);
}

static int open_disk(int flags)
{
	if (disk[0] == '\0')
		find_disk();
	return OK(open(disk, flags | O_CLOEXEC));
}

/* The host's. */
static unsigned char pattern(off_t at)
{
	return (unsigned char)(at * 7 + at / SECTOR * 31 + at / 65536);
}

static void expect_pattern(const unsigned char *bytes, off_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != pattern(at + (off_t)i))
			ktap_fail(__FILE__, __LINE__, "byte %lld is %u, not %u", (long long)at + (long long)i, bytes[i],
				  pattern(at + (off_t)i));
}

static void *memory(size_t n)
{
	void *p = aligned_alloc(4096, (n + 4095) / 4096 * 4096);

	CHECK(p != nullptr);
	return p;
}

static void reads_what_the_host_wrote(void)
{
	static const size_t sizes[] = {1, 511, 513, 4096, 10'007, 65'536, 300'001};
	unsigned char *bytes = memory(300'001);
	int fd = open_disk(O_RDONLY);
	off_t at = 0;
	ssize_t n;

	/* Below where other cases write. */
	for (unsigned turn = 0; at < SCRATCH; turn++, at += n) {
		n = OK(read(fd, bytes, sizes[turn % 7]));
		CHECK(n == (ssize_t)sizes[turn % 7]);
		expect_pattern(bytes, at, (size_t)n);
	}
	CHECK(pread(fd, bytes, 1000, BYTES - 10) == 10);
	expect_pattern(bytes, BYTES - 10, 10);
	CHECK(pread(fd, bytes, 1000, BYTES) == 0);
	CHECK(pread(fd, bytes, 1000, BYTES + 100'000) == 0);
}

static void sizes(void)
{
	int fd = open_disk(O_RDONLY);
	unsigned long long bytes = 0;
	unsigned long sectors = 0;
	int i = 0;
	unsigned u = 0;
	unsigned short s = 0;
	long l = 0;
	struct hd_geometry g;

	OK(ioctl(fd, BLKGETSIZE64, &bytes));
	CHECK(bytes == (unsigned long long)BYTES);
	OK(ioctl(fd, BLKGETSIZE, &sectors));
	CHECK(sectors == SECTORS);
	OK(ioctl(fd, BLKSSZGET, &i));
	CHECK(i == SECTOR);
	OK(ioctl(fd, BLKPBSZGET, &u));
	CHECK(u >= SECTOR && (u & (u - 1)) == 0);
	OK(ioctl(fd, BLKIOMIN, &u));
	CHECK(u >= SECTOR);
	OK(ioctl(fd, BLKIOOPT, &u));
	OK(ioctl(fd, BLKALIGNOFF, &i));
	CHECK(i == 0);
	OK(ioctl(fd, BLKDISCARDZEROES, &u));
	CHECK(u == 0);
	/* The size is an odd number of sectors. */
	OK(ioctl(fd, BLKBSZGET, &i));
	CHECK(i == SECTOR);
	OK(ioctl(fd, BLKROGET, &i));
	CHECK(i == 0);
	OK(ioctl(fd, BLKSECTGET, &s));
	CHECK(s >= 8);
	OK(ioctl(fd, BLKROTATIONAL, &s));
	CHECK(s <= 1);
	OK(ioctl(fd, BLKRASET, 64));
	OK(ioctl(fd, BLKRAGET, &l));
	CHECK(l == 64);
	OK(ioctl(fd, BLKRASET, 256));
	OK(ioctl(fd, HDIO_GETGEO, &g));
	CHECK(g.heads > 0 && g.sectors > 0 && g.start == 0);
	CHECK((unsigned long)g.heads * g.sectors * g.cylinders <= SECTORS);
	FAILS(EFAULT, ioctl(fd, BLKGETSIZE64, 8));
	FAILS(ENOTTY, ioctl(fd, 0x5401, &i));
}

static void nodes(void)
{
	struct stat by_name, by_file, other;
	int fd = open_disk(O_RDONLY);
	char byte;

	OK(stat(disk, &by_name));
	OK(fstat(fd, &by_file));
	CHECK(S_ISBLK(by_name.st_mode) && by_name.st_size == 0);
	CHECK(by_file.st_ino == by_name.st_ino && by_file.st_dev == by_name.st_dev);
	CHECK(by_file.st_rdev == by_name.st_rdev && by_file.st_mode == by_name.st_mode);
	CHECK(lseek(fd, 0, SEEK_END) == BYTES);
	FAILS(EINVAL, lseek(fd, 1, SEEK_END));
	CHECK(lseek(fd, -3, SEEK_CUR) == BYTES - 3);
	CHECK(read(fd, &byte, 1) == 1);
	CHECK((unsigned char)byte == pattern(BYTES - 3));
	FAILS(EINVAL, ftruncate(fd, 0));
	/* Times are the node's, whatever is open; its filesystem is /dev's. */
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	OK(futimens(fd, times));
	OK(stat(disk, &by_name));
	CHECK(by_name.st_atime == 1000 && by_name.st_mtime == 2000);
	OK(syncfs(fd));
	/* The number is the device, wherever its node is. */
	unlink("/node");
	OK(mknod("/node", S_IFBLK | 0600, by_name.st_rdev));
	int there = OK(open("/node", O_RDONLY));
	CHECK(pread(there, &byte, 1, 1000) == 1);
	CHECK((unsigned char)byte == pattern(1000));
	OK(fstat(there, &other));
	CHECK(other.st_ino != by_name.st_ino && other.st_rdev == by_name.st_rdev);
	OK(unlink("/node"));
	OK(mknod("/node", S_IFBLK | 0600, makedev(250, 77)));
	FAILS(ENXIO, open("/node", O_RDONLY));
	OK(unlink("/node"));
}

static void writes_at_any_place(void)
{
	static const struct {
		off_t at;
		size_t n;
	} places[] = {{0, 1}, {511, 2}, {4095, 4098}, {9000, 1}, {20'000, 70'000}, {131'071, 3}};
	unsigned char *bytes = memory(70'000), *back = memory(70'000);
	int fd = open_disk(O_RDWR), past = open_disk(O_RDONLY | O_DIRECT);

	for (size_t p = 0; p < sizeof(places) / sizeof(*places); p++) {
		memset(bytes, (int)(0x40 + p), places[p].n);
		CHECK(pwrite(fd, bytes, places[p].n, SCRATCH + places[p].at) == (ssize_t)places[p].n);
		CHECK(pread(fd, back, places[p].n, SCRATCH + places[p].at) == (ssize_t)places[p].n);
		CHECK(memcmp(bytes, back, places[p].n) == 0);
	}
	OK(fsync(fd));
	/* What is on the disk: what was written, and what was around it. */
	CHECK(pread(past, back, 65'536, SCRATCH) == 65'536);
	CHECK(back[0] == 0x40 && back[1] == pattern(SCRATCH + 1));
	CHECK(back[510] == pattern(SCRATCH + 510) && back[511] == 0x41 && back[513] == pattern(SCRATCH + 513));
	CHECK(back[4095] == 0x42 && back[8192] == 0x42 && back[8193] == pattern(SCRATCH + 8193));
	CHECK(back[19'999] == pattern(SCRATCH + 19'999) && back[20'000] == 0x44);
}

static void past_the_cache(void)
{
	unsigned char *bytes = memory(1 << 20), *back = memory(1 << 20);
	int fd = open_disk(O_RDWR), past = open_disk(O_RDWR | O_DIRECT);
	constexpr off_t at = SCRATCH + (1 << 19);

	for (size_t n = 0; n < 1 << 20; n++)
		bytes[n] = (unsigned char)(n * 13 + n / 1000);
	CHECK(pread(fd, back, 10'000, at) == 10'000); /* cached before */
	CHECK(pwrite(past, bytes, (1 << 20) - SECTOR, at) == (1 << 20) - SECTOR);
	CHECK(pread(fd, back, 1 << 20, at) == 1 << 20);
	CHECK(memcmp(bytes, back, (1 << 20) - SECTOR) == 0);
	/* What the cache alone has is seen, too. */
	CHECK(pwrite(fd, "dirty", 5, at + 7000) == 5);
	CHECK(pread(past, back, 8192, at + 4096) == 8192);
	CHECK(memcmp(back + 7000 - 4096, "dirty", 5) == 0);
	/* Addresses in the middle of a page. */
	CHECK(pread(past, back + SECTOR, 3 * SECTOR, at + SECTOR) == 3 * SECTOR);
	CHECK(memcmp(back + SECTOR, bytes + SECTOR, 3 * SECTOR) == 0);
	FAILS(EINVAL, pread(past, back, SECTOR, at + 1));
	FAILS(EINVAL, pread(past, back, SECTOR - 1, at));
	FAILS(EINVAL, pread(past, back + 1, SECTOR, at));
	FAILS(EINVAL, pwrite(past, back, 100, at));
	FAILS(EFAULT, pread(past, (void *)4096, SECTOR, at));
	CHECK(pread(past, back, 4 * SECTOR, BYTES - SECTOR) == SECTOR);
	CHECK(pread(past, back, SECTOR, BYTES) == 0);
	/* dd turns it off for an odd rest. */
	OK(fcntl(past, F_SETFL, fcntl(past, F_GETFL) & ~O_DIRECT));
	CHECK(pread(past, back, 3, at + 1) == 3);
}

static void maps(void)
{
	unsigned char *back = memory(8192);
	int fd = open_disk(O_RDWR), past = open_disk(O_RDONLY | O_DIRECT);
	constexpr off_t at = SCRATCH + (3 << 19);
	unsigned char *shared = OK(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at));
	unsigned char *private = OK(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, at));

	expect_pattern(shared, at, 8192);
	private[5] = 1;
	shared[6] = 2;
	CHECK(pread(fd, back, 10, at) == 10);
	CHECK(back[5] == pattern(at + 5) && back[6] == 2);
	CHECK(pwrite(fd, "x", 1, at + 4096) == 1);
	CHECK(shared[4096] == 'x');
	OK(msync(shared, 8192, MS_SYNC));
	CHECK(pread(past, back, 8192, at) == 8192);
	CHECK(back[6] == 2 && back[4096] == 'x' && back[5] == pattern(at + 5));
	OK(munmap(shared, 8192));
	OK(munmap(private, 8192));
}

static void ends(void)
{
	int fd = open_disk(O_RDWR), more = open_disk(O_WRONLY | O_APPEND);
	char bytes[2000] = "";
	struct rlimit small = {1000, 1000};

	/* The limit is on what grows. */
	OK(setrlimit(RLIMIT_FSIZE, &small));
	CHECK(pwrite(fd, bytes, 2000, BYTES - 7) == 7);
	FAILS(ENOSPC, pwrite(fd, bytes, 1, BYTES));
	FAILS(ENOSPC, pwrite(fd, bytes, 1, BYTES + 4096));
	FAILS(ENOSPC, write(more, bytes, 1));
	CHECK(pwrite(fd, bytes, 0, BYTES) == 0);
	for (int n = 0; n < 7; n++)
		bytes[n] = (char)pattern(BYTES - 7 + n);
	CHECK(pwrite(fd, bytes, 7, BYTES - 7) == 7);
}

static void one_at_a_time(void)
{
	int fd = open_disk(O_RDONLY | O_EXCL);

	FAILS(EBUSY, open(disk, O_RDONLY | O_EXCL));
	close(OK(open(disk, O_RDWR)));
	close(fd);
	close(open_disk(O_RDWR | O_EXCL));
}

static int mmap_result(const void *at)
{
	return at == MAP_FAILED ? -1 : 0;
}

static void what_only_root_may(void)
{
	int fd = open_disk(O_RDWR), on = 1, off = 0, size = 4096;

	OK(ioctl(fd, BLKROSET, &on));
	FAILS(EPERM, pwrite(fd, "x", 1, SCRATCH));
	FAILS(EINVAL, mmap_result(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)));
	FAILS(EINVAL, mmap_result(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0)));
	OK(mmap_result(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)));
	OK(ioctl(fd, BLKROSET, &off));
	OK(ioctl(fd, BLKFLSBUF, 0));
	OK(ioctl(fd, BLKBSZSET, &size));
	OK(ioctl(fd, BLKBSZGET, &size));
	CHECK(size == 4096);
	size = 3000;
	FAILS(EINVAL, ioctl(fd, BLKBSZSET, &size));
	OK(setgroups(0, nullptr));
	OK(setresgid(1000, 1000, 1000));
	OK(setresuid(1000, 1000, 1000));
	FAILS(EACCES, open(disk, O_RDONLY));
	FAILS(EACCES, ioctl(fd, BLKROSET, &on));
	FAILS(EACCES, ioctl(fd, BLKFLSBUF, 0));
	FAILS(EACCES, ioctl(fd, BLKRRPART, 0));
	CHECK(pwrite(fd, "x", 1, SCRATCH) == 1);
}

static void ranges(void)
{
	unsigned long long range[2] = {SCRATCH + (13 << 17), 100 * SECTOR};
	unsigned char *bytes = memory(200 * SECTOR);
	int fd = open_disk(O_RDWR), reader = open_disk(O_RDONLY);

	CHECK(pread(fd, bytes, 200 * SECTOR, (off_t)range[0] - SECTOR) == 200 * SECTOR);
	OK(ioctl(fd, BLKZEROOUT, range));
	CHECK(pread(fd, bytes, 200 * SECTOR, (off_t)range[0] - SECTOR) == 200 * SECTOR);
	CHECK(bytes[SECTOR - 1] == pattern((off_t)range[0] - 1));
	for (int n = SECTOR; n < 101 * SECTOR; n++)
		CHECK(bytes[n] == 0);
	CHECK(bytes[101 * SECTOR] == pattern((off_t)range[0] + 100 * SECTOR));
	unsigned char *map = OK(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, (off_t)range[0] + 4096));
	CHECK(map[0] == 0);
	if (ioctl(fd, BLKDISCARD, range) != 0)
		CHECK(errno == EOPNOTSUPP);
	/* A mapping goes on showing what the device has. */
	CHECK(pwrite(fd, "still", 5, (off_t)range[0] + 4096) == 5);
	CHECK(memcmp(map, "still", 5) == 0);
	FAILS(EBADF, ioctl(reader, BLKZEROOUT, range));
	range[0]++;
	FAILS(EINVAL, ioctl(fd, BLKZEROOUT, range));
	range[0] = (unsigned long long)BYTES - SECTOR;
	FAILS(EINVAL, ioctl(fd, BLKZEROOUT, range));
	range[0] = -(unsigned long long)SECTOR;
	FAILS(EINVAL, ioctl(fd, BLKZEROOUT, range));
}

/* A table of one entry, of which type 0 is none. */
static void write_table(int fd, unsigned type, unsigned first, unsigned sectors)
{
	unsigned char table[SECTOR] = {};

	table[446 + 4] = (unsigned char)type;
	for (int n = 0; n < 4; n++) {
		table[446 + 8 + n] = (unsigned char)(first >> 8 * n);
		table[446 + 12 + n] = (unsigned char)(sectors >> 8 * n);
	}
	table[510] = 0x55;
	table[511] = 0xaa;
	CHECK(pwrite(fd, table, sizeof(table), 0) == sizeof(table));
	OK(fsync(fd));
}

/* Between the disk's name and a partition's number: where the name ends with a digit, there is a p. */
static const char *part_prefix(void)
{
	char last = disk[strlen(disk) - 1];

	return last >= '0' && last <= '9' ? "p" : "";
}

/* A file of the disk, or of the partition `part`, in /sys, as a number. */
static unsigned long long in_sys(const char *part, const char *file)
{
	char path[160], text[64] = "";

	snprintf(path, sizeof(path), "/sys/class/block/%s%s%s/%s", name, part[0] != '\0' ? part_prefix() : "", part,
		 file);
	int fd = OK(open(path, O_RDONLY));
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoull(text, nullptr, 10);
}

static void sys_shows_it(void)
{
	char path[160], target[256] = "";
	struct stat st;
	int fd = open_disk(O_RDONLY);

	CHECK(in_sys("", "size") == SECTORS);
	CHECK(in_sys("", "ro") == 0);
	CHECK(in_sys("", "queue/logical_block_size") == SECTOR);
	CHECK(in_sys("", "stat") > 0);
	OK(fstat(fd, &st));
	CHECK(in_sys("", "dev") == major(st.st_rdev));
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	CHECK(readlink(path, target, sizeof(target) - 1) > 0);
	CHECK(strcmp(strrchr(target, '/') + 1, name) == 0);
	snprintf(path, sizeof(path), "/sys/block/%s/serial", name);
	fd = OK(open(path, O_RDONLY));
	memset(target, 0, sizeof(target));
	CHECK(read(fd, target, sizeof(target) - 1) > 0);
	CHECK(strcmp(target, "block-test\n") == 0);
}

static long partition_command(int fd, int op, int number, off_t start, off_t length)
{
	struct blkpg_partition p = {.start = start, .length = length, .pno = number};
	struct blkpg_ioctl_arg a = {.op = op, .datalen = sizeof(p), .data = &p};

	return ioctl(fd, BLKPG, &a);
}

static void partition_path(char *path, size_t size, int number)
{
	snprintf(path, size, "%s%s%d", disk, part_prefix(), number);
}

static void partitions(void)
{
	unsigned char *bytes = memory(100 * SECTOR), *saved = memory(SECTOR);
	int fd = open_disk(O_RDWR);
	char path[80];
	unsigned long sectors;
	struct hd_geometry g;

	CHECK(pread(fd, saved, SECTOR, 0) == SECTOR);
	write_table(fd, 0x83, 101, 1001);
	OK(ioctl(fd, BLKRRPART, 0));
	partition_path(path, sizeof(path), 1);
	int part = OK(open(path, O_RDONLY));
	OK(ioctl(part, BLKGETSIZE, &sectors));
	CHECK(sectors == 1001);
	OK(ioctl(part, HDIO_GETGEO, &g));
	CHECK(g.start == 101);
	CHECK(pread(part, bytes, 100 * SECTOR, SECTOR) == 100 * SECTOR);
	expect_pattern(bytes, 102 * SECTOR, 100 * SECTOR);
	CHECK(lseek(part, 0, SEEK_END) == 1001 * SECTOR);
	CHECK(in_sys("1", "partition") == 1 && in_sys("1", "start") == 101 && in_sys("1", "size") == 1001);
	FAILS(EBUSY, ioctl(fd, BLKRRPART, 0));
	FAILS(EINVAL, ioctl(part, BLKRRPART, 0));
	FAILS(EBUSY, partition_command(fd, BLKPG_DEL_PARTITION, 1, 0, 0));
	close(part);
	/* A program's own. */
	FAILS(EBUSY, partition_command(fd, BLKPG_ADD_PARTITION, 3, 1000 * SECTOR, 1000 * SECTOR));
	OK(partition_command(fd, BLKPG_ADD_PARTITION, 3, 2000 * SECTOR, 8 * SECTOR));
	partition_path(path, sizeof(path), 3);
	part = OK(open(path, O_RDONLY));
	CHECK(pread(part, bytes, 100 * SECTOR, 0) == 8 * SECTOR);
	expect_pattern(bytes, 2000 * SECTOR, 8 * SECTOR);
	close(part);
	OK(partition_command(fd, BLKPG_DEL_PARTITION, 3, 0, 0));
	FAILS(ENXIO, partition_command(fd, BLKPG_DEL_PARTITION, 3, 0, 0));
	FAILS(ENOENT, open(path, O_RDONLY));
	write_table(fd, 0, 0, 0);
	OK(ioctl(fd, BLKRRPART, 0));
	partition_path(path, sizeof(path), 1);
	FAILS(ENOENT, open(path, O_RDONLY));
	CHECK(pwrite(fd, saved, SECTOR, 0) == SECTOR);
}

/* Of the disk's line of /proc/diskstats, the n-th number behind the name. */
static unsigned long long statistic(int n)
{
	char line[512], found[32];
	unsigned long long value[17];
	FILE *f = fopen("/proc/diskstats", "re");
	bool here = false;

	CHECK(f != nullptr);
	while (!here && fgets(line, sizeof(line), f) != nullptr) {
		int count = sscanf(line,
				   "%*u %*u %31s %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu "
				   "%llu %llu %llu",
				   found, value, value + 1, value + 2, value + 3, value + 4, value + 5, value + 6,
				   value + 7, value + 8, value + 9, value + 10, value + 11, value + 12, value + 13,
				   value + 14, value + 15, value + 16);
		here = count == 18 && strcmp(found, name) == 0;
	}
	fclose(f);
	CHECK(here);
	return value[n];
}

enum { READS = 0, SECTORS_READ = 2, WRITES = 4, SECTORS_WRITTEN = 6, UNDER_WAY = 8, FLUSHES = 15 };

static void statistics(void)
{
	int past = open_disk(O_RDWR | O_DIRECT), synced = open_disk(O_RDWR | O_SYNC);
	unsigned long long reads = statistic(READS), sectors = statistic(SECTORS_READ),
			   written = statistic(SECTORS_WRITTEN);
	unsigned char *bytes = memory(4096);

	CHECK(pread(past, bytes, 4096, SCRATCH) == 4096);
	CHECK(statistic(READS) > reads && statistic(SECTORS_READ) >= sectors + 8);
	CHECK(pwrite(past, bytes, 4096, SCRATCH) == 4096);
	CHECK(statistic(SECTORS_WRITTEN) >= written + 8);
	/* What is cached is read from the disk again once the cache was flushed. */
	int fd = open_disk(O_RDONLY);
	CHECK(pread(fd, bytes, 4096, SCRATCH) == 4096);
	reads = statistic(READS);
	OK(ioctl(fd, BLKFLSBUF, 0));
	CHECK(pread(fd, bytes, 4096, SCRATCH) == 4096);
	CHECK(statistic(READS) > reads);
	/* What a program does not need any more is not cached any more; what it will need is read. */
	OK(posix_fadvise(fd, SCRATCH, 4096, POSIX_FADV_DONTNEED));
	reads = statistic(READS);
	OK(readahead(fd, SCRATCH, 4096));
	/* In this order: what is under way no more has been counted. */
	unsigned long long asked = statistic(UNDER_WAY);
	CHECK(asked + statistic(READS) > reads);
	CHECK(pread(fd, bytes, 4096, SCRATCH) == 4096);
	/* O_SYNC writes are on the medium when they return. */
	written = statistic(SECTORS_WRITTEN);
	unsigned long long flushes = statistic(FLUSHES);
	CHECK(pwrite(synced, bytes, 10, SCRATCH) == 10);
	CHECK(statistic(SECTORS_WRITTEN) > written && statistic(FLUSHES) > flushes);
}

static void processes_side_by_side(void)
{
	enum { PROCESSES = 4, TURNS = 40 };
	constexpr off_t at = SCRATCH + (7 << 18);

	for (int p = 0; p < PROCESSES; p++) {
		if (OK(fork()) != 0)
			continue;
		int fd = open_disk(p % 2 == 0 ? O_RDWR : O_RDWR | O_DIRECT);
		unsigned char *bytes = memory(4096), *back = memory(4096);

		for (int turn = 0; turn < TURNS; turn++) {
			off_t place = at + (p * 8 + turn % 8) * 4096;

			memset(bytes, p * 64 + turn, 4096);
			CHECK(pwrite(fd, bytes, 4096, place) == 4096);
			if (turn % 10 == 0)
				OK(fsync(fd));
			CHECK(pread(fd, back, 4096, place) == 4096);
			CHECK(memcmp(bytes, back, 4096) == 0);
		}
		_exit(0);
	}
	for (int p = 0; p < PROCESSES; p++) {
		int status;
		OK(wait(&status));
		CHECK(status == 0);
	}
}

/* The host compares. */
static void leaves_bytes_for_the_host(void)
{
	unsigned char *bytes = memory(LEFT_BYTES);
	int fd = open_disk(O_RDWR);

	for (size_t n = 0; n < LEFT_BYTES; n++)
		bytes[n] = (unsigned char)~pattern(LEFT + 1 + (off_t)n);
	CHECK(pwrite(fd, bytes, LEFT_BYTES, LEFT + 1) == LEFT_BYTES);
	OK(fsync(fd));
}

KTAP_MAIN(CASE(reads_what_the_host_wrote), CASE(sizes), CASE(nodes), CASE(writes_at_any_place), CASE(past_the_cache),
	  CASE(maps), CASE(ends), CASE(one_at_a_time), CASE(what_only_root_may), CASE(ranges), CASE(sys_shows_it),
	  CASE(partitions), CASE(statistics), CASE(processes_side_by_side), CASE(leaves_bytes_for_the_host))
