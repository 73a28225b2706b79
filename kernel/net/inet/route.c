/* SPDX-License-Identifier: MIT */
/* The way of a packet: to an address of this machine over `lo`, else as lwIP finds it by interfaces' networks. */
#include "inet.h"

#include "lwip/lwip_hooks.h"

#include <lwip/ip6.h>

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
		} else if (ip4_addr_eq(ip_2_ip4(a), netif_ip4_addr(n)) && !ip4_addr_isany(ip_2_ip4(a))) {
			return true;
		}
	}
	return false;
}

struct netif *inet_hook_route4(const ip4_addr_t *to) NO_THREAD_SAFETY
{
	ip_addr_t a;

	ip_addr_copy_from_ip4(a, *to);
	return inet_is_local(&a) ? &inet_lo : nullptr;
}

struct netif *inet_hook_route6(const ip6_addr_t *, const ip6_addr_t *to) NO_THREAD_SAFETY
{
	ip_addr_t a;

	ip_addr_copy_from_ip6(a, *to);
	return inet_is_local(&a) ? &inet_lo : nullptr;
}

int inet_route(const ip_addr_t *bound, const ip_addr_t *to, struct netif **out, ip_addr_t *source)
{
	const ip_addr_t *from = IP_IS_V6(to) ? IP6_ADDR_ANY : IP4_ADDR_ANY;

	if (!ip_addr_isany(bound) && IP_GET_TYPE(bound) == IP_GET_TYPE(to))
		from = bound;
	*out = ip_route(from, to);
	if (*out == nullptr || !netif_is_up(*out))
		return -ENETUNREACH;
	if (!ip_addr_isany(from))
		*source = *from;
	else if (inet_is_local(to))
		*source = *to;
	else if (IP_IS_V4(to))
		ip_addr_copy_from_ip4(*source, *netif_ip4_addr(*out));
	else if ((from = ip6_select_source_address(*out, ip_2_ip6(to))) != nullptr)
		*source = *from;
	else
		return -EADDRNOTAVAIL;
	return 0;
}
