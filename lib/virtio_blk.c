/* SPDX-License-Identifier: MIT */
/* What a virtio block device says of itself (lib/virtio_blk.h; offsets: Virtual I/O Device 1.2, 5.2.4). */
#include <abi/errno.h>
#include <lib/string.h>
#include <lib/types.h>
#include <lib/virtio_blk.h>

enum : uint16_t {
	CAPACITY = 0,
	SIZE_MAX_AT = 8,
	SEG_MAX = 12,
	BLK_SIZE = 20,
	PHYSICAL_BLOCK_EXP = 24,
	NUM_QUEUES = 34,
	MAX_DISCARD_SECTORS = 36,
};

const struct virtio_field virtio_blk_fields[] = {
	{CAPACITY, 8},	 {SIZE_MAX_AT, 4},	   {SEG_MAX, 4}, {BLK_SIZE, 4}, {PHYSICAL_BLOCK_EXP, 1},
	{NUM_QUEUES, 2}, {MAX_DISCARD_SECTORS, 4},
};
const unsigned virtio_blk_field_count = sizeof(virtio_blk_fields) / sizeof(virtio_blk_fields[0]);

static uint64_t field(const unsigned char *config, unsigned offset, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = bytes; i-- > 0;)
		value = value << 8 | config[offset + i];
	return value;
}

const char *virtio_blk_read(const unsigned char config[VIRTIO_BLK_CONFIG_BYTES], uint64_t features,
			    uint32_t segments_max, struct virtio_blk_limits *out)
{
	constexpr uint32_t BLOCK_MAX = 4096, EXPONENT_MAX = 16;
	uint32_t value;

	*out = (struct virtio_blk_limits){
		.sectors = field(config, CAPACITY, 8),
		.block_bytes = VIRTIO_BLK_SECTOR,
		.segments = segments_max,
		.queues = 1,
		.read_only = (features & VIRTIO_BLK_F_RO) != 0,
		.has_flush = (features & VIRTIO_BLK_F_FLUSH) != 0,
		.has_discard = (features & VIRTIO_BLK_F_DISCARD) != 0,
	};
	if (features & VIRTIO_BLK_F_BLK_SIZE) {
		value = (uint32_t)field(config, BLK_SIZE, 4);
		if (value < VIRTIO_BLK_SECTOR || value > BLOCK_MAX || (value & (value - 1)) != 0)
			return "its block size is none";
		out->block_bytes = value;
	}
	/* The last sectors that make no whole block are out of reach. */
	out->sectors -= out->sectors % (out->block_bytes / VIRTIO_BLK_SECTOR);
	if (out->sectors == 0)
		return "it has no medium";
	if (out->sectors > UINT64_MAX / VIRTIO_BLK_SECTOR)
		return "it is larger than can be";
	if (features & VIRTIO_BLK_F_SEG_MAX) {
		value = (uint32_t)field(config, SEG_MAX, 4);
		if (value == 0)
			return "its requests have no data";
		out->segments = MIN(value, segments_max);
	}
	if (features & VIRTIO_BLK_F_SIZE_MAX) {
		out->segment_bytes = (uint32_t)field(config, SIZE_MAX_AT, 4);
		/* Else a page would have to be cut. */
		if (out->segment_bytes < BLOCK_MAX)
			return "its requests have too short segments";
	}
	out->physical_bytes = out->block_bytes;
	if (features & VIRTIO_BLK_F_TOPOLOGY) {
		value = (uint32_t)field(config, PHYSICAL_BLOCK_EXP, 1);
		if (value <= EXPONENT_MAX)
			out->physical_bytes = out->block_bytes << value;
	}
	if (features & VIRTIO_BLK_F_MQ) {
		out->queues = (uint16_t)field(config, NUM_QUEUES, 2);
		if (out->queues == 0)
			return "it has no queue";
	}
	if (out->has_discard)
		out->discard_sectors = (uint32_t)field(config, MAX_DISCARD_SECTORS, 4);
	return nullptr;
}

void virtio_blk_serial(const unsigned char id[VIRTIO_BLK_ID_BYTES], char out[VIRTIO_BLK_ID_BYTES + 1])
{
	size_t n = 0;

	while (n < VIRTIO_BLK_ID_BYTES && id[n] > ' ' && id[n] < 0x7f) {
		out[n] = (char)id[n];
		n++;
	}
	out[n] = '\0';
}

int virtio_blk_error(uint8_t status)
{
	switch (status) {
	case VIRTIO_BLK_OK: return 0;
	case VIRTIO_BLK_UNSUPPORTED: return -EOPNOTSUPP;
	default: return -EIO;
	}
}
