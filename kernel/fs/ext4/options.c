/* SPDX-License-Identifier: MIT */
/* Mount options of ext4 (ext4(5)): what there is of them, and the name of what there is not in the log. */
#include "ext4.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <lib/string.h>
#include <lib/types.h>

static bool is(const char *option, size_t length, const char *name)
{
	return strlen(name) == length && memcmp(option, name, length) == 0;
}

/* commit=0 means what is usual (ext4(5)). */
static bool parse_seconds(struct ext4_mount *m, const char *text, size_t length)
{
	uint32_t n = 0;

	for (size_t k = 0; k < length; k++) {
		if (text[k] < '0' || text[k] > '9')
			return false;
		n = n * 10 + (uint32_t)(text[k] - '0');
	}
	m->commit_s = n == 0 ? EXT4_COMMIT_S : MIN(n, 3600u);
	return true;
}

static bool parse_one(struct ext4_mount *m, const char *option, size_t length)
{
	if (is(option, length, "errors=continue"))
		m->continue_on_errors = true;
	else if (is(option, length, "errors=remount-ro"))
		m->continue_on_errors = false;
	else if (length > 7 && length < 14 && memcmp(option, "commit=", 7) == 0)
		return parse_seconds(m, option + 7, length - 7);
	else if (is(option, length, "noload") || is(option, length, "norecovery"))
		m->no_recovery = true;
	else
		return length == 0 || is(option, length, "user_xattr");
	return true;
}

int ext4_parse_options(struct ext4_mount *m, const char *data)
{
	while (*data != '\0') {
		const char *end = strchr(data, ',');
		size_t length = end != nullptr ? (size_t)(end - data) : strlen(data);

		if (!parse_one(m, data, length)) {
			log_error("ext4: %s: option %.*s is not supported (commit=, errors=continue, "
				  "errors=remount-ro, noload, norecovery, user_xattr are)",
				  m->name, (int)(length < 64 ? length : 64), data);
			return -EINVAL;
		}
		data += length + (end != nullptr);
	}
	return 0;
}
