/* SPDX-License-Identifier: MIT */
/*
 * Runs the test programs beside it (/test/NAME), all in the order of their names or those named as arguments
 * ("NAME" or "NAME:CASE") or all but some ("-NAME", and those called alone_ something, which must be named), as
 * subtests of one KTAP report, and ends with a line of totals. A program during which the kernel complained of the
 * order of its locks has failed. Used as init.run=/test/run. The exit status is 0 when all passed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/wait.h>
#include <unistd.h>

constexpr size_t PROGRAMS_MAX = 256;

static const char directory[] = "/test";

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One that is left out in silence would never be missed. */
static void refuse_more(void)
{
	printf("Bail out! more than %zu programs: raise PROGRAMS_MAX\n", PROGRAMS_MAX);
	exit(2);
}

static size_t list_programs(char **names)
{
	size_t count = 0;
	DIR *dir = opendir(directory);

	if (dir == nullptr) {
		printf("Bail out! cannot read %s: %s\n", directory, strerror(errno));
		exit(2);
	}
	for (struct dirent *entry; (entry = readdir(dir)) != nullptr;) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, "run") == 0 ||
		    strncmp(entry->d_name, "alone_", 6) == 0)
			continue;
		if (count == PROGRAMS_MAX)
			refuse_more();
		names[count++] = strdup(entry->d_name);
	}
	closedir(dir);
	qsort(names, count, sizeof(*names), compare);
	return count;
}

/* Returns whether the program passed. */
static bool run_program(char *name)
{
	char path[300];
	char *only = strchr(name, ':');
	int status = -1;

	if (only != nullptr)
		*only++ = '\0';
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	printf("# Subtest: %s\n", name);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		execve(path, (char *[]){path, only, nullptr}, (char *[]){"KTAP_INDENT=    ", "PATH=/bin", nullptr});
		printf("    Bail out! cannot run %s: %s\n", path, strerror(errno));
		fflush(stdout);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		printf("# %s was killed by signal %d\n", name, WTERMSIG(status));
	return status == 0;
}

/* Repeats what the kernel's lock checker has complained of since the last call; returns whether there was anything. */
static bool locks_complained(void)
{
	enum { READ_ALL = 3 };
	static char text[1 << 17];
	static size_t known;
	size_t count = 0;
	int n = klogctl(READ_ALL, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	for (char *at = text; (at = strstr(at, "] locks: ")) != nullptr; at++)
		if (++count > known)
			printf("# kernel: %.*s\n", (int)strcspn(at + 2, "\n"), at + 2);
	bool more = count > known;
	known = count;
	return more;
}

static size_t leave_out(char **names, size_t count, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name))
			names[kept++] = names[i];
	return kept;
}

int main(int argc, char **argv)
{
	char *names[PROGRAMS_MAX];
	size_t count = 0, failed = 0;

	if ((size_t)argc > PROGRAMS_MAX)
		refuse_more();
	for (int i = 1; i < argc; i++)
		names[count++] = argv[i];
	/* "-NAME": all but these. */
	if (count == 0 || names[0][0] == '-') {
		count = list_programs(names);
		for (int i = 1; i < argc; i++)
			count = leave_out(names, count, argv[i] + 1);
	}
	printf("KTAP version 1\n1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		bool passed = run_program(names[i]);

		if (locks_complained())
			passed = false;
		failed += !passed;
		printf("%s %zu - %s\n", passed ? "ok" : "not ok", i + 1, names[i]);
		fflush(stdout);
	}
	printf("# totals: pass:%zu fail:%zu\n", count - failed, failed);
	return failed == 0 ? 0 : 1;
}
