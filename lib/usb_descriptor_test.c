/* SPDX-License-Identifier: MIT */
/* Host test of lib/usb_descriptor.c: what devices say is read from its place, and each length or number that cannot be
 * is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/usb_descriptor.h>

/* A keyboard. */
static const unsigned char device[] = {18, 1, 0, 2, 0, 0, 0, 8, 0x27, 6, 1, 0, 0x10, 1, 1, 4, 11, 1};
static const unsigned char keyboard[] = {
	9, 2,  34,   0, 1, 1, 8,  0xa0, 50, /* configuration 1 */
	9, 4,  0,    0, 1, 3, 1,  1,	0,  /* interface 0: HID, boot, keyboard */
	9, 33, 0x11, 1, 0, 1, 34, 63,	0,  /* HID: a report descriptor of 63 bytes */
	7, 5,  0x81, 3, 8, 0, 10,	    /* endpoint 1 in, interrupt, 8 bytes, 10 ms */
};
/* A disk of SuperSpeed, with companions. */
static const unsigned char disk[] = {
	9, 2,  44,   0, 1, 1, 0, 0xc0, 0, /* configuration 1 */
	9, 4,  0,    0, 2, 8, 6, 80,   0, /* interface 0: storage, SCSI, bulk only */
	7, 5,  0x81, 2, 0, 4, 0,	  /* endpoint 1 in, bulk, 1024 */
	6, 48, 15,   4, 0, 0,		  /* bursts of 16, 16 streams */
	7, 5,  0x02, 2, 0, 4, 0,	  /* endpoint 2 out */
	6, 48, 15,   0, 0, 0,
};

static struct usb_configuration c;

static void devices(void **)
{
	struct usb_device_facts d;
	unsigned char bytes[sizeof(device)];

	assert_null(usb_read_device(device, sizeof(device), USB_FULL, &d));
	assert_int_equal(d.vendor, 0x627);
	assert_int_equal(d.product, 1);
	assert_int_equal(d.release, 0x110);
	assert_int_equal(d.packet_max, 8);
	assert_int_equal(d.maker_text, 1);
	assert_int_equal(d.product_text, 4);
	assert_int_equal(d.serial_text, 11);
	for (size_t n = 0; n < sizeof(device); n++)
		assert_non_null(usb_read_device(device, n, USB_FULL, &d));
	memcpy(bytes, device, sizeof(bytes));
	bytes[17] = 0;
	assert_non_null(usb_read_device(bytes, sizeof(bytes), USB_FULL, &d));
	bytes[17] = 1;
	bytes[1] = 2;
	assert_non_null(usb_read_device(bytes, sizeof(bytes), USB_FULL, &d));
}

static void packets_of_endpoint_0(void **)
{
	static const uint16_t wanted[5][4] = {[USB_FULL] = {8, 64, 0, 0},
					      [USB_LOW] = {8, 0, 0, 0},
					      [USB_HIGH] = {0, 64, 0, 0},
					      [USB_SUPER] = {0, 0, 512, 0}};
	static const uint8_t said[] = {8, 64, 9, 0};
	struct usb_device_facts d;
	unsigned char bytes[sizeof(device)];

	memcpy(bytes, device, sizeof(bytes));
	for (unsigned speed = USB_FULL; speed <= USB_SUPER; speed++) {
		for (unsigned n = 0; n < 4; n++) {
			bytes[7] = said[n];
			const char *wrong = usb_read_device(bytes, sizeof(bytes), (enum usb_speed)speed, &d);
			assert_int_equal(wrong == nullptr, wanted[speed][n] != 0);
			assert_int_equal(d.packet_max, wanted[speed][n]);
		}
	}
}

