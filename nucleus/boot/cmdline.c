/* SPDX-License-Identifier: MIT */
/* Command-line words, see cmdline.h. */
#include "boot/cmdline.h"
#include <lib/string.h>

bool cmdline_value(const char *cmdline, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);
	bool found = false;

	for (const char *p = cmdline; *p;) {
		const char *end = p;

		while (*end && *end != ' ')
			end++;
		if ((size_t)(end - p) > n && !memcmp(p, name, n) && p[n] == '=') {
			size_t len = (size_t)(end - p) - n - 1;

			if (len >= size)
				len = size - 1;
			memcpy(out, p + n + 1, len);
			out[len] = '\0';
			found = true;
		}
		p = *end ? end + 1 : end;
	}
	return found;
}
