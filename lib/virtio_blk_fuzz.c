/* SPDX-License-Identifier: MIT */
/* libFuzzer: any configuration and features of a virtio block device; what is believed of it can be used. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/virtio_blk.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char config[VIRTIO_BLK_CONFIG_BYTES] = {};
	char serial[VIRTIO_BLK_ID_BYTES + 1];
	struct virtio_blk_limits l;
	uint64_t features = 0;

	if (size < sizeof(features))
		return 0;
	memcpy(&features, data, sizeof(features));
	data += sizeof(features);
	size -= sizeof(features);
	memcpy(config, data, size < sizeof(config) ? size : sizeof(config));
	virtio_blk_serial(config, serial);
	assert(strlen(serial) <= VIRTIO_BLK_ID_BYTES);
	if (virtio_blk_read(config, features, 128, &l) != nullptr)
		return 0;
	assert(l.sectors > 0 && l.sectors <= UINT64_MAX / VIRTIO_BLK_SECTOR);
	assert(l.block_bytes >= 512 && l.block_bytes <= 4096 && (l.block_bytes & (l.block_bytes - 1)) == 0);
	assert(l.sectors * VIRTIO_BLK_SECTOR % l.block_bytes == 0);
	assert(l.physical_bytes >= l.block_bytes && (l.physical_bytes & (l.physical_bytes - 1)) == 0);
	assert(l.segments > 0 && l.segments <= 128 && l.queues > 0);
	assert(l.segment_bytes == 0 || l.segment_bytes >= 4096);
	return 0;
}
