/* SPDX-License-Identifier: MIT */
/* What interrupts on a PC: channel 0 of the 8254 (ISA interrupt 0), which ticks on request. */
#include <test/kernel/ktest.h>

#include "irq_devices.h"
#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/mem/kmap.h>
#include <nucleus/device.h>

/* 8254: control word, channel 0; divisor for 1 kHz of 1.193182 MHz. */
enum : uint16_t { PIT_CHANNEL_0 = 0x40, PIT_CONTROL = 0x43 };
enum : uint8_t { PIT_RATE_0 = 0x34, PIT_ONE_SHOT_0 = 0x30 };
enum : uint32_t { DIVISOR = 1193, ISA_TIMER = 0, TIMER_PIN = 2 /* where MADT says that it goes, on QEMU's */ };

bool irq_devices_known(void)
{
	return true;
}

void irq_delivery(void)
{
	long h = nucleus_irq_attach(ISA_TIMER, 0);

	if (!EXPECT(h > 0))
		return;
	/* By its other number it is the same wire. */
	EXPECT_EQ(nucleus_irq_attach(TIMER_PIN, 0), -EBUSY);
	portio_write8(PIT_CONTROL, PIT_RATE_0);
	portio_write8(PIT_CHANNEL_0, DIVISOR & 0xff);
	portio_write8(PIT_CHANNEL_0, DIVISOR >> 8);
	(void)nucleus_park(1, 0);
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(nucleus_park(ktest_now() + WAIT_NS, 0), 0);
	/* Each of those that woke this thread, and perhaps others. */
	EXPECT(nucleus_irq_done((uint32_t)h) >= 20);
	EXPECT_EQ(nucleus_irq_detach((uint32_t)h), 0);
	h = nucleus_irq_attach(TIMER_PIN, 0);
	EXPECT(h > 0);
	EXPECT_EQ(nucleus_irq_attach(ISA_TIMER, 0), -EBUSY);
	EXPECT_EQ(nucleus_irq_detach((uint32_t)h), 0);
	/* One may have been on its way. */
	(void)nucleus_park(ktest_now() + 5 * MS, 0);
	EXPECT_EQ(nucleus_park(ktest_now() + 10 * MS, 0), -ETIMEDOUT);
	/* Counts to zero once, which nobody hears. */
	portio_write8(PIT_CONTROL, PIT_ONE_SHOT_0);
}

/* Local and I/O APIC stand at the same place in every PC; what can send interrupts to a CPU is the nucleus's. */
void irq_controllers_are_not_given_away(void)
{
	uint64_t va = kmap_reserve(1);

	EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, 0xfee00000, 4, 0), -EPERM);
	EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, 0xfee01000, 4, 0), -EPERM);
	EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, 0xfec00ff8, 4, 0), -EPERM);
	/* A timer that sends messages (the HPET; QEMU says in its table where it is). */
	EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, 0xfed00000, 4, 0), -EPERM);
	EXPECT_EQ(nucleus_device_claim(CLAIM_MEMORY, 0xfed00ff8, 8, 0), -EPERM);
	/* The page after it is nobody's. */
	EXPECT_EQ(nucleus_device_map(va, 0xfec01000, 1), -EPERM);
	long claim = nucleus_device_claim(CLAIM_MEMORY, 0xfec01000, PAGE_SIZE, 0);
	EXPECT(claim > 0);
	EXPECT_EQ(nucleus_device_map(va, 0xfec01000, 1), 0);
	EXPECT_EQ(nucleus_device_map(va, 0xfec01000, 1), -EEXIST);
	EXPECT_EQ(nucleus_kunmap(va, 1), 0);
	EXPECT_EQ(nucleus_device_release((uint64_t)claim), 0);
}
