/* SPDX-License-Identifier: MIT */
/* A disk in memory for lib/ext4.h, whose blocks that were written can be put back. */
#ifndef TEST_HOST_EXT4_DISK_H
#define TEST_HOST_EXT4_DISK_H

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <abi/errno.h>
#include <lib/ext4.h>

struct disk {
	unsigned char *bytes;
	uint64_t size;
	uint64_t writes, flushes;
	void (*written)(struct disk *d, uint64_t at, uint32_t n); /* before it is */
};

static int disk_read(void *context, uint64_t at, void *to, uint32_t n)
{
	const struct disk *d = context;

	assert(at % 512 == 0 && n % 512 == 0 && at <= d->size && n <= d->size - at);
	memcpy(to, d->bytes + at, n);
	return 0;
}

static int disk_write(void *context, uint64_t at, const void *from, uint32_t n)
{
	struct disk *d = context;

	assert(at % 512 == 0 && n % 512 == 0 && at <= d->size && n <= d->size - at);
	if (d->written != nullptr)
		d->written(d, at, n);
	memcpy(d->bytes + at, from, n);
	d->writes++;
	return 0;
}

static int disk_flush(void *context)
{
	((struct disk *)context)->flushes++;
	return 0;
}

static void *disk_alloc(size_t n)
{
	return calloc(1, n);
}

static struct ext4_io disk_io(struct disk *d)
{
	return (struct ext4_io){.read = disk_read,
				.write = disk_write,
				.flush = disk_flush,
				.alloc = disk_alloc,
				.free = free,
				.context = d,
				.bytes = d->size};
}

static bool disk_load(struct disk *d, const char *path)
{
	struct stat s;
	int fd = open(path, O_RDONLY);

	*d = (struct disk){};
	if (fd < 0 || fstat(fd, &s) != 0)
		return false;
	d->size = (uint64_t)s.st_size / 512 * 512;
	/* What is written stays in memory. */
	d->bytes = mmap(nullptr, d->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (d->bytes == MAP_FAILED)
		return false;
	return close(fd) == 0;
}

#endif
