/* SPDX-License-Identifier: MIT */
/* Where lwIP asks us (LWIP_HOOK_* of lwip/lwipopts.h). Under the core lock. */
#ifndef INET_LWIP_HOOKS_H
#define INET_LWIP_HOOKS_H

struct netif;
struct pbuf;
struct ip4_addr;
struct ip6_addr;

/* The interface to an address, whatever lwIP knows of interfaces' networks; nullptr: none (IPv6: as lwIP finds it). */
struct netif *inet_hook_route4(const struct ip4_addr *from, const struct ip4_addr *to);
struct netif *inet_hook_route6(const struct ip6_addr *from, const struct ip6_addr *to);
/* Whom a packet to an address beyond the interface's own network is handed to. */
const struct ip4_addr *inet_hook_gateway4(struct netif *n, const struct ip4_addr *to);

/* What came by an interface: other than 0: it was let go. */
int inet_hook_input4(struct pbuf *p, struct netif *n);
int inet_hook_input6(struct pbuf *p, struct netif *n);
#define LWIP_HOOK_IP4_INPUT(p, n) inet_hook_input4(p, n)
#define LWIP_HOOK_IP6_INPUT(p, n) inet_hook_input6(p, n)

/* Where a connection's numbers begin is nobody's to guess (RFC 6528). */
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) inet_lwip_random()

#define LWIP_HOOK_IP4_ROUTE_SRC(from, to)      inet_hook_route4(from, to)
#define LWIP_HOOK_IP6_ROUTE(from, to)	       inet_hook_route6(from, to)
#define LWIP_HOOK_ETHARP_GET_GW(interface, to) inet_hook_gateway4(interface, to)

#endif
