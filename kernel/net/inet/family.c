/* SPDX-License-Identifier: MIT */
/* AF_INET and AF_INET6 in the table of families: which socket a type and a protocol make. */
#include "inet.h"

static int create_raw(int family, uint32_t type, int protocol, struct socket **out)
{
	if (type == SOCK_RAW && !capable(CAP_NET_RAW))
		return -EPERM;
	return raw_create(family, type, protocol, out);
}

static int create(int family, uint32_t type, int protocol, struct socket **out)
{
	int icmp = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (protocol < 0 || protocol > BYTE_MAX)
		return -EINVAL;
	switch (type) {
	case SOCK_STREAM:
		return protocol == 0 || protocol == IPPROTO_TCP ? stream_create(family, out) : -EPROTONOSUPPORT;
	case SOCK_DGRAM:
		if (protocol == 0 || protocol == IPPROTO_UDP)
			return udp_create(family, out);
		return protocol == icmp ? create_raw(family, type, protocol, out) : -EPROTONOSUPPORT;
	case SOCK_RAW: return create_raw(family, type, protocol, out);
	default: return -ESOCKTNOSUPPORT;
	}
}

static int create4(uint32_t type, int protocol, struct socket **out)
{
	return create(AF_INET, type, protocol, out);
}

static int create6(uint32_t type, int protocol, struct socket **out)
{
	return create(AF_INET6, type, protocol, out);
}
SOCKET_FAMILY(inet, .family = AF_INET, .create = create4);
SOCKET_FAMILY(inet6, .family = AF_INET6, .create = create6);
