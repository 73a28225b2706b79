/* SPDX-License-Identifier: MIT */
/* Host test of lib/xhci.c: capabilities that cannot be are refused, rings lead round, contexts have their fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <abi/errno.h>
#include <lib/xhci.h>

/* As QEMU's says it. */
static const uint32_t good[8] = {0x01000040, 0x08001040, 0x0000000f, 0, 0x00087001, 0x2000, 0x1000, 0};

static void capabilities(void **)
{
	struct xhci_capabilities c;
	uint32_t r[8];

	assert_null(xhci_read_capabilities(good, 0x4000, &c));
	assert_int_equal(c.operational, 0x40);
	assert_int_equal(c.slots, 0x40);
	assert_int_equal(c.ports, 8);
	assert_int_equal(c.context_bytes, 32);
	assert_int_equal(c.address_bits, 64);
	assert_int_equal(c.extended, 0x20);
	assert_int_equal(c.scratchpads, 0);
	memcpy(r, good, sizeof(r));
	r[2] = 3u << 21 | 5u << 27;
	r[4] |= 4;
	assert_null(xhci_read_capabilities(r, 0x4000, &c));
	assert_int_equal(c.scratchpads, 3 * 32 + 5);
	assert_int_equal(c.context_bytes, 64);
	static const struct {
		unsigned index;
		uint32_t value;
	} bad[] = {{0, UINT32_MAX}, {0, 0x01000010}, {0, 0x01000041}, {1, 0x08001000}, {1, 0x00001040},
		   {5, 0x3ffc},	    {6, 0x3fe0},     {5, 0},	      {6, 0}};
	for (unsigned n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		memcpy(r, good, sizeof(r));
		r[bad[n].index] = bad[n].value;
		assert_non_null(xhci_read_capabilities(r, 0x4000, &c));
	}
	assert_non_null(xhci_read_capabilities(good, 0x4bf, &c));
}

static void extended(void **)
{
	assert_int_equal(xhci_next_extended(0x20, 0x0402, 0x100), 0x30);
	assert_int_equal(xhci_next_extended(0x20, 0x0002, 0x100), 0);
	assert_int_equal(xhci_next_extended(0xf0, 0x0402, 0x100), 0);
	assert_int_equal(xhci_next_extended(0x20, UINT32_MAX, 0x10000), 0);
}

static void rings(void **)
{
	struct xhci_trb memory[8], t = {.parameter = 7, .control = XHCI_TYPE(XHCI_NORMAL)};
	struct xhci_ring r;
	uint32_t place;

	xhci_ring_begin(&r, memory, 0x1000, sizeof(memory));
	assert_int_equal(xhci_ring_dequeue(&r), 0x1001);
	/* Round twice: each of a round has its cycle bit, and the link has it, too, once it was passed. */
	for (unsigned n = 0; n < 14; n++) {
		assert_int_equal(xhci_ring_put(&r, &t, false), n % 7);
		assert_int_equal(memory[n % 7].control & XHCI_CYCLE, n < 7);
	}
	assert_int_equal(xhci_type_of(&memory[7]), XHCI_LINK);
	assert_int_equal(memory[7].parameter, 0x1000);
	assert_int_equal(memory[7].control & (XHCI_CYCLE | XHCI_TOGGLE), XHCI_TOGGLE);
	assert_int_equal(r.cycle, 1);
	/* One of several is held until all are there. */
	place = xhci_ring_put(&r, &t, true);
	(void)xhci_ring_put(&r, &t, false);
	assert_int_equal(memory[0].control & XHCI_CYCLE, 0);
	assert_int_equal(memory[1].control & XHCI_CYCLE, 1);
	xhci_ring_release(&r, place);
	assert_int_equal(memory[0].control & XHCI_CYCLE, 1);
	assert_int_equal(xhci_ring_dequeue(&r), 0x1021);
	/* A chain goes on behind the link. */
	t.control |= XHCI_CHAIN;
	for (unsigned n = 0; n < 5; n++)
		(void)xhci_ring_put(&r, &t, false);
	assert_int_equal(memory[7].control & XHCI_CHAIN, XHCI_CHAIN);
	assert_true(xhci_ring_place(&r, 0x1060, &place));
	assert_int_equal(place, 6);
	assert_false(xhci_ring_place(&r, 0x1070, &place));
	assert_false(xhci_ring_place(&r, 0x1008, &place));
	assert_false(xhci_ring_place(&r, 0xff0, &place));
	assert_int_equal(xhci_ring_distance(&r, 5, 1), 3);
	assert_int_equal(xhci_ring_distance(&r, 1, 5), 4);
}

