/* SPDX-License-Identifier: MIT */
/*
 * Who may have a port beside whom (SO_REUSEADDR, SO_REUSEPORT of socket(7)), and who of several that have it gets what
 * comes. lwIP's own rule is another, so all its records say that they share, and what is asked is asked here.
 *
 * Sockets of one user that all said SO_REUSEPORT share a port by halves: of each of them and the packet's four-tuple a
 * number is made, and the one with the greatest has it. So what one sender sends stays with one socket, and when a
 * socket comes or goes only what becomes, or was, its own goes elsewhere.
 */
#include "stream.h"

#include <kernel/base/random.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/udp.h>

enum : uint64_t { QUIET_NS = UINT64_C(60000000000) };

static uint64_t quiet_until_ns GUARDED_BY(inet_core);
static uint64_t secret GUARDED_BY(inet_core); /* nobody is to choose whom he comes to; 0: not made */

/* Whether some packet's address is both. */
static bool meet(const ip_addr_t *a, const ip_addr_t *b)
{
	if (IP_IS_ANY_TYPE_VAL(*a) || IP_IS_ANY_TYPE_VAL(*b))
		return true;
	return IP_GET_TYPE(a) == IP_GET_TYPE(b) && (ip_addr_isany(a) || ip_addr_isany(b) || ip_addr_eq(a, b));
}

static bool is_same(const ip_addr_t *a, const ip_addr_t *b)
{
	return IP_GET_TYPE(a) == IP_GET_TYPE(b) && ip_addr_eq(a, b);
}

static bool devices_meet(uint8_t a, uint8_t b)
{
	return a == 0 || b == 0 || a == b;
}

static bool both(const struct inet_socket *a, const struct inet_socket *b, int option)
{
	return socket_switch(&a->socket, option) && socket_switch(&b->socket, option);
}

static bool is_one_users(const struct inet_socket *a, const struct inet_socket *b)
{
	return both(a, b, SO_REUSEPORT) && a->uid == b->uid;
}

/* As Linux looks: the newest first, and the first of his own who shares the port answers for all. */
bool udp_port_is_taken(const struct inet_datagram_socket *d, const ip_addr_t *ip, uint16_t port)
{
	for (const struct udp_pcb *u = udp_pcbs; u != nullptr && port != 0; u = u->next) {
		const struct inet_datagram_socket *other = u->recv_arg;

		if (other == d || u->local_port != port || !devices_meet(d->inet.device, other->inet.device) ||
		    !meet(&u->local_ip, ip))
			continue;
		if (!both(&d->inet, &other->inet, SO_REUSEADDR))
			return !is_one_users(&d->inet, &other->inet);
	}
	return false;
}

/* Connections that wait to be forgotten (TIME-WAIT) are in the way of nobody who says SO_REUSEPORT, as they do. */
static bool bars(const struct inet_stream *t, const struct tcp_pcb *tcp, const struct inet_stream *other)
	REQUIRES(inet_core)
{
	if (tcp->state != LISTEN && both(&t->inet, &other->inet, SO_REUSEADDR))
		return false;
	return tcp->state == TIME_WAIT ? !both(&t->inet, &other->inet, SO_REUSEPORT)
				       : !is_one_users(&t->inet, &other->inet);
}

bool stream_port_is_taken(const struct inet_stream *t, const ip_addr_t *ip, uint16_t port)
{
	for (size_t n = 0; n < NUM_TCP_PCB_LISTS && port != 0; n++) {
		for (const struct tcp_pcb *tcp = *tcp_pcb_lists[n]; tcp != nullptr; tcp = tcp->next) {
			const struct inet_stream *other = tcp_ext_arg_get(tcp, 0);

			/* One of nobody's is half open: it stands in nobody's way. */
			if (other == nullptr || other == t || tcp->local_port != port ||
			    !devices_meet(t->inet.device, tcp->netif_idx) || !meet(&tcp->local_ip, ip))
				continue;
			if (bars(t, tcp, other))
				return true;
		}
	}
	return false;
}

/* --- who gets it --- */

/* The four-tuple, as far as it differs among those that share. */
struct tuple {
	const ip_addr_t *from, *to;
	uint16_t from_port, to_port;
};

