/* SPDX-License-Identifier: MIT */
/*
 * The interface `lo`: what is sent there arrives in this machine. A packet waits in a ring until who sent it lets go of
 * the core (inet_core_unlock), so that lwIP is never called from inside itself. Nothing on this way is damaged, so no
 * checksum is made or looked at.
 */
#include "inet.h"

#include <lwip/ip6_addr.h>

enum : uint32_t { RING = 1024, MTU = 65535 };

struct netif inet_lo;
struct inet_counts inet_lo_counts;
static struct pbuf *ring[RING] GUARDED_BY(inet_core);
static uint32_t ring_head GUARDED_BY(inet_core), ring_tail GUARDED_BY(inet_core);

/* The sender may keep what it sent, to send it again: it is copied, unless it was given away. */
static err_t put(struct netif *, struct pbuf *p) NO_THREAD_SAFETY
{
	if (ring_tail - ring_head == RING) {
		inet_lo_counts.dropped++;
		return ERR_MEM;
	}
	struct pbuf *q = p;
	if (p->flags & PBUF_GIVEN)
		pbuf_ref(p);
	else
		q = pbuf_clone(PBUF_LINK, PBUF_RAM, p);
	if (q == nullptr) {
		inet_lo_counts.dropped++;
		return ERR_MEM;
	}
	inet_lo_counts.packets++;
	inet_lo_counts.bytes += q->tot_len;
	ring[ring_tail++ % RING] = q;
	return ERR_OK;
}

static err_t output4(struct netif *n, struct pbuf *p, const ip4_addr_t *)
{
	return put(n, p);
}

static err_t output6(struct netif *n, struct pbuf *p, const ip6_addr_t *)
{
	return put(n, p);
}

void inet_lo_deliver(void)
{
	while (ring_head != ring_tail) {
		struct pbuf *p = ring[ring_head++ % RING];

		if (ip_input(p, &inet_lo) != ERR_OK)
			pbuf_free(p);
	}
}

static err_t init(struct netif *n)
{
	n->name[0] = 'l';
	n->name[1] = 'o';
	n->mtu = n->mtu6 = MTU;
	n->flags = NETIF_FLAG_BROADCAST; /* 127.255.255.255 */
	n->output = output4;
	n->output_ip6 = output6;
	NETIF_SET_CHECKSUM_CTRL(n, NETIF_CHECKSUM_DISABLE_ALL);
	return ERR_OK;
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
