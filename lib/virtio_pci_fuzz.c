/* SPDX-License-Identifier: MIT */
/* libFuzzer: any capabilities of a virtio function; what is used of them lies inside the BARs. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/virtio_pci.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_pci_layout l = {};
	uint64_t bars[VIRTIO_PCI_BARS];
	uint32_t at;

	if (size < sizeof(bars) + 2)
		return 0;
	memcpy(bars, data, sizeof(bars));
	data += sizeof(bars);
	size -= sizeof(bars);
	for (unsigned i = 0; i < VIRTIO_PCI_BARS; i++)
		bars[i] >>= 16;
	for (size_t used = 0, length; used < size; used += length) {
		unsigned char cap[255] = {};

		length = data[used] != 0 ? data[used] : 1;
		length = length < size - used ? length : size - used;
		memcpy(cap, data + used, length);
		virtio_pci_add(&l, cap, length);
	}
	if (virtio_pci_check(&l, bars) != nullptr)
		return 0;
	for (unsigned kind = VIRTIO_PCI_COMMON; kind < VIRTIO_PCI_KINDS; kind++) {
		assert(l.range[kind].bar < VIRTIO_PCI_BARS);
		assert(l.range[kind].length == 0 ||
		       (uint64_t)l.range[kind].offset + l.range[kind].length <= bars[l.range[kind].bar]);
	}
	if (virtio_pci_notify_at(&l, (uint16_t)(data[0] << 8 | data[1]), &at))
		assert(at + 2ull <= l.range[VIRTIO_PCI_NOTIFY].length && at % 2 == 0);
	return 0;
}
