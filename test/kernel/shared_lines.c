/* SPDX-License-Identifier: MIT */
/* A level-triggered wire with two devices on it, and a handler for each. */
#include "ktest.h"

#include "irq_devices.h"
#include "pci_devices.h"

#include <abi/errno.h>
#include <kernel/mem/kmap.h>

enum order : uint32_t { ORDER_NONE, ORDER_DONE, ORDER_END };

static struct other {
	uint32_t wire;
	long handle;
	uint32_t order, ready;
} other;

/* Not waited for: that would take the permit which an interrupt leaves. */
static void give(enum order o)
{
	__atomic_store_n(&other.order, o, __ATOMIC_SEQ_CST);
}

/* The second handler: it says that it is done when it is told to. */
static void other_thread(void *)
{
	other.handle = nucleus_irq_attach(other.wire, IRQ_LEVEL | IRQ_SHARED);
	__atomic_store_n(&other.ready, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		enum order o = __atomic_exchange_n(&other.order, ORDER_NONE, __ATOMIC_SEQ_CST);

		if (o == ORDER_END)
			return;
		if (o == ORDER_DONE)
			EXPECT_EQ(nucleus_irq_done((uint32_t)other.handle), 1);
		(void)nucleus_park(ktest_now() + MS, 0);
	}
}

static bool woken(void)
{
	return nucleus_park(ktest_now() + WAIT_NS, 0) == 0;
}

static void shared(void)
{
	uint32_t functions[] = {pci_find(EDU, 0), pci_find(EDU, 1)};
	uint64_t va = kmap_reserve(2);
	volatile uint32_t *edu = (volatile uint32_t *)va;
	long claims[2], h;

	other = (struct other){.wire = irq_of_function(functions[0])};
	if (!EXPECT_EQ(irq_of_function(functions[1]), other.wire))
		return;
	for (unsigned i = 0; i < 2; i++)
		claims[i] = pci_take(functions[i], false, va + i * PAGE_SIZE, 1);
	h = nucleus_irq_attach(other.wire, IRQ_LEVEL | IRQ_SHARED);
	EXPECT(h > 0);
	EXPECT_EQ(nucleus_irq_attach(other.wire, IRQ_LEVEL), -EBUSY);
	struct thread *t = start_thread(other_thread, nullptr, -1);
	uint32_t thread = handle_of(t);
	EXPECT(WAIT_UNTIL(__atomic_load_n(&other.ready, __ATOMIC_SEQ_CST)));
	EXPECT(other.handle > 0);

	edu[EDU_RAISE / 4] = 1;
	EXPECT(woken());
	edu[EDU_ACKNOWLEDGE / 4] = 1;
	EXPECT_EQ(nucleus_irq_done((uint32_t)h), 1);
	/* The other is not done: the line is shut. */
	edu[EDU_RAISE / 4] = 1;
	EXPECT_EQ(nucleus_park(ktest_now() + 20 * MS, 0), -ETIMEDOUT);
	give(ORDER_DONE);
	EXPECT(woken());
	edu[EDU_ACKNOWLEDGE / 4] = 1;
	/* To be done twice says nothing of the other. */
	EXPECT_EQ(nucleus_irq_done((uint32_t)h), 1);
	EXPECT_EQ(nucleus_irq_done((uint32_t)h), 0);
	edu[(PAGE_SIZE + EDU_RAISE) / 4] = 1;
	EXPECT_EQ(nucleus_park(ktest_now() + 20 * MS, 0), -ETIMEDOUT);
	/* Nor does it keep the line shut when it is dead. */
	give(ORDER_END);
	EXPECT(woken());
	EXPECT(WAIT_UNTIL(nucleus_thread_get_times(thread) == -ESRCH));
	edu[(PAGE_SIZE + EDU_ACKNOWLEDGE) / 4] = 1;
	EXPECT_EQ(nucleus_irq_done((uint32_t)h), 1);
	EXPECT_EQ(nucleus_irq_detach((uint32_t)h), 0);
	EXPECT_EQ(nucleus_kunmap(va, 2), 0);
	for (unsigned i = 0; i < 2; i++)
		EXPECT_EQ(nucleus_device_release((uint64_t)claims[i]), 0);
}

static bool two_edus(void)
{
	return pci_find(EDU, 1) != NO_FUNCTION;
}

KTEST_SUITE(shared_lines, KTEST("a shared line opens when every handler is done or dead", shared, .fits = two_edus));
