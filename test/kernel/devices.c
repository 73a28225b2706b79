/* SPDX-License-Identifier: MIT */
/* The device core: rounds, the tree, what a device owns. What becomes of faults: device_faults.c. */
#include "test_device.h"

#include "irq_devices.h"
#include <abi/errno.h>
#include <kernel/base/fail.h>
#include <kernel/mem/kmap.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

static struct test_script script;

/* A whole round, begun and ended by an unplug; and one that is asked for in between. */
#define UP   "eAaS"
#define ENDS "uDs210"

static bool is_serving(const struct test_script *s, uint32_t times)
{
	return WAIT_UNTIL(__atomic_load_n(&s->serving, __ATOMIC_SEQ_CST) == times);
}

static bool line_is_free(void)
{
	long handle = nucleus_irq_attach(IRQ_UNUSED, 0);

	if (handle > 0)
		EXPECT_EQ(nucleus_irq_detach((uint32_t)handle), 0);
	return handle > 0;
}

static void one_round(void)
{
	script = (struct test_script){};
	struct device *dev = test_device_add(nullptr, "test0", &script), *other;

	if (dev == nullptr)
		return;
	EXPECT(is_serving(&script, 1));
	EXPECT(test_device_is(dev, DEVICE_UP));
	EXPECT(test_noted(&script, UP));
	EXPECT(!line_is_free());
	EXPECT_EQ(device_add(nullptr, &test_bus, "test0", &script, &other), -EEXIST);
	EXPECT_EQ(device_add(nullptr, &test_bus, "", &script, &other), -EINVAL);
	EXPECT_EQ(device_add(nullptr, &test_bus, "a name that has no end, and goes on", &script, &other), -EINVAL);
	EXPECT_EQ(script.released, 0);
	EXPECT(strcmp(device_name(dev), "test0") == 0 && device_bus(dev) == &test_bus);
	struct device_info info;
	device_get_info(dev, &info);
	EXPECT_EQ(info.resources, TEST_STEPS);
	/* The thread is parked. It is gone when this returns. */
	(void)device_get(dev);
	device_remove(dev);
	EXPECT(test_noted(&script, ENDS "g"));
	EXPECT_EQ(script.released, 0);
	EXPECT(device_find("test0") == nullptr);
	EXPECT(device_is_gone(dev) && device_stopping(dev));
	device_get_info(dev, &info);
	EXPECT_EQ(info.state, DEVICE_GONE);
	EXPECT_EQ(info.resources, 0);
	EXPECT_EQ(device_restart(dev), -ENODEV);
	struct mmio m;
	EXPECT_EQ(mmio_map(dev, 0, &m), -ENODEV);
	struct device *child;
	EXPECT_EQ(device_add(dev, &test_bus, "test1", &script, &child), -ENODEV);
	device_put(dev);
	EXPECT_EQ(script.released, 1);
	EXPECT(line_is_free());
}

/* An error at each step of attach gives back what was acquired, newest first; then it is tried again. */
static void attach_fails_at_each_step(void)
{
	static const char *const gives[TEST_STEPS] = {"0", "10", "210", "210", "210", "210"};

	for (unsigned k = 1; k <= TEST_STEPS; k++) {
		char wanted[64] = "eAs";

		script = (struct test_script){.fail_at = k, .error = -EIO, .times = 1};
		struct device *dev = test_device_add(nullptr, "test0", &script);
		if (dev == nullptr)
			return;
		EXPECT(is_serving(&script, 1));
		EXPECT(test_device_is(dev, DEVICE_UP));
		strlcpy(wanted + 2, k > TEST_THINGS ? "us" : "s", sizeof(wanted) - 2);
		strlcpy(wanted + strlen(wanted), gives[k - 1], 16);
		strlcpy(wanted + strlen(wanted), UP, 16);
		EXPECT(test_noted(&script, wanted));
		EXPECT_EQ(script.kept_found, k > TEST_THINGS);
		device_remove(dev);
		EXPECT(test_noted(&script, ENDS "g"));
		EXPECT(line_is_free());
	}
}

