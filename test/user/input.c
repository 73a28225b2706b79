/* SPDX-License-Identifier: MIT */
/* Input devices as programs see them: a device is made by /dev/uinput, and read as /dev/input/eventN. */
#include "ktap.h"
#include "uinput.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static void expect(int fd, unsigned type, unsigned code, int value)
{
	struct event e;

	EQUAL(read(fd, &e, sizeof(e)), sizeof(e));
	if (e.type != type || e.code != code || e.value != value)
		ktap_fail(__FILE__, __LINE__, "event %u %u %d, wanted %u %u %d", e.type, e.code, e.value, type, code,
			  value);
}

static void expect_none(int fd)
{
	struct event e;

	FAILS(EAGAIN, read(fd, &e, sizeof(e)));
}

static void reads_whole_reports(void)
{
	struct uinput u = uinput_keyboard("whole");
	int fd = uinput_open_event(&u, O_RDWR | O_NONBLOCK);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct event e[8];

	uinput_event(&u, EV_KEY, KEY_A, 1);
	expect_none(fd);
	EQUAL(poll(&p, 1, 0), 0);
	uinput_event(&u, EV_SYN, SYN_REPORT, 0);
	EQUAL(poll(&p, 1, -1), 1);
	EQUAL(p.revents, POLLIN);
	FAILS(EINVAL, read(fd, e, sizeof(e[0]) - 1));
	EQUAL(read(fd, e, 0), 0);
	EQUAL(read(fd, e, sizeof(e) - 1), 2 * sizeof(e[0]));
	CHECK(e[0].type == EV_KEY && e[0].code == KEY_A && e[0].value == 1);
	CHECK(e[1].type == EV_SYN && e[1].code == SYN_REPORT && e[1].value == 0);
	/* What changes nothing, and what the device cannot do, is no event. */
	uinput_key(&u, KEY_A, 1);
	uinput_event(&u, EV_REL, REL_X, 5);
	uinput_key(&u, KEY_B + 100, 1);
	expect_none(fd);
	uinput_key(&u, KEY_A, 0);
	expect(fd, EV_KEY, KEY_A, 0);
	expect(fd, EV_SYN, SYN_REPORT, 0);
	close(fd);
	uinput_end(&u);
}

static void tells_what_it_is(void)
{
	struct uinput u = uinput_keyboard("tells");
	int fd = uinput_open_event(&u, O_RDWR);
	unsigned char bits[96];
	unsigned short id[4];
	char text[64];
	int version;

	OK(ioctl(fd, EVIOC_R(0x01, 4), &version));
	EQUAL(version, 0x010001);
	OK(ioctl(fd, EVIOC_R(0x02, 8), id));
	CHECK(id[0] == 6 && id[1] == 0x1234 && id[2] == 0x5678 && id[3] == 3);
	EQUAL(ioctl(fd, EVIOC_R(0x06, sizeof(text)), text), strlen("ktap tells") + 1);
	CHECK(strcmp(text, "ktap tells") == 0);
	EQUAL(ioctl(fd, EVIOC_R(0x06, 4), text), 4);
	EQUAL(ioctl(fd, EVIOC_R(0x07, sizeof(text)), text), strlen("ktap/input0") + 1);
	FAILS(ENOENT, ioctl(fd, EVIOC_R(0x08, sizeof(text)), text));
	EQUAL(ioctl(fd, EVIOC_R(0x20, sizeof(bits)), bits), 8);
	CHECK((bits[0] & 0x03) == 0x03 && (bits[2] & 0x12) == 0x02);
	EQUAL(ioctl(fd, EVIOC_R(0x20 + EV_KEY, sizeof(bits)), bits), 96);
	CHECK(bits[KEY_A / 8] & 1 << KEY_A % 8);
	CHECK(!(bits[200 / 8] & 1 << 200 % 8));
	EQUAL(ioctl(fd, EVIOC_R(0x20 + EV_KEY, 5), bits), 5);
	FAILS(EINVAL, ioctl(fd, EVIOC_R(0x20 + 0x10, sizeof(bits)), bits));
	FAILS(EINVAL, ioctl(fd, EVIOC_R(0x40 + ABS_X, 24), bits));
	EQUAL(ioctl(fd, EVIOC_R(0x09, sizeof(bits)), bits), 8);
	close(fd);
	uinput_end(&u);
}

