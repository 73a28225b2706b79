/* SPDX-License-Identifier: MIT */
/* libFuzzer: any configuration, features and header of a virtio network device; what is believed of it can be used. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/virtio_net.h>

static void look_at_config(const uint8_t *data, size_t size, uint64_t features)
{
	unsigned char config[VIRTIO_NET_CONFIG_BYTES] = {};
	struct virtio_net_facts facts;

	memcpy(config, data, size < sizeof(config) ? size : sizeof(config));
	if (virtio_net_read(config, features, &facts) != nullptr)
		return;
	assert(facts.mtu >= 68 && facts.mtu <= UINT16_MAX && facts.mbit <= INT32_MAX);
	assert(!(facts.address[0] & 1));
}

static void look_at_header(const uint8_t *data, size_t size, uint64_t features, uint32_t total)
{
	size_t bytes = virtio_net_header_bytes(features);
	unsigned char header[VIRTIO_NET_HEADER], again[VIRTIO_NET_HEADER];
	struct virtio_net_frame f;
	uint32_t written = total % 100, max = 1 + total % 64;

	if (size < bytes)
		return;
	memcpy(header, data, bytes);
	uint32_t buffers = virtio_net_buffers(header, written, features, max);
	assert(buffers <= max && (buffers == 0 || written >= bytes));
	if (!virtio_net_header_read(header, features, total, &f))
		return;
	assert(f.gso == VIRTIO_NET_GSO_NONE);
	assert(!f.needs_checksum || (uint64_t)f.start + f.offset + 2 <= total);
	virtio_net_header_write(again, bytes, &f);
	assert(again[0] == (f.needs_checksum ? 1 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t features;
	uint32_t total;

	if (size < sizeof(features) + sizeof(total))
		return 0;
	memcpy(&features, data, sizeof(features));
	memcpy(&total, data + sizeof(features), sizeof(total));
	data += sizeof(features) + sizeof(total);
	size -= sizeof(features) + sizeof(total);
	look_at_config(data, size, features);
	look_at_header(data, size, features, total);
	return 0;
}
