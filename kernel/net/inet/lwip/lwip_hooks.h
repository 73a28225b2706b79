/* SPDX-License-Identifier: MIT */
/* Where lwIP asks us (LWIP_HOOK_* of lwip/lwipopts.h). Under the core lock. */
#ifndef INET_LWIP_HOOKS_H
#define INET_LWIP_HOOKS_H

struct netif;
struct ip4_addr;
struct ip6_addr;

/* The interface to an address; nullptr: as lwIP finds it. */
struct netif *inet_hook_route4(const struct ip4_addr *to);
struct netif *inet_hook_route6(const struct ip6_addr *from, const struct ip6_addr *to);

#define LWIP_HOOK_IP4_ROUTE(to)	      inet_hook_route4(to)
#define LWIP_HOOK_IP6_ROUTE(from, to) inet_hook_route6(from, to)

#endif
