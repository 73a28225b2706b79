/* SPDX-License-Identifier: MIT */
/*
 * What lwIP's TCP costs with many connections, in a flood of SYNs, and with loss: a program of the host with the
 * kernel's own lwIP and its options, on a wire that is a ring in memory. bench/lwip/run counts its instructions,
 * function by function, under valgrind; doc/network.md has the figures. Time is a counter.
 */
#include <arch/cc.h>
#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 1 << 16, SEGMENTS = 1000, FLOOD = 10000, TRANSFER = 16 << 20 };

static struct netif wire;
static struct pbuf *ring[RING];
static unsigned head, tail, lost_of_100, seed = 1;
static uint32_t now_ms;
static size_t received, sent;

void *inet_lwip_alloc(size_t bytes)
{
	return malloc(bytes);
}
void *inet_lwip_calloc(size_t n, size_t bytes)
{
	return calloc(n, bytes);
}
void inet_lwip_free(void *p)
{
	free(p);
}
uint32_t inet_lwip_random(void)
{
	return seed = seed * 1664525 + 1013904223;
}
void inet_lwip_bug(const char *what)
{
	printf("bug: %s\n", what);
	abort();
}
u32_t sys_now(void)
{
	return now_ms;
}
void sys_init(void)
{
}
void sys_timeouts_init(void)
{
}
void tcp_timer_needed(void)
{
}
sys_prot_t sys_arch_protect(void)
{
	return 0;
}
void sys_arch_unprotect(sys_prot_t)
{
}
struct netif *inet_hook_route4(const ip4_addr_t *, const ip4_addr_t *)
{
	return &wire;
}
struct netif *inet_hook_route6(const ip6_addr_t *, const ip6_addr_t *)
{
	return &wire;
}
const ip4_addr_t *inet_hook_gateway4(struct netif *, const ip4_addr_t *to)
{
	return to;
}
int inet_hook_input4(struct pbuf *, struct netif *)
{
	return 0;
}
int inet_hook_input6(struct pbuf *, struct netif *)
{
	return 0;
}

static err_t put(struct netif *, struct pbuf *p, const ip4_addr_t *)
{
	if (inet_lwip_random() >> 8 & 0xffff && (inet_lwip_random() >> 8) % 100 < lost_of_100)
		return ERR_OK;
	ring[tail++ % RING] = pbuf_clone(PBUF_LINK, PBUF_RAM, p);
	return ERR_OK;
}

static void deliver(void)
{
	while (head != tail)
		(void)ip_input(ring[head++ % RING], &wire);
}

static err_t init(struct netif *n)
{
	n->mtu = 1500;
	n->output = put;
	NETIF_SET_CHECKSUM_CTRL(n, NETIF_CHECKSUM_DISABLE_ALL);
	return ERR_OK;
}

static err_t got(void *, struct tcp_pcb *tcp, struct pbuf *p, err_t)
{
	if (p == nullptr)
		return ERR_OK;
	received += p->tot_len;
	tcp_recved(tcp, p->tot_len);
	pbuf_free(p);
	return ERR_OK;
}

static err_t came(void *, struct tcp_pcb *tcp, err_t)
{
	tcp_recv(tcp, got);
	return ERR_OK;
}

static struct tcp_pcb *clients[20000];

static void connect_some(unsigned from, unsigned to, uint16_t port)
{
	ip_addr_t here = IPADDR4_INIT_BYTES(10, 0, 0, 1);

	for (unsigned n = from; n < to; n++) {
		clients[n] = tcp_new();
		(void)tcp_connect(clients[n], &here, port, nullptr);
		tcp_nagle_disable(clients[n]);
		deliver();
	}
}

/* One segment there and its acknowledgement back, of each connection in turn: of all records it is the one that was
 * used longest ago. */
static void in_turn(unsigned connections)
{
	for (unsigned n = 0; n < SEGMENTS; n++) {
		struct tcp_pcb *tcp = clients[n * 7919u % connections];

		(void)tcp_write(tcp, "x", 1, TCP_WRITE_FLAG_COPY);
		(void)tcp_output(tcp);
		deliver();
	}
}

static void the_same(void)
{
	for (unsigned n = 0; n < SEGMENTS; n++) {
		(void)tcp_write(clients[0], "x", 1, TCP_WRITE_FLAG_COPY);
		(void)tcp_output(clients[0]);
		deliver();
	}
}