static void events(void **)
{
	struct xhci_trb memory[4] = {}, e;
	struct xhci_events r;

	xhci_events_begin(&r, memory, sizeof(memory));
	assert_false(xhci_events_take(&r, &e));
	for (unsigned n = 0; n < 10; n++) {
		uint32_t cycle = n / 4 % 2 == 0;

		memory[n % 4] =
			(struct xhci_trb){.parameter = n,
					  .status = 13u << 24 | 5,
					  .control = XHCI_TYPE(XHCI_TRANSFER_EVENT) | cycle | 9u << 24 | 3u << 16};
		assert_true(xhci_events_take(&r, &e));
		assert_int_equal(e.parameter, n);
		assert_int_equal(xhci_completion_of(&e), XHCI_SHORT_PACKET);
		assert_int_equal(xhci_slot_of(&e), 9);
		assert_int_equal(xhci_endpoint_of(&e), 3);
		assert_false(xhci_events_take(&r, &e));
	}
}

static void errors(void **)
{
	assert_int_equal(xhci_error(XHCI_SUCCESS), 0);
	assert_int_equal(xhci_error(XHCI_SHORT_PACKET), 0);
	assert_int_equal(xhci_error(XHCI_STALL), -EPIPE);
	assert_int_equal(xhci_error(XHCI_BABBLE), -EOVERFLOW);
	assert_int_equal(xhci_error(XHCI_TRANSACTION_ERROR), -EPROTO);
	assert_int_equal(xhci_error(0), -EIO);
	assert_int_equal(xhci_error(255), -EIO);
	assert_true(xhci_halts(XHCI_STALL) && xhci_halts(XHCI_BABBLE) && !xhci_halts(XHCI_SHORT_PACKET));
}

static void packets(void **)
{
	assert_int_equal(xhci_packets_left(1000, 0, 512), 2);
	assert_int_equal(xhci_packets_left(1000, 512, 512), 1);
	assert_int_equal(xhci_packets_left(1000, 1000, 512), 0);
	assert_int_equal(xhci_packets_left(1 << 20, 4096, 512), 31);
}

static void contexts(void **)
{
	uint32_t c[16] = {};
	struct xhci_slot_facts s = {.route = 0x21,
				    .speed = USB_HIGH,
				    .root_port = 5,
				    .last_endpoint = 3,
				    .is_hub = true,
				    .hub_ports = 8,
				    .think = 2,
				    .translator_slot = 7,
				    .translator_port = 1};
	struct usb_endpoint_facts e = {.number = 1, .in = true, .type = USB_INTERRUPT, .packet_max = 8, .interval = 10};

	xhci_fill_slot(c, &s);
	assert_int_equal(c[0], 0x21 | 3 << 20 | 1 << 26 | 3 << 27);
	assert_int_equal(c[1], 5 << 16 | 8 << 24);
	assert_int_equal(c[2], 7 | 1 << 8 | 2 << 16);
	xhci_fill_control(c, 64, 0x123456789001);
	assert_int_equal(c[1], 3 << 1 | 4 << 3 | 64 << 16);
	assert_int_equal(c[2], 0x56789001);
	assert_int_equal(c[3], 0x1234);
	xhci_fill_endpoint(c, USB_FULL, &e, 0x1001);
	assert_int_equal(c[0], 6 << 16);
	assert_int_equal(c[1], 3 << 1 | 7 << 3 | 8 << 16);
	assert_int_equal(c[4], 8 | 8 << 16);
	e = (struct usb_endpoint_facts){.number = 2, .type = USB_BULK, .packet_max = 1024, .burst = 15};
	xhci_fill_endpoint(c, USB_SUPER, &e, 0x1001);
	assert_int_equal(c[0], 0);
	assert_int_equal(c[1], 3 << 1 | 2 << 3 | 15 << 8 | 1024 << 16);
	assert_int_equal(c[4] >> 16, 0);
	assert_int_equal(xhci_endpoint_index(0, true), 1);
	assert_int_equal(xhci_endpoint_index(2, false), 4);
	assert_int_equal(xhci_endpoint_index(15, true), 31);
	assert_ptr_equal(xhci_context(c, 1, 32), c + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities), cmocka_unit_test(extended), cmocka_unit_test(rings),
		cmocka_unit_test(events),	cmocka_unit_test(errors),   cmocka_unit_test(packets),
		cmocka_unit_test(contexts),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
