/* SPDX-License-Identifier: MIT */
/* Host test of lib/nvme.c: every field is read from its place, and each value that cannot be is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <abi/errno.h>
#include <lib/nvme.h>

static unsigned char data[NVME_IDENTIFY_BYTES];

static void put(unsigned offset, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		data[offset + i] = (unsigned char)(value >> 8 * i);
}

/* Doorbells every 4 bytes, 15 s, NVM commands, queues of 2048 entries. */
static const uint64_t PLAIN = 1ull << 37 | 30 << 24 | 2047;

static void capabilities(void **)
{
	struct nvme_capabilities c;

	assert_null(nvme_read_capabilities(PLAIN, &c));
	assert_int_equal(c.entries_max, 2048);
	assert_int_equal(c.doorbell_stride, 4);
	assert_int_equal(c.ready_ns, 15'500'000'000);
	assert_null(nvme_read_capabilities(PLAIN | 0xffff, &c));
	assert_int_equal(c.entries_max, 65536);
	assert_null(nvme_read_capabilities(PLAIN | 15ull << 32, &c));
	assert_int_equal(c.doorbell_stride, 4 << 15);
	/* Larger pages, too; and all the rest. */
	assert_null(nvme_read_capabilities(PLAIN | 15ull << 52 | 1ull << 36 | 1 << 16, &c));
	/* One that says that it takes no time gets some. */
	assert_null(nvme_read_capabilities(PLAIN & ~(0xffull << 24), &c));
	assert_true(c.ready_ns >= 500'000'000);
}

static void no_capabilities(void **)
{
	struct nvme_capabilities c;

	assert_non_null(nvme_read_capabilities(UINT64_MAX, &c));
	assert_non_null(nvme_read_capabilities(0, &c));
	assert_non_null(nvme_read_capabilities(PLAIN & ~0xffffull, &c));
	assert_null(nvme_read_capabilities((PLAIN & ~0xffffull) | 1, &c));
	assert_non_null(nvme_read_capabilities(PLAIN & ~(1ull << 37), &c));
	assert_non_null(nvme_read_capabilities((PLAIN & ~(1ull << 37)) | 1ull << 38 | 1ull << 44, &c));
	assert_non_null(nvme_read_capabilities(PLAIN | 1ull << 48, &c));
	assert_non_null(nvme_read_capabilities(PLAIN | 8ull << 48, &c));
}

static void doorbells(void **)
{
	assert_int_equal(nvme_doorbell(0, false, 4), 0x1000);
	assert_int_equal(nvme_doorbell(0, true, 4), 0x1004);
	assert_int_equal(nvme_doorbell(3, false, 4), 0x1018);
	assert_int_equal(nvme_doorbell(3, true, 64), 0x1000 + 7 * 64);
	assert_int_equal(nvme_doorbell(65535, true, 1 << 17), 0x1000 + 131071ull * (1 << 17));
}

static void fill_controller(void)
{
	memset(data, 0, sizeof(data));
	memset(data + 4, ' ', 68);
	memcpy(data + 4, "serial-7", 8);
	memcpy(data + 24, " A model\x01of mine", 16);
	memcpy(data + 64, "1.0", 3);
	put(77, 1, 7);
	put(78, 2, 0x1234);
	put(512, 2, 0x4466);
	put(516, 4, 256);
	memcpy(data + 768, "nqn.2019-08.org.qemu:serial-7", 29);
}

static void controller(void **)
{
	struct nvme_controller c;

	fill_controller();
	assert_null(nvme_read_controller(data, &c));
	assert_string_equal(c.serial, "serial-7");
	assert_string_equal(c.model, "A model?of mine");
	assert_string_equal(c.firmware, "1.0");
	assert_string_equal(c.name, "nqn.2019-08.org.qemu:serial-7");
	assert_int_equal(c.id, 0x1234);
	assert_int_equal(c.transfer_bytes, 512 << 10);
	assert_int_equal(c.namespaces_max, 256);
	assert_int_equal(c.aborts_max, 1);
	put(258, 1, 255);
	assert_null(nvme_read_controller(data, &c));
	assert_int_equal(c.aborts_max, 256);
	assert_int_equal(c.shutdown_us, 0);
	put(88, 4, 0x87654321);
	assert_null(nvme_read_controller(data, &c));
	assert_int_equal(c.shutdown_us, 0x87654321);
	assert_false(c.has_discard || c.has_write_cache || c.tells_of_namespaces);
	assert_false(c.has_zero);
	put(520, 2, 1 << 3);
	assert_null(nvme_read_controller(data, &c));
	assert_true(c.has_zero && !c.has_discard);
	put(520, 2, 1 << 2);
	assert_null(nvme_read_controller(data, &c));
	assert_false(c.has_zero);
	assert_true(c.has_discard && !c.has_write_cache && !c.tells_of_namespaces);
	put(520, 2, 0xffff & ~(1 << 2));
	put(525, 1, 7);
	assert_null(nvme_read_controller(data, &c));
	assert_true(!c.has_discard && c.has_write_cache && !c.tells_of_namespaces);
	put(525, 1, 6);
	put(92, 4, 1 << 8);
	assert_null(nvme_read_controller(data, &c));
	assert_true(!c.has_write_cache && c.tells_of_namespaces);
}

static void texts(void **)
{
	struct nvme_controller c;

	fill_controller();
	memset(data + 4, 'x', 68);
	memset(data + 768, 0xff, 256);
	assert_null(nvme_read_controller(data, &c));
	assert_int_equal(strlen(c.serial), 20);
	assert_int_equal(strlen(c.model), 40);
	assert_int_equal(strlen(c.firmware), 8);
	assert_int_equal(strlen(c.name), 256);
	assert_int_equal(c.name[0], '?');
	memset(data + 4, 0, 68);
	data[768] = 0;
	assert_null(nvme_read_controller(data, &c));
	assert_string_equal(c.serial, "");
	assert_string_equal(c.name, "");
	memset(data + 4, ' ', 68);
	assert_null(nvme_read_controller(data, &c));
	assert_string_equal(c.serial, "");
	assert_string_equal(c.model, "");
}

static void controllers_that_are_none(void **)
{
	static const unsigned sizes[] = {0x0000, 0x4477, 0x4455, 0x5566, 0x3366, 0x0066, 0xffff};
	struct nvme_controller c;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fill_controller();
		put(512, 2, sizes[i]);
		assert_non_null(nvme_read_controller(data, &c));
	}
	put(512, 2, 0xf0f0);
	assert_null(nvme_read_controller(data, &c));
	put(516, 4, 0);
	assert_non_null(nvme_read_controller(data, &c));
	put(516, 4, UINT32_MAX);
	assert_non_null(nvme_read_controller(data, &c));
	memset(data, 0xff, sizeof(data));
	assert_non_null(nvme_read_controller(data, &c));
	memset(data, 0, sizeof(data));
	assert_non_null(nvme_read_controller(data, &c));
}

