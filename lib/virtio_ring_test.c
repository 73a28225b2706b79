/* SPDX-License-Identifier: MIT */
/*
 * Host test of lib/virtio_ring.c: a device of our own reads the ring by the specification and answers in any order,
 * with and without event indices and indirect tables, past the indices' end; then it answers wrongly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/virtio_ring.h>

enum { SIZE = 16, PIECES_MAX = 8 };
static alignas(4096) unsigned char memory[16384];
static struct virtio_slot slots[SIZE];
static struct virtio_ring ring;
static struct virtio_ring_layout layout;

/* The device's side. */
static struct {
	uint16_t available, used;
} device;

static uint16_t *word(size_t at)
{
	return (uint16_t *)(memory + at);
}

static void make(bool event_index, size_t align)
{
	memset(memory, 0, sizeof(memory));
	layout = virtio_ring_layout(SIZE, align);
	assert_true(layout.bytes <= sizeof(memory));
	virtio_ring_init(&ring, SIZE, memory, &layout, slots, event_index);
	device.available = device.used = 0;
}

static int set_up(void **state)
{
	(void)state;
	make(false, 4);
	return 0;
}

/* The next request that is shown: its head, or -1; pieces and how many of them are readable. */
static int device_see(struct virtio_piece *pieces, unsigned *readable, unsigned *writable)
{
	const struct virtio_descriptor *table = (const void *)memory;

	if (word(layout.available)[1] == device.available)
		return -1;
	uint16_t head = word(layout.available)[2 + device.available++ % SIZE], at = head;
	*readable = *writable = 0;
	if ((table[at].flags & 4) != 0) {
		assert_int_equal(table[at].flags, 4);
		assert_int_equal(table[at].length % 16, 0);
		table = (const void *)(uintptr_t)table[at].address;
		at = 0;
	}
	for (;; at = table[at].next) {
		assert_true(*readable + *writable < PIECES_MAX);
		pieces[*readable + *writable] =
			(struct virtio_piece){.address = table[at].address, .length = table[at].length};
		if ((table[at].flags & 2) != 0) {
			++*writable;
		} else {
			assert_int_equal(*writable, 0);
			++*readable;
		}
		if ((table[at].flags & 1) == 0)
			return head;
	}
}

static void device_use(uint32_t head, uint32_t length)
{
	uint32_t *entry = (uint32_t *)(memory + layout.used + 4 + 8 * (device.used % SIZE));

	entry[0] = head;
	entry[1] = length;
	word(layout.used)[1] = ++device.used;
}

static struct virtio_piece piece(uint64_t address, uint32_t length)
{
	return (struct virtio_piece){.address = address, .length = length};
}

static bool add(unsigned readable, unsigned writable, uintptr_t token, struct virtio_descriptor *table)
{
	struct virtio_piece p[PIECES_MAX];

	for (unsigned i = 0; i < readable + writable; i++)
		p[i] = piece(token * 1000 + i, (uint32_t)(100 + i));
	return virtio_ring_add(&ring, p, readable, writable, table, (uintptr_t)table, (void *)token);
}

static void test_layout(void **state)
{
	(void)state;
	/* 2.7: 16 n; 6 + 2 n; 6 + 8 n. The legacy example of 2.7.2 for n = 256. */
	struct virtio_ring_layout l = virtio_ring_layout(256, 4096);
	assert_int_equal(l.available, 4096);
	assert_int_equal(l.used, 8192);
	assert_int_equal(l.bytes, 8192 + 6 + 8 * 256);
	l = virtio_ring_layout(8, 4);
	assert_int_equal(l.available, 128);
	assert_int_equal(l.used, 152);
	assert_int_equal(l.bytes, 152 + 6 + 64);
}

static void test_one_request(void **state)
{
	struct virtio_piece p[PIECES_MAX];
	unsigned readable, writable;
	uint32_t written;

	(void)state;
	assert_true(add(2, 1, 7, nullptr));
	assert_int_equal(device_see(p, &readable, &writable), -1);
	assert_true(virtio_ring_publish(&ring));
	assert_false(virtio_ring_publish(&ring));
	int head = device_see(p, &readable, &writable);
	assert_int_equal(readable, 2);
	assert_int_equal(writable, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(p[i].address, 7000 + i);
		assert_int_equal(p[i].length, 100 + i);
	}
	assert_null(virtio_ring_take(&ring, &written));
	device_use((uint32_t)head, 50);
	assert_ptr_equal(virtio_ring_take(&ring, &written), (void *)7);
	assert_int_equal(written, 50);
	assert_null(virtio_ring_take(&ring, &written));
	assert_int_equal(ring.free_count, SIZE);
}