/* Each a function of its own, so that its instructions can be told apart. */
[[gnu::noinline]] void measure_in_turn_10(void)
{
	in_turn(10);
}
[[gnu::noinline]] void measure_in_turn_1000(void)
{
	in_turn(1000);
}
[[gnu::noinline]] void measure_in_turn_10000(void)
{
	in_turn(10000);
}
[[gnu::noinline]] void measure_same_10(void)
{
	the_same();
}
[[gnu::noinline]] void measure_same_10000(void)
{
	the_same();
}

/* SYNs from as many addresses, which nobody follows up. */
static void flood(uint16_t port)
{
	for (unsigned n = 0; n < FLOOD; n++) {
		struct pbuf *p = pbuf_alloc(PBUF_LINK, IP_HLEN + TCP_HLEN, PBUF_RAM);
		struct ip_hdr *ip = p->payload;
		struct tcp_hdr *tcp = (struct tcp_hdr *)(ip + 1);

		memset(p->payload, 0, p->len);
		IPH_VHL_SET(ip, 4, 5);
		IPH_LEN_SET(ip, lwip_htons(p->tot_len));
		IPH_TTL_SET(ip, 64);
		IPH_PROTO_SET(ip, IP_PROTO_TCP);
		ip->src.addr = lwip_htonl(0x0b000000 + n);
		ip->dest.addr = wire.ip_addr.u_addr.ip4.addr;
		tcp->src = lwip_htons(1024);
		tcp->dest = lwip_htons(port);
		tcp->seqno = lwip_htonl(n);
		tcp->wnd = lwip_htons(1000);
		TCPH_HDRLEN_FLAGS_SET(tcp, 5, TCP_SYN);
		(void)ip_input(p, &wire);
		while (head != tail) /* the answers go nowhere */
			pbuf_free(ring[head++ % RING]);
	}
}
[[gnu::noinline]] void measure_flood(uint16_t port)
{
	flood(port);
}

static struct tcp_pcb *listen_at(uint16_t port)
{
	struct tcp_pcb *tcp = tcp_new();

	(void)tcp_bind(tcp, IP_ADDR_ANY, port);
	tcp = tcp_listen_with_backlog(tcp, 255);
	tcp_accept(tcp, came);
	return tcp;
}

static unsigned count(const struct tcp_pcb *list)
{
	unsigned n = 0;

	for (; list != nullptr; list = list->next)
		n++;
	return n;
}

/* Seconds of its own time for the transfer. */
static uint32_t transfer(unsigned lost)
{
	static char part[16384];
	uint32_t begin = now_ms;
	struct tcp_pcb *tcp;

	lost_of_100 = 0;
	connect_some(0, 1, 81);
	tcp = clients[0];
	lost_of_100 = lost;
	received = sent = 0;
	while (received < TRANSFER && now_ms - begin < 3600000) {
		while (sent < TRANSFER && tcp_write(tcp, part, sizeof(part), TCP_WRITE_FLAG_COPY) == ERR_OK)
			sent += sizeof(part);
		(void)tcp_output(tcp);
		/* A round trip takes 1 ms. */
		unsigned end = tail;
		while (head != end)
			(void)ip_input(ring[head++ % RING], &wire);
		now_ms++;
		if (now_ms % TCP_TMR_INTERVAL == 0)
			tcp_tmr();
	}
	lost_of_100 = 0;
	return now_ms - begin;
}

int main(void)
{
	ip4_addr_t here, mask, none = {};

	IP4_ADDR(&here, 10, 0, 0, 1);
	IP4_ADDR(&mask, 255, 0, 0, 0);
	lwip_init();
	netif_add(&wire, &here, &mask, &none, nullptr, init, ip_input);
	netif_set_up(&wire);
	netif_set_link_up(&wire);
	listen_at(80);
	listen_at(81);
	for (unsigned lost = 0; lost <= 10; lost += 5) {
		uint32_t ms = transfer(lost);

		printf("16 MiB with %u %% lost: %u ms of its own time, %u of %u bytes, %u segments sent again\n", lost,
		       ms, (unsigned)received, TRANSFER, lwip_stats.mib2.tcpretranssegs);
		tcp_abort(clients[0]);
		deliver();
	}
	connect_some(0, 10, 80);
	measure_in_turn_10();
	measure_same_10();
	connect_some(10, 1000, 80);
	measure_in_turn_1000();
	connect_some(1000, 10000, 80);
	measure_in_turn_10000();
	measure_same_10000();
	printf("%u records of both ends\n", count(tcp_active_pcbs));
	listen_at(82);
	unsigned before = count(tcp_active_pcbs);
	measure_flood(82);
	printf("after %u SYNs %u are half open\n", FLOOD, count(tcp_active_pcbs) - before);
	return 0;
}
