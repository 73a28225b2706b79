/* SPDX-License-Identifier: MIT */
/*
 * Commands of SCSI disks (SPC-4, SBC-3), and how they and their ends are wrapped on USB (Mass Storage Class, Bulk-Only
 * Transport 1.0). What a disk says of itself is checked. Pure.
 */
#ifndef LIB_SCSI_H
#define LIB_SCSI_H

#include <stddef.h>
#include <stdint.h>

constexpr size_t SCSI_COMMAND_MAX = 16, SCSI_INQUIRY_BYTES = 36, SCSI_SENSE_BYTES = 18, SCSI_CAPACITY_BYTES = 8,
		 SCSI_LONG_CAPACITY_BYTES = 32, SCSI_MODE_BYTES = 192;

struct scsi_command {
	unsigned char bytes[SCSI_COMMAND_MAX];
	uint8_t length;
	bool in;       /* data come from the disk */
	uint32_t data; /* bytes of them */
};
struct scsi_command scsi_test_ready(void);
struct scsi_command scsi_inquiry(void);
struct scsi_command scsi_request_sense(void);
/* Of disks that are larger than the short one can say, the long one. */
struct scsi_command scsi_read_capacity(bool is_long);
struct scsi_command scsi_mode_sense(void);
/* The short form where it can say that. */
struct scsi_command scsi_transfer(bool write, uint64_t block, uint32_t blocks, uint32_t block_bytes);
struct scsi_command scsi_synchronize(void);

struct scsi_identity {
	uint8_t type; /* 0: a disk */
	bool removable;
	char vendor[9], product[17], revision[5]; /* printable */
};
/* nullptr, or what is wrong. */
const char *scsi_read_inquiry(const unsigned char *bytes, size_t n, struct scsi_identity *out);
/* *blocks is UINT32_MAX + 1 where the short answer cannot say it. nullptr, or what is wrong. */
const char *scsi_take_capacity(const unsigned char *bytes, size_t n, bool is_long, uint64_t *blocks,
			       uint32_t *block_bytes);
constexpr uint64_t SCSI_ASK_LONG = UINT64_C(1) << 32;
/* Whether the answer to MODE SENSE (6) says that nothing may be written. */
bool scsi_is_read_only(const unsigned char *mode, size_t n);

/* What a disk says of a command that failed (SPC-4, 4.5). */
enum scsi_key : uint8_t {
	SCSI_RECOVERED = 1,
	SCSI_NOT_READY = 2,
	SCSI_ILLEGAL_REQUEST = 5,
	SCSI_UNIT_ATTENTION = 6,
	SCSI_DATA_PROTECT = 7,
};
enum : uint8_t { SCSI_NO_MEDIUM = 0x3a, SCSI_MEDIUM_CHANGED = 0x28 };
struct scsi_sense {
	uint8_t key, code, qualifier;
};
/* All zero where it says nothing. */
struct scsi_sense scsi_read_sense(const unsigned char *bytes, size_t n);
/* 0, -EROFS, -EOPNOTSUPP, -EAGAIN (once more), -EIO. */
int scsi_error(const struct scsi_sense *s);

/* --- bulk only --- */

constexpr size_t BULK_COMMAND_BYTES = 31, BULK_STATUS_BYTES = 13;
void bulk_put_command(unsigned char out[BULK_COMMAND_BYTES], uint32_t tag, uint8_t unit, const struct scsi_command *c);
enum bulk_result : uint8_t { BULK_PASSED, BULK_FAILED, BULK_CONFUSED /* it needs a reset */ };
/* *left: bytes of the data that were not transferred, of so many. */
enum bulk_result bulk_read_status(const unsigned char *bytes, size_t n, uint32_t tag, uint32_t data, uint32_t *left);

#endif
