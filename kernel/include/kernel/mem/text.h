/* SPDX-License-Identifier: MIT */
/*
 * A text that grows as it is written: what the show functions of /proc fill.
 * One thread at a time; may sleep (allocates). When memory runs out the text ends there and
 * `failed` is set.
 */
#ifndef KERNEL_TEXT_H
#define KERNEL_TEXT_H

#include <lib/annotate.h>
#include <stddef.h>

struct text_buffer {
	char *data; /* not terminated */
	size_t length, capacity;
	bool failed;
};

static inline void text_init(struct text_buffer *b)
{
	*b = (struct text_buffer){};
}
void text_free(struct text_buffer *b);
void text_append(struct text_buffer *b, const void *bytes, size_t n);
/* Appends text with the bytes of `set` as octal escapes (\\012), so that fields and lines stay what they are. */
void text_escape(struct text_buffer *b, const char *text, const char *set);
void text_printf(struct text_buffer *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
