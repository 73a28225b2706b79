/* SPDX-License-Identifier: MIT */
/*
 * What the nucleus told at the start, and of it the kernel's command line (kernel/base/cmdline.h): words separated by
 * blanks, `name` or `name=value`; double quotes keep blanks in a value. Words before a bare `--` are the kernel's; what
 * follows belongs to init. Read-only after boot: no locks, any context.
 */
#include "core.h"

#include <arch/options.h>
#include <kernel/base/cmdline.h>
#include <kernel/base/log.h>
#include <lib/cmdline.h>
#include <lib/string.h>

static const struct boot_info *boot;

void boot_info_set(const struct boot_info *info)
{
	boot = info;
}

const struct boot_info *boot_info(void)
{
	return boot;
}

const char *cmdline_text(void)
{
	return boot_info()->cmdline;
}

const char *cmdline_get(const char *name, char *buf, size_t size)
{
	return cmdline_find(cmdline_text(), name, CMDLINE_LAST, buf, size) ? buf : nullptr;
}

const char *cmdline_get_nth(const char *name, unsigned index, char *buf, size_t size)
{
	return cmdline_find(cmdline_text(), name, index, buf, size) ? buf : nullptr;
}

/* Everything that the nucleus, the kernel, its tests and user/init look for; init's own begin with "init.". */
static const char *const known[] = {
	ARCH_OPTIONS "dynpriv",
	"elevate",
	"console",
	"init",
	"quiet",
	"debug",
	"loglevel",
	"ktest",
	"nodriver",
	"ramdisk",
#if STELLUX_DEBUG
	"perturb",
	"iommu", /* what the kernel's tests are told of the machine, this and the next */
	"senders",
	"pull_step",
#endif
};

static bool is_known(const char *name, size_t length)
{
	if (length > 5 && strncmp(name, "init.", 5) == 0)
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i]) == length && strncmp(name, known[i], length) == 0)
			return true;
	}
	return false;
}

void cmdline_check(void)
{
	const char *end;

	for (const char *p = cmdline_text(); (p = cmdline_word(p, &end)) != nullptr; p = end) {
		const char *name_end = p;

		while (name_end < end && *name_end != '=')
			name_end++;
		if (!is_known(p, (size_t)(name_end - p)))
			log_warn("core: nobody knows the option %.*s on the kernel command line; it does nothing",
				 (int)(end - p), p);
	}
}
