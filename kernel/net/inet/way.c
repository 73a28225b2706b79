/* SPDX-License-Identifier: MIT */
/* By which way a socket's packets go and come, where a process says so: SO_BINDTODEVICE (socket(7)), and what it sends
 * along with one message (IP_PKTINFO of ip(7), RFC 3542). */
#include "interface.h"
#include "stream.h"

#include <abi/netdevice_ioctl.h>
#include <lwip/udp.h>

/* What all records of lwIP begin with; nullptr: there is none. */
static struct ip_pcb *record(struct inet_socket *i) REQUIRES(inet_core)
{
	if (i->socket.type == SOCK_STREAM)
		return (struct ip_pcb *)stream_of(&i->socket)->tcp;
	return (struct ip_pcb *)datagram_of(&i->socket)->udp;
}

int inet_bind_device(struct socket *s, const char *name)
{
	struct inet_socket *i = inet_of(s);
	struct netif *n = nullptr;
	int error = 0;

	inet_core_lock();
	if (name[0] != '\0' && (n = inet_interface_find(name)) == nullptr)
		error = -ENODEV;
	else if (i->device != 0 && !capable(CAP_NET_RAW))
		error = -EPERM;
	if (error == 0) {
		i->device = n != nullptr ? netif_get_index(n) : 0;
		if (record(i) != nullptr)
			record(i)->netif_idx = i->device;
	}
	inet_core_unlock();
	return error;
}

void inet_bound_device(struct socket *s, char *name)
{
	struct inet_socket *i = inet_of(s);
	struct netdev_info info = {};

	inet_core_lock();
	struct netif *n = i->device != 0 ? netif_get_by_index(i->device) : nullptr;
	if (n != nullptr)
		inet_interface_info(n, &info);
	inet_core_unlock();
	strlcpy(name, info.name, IFNAMSIZ);
}

/* --- with one message --- */

static int take_packet4(struct socket_message *m, const void *data, size_t n)
{
	struct in_pktinfo p;

	if (n != sizeof(p))
		return -EINVAL;
	memcpy(&p, data, sizeof(p));
	if (p.interface < 0)
		return -ENODEV;
	m->way.interface = (uint32_t)p.interface;
	m->way.has_source = p.own != 0;
	memcpy(m->way.source, &p.own, sizeof(p.own));
	return 0;
}

static int take_packet6(struct socket_message *m, const void *data, size_t n)
{
	static const uint8_t none[16];
	struct in6_pktinfo p;

	if (n != sizeof(p))
		return -EINVAL;
	memcpy(&p, data, sizeof(p));
	m->way.interface = p.interface;
	memcpy(m->way.source, p.address, sizeof(m->way.source));
	m->way.has_source = memcmp(none, p.address, sizeof(none)) != 0;
	return 0;
}

static int take_hops(struct socket_message *m, const void *data, size_t n)
{
	int32_t hops;

	if (n != sizeof(hops))
		return -EINVAL;
	memcpy(&hops, data, sizeof(hops));
	if (hops < 1 || hops > BYTE_MAX)
		return -EINVAL;
	m->way.hops = (uint8_t)hops;
	return 0;
}

int inet_note(struct socket *s, struct socket_message *m, int level, int type, const void *data, size_t n)
{
	bool v6 = s->family == AF_INET6;

	if (level == IPPROTO_IP && !v6) {
		switch (type) {
		case IP_OPTION_PKTINFO: return take_packet4(m, data, n);
		case IP_OPTION_TTL: return take_hops(m, data, n);
		default: return -EINVAL;
		}
	}
	if (level == IPPROTO_IPV6 && v6) {
		switch (type) {
		case IPV6_OPTION_PKTINFO: return take_packet6(m, data, n);
		case IPV6_OPTION_HOPLIMIT: return take_hops(m, data, n);
		default: return -EINVAL;
		}
	}
	return 0; /* another level's */
}

int inet_way(const struct inet_socket *i, const struct socket_message *m, uint8_t *device, ip_addr_t *bound)
{
	bool v6 = i->socket.family == AF_INET6;
	struct socket_address a = {};
	uint16_t port;

	*device = i->device;
	*bound = datagram_of((struct socket *)&i->socket)->udp->local_ip;
	if (m->way.interface != 0) {
		if (m->way.interface > BYTE_MAX || netif_get_by_index((u8_t)m->way.interface) == nullptr ||
		    (i->device != 0 && i->device != m->way.interface))
			return -ENODEV;
		*device = (uint8_t)m->way.interface;
	}
	if (!m->way.has_source)
		return 0;
	if (v6) {
		struct sockaddr_in6 in = {.family = AF_INET6, .scope = *device};

		memcpy(in.address, m->way.source, sizeof(in.address));
		memcpy(a.bytes, &in, sizeof(in));
		a.length = sizeof(in);
	} else {
		struct sockaddr_in in = {.family = AF_INET};

		memcpy(&in.address, m->way.source, sizeof(in.address));
		memcpy(a.bytes, &in, sizeof(in));
		a.length = sizeof(in);
	}
	int error = inet_address_get(i, &a, true, bound, &port);
	return error != 0 ? error : inet_may_bind(bound, 0);
}
