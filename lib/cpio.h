/* SPDX-License-Identifier: MIT */
/*
 * Reads cpio archives of the "new ASCII" formats (magic 070701 and 070702, cpio(5)). Nothing is copied: names and data
 * point into the archive, which is not trusted: every length is checked. Several archives may follow one another, with
 * zeros between.
 */
#ifndef LIB_CPIO_H
#define LIB_CPIO_H

#include <stddef.h>
#include <stdint.h>

struct cpio_entry {
	const char *name; /* without leading "/" and "./"; not terminated */
	uint32_t name_length;
	const void *data;
	uint64_t size;
	uint32_t mode, uid, gid, nlink, mtime, ino;
	uint32_t dev_major, dev_minor, rdev_major, rdev_minor;
};
struct cpio_reader {
	const unsigned char *bytes;
	size_t size, offset;
	const char *error; /* what is wrong at offset, in words; nullptr: nothing */
};
enum cpio_result { CPIO_END, CPIO_ENTRY };

void cpio_open(struct cpio_reader *r, const void *bytes, size_t size);
/* CPIO_END also stands for an error, which r->error names. */
enum cpio_result cpio_next(struct cpio_reader *r, struct cpio_entry *out);

#endif
