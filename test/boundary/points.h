/* SPDX-License-Identifier: MIT */
/* What the tests of fault points share: the list of them, arming one, and what became of it (/proc/stray_points). */
#pragma once

#include "ktap.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POINTS_MAX = 128, LIMIT_MS = 20000 };

static const char points_file[] = "/proc/stray_points";
static char points[POINTS_MAX][32];
static int point_count;

static inline bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The thread of the serial line that this is read from: the first device that has a driver of UARTs and is
 * there; it may be pausing after the last fault. */
static inline const char *serial_thread(void)
{
	static char name[32];
	char line[256], driver[32], state[32];
	FILE *f = fopen("/proc/hardware", "r");

	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr)
		if (sscanf(line, "%31s %*s %*s %31s %31s", name, driver, state) == 3 && strcmp(state, "absent") != 0 &&
		    (strcmp(driver, "ns16550") == 0 || strcmp(driver, "pl011") == 0))
			break;
	if (f == nullptr || feof(f))
		ktap_fail(__FILE__, __LINE__, "no serial line in /proc/hardware");
	fclose(f);
	name[15] = '\0';
	return name;
}

/* The point is a step of one of the kernel's own threads: its name. */
static inline const char *kernel_thread_of(const char *point)
{
	return begins(point, "timer_")	      ? "timer"
	       : begins(point, "reaper_")     ? "reaper"
	       : begins(point, "log_")	      ? "log"
	       : begins(point, "components_") ? "components"
	       : begins(point, "entropy_")    ? "entropy"
	       : begins(point, "serial_")     ? serial_thread()
	       : begins(point, "report_")     ? "stray"
					      : nullptr;
}

static inline void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, nullptr);
}

/* Up to about so many milliseconds, in as many turns: a busy host may take the time, but not the turns. */
#define FOR_MS(ms) for (int turn_ = 0; turn_ < (ms); turn_++, pause_ms(1))

static inline void points_command(const char *text)
{
	int fd = open(points_file, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		ktap_fail(__FILE__, __LINE__, "cannot write `%s` to %s: errno %d", text, points_file, errno);
	close(fd);
}

static inline void arm(const char *point, const char *thread, int pass, int faults)
{
	char text[128];

	snprintf(text, sizeof(text), "%s thread %s pass %d faults %d", point, thread, pass, faults);
	points_command(text);
}

/* The same, and the thread's own page is overwritten first. */
static inline void arm_smash(const char *point, const char *thread)
{
	char text[128];

	snprintf(text, sizeof(text), "%s thread %s smash", point, thread);
	points_command(text);
}

static inline void disarm(void)
{
	points_command("none");
}

/* How often the armed point was passed and faulted. */
static inline void counts(int *passed, int *faulted)
{
	char text[8192] = "";
	int fd = open(points_file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	char *line = n > 0 ? strstr(text, "armed ") : nullptr;

	close(fd);
	if (line == nullptr || sscanf(line, "armed %*s passed %d faulted %d", passed, faulted) != 2)
		ktap_fail(__FILE__, __LINE__, "%s tells nothing", points_file);
}

static inline void read_points(void)
{
	FILE *f = fopen(points_file, "r");
	char line[80];

	if (f == nullptr)
		ktap_skip("the kernel has no fault points");
	/* Those of drivers are passed where there is the device (test/devices). */
	while (fgets(line, sizeof(line), f) != nullptr && point_count < POINTS_MAX)
		point_count += sscanf(line, "point %31s", points[point_count]) == 1 &&
			       !begins(points[point_count], "driver_") &&
			       !begins(points[point_count],
				       "ext4_"); /* passed where a disk has one: test/devices/ext4_test.py */
	fclose(f);
}
