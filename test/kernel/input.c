/* SPDX-License-Identifier: MIT */
/* Input devices through the rounds of their drivers, and what listeners in the kernel get. */
#include "sys_view.h"
#include "test_device.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/input/input.h>
#include <kernel/vfs/vfs.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <lib/types.h>

enum { SEEN_MAX = 64 };

static struct test_script script;
static struct input_device *watched;
static struct input_value seen[SEEN_MAX];
static uint32_t seen_count, gone_count; /* atomic */

static void take_values(struct input_device *i, const struct input_value *values, unsigned n)
{
	if (i != __atomic_load_n(&watched, __ATOMIC_ACQUIRE))
		return;
	for (unsigned k = 0; k < n; k++) {
		uint32_t at = __atomic_fetch_add(&seen_count, 1, __ATOMIC_SEQ_CST);

		if (at < SEEN_MAX)
			seen[at] = values[k];
	}
}

static void take_gone(struct input_device *i)
{
	if (i == __atomic_load_n(&watched, __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&gone_count, 1, __ATOMIC_SEQ_CST);
}

INPUT_LISTENER(ktest, .name = "ktest", .component = &component_ktest, .type = EV_KEY, .events = take_values,
	       .gone = take_gone);

static bool saw(uint32_t at, uint16_t type, uint16_t code, int32_t value)
{
	return EXPECT(at < seen_count) && EXPECT_EQ(seen[at].type, type) && EXPECT_EQ(seen[at].code, code) &&
	       EXPECT_EQ(seen[at].value, value);
}

static struct input_capabilities keyboard(void)
{
	struct input_capabilities c = {.name = "test \"keys\"\n", .phys = "test0/input0", .link = "test/key board"};

	bitmap_set(&c.can.ev, EV_KEY);
	bitmap_set(&c.can.ev, EV_LED);
	bitmap_set(c.can.key, KEY_A);
	bitmap_set(c.can.key, KEY_B);
	bitmap_set(&c.can.led, LED_NUML);
	return c;
}

static bool serves(uint32_t times)
{
	return WAIT_UNTIL(__atomic_load_n(&script.serving, __ATOMIC_SEQ_CST) == times);
}

static struct device *begin(void)
{
	memset(&script, 0, sizeof(script));
	seen_count = gone_count = 0;
	struct device *dev = test_device_add(nullptr, "test0", &script);

	return dev != nullptr && EXPECT(serves(1)) ? dev : nullptr;
}

static void lives_through_rounds(void)
{
	struct input_capabilities c = keyboard();
	struct input_device *i = nullptr, *again = nullptr;
	struct device *dev = begin();
	struct file *f = nullptr;
	struct input_event e;
	uint64_t pos = 0;
	char path[64];

	if (dev == nullptr || !EXPECT_EQ(input_register(dev, &c, &i), 0))
		return;
	__atomic_store_n(&watched, i, __ATOMIC_RELEASE);
	EXPECT_EQ(input_register(dev, &c, &again), -EEXIST);
	snprintf(path, sizeof(path), "/dev/input/by-id/test_key_board");
	if (!EXPECT_EQ(file_open_path(path, O_RDWR | O_NONBLOCK, 0, &f), 0))
		return;
	input_event(i, EV_KEY, KEY_A, 1);
	input_event(i, EV_KEY, KEY_ESC, 1);
	input_sync(i);
	EXPECT_EQ(seen_count, 2);
	saw(0, EV_KEY, KEY_A, 1);
	saw(1, EV_SYN, SYN_REPORT, 0);
	/* The key comes up when the driver's round ends. */
	EXPECT_EQ(device_restart(dev), 0);
	EXPECT(serves(2));
	EXPECT_EQ(input_register(dev, &c, &again), 0);
	EXPECT(again == i);
	EXPECT_EQ(seen_count, 4);
	saw(2, EV_KEY, KEY_A, 0);
	saw(3, EV_SYN, SYN_REPORT, 0);
	/* The open file has all of it, and goes on. */
	input_event(i, EV_KEY, KEY_B, 1);
	input_sync(i);
	for (int n = 0; n < 6; n++)
		EXPECT_EQ(file_read_at(f, &e, sizeof(e), pos), sizeof(e));
	EXPECT(e.type == EV_SYN);
	EXPECT_EQ(file_read_at(f, &e, sizeof(e), pos), -EAGAIN);
	input_set_leds(1 << LED_NUML | 1 << LED_CAPSL, 1 << LED_NUML | 1 << LED_CAPSL);
	EXPECT_EQ(input_leds(i), 1 << LED_NUML);
	device_remove(dev);
	EXPECT_EQ(gone_count, 1);
	EXPECT_EQ(file_read_at(f, &e, sizeof(e), pos), -ENODEV);
	file_put(f);
	EXPECT_EQ(sys_found(path), -ENOENT);
	__atomic_store_n(&watched, nullptr, __ATOMIC_RELEASE);
}

/* The driver says more in one report than is kept of one: it is told in several, and nothing is lost. */
static void long_reports(void)
{
	struct input_capabilities c = keyboard();
	struct input_device *i = nullptr;
	uint32_t events = 0;

	c.link = nullptr;
	seen_count = 0;
	if (!EXPECT_EQ(input_register(nullptr, &c, &i), 0))
		return;
	__atomic_store_n(&watched, i, __ATOMIC_RELEASE);
	for (int n = 0; n < 50; n++)
		input_event(i, EV_KEY, KEY_A, n % 2 == 0);
	input_sync(i);
	for (uint32_t n = 0; n < MIN(seen_count, SEEN_MAX); n++)
		events += seen[n].type == EV_KEY;
	EXPECT_EQ(events, 50);
	EXPECT_EQ(seen_count, 52);
	EXPECT_EQ(seen[seen_count - 1].type, EV_SYN);
	input_gone(i);
	__atomic_store_n(&watched, nullptr, __ATOMIC_RELEASE);
}

static void what_is_wrong(void)
{
	struct input_capabilities c = keyboard();
	struct input_device *i = nullptr;

	c.name = "";
	EXPECT_EQ(input_register(nullptr, &c, &i), -EINVAL);
	c.name = "axis";
	bitmap_set(&c.can.ev, EV_ABS);
	bitmap_set(&c.can.abs, ABS_X);
	c.absinfo[ABS_X] = (struct input_absinfo){.minimum = 1, .maximum = 0};
	EXPECT_EQ(input_register(nullptr, &c, &i), -EINVAL);
}

KTEST_SUITE(input, KTEST("a device through the rounds of its driver", lives_through_rounds),
	    KTEST("long reports", long_reports), KTEST("what is wrong is refused", what_is_wrong));
