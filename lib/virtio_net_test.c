/* SPDX-License-Identifier: MIT */
/* Host test of lib/virtio_net.c: every field is read from its place, and what cannot be is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/virtio_net.h>

static const uint8_t address[VIRTIO_NET_ADDRESS] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static unsigned char config[VIRTIO_NET_CONFIG_BYTES];
static struct virtio_net_facts facts;

static void put(unsigned char *at, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

/* What no feature vouches for is nonsense. */
static void fill(void)
{
	memset(config, 0xee, sizeof(config));
	memcpy(config, address, sizeof(address));
}

static void plain(void **)
{
	fill();
	assert_null(virtio_net_read(config, 0, &facts));
	for (unsigned i = 0; i < VIRTIO_NET_ADDRESS; i++)
		assert_int_equal(facts.address[i], 0);
	assert_true(facts.link);
	assert_int_equal(facts.mtu, 1500);
	assert_int_equal(facts.mbit, 0);
	assert_false(facts.full_duplex);
}

static void all_features(void **)
{
	fill();
	put(config + 6, 2, 1);
	put(config + 10, 2, 9000);
	put(config + 12, 4, 25000);
	config[16] = 1;
	assert_null(virtio_net_read(config, UINT64_MAX, &facts));
	assert_memory_equal(facts.address, address, sizeof(address));
	assert_true(facts.link && facts.full_duplex);
	assert_int_equal(facts.mtu, 9000);
	assert_int_equal(facts.mbit, 25000);
	/* Half duplex, a speed that is unknown, no link; the bit beside it does not matter (ANNOUNCE). */
	put(config + 6, 2, 2);
	put(config + 12, 4, UINT32_MAX);
	config[16] = 0;
	assert_null(virtio_net_read(config, UINT64_MAX, &facts));
	assert_false(facts.link || facts.full_duplex);
	assert_int_equal(facts.mbit, 0);
}

static void refused(void **)
{
	fill();
	config[0] |= 1;
	assert_non_null(virtio_net_read(config, VIRTIO_NET_F_MAC, &facts));
	memset(config, 0, VIRTIO_NET_ADDRESS);
	assert_non_null(virtio_net_read(config, VIRTIO_NET_F_MAC, &facts));
	assert_null(virtio_net_read(config, 0, &facts));
	config[5] = 1;
	assert_null(virtio_net_read(config, VIRTIO_NET_F_MAC, &facts));
	put(config + 10, 2, 67);
	assert_non_null(virtio_net_read(config, VIRTIO_NET_F_MTU, &facts));
	put(config + 10, 2, 68);
	assert_null(virtio_net_read(config, VIRTIO_NET_F_MTU, &facts));
	/* One that was pulled out. */
	memset(config, 0xff, sizeof(config));
	assert_non_null(virtio_net_read(config, UINT64_MAX, &facts));
}

static void fields_are_inside(void **)
{
	for (unsigned i = 0; i < virtio_net_field_count; i++)
		assert_true(virtio_net_fields[i].offset + virtio_net_fields[i].bytes <= (int)sizeof(config));
}

static void header_sizes(void **)
{
	assert_int_equal(virtio_net_header_bytes(0), 10);
	assert_int_equal(virtio_net_header_bytes(VIRTIO_NET_F_MRG_RXBUF), 12);
	assert_int_equal(virtio_net_header_bytes(VIRTIO_F_VERSION_1), 12);
}

