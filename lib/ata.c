/* SPDX-License-Identifier: MIT */
/* What ATA disks say of themselves, and what is told them (lib/ata.h). */
#include <lib/ata.h>
#include <lib/string.h>
#include <lib/types.h>

enum : unsigned { /* words of what a disk says of itself (ACS, table 45) */
		  GENERAL = 0,
		  SERIAL = 10,
		  FIRMWARE = 23,
		  MODEL = 27,
		  CAPABILITIES = 49,
		  BLOCKS_28 = 60,
		  QUEUE_DEPTH = 75,
		  SATA_CAPABILITIES = 76,
		  SUPPORTED_MORE = 83,
		  SUPPORTED_LAST = 84,
		  BLOCKS_48 = 100,
		  SECTOR_SIZE = 106,
		  BLOCK_WORDS = 117,
		  SECURITY = 128,
		  DATA_SET = 169,
		  ROTATION = 217,
		  INTEGRITY = 255,
};

static uint16_t word(const unsigned char *data, unsigned index)
{
	return (uint16_t)(data[2 * index] | data[2 * index + 1] << 8);
}

static uint64_t words(const unsigned char *data, unsigned index, unsigned count)
{
	uint64_t value = 0;

	while (count-- > 0)
		value = value << 16 | word(data, index + count);
	return value;
}

/* Text, whose bytes are swapped in pairs, without the blanks at its ends; what cannot be printed is '?'. `out` has a
 * byte more. */
static void read_text(char *out, const unsigned char *data, unsigned index, size_t bytes)
{
	const unsigned char *from = data + 2 * (size_t)index;
	size_t begin = 0, n = 0;

	while (begin < bytes && from[begin ^ 1] == ' ')
		begin++;
	while (begin + n < bytes && from[(begin + n) ^ 1] != '\0') {
		unsigned char c = from[(begin + n) ^ 1];

		out[n++] = c >= ' ' && c < 0x7f ? (char)c : '?';
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

static bool sum_is_right(const unsigned char *data)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < ATA_SECTOR; i++)
		sum = (uint8_t)(sum + data[i]);
	return sum == 0;
}

/* Words 83 and 84, and 106, are only valid where the upper two bits are 01. */
static uint16_t checked_word(const unsigned char *data, unsigned index)
{
	uint16_t w = word(data, index);

	return (w >> 14) == 1 ? w : 0;
}

static const char *read_size(const unsigned char *data, struct ata_disk *out)
{
	constexpr uint16_t LONG_ADDRESSES = 1 << 10, LARGE_BLOCKS = 1 << 12, SEVERAL_BLOCKS = 1 << 13;
	uint16_t sector = checked_word(data, SECTOR_SIZE);
	uint64_t bytes = sector & LARGE_BLOCKS ? words(data, BLOCK_WORDS, 2) * 2 : ATA_SECTOR;

	out->has_long_addresses = (checked_word(data, SUPPORTED_MORE) & LONG_ADDRESSES) != 0;
	out->blocks = out->has_long_addresses ? words(data, BLOCKS_48, 4) : words(data, BLOCKS_28, 2);
	if (bytes < 512 || bytes > 4096 || (bytes & (bytes - 1)) != 0)
		return "its blocks have neither 512 nor 4096 bytes, nor a size between";
	if (out->blocks == 0)
		return "it has no blocks";
	if (out->blocks > 1ull << (out->has_long_addresses ? 48 : 28))
		return "it is larger than its addresses reach";
	out->block_bytes = out->physical_bytes = (uint32_t)bytes;
	/* The exponent has four bits: at most 32768 blocks of at most 4096 bytes. */
	if (sector & SEVERAL_BLOCKS)
		out->physical_bytes <<= sector & 15;
	return nullptr;
}

static void read_features(const unsigned char *data, struct ata_disk *out)
{
	constexpr uint16_t GENERAL_LOGS = 1 << 5, QUEUED = 1 << 8, TRIM = 1;
	constexpr uint16_t FLUSH = 1 << 12, FLUSH_LONG = 1 << 13;
	uint16_t sata = word(data, SATA_CAPABILITIES), more = checked_word(data, SUPPORTED_MORE);

	/* One that is no serial one has zeros or ones there. Queued commands have addresses of 48 bits. */
	if (sata != 0xffff && (sata & QUEUED) && out->has_long_addresses)
		out->tags = (word(data, QUEUE_DEPTH) & 31) + 1u;
	/* Whether its cache is on just now or not: it may be switched on by itself after a reset. */
	out->has_long_flush = (more & FLUSH_LONG) != 0 && out->has_long_addresses;
	out->has_flush = out->has_long_flush || (more & FLUSH) != 0;
	out->has_trim = (word(data, DATA_SET) & TRIM) != 0 && word(data, DATA_SET) != 0xffff && out->has_long_addresses;
	out->has_log = (checked_word(data, SUPPORTED_LAST) & GENERAL_LOGS) != 0;
	out->rotates = word(data, ROTATION) > 1 && word(data, ROTATION) != 0xffff;
}

