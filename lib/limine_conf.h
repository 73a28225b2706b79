/* SPDX-License-Identifier: MIT */
/*
 * limine_conf.h - reads the configuration file of the Limine boot loader (limine.conf, version 8).
 *
 * limine_conf_parse() understands the part that boots one kernel by the Limine protocol: global
 * `timeout` and `default_entry`, entries (`/Title`), and in an entry `protocol`, `path` or
 * `kernel_path`, `cmdline` or `kernel_cmdline`, `module_path` and `module_cmdline` (several).
 * Two options go beyond that version: in an entry `dtb_path`, a device tree in place of the firmware's, and
 * globally `error_timeout`, how long an error's message stands before the machine
 * is powered off ("no", the default: until a key). Options it does not know are passed over, as Limine
 * does. Sub-entries and macros are refused by
 * name, since passing over them would boot something else than was written. Strings are
 * views into the text, which must outlive the result. No allocation, no globals.
 *
 * Specification: CONFIG.md of Limine 8.x.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

constexpr unsigned LIMINE_CONF_MAX_ENTRIES = 8;
constexpr unsigned LIMINE_CONF_MAX_MODULES = 8;
constexpr unsigned LIMINE_CONF_TIMEOUT_DEFAULT = 5;
constexpr unsigned LIMINE_CONF_TIMEOUT_NEVER = UINT32_MAX; /* `timeout: no` */

/* Bytes inside the text; not terminated. at is nullptr when the option is absent. */
struct limine_conf_string {
	const char *at;
	size_t size;
};

struct limine_conf_module {
	struct limine_conf_string path;
	struct limine_conf_string cmdline;
	unsigned line;
};

struct limine_conf_entry {
	struct limine_conf_string title;
	struct limine_conf_string protocol;
	struct limine_conf_string kernel_path;
	struct limine_conf_string cmdline;
	unsigned line;	    /* of the title */
	unsigned path_line; /* of kernel_path */
	struct limine_conf_string dtb_path;
	unsigned dtb_line;
	unsigned module_count;
	struct limine_conf_module module[LIMINE_CONF_MAX_MODULES];
};

struct limine_conf {
	unsigned timeout_s;
	unsigned error_timeout_s;
	unsigned default_entry; /* index into entry, valid */
	unsigned count;		/* at least 1 */
	struct limine_conf_entry entry[LIMINE_CONF_MAX_ENTRIES];
};

struct limine_conf_error {
	unsigned line; /* from 1; 0: the file as a whole */
	const char *fault;
};

/*
 * Parses text; false: *error says where and why, and of *conf only error_timeout_s is defined, if the
 * text set it before the fault.
 */
[[nodiscard]] bool limine_conf_parse(const char *text, size_t size, struct limine_conf *conf,
				     struct limine_conf_error *error);

/*
 * Turns a Limine path on the boot volume, "boot():/some/file", into the volume's path,
 * "/some/file". False: *fault says what is not supported (another resource, partition, hash).
 */
[[nodiscard]] bool limine_conf_boot_path(struct limine_conf_string path, struct limine_conf_string *volume_path,
					 const char **fault);

/* Whether a view holds exactly the given text, letter case aside. */
[[nodiscard]] bool limine_conf_equal(struct limine_conf_string string, const char *text);
