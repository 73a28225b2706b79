/* SPDX-License-Identifier: MIT */
/*
 * The harness itself (ktap.h): what a case does not wait for makes it fail all the same. The cases here run this
 * program once more, with cases that are meant to fail, and look at what it prints.
 */
#include "ktap.h"

#include <pthread.h>
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

static void nothing_fails(void)
{
	until_ended(CHILD((void)0));
}

static const struct ktap_case inner[] = {CASE(nothing_fails), CASE(child_fails), CASE(grandchild_fails),
					 CASE(thread_of_child_fails)};

/* The result that the program prints for that one case. */
static void prints(char *name, const char *wanted)
{
	char text[1024] = {};
	size_t length = 0;
	ssize_t got;
	int ends[2];

	OK(pipe(ends));
	pid_t child = CHILD({
		OK(dup2(ends[1], STDOUT_FILENO));
		OK(close(ends[0]));
		OK(close(ends[1]));
		execve("/proc/self/exe", (char *[]){"harness", "@inner", name, nullptr}, (char *[]){nullptr});
		_exit(1);
	});
	OK(close(ends[1]));
	while (length < sizeof(text) - 1 && (got = read(ends[0], text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	(void)ktap_wait(child);
	char *result = strstr(text, "\nok 1 "), *failure = strstr(text, "\nnot ok 1 ");
	const char *have = failure != nullptr ? "not ok" : result != nullptr ? "ok" : "nothing";
	if (strcmp(have, wanted) != 0)
		ktap_fail(__FILE__, __LINE__, "%s: the result is %s, wanted %s", name, have, wanted);
	OK(close(ends[0]));
}

static void failures_of_others_count(void)
{
	prints("nothing_fails", "ok");
	prints("child_fails", "not ok");
	prints("grandchild_fails", "not ok");
	prints("thread_of_child_fails", "not ok");
	prints("nothing_fails", "ok");
}

static const struct ktap_case cases[] = {CASE(failures_of_others_count)};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@inner") == 0)
		return ktap_main(argc - 1, argv + 1, inner, sizeof(inner) / sizeof(*inner));
	return ktap_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
