/* SPDX-License-Identifier: MIT */
/*
 * A screen as programs see it (test/devices/screen_test.py gives the machine one): /dev/fb0. What read(2) gives comes
 * from the display's own memory.
 */
#include "ktap.h"

#include <abi/fb.h>
#include <abi/vt.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PATIENCE_S = 300 };

static struct fb_fix_screeninfo fixed;
static struct fb_var_screeninfo mode;

/* For this program, and no text on it. */
static int open_screen(void)
{
	int fd = OK(open("/dev/fb0", O_RDWR | O_CLOEXEC)),
	    console = OK(open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC));

	OK(ioctl(console, KDSETMODE, KD_GRAPHICS));
	close(console);

	OK(ioctl(fd, FBIOGET_FSCREENINFO, &fixed));
	OK(ioctl(fd, FBIOGET_VSCREENINFO, &mode));
	return fd;
}

static unsigned char *map(int fd, int flags)
{
	void *p = mmap(nullptr, fixed.smem_len, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static unsigned long number_of(const char *path)
{
	unsigned long value = 0;
	FILE *f = fopen(path, "re");

	CHECK(f != nullptr);
	CHECK(fscanf(f, "%lu", &value) == 1);
	fclose(f);
	return value;
}

/* Waits until the display has the bytes at an offset. */
static void shows(int fd, off_t at, const void *bytes, size_t n)
{
	unsigned char seen[256] = {};

	CHECK(n <= sizeof(seen));
	for (int i = 0; i < PATIENCE_S * 100; i++) {
		CHECK(OK(pread(fd, seen, n, at)) == (ssize_t)n);
		if (memcmp(seen, bytes, n) == 0)
			return;
		usleep(10000);
	}
	CHECK(!"the display shows it");
}

static void describes_itself(void)
{
	int fd = open_screen();
	unsigned pixel = mode.bits_per_pixel / 8;

	CHECK(mode.xres >= 320 && mode.yres >= 200);
	CHECK(mode.xres_virtual == mode.xres && mode.yres_virtual == mode.yres && mode.xoffset == 0 &&
	      mode.yoffset == 0);
	CHECK(fixed.type == FB_TYPE_PACKED_PIXELS && fixed.visual == FB_VISUAL_TRUECOLOR);
	CHECK(fixed.line_length >= mode.xres * pixel && (size_t)fixed.line_length * mode.yres <= fixed.smem_len);
	CHECK(mode.red.length >= 5 && mode.green.length >= 5 && mode.blue.length >= 5);
	CHECK(strlen(fixed.id) > 0);
	CHECK(number_of("/sys/class/graphics/fb0/bits_per_pixel") == mode.bits_per_pixel);
	CHECK(number_of("/sys/class/graphics/fb0/virtual_size") == mode.xres);
	CHECK(number_of("/sys/class/graphics/fb0/stride") == fixed.line_length);
	CHECK(number_of("/sys/class/graphics/fb0/dev") == 29);
	close(fd);
}

static void reads_what_was_written(void)
{
	int fd = open_screen();
	unsigned char *line = malloc(fixed.line_length), *back = malloc(fixed.line_length);
	off_t at = (off_t)fixed.line_length * 3 + 1; /* not aligned */
	size_t n = fixed.line_length - 3;

	for (size_t i = 0; i < n; i++)
		line[i] = (unsigned char)(i * 7);
	CHECK(OK(pwrite(fd, line, n, at)) == (ssize_t)n);
	CHECK(OK(pread(fd, back, n, at)) == (ssize_t)n);
	CHECK(memcmp(line, back, n) == 0);
	CHECK(OK(lseek(fd, 8, SEEK_SET)) == 8);
	CHECK(OK(write(fd, line, 8)) == 8 && OK(lseek(fd, 0, SEEK_CUR)) == 16);
	free(line);
	free(back);
	close(fd);
}

static void ends(void)
{
	int fd = open_screen();
	unsigned char bytes[16] = {};

	CHECK(OK(pread(fd, bytes, 16, fixed.smem_len)) == 0);
	CHECK(OK(pread(fd, bytes, 16, fixed.smem_len - 5)) == 5);
	CHECK(OK(pwrite(fd, bytes, 16, fixed.smem_len - 5)) == 5);
	FAILS(ENOSPC, pwrite(fd, bytes, 16, fixed.smem_len));
	FAILS(EFAULT, write(fd, (void *)8, 16));
	FAILS(EFAULT, read(fd, (void *)8, 16));
	close(fd);
}

static void refuses(void)
{
	int fd = open_screen();
	struct fb_var_screeninfo other = mode;

	other.yoffset = 1;
	FAILS(EINVAL, ioctl(fd, FBIOPAN_DISPLAY, &other));
	FAILS(EINVAL, ioctl(fd, FBIOPUT_VSCREENINFO, &other));
	other = mode;
	other.xres = other.xres_virtual = 1000000;
	FAILS(EINVAL, ioctl(fd, FBIOPUT_VSCREENINFO, &other));
	OK(ioctl(fd, FBIOPAN_DISPLAY, &mode));
	OK(ioctl(fd, FBIOPUT_VSCREENINFO, &mode));
	FAILS(EINVAL, ioctl(fd, FBIOGETCMAP, &mode));
	FAILS(EINVAL, ioctl(fd, FBIOBLANK, 5));
	FAILS(ENOTTY, ioctl(fd, 0x46ff, 0));
	FAILS(EFAULT, ioctl(fd, FBIOGET_VSCREENINFO, 8));
	close(fd);
}

/* Written through a mapping, and once more after that was shown. */
static void mapping_is_shown(void)
{
	int fd = open_screen();
	unsigned char *p = map(fd, MAP_SHARED), pattern[256];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = (unsigned char)(i * 5 + (size_t)round * 31 + 1);
		for (size_t page = 0; page < 5; page++)
			memcpy(p + page * 2 * PAGE + 100, pattern, sizeof(pattern));
		for (size_t page = 0; page < 5; page++)
			shows(fd, (off_t)page * 2 * PAGE + 100, pattern, sizeof(pattern));
	}
	/* Of two processes. */
	pid_t pid = OK(fork());
	if (pid == 0) {
		memset(p + 3 * PAGE, 0x5a, 64);
		_exit(0);
	}
	CHECK(OK(waitpid(pid, nullptr, 0)) == pid);
	memset(pattern, 0x5a, 64);
	shows(fd, 3 * PAGE, pattern, 64);
	CHECK(memcmp(p + 3 * PAGE, pattern, 64) == 0);
	close(fd); /* the mapping has it open */
	fd = open_screen();
	memset(p + 3 * PAGE, 0xa5, 64);
	memset(pattern, 0xa5, 64);
	shows(fd, 3 * PAGE, pattern, 64);
	OK(munmap(p, fixed.smem_len));
	close(fd);
}

static void write_is_seen_in_mapping(void)
{
	int fd = open_screen();
	unsigned char *p = map(fd, MAP_SHARED), bytes[64];

	(void)*(volatile unsigned char *)p;
	memset(bytes, 0x33, sizeof(bytes));
	CHECK(OK(pwrite(fd, bytes, sizeof(bytes), 40)) == sizeof(bytes));
	CHECK(memcmp(p + 40, bytes, sizeof(bytes)) == 0);
	close(fd);
}

static void private_mapping_is_not_shown(void)
{
	int fd = open_screen();
	unsigned char zeros[64] = {}, ones[64], *p;

	memset(ones, 0xff, sizeof(ones));
	CHECK(OK(pwrite(fd, zeros, sizeof(zeros), 0)) == sizeof(zeros));
	p = map(fd, MAP_PRIVATE);
	memset(p, 0xff, 64);
	/* Behind it something that is shown. */
	unsigned char *shared = map(fd, MAP_SHARED);
	memset(shared + PAGE, 0xff, 64);
	shows(fd, PAGE, ones, 64);
	shows(fd, 0, zeros, 64);
	close(fd);
}

static void beyond_the_end_is_a_bus_error(void)
{
	int fd = open_screen(), status;
	size_t whole = (fixed.smem_len + PAGE - 1) / PAGE * PAGE;
	unsigned char *p = mmap(nullptr, whole + PAGE, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	(void)*(volatile unsigned char *)(p + whole - 1);
	pid_t pid = OK(fork());
	if (pid == 0)
		_exit(*(volatile unsigned char *)(p + whole));
	CHECK(OK(waitpid(pid, &status, 0)) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	close(fd);
}

static void echo(const char *path, const char *text)
{
	int fd = OK(open(path, O_WRONLY | O_CLOEXEC));

	CHECK(OK(write(fd, text, strlen(text))) == (ssize_t)strlen(text));
	close(fd);
}

/* What is open and mapped goes on, and is shown again. */
static void outlives_its_driver(void)
{
	int fd = open_screen();
	unsigned char *p = map(fd, MAP_SHARED), pattern[64];
	char *device = realpath("/sys/class/graphics/fb0/device", nullptr), order[300];

	CHECK(device != nullptr);
	snprintf(order, sizeof(order), "restart %s", strrchr(device, '/') + 1);
	free(device);
	for (int round = 0; round < 3; round++) {
		ssize_t n;
		memset(p + 5 * PAGE, 0x40 + round, sizeof(pattern));
		memset(pattern, 0x40 + round, sizeof(pattern));
		echo("/proc/hardware", order);
		while ((n = pread(fd, pattern, 1, 0)) < 0 && errno == ENODEV)
			usleep(1000);
		CHECK(n == 1);
		memset(pattern, 0x40 + round, sizeof(pattern));
		shows(fd, 5 * PAGE, pattern, sizeof(pattern));
	}
	echo("/proc/components", "restart video");
	memset(p + 6 * PAGE, 0x77, sizeof(pattern));
	memset(pattern, 0x77, sizeof(pattern));
	shows(fd, 6 * PAGE, pattern, sizeof(pattern));
	close(fd);
}

KTAP_MAIN(CASE(describes_itself), CASE(reads_what_was_written), CASE(ends), CASE(refuses), CASE(mapping_is_shown),
	  CASE(write_is_seen_in_mapping), CASE(private_mapping_is_not_shown), CASE(beyond_the_end_is_a_bus_error),
	  STELLUX_CASE(outlives_its_driver))
