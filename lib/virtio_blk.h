/* SPDX-License-Identifier: MIT */
/*
 * Virtio block devices (Virtual I/O Device 1.2, 5.2): what the device says of itself, checked, and the layout of
 * requests. Pure.
 */
#ifndef LIB_VIRTIO_BLK_H
#define LIB_VIRTIO_BLK_H

#include <lib/virtio.h>
#include <stddef.h>
#include <stdint.h>

/* Features (5.2.3). */
enum : uint64_t {
	VIRTIO_BLK_F_SIZE_MAX = 1 << 1,
	VIRTIO_BLK_F_SEG_MAX = 1 << 2,
	VIRTIO_BLK_F_RO = 1 << 5,
	VIRTIO_BLK_F_BLK_SIZE = 1 << 6,
	VIRTIO_BLK_F_FLUSH = 1 << 9,
	VIRTIO_BLK_F_TOPOLOGY = 1 << 10,
	VIRTIO_BLK_F_MQ = 1 << 12,
	VIRTIO_BLK_F_DISCARD = 1 << 13,
};

constexpr uint32_t VIRTIO_BLK_SECTOR = 512; /* unit of requests and of the capacity, whatever the block is */
constexpr size_t VIRTIO_BLK_CONFIG_BYTES = 60, VIRTIO_BLK_ID_BYTES = 20;

/* The fields of the configuration that are understood, in the order of their offsets (5.2.4). */
extern const struct virtio_field virtio_blk_fields[];
extern const unsigned virtio_blk_field_count;

struct virtio_blk_limits {
	uint64_t sectors;
	uint32_t block_bytes, physical_bytes; /* powers of two */
	uint32_t segments;		      /* of the data of one request */
	uint32_t segment_bytes;		      /* 0: no limit */
	uint32_t discard_sectors;	      /* of one request; 0: no limit */
	uint16_t queues;		      /* at least 1 */
	bool read_only, has_flush, has_discard;
};

/* What the configuration says with the features that were agreed on. nullptr, or what is wrong with it. segments_max:
 * what the driver can use. */
const char *virtio_blk_read(const unsigned char config[VIRTIO_BLK_CONFIG_BYTES], uint64_t features,
			    uint32_t segments_max, struct virtio_blk_limits *out);

/* The serial number: printable characters of what the device answered to GET_ID, up to the first that is none. */
void virtio_blk_serial(const unsigned char id[VIRTIO_BLK_ID_BYTES], char out[VIRTIO_BLK_ID_BYTES + 1]);

/* Requests (5.2.6). */
enum virtio_blk_request_type : uint32_t {
	VIRTIO_BLK_IN = 0,
	VIRTIO_BLK_OUT = 1,
	VIRTIO_BLK_FLUSH = 4,
	VIRTIO_BLK_GET_ID = 8,
	VIRTIO_BLK_DISCARD = 11,
};
struct virtio_blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};
static_assert(sizeof(struct virtio_blk_header) == 16);
struct virtio_blk_discard {
	uint64_t sector;
	uint32_t sectors, flags;
};
static_assert(sizeof(struct virtio_blk_discard) == 16);

/* The last byte of a request, which the device writes. Result: 0 or a negative errno; what is not defined is -EIO. */
enum : uint8_t { VIRTIO_BLK_OK = 0, VIRTIO_BLK_IO_ERROR = 1, VIRTIO_BLK_UNSUPPORTED = 2, VIRTIO_BLK_UNWRITTEN = 255 };
int virtio_blk_error(uint8_t status);

#endif
