/* SPDX-License-Identifier: MIT */
/*
 * Where a virtio device over PCI has its registers (Virtual I/O Device 1.2, 4.1.4): vendor-specific capabilities name
 * ranges of BARs. Pure; the device is not trusted.
 */
#ifndef LIB_VIRTIO_PCI_H
#define LIB_VIRTIO_PCI_H

#include <stddef.h>
#include <stdint.h>

constexpr uint16_t VIRTIO_PCI_VENDOR = 0x1af4;
/* Devices of version 1 have their type above this number; transitional ones have numbers of their own below. */
constexpr uint16_t VIRTIO_PCI_FIRST = 0x1000, VIRTIO_PCI_MODERN = 0x1040, VIRTIO_PCI_LAST = 0x107f;
constexpr size_t VIRTIO_PCI_CAP_BYTES = 20; /* as many of a capability's bytes are looked at */
constexpr unsigned VIRTIO_PCI_BARS = 6;

/* What a range is for (4.1.4). */
enum virtio_pci_kind : uint8_t {
	VIRTIO_PCI_COMMON = 1,
	VIRTIO_PCI_NOTIFY = 2,
	VIRTIO_PCI_ISR = 3,
	VIRTIO_PCI_DEVICE = 4,
	VIRTIO_PCI_KINDS
};

struct virtio_pci_range {
	uint8_t bar;
	uint32_t offset, length; /* length 0: there is none */
};

struct virtio_pci_layout {
	struct virtio_pci_range range[VIRTIO_PCI_KINDS];
	uint32_t notify_multiplier;
};

/* Takes in a vendor-specific capability, of which `length` bytes (its own length byte, and what there is) are at cap:
 * those of one kind count in the order of the list, the first that can be used wins (4.1.4.1). */
void virtio_pci_add(struct virtio_pci_layout *l, const unsigned char *cap, size_t length);
/* Whether the device can be driven, with BARs of these sizes (0: none, or ports). nullptr, or what is missing. */
const char *virtio_pci_check(const struct virtio_pci_layout *l, const uint64_t bar_bytes[VIRTIO_PCI_BARS]);
/* Where a queue is notified, from the start of the range (4.1.4.4). False: outside. */
bool virtio_pci_notify_at(const struct virtio_pci_layout *l, uint16_t notify_off, uint32_t *offset);
/* The type of a device by its PCI device number; 0: none of ours, or one whose subsystem number tells
 * (transitional). */
uint32_t virtio_pci_type(uint16_t device, uint16_t subsystem);

/* Registers of the common configuration (4.1.4.3). */
enum virtio_pci_register : uint32_t {
	PCI_COMMON_DEVICE_FEATURE_SELECT = 0x00, /* RW 32 */
	PCI_COMMON_DEVICE_FEATURE = 0x04,	 /* R 32 */
	PCI_COMMON_DRIVER_FEATURE_SELECT = 0x08, /* RW 32 */
	PCI_COMMON_DRIVER_FEATURE = 0x0c,	 /* RW 32 */
	PCI_COMMON_CONFIG_MSIX_VECTOR = 0x10,	 /* RW 16 */
	PCI_COMMON_NUM_QUEUES = 0x12,		 /* R 16 */
	PCI_COMMON_DEVICE_STATUS = 0x14,	 /* RW 8 */
	PCI_COMMON_CONFIG_GENERATION = 0x15,	 /* R 8 */
	PCI_COMMON_QUEUE_SELECT = 0x16,		 /* RW 16 */
	PCI_COMMON_QUEUE_SIZE = 0x18,		 /* RW 16 */
	PCI_COMMON_QUEUE_MSIX_VECTOR = 0x1a,	 /* RW 16 */
	PCI_COMMON_QUEUE_ENABLE = 0x1c,		 /* RW 16 */
	PCI_COMMON_QUEUE_NOTIFY_OFF = 0x1e,	 /* R 16 */
	PCI_COMMON_QUEUE_DESC = 0x20,		 /* RW 64, by halves; as the next two */
	PCI_COMMON_QUEUE_DRIVER = 0x28,
	PCI_COMMON_QUEUE_DEVICE = 0x30,
	PCI_COMMON_BYTES = 0x38,
};
constexpr uint16_t VIRTIO_PCI_NO_VECTOR = 0xffff;

#endif
