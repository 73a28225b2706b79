/* SPDX-License-Identifier: MIT */
/*
 * Bounded formatting: the integer and string conversions of printf (ISO C 7.23.6.1).
 *
 * Conversions d i u x X o c s p %; length modifiers hh h l ll z j t; flags - 0 + space #; width and
 * precision as numbers or '*'. There is no floating point in the kernel, so neither here. An
 * unknown conversion is copied to the output as it stands. No state, no locks, any context.
 */
#include <lib/string.h>
#include <stdint.h>

struct sink {
	char *out;
	size_t size;
	size_t length; /* of the whole text, also of what did not fit */
};

struct spec {
	bool left, zero, plus, space, alternate;
	int width, precision; /* precision -1: none given */
	int bytes;	      /* size of an integer argument */
	char conversion;
};

static void put(struct sink *s, char c)
{
	if (s->length + 1 < s->size)
		s->out[s->length] = c;
	s->length++;
}

static void put_repeated(struct sink *s, char c, int count)
{
	for (; count > 0; count--)
		put(s, c);
}

static void put_text(struct sink *s, const struct spec *spec, const char *text, size_t n)
{
	int padding = spec->width > (int)n ? spec->width - (int)n : 0;

	if (!spec->left)
		put_repeated(s, ' ', padding);
	for (size_t i = 0; i < n; i++)
		put(s, text[i]);
	if (spec->left)
		put_repeated(s, ' ', padding);
}

/* prefix: sign or "0x"; value's digits in base; precision and zero padding as ISO C says. */
static void put_number(struct sink *s, const struct spec *spec, uint64_t value, unsigned base, const char *prefix)
{
	const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	int n = 0, prefix_length = (int)strlen(prefix);

	for (; value != 0; value /= base)
		text[n++] = digits[value % base];
	int zeros = (spec->precision < 0 ? 1 : spec->precision) - n;
	if (zeros < 0)
		zeros = 0;
	if (spec->conversion == 'o' && spec->alternate && zeros == 0)
		zeros = 1;
	int padding = spec->width - prefix_length - zeros - n;
	if (spec->zero && !spec->left && spec->precision < 0 && padding > 0) {
		zeros += padding;
		padding = 0;
	}
	if (!spec->left)
		put_repeated(s, ' ', padding);
	for (; *prefix != '\0'; prefix++)
		put(s, *prefix);
	put_repeated(s, '0', zeros);
	while (n > 0)
		put(s, text[--n]);
	if (spec->left)
		put_repeated(s, ' ', padding);
}

static int parse_number(const char **fmt)
{
	int n = 0;

	while (**fmt >= '0' && **fmt <= '9' && n < 100000)
		n = n * 10 + (*(*fmt)++ - '0');
	return n;
}

static void parse_flags(const char **fmt, struct spec *spec)
{
	for (;; (*fmt)++) {
		switch (**fmt) {
		case '-': spec->left = true; break;
		case '0': spec->zero = true; break;
		case '+': spec->plus = true; break;
		case ' ': spec->space = true; break;
		case '#': spec->alternate = true; break;
		default: return;
		}
	}
}

static void parse_length(const char **fmt, struct spec *spec)
{
	spec->bytes = sizeof(int);
	for (;; (*fmt)++) {
		switch (**fmt) {
		case 'h': spec->bytes = spec->bytes == 2 ? 1 : 2; break;
		case 'l':
		case 'z':
		case 'j':
		case 't': spec->bytes = 8; break;
		default: return;
		}
	}
}

static uint64_t take_unsigned(int bytes, va_list *args)
{
	switch (bytes) {
	case 1: return (unsigned char)va_arg(*args, unsigned);
	case 2: return (unsigned short)va_arg(*args, unsigned);
	case 8: return va_arg(*args, uint64_t);
	default: return va_arg(*args, unsigned);
	}
}

static int64_t take_signed(int bytes, va_list *args)
{
	switch (bytes) {
	case 1: return (signed char)va_arg(*args, int);
	case 2: return (short)va_arg(*args, int);
	case 8: return va_arg(*args, int64_t);
	default: return va_arg(*args, int);
	}
}

static void put_signed(struct sink *s, const struct spec *spec, va_list *args)
{
	int64_t value = take_signed(spec->bytes, args);
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;

	put_number(s, spec, magnitude, 10, value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "");
}

static void put_string(struct sink *s, const struct spec *spec, const char *text)
{
	if (text == nullptr)
		text = "(null)";
	put_text(s, spec, text, spec->precision < 0 ? strlen(text) : strnlen(text, (size_t)spec->precision));
}

static void put_hex(struct sink *s, const struct spec *spec, uint64_t value)
{
	const char *prefix = spec->conversion == 'X' ? "0X" : "0x";

	put_number(s, spec, value, 16, spec->alternate && value != 0 ? prefix : "");
}

/* False: not a conversion we know; nothing was taken. */
static bool convert(struct sink *s, struct spec *spec, va_list *args)
{
	switch (spec->conversion) {
	case 'd':
	case 'i': put_signed(s, spec, args); return true;
	case 'u': put_number(s, spec, take_unsigned(spec->bytes, args), 10, ""); return true;
	case 'o': put_number(s, spec, take_unsigned(spec->bytes, args), 8, ""); return true;
	case 'x':
	case 'X': put_hex(s, spec, take_unsigned(spec->bytes, args)); return true;
	case 'p': put_number(s, spec, (uintptr_t)va_arg(*args, void *), 16, "0x"); return true;
	case 's': put_string(s, spec, va_arg(*args, const char *)); return true;
	case 'c': put_text(s, spec, &(char){(char)va_arg(*args, int)}, 1); return true;
	case '%': put(s, '%'); return true;
	default: return false;
	}
}

static void parse_width(const char **fmt, struct spec *spec, va_list *args)
{
	if (**fmt == '*') {
		(*fmt)++;
		spec->width = va_arg(*args, int);
		if (spec->width < 0) {
			spec->left = true;
			spec->width = -spec->width;
		}
	} else {
		spec->width = parse_number(fmt);
	}
	spec->precision = -1;
	if (**fmt != '.')
		return;
	(*fmt)++;
	if (**fmt == '*') {
		(*fmt)++;
		spec->precision = va_arg(*args, int);
	} else {
		spec->precision = parse_number(fmt);
	}
}

int vsnprintf(char *out, size_t size, const char *fmt, va_list args)
{
	struct sink s = {.out = out, .size = size};
	va_list rest;

	va_copy(rest, args);
	while (*fmt != '\0') {
		const char *start = fmt;

		if (*fmt++ != '%') {
			put(&s, *start);
			continue;
		}
		struct spec spec = {};
		parse_flags(&fmt, &spec);
		parse_width(&fmt, &spec, &rest);
		parse_length(&fmt, &spec);
		spec.conversion = *fmt;
		if (*fmt != '\0')
			fmt++;
		if (!convert(&s, &spec, &rest)) {
			for (; start < fmt; start++)
				put(&s, *start);
		}
	}
	va_end(rest);
	if (size > 0)
		out[s.length < size ? s.length : size - 1] = '\0';
	return (int)s.length;
}

int snprintf(char *out, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(out, size, fmt, args);
	va_end(args);
	return n;
}

int scnprintf(char *out, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(out, size, fmt, args);
	va_end(args);
	if (size == 0)
		return 0;
	return (size_t)n < size ? n : (int)size - 1;
}
