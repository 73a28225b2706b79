/* SPDX-License-Identifier: MIT */
/*
 * Errors that a socket of datagrams keeps (IP_RECVERR of ip(7), IPV6_RECVERR of ipv6(7)) until they are read with
 * MSG_ERRQUEUE: who told what of which packet of the socket's, and the packet's first bytes. They take room in the
 * receive buffer (SO_RCVBUF) and are charged as datagrams are; what finds no room is not kept.
 */
#include "inet.h"

#include <lib/icmp_error.h>
#include <lwip/nd6.h>

enum : uint32_t { OVERHEAD = 512 }; /* what one is charged besides its bytes */

struct kept_error {
	struct list link;
	struct sock_extended_err told;
	ip_addr_t to, offender; /* where the packet went; who told, if has_offender */
	uint16_t port;
	uint8_t hops; /* that the message had left */
	bool has_offender;
	uint32_t charge, length;
	uint8_t bytes[];
};

static bool is_of_icmp(const struct kept_error *k)
{
	return k->told.origin == SO_EE_ORIGIN_ICMP || k->told.origin == SO_EE_ORIGIN_ICMP6;
}

bool datagram_keeps_errors(const struct inet_datagram_socket *d, bool v6)
{
	return d->keeps_errors & 1 << v6;
}

/* With room for so many bytes of the packet. nullptr: there is none. */
static struct kept_error *make(struct inet_datagram_socket *d, uint32_t length) REQUIRES(inet_core)
{
	uint32_t limit = __atomic_load_n(&d->inet.socket.receive_limit, __ATOMIC_RELAXED), charge = OVERHEAD + length;

	/* Only the core's holder adds to it. */
	if (__atomic_load_n(&d->charged, __ATOMIC_RELAXED) + charge > limit || !inet_charge(&d->inet, charge))
		return nullptr;
	struct kept_error *k = kmalloc(sizeof(*k) + length);
	if (k == nullptr) {
		inet_uncharge(&d->inet, charge);
		return nullptr;
	}
	*k = (struct kept_error){.charge = charge, .length = length};
	list_init(&k->link);
	return k;
}

static void keep(struct inet_datagram_socket *d, struct kept_error *k) REQUIRES(inet_core)
{
	spin_lock(&d->inet.queue_lock);
	list_push_back(&d->errors, &k->link);
	if (is_of_icmp(k)) /* here, so that whoever takes the last one before does not end it */
		socket_set_error(&d->inet.socket, -(int)k->told.error);
	__atomic_store_n(&d->charged, d->charged + k->charge, __ATOMIC_RELAXED);
	__atomic_store_n(&d->errors_kept, d->errors_kept + 1, __ATOMIC_RELEASE);
	spin_unlock(&d->inet.queue_lock);
	inet_wake(&d->inet, WAKE_READERS | WAKE_WRITERS);
}

bool datagram_error_told(struct inet_datagram_socket *d, const struct icmp_error *e, const ip_addr_t *to, uint16_t port,
			 struct pbuf *message, size_t at)
{
	bool v6 = IP_IS_V6(to);
	uint32_t length = message->tot_len > at ? (uint32_t)(message->tot_len - at) : 0;
	struct kept_error *k = make(d, length);

	if (k == nullptr)
		return false;
	k->told = (struct sock_extended_err){.error = (uint32_t)-e->error,
					     .origin = v6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP,
					     .type = e->type,
					     .code = e->code,
					     .info = e->info};
	k->to = *to;
	k->port = port;
	k->offender = *ip_current_src_addr();
	k->has_offender = true;
	k->hops = v6 ? IP6H_HOPLIM(ip6_current_header()) : IPH_TTL(ip4_current_header());
	k->length = pbuf_copy_partial(message, k->bytes, (u16_t)length, (u16_t)at);
	keep(d, k);
	return true;
}

/* Of what was found before it went out. */
static void keep_own(struct inet_datagram_socket *d, int error, const ip_addr_t *to, uint16_t port, uint32_t info)
	REQUIRES(inet_core)
{
	if (!datagram_keeps_errors(d, IP_IS_V6(to)))
		return;
	struct kept_error *k = make(d, 0);
	if (k == nullptr)
		return;
	k->told = (struct sock_extended_err){.error = (uint32_t)-error, .origin = SO_EE_ORIGIN_LOCAL, .info = info};
	k->to = *to;
	k->port = port;
	keep(d, k);
}

