/* SPDX-License-Identifier: MIT */
/*
 * The harness itself (ktap.h): what a case does not wait for makes it fail all the same, and is gone when the next one
 * begins. The case here runs this program once more, with cases some of which are meant to fail, and looks at what it
 * prints.
 */
#include "ktap.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits for the end of the child and leaves it unwaited for. */
static void until_ended(pid_t child)
{
	siginfo_t info;

	OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
}

static void child_fails(void)
{
	until_ended(CHILD(EQUAL(1, 2)));
}

static void grandchild_fails(void)
{
	EXITS(CHILD(until_ended(CHILD(EQUAL(1, 2)))), 0);
}

static void *fail(void *)
{
	EQUAL(1, 2);
	return nullptr;
}

static void thread_of_child_fails(void)
{
	pthread_t thread;

	until_ended(CHILD(pthread_create(&thread, nullptr, fail, nullptr); pause()));
}

static void child_crashes(void)
{
	until_ended(CHILD(raise(SIGSEGV)));
}

static void children_stay(void)
{
	for (int i = 0; i < 3; i++) {
		until_ended(CHILD((void)0));
		OK(setpgid(CHILD(pause()), 0));
	}
}

/* The harness has this one child. */
static void nobody_stayed(void)
{
	DIR *dir = opendir("/proc");
	int count = 0;

	CHECK(dir != nullptr);
	for (struct dirent *entry; (entry = readdir(dir)) != nullptr;) {
		char path[300], text[256] = {}, *name_end;

		if (atoi(entry->d_name) <= 1)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		int fd = open(path, O_RDONLY);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && (name_end = strrchr(text, ')')) != nullptr)
			count += atoi(name_end + 4) == getppid();
		close(fd);
	}
	closedir(dir);
	EQUAL(count, 1);
}

static const struct ktap_case inner[] = {CASE(child_fails),   CASE(grandchild_fails), CASE(thread_of_child_fails),
					 CASE(child_crashes), CASE(children_stay),    CASE(nobody_stayed)};

static void what_is_left_behind_counts(void)
{
	static const char *const wanted[] = {"not ok 1 - child_fails\n",	   "not ok 2 - grandchild_fails\n",
					     "not ok 3 - thread_of_child_fails\n", "not ok 4 - child_crashes\n",
					     "\nok 5 - children_stay\n",	   "\nok 6 - nobody_stayed\n"};
	char text[2048] = {};
	size_t length = 0;
	ssize_t got;
	int ends[2];

	OK(pipe(ends));
	pid_t child = CHILD({
		OK(dup2(ends[1], STDOUT_FILENO));
		OK(close(ends[0]));
		OK(close(ends[1]));
		execve("/proc/self/exe", (char *[]){"harness", "@inner", nullptr}, (char *[]){nullptr});
		_exit(2);
	});
	OK(close(ends[1]));
	while (length < sizeof(text) - 1 && (got = read(ends[0], text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	EXITS(child, 1);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (strstr(text, wanted[i]) == nullptr)
			ktap_fail(__FILE__, __LINE__, "the result of %s is another", inner[i].name);
}

static const struct ktap_case cases[] = {CASE(what_is_left_behind_counts)};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@inner") == 0)
		return ktap_main(argc - 1, argv + 1, inner, sizeof(inner) / sizeof(*inner));
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
