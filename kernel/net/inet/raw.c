/* SPDX-License-Identifier: MIT */
/*
 * Raw sockets (raw(7), ipv6(7)), and those of SOCK_DGRAM for ICMP (icmp(7)): with these who has no right to raw sockets
 * sends echo requests and receives the answers to his own, which their identifier tells; it is shown as a port.
 */
#include "inet.h"

#include <lwip/inet_chksum.h>
#include <lwip/prot/icmp.h>
#include <lwip/prot/icmp6.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/raw.h>

enum : size_t { PACKET_MAX = 65535, CHECKSUM_AT = 2 };
enum : uint32_t { SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR | MSG_DONTROUTE | MSG_CONFIRM };

static bool is_ping(const struct inet_datagram_socket *d)
{
	return d->inet.socket.type == SOCK_DGRAM;
}

/* An answer to a request of the socket's, at the beginning of what is behind the IP header. */
static bool is_answer(const struct inet_datagram_socket *d, const struct pbuf *p, uint16_t at)
{
	struct icmp_echo_hdr h;

	if (pbuf_copy_partial(p, &h, sizeof(h), at) != sizeof(h))
		return false;
	uint8_t wanted = d->inet.socket.family == AF_INET ? ICMP_ER : ICMP6_TYPE_EREP;
	return h.type == wanted && lwip_ntohs(h.id) == d->ping_id;
}

/* The packet is copied: others may want it, too. */
static u8_t received(void *arg, struct raw_pcb *, struct pbuf *p, const ip_addr_t *from) NO_THREAD_SAFETY
{
	struct inet_datagram_socket *d = arg;
	uint16_t header = IP_IS_V6(from) ? IP6_HLEN : (uint16_t)IPH_HL_BYTES((const struct ip_hdr *)p->payload);

	if (is_ping(d) && !is_answer(d, p, header))
		return 0;
	if (ip_addr_ismulticast(ip_current_dest_addr()) &&
	    !inet_multicast_wants(&d->inet, ip_current_dest_addr(), ip_current_input_netif()))
		return 0;
	struct pbuf *copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
	if (copy == nullptr)
		return 0;
	if ((is_ping(d) || IP_IS_V6(from)) && pbuf_remove_header(copy, header) != 0)
		pbuf_free(copy);
	else
		datagram_arrived(d, copy, from, 0);
	return 0;
}

/* --- identifiers of echo requests --- */

static bool id_is_free(uint32_t protocol, uint16_t id) REQUIRES(inet_core)
{
	struct inet_socket *i;

	list_for_each(i, &inet_all, all) {
		if (i->socket.type == SOCK_DGRAM && i->socket.protocol == protocol &&
		    datagram_of(&i->socket)->ping_id == id)
			return false;
	}
	return true;
}

/* wanted 0: any. */
static int take_id(struct inet_datagram_socket *d, uint16_t wanted) REQUIRES(inet_core)
{
	static uint16_t last GUARDED_BY(inet_core);

	for (uint32_t n = 0; n < UINT16_MAX; n++) {
		uint16_t id = wanted != 0 ? wanted : ++last;

		if (id != 0 && id_is_free(d->inet.socket.protocol, id)) {
			d->ping_id = id;
			return 0;
		}
		if (wanted != 0)
			break;
	}
	return -EADDRINUSE;
}

/* --- addresses --- */

static int raw_bind_to(struct socket *s, const struct socket_address *a)
{
	struct inet_datagram_socket *d = datagram_of(s);
	uint16_t port;
	ip_addr_t ip;

	inet_core_lock();
	int error = inet_address_get(&d->inet, a, true, &ip, &port);
	if (error == 0)
		error = inet_may_bind(&ip, 0);
	if (error == 0 && is_ping(d))
		error = d->ping_id != 0 ? -EINVAL : take_id(d, port);
	if (error == 0)
		error = inet_errno(raw_bind(d->raw, &ip));
	if (error == 0 && ip_addr_isany(&ip))
		ip_addr_set_any(s->family == AF_INET6, &d->raw->local_ip);
	inet_core_unlock();
	return error;
}

