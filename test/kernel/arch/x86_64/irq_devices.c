/* SPDX-License-Identifier: MIT */
/* Device interrupts of a PC: attach, detach, and channel 0 of the 8254 (ISA interrupt 0), which ticks on request. */
#include <test/kernel/ktest.h>

#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/kmap.h>

/* 8254: control word, channel 0; divisor for 1 kHz of 1.193182 MHz. */
enum : uint16_t { PIT_CHANNEL_0 = 0x40, PIT_CONTROL = 0x43 };
enum : uint8_t { PIT_RATE_0 = 0x34, PIT_ONE_SHOT_0 = 0x30 };
enum : uint32_t { DIVISOR = 1193, UNUSED_GSI = 21, ISA_TIMER = 0 };

static void attach_errors(void)
{
	EXPECT_EQ(nucleus_irq_attach(1000, 0), -EINVAL);
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

static void delivery(void)
{
	long h = nucleus_irq_attach(ISA_TIMER, 0);

	if (!EXPECT(h > 0))
		return;
	portio_write8(PIT_CONTROL, PIT_RATE_0);
	portio_write8(PIT_CHANNEL_0, DIVISOR & 0xff);
	portio_write8(PIT_CHANNEL_0, DIVISOR >> 8);
	(void)nucleus_park(1, 0);
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(nucleus_park(ktest_now() + WAIT_NS, 0), 0);
	EXPECT_EQ(nucleus_irq_done((uint32_t)h), 0);
	EXPECT_EQ(nucleus_irq_detach((uint32_t)h), 0);
	/* One may have been on its way. */
	(void)nucleus_park(ktest_now() + 5 * MS, 0);
	EXPECT_EQ(nucleus_park(ktest_now() + 10 * MS, 0), -ETIMEDOUT);
	/* Counts to zero once, which nobody hears. */
	portio_write8(PIT_CONTROL, PIT_ONE_SHOT_0);
}

/* Local and I/O APIC stand at the same place in every PC; what can send interrupts to a CPU is the nucleus's. */
static void controllers_are_not_given_away(void)
{
	uint64_t va = kmap_reserve(1);

	EXPECT_EQ(nucleus_device_map(va, 0xfee00000, 1), -EPERM);
	EXPECT_EQ(nucleus_device_map(va, 0xfee01000, 1), -EPERM);
	EXPECT_EQ(nucleus_device_map(va, 0xfec00000, 1), -EPERM);
	/* The page after it is nobody's. */
	EXPECT_EQ(nucleus_device_map(va, 0xfec01000, 1), 0);
	EXPECT_EQ(nucleus_device_map(va, 0xfec01000, 1), -EEXIST);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
}

KTEST_SUITE(interrupts, KTEST("the controllers' registers are not given away", controllers_are_not_given_away),
	    KTEST("lines and flags that do not exist are refused", attach_errors),
	    KTEST("an interrupt belongs to the thread that attached it", owner_only),
	    KTEST("a thread that ends lets its interrupts go", ended_threads_let_go),
	    KTEST("each interrupt unparks the thread", delivery));
