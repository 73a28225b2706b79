/* SPDX-License-Identifier: MIT */
/* Mount options of ext4 (ext4(5)): what there is of them, and the name of what there is not in the log. */
#include "ext4.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <lib/string.h>

static bool is(const char *option, size_t length, const char *name)
{
	return strlen(name) == length && memcmp(option, name, length) == 0;
}

static bool parse_one(struct ext4_mount *m, const char *option, size_t length)
{
	if (is(option, length, "errors=continue"))
		m->continue_on_errors = true;
	else if (is(option, length, "errors=remount-ro"))
		m->continue_on_errors = false;
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
			log_error("ext4: %s: option %.*s is not supported (errors=continue, errors=remount-ro, "
				  "noload, norecovery, user_xattr are)",
				  m->name, (int)(length < 64 ? length : 64), data);
			return -EINVAL;
		}
		data += length + (end != nullptr);
	}
	return 0;
}
