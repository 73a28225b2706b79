/* SPDX-License-Identifier: MIT */
/* Host test of lib/virtio_pci.c: the ranges of a device are found, and each that cannot be used is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/virtio_pci.h>

static struct virtio_pci_layout l;
static uint64_t bars[VIRTIO_PCI_BARS];

static void add(unsigned kind, unsigned bar, uint32_t offset, uint32_t length, uint32_t multiplier, size_t bytes)
{
	const uint32_t words[] = {offset, length, multiplier};
	unsigned char cap[VIRTIO_PCI_CAP_BYTES] = {9, 0, (unsigned char)bytes, (unsigned char)kind, (unsigned char)bar};

	for (unsigned i = 0; i < 12; i++)
		cap[8 + i] = (unsigned char)(words[i / 4] >> i % 4 * 8);
	virtio_pci_add(&l, cap, bytes);
}

/* As QEMU's devices have it. */
static void usual(void)
{
	memset(&l, 0, sizeof(l));
	memset(bars, 0, sizeof(bars));
	bars[1] = 4096;
	bars[4] = 16384;
	add(1, 4, 0x0000, 0x1000, 0, 16);
	add(3, 4, 0x1000, 0x1000, 0, 16);
	add(4, 4, 0x2000, 0x1000, 0, 16);
	add(2, 4, 0x3000, 0x1000, 4, 20);
	add(5, 0, 0, 0, 0, 20);
}

static void found(void **)
{
	uint32_t at;

	usual();
	assert_null(virtio_pci_check(&l, bars));
	assert_int_equal(l.range[VIRTIO_PCI_ISR].offset, 0x1000);
	assert_int_equal(l.range[VIRTIO_PCI_DEVICE].length, 0x1000);
	assert_int_equal(l.range[VIRTIO_PCI_COMMON].bar, 4);
	assert_true(virtio_pci_notify_at(&l, 3, &at));
	assert_int_equal(at, 12);
	assert_true(virtio_pci_notify_at(&l, 1023, &at));
	assert_false(virtio_pci_notify_at(&l, 1024, &at));
	l.notify_multiplier = 0x80000000;
	assert_false(virtio_pci_notify_at(&l, 2, &at));
	l.notify_multiplier = 0;
	assert_true(virtio_pci_notify_at(&l, UINT16_MAX, &at));
	assert_int_equal(at, 0);
}

static void first_wins(void **)
{
	usual();
	add(1, 1, 0, 0x100, 0, 16);
	assert_int_equal(l.range[VIRTIO_PCI_COMMON].bar, 4);
	/* What cannot be used is not the first. */
	memset(&l, 0, sizeof(l));
	add(1, 6, 0, 0x100, 0, 16);
	add(1, 255, 0, 0x100, 0, 16);
	add(1, 1, 0, 0, 0, 16);
	add(1, 1, 0, 0x100, 0, 15);
	add(2, 1, 0, 0x100, 4, 16);
	add(0, 1, 0, 0x100, 0, 16);
	add(6, 1, 0, 0x100, 0, 16);
	add(255, 1, 0, 0x100, 0, 20);
	for (unsigned kind = 0; kind < VIRTIO_PCI_KINDS; kind++)
		assert_int_equal(l.range[kind].length, 0);
	add(1, 1, 0x10, 0x100, 0, 16);
	assert_int_equal(l.range[VIRTIO_PCI_COMMON].offset, 0x10);
}

static void refused(void **)
{
	for (unsigned kind = VIRTIO_PCI_COMMON; kind <= VIRTIO_PCI_ISR; kind++) {
		usual();
		l.range[kind].length = 0;
		assert_non_null(virtio_pci_check(&l, bars));
	}
	usual();
	l.range[VIRTIO_PCI_DEVICE].length = 0;
	assert_null(virtio_pci_check(&l, bars));
	for (unsigned kind = VIRTIO_PCI_COMMON; kind < VIRTIO_PCI_KINDS; kind++) {
		usual();
		l.range[kind].offset = 0x3004;
		assert_non_null(virtio_pci_check(&l, bars));
		usual();
		l.range[kind].length = UINT32_MAX;
		assert_non_null(virtio_pci_check(&l, bars));
		usual();
		l.range[kind].offset = UINT32_MAX & ~3u;
		assert_non_null(virtio_pci_check(&l, bars));
		usual();
		l.range[kind].bar = 2;
		assert_non_null(virtio_pci_check(&l, bars));
	}
	usual();
	l.range[VIRTIO_PCI_COMMON].length = PCI_COMMON_BYTES - 1;
	assert_non_null(virtio_pci_check(&l, bars));
	usual();
	l.range[VIRTIO_PCI_COMMON].offset = 2;
	assert_non_null(virtio_pci_check(&l, bars));
	static const uint32_t bad[] = {1, 3, 6, 0x80000001, UINT32_MAX};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		usual();
		l.notify_multiplier = bad[i];
		assert_non_null(virtio_pci_check(&l, bars));
	}
}

static void types(void **)
{
	assert_int_equal(virtio_pci_type(0x1042, 0x1100), 2);
	assert_int_equal(virtio_pci_type(0x1044, 0), 4);
	assert_int_equal(virtio_pci_type(0x1001, 2), 2);
	assert_int_equal(virtio_pci_type(0x1080, 2), 0);
	assert_int_equal(virtio_pci_type(0x0fff, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),
		cmocka_unit_test(first_wins),
		cmocka_unit_test(refused),
		cmocka_unit_test(types),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
