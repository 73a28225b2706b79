/* SPDX-License-Identifier: MIT */
/* Host test of lib/virtio_blk.c: every field is read from its place, and each value that cannot be is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <abi/errno.h>
#include <lib/virtio_blk.h>

static unsigned char config[VIRTIO_BLK_CONFIG_BYTES];
static struct virtio_blk_limits l;

static void put(unsigned offset, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		config[offset + i] = (unsigned char)(value >> 8 * i);
}

/* A disk of 1 GiB; what no feature vouches for is nonsense. */
static void fill(void)
{
	memset(config, 0xee, sizeof(config));
	put(0, 8, 2097152);
}

static void plain(void **)
{
	fill();
	assert_null(virtio_blk_read(config, 0, 128, &l));
	assert_int_equal(l.sectors, 2097152);
	assert_int_equal(l.block_bytes, 512);
	assert_int_equal(l.physical_bytes, 512);
	assert_int_equal(l.segments, 128);
	assert_int_equal(l.segment_bytes, 0);
	assert_int_equal(l.queues, 1);
	assert_int_equal(l.discard_sectors, 0);
	assert_false(l.read_only || l.has_flush || l.has_discard);
}

static void all_features(void **)
{
	fill();
	put(8, 4, 65536);
	put(12, 4, 126);
	put(20, 4, 4096);
	put(24, 1, 3);
	put(34, 2, 4);
	put(36, 4, 1000);
	assert_null(virtio_blk_read(config, UINT64_MAX, 128, &l));
	assert_int_equal(l.segment_bytes, 65536);
	assert_int_equal(l.segments, 126);
	assert_int_equal(l.block_bytes, 4096);
	assert_int_equal(l.physical_bytes, 32768);
	assert_int_equal(l.queues, 4);
	assert_int_equal(l.discard_sectors, 1000);
	assert_true(l.read_only && l.has_flush && l.has_discard);
	/* No more than the driver can use. */
	assert_null(virtio_blk_read(config, UINT64_MAX, 16, &l));
	assert_int_equal(l.segments, 16);
}

static void block_sizes(void **)
{
	static const uint32_t bad[] = {0, 1, 256, 511, 513, 1000, 4095, 4097, 8192, 0x80000000, UINT32_MAX};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fill();
		put(20, 4, bad[i]);
		assert_non_null(virtio_blk_read(config, VIRTIO_BLK_F_BLK_SIZE, 1, &l));
		assert_null(virtio_blk_read(config, 0, 1, &l));
	}
	for (uint32_t bytes = 512; bytes <= 4096; bytes *= 2) {
		fill();
		put(20, 4, bytes);
		assert_null(virtio_blk_read(config, VIRTIO_BLK_F_BLK_SIZE, 1, &l));
		assert_int_equal(l.block_bytes, bytes);
	}
}

static void sizes(void **)
{
	fill();
	put(20, 4, 4096);
	put(0, 8, 0);
	assert_non_null(virtio_blk_read(config, 0, 1, &l));
	put(0, 8, 7);
	assert_null(virtio_blk_read(config, 0, 1, &l));
	assert_int_equal(l.sectors, 7);
	assert_non_null(virtio_blk_read(config, VIRTIO_BLK_F_BLK_SIZE, 1, &l));
	put(0, 8, 23);
	assert_null(virtio_blk_read(config, VIRTIO_BLK_F_BLK_SIZE, 1, &l));
	assert_int_equal(l.sectors, 16);
	put(0, 8, UINT64_MAX / 512);
	assert_null(virtio_blk_read(config, 0, 1, &l));
	put(0, 8, UINT64_MAX / 512 + 1);
	assert_non_null(virtio_blk_read(config, 0, 1, &l));
	put(0, 8, UINT64_MAX);
	assert_non_null(virtio_blk_read(config, 0, 1, &l));
}

static void limits(void **)
{
	fill();
	put(12, 4, 0);
	assert_non_null(virtio_blk_read(config, VIRTIO_BLK_F_SEG_MAX, 128, &l));
	put(12, 4, UINT32_MAX);
	assert_null(virtio_blk_read(config, VIRTIO_BLK_F_SEG_MAX, 128, &l));
	assert_int_equal(l.segments, 128);
	put(8, 4, 4095);
	assert_non_null(virtio_blk_read(config, VIRTIO_BLK_F_SIZE_MAX, 128, &l));
	put(8, 4, 4096);
	assert_null(virtio_blk_read(config, VIRTIO_BLK_F_SIZE_MAX, 128, &l));
	put(34, 2, 0);
	assert_non_null(virtio_blk_read(config, VIRTIO_BLK_F_MQ, 128, &l));
	/* A medium that writes absurdly much at once: not believed. */
	put(24, 1, 17);
	assert_null(virtio_blk_read(config, VIRTIO_BLK_F_TOPOLOGY, 128, &l));
	assert_int_equal(l.physical_bytes, 512);
}

static void fields_are_inside(void **)
{
	unsigned end = 0;

	assert_true(virtio_blk_field_count > 0);
	for (unsigned i = 0; i < virtio_blk_field_count; i++) {
		const struct virtio_field *f = &virtio_blk_fields[i];

		assert_true(f->offset >= end);
		assert_int_equal(f->offset % (f->bytes < 4 ? f->bytes : 4), 0);
		end = f->offset + f->bytes;
	}
	assert_true(end <= VIRTIO_BLK_CONFIG_BYTES);
}

static void serials(void **)
{
	unsigned char id[VIRTIO_BLK_ID_BYTES];
	char out[VIRTIO_BLK_ID_BYTES + 1];

	memset(id, 'x', sizeof(id));
	virtio_blk_serial(id, out);
	assert_string_equal(out, "xxxxxxxxxxxxxxxxxxxx");
	memcpy(id, "ab-1\0zz", 7);
	virtio_blk_serial(id, out);
	assert_string_equal(out, "ab-1");
	id[2] = '\n';
	virtio_blk_serial(id, out);
	assert_string_equal(out, "ab");
	id[0] = 0x80;
	virtio_blk_serial(id, out);
	assert_string_equal(out, "");
}

static void errors(void **)
{
	assert_int_equal(virtio_blk_error(0), 0);
	assert_int_equal(virtio_blk_error(1), -EIO);
	assert_int_equal(virtio_blk_error(2), -EOPNOTSUPP);
	for (unsigned status = 3; status < 256; status++)
		assert_int_equal(virtio_blk_error((uint8_t)status), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),   cmocka_unit_test(all_features), cmocka_unit_test(block_sizes),
		cmocka_unit_test(sizes),   cmocka_unit_test(limits),	   cmocka_unit_test(fields_are_inside),
		cmocka_unit_test(serials), cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