const char *ata_read_disk(const unsigned char data[ATA_SECTOR], struct ata_disk *out)
{
	constexpr uint16_t NO_ATA = 1 << 15, INCOMPLETE = 1 << 2, DMA = 1 << 8, HAS_ADDRESSES = 1 << 9, LOCKED = 1 << 2;

	*out = (struct ata_disk){};
	read_text(out->serial, data, SERIAL, ATA_SERIAL_BYTES);
	read_text(out->firmware, data, FIRMWARE, ATA_FIRMWARE_BYTES);
	read_text(out->model, data, MODEL, ATA_MODEL_BYTES);
	if ((word(data, INTEGRITY) & 0xff) == 0xa5 && !sum_is_right(data))
		return "the checksum of what it says of itself is wrong";
	if (word(data, GENERAL) & NO_ATA)
		return "it is no ATA device";
	if (word(data, GENERAL) & INCOMPLETE)
		return "it does not say all of itself";
	if ((word(data, CAPABILITIES) & (DMA | HAS_ADDRESSES)) != (DMA | HAS_ADDRESSES))
		return "it is too old: it has no DMA, or no block addresses";
	if ((word(data, SECURITY) & LOCKED) && word(data, SECURITY) != 0xffff)
		return "it is locked by a password";
	const char *wrong = read_size(data, out);
	if (wrong == nullptr)
		read_features(data, out);
	return wrong;
}

/* --- commands --- */

enum : uint8_t {
	READ_DMA = 0xc8,
	WRITE_DMA = 0xca,
	READ_DMA_LONG = 0x25,
	WRITE_DMA_LONG = 0x35,
	READ_QUEUED = 0x60,
	WRITE_QUEUED = 0x61,
	FLUSH_CACHE = 0xe7,
	FLUSH_CACHE_LONG = 0xea,
	IDENTIFY = 0xec,
	STANDBY_IMMEDIATE = 0xe0,
	READ_LOG = 0x2f,
	DATA_SET_MANAGEMENT = 0x06,
	DEVICE_ADDRESSES = 1 << 6, /* blocks are told by address */
};

uint32_t ata_blocks_max(const struct ata_disk *d)
{
	return d->has_long_addresses ? 65536 : 256;
}

struct ata_command ata_transfer(const struct ata_disk *d, bool writes, uint64_t block, uint32_t blocks, bool queued)
{
	/* The most there are is told as zero. */
	struct ata_command c = {
		.address = block, .count = (uint16_t)blocks, .device = DEVICE_ADDRESSES, .takes_data = writes};

	if (queued) {
		c.queued = true;
		c.command = writes ? WRITE_QUEUED : READ_QUEUED;
		/* Their number is where others have features, and the tag where they have the number. */
		c.features = c.count;
		c.count = 0;
	} else if (d->has_long_addresses) {
		c.command = writes ? WRITE_DMA_LONG : READ_DMA_LONG;
	} else {
		c.command = writes ? WRITE_DMA : READ_DMA;
		c.count &= 0xff;
		c.device |= (uint8_t)(block >> 24 & 15);
		c.address &= 0xffffff;
	}
	return c;
}

void ata_set_tag(struct ata_command *c, unsigned tag)
{
	c->count = (uint16_t)(tag << 3);
}

struct ata_command ata_flush(const struct ata_disk *d)
{
	return (struct ata_command){.command = d->has_long_flush ? FLUSH_CACHE_LONG : FLUSH_CACHE,
				    .device = DEVICE_ADDRESSES};
}

struct ata_command ata_identify(void)
{
	return (struct ata_command){.command = IDENTIFY};
}

struct ata_command ata_standby(void)
{
	return (struct ata_command){.command = STANDBY_IMMEDIATE};
}

struct ata_command ata_read_log(uint8_t log, uint8_t page)
{
	return (struct ata_command){
		.command = READ_LOG, .address = (uint64_t)page << 8 | log, .count = 1, .device = DEVICE_ADDRESSES};
}

struct ata_command ata_trim(unsigned char sector[ATA_SECTOR], uint64_t block, uint32_t blocks)
{
	constexpr uint16_t TRIM = 1;
	constexpr uint32_t ENTRY_BLOCKS_MAX = 0xffff;

	memset(sector, 0, ATA_SECTOR);
	for (unsigned at = 0; blocks > 0 && at < ATA_SECTOR; at += 8) {
		uint32_t n = MIN(blocks, ENTRY_BLOCKS_MAX);
		uint64_t entry = (block & 0xffffffffffff) | (uint64_t)n << 48;

		for (unsigned i = 0; i < 8; i++)
			sector[at + i] = (unsigned char)(entry >> 8 * i);
		block += n;
		blocks -= n;
	}
	return (struct ata_command){.command = DATA_SET_MANAGEMENT,
				    .features = TRIM,
				    .count = 1,
				    .device = DEVICE_ADDRESSES,
				    .takes_data = true};
}

/* --- what came of them --- */

const char *ata_read_queued_error(const unsigned char data[ATA_SECTOR], struct ata_queued_error *out)
{
	constexpr uint8_t NOT_QUEUED = 1 << 7, TAG = 31;

	*out = (struct ata_queued_error){.tag = data[0] & TAG, .status = data[2], .error = data[3]};
	if (!sum_is_right(data))
		return "its checksum is wrong";
	if (data[0] & NOT_QUEUED)
		return "it is of a command that was not queued";
	if (!ata_failed(out->status))
		return "it tells of no error";
	return nullptr;
}