static void test_what_cannot_be_added(void **state)
{
	struct virtio_piece p[SIZE + 1];
	struct virtio_descriptor table[SIZE + 1];

	(void)state;
	assert_false(virtio_ring_add(&ring, p, 0, 0, nullptr, 0, p));
	p[0] = piece(1, 0);
	assert_false(virtio_ring_add(&ring, p, 1, 0, nullptr, 0, p));
	p[0] = p[1] = piece(1, 0x80000000);
	assert_false(virtio_ring_add(&ring, p, 0, 2, nullptr, 0, p));
	assert_true(virtio_ring_add(&ring, p, 1, 1, nullptr, 0, p));
	for (unsigned i = 0; i <= SIZE; i++)
		p[i] = piece(i, 1);
	assert_false(virtio_ring_add(&ring, p, SIZE - 1, 0, nullptr, 0, p));
	assert_true(virtio_ring_add(&ring, p, SIZE - 2, 0, nullptr, 0, p));
	assert_false(virtio_ring_add(&ring, p, 1, 0, nullptr, 0, p));
	assert_int_equal(ring.free_count, 0);
	make(false, 4);
	/* A chain may not be longer than the ring, an indirect one neither (2.7.5.3.1). */
	assert_false(virtio_ring_add(&ring, p, SIZE + 1, 0, table, 1, p));
	assert_true(virtio_ring_add(&ring, p, SIZE, 0, table, (uintptr_t)table, p));
	assert_int_equal(ring.free_count, SIZE - 1);
}

/* Many requests of all shapes, used in any order, three times round the indices' 2^16. */
static void run(bool event_index, bool indirect, size_t align)
{
	static struct virtio_descriptor tables[SIZE][PIECES_MAX];
	uint32_t head_of[SIZE];
	uintptr_t token_of[SIZE];
	unsigned under_way = 0;
	uint64_t added = 0, taken = 0;

	make(event_index, align);
	srand(1);
	while (taken < 200000) {
		struct virtio_piece p[PIECES_MAX];
		unsigned readable = (unsigned)rand() % 3, writable = (unsigned)rand() % 3 + (readable == 0);
		uint32_t written;

		/* One table for each head that can be under way: the head is the free list's first. */
		if (ring.free_count >= (indirect ? 1 : readable + writable) && rand() % 2 == 0) {
			assert_true(add(readable, writable, added + 1, indirect ? tables[ring.free_head] : nullptr));
			added++;
			(void)virtio_ring_publish(&ring);
			unsigned r, w;
			int head = device_see(p, &r, &w);
			assert_true(head >= 0);
			assert_int_equal(r, readable);
			assert_int_equal(w, writable);
			assert_int_equal(p[r + w - 1].address, added * 1000 + r + w - 1);
			head_of[under_way] = (uint32_t)head;
			token_of[under_way++] = added;
		} else if (under_way > 0) {
			unsigned i = (unsigned)rand() % under_way;

			device_use(head_of[i], (uint32_t)-1);
			assert_ptr_equal(virtio_ring_take(&ring, &written), (void *)token_of[i]);
			assert_true(written <= 100 * PIECES_MAX + 28);
			taken++;
			head_of[i] = head_of[--under_way];
			token_of[i] = token_of[under_way];
		}
	}
	assert_true(added > 3 * 65536);
	assert_false(ring.broken);
}

static void test_traffic(void **state)
{
	(void)state;
	run(false, false, 4);
	run(true, false, 4096);
	run(false, true, 4);
	run(true, true, 4);
}

static void test_notifications(void **state)
{
	(void)state;
	word(layout.used)[0] = 1; /* the device wants none */
	assert_true(add(1, 0, 1, nullptr));
	assert_false(virtio_ring_publish(&ring));
	make(true, 4);
	uint16_t *event = word(layout.used + 4 + 8 * SIZE);
	static const struct {
		uint16_t event, added;
		bool wanted;
	} cases[] = {{0, 1, true}, {0, 1, false}, {2, 1, true}, {5, 2, false},
		     {5, 1, true}, {7, 4, true},  {9, 1, false}};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		*event = cases[i].event;
		for (unsigned n = 0; n < cases[i].added; n++)
			assert_true(add(1, 0, 1, nullptr));
		assert_int_equal(virtio_ring_publish(&ring), cases[i].wanted);
	}
}