int datagram_fits(struct inet_datagram_socket *d, const ip_addr_t *to, uint16_t port, struct netif *n, size_t bytes)
{
	bool v6 = IP_IS_V6(to);
	uint8_t how = d->discover[v6];

	if (how == IP_PMTUDISC_DONT || how == IP_PMTUDISC_OMIT)
		return 0;
	uint32_t mtu = v6 && how != IP_PMTUDISC_INTERFACE ? nd6_get_destination_mtu(ip_2_ip6(to), n) : n->mtu;
	if (bytes <= mtu)
		return 0;
	keep_own(d, -EMSGSIZE, to, v6 || d->connected ? port : 0, mtu);
	return -EMSGSIZE;
}

/* The oldest, out of the queue; nullptr: there is none. The error of ICMP that is next is the socket's now, as if it
 * had just come; with the last one the socket's ends. */
static struct kept_error *take(struct inet_datagram_socket *d, bool purge)
{
	struct kept_error *k = nullptr;

	spin_lock(&d->inet.queue_lock);
	if (!list_empty(&d->errors)) {
		k = list_first(&d->errors, struct kept_error, link);
		list_remove(&k->link);
		__atomic_store_n(&d->charged, d->charged - k->charge, __ATOMIC_RELAXED);
		__atomic_store_n(&d->errors_kept, d->errors_kept - 1, __ATOMIC_RELEASE);
		const struct kept_error *next =
			list_empty(&d->errors) ? nullptr : list_first(&d->errors, struct kept_error, link);
		if (purge)
			next = nullptr;
		else if (next != nullptr && is_of_icmp(next))
			socket_set_error(&d->inet.socket, -(int)next->told.error);
		else if (is_of_icmp(k))
			socket_set_error(&d->inet.socket, 0);
	}
	spin_unlock(&d->inet.queue_lock);
	return k;
}

static void drop(struct inet_datagram_socket *d, struct kept_error *k)
{
	inet_uncharge(&d->inet, k->charge);
	kfree(k);
}

void datagram_errors_purge(struct inet_datagram_socket *d)
{
	struct kept_error *k;

	while ((k = take(d, true)) != nullptr)
		drop(d, k);
}

/* The error and, behind it, the address of who told. */
static void note(const struct inet_socket *i, struct socket_message *m, const struct kept_error *k)
{
	bool v6 = i->socket.family == AF_INET6;
	uint8_t tells = __atomic_load_n(&i->tells, __ATOMIC_RELAXED);
	struct socket_address a = {};
	struct {
		struct sock_extended_err told;
		uint8_t offender[sizeof(struct sockaddr_in6)];
	} n = {.told = k->told};
	int32_t hops = k->hops;

	if (k->has_offender) {
		inet_address_put(i, &k->offender, 0, &a);
		memcpy(n.offender, a.bytes, v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		if (IP_IS_V4_VAL(k->offender) && tells & TELL_HOPS4)
			socket_note(m, IPPROTO_IP, IP_OPTION_TTL, &hops, sizeof(hops));
		if (IP_IS_V6_VAL(k->offender) && tells & TELL_HOPS6)
			socket_note(m, IPPROTO_IPV6, IPV6_OPTION_HOPLIMIT, &hops, sizeof(hops));
	}
	if (v6)
		socket_note(m, IPPROTO_IPV6, IPV6_OPTION_RECVERR, &n, sizeof(n.told) + sizeof(struct sockaddr_in6));
	else
		socket_note(m, IPPROTO_IP, IP_OPTION_RECVERR, &n, sizeof(n.told) + sizeof(struct sockaddr_in));
}

long datagram_error_receive(struct inet_datagram_socket *d, struct socket_message *m)
{
	struct kept_error *k = take(d, false);

	if (k == nullptr)
		return -EAGAIN;
	size_t n = MIN((size_t)k->length, m->length);
	bool whole = n == 0 || io_copy_out(m->buffer, 0, k->bytes, n) == n;
	m->flags_out |= MSG_ERRQUEUE | (k->length > m->length ? MSG_TRUNC : 0);
	if (m->address != nullptr)
		inet_address_put(&d->inet, &k->to, k->port, m->address);
	if (m->notes != nullptr)
		note(&d->inet, m, k);
	drop(d, k);
	return whole ? (long)n : -EFAULT;
}
