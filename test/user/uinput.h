/* SPDX-License-Identifier: MIT */
/* Input devices of a test's own, made by /dev/uinput. The numbers are Linux's, include/uapi/linux/input.h and uinput.h:
 * no C library has them. */
#pragma once

#include "ktap.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct event {
	long long seconds, microseconds;
	unsigned short type, code;
	int value;
};
struct setup {
	unsigned short id[4];
	char name[80];
	unsigned int effects;
};
struct uinput {
	int fd;
	char event[32]; /* eventN */
};

enum { EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_LED = 0x11, EV_REP = 0x14 };
enum { SYN_REPORT, SYN_DROPPED = 3 };
enum { KEY_A = 30, KEY_B = 48, BTN_LEFT = 0x110 };
enum { REL_X, REL_Y, REL_WHEEL = 8 };
enum { ABS_X, ABS_Y };
enum { LED_NUML, LED_CAPSL, LED_SCROLLL };

#define EVIOC_R(number, bytes) _IOC(_IOC_READ, 'E', number, bytes)
#define EVIOC_W(number, bytes) _IOC(_IOC_WRITE, 'E', number, bytes)
#define UI_DEV_CREATE	       _IOC(_IOC_NONE, 'U', 1, 0)
#define UI_DEV_SETUP	       _IOC(_IOC_WRITE, 'U', 3, sizeof(struct setup))
#define UI_ABS_SETUP	       _IOC(_IOC_WRITE, 'U', 4, 28)
#define UI_GET_SYSNAME(bytes)  _IOC(_IOC_READ, 'U', 44, bytes)
#define UI_SET_EVBIT	       _IOC(_IOC_WRITE, 'U', 100, 4)
#define UI_SET_KEYBIT	       _IOC(_IOC_WRITE, 'U', 101, 4)
#define UI_SET_RELBIT	       _IOC(_IOC_WRITE, 'U', 102, 4)
#define UI_SET_LEDBIT	       _IOC(_IOC_WRITE, 'U', 105, 4)
#define UI_SET_PHYS	       _IOC(_IOC_WRITE, 'U', 108, 8)
#ifndef _IOC
#define _IOC_NONE  0u
#define _IOC_WRITE 1u
#define _IOC_READ  2u
#define _IOC(direction, group, number, bytes)                                                                          \
	((unsigned int)(direction) << 30 | (unsigned int)(bytes) << 16 | (unsigned int)(group) << 8 |                  \
	 (unsigned int)(number))
#endif

/* Skips the case where the kernel has no uinput. */
static inline int uinput_fd(int flags)
{
	int fd = open("/dev/uinput", flags);

	if (fd < 0 && !ktap_on_stellux())
		ktap_skip("this kernel has no /dev/uinput");
	return OK(fd);
}

static inline struct uinput uinput_make(int fd, const char *name)
{
	struct setup s = {.id = {6, 0x1234, 0x5678, 3}};
	struct uinput u = {.fd = fd};
	char number[32], path[96], target[256];

	snprintf(s.name, sizeof(s.name), "ktap %s", name);
	OK(ioctl(fd, UI_SET_PHYS, "ktap/input0"));
	OK(ioctl(fd, UI_DEV_SETUP, &s));
	OK(ioctl(fd, UI_DEV_CREATE, 0));
	OK(ioctl(fd, UI_GET_SYSNAME(sizeof(number)), number));
	for (int n = 0; n < 256 && u.event[0] == '\0'; n++) {
		snprintf(path, sizeof(path), "/sys/class/input/event%d/device", n);
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		snprintf(path, sizeof(path), "/sys/class/input/%s/event%d", number, n);
		if (access(path, F_OK) == 0)
			snprintf(u.event, sizeof(u.event), "event%d", n);
	}
	CHECK(u.event[0] != '\0');
	return u;
}

/* One whose keys repeat: on a busy machine any key that is down for some steps of a test may. */
static inline struct uinput uinput_repeating(const char *name, bool repeats)
{
	int fd = uinput_fd(O_RDWR);

	OK(ioctl(fd, UI_SET_EVBIT, EV_KEY));
	if (repeats)
		OK(ioctl(fd, UI_SET_EVBIT, EV_REP));
	OK(ioctl(fd, UI_SET_KEYBIT, KEY_A));
	OK(ioctl(fd, UI_SET_KEYBIT, KEY_B));
	OK(ioctl(fd, UI_SET_EVBIT, EV_LED));
	for (int led = LED_NUML; led <= LED_SCROLLL; led++)
		OK(ioctl(fd, UI_SET_LEDBIT, led));
	return uinput_make(fd, name);
}

static inline struct uinput uinput_keyboard(const char *name)
{
	return uinput_repeating(name, false);
}

/* X from 0 to 1000, a wheel, and a button. */
static inline struct uinput uinput_tablet(const char *name)
{
	const struct {
		unsigned short code, unused;
		int value, minimum, maximum, fuzz, flat, resolution;
	} axis = {.code = ABS_X, .maximum = 1000};
	int fd = uinput_fd(O_RDWR);

	OK(ioctl(fd, UI_SET_EVBIT, EV_KEY));
	OK(ioctl(fd, UI_SET_KEYBIT, BTN_LEFT));
	OK(ioctl(fd, UI_SET_EVBIT, EV_REL));
	OK(ioctl(fd, UI_SET_RELBIT, REL_WHEEL));
	OK(ioctl(fd, UI_SET_EVBIT, EV_ABS));
	OK(ioctl(fd, UI_ABS_SETUP, &axis));
	return uinput_make(fd, name);
}

static inline int uinput_open_event(const struct uinput *u, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/input/%s", u->event);
	return OK(open(path, flags));
}

static inline void uinput_event(const struct uinput *u, unsigned type, unsigned code, int value)
{
	const struct event e = {.type = (unsigned short)type, .code = (unsigned short)code, .value = value};

	EQUAL(write(u->fd, &e, sizeof(e)), sizeof(e));
}

static inline void uinput_key(const struct uinput *u, unsigned code, int value)
{
	uinput_event(u, EV_KEY, code, value);
	uinput_event(u, EV_SYN, SYN_REPORT, 0);
}

static inline void uinput_end(const struct uinput *u)
{
	close(u->fd);
}
