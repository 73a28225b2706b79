/* SPDX-License-Identifier: MIT */
/* UDP (RFC 768; udp(7)). */
#include "inet.h"

#include <abi/signal.h>
#include <lwip/udp.h>

enum : size_t { DATAGRAM_MAX = 65507 }; /* what IPv4 can carry of it; with IPv6's header it is as much here */
enum : uint32_t { SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR | MSG_DONTROUTE | MSG_CONFIRM };

/* What is for one is one's of those that share the port; what is for many is each one's, but for who is connected to
 * another, whom lwIP does not leave out. */
static void received(void *arg, struct udp_pcb *udp, struct pbuf *p, const ip_addr_t *from, u16_t port) NO_THREAD_SAFETY
{
	const ip_addr_t *to = ip_current_dest_addr();
	bool is_connected = udp->flags & UDP_FLAGS_CONNECTED;
	bool for_many = ip_addr_ismulticast(to) || ip_addr_isbroadcast(to, ip_current_netif());

	if (ip_addr_ismulticast(to) && !inet_multicast_wants(arg, to, ip_current_input_netif()))
		pbuf_free(p);
	else if (is_connected && (udp->remote_port != port || !ip_addr_eq(&udp->remote_ip, from)))
		pbuf_free(p);
	else
		datagram_arrived(is_connected || for_many ? arg : udp_share(arg, from, port), p, from, port);
}

static int udp_bind_to(struct socket *s, const struct socket_address *a)
{
	struct inet_datagram_socket *d = datagram_of(s);
	uint16_t port;
	ip_addr_t ip;

	inet_core_lock();
	int error = inet_address_get(&d->inet, a, true, &ip, &port);
	if (error == 0 && d->udp->local_port != 0)
		error = -EINVAL;
	if (error == 0)
		error = inet_may_bind(&ip, port);
	if (error == 0)
		error = udp_port_is_taken(d, &ip, port) ? -EADDRINUSE : inet_errno(udp_bind(d->udp, &ip, port));
	inet_core_unlock();
	return error;
}

/* Whether it may send to there: everybody only if it said so (SO_BROADCAST). */
static int may_send(const struct socket *s, const ip_addr_t *to, struct netif *n)
{
	return ip_addr_isbroadcast(to, n) && !socket_switch(s, SO_BROADCAST) ? -EACCES : 0;
}

/* Its own address is none again, unless it was bound. */
static void disconnect(struct inet_datagram_socket *d) REQUIRES(inet_core)
{
	udp_disconnect(d->udp);
	d->udp->netif_idx = d->inet.device; /* lwIP forgets it */
	if (d->source_chosen)
		d->udp->local_ip = *inet_any(&d->inet);
	d->source_chosen = d->connected = false;
}

static int connect_to(struct inet_datagram_socket *d, const ip_addr_t *ip, uint16_t port) REQUIRES(inet_core)
{
	struct netif *n;
	ip_addr_t source;

	if (d->connected)
		disconnect(d);
	int error = inet_route(inet_multicast_device(&d->inet, d->inet.device, ip), &d->udp->local_ip, ip, &n, &source);
	if (error == 0)
		error = may_send(&d->inet.socket, ip, n);
	if (error == 0)
		error = inet_errno(udp_connect(d->udp, ip, port));
	if (error != 0)
		return error;
	if (ip_addr_isany(&d->udp->local_ip)) {
		d->udp->local_ip = source;
		d->source_chosen = true;
	}
	d->connected = true;
	return 0;
}

static int udp_connect_to(struct socket *s, const struct socket_address *a, bool)
{
	struct inet_datagram_socket *d = datagram_of(s);
	uint16_t port;
	ip_addr_t ip;
	int error = 0;

	if (a->length < sizeof(a->family))
		return -EINVAL;
	inet_core_lock();
	if (a->family == AF_UNSPEC) {
		if (d->connected)
			disconnect(d);
	} else {
		error = inet_address_get(&d->inet, a, false, &ip, &port);
		if (error == 0)
			error = connect_to(d, &ip, port);
	}
	inet_core_unlock();
	return error;
}

static int udp_name(struct socket *s, bool peers, struct socket_address *out)
{
	struct inet_datagram_socket *d = datagram_of(s);
	int error = 0;

	inet_core_lock();
	if (!peers)
		inet_address_put(&d->inet, &d->udp->local_ip, d->udp->local_port, out);
	else if (d->connected)
		inet_address_put(&d->inet, &d->udp->remote_ip, d->udp->remote_port, out);
	else
		error = -ENOTCONN;
	inet_core_unlock();
	return error;
}

/* To a group of which somebody here is a member, too, a second one goes round. */
static int send_out(struct inet_datagram_socket *d, struct pbuf *p, const ip_addr_t *to, uint16_t port, struct netif *n,
		    const ip_addr_t *source) REQUIRES(inet_core)
{
	struct pbuf *copy = nullptr;
	ip_addr_t whom = *to;

	if (IP_IS_V6_VAL(whom) && ip6_addr_lacks_zone(ip_2_ip6(&whom), IP6_UNKNOWN))
		ip6_addr_assign_zone(ip_2_ip6(&whom), IP6_UNKNOWN, n);
	if (inet_multicast_loops(&d->inet, to, n))
		copy = pbuf_clone(PBUF_TRANSPORT, PBUF_RAM, p);
	int error = d->udp->mcast_ttl == 0 && ip_addr_ismulticast(to) && n != &inet_lo
			    ? 0 /* not beyond this machine */
			    : inet_errno(udp_sendto_if_src(d->udp, p, &whom, port, n, source));
	if (copy == nullptr)
		return error;
	copy->flags |= PBUF_GIVEN;
	inet_lo_as(n);
	(void)udp_sendto_if_src(d->udp, copy, &whom, port, &inet_lo, source);
	inet_lo_as(nullptr);
	pbuf_free(copy);
	return error;
}

