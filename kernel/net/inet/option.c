/* SPDX-License-Identifier: MIT */
/* Options of the levels of IP, IPv6 and TCP (ip(7), ipv6(7), tcp(7)). An unknown one is ENOPROTOOPT, and counted by who
 * called.
 */
#include "stream.h"

#include <lwip/raw.h>
#include <lwip/udp.h>

static bool is_stream(const struct inet_socket *i)
{
	return i->socket.type == SOCK_STREAM;
}

/* What all records of lwIP begin with; nullptr: it has none of a connection that is over. */
static struct ip_pcb *record(struct inet_socket *i) REQUIRES(inet_core)
{
	if (is_stream(i))
		return (struct ip_pcb *)stream_of(&i->socket)->tcp;
	return (struct ip_pcb *)datagram_of(&i->socket)->udp;
}

static bool is_bound(struct inet_socket *i) REQUIRES(inet_core)
{
	if (is_stream(i))
		return stream_of(&i->socket)->local_port != 0;
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

static int set_tells(struct inet_socket *i, uint8_t what, bool on) REQUIRES(inet_core)
{
	if (is_stream(i))
		return -ENOPROTOOPT;
	__atomic_store_n(&i->tells, (uint8_t)(on ? i->tells | what : i->tells & ~what), __ATOMIC_RELAXED);
	return 0;
}

static int get_tells(const struct inet_socket *i, uint8_t what, int32_t *out) REQUIRES(inet_core)
{
	if (is_stream(i))
		return -ENOPROTOOPT;
	*out = (i->tells & what) != 0;
	return 0;
}

/* The most that a packet of the connection has: its interface's; nobody on the way is asked (IP_MTU_DISCOVER). */
static int get_mtu(struct inet_socket *i, int32_t *out) REQUIRES(inet_core)
{
	bool connected =
		is_stream(i) ? stream_of(&i->socket)->state == STREAM_OPEN : datagram_of(&i->socket)->connected;
	struct netif *n;
	ip_addr_t source;

	if (!connected)
		return -ENOTCONN;
	int error = inet_route(i->device, &record(i)->local_ip, &record(i)->remote_ip, &n, &source);
	if (error == 0)
		*out = n->mtu;
	return error;
}

/* bit: of datagram_keeps_errors. What is kept is forgotten with it, by who calls. */
static int set_keeps_errors(struct inet_socket *i, uint8_t bit, bool on) REQUIRES(inet_core)
{
	if (is_stream(i))
		return -ENOPROTOOPT;
	struct inet_datagram_socket *d = datagram_of(&i->socket);
	d->keeps_errors = on ? d->keeps_errors | bit : d->keeps_errors & (uint8_t)~bit;
	if (!on)
		datagram_errors_purge(d);
	return 0;
}

/* What a router tells of the way's MTU is told to the program, and not kept: nothing is sent by it (IP_PMTUDISC_WANT).
 */
static int set_discover(struct inet_socket *i, bool v6, int32_t value) REQUIRES(inet_core)
{
	if (value < 0 || value > IP_PMTUDISC_OMIT || value == IP_PMTUDISC_WANT || (is_stream(i) && value != 0))
		return -EINVAL;
	if (!is_stream(i))
		datagram_of(&i->socket)->discover[v6] = (uint8_t)value;
	return 0;
}

static int set4(struct inet_socket *i, int option, int32_t value) REQUIRES(inet_core)
{
	switch (option) {
	case IP_OPTION_PKTINFO: return set_tells(i, TELL_PACKET4, value != 0);
	case IP_OPTION_RECVTTL: return set_tells(i, TELL_HOPS4, value != 0);
	case IP_OPTION_MTU_DISCOVER: return set_discover(i, false, value);
	case IP_OPTION_RECVERR: return set_keeps_errors(i, 1, value != 0);
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
	case IPV6_OPTION_MTU_DISCOVER: return set_discover(i, true, value);
	case IPV6_OPTION_RECVERR: return set_keeps_errors(i, 2, value != 0);
	case IPV6_OPTION_RECVPKTINFO: return set_tells(i, TELL_PACKET6, value != 0);
	case IPV6_OPTION_RECVHOPLIMIT: return set_tells(i, TELL_HOPS6, value != 0);
	case IPV6_OPTION_UNICAST_HOPS: return set_hops(i, value);
	case IPV6_OPTION_TCLASS: record(i)->tos = (u8_t)(value < 0 ? 0 : value); return 0;
	default: return -ENOPROTOOPT;
	}
}

/* Seconds, of which lwIP keeps milliseconds; 0 is none. */
static int set_seconds(u32_t *at, int32_t value)
{
	if (value < 1 || value > INT16_MAX)
		return -EINVAL;
	*at = (u32_t)value * 1000;
	return 0;
}

static int set_tcp(struct inet_stream *t, int option, int32_t value) REQUIRES(inet_core)
{
	struct tcp_pcb *tcp = t->state != STREAM_LISTENING ? t->tcp : nullptr;

	switch (option) {
	case TCP_OPTION_NODELAY:
		t->no_delay = value != 0;
		if (tcp != nullptr && t->no_delay)
			tcp_nagle_disable(tcp);
		else if (tcp != nullptr)
			tcp_nagle_enable(tcp);
		break;
	case TCP_OPTION_CORK: t->cork = value != 0; break;
	case TCP_OPTION_QUICKACK: return 0; /* advice */
	case TCP_OPTION_KEEPIDLE: return tcp == nullptr ? -EINVAL : set_seconds(&tcp->keep_idle, value);
	case TCP_OPTION_KEEPINTVL: return tcp == nullptr ? -EINVAL : set_seconds(&tcp->keep_intvl, value);
	case TCP_OPTION_KEEPCNT:
		if (value < 1 || value > INT8_MAX || tcp == nullptr)
			return -EINVAL;
		tcp->keep_cnt = (u32_t)value;
		return 0;
	default: return -ENOPROTOOPT;
	}
	if (tcp != nullptr && t->state == STREAM_OPEN && (option == TCP_OPTION_NODELAY ? t->no_delay : !t->cork))
		(void)tcp_output(tcp); /* what was held back goes */
	return 0;
}

static int get_tcp(struct inet_stream *t, int option, int32_t *out) REQUIRES(inet_core)
{
	const struct tcp_pcb *tcp = t->state != STREAM_LISTENING ? t->tcp : nullptr;

	switch (option) {
	case TCP_OPTION_NODELAY: *out = t->no_delay; return 0;
	case TCP_OPTION_CORK: *out = t->cork; return 0;
	case TCP_OPTION_QUICKACK: *out = 1; return 0;
	case TCP_OPTION_MAXSEG: *out = tcp != nullptr ? tcp->mss : TCP_MSS; return 0;
	case TCP_OPTION_KEEPIDLE: *out = tcp != nullptr ? (int32_t)(tcp->keep_idle / 1000) : 7200; return 0;
	case TCP_OPTION_KEEPINTVL: *out = tcp != nullptr ? (int32_t)(tcp->keep_intvl / 1000) : 75; return 0;
	case TCP_OPTION_KEEPCNT: *out = tcp != nullptr ? (int32_t)tcp->keep_cnt : 9; return 0;
	default: return -ENOPROTOOPT;
	}
}

int inet_option_number(int level, user_addr at, uint32_t length, int32_t *out)
{
	uint8_t byte;

	if (length >= sizeof(*out))
		return get_user(*out, at) == 0 ? 0 : -EFAULT;
	if (length < 1 || level != IPPROTO_IP)
		return -EINVAL;
	if (get_user(byte, at) != 0)
		return -EFAULT;
	*out = byte;
	return 0;
}

int inet_option_set(struct socket *s, int level, int option, user_addr at, uint32_t length)
{
	struct inet_socket *i = inet_of(s);
	int32_t value = 0;

	if (inet_multicast_has(level, option))
		return inet_multicast_set(i, level, option, at, length);
	int error = inet_option_number(level, at, length, &value);
	if (error != 0)
		return error;
	error = -ENOPROTOOPT;
	inet_core_lock();
	if (level == IPPROTO_TCP && is_stream(i))
		error = set_tcp(stream_of(s), option, value);
	else if (record(i) == nullptr)
		error = -EINVAL;
	else if (level == IPPROTO_IP)
		error = set4(i, option, value);
	else if (level == IPPROTO_IPV6)
		error = set6(i, option, value);
	inet_core_unlock();
	return error;
}

static int get_keeps_errors(struct inet_socket *i, bool v6, int32_t *out) REQUIRES(inet_core)
{
	if (is_stream(i))
		return -ENOPROTOOPT;
	*out = datagram_keeps_errors(datagram_of(&i->socket), v6);
	return 0;
}

static int get4(struct inet_socket *i, int option, int32_t *out) REQUIRES(inet_core)
{
	switch (option) {
	case IP_OPTION_PKTINFO: return get_tells(i, TELL_PACKET4, out);
	case IP_OPTION_RECVTTL: return get_tells(i, TELL_HOPS4, out);
	case IP_OPTION_MTU: return get_mtu(i, out);
	case IP_OPTION_MTU_DISCOVER: *out = is_stream(i) ? 0 : datagram_of(&i->socket)->discover[0]; return 0;
	case IP_OPTION_RECVERR: return get_keeps_errors(i, false, out);
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
	case IPV6_OPTION_RECVPKTINFO: return get_tells(i, TELL_PACKET6, out);
	case IPV6_OPTION_RECVHOPLIMIT: return get_tells(i, TELL_HOPS6, out);
	case IPV6_OPTION_MTU: return get_mtu(i, out);
	case IPV6_OPTION_MTU_DISCOVER: *out = is_stream(i) ? 0 : datagram_of(&i->socket)->discover[1]; return 0;
	case IPV6_OPTION_RECVERR: return get_keeps_errors(i, true, out);
	case IPV6_OPTION_V6ONLY: *out = i->v6_only; return 0;
	case IPV6_OPTION_UNICAST_HOPS: *out = record(i)->ttl; return 0;
	case IPV6_OPTION_TCLASS: *out = record(i)->tos; return 0;
	default: return -ENOPROTOOPT;
	}
}

static int get_info(struct socket *s, user_addr at, uint32_t *length)
{
	inet_core_lock();
	struct tcp_info info = stream_info(stream_of(s));
	inet_core_unlock();
	*length = MIN(*length, (uint32_t)sizeof(info));
	return copy_to_user(at, &info, *length) != 0 ? -EFAULT : 0;
}

int inet_option_get(struct socket *s, int level, int option, user_addr at, uint32_t *length)
{
	struct inet_socket *i = inet_of(s);
	int error = -ENOPROTOOPT;
	int32_t value = 0;

	if (level == IPPROTO_TCP && option == TCP_OPTION_INFO && is_stream(i))
		return get_info(s, at, length);
	inet_core_lock();
	if (level == IPPROTO_TCP && is_stream(i))
		error = get_tcp(stream_of(s), option, &value);
	else if (inet_multicast_has(level, option))
		error = inet_multicast_get(i, level, option, &value);
	else if (record(i) == nullptr)
		error = -EINVAL;
	else if (level == IPPROTO_IP)
		error = get4(i, option, &value);
	else if (level == IPPROTO_IPV6)
		error = get6(i, option, &value);
	inet_core_unlock();
	if (error != 0)
		return error;
	*length = MIN(*length, (uint32_t)sizeof(value));
	return copy_to_user(at, &value, *length) != 0 ? -EFAULT : 0;
}
