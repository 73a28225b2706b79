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
enum : int {
	IP_OPTION_TOS = 1, /* an option, and the type of a control message; as are some of the others */
	IP_OPTION_TTL = 2,
	IP_OPTION_HDRINCL = 3,
	IP_OPTION_PKTINFO = 8,
	IP_OPTION_MTU_DISCOVER = 10,
	IP_OPTION_RECVERR = 11,
	IP_OPTION_RECVTTL = 12,
	IP_OPTION_MTU = 14,
	IP_OPTION_MULTICAST_IF = 32,
	IP_OPTION_MULTICAST_TTL = 33,
	IP_OPTION_MULTICAST_LOOP = 34,
	IP_OPTION_ADD_MEMBERSHIP = 35,
	IP_OPTION_DROP_MEMBERSHIP = 36,
	MCAST_OPTION_JOIN_GROUP = 42, /* of both levels */
	MCAST_OPTION_LEAVE_GROUP = 45,
	IP_OPTION_MULTICAST_ALL = 49,
};
enum : int {
	IPV6_OPTION_UNICAST_HOPS = 16,
	IPV6_OPTION_MULTICAST_IF = 17,
	IPV6_OPTION_MULTICAST_HOPS = 18,
	IPV6_OPTION_MULTICAST_LOOP = 19,
	IPV6_OPTION_JOIN_GROUP = 20,
	IPV6_OPTION_LEAVE_GROUP = 21,
	IPV6_OPTION_MTU_DISCOVER = 23,
	IPV6_OPTION_MTU = 24,
	IPV6_OPTION_RECVERR = 25,
	IPV6_OPTION_V6ONLY = 26,
	IPV6_OPTION_MULTICAST_ALL = 29,
	IPV6_OPTION_RECVPKTINFO = 49,
	IPV6_OPTION_PKTINFO = 50,
	IPV6_OPTION_RECVHOPLIMIT = 51,
	IPV6_OPTION_HOPLIMIT = 52,
	IPV6_OPTION_TCLASS = 67,
};

/* Of IP_MTU_DISCOVER: whether a packet may be cut. */
enum : int {
	IP_PMTUDISC_DONT = 0,
	IP_PMTUDISC_WANT = 1,
	IP_PMTUDISC_DO = 2,
	IP_PMTUDISC_PROBE = 3,
	IP_PMTUDISC_INTERFACE = 4,
	IP_PMTUDISC_OMIT = 5,
};

/* What IP_RECVERR and IPV6_RECVERR tell; behind it stands the address of who told (ip(7)). */
struct sock_extended_err {
	uint32_t error; /* a positive errno */
	uint8_t origin, type, code, pad;
	uint32_t info, data;
};
static_assert(sizeof(struct sock_extended_err) == 16);
enum : uint8_t { SO_EE_ORIGIN_NONE, SO_EE_ORIGIN_LOCAL, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6 };

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

/* struct tcp_info, as far as it is known here; times in microseconds. */
struct tcp_info {
	uint8_t state, ca_state, retransmits, probes, backoff, options, scales, rate_limited;
	uint32_t rto, ato, send_mss, receive_mss;
	uint32_t unacked, sacked, lost, retransmitted, fackets;
	uint32_t last_data_sent, last_ack_sent, last_data_received, last_ack_received;
	uint32_t pmtu, receive_ssthresh, rtt, rtt_variation, send_ssthresh, send_window, advertised_mss, reordering;
	uint32_t receive_rtt, receive_space, total_retransmits;
};
static_assert(sizeof(struct tcp_info) == 104);

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
struct in_pktinfo {
	int32_t interface;
	uint32_t own, to; /* the address of this machine that it came to; the one in its header */
};
static_assert(sizeof(struct in_pktinfo) == 12);
struct in6_pktinfo {
	uint32_t address[4];
	uint32_t interface;
};
static_assert(sizeof(struct in6_pktinfo) == 20);
struct ipv6_mreq {
	uint32_t group[4];
	uint32_t interface;
};
static_assert(sizeof(struct ipv6_mreq) == 20);
struct group_req {
	uint32_t interface, hole;
	uint8_t group[128]; /* an address of a socket */
};
static_assert(sizeof(struct group_req) == 136);
constexpr uint32_t SOCKADDR_IN6_LEAST = 24; /* without the scope (RFC 2133) */

#endif
