/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces as TCP/IP has them: lwIP's record of each (`lo`, and one for each of netdev's), its addresses, and
 * the routes by them. All under inet_core. An interface of netdev's outlives its driver, and so do its addresses.
 */
#ifndef KERNEL_NET_INET_INTERFACE_H
#define KERNEL_NET_INET_INTERFACE_H

#include "inet.h"
#include <kernel/netdev/netdev.h>

/* --- interface.c --- */
/* Once: netdev tells of its interfaces from now on. */
void inet_interfaces_start(void);
/* What the thread does when netdev told of something: takes what has arrived, a batch of each interface, and looks at
 * what changed. True: there is more. */
[[nodiscard]] bool inet_interfaces_run(void);
/* lwIP begins anew (start.c): what each interface has is kept, and given to the record that it gets. */
void inet_interfaces_keep(void) REQUIRES(inet_core);
void inet_interfaces_give(void) REQUIRES(inet_core);
/* By a name; nullptr: there is none. */
struct netif *inet_interface_find(const char *name) REQUIRES(inet_core);
/* What netdev says of it. */
void inet_interface_info(const struct netif *n, struct netdev_info *out) REQUIRES(inet_core);
/* netdev's, borrowed. */
struct netdev *inet_interface_device(const struct netif *n) REQUIRES(inet_core);
/* Those of IFF_UP, IFF_PROMISC and IFF_ALLMULTI that are in `which` are as in `flags`; others cannot be set. -ENODEV.
 */
int inet_interface_set_flags(struct netif *n, uint32_t flags, uint32_t which) REQUIRES(inet_core);
/* IFF_*, as Linux shows them: promiscuous is who was set so by the above; that sockets want it is not told. */
uint32_t inet_interface_flags(const struct netdev_info *i);
/* It is as netdev says, at once. */
void inet_interface_sync(struct netif *n) REQUIRES(inet_core);

/* --- lo.c --- */
extern struct netdev *inet_lo_device;
/* Once, before inet_lo_start, without the core: netdev knows it. */
[[nodiscard]] int inet_lo_register(void);
/* A frame that somebody else than the stack sent there, which it frees. */
void inet_lo_receive(struct net_frame *f) REQUIRES(inet_core);

/* --- route.c --- */
struct inet_route_entry {
	struct list link;
	ip4_addr_t to, mask, gateway; /* gateway 0: on the link */
	uint32_t metric;
	uint8_t protocol; /* who set it: RTPROT_* of rtnetlink(7); 0: not said */
	struct netif *interface;
};
extern struct list inet_routes GUARDED_BY(inet_core);
/* -EEXIST, -ENOBUFS: as many as may be; -ENETUNREACH: no interface leads to the gateway; -ENOMEM. interface nullptr:
 * the one that leads to the gateway. */
[[nodiscard]] int inet_route_add(const struct inet_route_entry *r) REQUIRES(inet_core);
/* -ESRCH. What is 0 of gateway, metric and interface is any. */
[[nodiscard]] int inet_route_remove(const struct inet_route_entry *r) REQUIRES(inet_core);
/* Borrowed; what is 0 is any, as above. nullptr. */
struct inet_route_entry *inet_route_find(const struct inet_route_entry *r) REQUIRES(inet_core);
/* The one to that network with that metric, of which there are no two. Borrowed; nullptr. */
struct inet_route_entry *inet_route_exact(const struct inet_route_entry *r) REQUIRES(inet_core);
/* Whom a packet to the address is handed to on that interface. Borrowed, until the next call. */
const ip4_addr_t *inet_route_gateway4(struct netif *n, const ip4_addr_t *to) REQUIRES(inet_core);
void inet_routes_forget(const struct netif *n) REQUIRES(inet_core);

#endif