static int send_bytes(struct inet_datagram_socket *d, const struct socket_message *m, const ip_addr_t *to,
		      uint16_t port, struct pbuf *p) REQUIRES(inet_core)
{
	struct netif *n;
	ip_addr_t source, bound;
	uint8_t device;

	int error = inet_way(&d->inet, m, &device, &bound);
	if (error == 0)
		error = inet_route(inet_multicast_device(&d->inet, device, to), &bound, to, &n, &source);
	if (error == 0)
		error = may_send(&d->inet.socket, to, n);
	if (error == 0 && d->udp->local_port == 0)
		error = inet_errno(udp_bind(d->udp, &d->udp->local_ip, 0));
	if (error == 0 && !IP_ADDR_PCB_VERSION_MATCH(d->udp, to))
		error = -ENETUNREACH;
	if (error != 0)
		return error;
	error = datagram_fits(d, to, port, n, p->tot_len + UDP_HLEN + (IP_IS_V6(to) ? IP6_HLEN : IP_HLEN));
	if (error != 0)
		return error;
	uint8_t hops = d->udp->ttl;
	d->udp->ttl = m->way.hops != 0 ? m->way.hops : hops;
	d->udp->mcast_ttl = m->way.hops != 0 ? m->way.hops : d->inet.many[IP_IS_V6(to)].hops;
	inet_sends_whole = datagram_is_whole(d);
	error = send_out(d, p, to, port, n, &source);
	inet_sends_whole = false;
	d->udp->ttl = hops;
	return error;
}

static int target(struct inet_datagram_socket *d, const struct socket_message *m, ip_addr_t *to, uint16_t *port)
	REQUIRES(inet_core)
{
	if (m->address == nullptr) {
		if (!d->connected)
			return -EDESTADDRREQ;
		*to = d->udp->remote_ip;
		*port = d->udp->remote_port;
		return 0;
	}
	int error = inet_address_get(&d->inet, m->address, false, to, port);
	return error == 0 && *port == 0 ? -EINVAL : error;
}

static long udp_send_to(struct socket *s, struct socket_message *m)
{
	struct inet_datagram_socket *d = datagram_of(s);
	struct pbuf *p;
	ip_addr_t to;
	uint16_t port;

	if (m->flags & ~SEND_FLAGS)
		return m->flags & MSG_OOB ? -EOPNOTSUPP : -EINVAL;
	int error = socket_take_error(s);
	if (error == 0 && __atomic_load_n(&d->inet.shut, __ATOMIC_ACQUIRE) & SIDE_SEND) {
		if (!(m->flags & MSG_NOSIGNAL))
			(void)subject_raise(SIGPIPE);
		error = -EPIPE;
	}
	if (error == 0)
		error = datagram_bytes(m, DATAGRAM_MAX, &p);
	if (error != 0)
		return error;
	inet_core_lock();
	error = target(d, m, &to, &port);
	if (error == 0)
		error = send_bytes(d, m, &to, port, p);
	inet_packet_put(p); /* before it arrives: who receives it over `lo` has it alone */
	inet_core_unlock();
	return error != 0 ? error : (long)m->length;
}

void udp_renew(struct inet_datagram_socket *d)
{
	udp_recv(d->udp, received, d);
	d->udp->next = nullptr;
}

static void udp_release(struct socket *s)
{
	struct inet_datagram_socket *d = datagram_of(s);

	inet_core_lock();
	s->file = nullptr;
	inet_multicast_close(&d->inet);
	inet_list_remove(&d->inet);
	udp_remove(d->udp);
	d->udp = nullptr;
	inet_core_unlock();
	datagram_purge(d);
	socket_put(s); /* lwIP's */
}

static const struct socket_ops udp_ops = {
	.bind = udp_bind_to,
	.connect = udp_connect_to,
	.listen = inet_no_listen,
	.accept = inet_no_accept,
	.name = udp_name,
	.send = udp_send_to,
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
	.release = udp_release,
	.free = datagram_free,
};

int udp_create(int family, struct socket **out)
{
	struct inet_datagram_socket *d;

	int error = datagram_create(&udp_ops, family, SOCK_DGRAM, IPPROTO_UDP, &d);
	if (error != 0)
		return error;
	inet_core_lock();
	d->udp = udp_new_ip_type(family == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY);
	if (d->udp != nullptr) {
		socket_get(&d->inet.socket); /* lwIP's reference */
		udp_recv(d->udp, received, d);
		ip_set_option(d->udp, SOF_REUSEADDR); /* reuse.c has the rule */
		inet_list_add(&d->inet);
	}
	inet_core_unlock();
	if (d->udp == nullptr) {
		datagram_free(&d->inet.socket);
		return -ENOBUFS;
	}
	*out = &d->inet.socket;
	return 0;
}
