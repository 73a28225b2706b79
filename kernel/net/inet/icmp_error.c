/* SPDX-License-Identifier: MIT */
/*
 * Errors that ICMP tells of packets of ours (lwIP only counts them): they become the error of the socket that sent the
 * packet, which the next call on it tells, if it is connected or keeps errors (error_queue.c). Two raw records of our
 * own see every message of ICMP, and leave it to lwIP.
 */
#include "inet.h"

#include <lib/icmp_error.h>
#include <lwip/inet_chksum.h>
#include <lwip/prot/icmp.h>
#include <lwip/prot/icmp6.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/raw.h>
#include <lwip/udp.h>

enum : size_t { LOOK = 128 }; /* header, IPv6's or the longest of IPv4, and ports */

static void find_address(ip_addr_t *out, bool v6, const uint8_t *bytes)
{
	if (v6) {
		ip_addr_set_zero_ip6(out);
		memcpy(ip_2_ip6(out)->addr, bytes, 16);
	} else {
		ip_addr_set_zero_ip4(out);
		memcpy(&ip_2_ip4(out)->addr, bytes, 4);
	}
}

/* A message that is arriving, and what it tells. */
struct notice {
	struct icmp_error e;
	bool v6;
	ip_addr_t from, to; /* of the packet of ours */
	struct pbuf *message;
	size_t header; /* of the message's IP header */
};

/* The socket is told: of what is final, if it has one other side; if it keeps errors, of all (udp(7), ip(7)). at: where
 * in the message what it sent begins. */
static void tell(struct inet_datagram_socket *d, const struct notice *n, uint16_t port, bool is_final, size_t at)
	REQUIRES(inet_core)
{
	bool keeps = datagram_keeps_errors(d, n->v6);

	if (!keeps && !(is_final && d->connected))
		return;
	if (!keeps || !datagram_error_told(d, &n->e, &n->to, port, n->message, n->header + at))
		socket_set_error(&d->inet.socket, n->e.error);
	inet_wake(&d->inet, WAKE_READERS | WAKE_WRITERS);
}

/* Of a packet that was too long hears who forbids routers to cut it. */
static bool is_final_for(const struct inet_datagram_socket *d, const struct notice *n) REQUIRES(inet_core)
{
	return n->e.error == -EMSGSIZE ? d->discover[n->v6] != IP_PMTUDISC_DONT : n->e.is_final;
}

static bool is_deaf(const struct inet_datagram_socket *d, const struct notice *n) REQUIRES(inet_core)
{
	return !n->v6 && n->e.error == -EMSGSIZE && d->discover[0] == IP_PMTUDISC_DONT;
}

/* Whose datagram it was: a connection's, else of those that have the port the one that would hear an answer. */
static struct inet_datagram_socket *udp_sender(const struct notice *n) REQUIRES(inet_core)
{
	struct udp_pcb *any = nullptr;

	for (struct udp_pcb *u = udp_pcbs; u != nullptr; u = u->next) {
		if (u->local_port != n->e.from_port || !IP_ADDR_PCB_VERSION_MATCH(u, &n->from))
			continue;
		bool bound = !ip_addr_isany(&u->local_ip);
		if (bound && !ip_addr_zoneless_eq(&u->local_ip, &n->from))
			continue;
		if (!(u->flags & UDP_FLAGS_CONNECTED)) {
			if (any == nullptr || (bound && ip_addr_isany(&any->local_ip)))
				any = u;
		} else if (u->remote_port == n->e.to_port && IP_GET_TYPE(&u->remote_ip) == IP_GET_TYPE(&n->to) &&
			   ip_addr_zoneless_eq(&u->remote_ip, &n->to)) {
			return u->recv_arg;
		}
	}
	return any == nullptr ? nullptr : udp_share(any->recv_arg, &n->to, n->e.to_port);
}

static void tell_udp(const struct notice *n) REQUIRES(inet_core)
{
	struct inet_datagram_socket *d = udp_sender(n);

	if (d != nullptr && !is_deaf(d, n))
		tell(d, n, n->e.to_port, is_final_for(d, n), n->e.behind + UDP_HLEN);
}

/* Whether the packet was a request of this socket's for an echo. */
static bool is_ping(const struct inet_datagram_socket *d, const struct notice *n)
{
	struct icmp_echo_hdr h;

	return pbuf_copy_partial(n->message, &h, sizeof(h), (u16_t)(n->header + n->e.behind)) == sizeof(h) &&
	       h.type == (n->v6 ? ICMP6_TYPE_EREQ : ICMP_ECHO) && lwip_ntohs(h.id) == d->ping_id;
}

/* All raw ones that could have sent it, as they all would hear an answer. */
static void tell_raw(const struct notice *n) REQUIRES(inet_core)
{
	struct inet_socket *i;

	list_for_each(i, &inet_all, all) {
		struct inet_datagram_socket *d = datagram_of(&i->socket);
		bool ping = i->socket.type == SOCK_DGRAM && i->socket.protocol != IPPROTO_UDP;

		if ((!ping && i->socket.type != SOCK_RAW) || i->socket.protocol != n->e.protocol ||
		    (i->socket.family == AF_INET6) != n->v6)
			continue;
		if (!ip_addr_isany(&d->raw->local_ip) && !ip_addr_zoneless_eq(&d->raw->local_ip, &n->from))
			continue;
		if (d->connected && !ip_addr_zoneless_eq(&d->raw->remote_ip, &n->to))
			continue;
		if (ping && (!is_ping(d, n) || is_deaf(d, n)))
			continue;
		tell(d, n, 0, is_final_for(d, n), d->has_header ? n->e.inner : n->e.behind);
	}
}

/* Whether the message is whole; over `lo` nobody made a sum. */
static bool sum_is_good(struct pbuf *p, bool v6)
{
	if (ip_current_input_netif() == &inet_lo)
		return true;
	return v6 ? ip6_chksum_pseudo(p, IP6_NEXTH_ICMP6, p->tot_len, ip6_current_src_addr(),
				      ip6_current_dest_addr()) == 0
		  : inet_chksum_pbuf(p) == 0;
}

static u8_t received(void *, struct raw_pcb *, struct pbuf *p, const ip_addr_t *from) NO_THREAD_SAFETY
{
	struct notice n = {.v6 = IP_IS_V6(from), .message = p};
	uint8_t message[LOOK];

	n.header = n.v6 ? IP6_HLEN : IPH_HL_BYTES((const struct ip_hdr *)p->payload);
	size_t length = pbuf_copy_partial(p, message, sizeof(message), (u16_t)n.header);
	bool is_error = n.v6 ? icmp6_error_parse(message, length, &n.e) : icmp4_error_parse(message, length, &n.e);
	if (!is_error || pbuf_remove_header(p, n.header) != 0)
		return 0;
	bool good = sum_is_good(p, n.v6);
	pbuf_add_header_force(p, n.header);
	if (!good)
		return 0;
	find_address(&n.from, n.v6, n.e.from);
	find_address(&n.to, n.v6, n.e.to);
	if (n.e.protocol == IPPROTO_UDP)
		tell_udp(&n);
	tell_raw(&n);
	return 0;
}

int inet_icmp_start(void)
{
	struct raw_pcb *four = raw_new_ip_type(IPADDR_TYPE_V4, IPPROTO_ICMP);
	struct raw_pcb *six = raw_new_ip_type(IPADDR_TYPE_V6, IPPROTO_ICMPV6);

	if (four == nullptr || six == nullptr)
		return -ENOMEM; /* at boot: there is no network */
	raw_recv(four, received, nullptr);
	raw_recv(six, received, nullptr);
	return 0;
}
