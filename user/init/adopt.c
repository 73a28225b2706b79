/* SPDX-License-Identifier: MIT */
/*
 * What an init before this one left running. PID 1 is started anew where the kernel faulted such that its program was
 * lost, and by SIGQUIT; its children are its children still, and their work is not to be lost with it. They are looked
 * for in /proc: the shell of a console leads the session whose terminal the console is.
 */
#include "init.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct child {
	char name[16];
	int session, terminal;
};

/* Whether it is a child of PID 1 that has not ended. */
static bool read_child(const char *pid, struct child *c)
{
	char path[64], text[1024], state;
	int parent;

	if (snprintf(path, sizeof(path), "/proc/%s/stat", pid) >= (int)sizeof(path))
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* The name may contain anything, brackets too. */
	char *name = strchr(text, '('), *rest = strrchr(text, ')');
	if (name == nullptr || rest == nullptr ||
	    sscanf(rest, ") %c %d %*d %d %d", &state, &parent, &c->session, &c->terminal) != 4)
		return false;
	snprintf(c->name, sizeof(c->name), "%.*s", (int)(rest - name - 1), name + 1);
	return parent == 1 && state != 'Z';
}

static bool is_wanted(const char *pid, dev_t console, const char *program)
{
	struct child c;

	if (!read_child(pid, &c))
		return false;
	if (console != 0)
		return c.session == atoi(pid) && (dev_t)(unsigned)c.terminal == console;
	/* A script is called by its own name, not its interpreter's. */
	const char *base = strrchr(program, '/');
	return strncmp(c.name, base != nullptr ? base + 1 : program, sizeof(c.name) - 1) == 0;
}

pid_t init_find_child(const char *console, const char *program)
{
	struct stat status = {};
	char path[64];
	pid_t found = 0;

	if (console != nullptr &&
	    (snprintf(path, sizeof(path), "/dev/%s", console) >= (int)sizeof(path) || stat(path, &status) != 0))
		return 0;
	DIR *dir = opendir("/proc");
	if (dir == nullptr)
		return 0;
	for (struct dirent *entry; found == 0 && (entry = readdir(dir)) != nullptr;) {
		if (isdigit((unsigned char)entry->d_name[0]) && is_wanted(entry->d_name, status.st_rdev, program))
			found = atoi(entry->d_name);
	}
	closedir(dir);
	return found;
}