/* Each bit of the number depends upon each of the argument's: two rounds of a multiplication and a fold. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ (x >> 32);
}

static uint64_t mix_address(uint64_t x, const ip_addr_t *a)
{
	if (IP_IS_V4(a))
		return mix(x ^ ip_2_ip4(a)->addr);
	for (size_t n = 0; n < 4; n++)
		x = mix(x ^ ip_2_ip6(a)->addr[n]);
	return x;
}

static uint64_t number_of(const struct tuple *t) REQUIRES(inet_core)
{
	if (secret == 0)
		random_bytes(&secret, sizeof(secret));
	return mix(mix_address(mix_address(secret, t->from), t->to) ^ ((uint64_t)t->from_port << 16 | t->to_port));
}

static uint64_t weight(uint64_t number, const struct inet_socket *i)
{
	return mix(number ^ i->socket.cookie);
}

struct inet_datagram_socket *udp_share(struct inet_datagram_socket *d, const ip_addr_t *from, uint16_t port)
{
	const struct tuple tuple = {from, ip_current_dest_addr(), port, d->udp->local_port};
	struct inet_datagram_socket *best = nullptr;
	uint64_t number = 0;

	for (const struct udp_pcb *u = udp_pcbs; u != nullptr; u = u->next) {
		struct inet_datagram_socket *other = u->recv_arg;

		if (u->local_port != d->udp->local_port || u->flags & UDP_FLAGS_CONNECTED ||
		    u->netif_idx != d->udp->netif_idx || !is_same(&u->local_ip, &d->udp->local_ip))
			continue;
		if (best == nullptr) {
			best = other; /* the newest: it stands first */
			if (!socket_switch(&best->inet.socket, SO_REUSEPORT))
				break;
			number = number_of(&tuple);
		} else if (is_one_users(&best->inet, &other->inet) &&
			   weight(number, &other->inet) > weight(number, &best->inet)) {
			best = other;
		}
	}
	return best != nullptr ? best : d;
}

/* How well a listener's address fits: exactly, any of the version, any; 0: not at all. */
static unsigned fit(const struct tcp_pcb_listen *l, const struct tuple *t, const struct netif *by)
{
	if (l->local_port != t->to_port || !meet(&l->local_ip, t->to))
		return 0;
	if (l->netif_idx != NETIF_NO_INDEX && l->netif_idx != netif_get_index(by))
		return 0;
	return IP_IS_ANY_TYPE_VAL(l->local_ip) ? 1 : ip_addr_isany(&l->local_ip) ? 2 : 3;
}

/* lwIP takes the first that fits exactly, else the last of the others. */
static void put_forward(struct tcp_pcb_listen *l, bool exact) REQUIRES(inet_core)
{
	struct tcp_pcb_listen **at = &tcp_listen_pcbs.listen_pcbs;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	if (exact) {
		at = &tcp_listen_pcbs.listen_pcbs;
	} else {
		while (*at != nullptr)
			at = &(*at)->next;
	}
	l->next = *at;
	*at = l;
}

/* Whoever asks and never comes back (a flood of SYNs) keeps nobody out: of a full backlog the oldest that is half open
 * goes. Not for one that asks a second time. */
static void make_room(const struct tcp_pcb_listen *l, const struct tuple *t) REQUIRES(inet_core)
{
	struct tcp_pcb *oldest = nullptr;

	for (struct tcp_pcb *tcp = tcp_active_pcbs; tcp != nullptr; tcp = tcp->next) {
		if (tcp->state != SYN_RCVD || tcp->listener != l)
			continue;
		if (tcp->remote_port == t->from_port && is_same(&tcp->remote_ip, t->from))
			return;
		if (oldest == nullptr || tcp_ticks - tcp->tmr >= tcp_ticks - oldest->tmr)
			oldest = tcp; /* of one tick the last: they are put in front */
	}
	if (oldest == nullptr)
		return;
	tcp_abandon(oldest, 0);
	uint64_t now = clock_monotonic_ns();
	if (now < quiet_until_ns)
		return;
	quiet_until_ns = now + QUIET_NS;
	log_warn("inet: port %u: its backlog (%u) is full of half-open connections: the oldest are given up",
		 t->to_port, l->backlog);
}

void stream_share(const struct netif *by, const ip_addr_t *from, uint16_t from_port, const ip_addr_t *to,
		  uint16_t to_port)
{
	const struct tuple tuple = {from, to, from_port, to_port};
	uint64_t number = number_of(&tuple);
	struct tcp_pcb_listen *best = nullptr;
	const struct inet_stream *its = nullptr;
	unsigned best_fit = 0, count = 0;

	for (struct tcp_pcb_listen *l = tcp_listen_pcbs.listen_pcbs; l != nullptr; l = l->next) {
		const struct inet_stream *t = l->callback_arg;
		unsigned how = fit(l, &tuple, by);

		if (how == 0 || t == nullptr)
			continue;
		count++;
		if (how > best_fit || (how == best_fit && is_one_users(&t->inet, &its->inet) &&
				       weight(number, &t->inet) > weight(number, &its->inet))) {
			best = l;
			its = t;
			best_fit = how;
		}
	}
	if (count > 1)
		put_forward(best, best_fit == 3);
	if (best != nullptr && best->accepts_pending >= best->backlog)
		make_room(best, &tuple);
}
