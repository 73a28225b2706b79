/* SPDX-License-Identifier: MIT */
/*
 * Scripts: "#!" at a file's beginning names its interpreter (execve(2), "Interpreter scripts"). One argument at most,
 * and interpreters that are scripts themselves to a limit.
 */
#include "exec.h"
#include <kernel/mem/slab.h>
#include <lib/string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Splits "#! interpreter [argument]" in place. */
static int parse_script_line(char *line, char **interpreter, char **argument)
{
	char *p = line + 2;

	while (is_blank(*p))
		p++;
	*interpreter = p;
	while (*p != '\0' && !is_blank(*p))
		p++;
	*argument = nullptr;
	if (*p != '\0') {
		*p++ = '\0';
		while (is_blank(*p))
			p++;
		char *end = p + strlen(p);
		while (end > p && is_blank(end[-1]))
			*--end = '\0';
		if (*p != '\0')
			*argument = p;
	}
	return **interpreter != '\0' ? 0 : -ENOEXEC;
}

/* Puts interpreter, argument and the script's path before what there is; the former first string
 * gives way to the path. */
static int push_prefix(struct exec *e, const char *interpreter, const char *argument, const char *script)
{
	unsigned added = argument != nullptr ? 3 : 2, old = e->prefix_count > 0 ? 1 : 0;
	const char *fresh[3] = {interpreter, argument != nullptr ? argument : script, script};

	if (e->prefix_count - old + added > EXEC_PREFIX_MAX)
		return -E2BIG;
	char *copies[3] = {};
	for (unsigned i = 0; i < added; i++) {
		copies[i] = kstrdup(fresh[i]);
		if (copies[i] == nullptr) {
			while (i-- > 0)
				kfree(copies[i]);
			return -ENOMEM;
		}
	}
	if (old != 0)
		kfree(e->prefix[0]);
	memmove(&e->prefix[added], &e->prefix[old], (e->prefix_count - old) * sizeof(e->prefix[0]));
	memcpy(e->prefix, copies, added * sizeof(copies[0]));
	e->prefix_count += added - old;
	return 0;
}

/* The file is a script: makes its interpreter the program. */
static int enter_script(struct exec *e)
{
	char line[EXEC_SCRIPT_LINE];
	char *interpreter, *argument;
	struct file *f;

	if (++e->depth > EXEC_SCRIPT_DEPTH)
		return -ELOOP;
	size_t n = MIN(e->head_bytes, sizeof(line) - 1);
	memcpy(line, e->head, n);
	line[n] = '\0';
	char *end = strchr(line, '\n');
	if (end != nullptr)
		*end = '\0';
	int error = parse_script_line(line, &interpreter, &argument);
	/* A line that does not end within the limit may have lost a part of the interpreter's path.
	 */
	if (error == 0 && end == nullptr && n == sizeof(line) - 1 && argument == nullptr)
		error = -ENOEXEC;
	if (error == 0)
		error = push_prefix(e, interpreter, argument, e->depth == 1 ? e->name : e->prefix[0]);
	if (error == 0)
		error = exec_open(interpreter, &f);
	if (error != 0)
		return error;
	file_put(e->file);
	e->file = f;
	return 0;
}

int exec_find_program(struct exec *e)
{
	for (;;) {
		int error = exec_read_head(e->file, e->head, &e->head_bytes);
		if (error != 0)
			return error;
		if (e->head_bytes < 2 || e->head[0] != '#' || e->head[1] != '!')
			return 0;
		error = enter_script(e);
		if (error != 0)
			return error;
	}
}
