/* SPDX-License-Identifier: MIT */
/*
 * /proc/privilege: every number it shows must move when what it measures happens, and stand still where that does not. Sums over all
 * CPUs are compared before and after an act; numbers of components likewise. Only Stellux has any of this.
 */
#include "ktap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static char text[16384];

static void read_privilege(void)
{
	int fd = OK(open("/proc/privilege", O_RDONLY));
	size_t n = 0;

	for (ssize_t part; (part = OK(read(fd, text + n, sizeof(text) - 1 - n))) > 0; n += (size_t)part)
		;
	text[n] = '\0';
	OK(close(fd));
}

static bool mode_is(const char *mode)
{
	char line[32];

	read_privilege();
	snprintf(line, sizeof(line), "\nmode %s\n", mode);
	return strstr(text, line) != nullptr;
}

/* The sum of `key` over the lines that begin with `line`. */
static unsigned long sum(const char *line, const char *key)
{
	char field[32];
	unsigned long total = 0;
	bool found = false;

	read_privilege();
	snprintf(field, sizeof(field), " %s ", key);
	for (char *at = text; at != nullptr && *at != '\0'; at = strchr(at, '\n'), at += at != nullptr) {
		if (strncmp(at, line, strlen(line)) != 0)
			continue;
		char *value = strstr(at, field), *end = strchr(at, '\n');
		CHECK(value != nullptr && value < end);
		total += strtoul(value + strlen(field), nullptr, 10);
		found = true;
	}
	CHECK(found);
	return total;
}

static void switch_accounting(bool on)
{
	ktap_write_file("/proc/privilege", on ? "on\n" : "off\n");
	read_privilege();
	CHECK(strstr(text, on ? "\naccounting on\n" : "\naccounting off\n") != nullptr);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	OK(clock_gettime(CLOCK_MONOTONIC, &now));
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void compute(void)
{
	uint64_t until = now_ns() + 50000000;

	while (now_ns() < until)
		;
}

static void call(void)
{
	for (int i = 0; i < 1000; i++)
		getppid();
}

static void touch_and_unmap(void)
{
	for (int i = 0; i < 20; i++) {
		char *p = OK((char *)mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

		for (int at = 0; at < 65536; at += 4096)
			p[at] = 1;
		OK(munmap(p, 65536));
	}
}

/* The serial line's driver is the one component that elevates. */
static void print(void)
{
	int fd = OK(open("/dev/console", O_WRONLY | O_NOCTTY));

	for (int i = 0; i < 20; i++)
		CHECK(write(fd, "# a line for the serial port\n", 29) == 29);
	OK(fsync(fd) == 0 || errno == EINVAL ? 0 : -1);
	OK(close(fd));
	usleep(50000);
}

static void stray(void)
{
	ktap_write_file("/proc/stray", "case write-kernel-text seed 1\n");
}

static void grows(const char *line, const char *key, void (*act)(void), unsigned long at_least)
{
	unsigned long before = sum(line, key);

	act();
	unsigned long after = sum(line, key);
	ktap_note("%s%s: %lu to %lu", line, key, before, after);
	CHECK(after >= before + at_least);
}

static void cpu_counts_move(void)
{
	bool full = mode_is("full");

	switch_accounting(true);
	grows("cpu ", "syscall", call, 1000);
	grows("cpu ", "exit", call, 1000);
	grows("cpu ", "irq", compute, 1);
	grows("cpu ", "fault", stray, 1);
	grows("cpu ", "tlb_flush", touch_and_unmap, 20);
	grows("cpu ", "nucleus_call", touch_and_unmap, 20);
	if (full)
		grows("cpu ", "view_switch", call, 2000);
	if (!mode_is("off"))
		grows("cpu ", "elevate", print, 20);
}

static void cpu_times_move(void)
{
	switch_accounting(true);
	grows("cpu ", "user_ns", compute, 10000000);
	grows("cpu ", "nucleus_ns", touch_and_unmap, 1000);
	if (mode_is("full"))
		grows("cpu ", "lowered_ns", call, 1000);
	if (!mode_is("off"))
		grows("cpu ", "elevated_ns", print, 1000);
}

static void component_counts_move(void)
{
	switch_accounting(true);
	grows("component stray ", "fault", stray, 1);
	grows("component process ", "nucleus_call", touch_and_unmap, 20);
	if (mode_is("off"))
		return;
	grows("component serial ", "elevate", print, 20);
	grows("component serial ", "elevated_ns", print, 1000);
	grows("component serial ", "lowered_ns", print, 1000);
}

static void nothing_is_counted_when_off(void)
{
	switch_accounting(false);
	/* Each CPU changes its gates at its next interrupt. */
	compute();
	unsigned long before = sum("cpu ", "syscall"), user = sum("cpu ", "user_ns");
	call();
	compute();
	EQUAL(sum("cpu ", "syscall"), before);
	EQUAL(sum("cpu ", "user_ns"), user);
	switch_accounting(true);
	grows("cpu ", "syscall", call, 1000);
}

static void who_does_nothing_has_nothing(void)
{
	switch_accounting(true);
	unsigned long before = sum("component devfs ", "elevate");
	call();
	print();
	EQUAL(sum("component devfs ", "elevate"), before);
}

static void other_words_are_refused(void)
{
	int fd = OK(open("/proc/privilege", O_WRONLY));

	FAILS(EINVAL, write(fd, "maybe", 5));
	FAILS(EINVAL, write(fd, "onoff", 5));
}

KTAP_MAIN(STELLUX_CASE(cpu_counts_move), STELLUX_CASE(cpu_times_move), STELLUX_CASE(component_counts_move),
	  STELLUX_CASE(nothing_is_counted_when_off), STELLUX_CASE(who_does_nothing_has_nothing),
	  STELLUX_CASE(other_words_are_refused))
