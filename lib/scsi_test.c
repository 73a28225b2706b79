/* SPDX-License-Identifier: MIT */
/* Host test of lib/scsi.c: commands as the standards have them, and answers that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <abi/errno.h>
#include <lib/scsi.h>

static void transfers(void **)
{
	struct scsi_command c = scsi_transfer(false, 0x01020304, 0x0506, 512);
	static const unsigned char read[] = {0x28, 0, 1, 2, 3, 4, 0, 5, 6, 0};
	static const unsigned char write[] = {0x8a, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 8, 0, 0};

	assert_int_equal(c.length, 10);
	assert_memory_equal(c.bytes, read, sizeof(read));
	assert_true(c.in);
	assert_int_equal(c.data, 0x0506 * 512);
	c = scsi_transfer(true, 0x102030405, 8, 4096);
	assert_int_equal(c.length, 16);
	assert_memory_equal(c.bytes, write, sizeof(write));
	assert_false(c.in);
	/* The short one as far as it goes. */
	assert_int_equal(scsi_transfer(false, UINT32_MAX - 1, 1, 512).length, 10);
	assert_int_equal(scsi_transfer(false, UINT32_MAX, 1, 512).length, 16);
	assert_int_equal(scsi_transfer(false, 0, 65535, 512).length, 10);
	assert_int_equal(scsi_transfer(false, 0, 65536, 512).length, 16);
}

static void capacities(void **)
{
	static const unsigned char small[] = {0, 0, 7, 255, 0, 0, 2, 0}, bad[] = {0, 0, 7, 255, 0, 0, 2, 1},
				   most[] = {255, 255, 255, 255, 0, 0, 16, 0};
	unsigned char large[SCSI_LONG_CAPACITY_BYTES] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0};
	uint64_t blocks;
	uint32_t bytes;

	assert_null(scsi_take_capacity(small, 8, false, &blocks, &bytes));
	assert_int_equal(blocks, 2048);
	assert_int_equal(bytes, 512);
	assert_non_null(scsi_take_capacity(small, 7, false, &blocks, &bytes));
	assert_non_null(scsi_take_capacity(bad, 8, false, &blocks, &bytes));
	assert_null(scsi_take_capacity(most, 8, false, &blocks, &bytes));
	assert_true(blocks == SCSI_ASK_LONG);
	assert_null(scsi_take_capacity(large, sizeof(large), true, &blocks, &bytes));
	assert_true(blocks == SCSI_ASK_LONG + 1);
	memset(large, 255, 8);
	assert_non_null(scsi_take_capacity(large, sizeof(large), true, &blocks, &bytes));
}

static void identities(void **)
{
	unsigned char bytes[SCSI_INQUIRY_BYTES] = {0, 0x80, 5, 2, 31};
	struct scsi_identity id;

	memcpy(bytes + 8, "QEMU    QEMU\nHARDDISK   2.5+", 28);
	assert_null(scsi_read_inquiry(bytes, sizeof(bytes), &id));
	assert_string_equal(id.vendor, "QEMU");
	assert_string_equal(id.product, "QEMU HARDDISK");
	assert_string_equal(id.revision, "2.5+");
	assert_true(id.removable);
	assert_non_null(scsi_read_inquiry(bytes, 35, &id));
	bytes[0] = 0x20;
	assert_non_null(scsi_read_inquiry(bytes, sizeof(bytes), &id));
}

static void senses(void **)
{
	unsigned char fixed[SCSI_SENSE_BYTES] = {0x70, 0, 6, [12] = 0x28, [13] = 1}, other[] = {0x72, 5, 0x20, 0};
	struct scsi_sense s = scsi_read_sense(fixed, sizeof(fixed));

	assert_int_equal(s.key, SCSI_UNIT_ATTENTION);
	assert_int_equal(s.code, SCSI_MEDIUM_CHANGED);
	assert_int_equal(s.qualifier, 1);
	assert_int_equal(scsi_error(&s), -EAGAIN);
	s = scsi_read_sense(fixed, 13);
	assert_int_equal(s.key, 0);
	assert_int_equal(scsi_error(&s), -EIO);
	s = scsi_read_sense(other, sizeof(other));
	assert_int_equal(scsi_error(&s), -EOPNOTSUPP);
	s = (struct scsi_sense){SCSI_NOT_READY, SCSI_NO_MEDIUM, 0};
	assert_int_equal(scsi_error(&s), -EIO);
	s = (struct scsi_sense){SCSI_DATA_PROTECT, 0x27, 0};
	assert_int_equal(scsi_error(&s), -EROFS);
	assert_true(scsi_is_read_only((const unsigned char[]){3, 0, 0x80, 0}, 4));
	assert_false(scsi_is_read_only((const unsigned char[]){3, 0, 0x10, 0}, 4));
	assert_false(scsi_is_read_only((const unsigned char[]){3, 0, 0x80}, 3));
}

static void wrappers(void **)
{
	unsigned char out[BULK_COMMAND_BYTES],
		status[BULK_STATUS_BYTES] = {'U', 'S', 'B', 'S', 7, 0, 0, 0, 16, 0, 0, 0, 1};
	struct scsi_command c = scsi_inquiry();
	static const unsigned char wanted[] = {'U', 'S', 'B',  'C', 7, 0,    0, 0, 36, 0,
					       0,   0,	 0x80, 2,   6, 0x12, 0, 0, 0,  36};
	uint32_t left;

	bulk_put_command(out, 7, 2, &c);
	assert_memory_equal(out, wanted, sizeof(wanted));
	assert_int_equal(bulk_read_status(status, 13, 7, 36, &left), BULK_FAILED);
	assert_int_equal(left, 16);
	assert_int_equal(bulk_read_status(status, 13, 7, 8, &left), BULK_FAILED);
	assert_int_equal(left, 8);
	assert_int_equal(bulk_read_status(status, 12, 7, 36, &left), BULK_CONFUSED);
	assert_int_equal(bulk_read_status(status, 13, 8, 36, &left), BULK_CONFUSED);
	assert_int_equal(left, 36);
	status[12] = 2;
	assert_int_equal(bulk_read_status(status, 13, 7, 36, &left), BULK_CONFUSED);
	status[12] = 0;
	assert_int_equal(bulk_read_status(status, 13, 7, 36, &left), BULK_PASSED);
	status[0] = 'u';
	assert_int_equal(bulk_read_status(status, 13, 7, 36, &left), BULK_CONFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfers), cmocka_unit_test(capacities), cmocka_unit_test(identities),
		cmocka_unit_test(senses),    cmocka_unit_test(wrappers),
	};

	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