static void tells_what_is_down(void)
{
	struct uinput u = uinput_keyboard("down");
	int fd = uinput_open_event(&u, O_RDWR | O_NONBLOCK);
	unsigned char bits[96];

	uinput_key(&u, KEY_A, 1);
	EQUAL(ioctl(fd, EVIOC_R(0x18, sizeof(bits)), bits), 96);
	CHECK(bits[KEY_A / 8] & 1 << KEY_A % 8);
	CHECK(!(bits[KEY_B / 8] & 1 << KEY_B % 8));
	/* Who knows it so is not told once more. */
	expect_none(fd);
	/* Keys that are down when the device goes are let go. */
	uinput_key(&u, KEY_B, 1);
	uinput_end(&u);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	EQUAL(poll(&p, 1, -1), 1);
	CHECK((p.revents & (POLLHUP | POLLERR)) == (POLLHUP | POLLERR));
	FAILS(ENODEV, read(fd, bits, sizeof(bits)));
	FAILS(ENODEV, ioctl(fd, EVIOC_R(0x01, 4), bits));
	close(fd);
}

static void repeats_held_keys(void)
{
	struct uinput u = uinput_repeating("repeat", true);
	int fd = uinput_open_event(&u, O_RDWR);
	unsigned int ms[2];

	OK(ioctl(fd, EVIOC_R(0x03, 8), ms));
	CHECK(ms[0] == 250 && ms[1] == 33);
	/* So slow that what comes while the test stands still for seconds has room. */
	ms[0] = 20;
	ms[1] = 200;
	OK(ioctl(fd, EVIOC_W(0x03, 8), ms));
	uinput_event(&u, EV_SYN, SYN_REPORT, 0);
	/* The new numbers are events of their own. */
	expect(fd, EV_REP, 0, 20);
	expect(fd, EV_REP, 1, 200);
	expect(fd, EV_SYN, SYN_REPORT, 0);
	uinput_key(&u, KEY_A, 1);
	expect(fd, EV_KEY, KEY_A, 1);
	expect(fd, EV_SYN, SYN_REPORT, 0);
	for (int n = 0; n < 3; n++) {
		expect(fd, EV_KEY, KEY_A, 2);
		expect(fd, EV_SYN, SYN_REPORT, 1);
	}
	uinput_key(&u, KEY_A, 0);
	close(fd);
	uinput_end(&u);
}

static void says_what_was_lost(void)
{
	struct uinput u = uinput_keyboard("lost");
	int fd = uinput_open_event(&u, O_RDWR | O_NONBLOCK);
	struct event e;
	int dropped = 0, last = -1, count = 0;

	for (int n = 0; n < 1000; n++)
		uinput_key(&u, KEY_A, n % 2 == 0);
	while (read(fd, &e, sizeof(e)) == sizeof(e)) {
		count++;
		dropped += e.type == EV_SYN && e.code == SYN_DROPPED;
		if (e.type == EV_KEY)
			last = e.value;
	}
	EQUAL(dropped, 1);
	EQUAL(last, 0);
	CHECK(count < 1000);
	/* After that it goes on as ever. */
	uinput_key(&u, KEY_A, 1);
	expect(fd, EV_KEY, KEY_A, 1);
	expect(fd, EV_SYN, SYN_REPORT, 0);
	close(fd);
	uinput_end(&u);
}

static void one_has_it_for_itself(void)
{
	struct uinput u = uinput_keyboard("grab");
	int fd = uinput_open_event(&u, O_RDWR | O_NONBLOCK), other = uinput_open_event(&u, O_RDWR | O_NONBLOCK);

	FAILS(EINVAL, ioctl(fd, EVIOC_W(0x90, 4), 0));
	OK(ioctl(fd, EVIOC_W(0x90, 4), 1));
	FAILS(EBUSY, ioctl(other, EVIOC_W(0x90, 4), 1));
	FAILS(EINVAL, ioctl(other, EVIOC_W(0x90, 4), 0));
	uinput_key(&u, KEY_A, 1);
	expect(fd, EV_KEY, KEY_A, 1);
	expect_none(other);
	/* Closing gives it back. */
	close(fd);
	uinput_key(&u, KEY_A, 0);
	expect(other, EV_KEY, KEY_A, 0);
	expect(other, EV_SYN, SYN_REPORT, 0);
	FAILS(EINVAL, ioctl(other, EVIOC_W(0x91, 4), 1));
	OK(ioctl(other, EVIOC_W(0x91, 4), 0));
	FAILS(ENODEV, ioctl(other, EVIOC_W(0x90, 4), 1));
	uinput_key(&u, KEY_A, 1);
	struct event e;
	FAILS(ENODEV, read(other, &e, sizeof(e)));
	close(other);
	uinput_end(&u);
}

