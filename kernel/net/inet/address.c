/* SPDX-License-Identifier: MIT */
/* Addresses of processes (ip(7), ipv6(7)) and lwIP's. On a socket of AF_INET6 version 4 looks like ::ffff:a.b.c.d. */
#include "inet.h"

enum : uint16_t { PORTS_OF_ROOT = 1024 };

static bool is_mapped(const struct sockaddr_in6 *a)
{
	return a->address[0] == 0 && a->address[1] == 0 && a->address[2] == PP_HTONL(0xffff);
}

static int get4(const struct socket_address *a, ip_addr_t *out, uint16_t *port)
{
	struct sockaddr_in in;

	if (a->length < sizeof(in))
		return -EINVAL;
	memcpy(&in, a->bytes, sizeof(in));
	ip_addr_set_zero_ip4(out);
	if (in.family != AF_INET && !(in.family == AF_UNSPEC && in.address == 0))
		return -EAFNOSUPPORT;
	ip4_addr_set_u32(ip_2_ip4(out), in.address);
	*port = lwip_ntohs(in.port);
	return 0;
}

static int get6(const struct inet_socket *i, const struct socket_address *a, bool any, ip_addr_t *out, uint16_t *port)
{
	struct sockaddr_in6 in = {};

	if (a->length < SOCKADDR_IN6_LEAST)
		return -EINVAL;
	memcpy(&in, a->bytes, MIN((size_t)a->length, sizeof(in)));
	if (in.family != AF_INET6)
		return -EAFNOSUPPORT;
	*port = lwip_ntohs(in.port);
	if (is_mapped(&in)) {
		ip_addr_set_zero_ip4(out);
		ip4_addr_set_u32(ip_2_ip4(out), in.address[3]);
		return i->v6_only ? -ENETUNREACH : 0;
	}
	ip_addr_set_zero_ip6(out);
	memcpy(ip_2_ip6(out)->addr, in.address, sizeof(in.address));
	if (ip6_addr_has_scope(ip_2_ip6(out), IP6_UNKNOWN))
		ip6_addr_set_zone(ip_2_ip6(out), (u8_t)in.scope);
	if (ip6_addr_isany(ip_2_ip6(out))) {
		if (any && !i->v6_only)
			*out = *IP_ANY_TYPE;
		else if (!any) /* to nobody: to oneself, as BSD has it */
			IP_ADDR6_HOST(out, 0, 0, 0, 1);
	}
	return 0;
}

int inet_address_get(const struct inet_socket *i, const struct socket_address *a, bool any, ip_addr_t *out,
		     uint16_t *port)
{
	if (i->socket.family == AF_INET6)
		return get6(i, a, any, out, port);
	int error = get4(a, out, port);
	if (error == 0 && !any && ip4_addr_isany(ip_2_ip4(out)))
		IP_ADDR4(out, 127, 0, 0, 1);
	return error;
}

void inet_address_put(const struct inet_socket *i, const ip_addr_t *ip, uint16_t port, struct socket_address *out)
{
	memset(out->bytes, 0, sizeof(out->bytes));
	if (i->socket.family == AF_INET) {
		struct sockaddr_in in = {.family = AF_INET, .port = lwip_htons(port)};

		if (IP_IS_V4(ip))
			in.address = ip4_addr_get_u32(ip_2_ip4(ip));
		memcpy(out->bytes, &in, sizeof(in));
		out->length = sizeof(in);
		return;
	}
	struct sockaddr_in6 in = {.family = AF_INET6, .port = lwip_htons(port)};

	if (IP_IS_V4(ip)) {
		in.address[2] = PP_HTONL(0xffff);
		in.address[3] = ip4_addr_get_u32(ip_2_ip4(ip));
	} else if (IP_IS_V6_VAL(*ip)) {
		memcpy(in.address, ip_2_ip6(ip)->addr, sizeof(in.address));
		in.scope = ip6_addr_zone(ip_2_ip6(ip));
	}
	memcpy(out->bytes, &in, sizeof(in));
	out->length = sizeof(in);
}

int inet_may_bind(const ip_addr_t *ip, uint16_t port)
{
	if (port != 0 && port < PORTS_OF_ROOT && !capable(CAP_NET_BIND_SERVICE))
		return -EACCES;
	if (ip_addr_isany(ip) || ip_addr_ismulticast(ip))
		return 0;
	return inet_is_local(ip) ? 0 : -EADDRNOTAVAIL;
}

const ip_addr_t *inet_any(const struct inet_socket *i)
{
	return i->socket.family == AF_INET ? IP4_ADDR_ANY : i->v6_only ? IP6_ADDR_ANY : IP_ANY_TYPE;
}
