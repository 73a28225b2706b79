/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for lib/cpio.c: no step outside the archive, names and data lie inside it, and reading comes to an end.
 *
 * A byte from 0x80 on stands for a whole header of small numbers, so that archives of several entries are soon found.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/cpio.c> /* included, so that it is compiled for the fuzzer's eyes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void inside(const void *at, size_t n, const char *archive, size_t size)
{
	require((const char *)at >= archive && (const char *)at + n <= archive + size);
}

static char *expand(const uint8_t *data, size_t size, size_t *out_size)
{
	char *out = malloc(size * 110 + 1);

	*out_size = 0;
	for (size_t n = 0; n < size; n++) {
		if (data[n] < 0x80)
			out[(*out_size)++] = (char)data[n];
		else
			*out_size += (size_t)sprintf(out + *out_size, "070701%08x%08x%032x%08x%032x%08x%08x", 1,
						     0100644, 0, data[n] & 7, 0, 1 + (data[n] >> 3 & 15), 0);
	}
	return realloc(out, *out_size + !*out_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t length;
	char *archive = expand(data, size, &length);
	struct cpio_reader r;
	struct cpio_entry e;

	cpio_open(&r, archive, length);
	for (size_t last = 0; cpio_next(&r, &e) == CPIO_ENTRY; last = r.offset) {
		inside(e.name, e.name_length, archive, length);
		inside(e.data, e.size, archive, length);
		require(r.offset > last);
	}
	require(r.error != nullptr || r.offset == length);
	free(archive);
	return 0;
}
