/* SPDX-License-Identifier: MIT */
/* Numbers and structures of ip(7), ipv6(7), tcp(7), udp(7), raw(7) and netdevice(7), as in Linux's ABI. */
#ifndef ABI_INET_H
#define ABI_INET_H

#include <stdint.h>

enum : int { AF_INET = 2, AF_INET6 = 10 };
enum : int {
	IPPROTO_IP = 0,
	IPPROTO_ICMP = 1,
	IPPROTO_TCP = 6,
	IPPROTO_UDP = 17,
	IPPROTO_IPV6 = 41,
	IPPROTO_ICMPV6 = 58,
	IPPROTO_RAW = 255,
};

/* Options, by level. */
enum : int { IP_OPTION_TOS = 1, IP_OPTION_TTL = 2, IP_OPTION_HDRINCL = 3 };
enum : int { IPV6_OPTION_UNICAST_HOPS = 16, IPV6_OPTION_V6ONLY = 26, IPV6_OPTION_TCLASS = 67 };

enum : int {
	TCP_OPTION_NODELAY = 1,
	TCP_OPTION_MAXSEG = 2,
	TCP_OPTION_CORK = 3,
	TCP_OPTION_KEEPIDLE = 4,
	TCP_OPTION_KEEPINTVL = 5,
	TCP_OPTION_KEEPCNT = 6,
	TCP_OPTION_INFO = 11,
	TCP_OPTION_QUICKACK = 12,
};

/* Ports and addresses are in network order. */
struct sockaddr_in {
	uint16_t family, port;
	uint32_t address;
	uint8_t zero[8];
};
static_assert(sizeof(struct sockaddr_in) == 16);
struct sockaddr_in6 {
	uint16_t family, port;
	uint32_t flow;
	uint32_t address[4];
	uint32_t scope; /* an interface's number */
};
static_assert(sizeof(struct sockaddr_in6) == 28);
constexpr uint32_t SOCKADDR_IN6_LEAST = 24; /* without the scope (RFC 2133) */

#endif
