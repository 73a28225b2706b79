/* SPDX-License-Identifier: MIT */
/* The bus and the driver of test_device.h. The script is the device's bus data. */
#include "test_device.h"

#include "irq_devices.h"
#include <abi/errno.h>
#include <kernel/base/fail.h>
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/tree.h>
#include <lib/string.h>

/* Nothing is there, and nothing is touched. */
constexpr uint64_t NO_MEMORY = 1ull << 38;

static volatile uint64_t nowhere = 0x10;

static struct test_script *script_of(const struct device *dev)
{
	return device_bus_data(dev);
}

static bool take_one(struct test_script *s)
{
	uint32_t left = __atomic_load_n(&s->times, __ATOMIC_SEQ_CST);

	while (left > 0 &&
	       !__atomic_compare_exchange_n(&s->times, &left, left - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return left > 0;
}

static void note(struct test_script *s, char c)
{
	uint32_t at = __atomic_fetch_add(&s->noted, 1, __ATOMIC_SEQ_CST);

	if (at < TEST_NOTES_MAX)
		s->notes[at] = c;
	if (s->fault_at == c && take_one(s))
		*(volatile uint64_t *)nowhere = 1;
}

static bool matches(const struct device *, const struct driver *driver)
{
	return strcmp(driver->match, "test") == 0;
}

/* Each has a page of its own: by the digit that its name ends in. */
static int range(struct device *dev, unsigned index, struct device_range *out)
{
	uint64_t page = NO_MEMORY + (uint64_t)(device_name(dev)[4] & 15) * PAGE_SIZE;

	*out = (struct device_range){.kind = RANGE_MEMORY, .start = page + 0x10, .bytes = 0x20};
	return index == 0 ? 0 : -ENOENT;
}

static int line(struct device *dev, unsigned index, struct device_line *out)
{
	*out = (struct device_line){.gsi = IRQ_UNUSED, .flags = IRQ_LEVEL};
	/* There is one line only. */
	return index == 0 && strcmp(device_name(dev), "test0") == 0 ? 0 : -ENOENT;
}

static int enable(struct device *dev)
{
	note(script_of(dev), PLACE_ENABLE);
	return 0;
}

static int show_letter(struct text_buffer *b, void *arg)
{
	text_printf(b, "%s\n", device_name(arg));
	return 0;
}
static int show_fault(struct text_buffer *, void *)
{
	sleep_ns(FAULT_PAUSE_NS);
	return (int)*(volatile uint64_t *)nowhere;
}

static int entries(struct device *dev, struct tree_node *directory)
{
	static const struct node_file files[] = {
		{.component = &component_ktest, .name = "title", .mode = 0444, .show = show_letter},
		{.component = &component_ktest, .name = "fault", .mode = 0444, .show = show_fault},
		{},
	};

	return tree_add_files(directory, files, dev);
}

static void uevent(struct device *, struct text_buffer *b)
{
	text_printf(b, "MODALIAS=test:\n");
}

static void silence(struct device *dev)
{
	note(script_of(dev), PLACE_SILENCE);
}

static void release(struct device *, void *bus_data)
{
	__atomic_fetch_add(&((struct test_script *)bus_data)->released, 1, __ATOMIC_SEQ_CST);
}

const struct bus test_bus = {
	.name = "test",
	.component = &component_ktest,
	.matches = matches,
	.range = range,
	.line = line,
	.enable = enable,
	.silence = silence,
	.release = release,
	.entries = entries,
	.uevent = uevent,
};

struct thing {
	struct resource resource;
	char digit;
};
struct private
{
	struct mmio registers;
	struct irq irq;
	bool has_irq;
	uint64_t zeroed;
};

static void release_thing(struct resource *r)
{
	struct thing *t = container_of(r, struct thing, resource);
	struct test_script *s = script_of(r->device);
	char digit = t->digit;

	kfree(t);
	note(s, digit);
}

static void suspend_kept(struct resource *r)
{
	note(script_of(r->device), PLACE_SUSPEND);
}

static void kept_gone(struct resource *r)
{
	struct test_script *s = script_of(r->device);

	kfree(r);
	note(s, PLACE_GONE);
}

static const struct resource_ops thing_ops = {.name = "thing", .component = &component_ktest, .release = release_thing};
static const struct resource_ops kept_ops = {.name = "kept",
					     .component = &component_ktest,
					     .suspend = suspend_kept,
					     .release = kept_gone,
					     .gone = kept_gone};

static int own_thing(struct device *dev, unsigned n)
{
	struct thing *t = kmalloc(sizeof(*t));

	if (t == nullptr)
		return -ENOMEM;
	t->digit = (char)(PLACE_RELEASE + (char)n);
	int error = device_own(dev, &t->resource, &thing_ops);
	if (error < 0)
		kfree(t);
	return error;
}

static int own_kept(struct device *dev)
{
	if (device_kept(dev, &kept_ops, nullptr) != nullptr) {
		script_of(dev)->kept_found++;
		return 0;
	}
	struct resource *r = kmalloc(sizeof(*r));
	if (r == nullptr)
		return -ENOMEM;
	int error = device_own(dev, r, &kept_ops);
	if (error < 0)
		kfree(r);
	return error;
}

/* The n-th thing that attach acquires. */
static int step(struct device *dev, unsigned n)
{
	struct private *p = device_private(dev);

	if (n < TEST_THINGS)
		return own_thing(dev, n);
	if (n == TEST_THINGS)
		return own_kept(dev);
	if (n == TEST_THINGS + 1)
		return mmio_map(dev, 0, &p->registers);
	int error = irq_open(dev, 0, &p->irq);
	p->has_irq = error == 0;
	return error == -ENOENT ? 0 : error;
}

static int attach_all(struct device *dev)
{
	struct test_script *s = script_of(dev);
	struct private *p = device_private(dev);

	__atomic_fetch_add(&s->attaching, 1, __ATOMIC_SEQ_CST);
	note(s, PLACE_ATTACH);
	EXPECT_EQ(p->zeroed, 0);
	p->zeroed = 1;
	while (__atomic_load_n(&s->hold, __ATOMIC_SEQ_CST) != 0)
		(void)device_wait(dev, ktest_now() + MS);
	for (unsigned n = 0; n < TEST_STEPS; n++) {
		int error = step(dev, n);

		if (n + 1 == s->fail_at && take_one(s))
			error = s->error;
		if (error < 0)
			return error;
	}
	EXPECT(p->registers.at != nullptr && !p->registers.is_port && p->registers.bytes == 0x20);
	EXPECT_EQ((uint64_t)p->registers.at % PAGE_SIZE, 0x10);
	note(s, PLACE_ATTACHED);
	__atomic_fetch_add(&s->rounds, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int attach(struct device *dev)
{
	struct test_script *s = script_of(dev);
	uint32_t nth = __atomic_exchange_n(&s->fail_memory, 0, __ATOMIC_SEQ_CST);

	if (nth == 0)
		return attach_all(dev);
	fail_arm(nth);
	int error = attach_all(dev);
	s->memory_left = fail_armed();
	fail_arm(0);
	return error;
}

static void serve(struct device *dev)
{
	struct test_script *s = script_of(dev);
	struct private *p = device_private(dev);

	note(s, PLACE_SERVE);
	__atomic_fetch_add(&s->serving, 1, __ATOMIC_SEQ_CST);
	if (s->wild && take_one(s))
		return;
	while (!device_stopping(dev)) {
		irq_done(&p->irq);
		if (irq_wait(&p->irq, 0) != -ECANCELED)
			note(s, PLACE_WOKEN);
	}
	if (__atomic_exchange_n(&s->fail_again, false, __ATOMIC_SEQ_CST))
		device_fail(dev, "and once more");
}

static void detach(struct device *dev)
{
	note(script_of(dev), PLACE_DETACH);
}

DRIVER(test, .component = &component_ktest, .bus = &test_bus, .match = "test", .private_bytes = sizeof(struct private),
       .wants = WANTS_MMIO | WANTS_IRQ, .attach = attach, .serve = serve, .detach = detach);

struct device *test_device_add(struct device *parent, const char *name, struct test_script *s)
{
	struct device *dev;

	return EXPECT_EQ(device_add(parent, &test_bus, name, s, &dev), 0) ? dev : nullptr;
}

bool test_noted(struct test_script *s, const char *text)
{
	uint32_t n = __atomic_exchange_n(&s->noted, 0, __ATOMIC_SEQ_CST);
	char got[TEST_NOTES_MAX + 1] = "";
	size_t length = 0;

	/* How often it was woken nobody can know. */
	for (uint32_t i = 0; i < n && i < TEST_NOTES_MAX; i++) {
		if (s->notes[i] != PLACE_WOKEN)
			got[length++] = s->notes[i];
	}
	got[length] = '\0';
	if (strcmp(got, text) == 0)
		return true;
	ktest_fail(__FILE_NAME__, __LINE__, got, 0, 0, false);
	ktest_fail(__FILE_NAME__, __LINE__, text, 0, 0, false);
	return false;
}

bool test_device_is(struct device *dev, enum device_state state)
{
	struct device_info info;

	return WAIT_UNTIL((device_get_info(dev, &info), info.state == state));
}
