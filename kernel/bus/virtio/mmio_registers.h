/* SPDX-License-Identifier: MIT */
/* Registers of virtio over MMIO: Virtual I/O Device 1.2, 4.2.2; those of legacy devices, 4.2.4. All have 32 bits. */
#ifndef VIRTIO_MMIO_REGISTERS_H
#define VIRTIO_MMIO_REGISTERS_H

#include <stdint.h>

enum virtio_mmio_register : uint32_t {
	MMIO_MAGIC = 0x000,		  /* R: "virt" */
	MMIO_VERSION = 0x004,		  /* R: 1 legacy, 2 */
	MMIO_DEVICE_ID = 0x008,		  /* R: virtio_type */
	MMIO_VENDOR_ID = 0x00c,		  /* R */
	MMIO_DEVICE_FEATURES = 0x010,	  /* R: the selected 32 of them */
	MMIO_DEVICE_FEATURES_SEL = 0x014, /* W */
	MMIO_DRIVER_FEATURES = 0x020,	  /* W */
	MMIO_DRIVER_FEATURES_SEL = 0x024, /* W */
	MMIO_GUEST_PAGE_SIZE = 0x028,	  /* W, legacy */
	MMIO_QUEUE_SEL = 0x030,		  /* W */
	MMIO_QUEUE_NUM_MAX = 0x034,	  /* R */
	MMIO_QUEUE_NUM = 0x038,		  /* W */
	MMIO_QUEUE_ALIGN = 0x03c,	  /* W, legacy */
	MMIO_QUEUE_PFN = 0x040,		  /* RW, legacy */
	MMIO_QUEUE_READY = 0x044,	  /* RW */
	MMIO_QUEUE_NOTIFY = 0x050,	  /* W: the queue's index */
	MMIO_INTERRUPT_STATUS = 0x060,	  /* R: VIRTIO_INTERRUPT_* */
	MMIO_INTERRUPT_ACK = 0x064,	  /* W */
	MMIO_STATUS = 0x070,		  /* RW */
	MMIO_QUEUE_DESC_LOW = 0x080,	  /* W, and the high half behind it; as the next two */
	MMIO_QUEUE_DRIVER_LOW = 0x090,
	MMIO_QUEUE_DEVICE_LOW = 0x0a0,
	MMIO_CONFIG_GENERATION = 0x0fc, /* R */
	MMIO_CONFIG = 0x100,		/* RW: the device's own */
};

enum : uint32_t { MMIO_MAGIC_VALUE = 0x74726976, MMIO_VERSION_LEGACY = 1, MMIO_VERSION_MODERN = 2 };

#endif
