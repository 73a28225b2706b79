/* SPDX-License-Identifier: MIT */
/* Numbers and structures of packet(7), as in Linux's ABI. */
#ifndef ABI_PACKET_H
#define ABI_PACKET_H

#include <stdint.h>

enum : int { AF_PACKET = 17, SOL_PACKET = 263 };

/* Protocols are those of Ethernet, in network order, but for these. */
enum : uint16_t { ETH_P_ALL = 3, ETH_P_802_2 = 4, ETH_P_802_3_MIN = 0x600 };

enum : uint8_t { PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_OUTGOING };

enum : int {
	PACKET_ADD_MEMBERSHIP = 1,
	PACKET_DROP_MEMBERSHIP = 2,
	PACKET_STATISTICS = 6,
	PACKET_AUXDATA = 8, /* an option, and the type of a control message */
	PACKET_ORIGDEV = 9,
	PACKET_IGNORE_OUTGOING = 23,
};
enum : uint16_t { PACKET_MR_MULTICAST, PACKET_MR_PROMISC, PACKET_MR_ALLMULTI, PACKET_MR_UNICAST };

struct sockaddr_ll {
	uint16_t family, protocol;
	int32_t index;
	uint16_t hardware_type;
	uint8_t packet_type, address_length, address[8];
};
static_assert(sizeof(struct sockaddr_ll) == 20);
constexpr uint32_t SOCKADDR_LL_ADDRESS_AT = 12;

struct packet_mreq {
	int32_t index;
	uint16_t type, address_length;
	uint8_t address[8];
};
static_assert(sizeof(struct packet_mreq) == 16);

struct tpacket_stats {
	uint32_t packets, drops;
};

/* TP_STATUS_*: there is a packet; its checksum is still to be made; the device has looked at it. */
enum : uint32_t { TP_STATUS_USER = 1, TP_STATUS_CSUMNOTREADY = 8, TP_STATUS_CSUM_VALID = 128 };
struct tpacket_auxdata {
	uint32_t status, length, captured;
	uint16_t mac, net, vlan_tag, vlan_protocol;
};
static_assert(sizeof(struct tpacket_auxdata) == 20);

#endif
