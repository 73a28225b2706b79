/* SPDX-License-Identifier: MIT */
/* Device interrupts: attach, detach and delivery. What the machine has to send some is irq_devices.h's. */
#include <test/kernel/ktest.h>

#include "irq_devices.h"
#include <abi/errno.h>

static void attach_errors(void)
{
	for (uint32_t i = 0; i < IRQ_FIRST; i++)
		EXPECT_EQ(nucleus_irq_attach(i, 0), -EINVAL);
	EXPECT_EQ(nucleus_irq_attach(IRQ_ABSENT, 0), -EINVAL);
	EXPECT_EQ(nucleus_irq_attach(UINT32_MAX, 0), -EINVAL);
	EXPECT_EQ(nucleus_irq_attach(IRQ_UNUSED, 8), -EINVAL);
	EXPECT_EQ(nucleus_irq_attach(IRQ_UNUSED, UINT32_MAX), -EINVAL);
	/* Some so far behind the table that nothing is there. */
	static const uint32_t bad[] = {0, 513, 0x1000, 1 << 20, 1 << 26, 1 << 27, 1u << 31, UINT32_MAX};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(nucleus_irq_done(bad[i]), -EBADF);
		EXPECT_EQ(nucleus_irq_detach(bad[i]), -EBADF);
	}
}

static uint32_t handle, over;

static void foreign_thread(void *)
{
	EXPECT_EQ(nucleus_irq_done(handle), -EBADF);
	EXPECT_EQ(nucleus_irq_detach(handle), -EBADF);
	EXPECT_EQ(nucleus_irq_attach(IRQ_UNUSED, 0), -EBUSY);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
}

static void owner_only(void)
{
	long h = nucleus_irq_attach(IRQ_UNUSED, IRQ_LEVEL);

	EXPECT(h > 0);
	handle = (uint32_t)h;
	EXPECT_EQ(nucleus_irq_attach(IRQ_UNUSED, IRQ_LEVEL), -EBUSY);
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
	EXPECT(nucleus_irq_attach(IRQ_UNUSED, 0) > 0);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
}

static void ended_threads_let_go(void)
{
	__atomic_store_n(&over, 0, __ATOMIC_SEQ_CST);
	struct thread *t = start_thread(attach_and_end, nullptr, -1);
	uint32_t h = handle_of(t);

	EXPECT(WAIT_UNTIL(__atomic_load_n(&over, __ATOMIC_SEQ_CST)));
	EXPECT(WAIT_UNTIL(nucleus_thread_get_times(h) == -ESRCH));
	long again = nucleus_irq_attach(IRQ_UNUSED, 0);

	EXPECT(again > 0);
	EXPECT_EQ(nucleus_irq_detach((uint32_t)again), 0);
}

/* --- more handlers than there are --- */

static uint32_t attached, full, let_go;

/* Each line that it can have, of which it can have each once; then waits until it may go. */
static void hoarder(void *)
{
	for (uint32_t gsi = IRQ_FIRST; gsi < IRQ_ABSENT; gsi++) {
		long h = gsi == IRQ_UNUSED ? 0 : nucleus_irq_attach(gsi, IRQ_LEVEL | IRQ_SHARED);

		if (h == -ENOSPC) {
			__atomic_store_n(&full, 1, __ATOMIC_SEQ_CST);
			break;
		}
		if (h > 0)
			EXPECT_EQ(nucleus_irq_attach(gsi, IRQ_LEVEL | IRQ_SHARED), -EBUSY);
	}
	__atomic_add_fetch(&attached, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&let_go, __ATOMIC_SEQ_CST))
		(void)nucleus_park(ktest_now() + 100 * MS, 0);
}

static void handlers_used_up(void)
{
	enum { HOARDERS_MAX = 64, TRIES = 1000 };
	uint32_t handles[HOARDERS_MAX], n = 0;

	attached = full = let_go = 0;
	while (n < HOARDERS_MAX && !full) {
		handles[n++] = handle_of(start_thread(hoarder, nullptr, -1));
		EXPECT(WAIT_UNTIL(__atomic_load_n(&attached, __ATOMIC_SEQ_CST) == n));
	}
	EXPECT_EQ(full, 1);
	/* What cannot be attached takes nothing of the controller's. */
	for (unsigned i = 0; i < TRIES; i++)
		if (!EXPECT_EQ(nucleus_irq_attach(IRQ_UNUSED, 0), -ENOSPC))
			break;
	__atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < n; i++)
		EXPECT(WAIT_UNTIL(nucleus_thread_get_times(handles[i]) == -ESRCH));
	long h = nucleus_irq_attach(IRQ_UNUSED, 0);

	EXPECT(h > 0);
	EXPECT_EQ(nucleus_irq_detach((uint32_t)h), 0);
}

KTEST_SUITE(interrupts,
	    KTEST("the controllers' registers are not given away", irq_controllers_are_not_given_away,
		  .fits = irq_devices_known),
	    KTEST("lines and flags that do not exist are refused", attach_errors),
	    KTEST("an interrupt belongs to the thread that attached it", owner_only),
	    KTEST("a thread that ends lets its interrupts go", ended_threads_let_go),
	    KTEST("handlers are used up and come back", handlers_used_up),
	    KTEST("each interrupt unparks the thread", irq_delivery, .fits = irq_devices_known));
