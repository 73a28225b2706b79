/* SPDX-License-Identifier: MIT */
/*
 * Arguments and environment on their way from the old program to the new one: copied into pages of
 * the kernel before anything is changed, because the old space goes away and the new one is
 * another. Strings may cross pages.
 */
#include "exec.h"
#include "internal.h"
#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <nucleus/layout.h>

void exec_strings_init(struct exec_strings *s)
{
	*s = (struct exec_strings){};
	list_init(&s->chunks);
}

void exec_strings_free(struct exec_strings *s)
{
	struct exec_chunk *c, *tmp;

	list_for_each_safe(c, tmp, &s->chunks, link)
		kfree(c);
	list_init(&s->chunks);
}

/* A chunk with room for at least one byte. */
static struct exec_chunk *room(struct exec_strings *s)
{
	struct exec_chunk *c;

	if (!list_empty(&s->chunks)) {
		c = list_entry(s->chunks.prev, struct exec_chunk, link);
		if (c->used < sizeof(c->text))
			return c;
	}
	static_assert(sizeof(struct exec_chunk) == 4096);
	c = kmalloc(sizeof(*c));
	if (c != nullptr)
		list_push_back(&s->chunks, &c->link);
	return c;
}

static void string_done(struct exec_strings *s, uint64_t length)
{
	if (s->count++ == 0)
		s->first_length = length;
}

int exec_strings_add(struct exec_strings *s, const char *text, uint64_t limit)
{
	size_t left = strlen(text) + 1;
	uint64_t length = left;

	if (s->bytes + left > limit)
		return -E2BIG;
	while (left > 0) {
		struct exec_chunk *c = room(s);
		if (c == nullptr)
			return -ENOMEM;
		size_t n = MIN(left, sizeof(c->text) - c->used);
		memcpy(c->text + c->used, text, n);
		c->used += n;
		s->bytes += n;
		text += n;
		left -= n;
	}
	string_done(s, length);
	return 0;
}

int exec_strings_add_user(struct exec_strings *s, user_addr text, uint64_t limit)
{
	uint64_t length = 0;

	for (;;) {
		struct exec_chunk *c = room(s);
		if (c == nullptr)
			return -ENOMEM;
		/* Not across a user page, so that a short copy is a fault and nothing else. */
		size_t n = MIN(sizeof(c->text) - c->used, PAGE_SIZE - (text.value & (PAGE_SIZE - 1)));
		if (copy_from_user(c->text + c->used, text, n) != 0)
			return -EFAULT;
		char *end = memchr(c->text + c->used, 0, n);
		if (end != nullptr)
			n = (size_t)(end - (c->text + c->used)) + 1;
		c->used += n;
		s->bytes += n;
		length += n;
		if (length > EXEC_STRING_MAX || s->bytes > limit)
			return -E2BIG;
		if (end != nullptr)
			break;
		text = user_addr_add(text, n);
	}
	string_done(s, length);
	return 0;
}

int exec_strings_add_user_array(struct exec_strings *s, user_addr array, uint64_t limit)
{
	if (array.value == 0)
		return 0;
	for (;;) {
		uint64_t pointers[32];
		size_t n = (PAGE_SIZE - (array.value & (PAGE_SIZE - 1))) / sizeof(uint64_t);

		n = MAX(MIN(n, ARRAY_LEN(pointers)), (size_t)1);
		if (copy_from_user(pointers, array, n * sizeof(uint64_t)) != 0)
			return -EFAULT;
		for (size_t i = 0; i < n; i++) {
			if (pointers[i] == 0)
				return 0;
			int error = exec_strings_add_user(s, USER_ADDR(pointers[i]), limit);
			if (error != 0)
				return error;
			/* Each also takes a pointer on the new stack. */
			if (s->bytes + s->count * sizeof(uint64_t) > limit)
				return -E2BIG;
		}
		array = user_addr_add(array, n * sizeof(uint64_t));
	}
}
