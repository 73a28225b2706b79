/* SPDX-License-Identifier: MIT */
/* Commands of SCSI disks (lib/scsi.h). Numbers are big endian; those of the wrapper are little. */
#include <abi/errno.h>
#include <lib/scsi.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint8_t {
	TEST_UNIT_READY = 0x00,
	REQUEST_SENSE = 0x03,
	INQUIRY = 0x12,
	MODE_SENSE = 0x1a,
	READ_CAPACITY = 0x25,
	READ = 0x28,
	WRITE = 0x2a,
	SYNCHRONIZE = 0x35,
	READ_LONG = 0x88,
	WRITE_LONG = 0x8a,
	SERVICE_ACTION = 0x9e,
	READ_CAPACITY_LONG = 0x10,
	ALL_PAGES = 0x3f,
};

static void put(unsigned char *at, uint64_t value, unsigned bytes)
{
	for (unsigned n = 0; n < bytes; n++)
		at[n] = (unsigned char)(value >> 8 * (bytes - 1 - n));
}

static uint64_t get(const unsigned char *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned n = 0; n < bytes; n++)
		value = value << 8 | at[n];
	return value;
}

struct scsi_command scsi_test_ready(void)
{
	return (struct scsi_command){.bytes = {TEST_UNIT_READY}, .length = 6};
}

struct scsi_command scsi_inquiry(void)
{
	return (struct scsi_command){
		.bytes = {INQUIRY, 0, 0, 0, SCSI_INQUIRY_BYTES}, .length = 6, .in = true, .data = SCSI_INQUIRY_BYTES};
}

struct scsi_command scsi_request_sense(void)
{
	return (struct scsi_command){
		.bytes = {REQUEST_SENSE, 0, 0, 0, SCSI_SENSE_BYTES}, .length = 6, .in = true, .data = SCSI_SENSE_BYTES};
}

struct scsi_command scsi_read_capacity(bool is_long)
{
	if (!is_long)
		return (struct scsi_command){
			.bytes = {READ_CAPACITY}, .length = 10, .in = true, .data = SCSI_CAPACITY_BYTES};
	struct scsi_command c = {.bytes = {SERVICE_ACTION, READ_CAPACITY_LONG},
				 .length = 16,
				 .in = true,
				 .data = SCSI_LONG_CAPACITY_BYTES};
	put(c.bytes + 10, SCSI_LONG_CAPACITY_BYTES, 4);
	return c;
}

struct scsi_command scsi_mode_sense(void)
{
	return (struct scsi_command){.bytes = {MODE_SENSE, 0, ALL_PAGES, 0, SCSI_MODE_BYTES},
				     .length = 6,
				     .in = true,
				     .data = SCSI_MODE_BYTES};
}

struct scsi_command scsi_transfer(bool write, uint64_t block, uint32_t blocks, uint32_t block_bytes)
{
	struct scsi_command c = {.in = !write, .data = blocks * block_bytes};

	if (block + blocks <= UINT32_MAX && blocks <= UINT16_MAX) {
		c.length = 10;
		c.bytes[0] = write ? WRITE : READ;
		put(c.bytes + 2, block, 4);
		put(c.bytes + 7, blocks, 2);
	} else {
		c.length = 16;
		c.bytes[0] = write ? WRITE_LONG : READ_LONG;
		put(c.bytes + 2, block, 8);
		put(c.bytes + 10, blocks, 4);
	}
	return c;
}

struct scsi_command scsi_synchronize(void)
{
	return (struct scsi_command){.bytes = {SYNCHRONIZE}, .length = 10};
}

static void take_text(char *to, const unsigned char *from, size_t n)
{
	memcpy(to, from, n);
	for (size_t at = 0; at < n; at++)
		if (to[at] < ' ' || to[at] > '~')
			to[at] = ' ';
	while (n > 0 && to[n - 1] == ' ')
		n--;
	to[n] = '\0';
}

