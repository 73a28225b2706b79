/* SPDX-License-Identifier: MIT */
/*
 * /proc/privilege: each value grows when the thing it counts happens, and stands still while
 * accounting is off. What a mode of privilege (dynpriv=) makes impossible is expected not to grow.
 */
#include "ktap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char path[] = "/proc/privilege";
static char text[65536];

static void accounting(const char *state)
{
	int fd = OK(open(path, O_WRONLY));

	EQUAL(write(fd, state, strlen(state)), strlen(state));
	OK(close(fd));
}

static void take(void)
{
	ktap_read_file(path, text, sizeof(text));
	CHECK(strncmp(text, "# stellux privilege 1\n", 22) == 0);
}

/* The value of a field, summed over all lines of that kind (and name, unless that is nullptr). */
static uint64_t value(const char *kind, const char *name, const char *field)
{
	uint64_t sum = 0;
	int found = 0;
	static char copy[sizeof(text)];
	char *line_state = nullptr;

	take();
	memcpy(copy, text, sizeof(copy));
	for (char *line = strtok_r(copy, "\n", &line_state); line != nullptr;
	     line = strtok_r(nullptr, "\n", &line_state)) {
		char *word_state = nullptr;
		char *word = strtok_r(line, " ", &word_state);
		if (word == nullptr || strcmp(word, kind) != 0)
			continue;
		word = strtok_r(nullptr, " ", &word_state);
		if (word == nullptr || (name != nullptr && strcmp(word, name) != 0))
			continue;
		while ((word = strtok_r(nullptr, " ", &word_state)) != nullptr) {
			char *number = strtok_r(nullptr, " ", &word_state);
			CHECK(number != nullptr);
			if (strcmp(word, field) == 0) {
				sum += strtoull(number, nullptr, 10);
				found++;
			}
		}
	}
	if (found == 0)
		ktap_fail(__FILE__, __LINE__, "%s %s has no %s", kind, name != nullptr ? name : "", field);
	return sum;
}

static uint64_t cpus(const char *field)
{
	return value("cpu", nullptr, field);
}

static bool mode_is(const char *mode)
{
	char line[32];

	take();
	snprintf(line, sizeof(line), "\nmode %s\n", mode);
	return strstr(text, line) != nullptr;
}

static void calls(int count)
{
	for (int i = 0; i < count; i++)
		syscall(SYS_getppid);
}

static void map_and_touch(int count)
{
	for (int i = 0; i < count; i++) {
		volatile char *at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		at[0] = 1;
		OK(munmap((void *)at, 4096));
	}
}

static void system_calls_and_exits(void)
{
	accounting("on\n");
	uint64_t call = cpus("syscall"), leave = cpus("exit");
	calls(1000);
	CHECK(cpus("syscall") >= call + 1000);
	CHECK(cpus("exit") >= leave + 1000);
}

static void two_view_switches_a_call(void)
{
	accounting("on\n");
	uint64_t before = cpus("view_switch");
	calls(1000);
	uint64_t after = cpus("view_switch");
	if (mode_is("full"))
		CHECK(after >= before + 2000);
	else if (mode_is("off"))
		CHECK(after < before + 1000);
}

static void nucleus_calls(void)
{
	accounting("on\n");
	uint64_t before = cpus("nucleus_call");
	map_and_touch(200);
	CHECK(cpus("nucleus_call") >= before + 200);
}

static void flushes(void)
{
	accounting("on\n");
	uint64_t before = cpus("tlb_flush");
	map_and_touch(200);
	CHECK(cpus("tlb_flush") >= before + 200);
}

/* Waits, without a limit of its own, until the value has grown by doing `work`. */
static void grows(const char *kind, const char *name, const char *field, void (*work)(void))
{
	uint64_t before = value(kind, name, field);

	do {
		work();
	} while (value(kind, name, field) <= before);
}

