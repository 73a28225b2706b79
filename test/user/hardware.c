/* SPDX-License-Identifier: MIT */
/* /proc/hardware: the devices, and one that is attached anew while programs have it open. */
#include "ktap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char path[] = "/proc/hardware";

struct device {
	char name[32], below[32], bus[32], driver[32], state[32];
	long faults, restarts, resources, lost;
};

/* The n-th device; false: there are no more. */
static bool device_at(int n, struct device *d)
{
	static char text[16384];
	char *lines = nullptr;

	ktap_read_file(path, text, sizeof(text));
	for (char *line = strtok_r(text, "\n", &lines); line != nullptr; line = strtok_r(nullptr, "\n", &lines)) {
		if (strncmp(line, "name ", 5) == 0 || n-- > 0)
			continue;
		EQUAL(sscanf(line, "%31s %31s %31s %31s %31s %ld %ld %ld %ld", d->name, d->below, d->bus, d->driver,
			     d->state, &d->faults, &d->restarts, &d->resources, &d->lost),
		      9);
		return true;
	}
	return false;
}

/* The serial line that this runs on. */
static struct device line(void)
{
	struct device d;

	for (int n = 0; device_at(n, &d); n++)
		if ((strcmp(d.driver, "ns16550") == 0 || strcmp(d.driver, "pl011") == 0) && strcmp(d.state, "up") == 0)
			return d;
	ktap_fail(__FILE__, __LINE__, "no serial line is up");
}

static void ask(int error, const char *order, const char *name)
{
	char text[64];
	int fd = OK(open(path, O_WRONLY));
	int n = snprintf(text, sizeof(text), "%s%s\n", order, name);

	if (error == 0)
		EQUAL(write(fd, text, (size_t)n), n);
	else
		FAILS(error, write(fd, text, (size_t)n));
	OK(close(fd));
}

static void devices_are_listed(void)
{
	struct device d, other;
	int count = 0;

	for (int n = 0; device_at(n, &d); n++, count++) {
		for (int i = 0; i < n && device_at(i, &other); i++)
			CHECK(strcmp(other.name, d.name) != 0);
		CHECK((strcmp(d.driver, "-") == 0) == (strcmp(d.state, "unbound") == 0));
		EQUAL(d.lost, 0);
		if (strcmp(d.state, "up") != 0)
			EQUAL(d.resources, 0);
	}
	CHECK(count > 0);
	d = line();
	CHECK(strcmp(d.bus, "platform") == 0);
	/* Registers, an interrupt, a terminal. */
	EQUAL(d.resources, 3);
}

/* /sys names the terminal by the device, and its number. */
static void its_terminal_is_named(void)
{
	static const char *const names[] = {"ttyS0", "ttyS1", "ttyAMA0"};
	char name[128], text[64], node[64];
	int found = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct stat s;
		unsigned major, minor;

		snprintf(name, sizeof(name), "/sys/class/tty/%s/dev", names[i]);
		if (access(name, F_OK) != 0)
			continue;
		ktap_read_file(name, text, sizeof(text));
		EQUAL(sscanf(text, "%u:%u", &major, &minor), 2);
		snprintf(node, sizeof(node), "/dev/%s", names[i]);
		OK(stat(node, &s));
		CHECK(s.st_rdev == makedev(major, minor));
		snprintf(name, sizeof(name), "/sys/class/tty/%s/device/tty/%s", names[i], names[i]);
		OK(access(name, F_OK));
		found++;
	}
	CHECK(found > 0);
}

/* What this says goes through it meanwhile. */
static void one_is_restarted(void)
{
	struct device before = line(), now;

	for (int n = 1; n <= 5; n++) {
		ktap_note("round %d", n);
		ask(0, "restart ", before.name);
		now = line();
		EQUAL(now.restarts, before.restarts + n);
		EQUAL(now.resources, before.resources);
		EQUAL(now.faults, before.faults);
		CHECK(strcmp(now.name, before.name) == 0);
	}
}

static void orders_are_refused(void)
{
	struct device d;

	ask(ENOENT, "restart ", "nosuch");
	ask(ENOENT, "restart ", "");
	ask(ENOENT, "restart ", "a-name-that-is-longer-than-any-device-has");
	ask(EINVAL, "restart", "");
	ask(EINVAL, "stop ", line().name);
	for (int n = 0; device_at(n, &d); n++)
		if (strcmp(d.state, "unbound") == 0)
			ask(ENODEV, "restart ", d.name);
	/* Absent it was, and absent it is. */
	for (int n = 0; device_at(n, &d); n++)
		if (strcmp(d.state, "absent") == 0)
			ask(EIO, "restart ", d.name);
}

static void others_may_only_look(void)
{
	pid_t child = CHILD({
		struct device d;

		OK(setgid(1000));
		OK(setuid(1000));
		FAILS(EACCES, open(path, O_WRONLY));
		CHECK(device_at(0, &d));
	});

	EXITS(child, 0);
}

KTAP_MAIN(STELLUX_CASE(devices_are_listed), STELLUX_CASE(its_terminal_is_named), STELLUX_CASE(one_is_restarted),
	  STELLUX_CASE(orders_are_refused), STELLUX_CASE(others_may_only_look))
