/* SPDX-License-Identifier: MIT */
/* Numbers and structures of netlink(7), as in Linux's ABI. */
#ifndef ABI_NETLINK_H
#define ABI_NETLINK_H

#include <stdint.h>

enum : int { AF_BRIDGE = 7, AF_NETLINK = 16, SOL_NETLINK = 270 };
enum : int { NETLINK_ROUTE = 0 };
enum : uint32_t { NETLINK_GROUPS_MAX = 36 }; /* of NETLINK_ROUTE: RTNLGRP_* */

struct sockaddr_nl {
	uint16_t family, pad;
	uint32_t port, groups;
};
static_assert(sizeof(struct sockaddr_nl) == 12);

struct nlmsghdr {
	uint32_t length; /* with the header */
	uint16_t type, flags;
	uint32_t sequence, port;
};
static_assert(sizeof(struct nlmsghdr) == 16);
struct nlattr {
	uint16_t length, type; /* with the header */
};
constexpr uint32_t NETLINK_ALIGN = 4;

enum : uint16_t { NLMSG_NOOP = 1, NLMSG_ERROR = 2, NLMSG_DONE = 3, NLMSG_MIN_TYPE = 16 };
enum : uint16_t {
	NLM_F_REQUEST = 1,
	NLM_F_MULTI = 2,
	NLM_F_ACK = 4,
	NLM_F_CAPPED = 0x100,
	NLM_F_ROOT = 0x100,
	NLM_F_MATCH = 0x200,
	NLM_F_DUMP = 0x300,
	NLM_F_REPLACE = 0x100,
	NLM_F_EXCL = 0x200,
	NLM_F_CREATE = 0x400,
	NLM_F_APPEND = 0x800,
};
enum : uint16_t { NLA_TYPE_MASK = 0x3fff };

enum : int {
	NETLINK_ADD_MEMBERSHIP = 1,
	NETLINK_DROP_MEMBERSHIP = 2,
	NETLINK_PKTINFO = 3,
	NETLINK_NO_ENOBUFS = 5,
	NETLINK_CAP_ACK = 10,
	NETLINK_EXT_ACK = 11,
};

#endif
