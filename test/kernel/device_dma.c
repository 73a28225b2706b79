/* SPDX-License-Identifier: MIT */
/* DMA memory and lent pages of a device: by its rules, for those who ask, given back with the round, and lost when the
 * device was not silenced. */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/base/fail.h>
#include <kernel/device/dma.h>
#include <kernel/mem/page.h>
#include <lib/types.h>

enum { BUFFER_PAGES = 3 };

/* No constant, so that the compiler does not see what comes. */
static volatile uint64_t nowhere = 0x18;

/* What the device of a test is to do, and what it found. */
static struct {
	bool loud, strays, incoherent;
	uint8_t bits;
	struct page *page; /* lent when the round ends */
	int errors[4];
	bool kept_rules;
	uint32_t serving; /* atomic */
} plan;

static bool matches(const struct device *dev, const struct driver *driver)
{
	return driver->match == device_bus_data(dev);
}

static void rules(const struct device *, struct dma_rules *out)
{
	out->incoherent = plan.incoherent;
	out->bits = plan.bits;
}

static void silence(struct device *dev)
{
	if (plan.loud)
		device_not_silent(dev);
	if (plan.strays)
		*(volatile uint64_t *)nowhere = 1;
}

static const struct bus dma_bus = {
	.name = "dma", .component = &component_ktest, .matches = matches, .dma = rules, .silence = silence};

static int attach(struct device *dev)
{
	struct dma_buffer b, spare;
	struct dma_table *t = nullptr;

	plan.errors[0] = dma_alloc(dev, BUFFER_PAGES * PAGE_SIZE, &b);
	plan.errors[1] = dma_alloc(dev, PAGE_SIZE, &spare);
	plan.errors[2] = dma_table_open(dev, 2, 4, &t);
	if (plan.errors[0] < 0 || plan.errors[1] < 0 || plan.errors[2] < 0)
		return -ENODEV;
	dma_free(dev, &spare);
	struct dma_list *list = dma_map(t, 1, DMA_FROM_DEVICE, 0);
	plan.errors[3] = dma_list_add(list, plan.page, 0, PAGE_SIZE);
	plan.kept_rules = list->rules.incoherent == plan.incoherent && list->rules.bits == plan.bits &&
			  (plan.bits == 0 || b.address + b.bytes <= 1ull << plan.bits);
	EXPECT_EQ(dma_list_ready(list), 0);
	return 0;
}

static void serve(struct device *dev)
{
	__atomic_store_n(&plan.serving, 1, __ATOMIC_SEQ_CST);
	while (device_wait(dev, 0) != -ECANCELED)
		;
}

static char with_right, without_right;

DRIVER(dma_asks, .component = &component_ktest, .bus = &dma_bus, .match = &with_right, .wants = WANTS_DMA,
       .attach = attach, .serve = serve);
DRIVER(dma_does_not_ask, .component = &component_ktest, .bus = &dma_bus, .match = &without_right, .attach = attach,
       .serve = serve);

static bool is_tried(struct device *dev)
{
	struct device_info info;

	device_get_info(dev, &info);
	return info.state == DEVICE_ABSENT || __atomic_load_n(&plan.serving, __ATOMIC_SEQ_CST) != 0;
}

/* One round of a device with the plan. Its counts before, during and after it. */
static void run(void *who, struct dma_stats counts[3])
{
	struct device *dev;

	plan.serving = 0;
	dma_stats(&counts[0]);
	if (!EXPECT_EQ(device_add(nullptr, &dma_bus, "dma0", who, &dev), 0))
		return;
	EXPECT(WAIT_UNTIL(is_tried(dev)));
	dma_stats(&counts[1]);
	device_remove(dev);
	dma_stats(&counts[2]);
}

static void given_back(void)
{
	struct dma_stats counts[3];
	static const struct dma_rules kinds[] = {{}, {.incoherent = true}, {.bits = 40}};

	plan.page = page_alloc_user(true);
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		plan.incoherent = kinds[i].incoherent;
		plan.bits = kinds[i].bits;
		run(&with_right, counts);
		for (unsigned e = 0; e < ARRAY_LEN(plan.errors); e++)
			EXPECT_EQ(plan.errors[e], 0);
		EXPECT(plan.kept_rules);
		EXPECT_EQ(counts[1].used, counts[0].used + BUFFER_PAGES);
		EXPECT_EQ(counts[1].lent, counts[0].lent + 1);
		EXPECT_EQ(counts[2].used, counts[0].used);
		EXPECT_EQ(counts[2].pages, counts[0].pages);
		EXPECT_EQ(counts[2].lent, counts[0].lent);
		EXPECT_EQ(counts[2].quarantined, counts[0].quarantined);
		EXPECT_EQ(plan.page->refs, 1);
	}
	plan.incoherent = false;
	plan.bits = 0;
	page_put(plan.page);
}

/* The bus says that it could not silence the device, or comes to grief over it. */
static void lost(bool *how)
{
	struct dma_stats counts[3];

	plan.page = page_alloc_user(true);
	*how = true;
	run(&with_right, counts);
	*how = false;
	EXPECT_EQ(counts[2].quarantined, counts[0].quarantined + BUFFER_PAGES + 1);
	EXPECT_EQ(counts[2].used, counts[0].used + BUFFER_PAGES);
	EXPECT_EQ(counts[2].lent, counts[0].lent);
	EXPECT_EQ(plan.page->refs, 2);
	page_put(plan.page);
}

static void loud_device(void)
{
	lost(&plan.loud);
	lost(&plan.strays);
}

static void refused(void)
{
	struct dma_stats counts[3];

	run(&without_right, counts);
	EXPECT_EQ(plan.errors[0], -EPERM);
	EXPECT_EQ(plan.errors[1], -EPERM);
	EXPECT_EQ(plan.errors[2], -EPERM);
	EXPECT_EQ(counts[2].used, counts[0].used);
}

KTEST_SUITE(device_dma, KTEST("what a device was given comes back with its round", given_back),
	    KTEST("what a device that is not silent was given is lost", loud_device),
	    KTEST("who does not ask for DMA gets none", refused));
