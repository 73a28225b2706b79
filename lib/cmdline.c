/* SPDX-License-Identifier: MIT */
/* The kernel's command line, see cmdline.h. */
#include <lib/cmdline.h>
#include <lib/string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* The end of the word that begins at p. */
static const char *word_end(const char *p)
{
	bool quoted = false;

	for (; *p != '\0' && (quoted || !is_blank(*p)); p++) {
		if (*p == '"')
			quoted = !quoted;
	}
	return p;
}

static void copy_value(char *buf, size_t size, const char *from, const char *end)
{
	size_t n = 0;

	for (; from < end && n + 1 < size; from++) {
		if (*from != '"')
			buf[n++] = *from;
	}
	if (size > 0)
		buf[n] = '\0';
}

const char *cmdline_word(const char *at, const char **end)
{
	while (is_blank(*at))
		at++;
	*end = word_end(at);
	return *end == at || (*end - at == 2 && strncmp(at, "--", 2) == 0) ? nullptr : at;
}

bool cmdline_find(const char *text, const char *name, unsigned index, char *buf, size_t size)
{
	size_t length = strlen(name);
	unsigned seen = 0;
	const char *end;

	for (const char *p = text; (p = cmdline_word(p, &end)) != nullptr; p = end) {
		if (strncmp(p, name, length) != 0 || (p + length != end && p[length] != '='))
			continue;
		if (seen == index || index == CMDLINE_LAST)
			copy_value(buf, size, p + length + (p + length < end), end);
		seen++;
	}
	return index == CMDLINE_LAST ? seen > 0 : index < seen;
}
