/* SPDX-License-Identifier: MIT */
/* /proc/components: components begin anew when they are asked to, and what hangs on them goes on. */
#include "ktap.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static const char path[] = "/proc/components";

/* A column of a component's line: its word, counted from 0. */
static const char *column(const char *name, int number)
{
	static char text[16384];
	char *lines = nullptr, *words = nullptr;

	ktap_read_file(path, text, sizeof(text));
	for (char *line = strtok_r(text, "\n", &lines); line != nullptr; line = strtok_r(nullptr, "\n", &lines)) {
		char *word = strtok_r(line, " ", &words);
		if (word == nullptr || strcmp(word, name) != 0)
			continue;
		while (number-- > 0)
			word = strtok_r(nullptr, " ", &words);
		CHECK(word != nullptr);
		return word;
	}
	ktap_fail(__FILE__, __LINE__, "no component %s", name);
}

static int state(const char *name)
{
	return strcmp(column(name, 3), "up") == 0;
}

static long restarts(const char *name)
{
	return atol(column(name, 6));
}

static void ask(const char *words)
{
	int fd = OK(open(path, O_WRONLY));

	EQUAL(write(fd, words, strlen(words)), strlen(words));
	OK(close(fd));
}

/* Those of before the restart end by themselves, perhaps after it. */
static void threads_become(const char *name, long wanted)
{
	long now = atol(column(name, 4));

	for (int looks = 0; looks < 6000 && now != wanted; looks++) {
		usleep(10'000);
		now = atol(column(name, 4));
	}
	EQUAL(now, wanted);
}

static void refuses(int error, const char *words)
{
	int fd = OK(open(path, O_WRONLY));

	FAILS(error, write(fd, words, strlen(words)));
	OK(close(fd));
}

static void *nothing(void *)
{
	return nullptr;
}

/* The kernel's own threads: timers fire, dead threads are reaped and the log is written as before. */
static void the_core_goes_on(void)
{
	struct itimerval soon = {.it_value.tv_usec = 20'000}, later = {.it_value.tv_sec = 1000};
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	OK(sigprocmask(SIG_BLOCK, &set, nullptr));
	for (int n = 0; n < 3; n++) {
		long before = restarts("core");

		/* One that is pending meanwhile is not lost. */
		OK(setitimer(ITIMER_REAL, n == 0 ? &later : &soon, nullptr));
		ask("restart core\n");
		CHECK(state("core"));
		CHECK(restarts("core") >= before + 4);
		if (n == 0)
			OK(setitimer(ITIMER_REAL, &soon, nullptr));
		EQUAL(sigwait(&set, &signal), 0);
		EQUAL(signal, SIGALRM);
	}
	for (int n = 0; n < 20; n++) {
		pthread_t thread;

		EQUAL(pthread_create(&thread, nullptr, nothing, nullptr), 0);
		EQUAL(pthread_join(thread, nullptr), 0);
	}
}

static void a_driver_goes_on(void)
{
	long before = restarts("serial"), threads = atol(column("serial", 4));

	for (int n = 1; n <= 3; n++) {
		ask("restart serial");
		EQUAL(restarts("serial"), before + n);
		CHECK(state("serial"));
		threads_become("serial", threads);
	}
	ktap_note("the line goes on");
}

/* No thread of it lasts; its results are forgotten. */
static void results_begin_anew(void)
{
	static char text[16384];
	long before = restarts("stray");
	/* Caught, or refused where it would do damage. */
	static const char act[] = "case write-nucleus-data seed 1";
	int fd = OK(open("/proc/stray", O_WRONLY));

	EQUAL(write(fd, act, strlen(act)), (long)strlen(act));
	close(fd);
	ktap_read_file("/proc/stray", text, sizeof(text));
	CHECK(strstr(text, " victim=") != nullptr);
	ask("restart stray\n");
	EQUAL(restarts("stray"), before + 1);
	ktap_read_file("/proc/stray", text, sizeof(text));
	CHECK(strstr(text, " victim=") == nullptr);
}

static void only_what_can_is_restarted(void)
{
	refuses(ENOENT, "restart nosuch\n");
	refuses(ENOENT, "restart \n");
	refuses(EINVAL, "restart");
	refuses(EINVAL, "start core\n");
	refuses(EINVAL, "core\n");
	/* These have no threads: nothing of theirs could begin anew. */
	refuses(EOPNOTSUPP, "restart sysfs\n");
	refuses(EOPNOTSUPP, "restart procfs\n");
}

static void others_may_only_look(void)
{
	pid_t child = CHILD({
		OK(setgid(1000));
		OK(setuid(1000));
		FAILS(EACCES, open(path, O_WRONLY));
		CHECK(restarts("core") >= 0);
	});

	EXITS(child, 0);
}

KTAP_MAIN(STELLUX_CASE(the_core_goes_on), STELLUX_CASE(a_driver_goes_on), STELLUX_CASE(results_begin_anew),
	  STELLUX_CASE(only_what_can_is_restarted), STELLUX_CASE(others_may_only_look))
