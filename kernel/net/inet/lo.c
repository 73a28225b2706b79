/* SPDX-License-Identifier: MIT */
/*
 * The interface `lo`: what is sent there arrives in this machine. A packet waits in a ring until who sent it lets go of
 * the core (inet_core_unlock), so that lwIP is never called from inside itself. Nothing on this way is damaged, so no
 * checksum is made or looked at. netdev knows it as an interface that delivers by itself: it counts, and shows frames
 * to taps; frames are made for these alone, and of what others than the stack send there.
 */
#include "interface.h"

#include <kernel/base/fault_point.h>
#include <lwip/ip6_addr.h>
#include <lwip/prot/ieee.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>

enum : uint32_t { RING = 1024, MTU = 65535 };

struct netif inet_lo;
struct netdev *inet_lo_device;
static struct {
	struct pbuf *p;
	struct netif *as; /* whose it is to seem; nullptr: lo's */
} ring[RING] GUARDED_BY(inet_core);
static struct netif *sent_as GUARDED_BY(inet_core);
static struct netif *other GUARDED_BY(inet_core); /* as which one is arriving */
static uint16_t other_sums GUARDED_BY(inet_core); /* its checksums, meanwhile off */
static uint32_t ring_head GUARDED_BY(inet_core), ring_tail GUARDED_BY(inet_core);

/* As a frame of Ethernet without addresses. */
static void show(const struct pbuf *p, uint16_t type) REQUIRES(inet_core)
{
	struct net_frame *f = net_frame_alloc(NETDEV_HEADER + p->tot_len);
	uint8_t header[NETDEV_HEADER] = {};
	size_t at = NETDEV_HEADER;

	if (f == nullptr)
		return;
	header[NETDEV_HEADER - 2] = (uint8_t)(type >> 8);
	header[NETDEV_HEADER - 1] = (uint8_t)type;
	(void)net_frame_write(f, 0, header, sizeof(header));
	for (const struct pbuf *q = p; q != nullptr; q = q->next)
		at += net_frame_write(f, at, q->payload, q->len);
	f->flags = NET_FRAME_CHECKSUM;
	netdev_show_taps(inet_lo_device, f, NETDEV_OUT);
	netdev_show_taps(inet_lo_device, f, NETDEV_IN);
	net_frame_free(f);
}

/* The sender may keep what it sent, to send it again: it is copied, unless it was given away. */
static err_t put(struct pbuf *p, uint16_t type) NO_THREAD_SAFETY
{
	struct pbuf *q = p;

	if (ring_tail - ring_head == RING)
		q = nullptr;
	else if (p->flags & PBUF_GIVEN)
		pbuf_ref(p);
	else
		q = pbuf_clone(PBUF_LINK, PBUF_RAM, p);
	if (q == nullptr) {
		netdev_count_dropped(inet_lo_device);
		return ERR_MEM;
	}
	if (sent_as == nullptr) {
		netdev_count_looped(inet_lo_device, q->tot_len);
		if (netdev_is_tapped())
			show(q, type);
	}
	ring[ring_tail % RING].p = q;
	ring[ring_tail++ % RING].as = sent_as;
	return ERR_OK;
}

void inet_lo_empty(void)
{
	ring_head = ring_tail;
}

void inet_lo_as(struct netif *n)
{
	sent_as = n;
}

void inet_lo_forget(const struct netif *n)
{
	for (uint32_t at = ring_head; at != ring_tail; at++)
		if (ring[at % RING].as == n)
			ring[at % RING].as = nullptr;
}

bool inet_lo_is_other(void)
{
	return other != nullptr;
}

/* Of members of groups nobody need be told here. */
static err_t output4(struct netif *, struct pbuf *p, const ip4_addr_t *) NO_THREAD_SAFETY
{
	if (p->len >= IP_HLEN && IPH_PROTO((const struct ip_hdr *)p->payload) == IP_PROTO_IGMP)
		return ERR_OK;
	inet_mark_whole(p, false);
	return put(p, ETHTYPE_IP);
}

static err_t output6(struct netif *, struct pbuf *p, const ip6_addr_t *)
{
	if (p->len >= IP6_HLEN && IP6H_NEXTH((const struct ip6_hdr *)p->payload) == IP6_NEXTH_HOPBYHOP)
		return ERR_OK; /* MLD, of all that is sent */
	return put(p, ETHTYPE_IPV6);
}

static ip_addr_t own GUARDED_BY(inet_core); /* the interface's, while it has another for a packet's sake */
static bool is_lent GUARDED_BY(inet_core);  /* it has */

void inet_lo_settle(void)
{
	if (unlikely(is_lent))
		inet_lo.ip_addr = own;
	is_lent = false;
	if (unlikely(other != nullptr))
		NETIF_SET_CHECKSUM_CTRL(other, other_sums);
	other = nullptr;
	sent_as = nullptr;
}

/* All of 127 is this machine's (RFC 1122, 3.2.1.3), and lwIP lets an interface have one address: for each packet it has
 * the one that the packet is for. */
