/* SPDX-License-Identifier: MIT */
/*
 * The kernel command line as init reads it: `console=NAME[,settings]` (any number) and
 * `init.run=...`. Words that belong to the kernel are passed over. A value may be quoted with ";
 * an unquoted init.run takes the rest of the line.
 */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void init_options_add_console(struct init_options *options, char *value)
{
	value[strcspn(value, ",")] = '\0';
	for (size_t i = 0; i < options->console_count; i++) {
		if (strcmp(options->consoles[i], value) == 0)
			return;
	}
	if (*value != '\0' && options->console_count < INIT_MAX_CONSOLES)
		options->consoles[options->console_count++] = value;
}

static void split_run(struct init_options *options, char *value)
{
	size_t count = 0;
	char *rest = nullptr;

	for (char *word = strtok_r(value, " \t\n", &rest); word != nullptr && count < INIT_MAX_ARGS;
	     word = strtok_r(nullptr, " \t\n", &rest))
		options->run[count++] = word;
	options->run[count] = nullptr;
}

/* Ends the word at `at` in place, leaving quotes out, and returns where the next one begins. */
static char *end_word(char *at, char **value)
{
	char *equals = strchr(at, '=');
	char *end = at + strcspn(at, " \t\n");

	*value = nullptr;
	if (equals == nullptr || equals > end)
		return *end == '\0' ? end : (*end = '\0', end + 1);
	*equals = '\0';
	*value = equals + 1;
	if (**value == '"') {
		(*value)++;
		end = *value + strcspn(*value, "\"");
	} else if (strcmp(at, "init.run") == 0) {
		end = *value + strlen(*value);
	}
	return *end == '\0' ? end : (*end = '\0', end + 1);
}

void init_options_parse(struct init_options *options, const char *line)
{
	*options = (struct init_options){};
	strncpy(options->text, line, sizeof(options->text) - 1);
	for (char *at = options->text; *(at += strspn(at, " \t\n")) != '\0';) {
		char *value;
		char *name = at;

		at = end_word(at, &value);
		if (value != nullptr && strcmp(name, "console") == 0)
			init_options_add_console(options, value);
		else if (value != nullptr && strcmp(name, "init.run") == 0)
			split_run(options, value);
	}
	if (options->console_count == 0)
		options->consoles[options->console_count++] = "console";
}

void init_options_read(struct init_options *options)
{
	char line[INIT_CMDLINE_SIZE];
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (length < 0) {
		init_say("cannot read /proc/cmdline: %s; using /dev/console", strerror(errno));
		length = 0;
	}
	line[length] = '\0';
	init_options_parse(options, line);
	if (fd >= 0)
		close(fd);
}