static void transfers(void **)
{
	struct nvme_controller c;

	fill_controller();
	for (unsigned exponent = 0; exponent < 256; exponent++) {
		put(77, 1, exponent);
		assert_null(nvme_read_controller(data, &c));
		if (exponent == 0 || exponent > 19)
			assert_int_equal(c.transfer_bytes, 0);
		else
			assert_int_equal(c.transfer_bytes, 4096u << exponent);
	}
}

/* 1000 blocks in the second of two formats; what no feature vouches for is nonsense. */
static void fill_namespace(void)
{
	memset(data, 0, sizeof(data));
	memset(data + 64, 0xee, 12);
	put(0, 8, 1000);
	put(25, 1, 1);
	put(26, 1, 1);
	put(128, 4, 0xee);
	put(132, 4, 12 << 16 | 2u << 24);
}

static void namespace(void **)
{
	struct nvme_namespace s;

	fill_namespace();
	assert_null(nvme_read_namespace(data, &s));
	assert_int_equal(s.blocks, 1000);
	assert_int_equal(s.block_bytes, 4096);
	assert_int_equal(s.physical_bytes, 4096);
	assert_int_equal(s.discard_bytes, 4096);
	assert_false(s.read_only);
	assert_string_equal(s.identity, "");
	put(99, 1, 1);
	put(24, 1, 1 << 4);
	put(64, 2, 7);
	put(68, 2, 15);
	memcpy(data + 120, "\x00\x52\xab\x00\x00\x00\x00\x09", 8);
	assert_null(nvme_read_namespace(data, &s));
	assert_true(s.read_only);
	assert_int_equal(s.physical_bytes, 8 * 4096);
	assert_int_equal(s.discard_bytes, 16 * 4096);
	assert_string_equal(s.identity, "0052ab0000000009");
	data[104] = 0xfe;
	data[119] = 1;
	assert_null(nvme_read_namespace(data, &s));
	assert_string_equal(s.identity, "fe000000000000000000000000000001");
	/* No powers of two. */
	put(64, 2, 6);
	put(68, 2, 0xfffe);
	assert_null(nvme_read_namespace(data, &s));
	assert_int_equal(s.physical_bytes, 4096);
	assert_int_equal(s.discard_bytes, 4096);
}

