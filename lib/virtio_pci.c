/* SPDX-License-Identifier: MIT */
/* Where a virtio device over PCI has its registers (lib/virtio_pci.h; offsets: Virtual I/O Device 1.2, 4.1.4). */
#include <lib/virtio_pci.h>

enum : unsigned { CAP_KIND = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_MULTIPLIER = 16, CAP_END = 16 };

static uint32_t word(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void virtio_pci_add(struct virtio_pci_layout *l, const unsigned char *cap, size_t length)
{
	if (length < CAP_END)
		return;
	uint8_t kind = cap[CAP_KIND];
	struct virtio_pci_range r = {cap[CAP_BAR], word(cap + CAP_OFFSET), word(cap + CAP_LENGTH)};

	/* What is unknown, reserved or too short is passed over. */
	if (kind < VIRTIO_PCI_COMMON || kind > VIRTIO_PCI_DEVICE || r.bar >= VIRTIO_PCI_BARS || r.length == 0 ||
	    l->range[kind].length != 0)
		return;
	if (kind == VIRTIO_PCI_NOTIFY) {
		if (length < VIRTIO_PCI_CAP_BYTES)
			return;
		l->notify_multiplier = word(cap + CAP_MULTIPLIER);
	}
	l->range[kind] = r;
}

static bool fits(const struct virtio_pci_range *r, const uint64_t bar_bytes[VIRTIO_PCI_BARS], uint32_t least,
		 uint32_t align)
{
	return r->length >= least && r->offset % align == 0 && (uint64_t)r->offset + r->length <= bar_bytes[r->bar];
}

const char *virtio_pci_check(const struct virtio_pci_layout *l, const uint64_t bar_bytes[VIRTIO_PCI_BARS])
{
	const struct virtio_pci_range *config = &l->range[VIRTIO_PCI_DEVICE];

	if (!fits(&l->range[VIRTIO_PCI_COMMON], bar_bytes, PCI_COMMON_BYTES, 4))
		return "no common configuration";
	if (!fits(&l->range[VIRTIO_PCI_NOTIFY], bar_bytes, 2, 2))
		return "nowhere to notify";
	/* A power of two from 2 on, or one place for all (4.1.4.4). */
	if ((l->notify_multiplier & (l->notify_multiplier - 1)) != 0 || l->notify_multiplier == 1)
		return "its notifications are nowhere";
	if (!fits(&l->range[VIRTIO_PCI_ISR], bar_bytes, 1, 1))
		return "no interrupt status";
	if (config->length != 0 && !fits(config, bar_bytes, 1, 4))
		return "its configuration is outside";
	return nullptr;
}

bool virtio_pci_notify_at(const struct virtio_pci_layout *l, uint16_t notify_off, uint32_t *offset)
{
	uint64_t at = (uint64_t)notify_off * l->notify_multiplier;

	*offset = (uint32_t)at;
	return at + sizeof(uint16_t) <= l->range[VIRTIO_PCI_NOTIFY].length;
}

uint32_t virtio_pci_type(uint16_t device, uint16_t subsystem)
{
	if (device >= VIRTIO_PCI_MODERN && device <= VIRTIO_PCI_LAST)
		return (uint32_t)(device - VIRTIO_PCI_MODERN);
	/* Transitional: the subsystem says (4.1.2.1 and 4.1.2.3). */
	return device >= VIRTIO_PCI_FIRST && device < VIRTIO_PCI_MODERN ? subsystem : 0;
}
