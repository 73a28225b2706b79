/* SPDX-License-Identifier: MIT */
/*
 * ATA disks (ATA/ATAPI Command Set - 3, "ACS"; Serial ATA 3.2, "SATA"): what a disk says of itself, checked, the
 * commands that are used, and what it says of a queued command that failed. Pure; little-endian.
 */
#ifndef LIB_ATA_H
#define LIB_ATA_H

#include <stddef.h>
#include <stdint.h>

constexpr size_t ATA_SECTOR = 512; /* of what a disk tells, whatever its blocks have */
constexpr size_t ATA_SERIAL_BYTES = 20, ATA_FIRMWARE_BYTES = 8, ATA_MODEL_BYTES = 40;
constexpr uint32_t ATA_TAGS_MAX = 32;
constexpr uint32_t ATA_TRIM_ENTRIES = ATA_SECTOR / 8; /* of the one sector of ranges that a command takes here */
constexpr uint32_t ATA_TRIM_BLOCKS_MAX = ATA_TRIM_ENTRIES * 0xffff;

/* What a disk says of itself (ACS 7.12.7: IDENTIFY DEVICE). */
struct ata_disk {
	char serial[ATA_SERIAL_BYTES + 1];
	char firmware[ATA_FIRMWARE_BYTES + 1];
	char model[ATA_MODEL_BYTES + 1];
	uint64_t blocks;
	uint32_t block_bytes, physical_bytes; /* powers of two */
	uint32_t tags;			      /* queued commands at a time (SATA 13.6: NCQ); 0: it takes none */
	bool has_long_addresses;	      /* of 48 bits */
	bool has_flush, has_long_flush;	      /* of its write cache, by either command */
	bool has_trim;
	bool has_log; /* READ LOG EXT, where the error of a queued command is found */
	bool rotates;
};
/* nullptr, or why it cannot be driven. */
const char *ata_read_disk(const unsigned char data[ATA_SECTOR], struct ata_disk *out);

/* --- commands (ACS 7) --- */

struct ata_command {
	uint64_t address; /* of a block */
	uint16_t count, features;
	uint8_t command, device;
	bool queued;	 /* `count` then has a place for a tag: ata_set_tag() */
	bool takes_data; /* the device does */
};

/* A read or write of 1 … ata_blocks_max() blocks that the disk has. Queued only if the disk takes such. */
struct ata_command ata_transfer(const struct ata_disk *d, bool writes, uint64_t block, uint32_t blocks, bool queued);
/* The most blocks of one read or write. */
uint32_t ata_blocks_max(const struct ata_disk *d);
void ata_set_tag(struct ata_command *c, unsigned tag);
struct ata_command ata_flush(const struct ata_disk *d);
struct ata_command ata_identify(void);
/* Its cache is emptied, and its heads are parked. */
struct ata_command ata_standby(void);
/* Reads one page, a sector, of a log. */
struct ata_command ata_read_log(uint8_t log, uint8_t page);
constexpr uint8_t ATA_LOG_NCQ_ERROR = 0x10;
/* Gives blocks back that are told in a sector, which this fills: 1 … ATA_TRIM_BLOCKS_MAX of them. */
struct ata_command ata_trim(unsigned char sector[ATA_SECTOR], uint64_t block, uint32_t blocks);

/* --- what came of them --- */

/* Bits of the status, and of the error (ACS 6.2, 6.3). */
enum : uint8_t {
	ATA_STATUS_ERROR = 1 << 0,
	ATA_STATUS_DATA = 1 << 3,
	ATA_STATUS_FAULT = 1 << 5,
	ATA_STATUS_BUSY = 1 << 7,
};
/* Whether a command has failed that ended with this status. */
static inline bool ata_failed(uint8_t status)
{
	return (status & (ATA_STATUS_ERROR | ATA_STATUS_FAULT)) != 0;
}

/* Which queued command failed (SATA 13.7.4: queued error log). */
struct ata_queued_error {
	unsigned tag;
	uint8_t status, error;
};
/* nullptr, or why the log does not tell. */
const char *ata_read_queued_error(const unsigned char data[ATA_SECTOR], struct ata_queued_error *out);

#endif
