/* SPDX-License-Identifier: MIT */
/* Buffers of reads and writes (kernel/file/file.h): user memory in one piece or in segments, or kernel memory. */
#include "internal.h"

#include <kernel/mem/page.h>

static size_t copy_segments(void *kernel, const struct io_buffer *b, size_t offset, size_t n, int direction)
{
	size_t done = 0;

	for (uint32_t s = 0; s < b->segment_count && done < n; s++) {
		const struct io_segment *seg = &b->segments[s];

		if (offset >= seg->length) {
			offset -= seg->length;
			continue;
		}
		size_t part = MIN(n - done, seg->length - offset);
		user_addr at = user_addr_add(seg->base, offset);
		size_t moved = part;
		if (direction == 0)
			moved = copy_from_user_partial((char *)kernel + done, at, part);
		else if (direction == 1)
			moved = copy_to_user_partial(at, (char *)kernel + done, part);
		else if (clear_user(at, part) != 0)
			moved = 0;
		done += moved;
		if (moved < part)
			break;
		offset = 0;
	}
	return done;
}

size_t io_copy_in(void *dst, const struct io_buffer *src, size_t offset, size_t n)
{
	offset += src->skip;
	if (!src->is_user) {
		memcpy(dst, (const char *)src->kernel + offset, n);
		return n;
	}
	if (src->segments != nullptr)
		return copy_segments(dst, src, offset, n, 0);
	return copy_from_user_partial(dst, user_addr_add(src->user, offset), n);
}

size_t io_copy_out(const struct io_buffer *dst, size_t offset, const void *src, size_t n)
{
	offset += dst->skip;
	if (!dst->is_user) {
		memcpy((char *)dst->kernel + offset, src, n);
		return n;
	}
	if (dst->segments != nullptr)
		return copy_segments((void *)src, dst, offset, n, 1);
	return copy_to_user_partial(user_addr_add(dst->user, offset), src, n);
}

static void *byte_of(struct page *const *pages, size_t at)
{
	return (char *)page_address(pages[at / PAGE_SIZE]) + at % PAGE_SIZE;
}

size_t io_copy_in_pages(struct page *const *pages, size_t skip, const struct io_buffer *src, size_t offset, size_t n)
{
	size_t done = 0, moved, part;

	if (src->is_user && src->segments == nullptr)
		return copy_pages_from_user(pages, skip, user_addr_add(src->user, offset + src->skip), n);
	do {
		part = MIN(n - done, PAGE_SIZE - (skip + done) % PAGE_SIZE);
		moved = io_copy_in(byte_of(pages, skip + done), src, offset + done, part);
		done += moved;
	} while (done < n && moved == part);
	return done;
}

size_t io_copy_out_pages(const struct io_buffer *dst, size_t offset, struct page *const *pages, size_t skip, size_t n)
{
	size_t done = 0, moved, part;

	if (dst->is_user && dst->segments == nullptr)
		return copy_pages_to_user(user_addr_add(dst->user, offset + dst->skip), pages, skip, n);
	do {
		part = MIN(n - done, PAGE_SIZE - (skip + done) % PAGE_SIZE);
		moved = io_copy_out(dst, offset + done, byte_of(pages, skip + done), part);
		done += moved;
	} while (done < n && moved == part);
	return done;
}

size_t io_clear_out(const struct io_buffer *dst, size_t offset, size_t n)
{
	offset += dst->skip;
	if (!dst->is_user) {
		memset((char *)dst->kernel + offset, 0, n);
		return n;
	}
	if (dst->segments != nullptr)
		return copy_segments(nullptr, dst, offset, n, 2);
	return clear_user(user_addr_add(dst->user, offset), n) == 0 ? n : 0;
}
