/* SPDX-License-Identifier: MIT */
/*
 * Virtio network devices (Virtual I/O Device 1.2, 5.1): what the device says of itself and of each frame, checked, and
 * the layout of headers and commands. Pure.
 */
#ifndef LIB_VIRTIO_NET_H
#define LIB_VIRTIO_NET_H

#include <lib/virtio.h>
#include <stddef.h>
#include <stdint.h>

/* Features (5.1.3). */
enum : uint64_t {
	VIRTIO_NET_F_CSUM = 1ull << 0,	     /* it makes checksums of what it is given */
	VIRTIO_NET_F_GUEST_CSUM = 1ull << 1, /* it may give frames whose checksum is not made */
	VIRTIO_NET_F_MTU = 1ull << 3,
	VIRTIO_NET_F_MAC = 1ull << 5,
	VIRTIO_NET_F_HOST_TSO4 = 1ull << 11, /* it cuts frames into segments */
	VIRTIO_NET_F_HOST_TSO6 = 1ull << 12,
	VIRTIO_NET_F_MRG_RXBUF = 1ull << 15, /* a frame may fill several buffers */
	VIRTIO_NET_F_STATUS = 1ull << 16,
	VIRTIO_NET_F_CTRL_VQ = 1ull << 17,
	VIRTIO_NET_F_CTRL_RX = 1ull << 18,
	VIRTIO_NET_F_SPEED_DUPLEX = 1ull << 63,
};

constexpr size_t VIRTIO_NET_ADDRESS = 6, VIRTIO_NET_CONFIG_BYTES = 17;

/* The fields of the configuration that are understood, in the order of their offsets (5.1.4). */
extern const struct virtio_field virtio_net_fields[];
extern const unsigned virtio_net_field_count;

struct virtio_net_facts {
	uint8_t address[VIRTIO_NET_ADDRESS]; /* of one station; all zero: it has none */
	bool link;
	bool full_duplex;
	uint32_t mbit; /* 0: unknown */
	uint32_t mtu;  /* at most */
};
/* What the configuration says with the features that were agreed on. nullptr, or what is wrong with it. */
const char *virtio_net_read(const unsigned char config[VIRTIO_NET_CONFIG_BYTES], uint64_t features,
			    struct virtio_net_facts *out);

/*
 * The header before each frame (5.1.6). With version 1, or with mergeable buffers, it has all fields; before, without
 * them, the last one is missing.
 */
constexpr size_t VIRTIO_NET_HEADER = 12, VIRTIO_NET_HEADER_SHORT = 10;
size_t virtio_net_header_bytes(uint64_t features);

enum virtio_net_gso : uint8_t { VIRTIO_NET_GSO_NONE = 0, VIRTIO_NET_GSO_TCP4 = 1, VIRTIO_NET_GSO_TCP6 = 4 };
/* What a header says of its frame. */
struct virtio_net_frame {
	bool needs_checksum; /* to be made from `start` on, to be put `offset` bytes behind that */
	bool checked;	     /* its checksums were found right */
	enum virtio_net_gso gso;
	uint16_t headers, gso_size; /* with gso: bytes of headers, and of data in each segment */
	uint16_t start, offset;
};

/* The header of a frame to be sent. */
void virtio_net_header_write(unsigned char *header, size_t header_bytes, const struct virtio_net_frame *f);
/* How many buffers a frame has of which the first was filled with `written` bytes, the header among them. 0: the device
 * errs: there is not even a whole header, or the number cannot be (buffers_max: how many it may use). */
uint32_t virtio_net_buffers(const unsigned char *header, uint32_t written, uint64_t features, uint32_t buffers_max);
/* What the header of a received frame of `total` bytes (without it) says. False: it says what was not agreed on, or
 * points behind the frame. */
[[nodiscard]] bool virtio_net_header_read(const unsigned char *header, uint64_t features, uint32_t total,
					  struct virtio_net_frame *out);

/* Commands of the control queue (5.1.6.5): class, command, then what the command is about; the device writes a byte. */
enum : uint8_t { VIRTIO_NET_CTRL_RX = 0, VIRTIO_NET_CTRL_MAC = 1 };
enum : uint8_t { VIRTIO_NET_CTRL_RX_PROMISC = 0, VIRTIO_NET_CTRL_RX_ALLMULTI = 1, VIRTIO_NET_CTRL_MAC_TABLE_SET = 0 };
enum : uint8_t { VIRTIO_NET_OK = 0, VIRTIO_NET_UNWRITTEN = 255 };
/* Bytes of a table of addresses with no unicast and `count` multicast ones (5.1.6.5.2). */
constexpr size_t virtio_net_table_overhead = 8;
size_t virtio_net_table_write(unsigned char *out, const uint8_t (*addresses)[VIRTIO_NET_ADDRESS], uint32_t count);

#endif
