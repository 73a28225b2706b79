/* SPDX-License-Identifier: MIT */
/*
 * Memory and string functions (ISO C 7.26), plain C that works in any half and on any architecture.
 *
 * The memory functions move eight bytes at a time through a packed type that may alias anything, so
 * the compiler emits unaligned word accesses where the machine has them. Four words per round keep
 * the loop's own instructions few. Nothing here uses a vector register: the kernel never touches
 * FPU state. An architecture may replace a function by one of the same name in its own folder. No
 * state, no locks, any context.
 */
#include <lib/string.h>
#include <stdint.h>

struct word {
	uint64_t value;
} __attribute__((packed, may_alias));

static inline uint64_t load_word(const unsigned char *p)
{
	return ((const struct word *)p)->value;
}

static inline void store_word(unsigned char *p, uint64_t value)
{
	((struct word *)p)->value = value;
}

static void copy_forward(unsigned char *d, const unsigned char *s, size_t n)
{
	for (; n >= 32; n -= 32, d += 32, s += 32) {
		uint64_t a = load_word(s), b = load_word(s + 8);
		uint64_t c = load_word(s + 16), e = load_word(s + 24);
		store_word(d, a);
		store_word(d + 8, b);
		store_word(d + 16, c);
		store_word(d + 24, e);
	}
	for (; n >= 8; n -= 8, d += 8, s += 8)
		store_word(d, load_word(s));
	for (; n > 0; n--)
		*d++ = *s++;
}

static void copy_backward(unsigned char *d, const unsigned char *s, size_t n)
{
	for (; n >= 32; n -= 32) {
		uint64_t a = load_word(s + n - 8), b = load_word(s + n - 16);
		uint64_t c = load_word(s + n - 24), e = load_word(s + n - 32);
		store_word(d + n - 8, a);
		store_word(d + n - 16, b);
		store_word(d + n - 24, c);
		store_word(d + n - 32, e);
	}
	for (; n >= 8; n -= 8)
		store_word(d + n - 8, load_word(s + n - 8));
	for (; n > 0; n--)
		d[n - 1] = s[n - 1];
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	copy_forward(dst, src, n);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	/* Forward is safe unless the destination begins inside the source. */
	if ((uintptr_t)dst - (uintptr_t)src >= n)
		copy_forward(dst, src, n);
	else
		copy_backward(dst, src, n);
	return dst;
}

void *memset(void *dst, int byte, size_t n)
{
	unsigned char *d = dst;
	uint64_t value = (unsigned char)byte * UINT64_C(0x0101010101010101);

	for (; n >= 32; n -= 32, d += 32) {
		store_word(d, value);
		store_word(d + 8, value);
		store_word(d + 16, value);
		store_word(d + 24, value);
	}
	for (; n >= 8; n -= 8, d += 8)
		store_word(d, value);
	for (; n > 0; n--)
		*d++ = (unsigned char)byte;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	while (n >= 8 && load_word(x) == load_word(y)) {
		x += 8;
		y += 8;
		n -= 8;
	}
	for (; n > 0; n--, x++, y++) {
		if (*x != *y)
			return *x < *y ? -1 : 1;
	}
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const unsigned char *p = s; n > 0; n--, p++) {
		if (*p == (unsigned char)c)
			return (void *)p;
	}
	return nullptr;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; n--, a++, b++) {
		if (*a != *b)
			return (unsigned char)*a - (unsigned char)*b;
		if (*a == '\0')
			break;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (*s == '\0')
			return nullptr;
	}
}

char *strrchr(const char *s, int c)
{
	const char *last = nullptr;

	for (;; s++) {
		if (*s == (char)c)
			last = s;
		if (*s == '\0')
			return (char *)last;
	}
}

char *strstr(const char *haystack, const char *needle)
{
	size_t length = strlen(needle);

	for (;; haystack++) {
		if (strncmp(haystack, needle, length) == 0)
			return (char *)haystack;
		if (*haystack == '\0')
			return nullptr;
	}
}

size_t strlcpy(char *dst, const char *src, size_t size)
{
	size_t length = strlen(src);

	if (size > 0) {
		size_t n = length < size ? length : size - 1;

		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return length;
}

void string_make_printable(char *text, size_t n)
{
	for (size_t k = 0; k < n && text[k] != '\0'; k++)
		if ((unsigned char)text[k] < ' ' || text[k] == 0x7f)
			text[k] = '?';
}
