/* SPDX-License-Identifier: MIT */
/* Numbers of Virtual I/O Device 1.2 that transports and drivers share. */
#ifndef LIB_VIRTIO_H
#define LIB_VIRTIO_H

#include <stdint.h>

/* Device status (2.1). */
enum : uint8_t {
	VIRTIO_STATUS_ACKNOWLEDGE = 1,
	VIRTIO_STATUS_DRIVER = 2,
	VIRTIO_STATUS_DRIVER_OK = 4,
	VIRTIO_STATUS_FEATURES_OK = 8,
	VIRTIO_STATUS_NEEDS_RESET = 64,
	VIRTIO_STATUS_FAILED = 128,
};

/* Types of device (5). */
enum virtio_type : uint32_t {
	VIRTIO_TYPE_NONE = 0, /* an empty slot */
	VIRTIO_TYPE_NET = 1,
	VIRTIO_TYPE_BLOCK = 2,
	VIRTIO_TYPE_CONSOLE = 3,
	VIRTIO_TYPE_ENTROPY = 4,
	VIRTIO_TYPE_INPUT = 18,
};

/* Features of every device (6). */
enum : uint64_t {
	VIRTIO_F_INDIRECT_DESC = 1ull << 28,
	VIRTIO_F_EVENT_IDX = 1ull << 29,
	VIRTIO_F_VERSION_1 = 1ull << 32,
	VIRTIO_F_ACCESS_PLATFORM = 1ull << 33, /* addresses are those that an IOMMU translates */
};

/* What an interrupt was about (4.1.4.5, 4.2.2). */
enum : uint32_t { VIRTIO_INTERRUPT_QUEUE = 1, VIRTIO_INTERRUPT_CONFIG = 2 };

/* A field of a device's configuration: it is read by accesses of its own width (4.2.2.2, 4.1.3.1). */
struct virtio_field {
	uint16_t offset;
	uint8_t bytes; /* 1, 2, 4; or 8: two of 4 */
};

#endif