static void absent_is_final(void)
{
	script = (struct test_script){.fail_at = 2, .error = -ENODEV, .times = 1};
	uint32_t threads = component_ktest.thread_count;
	struct device *dev = test_device_add(nullptr, "test0", &script);

	if (dev == nullptr)
		return;
	EXPECT(test_device_is(dev, DEVICE_ABSENT));
	EXPECT(test_noted(&script, "eAs10"));
	/* Nothing is to be waited for. */
	EXPECT(WAIT_UNTIL(component_ktest.thread_count == threads));
	/* Until somebody asks. */
	EXPECT_EQ(device_restart(dev), 0);
	EXPECT(is_serving(&script, 1));
	EXPECT(test_noted(&script, UP));
	device_remove(dev);
	EXPECT(test_noted(&script, ENDS "g"));
	EXPECT_EQ(script.released, 1);
	/* Removed as it is. */
	script = (struct test_script){.fail_at = 1, .error = -EPERM, .times = 1};
	dev = test_device_add(nullptr, "test0", &script);
	if (dev == nullptr)
		return;
	EXPECT(test_device_is(dev, DEVICE_ABSENT));
	device_remove(dev);
	EXPECT_EQ(script.released, 1);
	EXPECT(WAIT_UNTIL(component_ktest.thread_count == threads));
}

/* Removed while attach is under way: it ends, and nothing is left. */
static void removed_while_attaching(void)
{
	script = (struct test_script){.hold = 1};
	struct device *dev = test_device_add(nullptr, "test0", &script);

	if (dev == nullptr)
		return;
	EXPECT(WAIT_UNTIL(__atomic_load_n(&script.attaching, __ATOMIC_SEQ_CST) == 1));
	device_fail(dev, "so that attach is woken");
	script.fail_at = 4;
	script.error = -ECANCELED;
	script.times = 1;
	__atomic_store_n(&script.hold, 0, __ATOMIC_SEQ_CST);
	device_remove(dev);
	EXPECT_EQ(script.released, 1);
	EXPECT(device_find("test0") == nullptr);
	EXPECT(line_is_free());
	/* And at once, before the thread has run. */
	for (int i = 0; i < 20; i++) {
		script = (struct test_script){};
		dev = test_device_add(nullptr, "test0", &script);
		if (dev == nullptr)
			return;
		device_remove(dev);
		EXPECT_EQ(script.released, 1);
	}
	EXPECT(line_is_free());
}

/* A restart is asked for while attach is under way, which ends for that: this is no fault of its. */
static void restarted_while_attaching(void)
{
	script = (struct test_script){.hold = 1, .fail_at = 4, .error = -ECANCELED, .times = 1};
	struct device *dev = test_device_add(nullptr, "test0", &script);
	struct device_info info;

	if (dev == nullptr)
		return;
	EXPECT(WAIT_UNTIL(__atomic_load_n(&script.attaching, __ATOMIC_SEQ_CST) == 1));
	EXPECT_EQ(device_restart(dev), 0);
	__atomic_store_n(&script.hold, 0, __ATOMIC_SEQ_CST);
	EXPECT(is_serving(&script, 1));
	device_get_info(dev, &info);
	EXPECT_EQ(info.faults, 0);
	EXPECT_EQ(info.restarts, 1);
	device_remove(dev);
	EXPECT(line_is_free());
	/* One that is not asked for is one. */
	script = (struct test_script){.fail_at = 4, .error = -ECANCELED, .times = 1};
	dev = test_device_add(nullptr, "test0", &script);
	if (dev == nullptr)
		return;
	EXPECT(is_serving(&script, 1));
	device_get_info(dev, &info);
	EXPECT_EQ(info.faults, 1);
	device_remove(dev);
}

static void a_tree(void)
{
	static struct test_script scripts[3];
	struct device *dev[3] = {}, *seen[3] = {}, *d;
	static const char *const names[] = {"test0", "test1", "test2"};
	unsigned n = 0;

	for (int i = 0; i < 3; i++) {
		scripts[i] = (struct test_script){};
		dev[i] = test_device_add(i > 0 ? dev[i - 1] : nullptr, names[i], &scripts[i]);
		if (dev[i] == nullptr)
			return;
		EXPECT(is_serving(&scripts[i], 1));
	}
	for (d = device_each(nullptr); d != nullptr; d = device_each(d))
		if (device_bus(d) == &test_bus && n < 3)
			seen[n++] = d;
	EXPECT_EQ(n, 3);
	for (int i = 0; i < 3; i++) {
		EXPECT(seen[i] == dev[i]);
		EXPECT(device_parent(dev[i]) == (i > 0 ? dev[i - 1] : nullptr));
	}
	/* One restarts, the others do not notice. */
	EXPECT_EQ(device_restart(dev[1]), 0);
	EXPECT(is_serving(&scripts[1], 2));
	EXPECT_EQ(scripts[0].rounds, 1);
	EXPECT_EQ(scripts[2].rounds, 1);
	EXPECT_EQ(scripts[1].kept_found, 1);
	/* Without its parent none stays. */
	device_remove(dev[0]);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(scripts[i].released, 1);
		EXPECT(device_find(names[i]) == nullptr);
	}
}

