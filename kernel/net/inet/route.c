/* SPDX-License-Identifier: MIT */
/*
 * Routes of IPv4 (lwIP has none): to an address of this machine over `lo`, else by the longest prefix among the
 * interfaces' own networks and the routes that were added, and of several the lowest metric. IPv6 goes as lwIP finds
 * it, by prefixes and routers that were advertised.
 */
#include "interface.h"

#include "lwip/lwip_hooks.h"

#include <lwip/ip6.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/prot/tcp.h>

enum : uint32_t { ROUTES_MAX = 1024 };

struct list inet_routes = LIST_INIT(inet_routes);
static uint32_t route_count GUARDED_BY(inet_core);

/* `lo` has all of its network (RFC 1122, 3.2.1.3: any address of 127 is this machine's). */
bool inet_is_local(const ip_addr_t *a)
{
	struct netif *n;

	NETIF_FOREACH(n)
	{
		if (!netif_is_up(n))
			continue;
		if (IP_IS_V6(a)) {
			if (netif_get_ip6_addr_match(n, ip_2_ip6(a)) >= 0)
				return true;
		} else if (ip4_addr_isany(ip_2_ip4(a)) || ip4_addr_isbroadcast(ip_2_ip4(a), n)) {
			continue;
		} else if (ip4_addr_eq(ip_2_ip4(a), netif_ip4_addr(n)) ||
			   (n == &inet_lo && ip4_addr_net_eq(ip_2_ip4(a), netif_ip4_addr(n), netif_ip4_netmask(n)))) {
			return true;
		}
	}
	return false;
}

static bool is_usable(const struct netif *n)
{
	return netif_is_up(n) && netif_is_link_up(n);
}

static int prefix_of(const ip4_addr_t *mask)
{
	return __builtin_popcount(ip4_addr_get_u32(mask));
}

/* The interface, and the gateway there (0: none); nullptr: nothing leads to it. */
static struct netif *find4(const ip4_addr_t *to, ip4_addr_t *gateway) REQUIRES(inet_core)
{
	struct netif *n, *best = nullptr;
	struct inet_route_entry *r;
	int longest = -1;
	uint32_t metric = 0;

	ip4_addr_set_any(gateway);
	NETIF_FOREACH(n)
	{
		const ip4_addr_t *mask = netif_ip4_netmask(n);

		if (is_usable(n) && !ip4_addr_isany(netif_ip4_addr(n)) &&
		    ip4_addr_net_eq(to, netif_ip4_addr(n), mask) && prefix_of(mask) > longest) {
			best = n;
			longest = prefix_of(mask);
		}
	}
	list_for_each(r, &inet_routes, link) {
		int prefix = prefix_of(&r->mask);

		if (!is_usable(r->interface) || !ip4_addr_net_eq(to, &r->to, &r->mask) || prefix < longest)
			continue;
		if (prefix == longest && (metric <= r->metric))
			continue;
		best = r->interface;
		longest = prefix;
		metric = r->metric;
		*gateway = r->gateway;
	}
	return best;
}

struct netif *inet_hook_route4(const ip4_addr_t *, const ip4_addr_t *to) NO_THREAD_SAFETY
{
	ip4_addr_t gateway;
	ip_addr_t a;

	ip_addr_copy_from_ip4(a, *to);
	return inet_is_local(&a) ? &inet_lo : find4(to, &gateway);
}

const ip4_addr_t *inet_route_gateway4(struct netif *n, const ip4_addr_t *to)
{
	return inet_hook_gateway4(n, to);
}

const ip4_addr_t *inet_hook_gateway4(struct netif *n, const ip4_addr_t *to) NO_THREAD_SAFETY
{
	static ip4_addr_t gateway GUARDED_BY(inet_core);

	if (find4(to, &gateway) != n || ip4_addr_isany(&gateway))
		gateway = *to; /* on the link */
	return &gateway;
}

struct netif *inet_hook_route6(const ip6_addr_t *, const ip6_addr_t *to) NO_THREAD_SAFETY
{
	ip_addr_t a;

	ip_addr_copy_from_ip6(a, *to);
	return inet_is_local(&a) ? &inet_lo : nullptr;
}

