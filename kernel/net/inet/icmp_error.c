/* SPDX-License-Identifier: MIT */
/*
 * Errors that ICMP tells of packets of ours (lwIP only counts them): they become the error of the connected UDP socket
 * that sent the packet, which the next call on it tells. Two raw records of our own see every message of ICMP, and
 * leave it to lwIP.
 */
#include "inet.h"

#include <lib/icmp_error.h>
#include <lwip/inet_chksum.h>
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

/* Errors of which a program is to know are those that are final, of a socket that has one other side (udp(7)). */
static void tell_udp(const struct icmp_error *e, bool v6) REQUIRES(inet_core)
{
	ip_addr_t from, to;

	find_address(&from, v6, e->from);
	find_address(&to, v6, e->to);
	for (struct udp_pcb *u = udp_pcbs; u != nullptr; u = u->next) {
		if (u->local_port != e->from_port || !(u->flags & UDP_FLAGS_CONNECTED) || u->remote_port != e->to_port)
			continue;
		if (IP_GET_TYPE(&u->remote_ip) != IP_GET_TYPE(&to) || !ip_addr_zoneless_eq(&u->remote_ip, &to) ||
		    !ip_addr_zoneless_eq(&u->local_ip, &from))
			continue;
		struct inet_datagram_socket *d = u->recv_arg;
		socket_set_error(&d->inet.socket, e->error);
		inet_wake(&d->inet, WAKE_READERS | WAKE_WRITERS);
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
	bool v6 = IP_IS_V6(from);
	size_t header = v6 ? IP6_HLEN : IPH_HL_BYTES((const struct ip_hdr *)p->payload);
	uint8_t message[LOOK];
	struct icmp_error e;

	size_t n = pbuf_copy_partial(p, message, sizeof(message), (u16_t)header);
	bool is_error = v6 ? icmp6_error_parse(message, n, &e) : icmp4_error_parse(message, n, &e);
	if (!is_error || !e.is_final || e.protocol != IPPROTO_UDP || pbuf_remove_header(p, header) != 0)
		return 0;
	bool good = sum_is_good(p, v6);
	pbuf_add_header_force(p, header);
	if (good)
		tell_udp(&e, v6);
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
