/* SPDX-License-Identifier: MIT */
/* Devices, their drivers and objects of classes as /sys shows them, and that nothing shows what has gone. */
#include "sys_view.h"
#include "test_device.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/device/class.h>
#include <kernel/mem/text.h>
#include <lib/string.h>

static struct test_script scripts[2];

static bool is_serving(const struct test_script *s)
{
	return WAIT_UNTIL(__atomic_load_n(&s->serving, __ATOMIC_SEQ_CST) == 1);
}

static void devices_and_drivers(void)
{
	char byte;

	if (!sys_mounted())
		return;
	memset(scripts, 0, sizeof(scripts));
	struct device *dev = test_device_add(nullptr, "test0", &scripts[0]);
	if (dev == nullptr || !EXPECT(is_serving(&scripts[0])))
		return;
	/* One that no driver takes. */
	scripts[1] = (struct test_script){.fail_at = 1, .error = -ENODEV, .times = 1};
	struct device *child = test_device_add(dev, "test1", &scripts[1]);
	if (child == nullptr || !EXPECT(test_device_is(dev, DEVICE_UP)) ||
	    !EXPECT(test_device_is(child, DEVICE_ABSENT)))
		return;
	sys_says(SYS "/devices/test/test0/uevent", "DRIVER=test\nMODALIAS=test:\n");
	sys_says(SYS "/devices/test/test0/test1/uevent", "MODALIAS=test:\n");
	sys_says(SYS "/bus/test/devices/test1/title", "test1\n");
	sys_says(SYS "/bus/test/devices/test1/subsystem/devices/test0/title", "test0\n");
	sys_says(SYS "/bus/test/drivers/test/test0/title", "test0\n");
	sys_says(SYS "/devices/test/test0/driver/test0/title", "test0\n");
	EXPECT_EQ(sys_found(SYS "/devices/test/test0/test1/driver"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/bus/test/drivers/test/test1"), -ENOENT);
	struct file *f = nullptr;
	uint32_t before = component_ktest.faults;
	EXPECT_EQ(file_open_path(SYS "/bus/test/devices/test0/fault", O_RDONLY, 0, &f), 0);
	EXPECT_EQ(file_read_at(f, &byte, 1, 0), -EFAULT);
	EXPECT_EQ(component_ktest.faults, before + 1);
	file_put(f);
	EXPECT_EQ(file_open_path(SYS "/devices/test/test0/test1/title", O_RDONLY, 0, &f), 0);
	EXPECT_EQ(file_read_at(f, &byte, 1, 0), 1);
	device_remove(dev);
	EXPECT_EQ(scripts[0].released, 1);
	EXPECT_EQ(scripts[1].released, 1);
	EXPECT_EQ(file_read_at(f, &byte, 1, 0), -ENODEV);
	file_put(f);
	EXPECT_EQ(sys_found(SYS "/devices/test/test0"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/bus/test/devices/test0"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/bus/test/devices/test1"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/bus/test/drivers/test/test0"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/bus/test/drivers/test"), 0);
}

/* A name that is taken is refused, and what had it stays as it was. */
static void a_name_twice(void)
{
	struct device *other;

	if (!sys_mounted())
		return;
	memset(scripts, 0, sizeof(scripts));
	struct device *dev = test_device_add(nullptr, "test0", &scripts[0]);
	struct device *parent = test_device_add(nullptr, "test2", &scripts[1]);
	if (dev == nullptr || parent == nullptr)
		return;
	EXPECT_EQ(device_add(nullptr, &test_bus, "test0", &scripts[0], &other), -EEXIST);
	EXPECT_EQ(device_add(parent, &test_bus, "test0", &scripts[0], &other), -EEXIST);
	sys_says(SYS "/bus/test/devices/test0/title", "test0\n");
	EXPECT_EQ(sys_found(SYS "/devices/test/test2/test0"), -ENOENT);
	device_remove(dev);
	EXPECT_EQ(device_add(parent, &test_bus, "test0", &scripts[0], &other), 0);
	sys_says(SYS "/devices/test/test2/test0/title", "test0\n");
	device_remove(parent);
	EXPECT_EQ(sys_found(SYS "/bus/test/devices/test0"), -ENOENT);
}

static int show_size(struct text_buffer *b, void *arg)
{
	text_printf(b, "%s\n", (const char *)arg);
	return 0;
}

static void objects_of_classes(void)
{
	static const struct node_file files[] = {
		{.component = &component_ktest, .name = "size", .mode = 0444, .show = show_size},
		{},
	};
	static struct class_entry disk, part, lone;

	if (!sys_mounted())
		return;
	memset(scripts, 0, sizeof(scripts));
	struct device *dev = test_device_add(nullptr, "test0", &scripts[0]);
	if (dev == nullptr)
		return;
	disk = (struct class_entry){.class = "testclass",
				    .device = dev,
				    .block = true,
				    .has_number = true,
				    .major = 4000,
				    .minor = 300,
				    .type = "disk",
				    .name = "tda"};
	part = (struct class_entry){.class = "testclass",
				    .device = dev,
				    .parent = &disk,
				    .block = true,
				    .has_number = true,
				    .major = 4000,
				    .minor = 301,
				    .name = "tda1"};
	lone = (struct class_entry){.class = "testclass", .name = "lone", .node = "far/lone"};
	class_add(&disk, files, (void *)"100");
	class_add(&part, files, (void *)"50");
	class_add(&lone, nullptr, nullptr);
	sys_says(SYS "/devices/test/test0/testclass/tda/size", "100\n");
	sys_says(SYS "/devices/test/test0/testclass/tda/tda1/size", "50\n");
	sys_says(SYS "/class/testclass/tda1/dev", "4000:301\n");
	sys_says(SYS "/block/tda/uevent", "MAJOR=4000\nMINOR=300\nDEVNAME=tda\nDEVTYPE=disk\n");
	sys_says(SYS "/dev/block/4000:301/uevent", "MAJOR=4000\nMINOR=301\nDEVNAME=tda1\n");
	sys_says(SYS "/class/testclass/tda/device/title", "test0\n");
	sys_says(SYS "/class/testclass/tda1/subsystem/tda/size", "100\n");
	EXPECT_EQ(sys_found(SYS "/block/tda1"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/devices/virtual/testclass/lone/uevent"), 0);
	EXPECT_EQ(sys_found(SYS "/class/testclass/lone/dev"), -ENOENT);
	class_remove(&part);
	class_remove(&disk);
	class_remove(&lone);
	EXPECT_EQ(sys_found(SYS "/devices/test/test0/testclass/tda"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/class/testclass/tda"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/class/testclass/tda1"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/block/tda"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/dev/block/4000:300"), -ENOENT);
	EXPECT_EQ(sys_found(SYS "/class/testclass/lone"), -ENOENT);
	device_remove(dev);
	/* Of a device that has gone nothing is shown, and nothing breaks. */
	class_remove(&disk);
}

KTEST_SUITE(device_sys, KTEST("devices and their drivers", devices_and_drivers),
	    KTEST("a name that is taken", a_name_twice), KTEST("objects of classes", objects_of_classes));
