/* SPDX-License-Identifier: MIT */
/* Vectors of buffers (kernel/file/io_vector.h). Lengths are checked before places, as on Linux. */
#include "internal.h"

#include <kernel/file/io_vector.h>

void io_vector_free(struct io_vector *v)
{
	if (v->segments != v->small)
		kfree(v->segments);
}

static int check_segments(struct io_vector *v, size_t count, bool own)
{
	for (size_t n = 0; n < count; n++) {
		if (v->segments[n].length > INT64_MAX)
			return -EINVAL;
	}
	v->total = 0;
	for (size_t n = 0; n < count; n++) {
		if (own && !io_user_range(v->segments[n].base, v->segments[n].length))
			return -EFAULT;
		v->total += MIN(v->segments[n].length, IO_MAX - v->total);
	}
	return 0;
}

int io_vector_get(struct io_vector *v, user_addr at, size_t count, bool own)
{
	if (count > SEGMENTS_MAX)
		return -EINVAL;
	v->segments = count <= SEGMENTS_INLINE ? v->small : kmalloc(count * sizeof(struct io_segment));
	if (v->segments == nullptr)
		return -ENOMEM;
	int error = copy_from_user(v->segments, at, count * sizeof(struct io_segment));
	if (error == 0)
		error = check_segments(v, count, own);
	v->count = count;
	if (error != 0) {
		io_vector_free(v);
		return error;
	}
	v->buffer = (struct io_buffer){.is_user = true, .segments = v->segments, .segment_count = (uint32_t)count};
	return 0;
}
