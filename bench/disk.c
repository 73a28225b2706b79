/* SPDX-License-Identifier: MIT */
/*
 * What reading and writing a disk costs: one of DISK_BYTES that bench/run attached, each page of which begins with its
 * own number. Through the cache where it has the bytes, through the cache where it does not (dropped before,
 * outside the markers), and past it. All that the machine does between the markers counts, interrupts and the work of
 * kernel threads included; a CPU that waits executes nothing. Runs as the first process, on Linux with that kernel's
 * modules for the disk, /modules/0.ko and so on, which are loaded in that order.
 */
#include <abi/block.h>
#include <bench/measure.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MEGABYTE = 1 << 20, DISK_BYTES = 64 << 20, TIMES_4K = 100, TIMES_1M = 20, PATIENCE = 300 };

static alignas(PAGE) char buffer[MEGABYTE];

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, nullptr);
}

static void load_modules(void)
{
	char path[32];
	int fd;

	for (int n = 0; snprintf(path, sizeof(path), "/modules/%d.ko", n), (fd = open(path, O_RDONLY)) >= 0; n++) {
		must(syscall(SYS_finit_module, fd, "", 0), path);
		close(fd);
	}
}

/* The disk has its name from its driver and the order in which disks were found: the one of the right size is it. */
static int open_disk(int flags)
{
	static const char *const names[] = {"/dev/vda", "/dev/vdb", "/dev/vdc", "/dev/nvme0n1"};
	uint64_t bytes;

	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
		int fd = open(names[n], flags);

		if (fd >= 0 && ioctl(fd, (int)BLKGETSIZE64, &bytes) == 0 && bytes == DISK_BYTES)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

static bool wait_for_disk(void)
{
	for (int n = 0; n < PATIENCE; n++) {
		int fd = open_disk(O_RDONLY);

		if (fd >= 0) {
			close(fd);
			return true;
		}
		pause_ms(100);
	}
	return false;
}

/* The buffer has what stands on the disk at `at`. */
static void verify(uint64_t at, size_t n)
{
	for (size_t offset = 0; offset < n; offset += PAGE) {
		uint64_t number;

		memcpy(&number, buffer + offset, sizeof(number));
		if (number != (at + offset) / PAGE) {
			printf("bench: page %llu of the disk reads as %llu\n",
			       (unsigned long long)((at + offset) / PAGE), (unsigned long long)number);
			return;
		}
	}
}

static void prepare(uint64_t at, size_t n)
{
	for (size_t offset = 0; offset < n; offset += PAGE) {
		uint64_t number = (at + offset) / PAGE;

		memcpy(buffer + offset, &number, sizeof(number));
	}
}

/* Where the n-th of some transfers goes: not behind the one before, so that nobody has read ahead. */
static uint64_t place(int n, size_t size)
{
	uint64_t places = DISK_BYTES / MEGABYTE;

	return (uint64_t)n * 7 % places * MEGABYTE + (size < MEGABYTE ? (uint64_t)n % 3 * 5 * PAGE : 0);
}

static void expect(ssize_t done, size_t n, const char *what)
{
	if (done < 0)
		fail(what);
	else if ((size_t)done != n)
		printf("bench: %s: %zd of %zu bytes\n", what, done, n);
}

#define READ(row, fd, at, n)                                                                                           \
	do {                                                                                                           \
		ssize_t done_;                                                                                         \
		memset(buffer, 0xff, n);                                                                               \
		MARK(MARKER_BEGIN | ROW_##row);                                                                        \
		done_ = pread(fd, buffer, n, (off_t)(at));                                                             \
		MARK(MARKER_END | ROW_##row);                                                                          \
		expect(done_, n, #row);                                                                                \
		verify(at, n);                                                                                         \
	} while (0)

#define WRITE(row, fd, at, n)                                                                                          \
	do {                                                                                                           \
		ssize_t done_;                                                                                         \
		prepare(at, n);                                                                                        \
		MARK(MARKER_BEGIN | ROW_##row);                                                                        \
		done_ = pwrite(fd, buffer, n, (off_t)(at));                                                            \
		MARK(MARKER_END | ROW_##row);                                                                          \
		expect(done_, n, #row);                                                                                \
	} while (0)

/* Nothing of the disk is cached, and nothing is under way. */
static void forget(int fd)
{
	must(ioctl(fd, (int)BLKFLSBUF, 0), "BLKFLSBUF");
	pause_ms(2);
}

static void cached(int fd)
{
	must(pread(fd, buffer, MEGABYTE, 0), "pread");
	pause_ms(20);
	for (int n = 0; n < TIMES_4K; n++)
		READ(disk_cached_read_4k, fd, 0x10000, PAGE);
	for (int n = 0; n < TIMES_1M; n++)
		READ(disk_cached_read_1m, fd, 0, MEGABYTE);
	for (int n = 0; n < TIMES_4K; n++)
		WRITE(disk_cached_write_4k, fd, 0x10000, PAGE);
	for (int n = 0; n < TIMES_1M; n++)
		WRITE(disk_cached_write_1m, fd, 0, MEGABYTE);
	must(fsync(fd), "fsync");
}

static void not_cached(int fd)
{
	for (int n = 0; n < TIMES_4K; n++) {
		forget(fd);
		READ(disk_read_4k, fd, place(n, PAGE), PAGE);
	}
	for (int n = 0; n < TIMES_1M; n++) {
		forget(fd);
		READ(disk_read_1m, fd, place(n, MEGABYTE), MEGABYTE);
	}
	forget(fd);
}

static void direct(int fd)
{
	for (int n = 0; n < TIMES_4K; n++)
		READ(disk_direct_read_4k, fd, place(n, PAGE), PAGE);
	for (int n = 0; n < TIMES_1M; n++)
		READ(disk_direct_read_1m, fd, place(n, MEGABYTE), MEGABYTE);
	for (int n = 0; n < TIMES_4K; n++)
		WRITE(disk_direct_write_4k, fd, place(n, PAGE), PAGE);
	for (int n = 0; n < TIMES_1M; n++)
		WRITE(disk_direct_write_1m, fd, place(n, MEGABYTE), MEGABYTE);
}

int main(void)
{
	setvbuf(stdout, nullptr, _IOLBF, 0);
	mount("proc", "/proc", "proc", 0, nullptr);
	mount("dev", "/dev", "devtmpfs", 0, nullptr);
	load_modules();
	if (wait_for_disk()) {
		int fd = open_disk(O_RDWR), past = open_disk(O_RDWR | O_DIRECT);

		must(fd, "open");
		must(past, "O_DIRECT");
		memset(buffer, 0, sizeof(buffer));
		not_cached(fd);
		cached(fd);
		forget(fd);
		direct(past);
		close(fd);
		close(past);
		printf("bench: done\n");
	} else {
		printf("bench: there is no disk of %d bytes\n", DISK_BYTES);
	}
	reboot(RB_POWER_OFF);
	return 0;
}