/* One that asks for a connection is brought to whose it is. lwIP looks whether it is whole, later. */
static void look_at_tcp(const struct netif *by, struct pbuf *p, size_t header, const ip_addr_t *from,
			const ip_addr_t *to) REQUIRES(inet_core)
{
	struct tcp_hdr h;

	if (pbuf_copy_partial(p, &h, sizeof(h), (u16_t)header) == sizeof(h) &&
	    (TCPH_FLAGS(&h) & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		stream_share(by, from, lwip_ntohs(h.src), to, lwip_ntohs(h.dest));
}

/* Who says on a wire that he is this machine is not (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3). */
int inet_hook_input4(struct pbuf *p, struct netif *n) NO_THREAD_SAFETY
{
	const struct ip_hdr *h = p->payload;
	ip_addr_t from, to;

	if (p->len < IP_HLEN)
		return 0;
	ip_addr_copy_from_ip4(from, h->src);
	ip_addr_copy_from_ip4(to, h->dest);
	if (IPH_PROTO(h) == IP_PROTO_TCP && !(IPH_OFFSET(h) & PP_HTONS(IP_OFFMASK)))
		look_at_tcp(n, p, IPH_HL_BYTES(h), &from, &to);
	if (n == &inet_lo || inet_lo_is_other())
		return 0;
	if (!ip4_addr_isloopback(ip_2_ip4(&from)) && !inet_is_local(&from))
		return 0;
	pbuf_free(p);
	return 1;
}

/* Addresses besides the loopback's may be another's, too: its neighbours are to find out. */
int inet_hook_input6(struct pbuf *p, struct netif *n) NO_THREAD_SAFETY
{
	const struct ip6_hdr *h = p->payload;
	ip_addr_t from, to;

	if (p->len < IP6_HLEN)
		return 0;
	ip_addr_copy_from_ip6_packed(from, h->src);
	ip_addr_copy_from_ip6_packed(to, h->dest);
	ip6_addr_assign_zone(ip_2_ip6(&to), IP6_UNKNOWN, n);
	if (IP6H_NEXTH(h) == IP6_NEXTH_TCP)
		look_at_tcp(n, p, IP6_HLEN, &from, &to);
	if (n == &inet_lo || inet_lo_is_other() || !ip6_addr_isloopback(ip_2_ip6(&from)))
		return 0;
	pbuf_free(p);
	return 1;
}

static bool is_address_of(const struct netif *n, const ip_addr_t *a)
{
	return n != nullptr && (IP_IS_V6(a) ? netif_get_ip6_addr_match((struct netif *)n, ip_2_ip6(a)) >= 0
					    : ip4_addr_eq(ip_2_ip4(a), netif_ip4_addr(n)));
}

int inet_route(uint8_t device, const ip_addr_t *bound, const ip_addr_t *to, struct netif **out, ip_addr_t *source)
{
	const ip_addr_t *from = IP_IS_V6(to) ? IP6_ADDR_ANY : IP4_ADDR_ANY;

	if (!ip_addr_isany(bound) && !ip_addr_ismulticast(bound) && IP_GET_TYPE(bound) == IP_GET_TYPE(to))
		from = bound;
	*out = device != 0 ? netif_get_by_index(device) : ip_route(from, to);
	/* What the device has itself it would ask its neighbours for in vain. */
	if (device != 0 && is_address_of(*out, to) && netif_is_up(*out))
		*out = &inet_lo;
	if (*out == nullptr || !netif_is_up(*out))
		return -ENETUNREACH;
	if (!ip_addr_isany(from))
		*source = *from;
	else if (inet_is_local(to) && !(IP_IS_V4(to) && ip_addr_isloopback(to)))
		*source = *to;
	else if (IP_IS_V4(to))
		ip_addr_copy_from_ip4(*source, *netif_ip4_addr(*out));
	else if ((from = ip6_select_source_address(*out, ip_2_ip6(to))) != nullptr)
		*source = *from;
	else
		return -EADDRNOTAVAIL;
	return 0;
}

/* --- the table --- */

static bool is_same_way(const struct inet_route_entry *a, const struct inet_route_entry *b)
{
	return ip4_addr_eq(&a->to, &b->to) && ip4_addr_eq(&a->mask, &b->mask);
}

int inet_route_add(const struct inet_route_entry *r)
{
	struct inet_route_entry *made;
	struct netif *n = r->interface;
	ip4_addr_t further;

	if (n == nullptr && !ip4_addr_isany(&r->gateway))
		n = find4(&r->gateway, &further);
	if (n == nullptr)
		return -ENETUNREACH;
	if (inet_route_exact(r) != nullptr)
		return -EEXIST;
	if (route_count == ROUTES_MAX)
		return -ENOBUFS;
	made = kmalloc(sizeof(*made));
	if (made == nullptr)
		return -ENOMEM;
	*made = *r;
	made->interface = n;
	list_init(&made->link);
	list_push_back(&inet_routes, &made->link);
	route_count++;
	return 0;
}

static void forget(struct inet_route_entry *r) REQUIRES(inet_core)
{
	list_remove(&r->link);
	route_count--;
	kfree(r);
}

struct inet_route_entry *inet_route_find(const struct inet_route_entry *r)
{
	struct inet_route_entry *other;

	list_for_each(other, &inet_routes, link) {
		if (!is_same_way(other, r) || (r->interface != nullptr && r->interface != other->interface))
			continue;
		if ((!ip4_addr_isany(&r->gateway) && !ip4_addr_eq(&r->gateway, &other->gateway)) ||
		    (r->metric != 0 && r->metric != other->metric))
			continue;
		return other;
	}
	return nullptr;
}

struct inet_route_entry *inet_route_exact(const struct inet_route_entry *r)
{
	struct inet_route_entry *other;

	list_for_each(other, &inet_routes, link) {
		if (is_same_way(other, r) && other->metric == r->metric)
			return other;
	}
	return nullptr;
}

int inet_route_remove(const struct inet_route_entry *r)
{
	struct inet_route_entry *e = inet_route_find(r);

	if (e == nullptr)
		return -ESRCH;
	forget(e);
	return 0;
}

void inet_routes_forget(const struct netif *n)
{
	struct inet_route_entry *r, *next;

	list_for_each_safe(r, next, &inet_routes, link) {
		if (r->interface == n)
			forget(r);
	}
}
