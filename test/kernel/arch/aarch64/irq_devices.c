/* SPDX-License-Identifier: MIT */
/*
 * Device interrupts of an arm64 machine: attach, detach, and the alarm of a PL031 clock (Arm DDI 0224, 3.3), which
 * a device tree names. Nothing is assumed of where devices are.
 */
#include <test/kernel/ktest.h>

#include <abi/errno.h>
#include <kernel/kmap.h>
#include <kernel/page.h>
#include <lib/devicetree.h>
#include <lib/types.h>

/* Shared interrupts begin at 32; the last of the first 1020 is nobody's on the machines that we know. */
enum : uint32_t { FIRST_SHARED = 32, UNUSED_GSI = 40 };
enum pl031_register : unsigned { RTC_DATA = 0x0, RTC_MATCH = 0x4, RTC_MASK = 0x10, RTC_CLEAR = 0x1c };

static const void *tree(void)
{
	return boot_info()->dtb_bytes != 0 ? page_window(boot_info()->dtb_phys >> PAGE_SHIFT) : nullptr;
}

static bool has_tree(void)
{
	return tree() != nullptr;
}

static void attach_errors(void)
{
	/* Software's and private ones are the nucleus's. */
	for (uint32_t i = 0; i < FIRST_SHARED; i++)
		EXPECT_EQ(nucleus_irq_attach(i, 0), -EINVAL);
	EXPECT_EQ(nucleus_irq_attach(1020, 0), -EINVAL);
	EXPECT_EQ(nucleus_irq_attach(UINT32_MAX, 0), -EINVAL);
	EXPECT_EQ(nucleus_irq_attach(UNUSED_GSI, 4), -EINVAL);
	EXPECT_EQ(nucleus_irq_attach(UNUSED_GSI, UINT32_MAX), -EINVAL);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t bad = i == 0 ? 0 : i == 1 ? 65 : UINT32_MAX;

		EXPECT_EQ(nucleus_irq_done(bad), -EBADF);
		EXPECT_EQ(nucleus_irq_detach(bad), -EBADF);
	}
}

static uint32_t handle, over;

static void foreign_thread(void *)
{
	EXPECT_EQ(nucleus_irq_done(handle), -EBADF);
	EXPECT_EQ(nucleus_irq_detach(handle), -EBADF);
	EXPECT_EQ(nucleus_irq_attach(UNUSED_GSI, 0), -EBUSY);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
}

static void owner_only(void)
{
	long h = nucleus_irq_attach(UNUSED_GSI, IRQ_LEVEL);

	EXPECT(h > 0);
	handle = (uint32_t)h;
	EXPECT_EQ(nucleus_irq_attach(UNUSED_GSI, IRQ_LEVEL), -EBUSY);
	__atomic_store_n(&over, 0, __ATOMIC_SEQ_CST);
	(void)start_thread(foreign_thread, nullptr, -1);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&over, __ATOMIC_SEQ_CST)));
	EXPECT_EQ(nucleus_irq_done(handle), 0);
	EXPECT_EQ(nucleus_irq_detach(handle), 0);
	EXPECT_EQ(nucleus_irq_done(handle), -EBADF);
	EXPECT_EQ(nucleus_irq_detach(handle), -EBADF);
}

static void attach_and_end(void *)
{
	EXPECT(nucleus_irq_attach(UNUSED_GSI, 0) > 0);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
}

static void ended_threads_let_go(void)
{
	__atomic_store_n(&over, 0, __ATOMIC_SEQ_CST);
	struct thread *t = start_thread(attach_and_end, nullptr, -1);
	uint32_t h = handle_of(t);

	EXPECT(WAIT_UNTIL(__atomic_load_n(&over, __ATOMIC_SEQ_CST)));
	EXPECT(WAIT_UNTIL(nucleus_thread_get_times(h) == -ESRCH));
	long again = nucleus_irq_attach(UNUSED_GSI, 0);

	EXPECT(again > 0);
	EXPECT_EQ(nucleus_irq_detach((uint32_t)again), 0);
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

static void delivery(void)
{
	struct devicetree_interrupt irq;
	uint64_t phys, va = kmap_reserve(1);

	if (!find_clock(&phys, &irq) || !EXPECT_EQ(nucleus_device_map(va, phys & ~0xfffull, 1), 0))
		return;
	volatile uint32_t *clock = (volatile uint32_t *)(va + (phys & 0xfff));
	/* The binding arm,gic: kind, number among the shared ones, trigger (4: high level). */
	long h = nucleus_irq_attach(FIRST_SHARED + irq.cells[1], irq.cells[2] == 4 ? IRQ_LEVEL : 0);

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
		EXPECT_EQ(nucleus_irq_done((uint32_t)h), 0);
	}
	clock[RTC_MASK / 4] = 0;
	EXPECT_EQ(nucleus_irq_detach((uint32_t)h), 0);
	EXPECT_EQ(nucleus_park(ktest_now() + 10 * MS, 0), -ETIMEDOUT);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
}

/* What can send interrupts to a CPU is the nucleus's. */
static void controllers_are_not_given_away(void)
{
	static const char *const controllers[] = {"arm,cortex-a15-gic", "arm,gic-400", "arm,gic-v3", nullptr};
	/* Writes to these become interrupts; the translation service also writes memory. */
	static const char *const doorbells[] = {"arm,gic-v3-its", "arm,gic-v2m-frame", nullptr};
	int node = devicetree_find(tree(), -1, controllers), doorbell = devicetree_find(tree(), -1, doorbells);
	uint64_t va = kmap_reserve(1), phys, size;

	if (!EXPECT(node >= 0) || !EXPECT(doorbell >= 0))
		return;
	for (unsigned i = 0; i < 2 && EXPECT(devicetree_reg(tree(), node, i, &phys, &size)); i++) {
		for (uint64_t at = 0; at < MIN(size, (uint64_t)0x10000); at += PAGE_SIZE)
			EXPECT_EQ(nucleus_device_map(va, phys + at, 1), -EPERM);
		EXPECT_EQ(nucleus_device_map(va, phys + size - PAGE_SIZE, 1), -EPERM);
	}
	if (EXPECT(devicetree_reg(tree(), doorbell, 0, &phys, &size))) {
		EXPECT_EQ(nucleus_device_map(va, phys, 1), -EPERM);
		EXPECT_EQ(nucleus_device_map(va, phys + size - PAGE_SIZE, 1), -EPERM);
	}
}

KTEST_SUITE(interrupts,
	    KTEST("the controllers' registers are not given away", controllers_are_not_given_away, .fits = has_tree),
	    KTEST("lines and flags that do not exist are refused", attach_errors),
	    KTEST("an interrupt belongs to the thread that attached it", owner_only),
	    KTEST("a thread that ends lets its interrupts go", ended_threads_let_go),
	    KTEST("each interrupt unparks the thread", delivery, .fits = has_tree));
