/* SPDX-License-Identifier: MIT */
/* What becomes of a device whose driver, or whose class, faults: at every place, once and always. */
#include "test_device.h"

#include "irq_devices.h"
#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

static struct test_script script, second;

static bool is_serving(const struct test_script *s, uint32_t times)
{
	return WAIT_UNTIL(__atomic_load_n(&s->serving, __ATOMIC_SEQ_CST) == times);
}

/* Removes it. Whatever happened before, nothing of it is left. */
static void remove_it(struct device *dev)
{
	device_remove(dev);
	EXPECT_EQ(script.released, 1);
	EXPECT(device_find("test0") == nullptr);
	long handle = nucleus_irq_attach(IRQ_UNUSED, 0);
	if (EXPECT(handle > 0))
		EXPECT_EQ(nucleus_irq_detach((uint32_t)handle), 0);
}

/* Faults in the first round, after which the second is as ever. */
static void fault_times(uint32_t times, char place, const char *notes, uint32_t faults, uint32_t lost)
{
	script = (struct test_script){.fault_at = place, .times = times};
	uint32_t before = component_ktest.faults;
	struct device *dev = test_device_add(nullptr, "test0", &script);
	struct device_info info;

	if (dev == nullptr)
		return;
	/* What comes at the end of a round is come to by asking for another. */
	if (faults == 0) {
		EXPECT(is_serving(&script, 1));
		EXPECT_EQ(device_restart(dev), 0);
		EXPECT(is_serving(&script, 2));
	} else {
		EXPECT(WAIT_UNTIL((device_get_info(dev, &info), info.restarts == 1 && info.state == DEVICE_UP)));
		EXPECT(is_serving(&script, 1));
	}
	EXPECT(test_device_is(dev, DEVICE_UP));
	EXPECT(test_noted(&script, notes));
	device_get_info(dev, &info);
	EXPECT_EQ(info.faults, faults);
	EXPECT_EQ(info.restarts, 1);
	EXPECT_EQ(info.lost, lost);
	EXPECT_EQ(info.resources, TEST_STEPS);
	EXPECT_EQ(component_ktest.faults, before + times);
	remove_it(dev);
	EXPECT(test_noted(&script, "uDs210g"));
}

static void fault_once(char place, const char *notes, uint32_t faults, uint32_t lost)
{
	fault_times(1, place, notes, faults, lost);
}

static void in_attach(void)
{
	fault_once(PLACE_ENABLE,
		   "es"
		   "eAaS",
		   1, 0);
	fault_once(PLACE_ATTACH,
		   "eAs"
		   "eAaS",
		   1, 0);
	fault_once(PLACE_ATTACHED,
		   "eAaus210"
		   "eAaS",
		   1, 0);
}

static void in_serve(void)
{
	fault_once(PLACE_SERVE,
		   "eAaSuDs210"
		   "eAaS",
		   1, 0);
}

/* The rest is given back all the same. */
static void at_the_end(void)
{
	/* What is suspended and stays is asked once more. */
	fault_once(PLACE_SUSPEND,
		   "eAaSuuDs210"
		   "eAaS",
		   0, 0);
	fault_times(2, PLACE_SUSPEND,
		    "eAaSuuDs210"
		    "eAaS",
		    0, 1);
	fault_once(PLACE_DETACH,
		   "eAaSuDs210"
		   "eAaS",
		   0, 0);
	fault_once(PLACE_SILENCE,
		   "eAaSuDs210"
		   "eAaS",
		   0, 0);
	for (char n = 0; n < TEST_THINGS; n++)
		fault_once((char)(PLACE_RELEASE + n),
			   "eAaSuDs210"
			   "eAaS",
			   0, 1);
}