static void configurations(void **)
{
	assert_int_equal(usb_configuration_bytes(keyboard, 9), 34);
	assert_int_equal(usb_configuration_bytes(keyboard, 8), 0);
	assert_null(usb_read_configuration(keyboard, sizeof(keyboard), USB_FULL, &c));
	assert_int_equal(c.value, 1);
	assert_int_equal(c.interface_count, 1);
	assert_int_equal(c.interfaces[0].class, USB_CLASS_HID);
	assert_int_equal(c.interfaces[0].protocol, 1);
	assert_int_equal(c.interfaces[0].report_bytes, 63);
	assert_int_equal(c.interfaces[0].endpoint_count, 1);
	assert_int_equal(c.endpoints[0].number, 1);
	assert_true(c.endpoints[0].in);
	assert_int_equal(c.endpoints[0].type, USB_INTERRUPT);
	assert_int_equal(c.endpoints[0].packet_max, 8);
	assert_null(usb_read_configuration(disk, sizeof(disk), USB_SUPER, &c));
	assert_int_equal(c.endpoint_count, 2);
	assert_int_equal(c.endpoints[0].burst, 15);
	assert_int_equal(c.endpoints[0].streams, 4);
	assert_int_equal(c.endpoints[1].streams, 0);
	assert_false(c.endpoints[1].in);
	/* No such packets there. */
	assert_null(usb_read_configuration(disk, sizeof(disk), USB_HIGH, &c));
	assert_int_equal(c.endpoint_count, 0);
}

static void cut_short(void **)
{
	unsigned char bytes[sizeof(disk)];

	for (size_t n = 0; n < sizeof(keyboard); n++) {
		bool whole = n == 18 || n == 27;
		assert_int_equal(usb_read_configuration(keyboard, n, USB_FULL, &c) == nullptr, whole);
	}
	/* A step of 0 or 1 would never end, or look at what is another descriptor's. */
	for (unsigned length = 0; length < 2; length++) {
		memcpy(bytes, disk, sizeof(bytes));
		bytes[18] = (unsigned char)length;
		assert_non_null(usb_read_configuration(bytes, sizeof(bytes), USB_SUPER, &c));
	}
	/* One of a single byte, behind which the next one would begin as it should. */
	unsigned char single[sizeof(keyboard) + 3] = {};
	memcpy(single, keyboard, sizeof(keyboard));
	single[2] = sizeof(single);
	single[sizeof(keyboard)] = 1;
	single[sizeof(keyboard) + 1] = 2;
	assert_non_null(usb_read_configuration(single, sizeof(single), USB_FULL, &c));
	memcpy(bytes, disk, sizeof(bytes));
	bytes[38] = 7; /* the last one, a byte longer than there are */
	assert_non_null(usb_read_configuration(bytes, sizeof(bytes), USB_SUPER, &c));
	memcpy(bytes, disk, sizeof(bytes));
	bytes[2] = 8; /* shorter than its own head */
	assert_non_null(usb_read_configuration(bytes, sizeof(bytes), USB_SUPER, &c));
}

static void said_twice(void **)
{
	unsigned char bytes[1024] = {9, 2, 0, 4, 1, 1, 0, 0xc0, 0};

	/* One interface, over and over. */
	for (unsigned n = 0; n < 100; n++)
		memcpy(bytes + 9 + 9 * n, disk + 9, 9);
	bytes[2] = (9 + 900) & 255, bytes[3] = (9 + 900) >> 8;
	assert_null(usb_read_configuration(bytes, sizeof(bytes), USB_SUPER, &c));
	assert_int_equal(c.interface_count, 1);
	/* Endless interfaces, and endless endpoints. */
	for (unsigned n = 0; n < 100; n++)
		bytes[9 + 9 * n + 2] = (unsigned char)n;
	assert_null(usb_read_configuration(bytes, sizeof(bytes), USB_SUPER, &c));
	assert_int_equal(c.interface_count, USB_INTERFACES_MAX);
	for (unsigned n = 0; n < 100; n++) {
		memcpy(bytes + 18 + 7 * n, disk + 18, 7);
		bytes[18 + 7 * n + 2] = (unsigned char)n;
	}
	bytes[2] = (18 + 700) & 255, bytes[3] = (18 + 700) >> 8;
	assert_null(usb_read_configuration(bytes, sizeof(bytes), USB_SUPER, &c));
	assert_int_equal(c.endpoint_count, 15); /* out, 1 to 15; the others are those once more */
	assert_int_equal(c.interfaces[0].endpoint_count, 15);
}

