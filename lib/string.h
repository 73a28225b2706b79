/* SPDX-License-Identifier: MIT */
/* The C library's memory and string functions that both halves use (ISO C 7.26), and bounded formatting. */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include <lib/annotate.h>
#include <stdarg.h>
#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *haystack, const char *needle);
/* Copies at most size-1 bytes and terminates. Returns the length of src (>= size: it was cut). */
size_t strlcpy(char *dst, const char *src, size_t size);

/* printf subset: %d %i %u %x %X %o %c %s %p %% with h/hh/l/ll/z/j, width, precision, '-', '0', '+', ' ', '#', '*'.
 * Returns the length that the whole text has; writes at most size bytes with the terminator. */
int vsnprintf(char *out, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
int snprintf(char *out, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Like snprintf, but returns what was really written (for appending). */
int scnprintf(char *out, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Replaces control bytes, which a terminal would obey, by question marks. */
void string_make_printable(char *text, size_t n);

#endif
