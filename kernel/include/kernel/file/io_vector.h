/* SPDX-License-Identifier: MIT */
/* A process's vector of buffers (struct iovec), checked as a whole before anything of it is used. */
#ifndef KERNEL_IO_VECTOR_H
#define KERNEL_IO_VECTOR_H

#include <kernel/file/file.h>
#include <nucleus/layout.h>

enum : size_t { IO_MAX = 0x7ffff000, SEGMENTS_MAX = 1024, SEGMENTS_INLINE = 8 };

struct io_vector {
	struct io_segment *segments;
	struct io_segment small[SEGMENTS_INLINE];
	struct io_buffer buffer;
	size_t count;
	size_t total; /* IO_MAX at most */
};
static_assert(sizeof(struct io_segment) == 16); /* as struct iovec */

/* -EINVAL: too many, or a length below 0; -EFAULT: the vector cannot be read, or, with `own`, a buffer is not the
 * process's; -ENOMEM. Then there is nothing to free. Without `own` the buffers are another process's. May sleep. */
[[nodiscard]] int io_vector_get(struct io_vector *v, user_addr at, size_t count, bool own);
void io_vector_free(struct io_vector *v);

/* A buffer that reaches beyond the process's half of the address space is refused as a whole, however much of it would
 * be used. */
static inline bool io_user_range(user_addr at, uint64_t n)
{
	return n <= USER_END && at.value <= USER_END - n;
}

#endif
