/* SPDX-License-Identifier: MIT */
/* Routes and neighbours by NETLINK_ROUTE (rtnetlink.h). Routes of IPv6 are those that were advertised, and cannot be
 * set. */
#include "rtnetlink.h"

#include "lwip/lwip_hooks.h"

#include <lwip/etharp.h>
#include <lwip/priv/nd6_priv.h>

enum : uint32_t { RTM_F_CLONED = 0x200, RTNH_F_ONLINK = 4, PREFIX6 = 64, METRIC_PREFIX = 256, METRIC_ROUTER = 1024 };

/* --- what there is --- */

static struct netlink_writer *begin(struct netlink_out *o, uint16_t type, const struct rtmsg *m, const struct netif *n)
{
	struct netlink_writer *w = netlink_out_begin(o, type, m, sizeof(*m));

	netlink_put_u32(w, RTA_TABLE, m->table);
	netlink_put_u32(w, RTA_OIF, netif_get_index(n));
	return w;
}

/* The network of an interface's address, or the address itself. */
static void put_own4(struct netlink_out *o, const struct netif *n, bool is_local)
{
	const ip4_addr_t *own = netif_ip4_addr(n), *mask = netif_ip4_netmask(n);
	const ip4_addr_t to = {.addr = own->addr & (is_local ? UINT32_MAX : mask->addr)};
	const struct rtmsg m = {.family = AF_INET,
				.to_prefix = (uint8_t)(is_local ? 32 : rt_prefix(mask)),
				.table = is_local ? RT_TABLE_LOCAL : RT_TABLE_MAIN,
				.protocol = RTPROT_KERNEL,
				.scope = is_local ? RT_SCOPE_HOST : RT_SCOPE_LINK,
				.type = is_local ? RTN_LOCAL : RTN_UNICAST};

	struct netlink_writer *w = begin(o, RTM_NEWROUTE, &m, n);
	rt_put_ip4(w, RTA_DST, &to);
	rt_put_ip4(w, RTA_PREFSRC, own);
	netlink_out_end(o);
}

static void put_entry(struct netlink_out *o, uint16_t type, const struct inet_route_entry *e)
{
	bool on_link = ip4_addr_isany(&e->gateway);
	const struct rtmsg m = {.family = AF_INET,
				.to_prefix = (uint8_t)rt_prefix(&e->mask),
				.table = RT_TABLE_MAIN,
				.protocol = e->protocol != 0 ? e->protocol : RTPROT_BOOT,
				.scope = on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
				.type = RTN_UNICAST};

	struct netlink_writer *w = begin(o, type, &m, e->interface);
	if (m.to_prefix > 0)
		rt_put_ip4(w, RTA_DST, &e->to);
	if (!on_link)
		rt_put_ip4(w, RTA_GATEWAY, &e->gateway);
	if (e->metric != 0)
		netlink_put_u32(w, RTA_PRIORITY, e->metric);
	netlink_out_end(o);
}

static void put_all4(struct netlink_out *o) REQUIRES(inet_core)
{
	struct inet_route_entry *e;
	struct netif *n;

	list_for_each(e, &inet_routes, link)
		put_entry(o, RTM_NEWROUTE, e);
	NETIF_FOREACH(n)
	{
		if (!netif_is_up(n) || ip4_addr_isany(netif_ip4_addr(n)))
			continue;
		if (n != &inet_lo && rt_prefix(netif_ip4_netmask(n)) < 32)
			put_own4(o, n, false);
		put_own4(o, n, true);
	}
}

/* gateway nullptr: to the network, or address, `to` on the link. */
static void put6(struct netlink_out *o, const struct netif *n, const ip6_addr_t *to, const ip6_addr_t *gateway,
		 struct rtmsg m, uint32_t metric)
{
	ip6_addr_t network = {};

	m.family = AF_INET6;
	m.type = m.table == RT_TABLE_LOCAL ? RTN_LOCAL : RTN_UNICAST;
	struct netlink_writer *w = begin(o, RTM_NEWROUTE, &m, n);
	if (to != nullptr) {
		network = *to;
		if (m.to_prefix == PREFIX6)
			network.addr[2] = network.addr[3] = 0;
		rt_put_ip6(w, RTA_DST, &network);
	}
	if (gateway != nullptr)
		rt_put_ip6(w, RTA_GATEWAY, gateway);
	netlink_put_u32(w, RTA_PRIORITY, metric);
	netlink_out_end(o);
}