static bool counters_are(uint64_t bytes, uint32_t threads)
{
	return component_ktest.bytes == bytes && component_ktest.thread_count == threads;
}

/* Nothing grows, whatever often a device begins anew. */
static void a_hundred_restarts(void)
{
	script = (struct test_script){};
	uint32_t threads = component_ktest.thread_count;
	struct device *dev = test_device_add(nullptr, "test0", &script);

	if (dev == nullptr)
		return;
	EXPECT(is_serving(&script, 1));
	uint64_t bytes = component_ktest.bytes, from = kmap_reserve(1);
	for (uint32_t i = 2; i <= 101; i++) {
		EXPECT_EQ(device_restart(dev), 0);
		if (!EXPECT(is_serving(&script, i)))
			break;
	}
	EXPECT(WAIT_UNTIL(counters_are(bytes, threads + 1)));
	EXPECT_EQ(kmap_reserve(1) - from, 2ul * PAGE_SIZE);
	struct device_info info;
	device_get_info(dev, &info);
	EXPECT_EQ(info.restarts, 100);
	EXPECT_EQ(info.resources, TEST_STEPS);
	EXPECT_EQ(script.kept_found, 100);
	device_remove(dev);
	EXPECT(WAIT_UNTIL(component_ktest.thread_count == threads));
	EXPECT(line_is_free());
}

#if STELLUX_DEBUG

static void no_memory_to_add(void)
{
	uint64_t bytes = component_ktest.bytes;
	uint32_t threads = component_ktest.thread_count;
	struct device *dev = nullptr;
	uint32_t n = 0, left;
	int error;

	script = (struct test_script){};
	do {
		fail_arm(++n);
		error = device_add(nullptr, &test_bus, "test0", &script, &dev);
		left = fail_armed();
		fail_arm(0);
		if (left == 0) {
			EXPECT_EQ(error, -ENOMEM);
			EXPECT(device_find("test0") == nullptr);
			EXPECT_EQ(script.released, 0);
			EXPECT(counters_are(bytes, threads));
		}
	} while (left == 0 && n < 100 && error != 0);
	/* The device, its directory with a file and two links, its thread. */
	EXPECT(n > 6);
	if (EXPECT_EQ(error, 0))
		device_remove(dev);
	EXPECT(WAIT_UNTIL(counters_are(bytes, threads)));
}

/* Each request for memory of attach in turn: all is given back, and the next attach is as ever. */
static void no_memory_to_attach(void)
{
	uint64_t bytes = component_ktest.bytes;
	uint32_t threads = component_ktest.thread_count, n = 0;

	do {
		script = (struct test_script){.fail_memory = ++n, .memory_left = 1};
		struct device *dev = test_device_add(nullptr, "test0", &script);
		if (dev == nullptr)
			return;
		EXPECT(is_serving(&script, 1));
		struct device_info info;
		device_get_info(dev, &info);
		EXPECT_EQ(info.faults, script.memory_left == 0);
		EXPECT_EQ(info.resources, TEST_STEPS);
		EXPECT_EQ(info.lost, 0);
		device_remove(dev);
		EXPECT(line_is_free());
	} while (script.memory_left == 0 && n < 30);
	/* Three things, one that is kept, registers, an interrupt. */
	EXPECT(n > TEST_STEPS);
	EXPECT(script.memory_left != 0);
	EXPECT(WAIT_UNTIL(counters_are(bytes, threads)));
}

#else

static void no_memory_to_add(void)
{
}

static void no_memory_to_attach(void)
{
}

#endif

KTEST_SUITE(devices, KTEST("a round, from plug to unplug", one_round),
	    KTEST("attach fails at each step", attach_fails_at_each_step),
	    KTEST("what is absent is not tried again", absent_is_final),
	    KTEST("a device is removed while it is attached", removed_while_attaching),
	    KTEST("a restart is asked for while a device is attached", restarted_while_attaching),
	    KTEST("a tree of devices of one driver", a_tree),
	    KTEST("a hundred restarts leave nothing behind", a_hundred_restarts),
	    KTEST("no memory for a device", no_memory_to_add),
	    KTEST("no memory for what it acquires", no_memory_to_attach));