static void test_interrupts(void **state)
{
	uint32_t written;

	(void)state;
	virtio_ring_interrupts_off(&ring);
	assert_int_equal(word(layout.available)[0], 1);
	assert_true(add(0, 1, 1, nullptr));
	(void)virtio_ring_publish(&ring);
	device_use(0, 1);
	assert_true(virtio_ring_interrupts_on(&ring));
	assert_int_equal(word(layout.available)[0], 0);
	assert_non_null(virtio_ring_take(&ring, &written));
	assert_false(virtio_ring_interrupts_on(&ring));
	make(true, 4);
	uint16_t *event = word(layout.available + 4 + 2 * SIZE);
	virtio_ring_interrupts_off(&ring);
	assert_int_equal(*event, 0xffff);
	assert_true(add(0, 1, 1, nullptr));
	(void)virtio_ring_publish(&ring);
	device_use(0, 1);
	assert_non_null(virtio_ring_take(&ring, &written));
	assert_false(virtio_ring_interrupts_on(&ring));
	assert_int_equal(*event, 1);
	assert_int_equal(word(layout.available)[0], 0);
}

/* An interrupt for a burst: when all is used, or all but some. */
static void test_late_interrupts(void **state)
{
	uint32_t written;

	(void)state;
	make(true, 4);
	uint16_t *event = word(layout.available + 4 + 2 * SIZE);
	assert_false(virtio_ring_interrupts_late(&ring, 0));
	for (uintptr_t n = 1; n <= 4; n++)
		assert_true(add(1, 0, n, nullptr));
	(void)virtio_ring_publish(&ring);
	assert_false(virtio_ring_interrupts_late(&ring, 0));
	assert_int_equal(*event, 3);
	assert_false(virtio_ring_interrupts_late(&ring, 1));
	assert_int_equal(*event, 2);
	/* Fewer are under way than may be left: then all of them. */
	assert_false(virtio_ring_interrupts_late(&ring, 4));
	assert_int_equal(*event, 3);
	for (uint32_t head = 0; head < 3; head++)
		device_use(head, 0);
	assert_false(virtio_ring_interrupts_late(&ring, 0));
	assert_true(virtio_ring_interrupts_late(&ring, 1));
	device_use(3, 0);
	assert_true(virtio_ring_interrupts_late(&ring, 0));
	for (unsigned n = 0; n < 4; n++)
		assert_non_null(virtio_ring_take(&ring, &written));
	assert_false(virtio_ring_interrupts_late(&ring, 0));
	/* Without event indices: at each. */
	make(false, 4);
	virtio_ring_interrupts_off(&ring);
	assert_false(virtio_ring_interrupts_late(&ring, 0));
	assert_int_equal(word(layout.available)[0], 0);
}

/* Each of these breaks the ring, and nothing is given out twice. */
static void test_a_device_that_lies(void **state)
{
	struct virtio_piece p[PIECES_MAX];
	uint32_t written;

	(void)state;
	for (unsigned lie = 0; lie < 6; lie++) {
		unsigned readable, writable;

		make(false, 4);
		assert_true(add(1, 1, 1, nullptr));
		assert_true(add(1, 1, 2, nullptr));
		assert_true(virtio_ring_publish(&ring));
		uint32_t first = (uint32_t)device_see(p, &readable, &writable);
		uint32_t second = (uint32_t)device_see(p, &readable, &writable);
		switch (lie) {
		case 0: /* never asked for */ device_use(SIZE - 1, 0); break;
		case 1: /* no descriptor at all */ device_use(SIZE, 0); break;
		case 2: device_use(UINT32_MAX, 0); break;
		case 3: /* the middle of a chain */ device_use(first + 1, 0); break;
		case 4: /* twice */
			device_use(first, 0);
			device_use(first, 0);
			assert_ptr_equal(virtio_ring_take(&ring, &written), (void *)1);
			break;
		case 5: /* more than there is */ word(layout.used)[1] = (uint16_t)(device.used + SIZE + 1); break;
		}
		/* What it writes into the descriptors changes nothing. */
		memset(memory, 0xee, layout.available);
		assert_null(virtio_ring_take(&ring, &written));
		assert_true(ring.broken);
		assert_false(add(1, 0, 3, nullptr));
		device_use(second, 0);
		assert_null(virtio_ring_take(&ring, &written));
		unsigned back = 0;
		while (virtio_ring_reclaim(&ring) != nullptr)
			back++;
		assert_int_equal(back, lie == 4 ? 1 : 2);
		assert_int_equal(ring.free_count, SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test_setup(test_one_request, set_up),
		cmocka_unit_test_setup(test_what_cannot_be_added, set_up),
		cmocka_unit_test(test_traffic),
		cmocka_unit_test_setup(test_notifications, set_up),
		cmocka_unit_test_setup(test_interrupts, set_up),
		cmocka_unit_test(test_late_interrupts),
		cmocka_unit_test(test_a_device_that_lies),
	};

	return cmocka_run_group_tests_name("virtio_ring", tests, nullptr, nullptr);
}
