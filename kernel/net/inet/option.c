/* SPDX-License-Identifier: MIT */
/* Options of the levels of IP, IPv6 and UDP (ip(7), ipv6(7)). An unknown one is ENOPROTOOPT, and counted by who called.
 */
#include "inet.h"

#include <lwip/raw.h>
#include <lwip/udp.h>

/* What all records of lwIP begin with. */
static struct ip_pcb *record(struct inet_socket *i) REQUIRES(inet_core)
{
	return (struct ip_pcb *)datagram_of(&i->socket)->udp;
}

static bool is_bound(struct inet_socket *i) REQUIRES(inet_core)
{
	return i->socket.type == SOCK_DGRAM && i->socket.protocol == IPPROTO_UDP &&
	       datagram_of(&i->socket)->udp->local_port != 0;
}

static int set_v6_only(struct inet_socket *i, bool on) REQUIRES(inet_core)
{
	if (is_bound(i))
		return -EINVAL;
	i->v6_only = on;
	if (ip_addr_isany(&record(i)->local_ip))
		record(i)->local_ip = *inet_any(i);
	return 0;
}

static int set_hops(struct inet_socket *i, int32_t value) REQUIRES(inet_core)
{
	if (value == -1)
		value = UDP_TTL;
	if (value < 0 || value > BYTE_MAX)
		return -EINVAL;
	record(i)->ttl = (u8_t)value;
	return 0;
}

static int set4(struct inet_socket *i, int option, int32_t value) REQUIRES(inet_core)
{
	switch (option) {
	case IP_OPTION_TOS: record(i)->tos = (u8_t)value; return 0;
	case IP_OPTION_TTL: return value == 0 ? -EINVAL : set_hops(i, value);
	case IP_OPTION_HDRINCL:
		if (i->socket.type != SOCK_RAW)
			return -ENOPROTOOPT;
		datagram_of(&i->socket)->has_header = value != 0;
		if (value != 0)
			raw_set_flags(datagram_of(&i->socket)->raw, RAW_FLAGS_HDRINCL);
		else
			raw_clear_flags(datagram_of(&i->socket)->raw, RAW_FLAGS_HDRINCL);
		return 0;
	default: return -ENOPROTOOPT;
	}
}

static int set6(struct inet_socket *i, int option, int32_t value) REQUIRES(inet_core)
{
	if (i->socket.family != AF_INET6)
		return -ENOPROTOOPT;
	switch (option) {
	case IPV6_OPTION_V6ONLY: return set_v6_only(i, value != 0);
	case IPV6_OPTION_UNICAST_HOPS: return set_hops(i, value);
	case IPV6_OPTION_TCLASS: record(i)->tos = (u8_t)(value < 0 ? 0 : value); return 0;
	default: return -ENOPROTOOPT;
	}
}

int inet_option_set(struct socket *s, int level, int option, user_addr at, uint32_t length)
{
	struct inet_socket *i = inet_of(s);
	int32_t value = 0;
	uint8_t byte;
	int error = -ENOPROTOOPT;

	/* ip(7): a byte serves for a number, too. */
	if (length >= sizeof(value)) {
		if (get_user(value, at) != 0)
			return -EFAULT;
	} else if (length >= 1 && level == IPPROTO_IP) {
		if (get_user(byte, at) != 0)
			return -EFAULT;
		value = byte;
	} else {
		return -EINVAL;
	}
	inet_core_lock();
	if (level == IPPROTO_IP)
		error = set4(i, option, value);
	else if (level == IPPROTO_IPV6)
		error = set6(i, option, value);
	inet_core_unlock();
	return error;
}

static int get4(struct inet_socket *i, int option, int32_t *out) REQUIRES(inet_core)
{
	switch (option) {
	case IP_OPTION_TOS: *out = record(i)->tos; return 0;
	case IP_OPTION_TTL: *out = record(i)->ttl; return 0;
	case IP_OPTION_HDRINCL:
		if (i->socket.type != SOCK_RAW)
			return -ENOPROTOOPT;
		*out = datagram_of(&i->socket)->has_header;
		return 0;
	default: return -ENOPROTOOPT;
	}
}

static int get6(struct inet_socket *i, int option, int32_t *out) REQUIRES(inet_core)
{
	if (i->socket.family != AF_INET6)
		return -ENOPROTOOPT;
	switch (option) {
	case IPV6_OPTION_V6ONLY: *out = i->v6_only; return 0;
	case IPV6_OPTION_UNICAST_HOPS: *out = record(i)->ttl; return 0;
	case IPV6_OPTION_TCLASS: *out = record(i)->tos; return 0;
	default: return -ENOPROTOOPT;
	}
}

int inet_option_get(struct socket *s, int level, int option, user_addr at, uint32_t *length)
{
	struct inet_socket *i = inet_of(s);
	int error = -ENOPROTOOPT;
	int32_t value = 0;

	inet_core_lock();
	if (level == IPPROTO_IP)
		error = get4(i, option, &value);
	else if (level == IPPROTO_IPV6)
		error = get6(i, option, &value);
	inet_core_unlock();
	if (error != 0)
		return error;
	*length = MIN(*length, (uint32_t)sizeof(value));
	return copy_to_user(at, &value, *length) != 0 ? -EFAULT : 0;
}