static void filters_what_a_file_gets(void)
{
	struct uinput u = uinput_keyboard("mask");
	int fd = uinput_open_event(&u, O_RDWR | O_NONBLOCK);
	unsigned char bits[96] = {}, got[100];
	struct {
		unsigned int type, size;
		unsigned long long at;
	} m = {EV_KEY, sizeof(bits), (uintptr_t)bits};

	bits[KEY_B / 8] = 1 << KEY_B % 8;
	OK(ioctl(fd, EVIOC_W(0x93, 16), &m));
	uinput_key(&u, KEY_A, 1);
	expect_none(fd);
	uinput_key(&u, KEY_B, 1);
	expect(fd, EV_KEY, KEY_B, 1);
	expect(fd, EV_SYN, SYN_REPORT, 0);
	m.at = (uintptr_t)got;
	m.size = sizeof(got);
	memset(got, 0xff, sizeof(got));
	OK(ioctl(fd, EVIOC_R(0x92, 16), &m));
	CHECK(memcmp(got, bits, sizeof(bits)) == 0 && got[96] == 0 && got[99] == 0);
	/* Of another type nothing was said: all of it. */
	m.type = EV_LED;
	OK(ioctl(fd, EVIOC_R(0x92, 16), &m));
	CHECK(got[0] == 0xff && got[8] == 0);
	m.size = 7;
	FAILS(EINVAL, ioctl(fd, EVIOC_W(0x93, 16), &m));
	close(fd);
	uinput_end(&u);
}

