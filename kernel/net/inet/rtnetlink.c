/* SPDX-License-Identifier: MIT */
/* NETLINK_ROUTE (rtnetlink.h): which request is whose, and interfaces as links. */
#include "rtnetlink.h"

#include <abi/netdevice.h>

enum : uint32_t { SEND_QUEUE_LENGTH = 1000 };

/* --- requests --- */

int rt_parse(struct rt_request *r, size_t n)
{
	const struct netlink_message *m = r->message;
	size_t behind = (n + NETLINK_ALIGN - 1) & ~(size_t)(NETLINK_ALIGN - 1);

	if (m->length < n && !r->is_dump)
		return -EINVAL;
	memset(&r->link, 0, sizeof(r->link));
	memcpy(&r->link, m->payload, MIN(n, m->length));
	if (m->length > behind)
		return netlink_attributes(m->payload + behind, m->length - behind, r->attributes, IFLA_END) ? 0
													    : -EINVAL;
	memset(r->attributes, 0, sizeof(r->attributes));
	return 0;
}

int rt_address4(const struct rt_request *r, uint16_t type, ip4_addr_t *out)
{
	const struct netlink_attribute *a = &r->attributes[type];

	if (a->data == nullptr)
		return 0;
	if (a->length != sizeof(out->addr))
		return -EINVAL;
	memcpy(&out->addr, a->data, sizeof(out->addr));
	return 0;
}

int rt_address6(const struct rt_request *r, uint16_t type, ip6_addr_t *out)
{
	const struct netlink_attribute *a = &r->attributes[type];

	if (a->data == nullptr)
		return 0;
	if (a->length != sizeof(out->addr))
		return -EINVAL;
	ip6_addr_clear_zone(out);
	memcpy(out->addr, a->data, sizeof(out->addr));
	return 0;
}

void rt_put_ip4(struct netlink_writer *w, uint16_t type, const ip4_addr_t *a)
{
	netlink_put(w, type, &a->addr, sizeof(a->addr));
}

void rt_put_ip6(struct netlink_writer *w, uint16_t type, const ip6_addr_t *a)
{
	netlink_put(w, type, a->addr, sizeof(a->addr));
}

struct netif *rt_interface(uint32_t index)
{
	struct netif *n;

	NETIF_FOREACH(n)
	{
		if (netif_get_index(n) == index)
			return n;
	}
	return nullptr;
}

ip4_addr_t rt_mask(uint32_t prefix)
{
	return (ip4_addr_t){.addr = prefix == 0 ? 0 : lwip_htonl(UINT32_MAX << (32 - prefix))};
}

uint32_t rt_prefix(const ip4_addr_t *mask)
{
	return (uint32_t)__builtin_popcount(mask->addr);
}

static int answer(const struct netlink_message *m, bool is_dump, struct netlink_out *out)
{
	struct rt_request r = {.message = m, .is_dump = is_dump, .out = out};
	uint16_t type = m->header.type;

	if (type > RTM_MAX)
		return -EOPNOTSUPP;
	if (m->length < 1)
		return -EINVAL;
	r.family = m->payload[0];
	if (type % 4 != RTM_GETLINK % 4 && !out->may_set)
		return -EPERM;
	switch (type) {
	case RTM_GETLINK: return rt_get_link(&r);
	case RTM_NEWLINK:
	case RTM_SETLINK: return rt_set_link(&r);
	case RTM_GETADDR: return rt_get_address(&r);
	case RTM_NEWADDR:
	case RTM_DELADDR: return rt_set_address(&r);
	case RTM_GETROUTE: return rt_get_route(&r);
	case RTM_NEWROUTE:
	case RTM_DELROUTE: return rt_set_route(&r);
	case RTM_GETNEIGH: return rt_get_neighbour(&r);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH: return rt_set_neighbour(&r);
	default: return -EOPNOTSUPP;
	}
}

/* --- links --- */

static void put_stats(struct netlink_writer *w, struct netdev *n)
{
	uint64_t wide[LINK_WORDS] = {};
	uint32_t narrow[LINK_WORDS];
	struct netdev_stats s;

	netdev_get_stats(n, &s);
	wide[LINK_RX_PACKETS] = s.rx_packets;
	wide[LINK_TX_PACKETS] = s.tx_packets;
	wide[LINK_RX_BYTES] = s.rx_bytes;
	wide[LINK_TX_BYTES] = s.tx_bytes;
	wide[LINK_RX_ERRORS] = s.rx_errors;
	wide[LINK_TX_ERRORS] = s.tx_errors;
	wide[LINK_RX_DROPPED] = s.rx_dropped;
	wide[LINK_TX_DROPPED] = s.tx_dropped;
	wide[LINK_MULTICAST] = s.rx_multicast;
	wide[LINK_RX_MISSED] = s.rx_missed;
	for (uint32_t i = 0; i < LINK_WORDS; i++)
		narrow[i] = (uint32_t)wide[i];
	netlink_put(w, IFLA_STATS64, wide, sizeof(wide));
	netlink_put(w, IFLA_STATS, narrow, sizeof(narrow));
}