static int raw_connect_to(struct socket *s, const struct socket_address *a, bool)
{
	struct inet_datagram_socket *d = datagram_of(s);
	struct netif *n;
	ip_addr_t ip, source;
	uint16_t port;
	int error = 0;

	if (a->length < sizeof(a->family))
		return -EINVAL;
	inet_core_lock();
	if (a->family == AF_UNSPEC) {
		raw_disconnect(d->raw);
		d->raw->netif_idx = d->inet.device; /* lwIP forgets it */
	} else {
		error = inet_address_get(&d->inet, a, false, &ip, &port);
		if (error == 0)
			error = inet_route(d->inet.device, &d->raw->local_ip, &ip, &n, &source);
		if (error == 0 && is_ping(d) && d->ping_id == 0)
			error = take_id(d, 0);
		if (error == 0)
			error = inet_errno(raw_connect(d->raw, &ip));
	}
	if (error == 0)
		d->connected = a->family != AF_UNSPEC;
	inet_core_unlock();
	return error;
}

static int raw_name(struct socket *s, bool peers, struct socket_address *out)
{
	struct inet_datagram_socket *d = datagram_of(s);
	int error = 0;

	inet_core_lock();
	if (!peers)
		inet_address_put(&d->inet, &d->raw->local_ip, is_ping(d) ? d->ping_id : 0, out);
	else if (d->connected)
		inet_address_put(&d->inet, &d->raw->remote_ip, 0, out);
	else
		error = -ENOTCONN;
	inet_core_unlock();
	return error;
}

/* --- sending --- */

/* Makes the bytes an echo request of this socket's. */
static int finish_ping(struct inet_datagram_socket *d, struct pbuf *p) REQUIRES(inet_core)
{
	struct icmp_echo_hdr *h = p->payload;
	bool v4 = d->inet.socket.family == AF_INET;

	if (p->len < sizeof(*h) || h->type != (v4 ? ICMP_ECHO : ICMP6_TYPE_EREQ) || h->code != 0)
		return -EINVAL;
	if (d->ping_id == 0) {
		int error = take_id(d, 0);
		if (error != 0)
			return error;
	}
	h->id = lwip_htons(d->ping_id);
	h->chksum = 0;
	if (v4)
		h->chksum = inet_chksum_pbuf(p);
	return 0;
}

static int target(struct inet_datagram_socket *d, const struct socket_message *m, ip_addr_t *to) REQUIRES(inet_core)
{
	uint16_t port;

	if (m->address != nullptr)
		return inet_address_get(&d->inet, m->address, false, to, &port);
	if (!d->connected)
		return -EDESTADDRREQ;
	*to = d->raw->remote_ip;
	return 0;
}

static int send_bytes(struct inet_datagram_socket *d, const struct socket_message *m, const ip_addr_t *to,
		      struct pbuf *p) REQUIRES(inet_core)
{
	struct netif *n;
	ip_addr_t source, bound;
	uint8_t device;

	if (IP_IS_V6(to) != (d->inet.socket.family == AF_INET6))
		return -ENETUNREACH;
	int error = inet_way(&d->inet, m, &device, &bound);
	if (error == 0)
		error = inet_route(inet_multicast_device(&d->inet, device, to), &bound, to, &n, &source);
	if (error == 0 && ip_addr_isbroadcast(to, n) && !socket_switch(&d->inet.socket, SO_BROADCAST))
		error = -EACCES;
	if (error == 0 && is_ping(d))
		error = finish_ping(d, p);
	if (error == 0 && d->has_header && p->len < IP_HLEN)
		error = -EINVAL;
	if (error == 0 && d->raw->chksum_reqd) {
		if (p->len < CHECKSUM_AT + sizeof(uint16_t))
			error = -EINVAL;
		else
			memset((uint8_t *)p->payload + CHECKSUM_AT, 0, sizeof(uint16_t)); /* lwIP sums it up, too */
	}
	if (error == 0)
		error = datagram_fits(d, to, 0, n,
				      p->tot_len + (d->has_header  ? 0
						    : IP_IS_V6(to) ? IP6_HLEN
								   : IP_HLEN));
	if (error != 0)
		return error;
	uint8_t hops = d->raw->ttl;
	d->raw->ttl = m->way.hops != 0 ? m->way.hops : hops;
	d->raw->mcast_ttl = m->way.hops != 0 ? m->way.hops : d->inet.many[IP_IS_V6(to)].hops;
	/* To a group with 0: not beyond this machine. */
	bool stays = d->raw->mcast_ttl == 0 && ip_addr_ismulticast(to) && n != &inet_lo && !d->has_header;
	inet_sends_whole = datagram_is_whole(d) && !d->has_header;
	error = stays ? 0 : inet_errno(raw_sendto_if_src(d->raw, p, to, n, &source));
	inet_sends_whole = false;
	d->raw->ttl = hops;
	return error;
}