static void formats(void **)
{
	struct nvme_namespace s;

	for (unsigned shift = 0; shift < 256; shift++) {
		fill_namespace();
		put(134, 1, shift);
		const char *wrong = nvme_read_namespace(data, &s);

		if (shift < 9 || shift > 12)
			assert_non_null(wrong);
		else
			assert_int_equal(s.block_bytes, 1u << shift);
	}
	/* Metadata, beside the blocks or in them; protected blocks. */
	fill_namespace();
	put(132, 2, 8);
	assert_non_null(nvme_read_namespace(data, &s));
	fill_namespace();
	put(29, 1, 1);
	assert_non_null(nvme_read_namespace(data, &s));
	/* One that it does not have. */
	fill_namespace();
	put(25, 1, 0);
	assert_non_null(nvme_read_namespace(data, &s));
	/* Of one with so few formats two bits say nothing; of others they are the number's upper ones. */
	fill_namespace();
	put(26, 1, 3 << 5 | 1);
	assert_null(nvme_read_namespace(data, &s));
	assert_int_equal(s.block_bytes, 4096);
	fill_namespace();
	put(25, 1, 63);
	put(26, 1, 1 << 5 | 2);
	put(128 + 18 * 4, 4, 9 << 16);
	assert_null(nvme_read_namespace(data, &s));
	assert_int_equal(s.block_bytes, 512);
	put(26, 1, 0xff & ~(1 << 4 | 1 << 7));
	put(128 + 63 * 4, 4, 10 << 16);
	assert_null(nvme_read_namespace(data, &s));
	assert_int_equal(s.block_bytes, 1024);
}

static void sizes(void **)
{
	struct nvme_namespace s;

	fill_namespace();
	put(0, 8, 0);
	assert_non_null(nvme_read_namespace(data, &s));
	put(0, 8, INT64_MAX >> 12);
	assert_null(nvme_read_namespace(data, &s));
	put(0, 8, (INT64_MAX >> 12) + 1);
	assert_non_null(nvme_read_namespace(data, &s));
	put(0, 8, UINT64_MAX);
	assert_non_null(nvme_read_namespace(data, &s));
}

static void lists(void **)
{
	uint32_t numbers[1024];

	memset(data, 0, sizeof(data));
	assert_int_equal(nvme_read_list(data, 100, numbers, 8), 0);
	put(0, 4, 1);
	put(4, 4, 7);
	put(8, 4, 100);
	assert_int_equal(nvme_read_list(data, 100, numbers, 8), 3);
	assert_int_equal(numbers[0], 1);
	assert_int_equal(numbers[1], 7);
	assert_int_equal(numbers[2], 100);
	assert_int_equal(nvme_read_list(data, 99, numbers, 8), 2);
	assert_int_equal(nvme_read_list(data, 100, numbers, 2), 2);
	put(4, 4, 1);
	assert_int_equal(nvme_read_list(data, 100, numbers, 8), 1);
	for (unsigned i = 0; i < 1024; i++)
		put(i * 4, 4, i + 1);
	assert_int_equal(nvme_read_list(data, UINT32_MAX - 1, numbers, 1024), 1024);
	assert_int_equal(numbers[1023], 1024);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(nvme_read_list(data, UINT32_MAX - 1, numbers, 1024), 0);
}

static void allotments(void **)
{
	assert_int_equal(nvme_queues_allotted(0, 4), 1);
	assert_int_equal(nvme_queues_allotted(7 | 2 << 16, 4), 3);
	assert_int_equal(nvme_queues_allotted(1 | 7 << 16, 4), 2);
	assert_int_equal(nvme_queues_allotted(UINT32_MAX, 4), 4);
}

static void events(void **)
{
	assert_true(nvme_event_is_of_namespaces(2 | 0 << 8 | 4 << 16));
	assert_false(nvme_event_is_of_namespaces(2 | 1 << 8 | 4 << 16));
	assert_false(nvme_event_is_of_namespaces(1 | 0 << 8 | 4 << 16));
	assert_false(nvme_event_is_of_namespaces(UINT32_MAX));
}

static uint64_t list[8];

