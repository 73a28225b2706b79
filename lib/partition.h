/* SPDX-License-Identifier: MIT */
/*
 * Reads the partition table of a disk: GPT (UEFI 2.10, 5.3), with its second copy if the first is broken, or MBR with
 * extended partitions (UEFI 2.10, 5.2; the chain of extended boot records as every system writes it).
 *
 * Nothing that the disk says is believed before it was checked: checksums, sizes and places are, chains end, and what
 * lies outside the disk is left out. The disk is read block by block through a callback; no memory is allocated.
 */
#ifndef LIB_PARTITION_H
#define LIB_PARTITION_H

#include <stddef.h>
#include <stdint.h>

constexpr uint32_t PARTITION_BLOCK_MIN = 512, PARTITION_BLOCK_MAX = 4096;
constexpr uint32_t PARTITION_NUMBERS_MAX = 256; /* numbers above are not looked at */

struct partition_disk {
	/* Reads one block into `block`. 0, or a negative error, with which partition_read ends. */
	int (*read)(void *context, uint64_t number, void *block);
	void *context;
	uint32_t block_bytes; /* a power of two, PARTITION_BLOCK_MIN … PARTITION_BLOCK_MAX */
	uint64_t blocks;
	unsigned char *block; /* room for one block; the caller's */
};

enum partition_scheme { PARTITION_NONE, PARTITION_MBR, PARTITION_GPT };

struct partition {
	uint32_t number;	/* from 1; logical partitions of MBR from 5 */
	uint64_t first, blocks; /* within the disk, never empty */
	bool read_only;		/* GPT: attribute 60 */
	uint8_t mbr_type;	/* MBR only */
	uint8_t type[16];	/* GPT only: GUIDs in the order of their bytes on disk */
	uint8_t id[16];
	char label[109]; /* GPT: UTF-8, at most 36 characters; else empty */
};

struct partition_result {
	enum partition_scheme scheme;
	uint32_t disk_signature; /* MBR; GPT: 0 */
	uint8_t disk_id[16];	 /* GPT */
	uint32_t left_out;	 /* entries outside the disk or without a sensible size */
	bool second_copy;	 /* the first GPT header or its entries are broken, the second copy was taken */
	const char *trouble;	 /* what is wrong with a table that was not read, in words; nullptr: nothing */
};

/* Calls emit for each partition in the order of the table. 0, -EINVAL for a disk that cannot be described, an error of
 * `read`, or the first nonzero result of emit. A disk without a table (PARTITION_NONE) is no error. */
[[nodiscard]] int partition_read(const struct partition_disk *disk,
				 int (*emit)(void *context, const struct partition *p), void *context,
				 struct partition_result *out);

#endif