static void put_link(struct netlink_out *o, uint16_t type, const struct netdev_info *i, struct netdev *n,
		     uint32_t change)
{
	bool is_lo = i->kind == NETDEV_LOOPBACK, runs = i->up && i->carrier;
	const struct ifinfomsg link = {.type = i->kind,
				       .index = (int32_t)i->index,
				       .flags = inet_interface_flags(i) | (runs ? IFF_LOWER_UP : 0),
				       .change = change};
	uint8_t everybody[NETDEV_ADDRESS];

	memset(everybody, is_lo ? 0 : 255, sizeof(everybody));
	struct netlink_writer *w = netlink_out_begin(o, type, &link, sizeof(link));
	netlink_put_string(w, IFLA_IFNAME, i->name);
	netlink_put_u32(w, IFLA_TXQLEN, SEND_QUEUE_LENGTH);
	netlink_put_u8(w, IFLA_OPERSTATE, !runs ? IF_OPER_DOWN : is_lo ? IF_OPER_UNKNOWN : IF_OPER_UP);
	netlink_put_u8(w, IFLA_LINKMODE, 0);
	netlink_put_u32(w, IFLA_MTU, i->mtu);
	netlink_put_u32(w, IFLA_MIN_MTU, NETDEV_MTU_MIN);
	netlink_put_u32(w, IFLA_MAX_MTU, i->mtu_max);
	netlink_put_u32(w, IFLA_GROUP, 0);
	netlink_put_u32(w, IFLA_PROMISCUITY, i->promiscuous);
	netlink_put_u8(w, IFLA_CARRIER, i->carrier);
	netlink_put_u32(w, IFLA_CARRIER_CHANGES, i->carrier_changes);
	netlink_put_string(w, IFLA_QDISC, is_lo ? "noqueue" : "pfifo");
	netlink_put(w, IFLA_ADDRESS, i->address, NETDEV_ADDRESS);
	netlink_put(w, IFLA_BROADCAST, everybody, NETDEV_ADDRESS);
	put_stats(w, n);
	netlink_out_end(o);
}

/* Of a request for one. With a reference; nullptr: it names none. */
static struct netdev *find_link(const struct rt_request *r)
{
	const struct netlink_attribute *a = &r->attributes[IFLA_IFNAME];
	char name[NETDEV_NAME_MAX] = {};

	if (r->link.index > 0)
		return netdev_find_index((uint32_t)r->link.index);
	if (a->data == nullptr || a->length == 0 || a->length > sizeof(name))
		return nullptr;
	memcpy(name, a->data, a->length);
	name[sizeof(name) - 1] = '\0';
	return netdev_find(name);
}

int rt_get_link(struct rt_request *r)
{
	struct netdev_info i;

	int error = rt_parse(r, sizeof(r->link));
	if (error != 0)
		return error;
	if (!r->is_dump) {
		struct netdev *n = find_link(r);

		if (n == nullptr)
			return -ENODEV;
		netdev_get_info(n, &i);
		put_link(r->out, RTM_NEWLINK, &i, n, 0);
		netdev_put(n);
		return 0;
	}
	if (r->family == AF_BRIDGE)
		return 0;
	for (struct netdev *n = netdev_each(nullptr); n != nullptr; n = netdev_each(n)) {
		netdev_get_info(n, &i);
		put_link(r->out, RTM_NEWLINK, &i, n, 0);
	}
	return 0;
}

static int change_link(struct rt_request *r, struct netdev *device) REQUIRES(inet_core)
{
	struct netdev_info i;
	uint32_t mtu = 0;

	netdev_get_info(device, &i);
	struct netif *n = rt_interface(i.index);
	if (n == nullptr)
		return -EOPNOTSUPP; /* another stack's */
	if (!netlink_u32(&r->attributes[IFLA_MTU], &mtu) || (rt_has(r, IFLA_MTU) && mtu == 0))
		return -EINVAL;
	if (mtu != 0 && (mtu < NETDEV_MTU_MIN || mtu > i.mtu_max))
		return -EINVAL;
	int error = mtu != 0 ? netdev_set_mtu(device, mtu) : 0;
	if (error == 0 && (r->link.flags | r->link.change) != 0) {
		uint32_t change = r->link.change != 0 ? r->link.change : UINT32_MAX;

		error = inet_interface_set_flags(n, r->link.flags, change);
	}
	inet_interface_sync(n);
	return error;
}

/* Names, hardware addresses and kinds do not change, and none is made. */
int rt_set_link(struct rt_request *r)
{
	static const uint16_t refused[] = {IFLA_ADDRESS, IFLA_BROADCAST, IFLA_MASTER, IFLA_LINKINFO, IFLA_TXQLEN};
	struct netdev_info i;

	int error = rt_parse(r, sizeof(r->link));
	if (error != 0)
		return error;
	for (size_t n = 0; n < sizeof(refused) / sizeof(refused[0]); n++) {
		if (rt_has(r, refused[n]))
			return -EOPNOTSUPP;
	}
	struct netdev *n = find_link(r);
	if (n == nullptr)
		return r->message->header.flags & NLM_F_CREATE ? -EOPNOTSUPP : -ENODEV;
	netdev_get_info(n, &i);
	const struct netlink_attribute *name = &r->attributes[IFLA_IFNAME];
	size_t length = strlen(i.name);
	if (r->message->header.type == RTM_NEWLINK && r->message->header.flags & NLM_F_EXCL) {
		error = -EEXIST;
	} else if (name->data != nullptr && (name->length < length || memcmp(name->data, i.name, length) != 0)) {
		error = -EOPNOTSUPP;
	} else {
		inet_core_lock();
		error = change_link(r, n);
		inet_core_unlock();
	}
	netdev_put(n);
	return error;
}

void rt_tell_link(const struct netdev_info *i, struct netdev *n, bool gone)
{
	struct netlink_out o;

	if (!netlink_is_heard(RTNLGRP_LINK))
		return;
	netlink_out_init(&o);
	put_link(&o, gone ? RTM_DELLINK : RTM_NEWLINK, i, n, UINT32_MAX);
	netlink_notify(RTNLGRP_LINK, &o);
}

void inet_rtnetlink_start(void)
{
	static const struct netlink_protocol route = {.component = &component_inet, .answer = answer};

	inet_core_lock();
	rt_start();
	inet_core_unlock();
	netlink_set_route(&route);
}