/* An endpoint is one interface's: two drivers would have one ring. Alternates of that interface have it, too. */
static void shared(void **)
{
	static const unsigned char bytes[] = {
		9, 2, 57,   0, 2, 1, 0,	 0xc0, 0, /* configuration 1 */
		9, 4, 0,    0, 1, 3, 1,	 1,    0, /* interface 0: HID */
		7, 5, 0x81, 3, 8, 0, 10,	  /* endpoint 1 in, interrupt */
		9, 4, 0,    1, 1, 3, 1,	 1,    0, /* its alternate */
		7, 5, 0x81, 3, 4, 0, 10,	  /* endpoint 1 in */
		9, 4, 1,    0, 1, 3, 1,	 1,    0, /* interface 1 */
		7, 5, 0x81, 1, 8, 0, 1,		  /* endpoint 1 in, isochronous */
	};

	assert_null(usb_read_configuration(bytes, sizeof(bytes), USB_FULL, &c));
	assert_int_equal(c.interface_count, 3);
	assert_int_equal(c.endpoint_count, 2);
	assert_int_equal(c.interfaces[0].endpoint_count, 1);
	assert_int_equal(c.interfaces[1].endpoint_count, 1);
	assert_int_equal(c.interfaces[2].endpoint_count, 0);
	assert_int_equal(c.endpoints[1].packet_max, 4);
}

static void hubs(void **)
{
	static const unsigned char hub[] = {9, 0x29, 8, 0x09, 0, 50, 0, 0, 0xff};
	unsigned char bytes[sizeof(hub)];
	struct usb_hub_facts h;

	assert_null(usb_read_hub(hub, sizeof(hub), false, &h));
	assert_int_equal(h.ports, 8);
	assert_int_equal(h.power_ms, 100);
	assert_true(h.individual);
	assert_non_null(usb_read_hub(hub, sizeof(hub), true, &h));
	assert_non_null(usb_read_hub(hub, 6, false, &h));
	memcpy(bytes, hub, sizeof(hub));
	bytes[2] = 0;
	assert_non_null(usb_read_hub(bytes, sizeof(bytes), false, &h));
	bytes[2] = 255;
	assert_null(usb_read_hub(bytes, sizeof(bytes), false, &h));
	assert_int_equal(h.ports, 255);
	/* USB 3.2, 10.15.2.1: fewer at SuperSpeed. */
	bytes[1] = 0x2a;
	bytes[2] = 15;
	assert_null(usb_read_hub(bytes, sizeof(bytes), true, &h));
	bytes[2] = 16;
	assert_non_null(usb_read_hub(bytes, sizeof(bytes), true, &h));
}

static void strings(void **)
{
	static const unsigned char name[] = {14, 3, 'Q', 0, 0xe9, 0, 0xac, 0x20, 7, 0, 0, 0xd8, ' ', 0};
	unsigned char full[255] = {255, 3};
	char text[USB_STRING_MAX];

	usb_read_string(name, sizeof(name), text);
	assert_string_equal(text, "Q\xc3\xa9\xe2\x82\xac");
	usb_read_string(name, 3, text);
	assert_string_equal(text, "");
	for (unsigned n = 2; n + 1 < 255; n += 2)
		full[n] = 'x';
	usb_read_string(full, sizeof(full), text);
	assert_true(strlen(text) < USB_STRING_MAX);
}

static void intervals(void **)
{
	struct usb_endpoint_facts e = {.type = USB_INTERRUPT};
	static const struct {
		enum usb_speed speed;
		uint8_t said, wanted;
	} rows[] = {
		{USB_FULL, 0, 3}, {USB_FULL, 1, 3}, {USB_FULL, 10, 6},	{USB_FULL, 255, 10},  {USB_LOW, 16, 7},
		{USB_HIGH, 0, 0}, {USB_HIGH, 4, 3}, {USB_HIGH, 16, 15}, {USB_SUPER, 255, 15},
	};

	for (unsigned n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
		e.interval = rows[n].said;
		assert_int_equal(usb_interval(rows[n].speed, &e), rows[n].wanted);
	}
	e.type = USB_BULK;
	assert_int_equal(usb_interval(USB_FULL, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices),	  cmocka_unit_test(packets_of_endpoint_0),
		cmocka_unit_test(configurations), cmocka_unit_test(cut_short),
		cmocka_unit_test(said_twice),	  cmocka_unit_test(hubs),
		cmocka_unit_test(strings),	  cmocka_unit_test(intervals),
		cmocka_unit_test(shared),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
