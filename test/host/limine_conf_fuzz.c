/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for lib/limine_conf.c: no step outside the text, and all views lie inside it.
 *
 * A byte from 0x80 on stands for a word of the language, so that whole files are soon found.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/limine_conf.c> /* included, so that it is compiled for the fuzzer's eyes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *text;
static size_t text_size;

static void require(bool good)
{
	if (!good)
		abort();
}

static void inside(struct limine_conf_string s)
{
	require(s.at == nullptr ? s.size == 0 : s.at >= text && s.at + s.size <= text + text_size);
}

static void check_path(struct limine_conf_string path)
{
	struct limine_conf_string out;
	const char *fault = nullptr;

	inside(path);
	if (path.at == nullptr)
		return;
	if (limine_conf_boot_path(path, &out, &fault)) {
		inside(out);
		require(out.size >= 2 && out.at[0] == '/');
	} else {
		require(fault != nullptr);
	}
}

static const char *const words[] = {
	"/x\nprotocol: limine\npath: boot():/k\n",
	"timeout: ",
	"error_timeout: ",
	"default_entry: ",
	"protocol: ",
	"path: ",
	"kernel_path: ",
	"cmdline: ",
	"kernel_cmdline: ",
	"module_path: ",
	"module_cmdline: ",
	"boot():/",
	"limine",
	"no",
	"\n/",
	"#",
	"${",
};
constexpr size_t WORDS = sizeof(words) / sizeof(words[0]);

/* Writes the input with words for its high bytes, at most room bytes; returns the length. */
static size_t expand(const uint8_t *data, size_t size, char *out, size_t room)
{
	size_t used = 0;

	for (size_t i = 0; i < size; i++) {
		char byte[2] = {(char)data[i], '\0'};
		const char *from = data[i] >= 0x80 ? words[data[i] % WORDS] : byte;
		size_t length = data[i] >= 0x80 ? strlen(from) : 1;

		if (length > room - used)
			break;
		memcpy(out + used, from, length);
		used += length;
	}
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char expanded[16384];
	struct limine_conf_error error = {};
	struct limine_conf conf;
	char *copy;

	text_size = expand(data, size, expanded, sizeof(expanded));
	copy = malloc(text_size > 0 ? text_size : 1);
	memcpy(copy, expanded, text_size);
	text = copy;
	if (limine_conf_parse(text, text_size, &conf, &error)) {
		require(conf.count > 0 && conf.count <= LIMINE_CONF_MAX_ENTRIES);
		require(conf.default_entry < conf.count);
		for (unsigned i = 0; i < conf.count; i++) {
			const struct limine_conf_entry *e = &conf.entry[i];

			inside(e->title);
			inside(e->protocol);
			inside(e->cmdline);
			check_path(e->kernel_path);
			require(e->module_count <= LIMINE_CONF_MAX_MODULES);
			for (unsigned j = 0; j < e->module_count; j++) {
				check_path(e->module[j].path);
				inside(e->module[j].cmdline);
			}
		}
	} else {
		require(error.fault != nullptr);
	}
	free(copy);
	return 0;
}
