/* SPDX-License-Identifier: MIT */
/* Accessors of registers, on memory that stands for them (kernel/device/mmio.h). */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/device/mmio.h>
#include <lib/string.h>

static unsigned char registers[64] __attribute__((aligned(16)));
static const struct mmio range = {.at = registers, .bytes = sizeof(registers)};

static void each_width(void)
{
	memset(registers, 0, sizeof(registers));
	mmio_write64(&range, 0, 0x1122334455667788);
	EXPECT_EQ(mmio_read64(&range, 0), 0x1122334455667788);
	EXPECT_EQ(mmio_read32(&range, 4), 0x11223344);
	EXPECT_EQ(mmio_read16(&range, 2), 0x5566);
	EXPECT_EQ(mmio_read8(&range, 1), 0x77);
	mmio_write8(&range, 7, 0xaa);
	mmio_write16(&range, 4, 0xbbcc);
	mmio_write32(&range, 0, 0xddeeff00);
	EXPECT_EQ(mmio_read64(&range, 0), 0xaa22bbccddeeff00);
	mmio_write32(&range, sizeof(registers) - 4, UINT32_MAX);
	EXPECT_EQ(registers[sizeof(registers) - 5], 0);
	EXPECT_EQ(registers[sizeof(registers) - 1], 0xff);
	/* All to one register. */
	mmio_write8_burst(&range, 16, (const unsigned char *)"twelve bytes", 12);
	EXPECT_EQ(registers[16], 's');
	EXPECT_EQ(registers[15], 0);
	EXPECT_EQ(registers[17], 0);
	mmio_write8_burst(&range, 20, registers, 0);
	EXPECT_EQ(registers[20], 0);
}

static void set_later(void *)
{
	sleep_ns(2 * MS);
	mmio_write32(&range, 8, 0x12);
}

/* Until it is so, or until the time is over: then it was looked at once more. */
static void waits(void)
{
	mmio_write32(&range, 8, 0);
	EXPECT(mmio_wait32(&range, 8, UINT32_MAX, 0, 1));
	EXPECT(!mmio_wait32(&range, 8, 2, 2, 1));
	EXPECT(!mmio_wait32(&range, 8, 2, 2, ktest_now() + MS));
	(void)start_thread(set_later, nullptr, -1);
	EXPECT(mmio_wait32(&range, 8, 2, 2, ktest_now() + WAIT_NS));
	EXPECT(!mmio_wait32(&range, 8, 0x30, 0x20, ktest_now() + MS));
	/* A permit that came meanwhile is still there. */
	thread_unpark(thread_current());
	EXPECT(!mmio_wait32(&range, 8, 0x30, 0x20, ktest_now() + MS));
	EXPECT_EQ(thread_park(ktest_now() + WAIT_NS), 0);
}

#if STELLUX_DEBUG

static long read_beyond(void *arg)
{
	return mmio_read32(&range, (size_t)arg);
}

static void beyond_the_range(void)
{
	EXPECT_EQ(guarded(read_beyond, (void *)sizeof(registers)), -EFAULT);
	EXPECT_EQ(guarded(read_beyond, (void *)(sizeof(registers) - 3)), -EFAULT);
	EXPECT_EQ(guarded(read_beyond, (void *)2), -EFAULT);
	EXPECT_EQ(guarded(read_beyond, (void *)-4l), -EFAULT);
	EXPECT(guarded(read_beyond, (void *)(sizeof(registers) - 4)) != -EFAULT);
}

#else

static void beyond_the_range(void)
{
}

#endif

KTEST_SUITE(mmio, KTEST("registers of each width", each_width), KTEST("waiting for a register", waits),
	    KTEST("an access beyond the range is a bug", beyond_the_range));