static void deliver(struct pbuf *p) REQUIRES(inet_core)
{
	const struct ip_hdr *h = p->payload;
	ip4_addr_t to;

	own = inet_lo.ip_addr;
	is_lent = true;
	if (p->len >= IP_HLEN && IPH_V(h) == 4) {
		ip4_addr_copy(to, h->dest);
		if (ip4_addr_net_eq(&to, ip_2_ip4(&own), netif_ip4_netmask(&inet_lo)) &&
		    !ip4_addr_isbroadcast(&to, &inet_lo))
			ip_addr_copy_from_ip4(inet_lo.ip_addr, to);
	}
	FAULT_POINT(driver_lo_deliver);
	if (ip_input(p, &inet_lo) != ERR_OK)
		pbuf_free(p);
	inet_lo_settle();
}

/* Nobody made a sum of it, either. */
static void deliver_as(struct pbuf *p, struct netif *n) REQUIRES(inet_core)
{
	other_sums = n->chksum_flags;
	other = n;
	NETIF_SET_CHECKSUM_CTRL(n, NETIF_CHECKSUM_DISABLE_ALL);
	if (ip_input(p, n) != ERR_OK)
		pbuf_free(p);
	inet_lo_settle();
}

void inet_lo_deliver(void)
{
	while (ring_head != ring_tail) {
		uint32_t at = ring_head++ % RING;

		if (ring[at].as != nullptr)
			deliver_as(ring[at].p, ring[at].as);
		else
			deliver(ring[at].p);
	}
}

static err_t init(struct netif *n)
{
	n->name[0] = 'l';
	n->name[1] = 'o';
	n->mtu = n->mtu6 = MTU;
	n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_IGMP; /* 127.255.255.255; members of groups */
	n->output = output4;
	n->output_ip6 = output6;
	NETIF_SET_CHECKSUM_CTRL(n, NETIF_CHECKSUM_DISABLE_ALL);
	return ERR_OK;
}

/* --- what others send there --- */

/* The same bytes, as received; nullptr: no memory. */
static struct net_frame *turn_round(const struct net_frame *f)
{
	struct net_frame *first = nullptr, **end = &first;
	size_t at = 0;

	do {
		struct net_frame *part = netdev_buffer(inet_lo_device);

		if (part == nullptr)
			break;
		part->length = (uint32_t)net_frame_read(f, at, part->data, NET_FRAME_PART_MAX);
		at += part->length;
		*end = part;
		end = &part->more;
	} while (at < f->total);
	if (at == f->total)
		return first;
	while (first != nullptr) {
		struct net_frame *more = first->more;

		netdev_discard(inet_lo_device, first, false);
		first = more;
	}
	return nullptr;
}

static void transmit(struct device *, void *, unsigned queue)
{
	struct net_frame *f;

	while ((f = netdev_take(inet_lo_device, queue)) != nullptr) {
		struct net_frame *copy = turn_round(f);

		netdev_sent(inet_lo_device, f, copy != nullptr);
		if (copy != nullptr)
			netdev_receive(inet_lo_device, copy);
	}
	netdev_receive_end(inet_lo_device);
}

void inet_lo_receive(struct net_frame *f)
{
	uint8_t header[NETDEV_HEADER];
	struct pbuf *p = nullptr;

	(void)net_frame_read(f, 0, header, sizeof(header));
	uint16_t type = (uint16_t)(header[NETDEV_HEADER - 2] << 8 | header[NETDEV_HEADER - 1]);
	if ((type == ETHTYPE_IP || type == ETHTYPE_IPV6) && f->total - NETDEV_HEADER <= MTU)
		p = pbuf_alloc(PBUF_RAW, (u16_t)(f->total - NETDEV_HEADER), PBUF_RAM);
	if (p != nullptr) {
		(void)net_frame_read(f, NETDEV_HEADER, p->payload, p->tot_len);
		deliver(p);
	}
	net_frame_free(f);
}

/* --- its beginning --- */

int inet_lo_register(void)
{
	static const struct netdev_ops ops = {.component = &component_inet, .transmit = transmit};
	const struct netdev_config config = {
		.kind = NETDEV_LOOPBACK, .name = "lo", .mtu_max = MTU, .features = NETDEV_CHECKSUM | NETDEV_PARTS};

	int error = netdev_register(nullptr, &ops, &config, &inet_lo_device);
	if (error == 0)
		error = netdev_set_up(inet_lo_device, true);
	if (error == 0)
		netdev_link(inet_lo_device, true, 0, true);
	return error;
}

int inet_lo_start(void)
{
	ip4_addr_t address, mask, gateway = {};

	IP4_ADDR(&address, 127, 0, 0, 1);
	IP4_ADDR(&mask, 255, 0, 0, 0);
	if (netif_add(&inet_lo, &address, &mask, &gateway, nullptr, init, ip_input) == nullptr)
		return -ENOMEM;
	IP_ADDR6_HOST(&inet_lo.ip6_addr[0], 0, 0, 0, 1);
	netif_ip6_addr_set_state(&inet_lo, 0, IP6_ADDR_PREFERRED);
	netif_set_link_up(&inet_lo);
	netif_set_up(&inet_lo);
	return 0;
}
