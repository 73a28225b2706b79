/* SPDX-License-Identifier: MIT */
/*
 * What UDP and raw sockets have in common: a queue of datagrams that arrived, and reading it. A datagram is charged to
 * the receiver, and to its user; one that does not fit into its buffer (SO_RCVBUF), or for which the user has no room,
 * is dropped, as nobody promised more.
 */
#include "inet.h"

enum : uint32_t { OVERHEAD = 512 }; /* what a datagram is charged besides its bytes */

int datagram_create(const struct socket_ops *ops, int family, uint32_t type, int protocol,
		    struct inet_datagram_socket **out)
{
	struct inet_datagram_socket *d = kmalloc(sizeof(*d));

	if (d == nullptr)
		return -ENOMEM;
	inet_socket_init(&d->inet, ops, family, type, protocol);
	list_init(&d->queue);
	list_init(&d->errors);
	int error = inet_account_open(&d->inet, nullptr);
	if (error != 0) {
		kfree(d);
		return error;
	}
	*out = d;
	return 0;
}

void datagram_free(struct socket *s)
{
	inet_account_close(inet_of(s));
	kfree(datagram_of(s));
}

static void put_datagram(struct inet_datagram_socket *d, struct datagram *g)
{
	if (__atomic_fetch_sub(&g->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	inet_uncharge(&d->inet, g->charge);
	pbuf_free(g->bytes);
	kfree(g);
}

void datagram_arrived(struct inet_datagram_socket *d, struct pbuf *bytes, const ip_addr_t *from, uint16_t port)
{
	uint32_t limit = __atomic_load_n(&d->inet.socket.receive_limit, __ATOMIC_RELAXED),
		 charge = OVERHEAD + bytes->tot_len;
	struct datagram *g = nullptr;

	/* Only the core's holder adds to it: what fits now fits below. */
	if (__atomic_load_n(&d->charged, __ATOMIC_RELAXED) + charge <= limit &&
	    !(__atomic_load_n(&d->inet.shut, __ATOMIC_RELAXED) & SIDE_RECEIVE) && inet_charge(&d->inet, charge)) {
		g = kmalloc(sizeof(*g));
		if (g == nullptr)
			inet_uncharge(&d->inet, charge);
	}
	if (g == nullptr) {
		__atomic_fetch_add(&d->dropped, 1, __ATOMIC_RELAXED);
		pbuf_free(bytes);
		return;
	}
	*g = (struct datagram){.refs = 1,
			       .length = bytes->tot_len,
			       .charge = charge,
			       .bytes = bytes,
			       .from = *from,
			       .to = *ip_current_dest_addr(),
			       .port = port,
			       .interface = netif_get_index(ip_current_input_netif()),
			       .ttl = ip_current_is_v6() ? IP6H_HOPLIM(ip6_current_header())
							 : IPH_TTL(ip4_current_header())};
	list_init(&g->link);
	inet_packet_keep(bytes);
	spin_lock(&d->inet.queue_lock);
	list_push_back(&d->queue, &g->link);
	__atomic_store_n(&d->charged, d->charged + charge, __ATOMIC_RELAXED);
	__atomic_store_n(&d->queued, d->queued + 1, __ATOMIC_RELEASE);
	spin_unlock(&d->inet.queue_lock);
	inet_wake(&d->inet, WAKE_READERS);
}

/* The oldest, with a reference; out of the queue, unless it is only looked at. nullptr: there is none. */
static struct datagram *take(struct inet_datagram_socket *d, bool peek)
{
	struct datagram *g = nullptr;

	spin_lock(&d->inet.queue_lock);
	if (!list_empty(&d->queue)) {
		g = list_first(&d->queue, struct datagram, link);
		if (peek) {
			__atomic_fetch_add(&g->refs, 1, __ATOMIC_RELAXED);
		} else {
			list_remove(&g->link);
			__atomic_store_n(&d->charged, d->charged - g->charge, __ATOMIC_RELAXED);
			__atomic_store_n(&d->queued, d->queued - 1, __ATOMIC_RELEASE);
		}
	}
	spin_unlock(&d->inet.queue_lock);
	return g;
}

void datagram_purge(struct inet_datagram_socket *d)
{
	struct datagram *g;

	while ((g = take(d, false)) != nullptr)
		put_datagram(d, g);
	datagram_errors_purge(d);
}

static bool has_come(struct inet_datagram_socket *d)
{
	return __atomic_load_n(&d->queued, __ATOMIC_ACQUIRE) > 0 ||
	       __atomic_load_n(&d->inet.shut, __ATOMIC_ACQUIRE) & SIDE_RECEIVE ||
	       __atomic_load_n(&d->inet.socket.error, __ATOMIC_ACQUIRE) != 0;
}

/* 0 and a datagram, or none: the side is shut. */
static int await(struct inet_datagram_socket *d, const struct socket_message *m, struct datagram **out)
{
	struct socket *s = &d->inet.socket;
	uint64_t timeout_ns = __atomic_load_n(&s->receive_timeout_ns, __ATOMIC_RELAXED);
	uint64_t deadline_ns = socket_deadline(timeout_ns);

	while (true) {
		int error = socket_take_error(s);
		if (error != 0)
			return error;
		*out = take(d, m->flags & MSG_PEEK);
		if (*out != nullptr)
			return 0;
		if (__atomic_load_n(&d->inet.shut, __ATOMIC_ACQUIRE) & SIDE_RECEIVE)
			return m->flags & MSG_DONTWAIT ? -EAGAIN : 0;
		if (m->flags & MSG_DONTWAIT)
			return -EAGAIN;
		error = wait_event_interruptible_deadline(&s->readable, has_come(d), deadline_ns);
		if (error != 0)
			return socket_wait_error(error, timeout_ns);
	}
}

static bool copy_out(const struct datagram *g, const struct socket_message *m, size_t n)
{
	size_t done = 0;

	for (const struct pbuf *p = g->bytes; p != nullptr && done < n; p = p->next) {
		size_t part = MIN((size_t)p->len, n - done);

		if (io_copy_out(m->buffer, done, p->payload, part) != part)
			return false;
		done += part;
	}
	return true;
}

/* An address as version 6 has it. */
static void put6(uint32_t out[4], const ip_addr_t *a)
{
	struct socket_address s;
	struct sockaddr_in6 in;
	const struct inet_socket six = {.socket.family = AF_INET6};

	inet_address_put(&six, a, 0, &s);
	memcpy(&in, s.bytes, sizeof(in));
	memcpy(out, in.address, sizeof(in.address));
}

/* Of ours the one that it came to: what is for many is for its interface's. */
static uint32_t own4(const struct datagram *g)
{
	inet_core_lock();
	struct netif *n = netif_get_by_index(g->interface);
	bool is_own = n == nullptr || inet_is_local(&g->to);
	uint32_t own = is_own ? ip_2_ip4(&g->to)->addr : netif_ip4_addr(n)->addr;
	inet_core_unlock();
	return own;
}

static void note(struct inet_socket *i, struct socket_message *m, const struct datagram *g)
{
	uint8_t tells = __atomic_load_n(&i->tells, __ATOMIC_RELAXED);
	bool v4 = IP_IS_V4_VAL(g->to);
	int32_t hops = g->ttl;

	if (v4 && tells & TELL_PACKET4) {
		struct in_pktinfo p = {.interface = g->interface, .own = own4(g), .to = ip_2_ip4(&g->to)->addr};

		socket_note(m, IPPROTO_IP, IP_OPTION_PKTINFO, &p, sizeof(p));
	}
	if (v4 && tells & TELL_HOPS4)
		socket_note(m, IPPROTO_IP, IP_OPTION_TTL, &hops, sizeof(hops));
	if (tells & TELL_PACKET6) {
		struct in6_pktinfo p = {.interface = g->interface};

		put6(p.address, &g->to);
		socket_note(m, IPPROTO_IPV6, IPV6_OPTION_PKTINFO, &p, sizeof(p));
	}
	if (!v4 && tells & TELL_HOPS6)
		socket_note(m, IPPROTO_IPV6, IPV6_OPTION_HOPLIMIT, &hops, sizeof(hops));
}

long datagram_receive(struct socket *s, struct socket_message *m)
{
	struct inet_datagram_socket *d = datagram_of(s);
	struct datagram *g = nullptr;

	if (m->flags & MSG_ERRQUEUE)
		return datagram_error_receive(d, m);
	int error = await(d, m, &g);
	if (error != 0 || g == nullptr)
		return error;
	size_t n = MIN((size_t)g->length, m->length);
	bool whole = copy_out(g, m, n);
	long done = m->flags & MSG_TRUNC ? (long)g->length : (long)n;
	if (g->length > m->length)
		m->flags_out |= MSG_TRUNC;
	if (m->address != nullptr)
		inet_address_put(&d->inet, &g->from, g->port, m->address);
	if (m->notes != nullptr)
		note(&d->inet, m, g);
	put_datagram(d, g);
	return whole ? done : -EFAULT;
}

int datagram_bytes(const struct socket_message *m, size_t most, struct pbuf **out)
{
	if (m->length > most)
		return -EMSGSIZE;
	/* After a fault of this thread's what is in its hands would be swept, and so would this packet. */
	if (unlikely(inet_core_is_mine())) {
		inet_core_lock();
		inet_core_unlock();
	}
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)m->length, PBUF_RAM);
	if (p == nullptr)
		return -ENOBUFS;
	if (io_copy_in(p->payload, m->buffer, 0, m->length) != m->length) {
		pbuf_free(p);
		return -EFAULT;
	}
	p->flags |= PBUF_GIVEN;
	inet_packet_hold(p);
	*out = p;
	return 0;
}