static void put_all6(struct netlink_out *o) REQUIRES(inet_core)
{
	const struct rtmsg network = {.to_prefix = PREFIX6, .table = RT_TABLE_MAIN, .protocol = RTPROT_KERNEL};
	const struct rtmsg own = {.to_prefix = 128, .table = RT_TABLE_LOCAL, .protocol = RTPROT_KERNEL};
	const struct rtmsg router = {.table = RT_TABLE_MAIN, .protocol = RTPROT_RA};
	struct netif *n;

	NETIF_FOREACH(n)
	{
		for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES && netif_is_up(n); i++) {
			if (!ip6_addr_isvalid(netif_ip6_addr_state(n, i)))
				continue;
			if (n != &inet_lo)
				put6(o, n, netif_ip6_addr(n, i), nullptr, network, METRIC_PREFIX);
			put6(o, n, netif_ip6_addr(n, i), nullptr, own, 0);
		}
	}
	for (int i = 0; i < LWIP_ND6_NUM_ROUTERS; i++) {
		const struct nd6_neighbor_cache_entry *e = default_router_list[i].neighbor_entry;

		if (e != nullptr && e->netif != nullptr)
			put6(o, e->netif, nullptr, &e->next_hop_address, router, METRIC_ROUTER);
	}
}

/* The way to one address (ip-route(8), "get"). */
static int get_one(struct rt_request *r) REQUIRES(inet_core)
{
	bool v6 = r->family == AF_INET6;
	ip_addr_t to = {}, source, any;
	struct netif *n;

	ip_addr_set_any(v6, &any);
	IP_SET_TYPE(&to, v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	int error = v6 ? rt_address6(r, RTA_DST, ip_2_ip6(&to)) : rt_address4(r, RTA_DST, ip_2_ip4(&to));
	if (error != 0 || !rt_has(r, RTA_DST))
		return -EINVAL;
	error = inet_route(0, &any, &to, &n, &source);
	if (error != 0)
		return error;
	const struct rtmsg m = {.family = r->family,
				.to_prefix = v6 ? 128 : 32,
				.table = n == &inet_lo ? RT_TABLE_LOCAL : RT_TABLE_MAIN,
				.type = n == &inet_lo ? RTN_LOCAL : RTN_UNICAST,
				.flags = RTM_F_CLONED};
	struct netlink_writer *w = begin(r->out, RTM_NEWROUTE, &m, n);
	if (v6) {
		rt_put_ip6(w, RTA_DST, ip_2_ip6(&to));
		rt_put_ip6(w, RTA_PREFSRC, ip_2_ip6(&source));
	} else {
		const ip4_addr_t *gateway = inet_route_gateway4(n, ip_2_ip4(&to));

		rt_put_ip4(w, RTA_DST, ip_2_ip4(&to));
		if (n != &inet_lo && !ip4_addr_eq(gateway, ip_2_ip4(&to)))
			rt_put_ip4(w, RTA_GATEWAY, gateway);
		rt_put_ip4(w, RTA_PREFSRC, ip_2_ip4(&source));
	}
	netlink_out_end(r->out);
	return 0;
}

int rt_get_route(struct rt_request *r)
{
	int error = rt_parse(r, sizeof(r->route));

	if (error != 0)
		return error;
	if (!r->is_dump && r->family != AF_INET && r->family != AF_INET6)
		return -EAFNOSUPPORT;
	inet_core_lock();
	if (!r->is_dump)
		error = get_one(r);
	if (r->is_dump && (r->family == AF_UNSPEC || r->family == AF_INET))
		put_all4(r->out);
	if (r->is_dump && (r->family == AF_UNSPEC || r->family == AF_INET6))
		put_all6(r->out);
	inet_core_unlock();
	return error;
}

/* --- setting --- */

/* One of the main table, to one way, of which nothing else is said. */
static int check(const struct rt_request *r)
{
	const struct rtmsg *m = &r->route;
	uint32_t table = m->table;

	if (m->to_prefix > 32 || !netlink_u32(&r->attributes[RTA_TABLE], &table))
		return -EINVAL;
	if (m->from_prefix != 0 || m->tos != 0 || rt_has(r, RTA_SRC) || rt_has(r, RTA_METRICS) ||
	    rt_has(r, RTA_MULTIPATH))
		return -EOPNOTSUPP;
	if (table != RT_TABLE_MAIN && table != RT_TABLE_UNSPEC)
		return -EOPNOTSUPP;
	return m->type == RTN_UNICAST || m->type == RTN_UNSPEC ? 0 : -EOPNOTSUPP;
}

static int take(const struct rt_request *r, struct inet_route_entry *e) REQUIRES(inet_core)
{
	uint32_t index = 0;
	ip_addr_t source = {};

	*e = (struct inet_route_entry){.mask = rt_mask(r->route.to_prefix), .protocol = r->route.protocol};
	if (rt_address4(r, RTA_DST, &e->to) != 0 || rt_address4(r, RTA_GATEWAY, &e->gateway) != 0 ||
	    rt_address4(r, RTA_PREFSRC, ip_2_ip4(&source)) != 0 ||
	    !netlink_u32(&r->attributes[RTA_PRIORITY], &e->metric) || !netlink_u32(&r->attributes[RTA_OIF], &index) ||
	    e->to.addr & ~e->mask.addr)
		return -EINVAL;
	if (index != 0 && (e->interface = rt_interface(index)) == nullptr)
		return -ENODEV;
	IP_SET_TYPE(&source, IPADDR_TYPE_V4);
	/* A packet has its interface's address in any case. */
	if (rt_has(r, RTA_PREFSRC) && !inet_is_local(&source))
		return -EINVAL;
	return 0;
}

/* Who is to hand on is a neighbour. */
static int check_gateway(const struct rt_request *r, struct inet_route_entry *e) REQUIRES(inet_core)
{
	if (ip4_addr_isany(&e->gateway))
		return e->interface == nullptr ? -ENODEV : netif_is_up(e->interface) ? 0 : -ENETDOWN;
	struct netif *n = inet_hook_route4(nullptr, &e->gateway);
	if (r->route.flags & RTNH_F_ONLINK && e->interface != nullptr)
		return netif_is_up(e->interface) ? 0 : -ENETDOWN;
	if (n == nullptr || n == &inet_lo || (e->interface != nullptr && e->interface != n) ||
	    !ip4_addr_eq(inet_route_gateway4(n, &e->gateway), &e->gateway))
		return -ENETUNREACH;
	e->interface = n;
	return 0;
}

static int add(const struct rt_request *r, struct inet_route_entry *e) REQUIRES(inet_core)
{
	uint16_t flags = r->message->header.flags;
	struct inet_route_entry *old;

	int error = check_gateway(r, e);
	if (error != 0)
		return error;
	old = inet_route_exact(e);
	if (old == nullptr && !(flags & NLM_F_CREATE))
		return -ENOENT;
	if (old != nullptr && flags & NLM_F_REPLACE && !(flags & NLM_F_EXCL)) {
		/* In its place, which cannot fail: there is one or the other at any time. */
		old->gateway = e->gateway;
		old->interface = e->interface;
		old->protocol = e->protocol;
	} else {
		error = inet_route_add(e);
	}
	if (error == 0)
		rt_tell_route(e, false);
	return error;
}

static int remove(struct inet_route_entry *e) REQUIRES(inet_core)
{
	struct inet_route_entry *old = inet_route_find(e);

	if (old == nullptr)
		return -ESRCH;
	rt_tell_route(old, true);
	return inet_route_remove(old);
}

int rt_set_route(struct rt_request *r)
{
	struct inet_route_entry e;

	int error = rt_parse(r, sizeof(r->route));
	if (error == 0 && r->family != AF_INET)
		error = r->family == AF_INET6 ? -EOPNOTSUPP : -EAFNOSUPPORT;
	if (error == 0)
		error = check(r);
	if (error != 0)
		return error;
	inet_core_lock();
	error = take(r, &e);
	if (error == 0)
		error = r->message->header.type == RTM_NEWROUTE ? add(r, &e) : remove(&e);
	inet_core_unlock();
	return error;
}

void rt_tell_route(const struct inet_route_entry *e, bool gone)
{
	struct netlink_out o;

	if (!netlink_is_heard(RTNLGRP_IPV4_ROUTE))
		return;
	netlink_out_init(&o);
	put_entry(&o, gone ? RTM_DELROUTE : RTM_NEWROUTE, e);
	netlink_notify(RTNLGRP_IPV4_ROUTE, &o);
}

/* --- neighbours --- */

static struct netlink_writer *begin_neighbour(struct rt_request *r, uint8_t family, const struct netif *n,
					      uint16_t state, uint8_t flags)
{
	const struct ndmsg m = {
		.family = family, .index = netif_get_index(n), .state = state, .flags = flags, .type = RTN_UNICAST};

	return netlink_out_begin(r->out, RTM_NEWNEIGH, &m, sizeof(m));
}

static void put_neighbours4(struct rt_request *r) REQUIRES(inet_core)
{
	struct eth_addr *mac;
	struct netif *n;
	ip4_addr_t *ip;

	for (size_t i = 0; i < ARP_TABLE_SIZE; i++) {
		if (etharp_get_entry(i, &ip, &n, &mac) == 0)
			continue;
		struct netlink_writer *w = begin_neighbour(r, AF_INET, n, NUD_REACHABLE, 0);
		rt_put_ip4(w, NDA_DST, ip);
		netlink_put(w, NDA_LLADDR, mac->addr, sizeof(mac->addr));
		netlink_out_end(r->out);
	}
}

static void put_neighbours6(struct rt_request *r) REQUIRES(inet_core)
{
	static const uint16_t states[] = {[ND6_INCOMPLETE] = NUD_INCOMPLETE,
					  [ND6_REACHABLE] = NUD_REACHABLE,
					  [ND6_STALE] = NUD_STALE,
					  [ND6_DELAY] = NUD_DELAY,
					  [ND6_PROBE] = NUD_PROBE};

	for (size_t i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
		const struct nd6_neighbor_cache_entry *e = &neighbor_cache[i];

		if (e->state == ND6_NO_ENTRY || e->state > ND6_PROBE || e->netif == nullptr)
			continue;
		struct netlink_writer *w =
			begin_neighbour(r, AF_INET6, e->netif, states[e->state], e->isrouter ? NTF_ROUTER : 0);
		rt_put_ip6(w, NDA_DST, &e->next_hop_address);
		if (e->state != ND6_INCOMPLETE)
			netlink_put(w, NDA_LLADDR, e->lladdr, NETDEV_ADDRESS);
		netlink_out_end(r->out);
	}
}

int rt_get_neighbour(struct rt_request *r)
{
	int error = rt_parse(r, sizeof(r->neighbour));

	if (error != 0)
		return error;
	if (!r->is_dump)
		return -EOPNOTSUPP;
	inet_core_lock();
	if (r->family == AF_UNSPEC || r->family == AF_INET)
		put_neighbours4(r);
	if (r->family == AF_UNSPEC || r->family == AF_INET6)
		put_neighbours6(r);
	inet_core_unlock();
	return 0;
}

/* Those that were set: lwIP has them, too, and may forget (start.c). */
static struct {
	ip4_addr_t ip; /* 0: none */
	struct eth_addr mac;
} permanent[ARP_TABLE_SIZE] GUARDED_BY(inet_core);

static void note_permanent(const ip4_addr_t *ip, const struct eth_addr *mac, bool adds) REQUIRES(inet_core)
{
	size_t at = 0, end = sizeof(permanent) / sizeof(permanent[0]), free = end;

	for (; at < end && !ip4_addr_eq(&permanent[at].ip, ip); at++)
		if (free == end && ip4_addr_isany_val(permanent[at].ip))
			free = at;
	at = at == end && adds ? free : at;
	if (at == end)
		return;
	permanent[at].mac = *mac;
	permanent[at].ip = adds ? *ip : (ip4_addr_t){};
}

void rt_renew_neighbours(void)
{
	for (size_t i = 0; i < sizeof(permanent) / sizeof(permanent[0]); i++)
		if (!ip4_addr_isany_val(permanent[i].ip))
			(void)etharp_add_static_entry(&permanent[i].ip, &permanent[i].mac);
}

/* Those of IPv4 that stay; others are found out. */
int rt_set_neighbour(struct rt_request *r)
{
	bool adds = r->message->header.type == RTM_NEWNEIGH;
	const struct netlink_attribute *a;
	struct eth_addr mac = {};
	ip4_addr_t ip = {};

	int error = rt_parse(r, sizeof(r->neighbour));
	if (error != 0)
		return error;
	if (r->family != AF_INET || (adds && r->neighbour.state != NUD_PERMANENT))
		return -EOPNOTSUPP;
	a = &r->attributes[NDA_LLADDR];
	if (rt_address4(r, NDA_DST, &ip) != 0 || ip4_addr_isany(&ip) ||
	    (adds && (a->data == nullptr || a->length != sizeof(mac.addr))))
		return -EINVAL;
	if (adds)
		memcpy(mac.addr, a->data, sizeof(mac.addr));
	inet_core_lock();
	struct netif *n = rt_interface((uint32_t)r->neighbour.index);
	if (n == nullptr)
		error = -ENODEV;
	else if (n == &inet_lo)
		error = -EOPNOTSUPP; /* nobody has an address of hardware there, and lwIP takes it for a bug */
	else if (adds && inet_hook_route4(nullptr, &ip) != n)
		error = -ENETUNREACH;
	else if (adds)
		error = inet_errno(etharp_add_static_entry(&ip, &mac));
	else
		error = etharp_remove_static_entry(&ip) == ERR_OK ? 0 : -ENOENT;
	if (error == 0)
		note_permanent(&ip, &mac, adds);
	inet_core_unlock();
	return error;
}
