/* SPDX-License-Identifier: MIT */
/*
 * The memory devices of major 1: null, zero, full, random, urandom (null(4), full(4), random(4)). random waits once,
 * until the generator is seeded; urandom never waits.
 */
#include "memory.h"

#include <abi/errno.h>
#include <abi/poll.h>
#include <kernel/base/log.h>
#include <kernel/base/random.h>
#include <kernel/mem/page.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

static long null_read(struct file *, struct io_buffer *, size_t, uint64_t *)
{
	return 0;
}

static long null_write(struct file *, struct io_buffer *, size_t n, uint64_t *)
{
	return (long)n;
}

static long device_seek(struct file *f, int64_t, int)
{
	f->position = 0;
	return 0;
}

static long zero_read(struct file *, struct io_buffer *buf, size_t n, uint64_t *)
{
	size_t done = 0;

	/* In pieces, so that a signal ends a huge read. */
	while (done < n) {
		size_t part = MIN(n - done, (size_t)65536);
		size_t moved = io_clear_out(buf, done, part);

		done += moved;
		if (moved < part)
			return done > 0 ? (long)done : -EFAULT;
		if (done < n && signal_pending_current())
			break;
	}
	return (long)done;
}

static long zero_get_page(struct vm_object *, uint64_t, bool, struct page **out)
{
	*out = page_alloc_user(true);
	return *out != nullptr ? 0 : -ENOMEM;
}

static const struct vm_object_ops zero_object = {
	.component = &component_devfs, .get_page = zero_get_page, FILE_OBJECT_OPS};

static long full_write(struct file *, struct io_buffer *, size_t n, uint64_t *)
{
	return n > 0 ? -ENOSPC : 0;
}

static long urandom_read(struct file *, struct io_buffer *buf, size_t n, uint64_t *)
{
	unsigned char bytes[256];
	size_t done = 0;

	while (done < n) {
		size_t part = MIN(n - done, sizeof(bytes));

		random_bytes(bytes, part);
		size_t moved = io_copy_out(buf, done, bytes, part);
		done += moved;
		if (moved < part) {
			memset(bytes, 0, sizeof(bytes));
			return done > 0 ? (long)done : -EFAULT;
		}
		if (done < n && signal_pending_current())
			break;
	}
	memset(bytes, 0, sizeof(bytes));
	return (long)done;
}

static long random_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	int error = random_wait_seeded();

	return error != 0 ? error : urandom_read(f, buf, n, pos);
}

static long random_write(struct file *, struct io_buffer *buf, size_t n, uint64_t *)
{
	unsigned char bytes[256];
	size_t done = 0;

	while (done < n) {
		size_t part = MIN(n - done, sizeof(bytes));
		size_t moved = io_copy_in(bytes, buf, done, part);

		random_mix(bytes, moved);
		done += moved;
		if (moved < part)
			return done > 0 ? (long)done : -EFAULT;
		if (done < n && signal_pending_current())
			break;
	}
	return (long)done;
}

static const struct file_ops null_ops = {
	.component = &component_devfs, .read = null_read, .write = null_write, .seek = device_seek};
static const struct file_ops zero_ops = {.component = &component_devfs,
					 .read = zero_read,
					 .write = null_write,
					 .seek = device_seek,
					 .object = &zero_object};
static const struct file_ops full_ops = {
	.component = &component_devfs, .read = zero_read, .write = full_write, .seek = device_seek};
static const struct file_ops random_ops = {
	.component = &component_devfs, .read = random_read, .write = random_write, .seek = device_seek};
static const struct file_ops urandom_ops = {
	.component = &component_devfs, .read = urandom_read, .write = random_write, .seek = device_seek};

void memory_devices_register(void)
{
	static const struct {
		const char *name;
		uint32_t minor;
		const struct file_ops *ops;
	} devices[] = {
		{"null", 3, &null_ops},	    {"zero", 5, &zero_ops},	  {"full", 7, &full_ops},
		{"random", 8, &random_ops}, {"urandom", 9, &urandom_ops},
	};

	for (size_t n = 0; n < ARRAY_LEN(devices); n++) {
		int error = chrdev_register(devices[n].name, 1, devices[n].minor, 0666, devices[n].ops, nullptr);
		if (error != 0)
			log_error("devfs: cannot register %s: error %d", devices[n].name, error);
	}
}
