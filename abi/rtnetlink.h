/* SPDX-License-Identifier: MIT */
/* Numbers and structures of rtnetlink(7), as in Linux's ABI. */
#ifndef ABI_RTNETLINK_H
#define ABI_RTNETLINK_H

#include <abi/netlink.h>

enum : uint16_t {
	RTM_NEWLINK = 16,
	RTM_DELLINK,
	RTM_GETLINK,
	RTM_SETLINK,
	RTM_NEWADDR = 20,
	RTM_DELADDR,
	RTM_GETADDR,
	RTM_NEWROUTE = 24,
	RTM_DELROUTE,
	RTM_GETROUTE,
	RTM_NEWNEIGH = 28,
	RTM_DELNEIGH,
	RTM_GETNEIGH,
	RTM_MAX = 123,
};
enum : uint32_t {
	RTNLGRP_LINK = 1,
	RTNLGRP_NEIGH = 3,
	RTNLGRP_IPV4_IFADDR = 5,
	RTNLGRP_IPV4_ROUTE = 7,
	RTNLGRP_IPV6_IFADDR = 9,
	RTNLGRP_IPV6_ROUTE = 11,
};

struct ifinfomsg {
	uint8_t family, pad;
	uint16_t type;
	int32_t index;
	uint32_t flags, change;
};
static_assert(sizeof(struct ifinfomsg) == 16);
enum : uint16_t {
	IFLA_ADDRESS = 1,
	IFLA_BROADCAST = 2,
	IFLA_IFNAME = 3,
	IFLA_MTU = 4,
	IFLA_QDISC = 6,
	IFLA_STATS = 7,
	IFLA_MASTER = 10,
	IFLA_TXQLEN = 13,
	IFLA_OPERSTATE = 16,
	IFLA_LINKMODE = 17,
	IFLA_LINKINFO = 18,
	IFLA_STATS64 = 23,
	IFLA_GROUP = 27,
	IFLA_PROMISCUITY = 30,
	IFLA_CARRIER = 33,
	IFLA_CARRIER_CHANGES = 35,
	IFLA_MIN_MTU = 50,
	IFLA_MAX_MTU = 51,
	IFLA_END,
};
/* struct rtnl_link_stats and _stats64: words of 32 or 64 bits. */
enum : uint32_t {
	LINK_RX_PACKETS,
	LINK_TX_PACKETS,
	LINK_RX_BYTES,
	LINK_TX_BYTES,
	LINK_RX_ERRORS,
	LINK_TX_ERRORS,
	LINK_RX_DROPPED,
	LINK_TX_DROPPED,
	LINK_MULTICAST,
	LINK_RX_MISSED = 15,
	LINK_WORDS = 24,
};
/* RFC 2863's states of interfaces. */
enum : uint8_t { IF_OPER_UNKNOWN, IF_OPER_DOWN = 2, IF_OPER_UP = 6 };

struct ifaddrmsg {
	uint8_t family, prefix, flags, scope;
	uint32_t index;
};
static_assert(sizeof(struct ifaddrmsg) == 8);
enum : uint16_t {
	IFA_ADDRESS = 1,
	IFA_LOCAL = 2,
	IFA_LABEL = 3,
	IFA_BROADCAST = 4,
	IFA_CACHEINFO = 6,
	IFA_FLAGS = 8,
	IFA_END
};
enum : uint8_t { IFA_F_DEPRECATED = 0x20, IFA_F_TENTATIVE = 0x40, IFA_F_PERMANENT = 0x80 };
struct ifa_cacheinfo { /* seconds; stamps: hundredths */
	uint32_t preferred, valid, created, updated;
};

struct rtmsg {
	uint8_t family, to_prefix, from_prefix, tos, table, protocol, scope, type;
	uint32_t flags;
};
static_assert(sizeof(struct rtmsg) == 12);
enum : uint16_t {
	RTA_DST = 1,
	RTA_SRC = 2,
	RTA_OIF = 4,
	RTA_GATEWAY = 5,
	RTA_PRIORITY = 6,
	RTA_PREFSRC = 7,
	RTA_METRICS = 8,
	RTA_MULTIPATH = 9,
	RTA_TABLE = 15,
	RTA_END
};
enum : uint8_t { RT_TABLE_UNSPEC = 0, RT_TABLE_MAIN = 254, RT_TABLE_LOCAL = 255 };
enum : uint8_t { RTPROT_KERNEL = 2, RTPROT_BOOT = 3, RTPROT_RA = 9 };
enum : uint8_t { RT_SCOPE_UNIVERSE = 0, RT_SCOPE_LINK = 253, RT_SCOPE_HOST = 254 };
enum : uint8_t { RTN_UNSPEC, RTN_UNICAST, RTN_LOCAL };

struct ndmsg {
	uint8_t family, pad1;
	uint16_t pad2;
	int32_t index;
	uint16_t state;
	uint8_t flags, type;
};
static_assert(sizeof(struct ndmsg) == 12);
enum : uint16_t { NDA_DST = 1, NDA_LLADDR = 2, NDA_END };
enum : uint16_t {
	NUD_INCOMPLETE = 1,
	NUD_REACHABLE = 2,
	NUD_STALE = 4,
	NUD_DELAY = 8,
	NUD_PROBE = 0x10,
	NUD_PERMANENT = 0x80,
};
enum : uint8_t { NTF_ROUTER = 0x80 };

#endif
