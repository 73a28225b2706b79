/* SPDX-License-Identifier: MIT */
/*
 * NETLINK_ROUTE (rtnetlink(7)): what ip(8) and C libraries ask of interfaces, addresses, routes and neighbours, and
 * set. What the files of it share. A request is checked as a whole before anything changes; what cannot be had is
 * refused.
 */
#ifndef KERNEL_NET_INET_RTNETLINK_H
#define KERNEL_NET_INET_RTNETLINK_H

#include "interface.h"
#include <abi/rtnetlink.h>
#include <kernel/net/netlink.h>

/* A request behind netlink's header: its fixed part, of which what the process left out is 0 (in questions for all
 * there is), and its attributes. */
struct rt_request {
	const struct netlink_message *message;
	bool is_dump;
	uint8_t family;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
		struct ndmsg neighbour;
	};
	struct netlink_attribute attributes[IFLA_END];
	struct netlink_out *out;
};
static_assert(IFLA_END > IFA_END && IFLA_END > RTA_END && IFLA_END > NDA_END);
static inline bool rt_has(const struct rt_request *r, uint16_t type)
{
	return r->attributes[type].data != nullptr;
}
/* Reads the request's fixed part of n bytes and attributes. -EINVAL. */
[[nodiscard]] int rt_parse(struct rt_request *r, size_t n);
/* The IPv4 address of an attribute; *out stays if it is not there. -EINVAL. */
[[nodiscard]] int rt_address4(const struct rt_request *r, uint16_t type, ip4_addr_t *out);
[[nodiscard]] int rt_address6(const struct rt_request *r, uint16_t type, ip6_addr_t *out);
void rt_put_ip4(struct netlink_writer *w, uint16_t type, const ip4_addr_t *a);
void rt_put_ip6(struct netlink_writer *w, uint16_t type, const ip6_addr_t *a);
/* The interface of a number, or nullptr. */
struct netif *rt_interface(uint32_t index) REQUIRES(inet_core);
ip4_addr_t rt_mask(uint32_t prefix); /* prefix: at most 32 */
uint32_t rt_prefix(const ip4_addr_t *mask);

/* The answers to each kind's requests; `set` of those that change something. */
int rt_get_link(struct rt_request *r);
int rt_set_link(struct rt_request *r);
int rt_get_address(struct rt_request *r);
int rt_set_address(struct rt_request *r);
int rt_get_route(struct rt_request *r);
int rt_set_route(struct rt_request *r);
int rt_get_neighbour(struct rt_request *r);
int rt_set_neighbour(struct rt_request *r);

/* News for groups. */
void rt_tell_link(const struct netdev_info *i, struct netdev *n, bool gone) REQUIRES(inet_core);
void rt_tell_route(const struct inet_route_entry *e, bool gone) REQUIRES(inet_core);
void rt_start(void) REQUIRES(inet_core);

/* lwIP begins anew (start.c): neighbours that were set, and what is told of addresses. */
void rt_renew_neighbours(void) REQUIRES(inet_core);
void rt_renew(void) REQUIRES(inet_core);

#endif