static bool build(struct nvme_prp *p, const uint64_t (*runs)[2], unsigned count, unsigned max)
{
	bool good = true;

	memset(list, 0xee, sizeof(list));
	nvme_prp_begin(p, list, 0x7000, max);
	for (unsigned i = 0; i < count && good; i++)
		good = nvme_prp_add(p, runs[i][0], runs[i][1]);
	nvme_prp_end(p);
	return good;
}

static void pages(void **)
{
	struct nvme_prp p;

	assert_true(build(&p, (const uint64_t[][2]){{0x1200, 512}}, 1, 0));
	assert_true(p.first == 0x1200 && p.second == 0 && p.pages == 1);
	assert_true(build(&p, (const uint64_t[][2]){{0x1200, 0xe00}, {0x9000, 512}}, 2, 8));
	assert_true(p.first == 0x1200 && p.second == 0x9000 && p.pages == 2);
	assert_true(build(&p, (const uint64_t[][2]){{0x1200, 0xe01}}, 1, 8));
	assert_true(p.first == 0x1200 && p.second == 0x2000 && p.pages == 2);
	assert_true(build(&p, (const uint64_t[][2]){{0x1e00, 0x2200}, {0x9000, 0x2000}, {0x5000, 8}}, 3, 5));
	assert_true(p.first == 0x1e00 && p.second == 0x7000 && p.pages == 6 && p.list_used == 5);
	assert_true(list[0] == 0x2000 && list[1] == 0x3000 && list[2] == 0x9000 && list[3] == 0xa000 &&
		    list[4] == 0x5000 && list[5] == 0xeeeeeeeeeeeeeeee);
}

static void no_pages(void **)
{
	struct nvme_prp p;

	/* A hole within a page, at its begin and at its end. */
	assert_false(build(&p, (const uint64_t[][2]){{0x1000, 512}, {0x2000, 512}}, 2, 8));
	assert_false(build(&p, (const uint64_t[][2]){{0x1000, 0x1000}, {0x2200, 512}}, 2, 8));
	assert_false(build(&p, (const uint64_t[][2]){{0x1002, 512}}, 1, 8));
	assert_false(build(&p, (const uint64_t[][2]){{0x1000, 0}}, 1, 8));
	assert_false(build(&p, (const uint64_t[][2]){{0xfffffffffffff000, 0x1001}}, 1, 8));
	/* No room. */
	assert_false(build(&p, (const uint64_t[][2]){{0x1000, 0x6000}}, 1, 4));
	assert_true(list[4] == 0xeeeeeeeeeeeeeeee);
	assert_true(build(&p, (const uint64_t[][2]){{0x1000, 0x5000}}, 1, 4));
}

static void errors(void **)
{
	assert_int_equal(nvme_error(0), 0);
	/* The phase is no error, nor are what may be tried again and how soon. */
	assert_int_equal(nvme_error(1), 0);
	assert_int_equal(nvme_error(1 << 1 | 1), -EOPNOTSUPP);
	assert_int_equal(nvme_error(1 << 9 | 0x82 << 1), -EROFS);
	assert_int_equal(nvme_error(7 << 1), -EAGAIN);
	assert_int_equal(nvme_error(0x21 << 1 | 1), -EAGAIN);
	assert_int_equal(nvme_error(1 << 15 | 7 << 1), -EIO);
	assert_int_equal(nvme_error(1 << 9 | 7 << 1), -EIO);
	assert_true(nvme_is_final(1 << 15 | 7 << 1 | 1) && nvme_is_final(1 << 15 | 0x0b << 1));
	assert_false(nvme_is_final(7 << 1 | 1) || nvme_is_final(0x0b << 1) || nvme_is_final(1 << 15));
	assert_int_equal(nvme_error(2 << 9 | 0x81 << 1 | 1), -EIO);
	for (unsigned type = 0; type < 8; type++)
		for (unsigned code = 0; code < 256; code++)
			if (type != 0 || code != 0)
				assert_true(nvme_error((uint16_t)(type << 9 | code << 1)) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities), cmocka_unit_test(no_capabilities),
		cmocka_unit_test(doorbells),	cmocka_unit_test(controller),
		cmocka_unit_test(texts),	cmocka_unit_test(controllers_that_are_none),
		cmocka_unit_test(transfers),	cmocka_unit_test(namespace),
		cmocka_unit_test(formats),	cmocka_unit_test(sizes),
		cmocka_unit_test(lists),	cmocka_unit_test(allotments),
		cmocka_unit_test(pages),	cmocka_unit_test(no_pages),
		cmocka_unit_test(events),	cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
