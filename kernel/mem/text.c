/* SPDX-License-Identifier: MIT */
/*
 * Growing text buffers (kernel/mem/text.h), for files whose content is made when they are read.
 * Lowered; allocates, so it may sleep; the caller serialises.
 */
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <lib/string.h>
#include <lib/types.h>
#include <stdarg.h>

constexpr size_t FIRST_CAPACITY = 1024;

static bool make_room(struct text_buffer *b, size_t n)
{
	size_t capacity = b->capacity == 0 ? FIRST_CAPACITY : b->capacity;

	if (b->failed)
		return false;
	while (capacity - b->length < n)
		capacity *= 2;
	if (capacity == b->capacity)
		return true;
	char *data = krealloc(b->data, capacity);
	if (data == nullptr) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->capacity = capacity;
	return true;
}

void text_append(struct text_buffer *b, const void *bytes, size_t n)
{
	if (!make_room(b, n))
		return;
	memcpy(b->data + b->length, bytes, n);
	b->length += n;
}

void text_escape(struct text_buffer *b, const char *text, const char *set)
{
	for (; *text != '\0'; text++) {
		if (strchr(set, *text) != nullptr)
			text_printf(b, "\\%03o", (unsigned char)*text);
		else
			text_append(b, text, 1);
	}
}

void text_printf(struct text_buffer *b, const char *fmt, ...)
{
	va_list args;

	if (!make_room(b, 128))
		return;
	va_start(args, fmt);
	size_t n = (size_t)vsnprintf(b->data + b->length, b->capacity - b->length, fmt, args);
	va_end(args);
	if (n >= b->capacity - b->length) {
		if (!make_room(b, n + 1))
			return;
		va_start(args, fmt);
		vsnprintf(b->data + b->length, b->capacity - b->length, fmt, args);
		va_end(args);
	}
	b->length += n;
}

void text_free(struct text_buffer *b)
{
	kfree(b->data);
	*b = (struct text_buffer){};
}