/* Every function of the end faults in its turn, in one round, without an end to the thread. */
static void everything_at_the_end(void)
{
	script = (struct test_script){};
	struct device *dev = test_device_add(nullptr, "test0", &script);
	static const char places[] = {PLACE_SUSPEND, PLACE_DETACH, PLACE_SILENCE, '2', '1', '0'};

	if (dev == nullptr)
		return;
	for (uint32_t i = 0; i < sizeof(places); i++) {
		EXPECT(is_serving(&script, i + 1));
		script.fault_at = places[i];
		__atomic_store_n(&script.times, 1, __ATOMIC_SEQ_CST);
		EXPECT_EQ(device_restart(dev), 0);
	}
	EXPECT(is_serving(&script, sizeof(places) + 1));
	script.fault_at = PLACE_GONE;
	__atomic_store_n(&script.times, 1, __ATOMIC_SEQ_CST);
	remove_it(dev);
}

/* A driver that faults in each round, and one whose attach fails each time, are given up, and what is kept is told.
 * They stay down until they are asked for. Both at once: their pauses together take seconds. */
static void always(void)
{
	script = (struct test_script){.fault_at = PLACE_SERVE, .times = UINT32_MAX};
	second = (struct test_script){.fail_at = 1, .error = -EIO, .times = UINT32_MAX};
	struct device *dev = test_device_add(nullptr, "test0", &script);
	struct device *other = test_device_add(nullptr, "test1", &second);
	struct device_info info;

	if (dev == nullptr || other == nullptr)
		return;
	EXPECT(test_device_is(dev, DEVICE_DOWN) && test_device_is(other, DEVICE_DOWN));
	device_get_info(dev, &info);
	/* More, if the host took so long that a row began anew. */
	EXPECT(info.faults > FAULTS_IN_ROW_MAX && second.attaching > FAULTS_IN_ROW_MAX);
	EXPECT_EQ(info.resources, 0);
	script.fault_at = PLACE_NONE;
	__atomic_store_n(&second.times, 0, __ATOMIC_SEQ_CST);
	EXPECT_EQ(device_restart(dev), 0);
	EXPECT(is_serving(&script, 1));
	EXPECT_EQ(device_restart(other), 0);
	EXPECT(is_serving(&second, 1));
	/* What was kept was given up with it. */
	EXPECT_EQ(script.kept_found, info.faults - 1);
	device_remove(other);
	remove_it(dev);
}

static void others_go_on(void)
{
	script = (struct test_script){};
	second = (struct test_script){};
	struct device *dev = test_device_add(nullptr, "test0", &script);
	struct device *other = test_device_add(nullptr, "test1", &second);

	if (dev == nullptr || other == nullptr)
		return;
	EXPECT(is_serving(&script, 1) && is_serving(&second, 1));
	script.fault_at = PLACE_WOKEN;
	script.times = 1;
	device_wake(dev);
	EXPECT(is_serving(&script, 2));
	EXPECT(test_noted(&script, "eAaSuDs210"
				   "eAaS"));
	EXPECT(test_noted(&second, "eAaS"));
	/* Said to be broken by somebody else; in one round once only. */
	__atomic_store_n(&second.fail_again, true, __ATOMIC_SEQ_CST);
	device_fail(other, "a test says so");
	EXPECT(is_serving(&second, 2));
	struct device_info info;
	device_get_info(other, &info);
	EXPECT_EQ(info.faults, 1);
	device_remove(other);
	EXPECT_EQ(second.released, 1);
	remove_it(dev);
}

/* A driver that comes back from serve on its own. */
static void serve_returns(void)
{
	script = (struct test_script){.wild = true, .times = 1};
	struct device *dev = test_device_add(nullptr, "test0", &script);
	struct device_info info;

	if (dev == nullptr)
		return;
	EXPECT(is_serving(&script, 2));
	device_get_info(dev, &info);
	EXPECT_EQ(info.faults, 1);
	remove_it(dev);
}

KTEST_SUITE(device_faults, KTEST("a fault in attach", in_attach), KTEST("a fault in serve", in_serve),
	    KTEST("a fault at each step of the end of a round", at_the_end),
	    KTEST("rounds that end with faults, one after the other", everything_at_the_end),
	    KTEST("drivers that always fault or fail", always, .modes = IN_FULL),
	    KTEST("the other devices of a driver go on", others_go_on),
	    KTEST("serve comes back on its own", serve_returns));