static void spin(void)
{
	for (volatile int i = 0; i < 100'000; i++)
		;
}

static void sleep_a_little(void)
{
	usleep(2000);
}

static void read_zeros(void)
{
	static char block[65536];
	int fd = OK(open("/dev/zero", O_RDONLY));

	EQUAL(read(fd, block, sizeof(block)), sizeof(block));
	OK(close(fd));
}

static void map_some(void)
{
	map_and_touch(20);
}

/* The serial driver works: its thread runs, and makes nucleus calls for its interrupts. */
static void say_something(void)
{
	ktap_note("the serial port is used");
	usleep(2000);
}

static void interrupts(void)
{
	grows("cpu", nullptr, "irq", spin);
}

static void times_of_each_level(void)
{
	accounting("on\n");
	grows("cpu", nullptr, "user_ns", spin);
	grows("cpu", nullptr, "nucleus_ns", map_some);
	grows("cpu", nullptr, "idle_ns", sleep_a_little);
	/* The level that the mode gives to system calls. */
	const char *level = mode_is("full") ? "lowered_ns" : "elevated_ns";
	grows("cpu", nullptr, level, read_zeros);
	grows("component", "process", level, read_zeros);
	if (!mode_is("full")) {
		uint64_t before = value("component", "process", "lowered_ns");
		read_zeros();
		EQUAL(value("component", "process", "lowered_ns"), before);
	}
}

/* The component `measure` has brackets that do nothing else. */
static void some_brackets(void)
{
	int fd = OK(open("/proc/measure", O_WRONLY));

	EQUAL(write(fd, "elevate 5000\n", 13), 13);
	OK(close(fd));
}

static void brackets_are_counted(void)
{
	accounting("on\n");
	grows("cpu", nullptr, "elevate", some_brackets);
	grows("cpu", nullptr, "elevated_ns", some_brackets);
	grows("component", "measure", "elevate", some_brackets);
	grows("component", "measure", "elevated_ns", some_brackets);
}

static void drivers_are_counted(void)
{
	accounting("on\n");
	grows("component", "serial", mode_is("off") ? "elevated_ns" : "lowered_ns", say_something);
	grows("component", "serial", "nucleus_call", say_something);
}

static void stray_faults_are_counted(void)
{
	char line[8192];

	accounting("on\n");
	/* Faults are the kernel's, not those of processes. */
	uint64_t before = value("component", "stray", "fault"), all = cpus("fault");
	map_and_touch(100);
	EQUAL(cpus("fault"), all);
	int fd = OK(open("/proc/stray", O_WRONLY));
	(void)!write(fd, "case write-nucleus-data seed 3\n", 31);
	OK(close(fd));
	ktap_read_file("/proc/stray", line, sizeof(line));
	if (mode_is("off"))
		CHECK(strstr(line, "write-nucleus-data caught") == nullptr);
	else
		CHECK(value("component", "stray", "fault") > before && cpus("fault") > all);
}

enum { MUCH = 3000 };

/* Work of every kind that is counted; how long it took. */
static uint64_t do_much(void)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	calls(MUCH);
	map_and_touch(MUCH / 2);
	for (int i = 0; i < 20; i++)
		spin();
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (uint64_t)((to.tv_sec - from.tv_sec) * 1'000'000'000 + to.tv_nsec - from.tv_nsec);
}

static void nothing_is_counted_while_off(void)
{
	static const char *const fields[] = {"elevate",	   "nucleus_call", "syscall",	 "exit",   "fault",
					     "lowered_ns", "elevated_ns",  "nucleus_ns", "user_ns"};
	accounting("on\n");
	calls(100);
	accounting("off\n");
	take();
	CHECK(strstr(text, "\naccounting off\n") != nullptr);
	/* What is not counted is not shown as a number; what always is, is. */
	CHECK(strstr(text, " syscall - ") != nullptr && strstr(text, " user_ns - ") != nullptr);
	CHECK(strstr(text, " view_switch - ") != nullptr && strstr(text, " tlb_flush - ") == nullptr);
	CHECK(strstr(text, " irq - ") == nullptr && strstr(text, " idle_ns -") == nullptr);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		uint64_t before, grown, limit;
		int tries = 0;

		/* The few calls while it was on, against the many while it was off; but a busy host may let them take
		 * long. */
		do {
			accounting("on\n");
			before = cpus(fields[i]);
			accounting("off\n");
			uint64_t work_ns = do_much();
			accounting("on\n");
			grown = cpus(fields[i]) - before;
			limit = strstr(fields[i], "_ns") != nullptr ? work_ns / 2 : MUCH / 2;
		} while (grown > limit && ++tries < 20);
		if (grown > limit)
			ktap_fail(__FILE__, __LINE__, "%s grew by %lu while accounting was off", fields[i],
				  (unsigned long)grown);
	}
	accounting("on\n");
	uint64_t call = cpus("syscall");
	calls(100);
	CHECK(cpus("syscall") >= call + 100);
	accounting("off\n");
}

static void only_on_and_off_are_understood(void)
{
	int fd = OK(open(path, O_WRONLY));

	FAILS(EINVAL, write(fd, "maybe\n", 6));
	OK(close(fd));
	struct stat status;
	OK(stat(path, &status));
	EQUAL(status.st_mode & 022, 0);
}

KTAP_MAIN(STELLUX_CASE(system_calls_and_exits), STELLUX_CASE(two_view_switches_a_call), STELLUX_CASE(nucleus_calls),
	  STELLUX_CASE(flushes), STELLUX_CASE(interrupts), STELLUX_CASE(times_of_each_level),
	  STELLUX_CASE(brackets_are_counted), STELLUX_CASE(drivers_are_counted), STELLUX_CASE(stray_faults_are_counted),
	  STELLUX_CASE(nothing_is_counted_while_off), STELLUX_CASE(only_on_and_off_are_understood))
