/* SPDX-License-Identifier: MIT */
/* /dev/hwrng: who waits gets as much as he wants, and who does not gets some when he comes again. A row of
 * test/matrix.txt adds a source. */
#include "ktest.h"

#include "kernel/driver/random/hwrng.h"
#include "pci_devices.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/bus/pci.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <nucleus/device.h>

enum : uint32_t { SOURCE = 0x19 << 3 };
enum : size_t { PART = 32, MANY = 5 * HWRNG_BYTES + 7 };

static unsigned char first[MANY], second[MANY];

static struct file *open_source(uint32_t flags)
{
	struct file *f;

	devices_settle();
	if (!EXPECT_EQ(file_open_path("/dev/hwrng", O_RDONLY | flags, 0, &f), 0))
		return nullptr;
	return f;
}

/* Reads of one who does not wait, until something came. */
static long read_at_last(struct file *f, unsigned char *to)
{
	long got = -EAGAIN;

	EXPECT(WAIT_UNTIL((got = file_read_at(f, to, PART, 0)) != -EAGAIN));
	return got;
}

static void nobody_waits(void)
{
	struct file *f = open_source(O_NONBLOCK);

	if (f == nullptr)
		return;
	/* More than is left of what others did not take: it is asked for. */
	for (size_t done = 0; done <= HWRNG_BYTES && !ktest_failed(); done += PART) {
		memset(first, 0, PART);
		memset(second, 0, PART);
		EXPECT(read_at_last(f, first) > 0);
		EXPECT(read_at_last(f, second) > 0);
		EXPECT(memcmp(first, second, PART) != 0);
	}
	file_put(f);
}

static void all_at_once(void)
{
	struct file *f = open_source(0);

	if (f == nullptr)
		return;
	EXPECT_EQ(file_read_at(f, first, MANY, 0), (long)MANY);
	EXPECT_EQ(file_read_at(f, second, MANY, 0), (long)MANY);
	EXPECT(memcmp(first, second, MANY) != 0);
	file_put(f);
}

static bool there(void)
{
	return nucleus_pci_read(SOURCE, PCI_VENDOR_ID, 2) == 0x1af4;
}

KTEST_SUITE(hwrng, KTEST("one who does not wait gets some later", nobody_waits, .fits = there),
	    KTEST("one who waits gets as much as he wants", all_at_once, .fits = there));