uint32_t datagram_poll(struct socket *s, struct poll_table *table)
{
	struct inet_datagram_socket *d = datagram_of(s);
	uint32_t mask = POLLOUT | POLLWRNORM | POLLWRBAND; /* what cannot go at once is dropped */

	poll_watch(table, &s->readable);
	poll_watch(table, &s->writable);
	uint8_t shut = __atomic_load_n(&d->inet.shut, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&s->error, __ATOMIC_ACQUIRE) != 0 || __atomic_load_n(&d->errors_kept, __ATOMIC_ACQUIRE) > 0)
		mask |= POLLERR;
	if (shut == (SIDE_RECEIVE | SIDE_SEND))
		mask |= POLLHUP;
	if (shut & SIDE_RECEIVE)
		mask |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (__atomic_load_n(&d->queued, __ATOMIC_ACQUIRE) > 0)
		mask |= POLLIN | POLLRDNORM;
	return mask;
}

/* The next one's bytes. */
long datagram_pending(struct socket *s, bool sent)
{
	struct inet_datagram_socket *d = datagram_of(s);
	long bytes = 0;

	if (sent)
		return 0;
	spin_lock(&d->inet.queue_lock);
	if (!list_empty(&d->queue))
		bytes = list_first(&d->queue, struct datagram, link)->length;
	spin_unlock(&d->inet.queue_lock);
	return bytes;
}

int datagram_shutdown(struct socket *s, uint32_t sides)
{
	struct inet_datagram_socket *d = datagram_of(s);

	inet_core_lock();
	bool connected = d->connected;
	/* Without a connection, too, as on Linux: who polls sees it. */
	__atomic_fetch_or(&d->inet.shut, (uint8_t)sides, __ATOMIC_RELEASE);
	inet_wake(&d->inet, WAKE_READERS | WAKE_WRITERS);
	inet_core_unlock();
	return connected ? 0 : -ENOTCONN;
}

int inet_no_listen(struct socket *, uint32_t)
{
	return -EOPNOTSUPP;
}

int inet_no_accept(struct socket *, bool, struct socket **)
{
	return -EOPNOTSUPP;
}

bool inet_listens_not(struct socket *)
{
	return false;
}

/* It may be anybody's, on any machine. */
int inet_no_peer_cred(struct socket *, struct ucred *out)
{
	*out = (struct ucred){.uid = UINT32_MAX, .gid = UINT32_MAX};
	return 0;
}
