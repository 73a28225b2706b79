/* SPDX-License-Identifier: MIT */
/*
 * What the boundary tests share: running something forbidden in a child, and making sure afterwards
 * that the kernel still does its work.
 */
#pragma once

#include "ktap.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Fails the case unless fork, pipes, files, memory and time still work. */
static inline void still_works(void)
{
	int ends[2];
	char c = 0;

	OK(pipe(ends));
	pid_t child = CHILD({
		char *at = mmap(nullptr, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(at != MAP_FAILED);
		for (int i = 0; i < 16; i++) {
			CHECK(at[i * 4096] == 0);
			at[i * 4096] = 1;
		}
		sched_yield();
		EQUAL(write(ends[1], "k", 1), 1);
	});
	EQUAL(read(ends[0], &c, 1), 1);
	EQUAL(c, 'k');
	EXITS(child, 0);
	OK(close(ends[0]));
	OK(close(ends[1]));
	int fd = OK(open("/proc/self/stat", O_RDONLY));
	EQUAL(read(fd, &c, 1), 1);
	OK(close(fd));
}

/* Runs `body(argument)` in a child without core file. Returns its wait status. */
static inline int in_child(void (*body)(uint64_t), uint64_t argument)
{
	return ktap_wait(CHILD({
		setrlimit(RLIMIT_CORE, &(struct rlimit){});
		body(argument);
	}));
}

/* Whether the status is death by one of the two signals (0 for none). */
static inline bool died(int status, int signal, int other)
{
	return WIFSIGNALED(status) && (WTERMSIG(status) == signal || WTERMSIG(status) == other);
}