const char *scsi_read_inquiry(const unsigned char *bytes, size_t n, struct scsi_identity *out)
{
	*out = (struct scsi_identity){};
	if (n < SCSI_INQUIRY_BYTES)
		return "it does not say what it is";
	/* The qualifier above the type: nothing is there but perhaps could be. */
	if (bytes[0] >> 5 != 0)
		return "there is nothing at its number";
	out->type = bytes[0] & 31;
	out->removable = (bytes[1] & 0x80) != 0;
	take_text(out->vendor, bytes + 8, 8);
	take_text(out->product, bytes + 16, 16);
	take_text(out->revision, bytes + 32, 4);
	return nullptr;
}

const char *scsi_take_capacity(const unsigned char *bytes, size_t n, bool is_long, uint64_t *blocks,
			       uint32_t *block_bytes)
{
	constexpr uint32_t LEAST = 512, MOST = 4096;
	unsigned wide = is_long ? 8 : 4;

	*blocks = 0;
	*block_bytes = 0;
	if (n < wide + 4)
		return "it does not say how large it is";
	uint64_t last = get(bytes, wide);
	*block_bytes = (uint32_t)get(bytes + wide, 4);
	if (*block_bytes < LEAST || *block_bytes > MOST || (*block_bytes & (*block_bytes - 1)) != 0)
		return "its block size is none";
	if (last >= UINT64_MAX / *block_bytes)
		return "it is larger than can be";
	*blocks = last + 1;
	return nullptr;
}

bool scsi_is_read_only(const unsigned char *mode, size_t n)
{
	return n >= 4 && (mode[2] & 0x80) != 0;
}

struct scsi_sense scsi_read_sense(const unsigned char *bytes, size_t n)
{
	enum : uint8_t { FIXED = 0x70, DESCRIPTORS = 0x72 };
	uint8_t format = n > 0 ? bytes[0] & 0x7e : 0;

	if (format == FIXED && n >= 14)
		return (struct scsi_sense){bytes[2] & 15, bytes[12], bytes[13]};
	if (format == DESCRIPTORS && n >= 4)
		return (struct scsi_sense){bytes[1] & 15, bytes[2], bytes[3]};
	return (struct scsi_sense){};
}

int scsi_error(const struct scsi_sense *s)
{
	switch (s->key) {
	case SCSI_RECOVERED: return 0;
	case SCSI_ILLEGAL_REQUEST: return -EOPNOTSUPP;
	case SCSI_DATA_PROTECT: return -EROFS;
	case SCSI_UNIT_ATTENTION: return -EAGAIN;
	case SCSI_NOT_READY: return s->code == SCSI_NO_MEDIUM ? -EIO : -EAGAIN;
	default: return -EIO;
	}
}

/* --- bulk only (5.1, 5.2, 6.3) --- */

enum : uint32_t { COMMAND_SIGNATURE = 0x43425355, STATUS_SIGNATURE = 0x53425355 };

static void put_little(unsigned char *at, uint32_t value)
{
	for (unsigned n = 0; n < 4; n++)
		at[n] = (unsigned char)(value >> 8 * n);
}

static uint32_t get_little(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void bulk_put_command(unsigned char out[BULK_COMMAND_BYTES], uint32_t tag, uint8_t unit, const struct scsi_command *c)
{
	memset(out, 0, BULK_COMMAND_BYTES);
	put_little(out, COMMAND_SIGNATURE);
	put_little(out + 4, tag);
	put_little(out + 8, c->data);
	out[12] = c->in ? 0x80 : 0;
	out[13] = unit & 15;
	out[14] = c->length;
	memcpy(out + 15, c->bytes, c->length);
}

enum bulk_result bulk_read_status(const unsigned char *bytes, size_t n, uint32_t tag, uint32_t data, uint32_t *left)
{
	*left = data;
	if (n != BULK_STATUS_BYTES || get_little(bytes) != STATUS_SIGNATURE || get_little(bytes + 4) != tag)
		return BULK_CONFUSED;
	/* More than all is what some say that count otherwise. */
	*left = MIN(get_little(bytes + 8), data);
	return bytes[12] > BULK_FAILED ? BULK_CONFUSED : (enum bulk_result)bytes[12];
}
