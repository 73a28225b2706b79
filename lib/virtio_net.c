/* SPDX-License-Identifier: MIT */
/* What a virtio network device says of itself and of frames (lib/virtio_net.h; Virtual I/O Device 1.2, 5.1.4, 5.1.6).
 */
#include <lib/string.h>
#include <lib/types.h>
#include <lib/virtio_net.h>

enum : uint16_t { MAC = 0, STATUS = 6, MTU = 10, SPEED = 12, DUPLEX = 16 };
enum : uint16_t { STATUS_LINK_UP = 1 };
enum : uint32_t { MTU_DEFAULT = 1500, MTU_LEAST = 68, SPEED_MAX = INT32_MAX };

const struct virtio_field virtio_net_fields[] = {
	{MAC, 1},     {MAC + 1, 1}, {MAC + 2, 1}, {MAC + 3, 1}, {MAC + 4, 1},
	{MAC + 5, 1}, {STATUS, 2},  {MTU, 2},	  {SPEED, 4},	{DUPLEX, 1},
};
const unsigned virtio_net_field_count = sizeof(virtio_net_fields) / sizeof(virtio_net_fields[0]);

/* Fields of the header. */
enum : unsigned { FLAGS = 0, GSO_TYPE = 1, HEADERS = 2, GSO_SIZE = 4, START = 6, OFFSET = 8, BUFFERS = 10 };
enum : uint8_t { FLAG_NEEDS_CHECKSUM = 1, FLAG_CHECKED = 2 };

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const unsigned char *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static void put16(unsigned char *p, uint16_t value)
{
	p[0] = (unsigned char)value;
	p[1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *p, uint32_t value)
{
	put16(p, (uint16_t)value);
	put16(p + 2, (uint16_t)(value >> 16));
}

const char *virtio_net_read(const unsigned char config[VIRTIO_NET_CONFIG_BYTES], uint64_t features,
			    struct virtio_net_facts *out)
{
	static const uint8_t none[VIRTIO_NET_ADDRESS];

	*out = (struct virtio_net_facts){.link = true, .mtu = MTU_DEFAULT};
	if (features & VIRTIO_NET_F_MAC) {
		memcpy(out->address, config + MAC, VIRTIO_NET_ADDRESS);
		if (out->address[0] & 1 || memcmp(out->address, none, sizeof(none)) == 0)
			return "its address is none of a station";
	}
	if (features & VIRTIO_NET_F_STATUS)
		out->link = (get16(config + STATUS) & STATUS_LINK_UP) != 0;
	if (features & VIRTIO_NET_F_MTU) {
		out->mtu = get16(config + MTU);
		if (out->mtu < MTU_LEAST)
			return "its MTU is less than IP needs";
	}
	if (features & VIRTIO_NET_F_SPEED_DUPLEX) {
		uint32_t mbit = get32(config + SPEED);

		out->mbit = mbit <= SPEED_MAX ? mbit : 0;
		out->full_duplex = config[DUPLEX] == 1;
	}
	return nullptr;
}

size_t virtio_net_header_bytes(uint64_t features)
{
	return features & (VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF) ? VIRTIO_NET_HEADER : VIRTIO_NET_HEADER_SHORT;
}

void virtio_net_header_write(unsigned char *header, size_t header_bytes, const struct virtio_net_frame *f)
{
	memset(header, 0, header_bytes);
	if (f->needs_checksum) {
		header[FLAGS] = FLAG_NEEDS_CHECKSUM;
		put16(header + START, f->start);
		put16(header + OFFSET, f->offset);
	}
	if (f->gso != VIRTIO_NET_GSO_NONE) {
		header[GSO_TYPE] = f->gso;
		put16(header + HEADERS, f->headers);
		put16(header + GSO_SIZE, f->gso_size);
	}
}

uint32_t virtio_net_buffers(const unsigned char *header, uint32_t written, uint64_t features, uint32_t buffers_max)
{
	if (written < virtio_net_header_bytes(features))
		return 0;
	if (!(features & VIRTIO_NET_F_MRG_RXBUF))
		return 1;
	uint32_t buffers = get16(header + BUFFERS);
	return buffers <= buffers_max ? buffers : 0;
}

bool virtio_net_header_read(const unsigned char *header, uint64_t features, uint32_t total,
			    struct virtio_net_frame *out)
{
	uint8_t flags = features & VIRTIO_NET_F_GUEST_CSUM ? header[FLAGS] : 0;

	*out = (struct virtio_net_frame){.checked = (flags & FLAG_CHECKED) != 0};
	/* No offload that makes larger frames is ever agreed on. */
	if (header[GSO_TYPE] != VIRTIO_NET_GSO_NONE)
		return false;
	if (flags & FLAG_NEEDS_CHECKSUM) {
		out->needs_checksum = true;
		out->start = get16(header + START);
		out->offset = get16(header + OFFSET);
		if ((uint32_t)out->start + out->offset + sizeof(uint16_t) > total)
			return false;
	}
	return true;
}

size_t virtio_net_table_write(unsigned char *out, const uint8_t (*addresses)[VIRTIO_NET_ADDRESS], uint32_t count)
{
	put32(out, 0);
	put32(out + 4, count);
	memcpy(out + virtio_net_table_overhead, addresses, count * sizeof(*addresses));
	return virtio_net_table_overhead + count * sizeof(*addresses);
}
