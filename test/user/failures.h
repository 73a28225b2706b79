/* SPDX-License-Identifier: MIT */
/*
 * Calls that run out of memory at each of their allocations in turn (/proc/self/fail-nth): each ends with an error that
 * says so, and nothing is left behind in the kernel's counters. Release kernels cannot fail on order. For a program of
 * one file, which opens `order` and has a table of calls.
 */
#ifndef FAILURES_H
#define FAILURES_H

#include "ktap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The calls take the lowest descriptors that are free, but for one. */
enum { PAGE = 4096, MANY = 200, FDS = 128, HIGH_FD = 700 };

static int order; /* /proc/self/fail-nth */
static char text[65536];

/* A call to make: -1 and errno, or not. What it made is undone by the second. */
struct call {
	const char *name;
	long (*make)(void);
	void (*undo)(long result);
};

static void close_it(long fd)
{
	close((int)fd);
}

static void nothing(long)
{
}

static long arm(int nth)
{
	char number[16];
	int n = snprintf(number, sizeof(number), "%d", nth);

	return write(order, number, (size_t)n);
}

/* Whether the ordered failure has not come; none is ordered from here on. */
static bool was_left(void)
{
	char number[16] = "";

	EQUAL(lseek(order, 0, SEEK_SET), 0);
	CHECK(read(order, number, sizeof(number) - 1) > 0);
	EQUAL(arm(0), 1);
	return atoi(number) != 0;
}

static bool is_memory_error(int error)
{
	return error == ENOMEM || error == EAGAIN || error == ENFILE || error == EMFILE || error == ENOSPC ||
	       error == EFAULT;
}

/* A call fails at each of its allocations, then succeeds. */
static void fail_each(const struct call *c)
{
	for (int nth = 1;; nth++) {
		if (nth > MANY)
			ktap_fail(__FILE__, __LINE__, "%s: never without a failure", c->name);
		arm(nth);
		long result = c->make();
		int error = errno;
		bool left = was_left();
		if (result != -1)
			c->undo(result);
		else if (left || !is_memory_error(error))
			ktap_fail(__FILE__, __LINE__, "%s: errno %d at allocation %d%s", c->name, error, nth,
				  left ? ", which succeeded" : "");
		if (left)
			return;
	}
}

/* What a call that failed must not leave: allocations of all components, threads, descriptors, promised memory. */
static long count(void)
{
	long sum = 0, threads = 0, promised = 0;
	char *save, *line;

	ktap_read_file("/proc/components", text, sizeof(text));
	for (line = strtok_r(text, "\n", &save); line != nullptr; line = strtok_r(nullptr, "\n", &save)) {
		long allocations;
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %ld", &allocations) == 1)
			sum += allocations;
	}
	CHECK(sum > 0);
	ktap_read_file("/proc/loadavg", text, sizeof(text));
	CHECK(sscanf(text, "%*s %*s %*s %*d/%ld", &threads) == 1);
	ktap_read_file("/proc/meminfo", text, sizeof(text));
	line = strstr(text, "Committed_AS:");
	CHECK(line != nullptr && sscanf(line, "Committed_AS: %ld", &promised) == 1);
	for (int fd = 0; fd < FDS; fd++)
		sum += fcntl(fd, F_GETFD) != -1;
	sum += fcntl(HIGH_FD, F_GETFD) != -1;
	return sum + threads + promised;
}

/* What is left when it is no more than that; ended threads are taken apart a little later, and on a busy host much
 * later. */
static long settled(long wanted)
{
	enum { LOOKS = 1000 };
	long now = count();

	for (int n = 0; n < LOOKS && now > wanted; n++) {
		usleep(10'000);
		now = count();
	}
	return now;
}

/* What is left when it does not get less any more. */
static long least(void)
{
	enum { LOOKS = 5 };
	long last = count();

	for (int same = 0; same < LOOKS; same++) {
		usleep(2000);
		long now = count();
		if (now < last)
			same = 0;
		last = now < last ? now : last;
	}
	return last;
}

/* The first round fills caches; a leak grows by something with each later one. */
static void fail_calls(const struct call *calls, size_t number)
{
	for (size_t n = 0; n < number; n++) {
		long before = 0, grown = 0;

		for (int round = 0; round < 3; round++) {
			fail_each(&calls[n]);
			long now = round == 0 ? least() : settled(before);
			if (round > 0 && now > before)
				grown++;
			if (round > 0 && round == 2 && grown == 2) {
				/* Others allocate as well: once more, to be sure. */
				fail_each(&calls[n]);
				if (settled(now) > now)
					ktap_fail(__FILE__, __LINE__, "%s: something is left behind each time",
						  calls[n].name);
			}
			before = now;
		}
	}
}

#endif