static void dates_by_a_clock(void)
{
	struct uinput u = uinput_keyboard("clock");
	int fd = uinput_open_event(&u, O_RDWR | O_NONBLOCK), clock = CLOCK_MONOTONIC;
	struct timespec before, after;
	struct event e;

	uinput_key(&u, KEY_A, 1);
	OK(ioctl(fd, EVIOC_W(0xa0, 4), &clock));
	/* What was there had other dates. */
	expect(fd, EV_SYN, SYN_DROPPED, 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	uinput_key(&u, KEY_A, 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	EQUAL(read(fd, &e, sizeof(e)), sizeof(e));
	CHECK(e.seconds >= before.tv_sec && e.seconds <= after.tv_sec);
	clock = CLOCK_PROCESS_CPUTIME_ID;
	FAILS(EINVAL, ioctl(fd, EVIOC_W(0xa0, 4), &clock));
	close(fd);
	uinput_end(&u);
}

static void sets_lamps(void)
{
	struct uinput u = uinput_keyboard("lamps");
	int fd = uinput_open_event(&u, O_RDWR | O_NONBLOCK);
	const struct event e[2] = {{.type = EV_LED, .code = LED_CAPSL, .value = 1}, {}};
	unsigned char bits[8];

	fcntl(u.fd, F_SETFL, O_NONBLOCK);
	expect_none(u.fd);
	EQUAL(write(fd, e, sizeof(e)), sizeof(e));
	expect(u.fd, EV_LED, LED_CAPSL, 1);
	OK(ioctl(fd, EVIOC_R(0x19, sizeof(bits)), bits));
	EQUAL(bits[0], 1 << LED_CAPSL);
	/* It shines already. */
	EQUAL(write(fd, e, sizeof(e)), sizeof(e));
	expect_none(u.fd);
	close(fd);
	uinput_end(&u);
}

static void axes_have_ranges(void)
{
	struct uinput u = uinput_tablet("axes");
	int fd = uinput_open_event(&u, O_RDWR | O_NONBLOCK);
	int a[6];

	OK(ioctl(fd, EVIOC_R(0x40 + ABS_X, 24), a));
	CHECK(a[1] == 0 && a[2] == 1000 && a[3] == 0);
	uinput_event(&u, EV_ABS, ABS_X, 500);
	uinput_event(&u, EV_SYN, SYN_REPORT, 0);
	expect(fd, EV_ABS, ABS_X, 500);
	expect(fd, EV_SYN, SYN_REPORT, 0);
	uinput_event(&u, EV_ABS, ABS_X, 500);
	uinput_event(&u, EV_SYN, SYN_REPORT, 0);
	expect_none(fd);
	OK(ioctl(fd, EVIOC_R(0x40 + ABS_X, 24), a));
	EQUAL(a[0], 500);
	a[3] = 20;
	OK(ioctl(fd, EVIOC_W(0xc0 + ABS_X, 24), a));
	uinput_event(&u, EV_ABS, ABS_X, 505);
	uinput_event(&u, EV_SYN, SYN_REPORT, 0);
	expect_none(fd);
	uinput_event(&u, EV_REL, REL_WHEEL, -1);
	uinput_event(&u, EV_SYN, SYN_REPORT, 0);
	expect(fd, EV_REL, REL_WHEEL, -1);
	close(fd);
	uinput_end(&u);
}

static volatile sig_atomic_t signals;

static void count_signal(int)
{
	signals++;
}

static void wakes_who_waits(void)
{
	struct uinput u = uinput_keyboard("wakes");
	int fd = uinput_open_event(&u, O_RDWR), watch = OK(epoll_create1(0));
	struct epoll_event wanted = {.events = EPOLLIN}, got;

	OK(epoll_ctl(watch, EPOLL_CTL_ADD, fd, &wanted));
	EQUAL(epoll_wait(watch, &got, 1, 0), 0);
	pid_t child = CHILD(expect(fd, EV_KEY, KEY_A, 1); expect(fd, EV_SYN, SYN_REPORT, 0));
	ktap_until_state(child, "S");
	uinput_key(&u, KEY_A, 1);
	EXITS(child, 0);
	signal(SIGIO, count_signal);
	OK(fcntl(fd, F_SETOWN, getpid()));
	OK(fcntl(fd, F_SETFL, O_ASYNC));
	uinput_key(&u, KEY_A, 0);
	EQUAL(signals, 1);
	EQUAL(epoll_wait(watch, &got, 1, -1), 1);
	/* Who waits when the device goes is told. */
	expect(fd, EV_KEY, KEY_A, 0);
	expect(fd, EV_SYN, SYN_REPORT, 0);
	child = CHILD({
		struct event e;
		close(u.fd);
		FAILS(ENODEV, read(fd, &e, sizeof(e)));
	});
	ktap_until_state(child, "S");
	uinput_end(&u);
	EXITS(child, 0);
	EQUAL(epoll_wait(watch, &got, 1, -1), 1);
	CHECK(got.events & EPOLLHUP);
}

static void is_shown(void)
{
	struct uinput u = uinput_keyboard("shown");
	char path[128], text[65536], name[64];

	OK(ioctl(u.fd, UI_GET_SYSNAME(sizeof(name)), name));
	snprintf(path, sizeof(path), "/sys/class/input/%s/name", name);
	ktap_read_file(path, text, sizeof(text));
	CHECK(strcmp(text, "ktap shown\n") == 0);
	snprintf(path, sizeof(path), "/sys/class/input/%s/capabilities/led", name);
	ktap_read_file(path, text, sizeof(text));
	CHECK(strcmp(text, "7\n") == 0);
	snprintf(path, sizeof(path), "/sys/class/input/%s/device/name", u.event);
	ktap_read_file(path, text, sizeof(text));
	CHECK(strcmp(text, "ktap shown\n") == 0);
	ktap_read_file("/proc/bus/input/devices", text, sizeof(text));
	char *at = strstr(text, "N: Name=\"ktap shown\"\nP: Phys=ktap/input0\nS: Sysfs=/devices/virtual/input/input");
	CHECK(at != NULL);
	CHECK(strstr(at, u.event) != NULL && strstr(at, "B: LED=7\n") != NULL);
	uinput_end(&u);
	CHECK(access(path, F_OK) != 0);
	ktap_read_file("/proc/bus/input/devices", text, sizeof(text));
	CHECK(strstr(text, "ktap shown") == NULL);
}

static void refuses_what_is_wrong(void)
{
	struct setup s = {.id = {6, 1, 2, 3}};
	struct event e = {};
	int fd = uinput_fd(O_RDWR | O_NONBLOCK);

	FAILS(EINVAL, ioctl(fd, UI_DEV_CREATE, 0));
	FAILS(EINVAL, ioctl(fd, UI_DEV_SETUP, &s));
	FAILS(EINVAL, ioctl(fd, UI_SET_KEYBIT, 0x300));
	FAILS(EINVAL, ioctl(fd, UI_SET_EVBIT, 0x20));
	FAILS(ENODEV, read(fd, &e, sizeof(e)));
	FAILS(EINVAL, write(fd, &e, sizeof(e)));
	close(fd);
}

KTAP_MAIN(CASE(reads_whole_reports), CASE(tells_what_it_is), CASE(tells_what_is_down), CASE(repeats_held_keys),
	  CASE(says_what_was_lost), CASE(one_has_it_for_itself), CASE(filters_what_a_file_gets), CASE(dates_by_a_clock),
	  CASE(sets_lamps), CASE(axes_have_ranges), CASE(wakes_who_waits), CASE(is_shown), CASE(refuses_what_is_wrong))
