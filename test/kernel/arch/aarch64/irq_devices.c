/* SPDX-License-Identifier: MIT */
/*
 * Devices that interrupt on an arm64 machine: the alarm of a PL031 clock (Arm DDI 0224, 3.3), which a device tree
 * names. Nothing is assumed of where devices are.
 */
#include <test/kernel/ktest.h>

#include "irq_devices.h"
#include <abi/errno.h>
#include <kernel/mem/kmap.h>
#include <kernel/mem/page.h>
#include <lib/devicetree.h>
#include <lib/types.h>
#include <nucleus/device.h>

enum pl031_register : unsigned { RTC_DATA = 0x0, RTC_MATCH = 0x4, RTC_MASK = 0x10, RTC_CLEAR = 0x1c };

static const void *tree(void)
{
	return boot_info()->dtb_bytes != 0 ? page_window(boot_info()->dtb_phys >> PAGE_SHIFT) : nullptr;
}

bool irq_devices_known(void)
{
	return tree() != nullptr;
}

/* A clock that ticks once a second and says when it has reached a number. */
static bool find_clock(uint64_t *phys, struct devicetree_interrupt *irq)
{
	static const char *const names[] = {"arm,pl031", nullptr};
	/* UEFI firmware says that it is disabled, because it reads the time there itself. */
	int node = devicetree_find_any(tree(), -1, names);
	uint64_t size;

	return EXPECT(node >= 0) && EXPECT(devicetree_reg(tree(), node, 0, phys, &size)) &&
	       EXPECT(devicetree_interrupt(tree(), node, 0, irq)) && EXPECT_EQ(irq->count, 3);
}

/* It compares for equality: a number that was passed before it was written is not reached again. */
static bool rings(volatile uint32_t *clock)
{
	uint64_t end = ktest_now() + WAIT_NS;
	long result;

	do {
		clock[RTC_MATCH / 4] = clock[RTC_DATA / 4] + 1;
		result = nucleus_park(ktest_now() + 3000 * MS, 0);
	} while (result != 0 && ktest_now() < end);
	return result == 0;
}

void irq_delivery(void)
{
	struct devicetree_interrupt irq;
	uint64_t phys, va = kmap_reserve(1);

	if (!find_clock(&phys, &irq))
		return;
	long claim = nucleus_device_claim(CLAIM_MEMORY, phys, PAGE_SIZE, 0);
	if (!EXPECT(claim > 0) || !EXPECT_EQ(nucleus_device_map(va, phys & ~0xfffull, 1), 0))
		return;
	volatile uint32_t *clock = (volatile uint32_t *)(va + (phys & 0xfff));
	/* The binding arm,gic: kind, number among the shared ones, trigger (4: high level). */
	long h = nucleus_irq_attach(IRQ_FIRST + irq.cells[1], irq.cells[2] == 4 ? IRQ_LEVEL : 0);

	if (!EXPECT(h > 0))
		return;
	clock[RTC_CLEAR / 4] = 1;
	clock[RTC_MASK / 4] = 1;
	(void)nucleus_park(1, 0);
	for (int i = 0; i < 3; i++) {
		EXPECT(rings(clock));
		/* The line is still up, but masked until we are done. */
		EXPECT_EQ(nucleus_park(ktest_now() + 10 * MS, 0), -ETIMEDOUT);
		clock[RTC_CLEAR / 4] = 1;
		EXPECT_EQ(nucleus_irq_done((uint32_t)h), 1);
	}
	clock[RTC_MASK / 4] = 0;
	EXPECT_EQ(nucleus_irq_detach((uint32_t)h), 0);
	EXPECT_EQ(nucleus_park(ktest_now() + 10 * MS, 0), -ETIMEDOUT);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)claim), 0);
}

/* What can send interrupts to a CPU is the nucleus's. */
void irq_controllers_are_not_given_away(void)
{
	static const char *const controllers[] = {"arm,cortex-a15-gic", "arm,gic-400", "arm,gic-v3", nullptr};
	/* Writes to these become interrupts; the translation service also writes memory. */
	static const char *const doorbells[] = {"arm,gic-v3-its", "arm,gic-v2m-frame", nullptr};
	int node = devicetree_find(tree(), -1, controllers), doorbell = devicetree_find(tree(), -1, doorbells);
	uint64_t phys, size;

	if (!EXPECT(node >= 0) || !EXPECT(doorbell >= 0))
		return;
	for (unsigned i = 0; i < 2 && EXPECT(devicetree_reg(tree(), node, i, &phys, &size)); i++) {
		for (uint64_t at = 0; at < MIN(size, (uint64_t)0x10000); at += PAGE_SIZE)
			EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, phys + at, 4, 0), -EPERM);
		EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, phys + size - 4, 4, 0), -EPERM);
	}
	if (EXPECT(devicetree_reg(tree(), doorbell, 0, &phys, &size))) {
		EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, phys, 4, 0), -EPERM);
		EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, phys + size - 4, 4, 0), -EPERM);
	}
}