static long raw_send_to(struct socket *s, struct socket_message *m)
{
	struct inet_datagram_socket *d = datagram_of(s);
	struct pbuf *p;
	ip_addr_t to;

	if (m->flags & ~SEND_FLAGS)
		return m->flags & MSG_OOB ? -EOPNOTSUPP : -EINVAL;
	int error = socket_take_error(s);
	if (error == 0)
		error = datagram_bytes(m, PACKET_MAX - (d->has_header ? 0 : IP6_HLEN), &p);
	if (error != 0)
		return error;
	inet_core_lock();
	error = target(d, m, &to);
	if (error == 0)
		error = send_bytes(d, m, &to, p);
	inet_packet_put(p); /* before it arrives: who receives it over `lo` has it alone */
	inet_core_unlock();
	return error != 0 ? error : (long)m->length;
}

void raw_renew(struct inet_datagram_socket *d)
{
	raw_recv(d->raw, d->inet.socket.protocol != IPPROTO_RAW ? received : nullptr, d);
}

static void raw_release(struct socket *s)
{
	struct inet_datagram_socket *d = datagram_of(s);

	inet_core_lock();
	s->file = nullptr;
	inet_multicast_close(&d->inet);
	inet_list_remove(&d->inet);
	raw_remove(d->raw);
	d->raw = nullptr;
	inet_core_unlock();
	datagram_purge(d);
	socket_put(s); /* lwIP's */
}

static const struct socket_ops raw_ops = {
	.bind = raw_bind_to,
	.connect = raw_connect_to,
	.listen = inet_no_listen,
	.accept = inet_no_accept,
	.name = raw_name,
	.send = raw_send_to,
	.receive = datagram_receive,
	.shutdown = datagram_shutdown,
	.poll = datagram_poll,
	.bytes = datagram_pending,
	.listens = inet_listens_not,
	.peer_cred = inet_no_peer_cred,
	.option_set = inet_option_set,
	.option_get = inet_option_get,
	.note = inet_note,
	.bind_device = inet_bind_device,
	.bound_device = inet_bound_device,
	.has_ports = true,
	.release = raw_release,
	.free = datagram_free,
};

int raw_create(int family, uint32_t type, int protocol, struct socket **out)
{
	struct inet_datagram_socket *d;

	if (protocol <= 0 || protocol > BYTE_MAX)
		return -EPROTONOSUPPORT;
	int error = datagram_create(&raw_ops, family, type, protocol, &d);
	if (error != 0)
		return error;
	d->has_header = family == AF_INET && protocol == IPPROTO_RAW;
	inet_core_lock();
	d->raw = raw_new_ip_type(family == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6, (u8_t)protocol);
	if (d->raw != nullptr) {
		socket_get(&d->inet.socket); /* lwIP's reference */
		if (protocol != IPPROTO_RAW)
			raw_recv(d->raw, received, d);
		if (d->has_header)
			raw_set_flags(d->raw, RAW_FLAGS_HDRINCL);
		if (protocol == IPPROTO_ICMPV6) { /* RFC 3542, 3.1 */
			d->raw->chksum_reqd = 1;
			d->raw->chksum_offset = CHECKSUM_AT;
		}
		inet_list_add(&d->inet);
	}
	inet_core_unlock();
	if (d->raw == nullptr) {
		datagram_free(&d->inet.socket);
		return -ENOBUFS;
	}
	*out = &d->inet.socket;
	return 0;
}