static void written(void **)
{
	unsigned char h[VIRTIO_NET_HEADER + 1];
	struct virtio_net_frame f = {.needs_checksum = true,
				     .gso = VIRTIO_NET_GSO_TCP6,
				     .headers = 0x1234,
				     .gso_size = 0x0567,
				     .start = 0x0122,
				     .offset = 0x0310};
	static const unsigned char expected[] = {1, 4, 0x34, 0x12, 0x67, 0x05, 0x22, 0x01, 0x10, 0x03, 0, 0, 0xaa};
	static const unsigned char nothing[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xaa};

	memset(h, 0xaa, sizeof(h));
	virtio_net_header_write(h, VIRTIO_NET_HEADER, &f);
	assert_memory_equal(h, expected, sizeof(expected));
	memset(h, 0xaa, sizeof(h));
	f.needs_checksum = false;
	f.gso = VIRTIO_NET_GSO_NONE;
	virtio_net_header_write(h, VIRTIO_NET_HEADER_SHORT, &f);
	assert_memory_equal(h, nothing, sizeof(nothing));
}

static void buffers(void **)
{
	constexpr uint64_t merge = VIRTIO_NET_F_MRG_RXBUF;
	unsigned char h[VIRTIO_NET_HEADER] = {};

	put(h + 10, 2, 3);
	assert_int_equal(virtio_net_buffers(h, 12, merge, 8), 3);
	assert_int_equal(virtio_net_buffers(h, 12, merge, 3), 3);
	assert_int_equal(virtio_net_buffers(h, 12, merge, 2), 0);
	assert_int_equal(virtio_net_buffers(h, 11, merge, 8), 0);
	assert_int_equal(virtio_net_buffers(h, 12, VIRTIO_F_VERSION_1, 8), 1);
	assert_int_equal(virtio_net_buffers(h, 11, VIRTIO_F_VERSION_1, 8), 0);
	assert_int_equal(virtio_net_buffers(h, 10, 0, 8), 1);
	assert_int_equal(virtio_net_buffers(h, 9, 0, 8), 0);
	put(h + 10, 2, 0);
	assert_int_equal(virtio_net_buffers(h, 12, merge, 8), 0);
	put(h + 10, 2, UINT16_MAX);
	assert_int_equal(virtio_net_buffers(h, 12, merge, 8), 0);
}

static void received(void **)
{
	unsigned char h[VIRTIO_NET_HEADER] = {1};
	struct virtio_net_frame f;

	put(h + 6, 2, 34);
	put(h + 8, 2, 16);
	/* Not agreed on: flags have no meaning. */
	assert_true(virtio_net_header_read(h, 0, 20, &f));
	assert_false(f.needs_checksum || f.checked);
	assert_true(virtio_net_header_read(h, VIRTIO_NET_F_GUEST_CSUM, 52, &f));
	assert_true(f.needs_checksum && !f.checked && f.start == 34 && f.offset == 16);
	assert_false(virtio_net_header_read(h, VIRTIO_NET_F_GUEST_CSUM, 51, &f));
	put(h + 6, 2, UINT16_MAX);
	put(h + 8, 2, UINT16_MAX);
	assert_false(virtio_net_header_read(h, VIRTIO_NET_F_GUEST_CSUM, 65535, &f));
	h[0] = 2;
	assert_true(virtio_net_header_read(h, VIRTIO_NET_F_GUEST_CSUM, 14, &f));
	assert_true(f.checked && !f.needs_checksum);
	h[1] = 1;
	assert_false(virtio_net_header_read(h, UINT64_MAX, 1500, &f));
}

static void table(void **)
{
	static const uint8_t addresses[2][VIRTIO_NET_ADDRESS] = {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}};
	static const unsigned char expected[] = {0, 0, 0, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xaa};
	unsigned char out[sizeof(expected)];

	memset(out, 0xaa, sizeof(out));
	assert_int_equal(virtio_net_table_write(out, addresses, 2), 20);
	assert_memory_equal(out, expected, sizeof(expected));
	assert_int_equal(virtio_net_table_write(out, addresses, 0), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),	cmocka_unit_test(all_features),
		cmocka_unit_test(refused),	cmocka_unit_test(fields_are_inside),
		cmocka_unit_test(header_sizes), cmocka_unit_test(written),
		cmocka_unit_test(buffers),	cmocka_unit_test(received),
		cmocka_unit_test(table),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
