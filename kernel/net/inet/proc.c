/* SPDX-License-Identifier: MIT */
/* /proc/net: what sockets there are, as Linux lists them (proc_net(5)). Addresses are words as they stand in memory. */
#include "stream.h"

#include <kernel/base/node.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/vfs.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/udp.h>

enum : unsigned { STATE_ESTABLISHED = 1, STATE_CLOSE = 7 };

struct list inet_all = LIST_INIT(inet_all);

void inet_list_add(struct inet_socket *i)
{
	list_push_back(&inet_all, &i->all);
}

void inet_list_remove(struct inet_socket *i)
{
	list_remove(&i->all);
}

static void show_address(struct text_buffer *b, bool v6, const ip_addr_t *a, uint16_t port)
{
	static const uint32_t mapped = PP_HTONL(0xffff);

	if (!v6) {
		text_printf(b, " %08X:%04X", IP_IS_V4(a) ? ip4_addr_get_u32(ip_2_ip4(a)) : 0, port);
	} else if (IP_IS_V4(a)) {
		text_printf(b, " 0000000000000000%08X%08X:%04X", mapped, ip4_addr_get_u32(ip_2_ip4(a)), port);
	} else {
		const uint32_t *w = ip_2_ip6(a)->addr;

		text_printf(b, " %08X%08X%08X%08X:%04X", w[0], w[1], w[2], w[3], port);
	}
}

static uint64_t inode_of(const struct socket *s, uint32_t *uid)
{
	*uid = s->file != nullptr ? s->uid : 0;
	return s->file != nullptr ? s->ino : 0;
}

static void show_datagram(struct text_buffer *b, struct inet_datagram_socket *d, unsigned number) REQUIRES(inet_core)
{
	const struct socket *s = &d->inet.socket;
	const struct ip_pcb *r = (const struct ip_pcb *)d->udp;
	bool udp = s->protocol == IPPROTO_UDP, v6 = s->family == AF_INET6;
	ip_addr_t none = *IP4_ADDR_ANY;
	uint32_t uid;
	uint64_t ino = inode_of(s, &uid);

	text_printf(b, "%5u:", number);
	show_address(b, v6, &r->local_ip, udp ? d->udp->local_port : s->type == SOCK_RAW ? s->protocol : d->ping_id);
	show_address(b, v6, d->connected ? &r->remote_ip : &none, d->connected && udp ? d->udp->remote_port : 0);
	text_printf(b, " %02X %08X:%08X %02X:%08lX %08X %5u %8u %lu %d %016lx %lu\n",
		    d->connected ? STATE_ESTABLISHED : STATE_CLOSE, 0, __atomic_load_n(&d->charged, __ATOMIC_RELAXED),
		    0, 0ul, 0, uid, 0, ino, (int)__atomic_load_n(&s->refs, __ATOMIC_RELAXED), s->cookie,
		    __atomic_load_n(&d->dropped, __ATOMIC_RELAXED));
}

struct listing {
	uint16_t family, protocol;
	uint32_t type;
};

static bool is_listed(const struct socket *s, const struct listing *l)
{
	return s->family == l->family && s->type == l->type && (l->type == SOCK_RAW || s->protocol == l->protocol);
}

static int show_datagrams(struct text_buffer *b, void *arg)
{
	const struct listing *l = arg;
	struct inet_socket *i;
	unsigned number = 0;

	text_printf(
		b,
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref "
		"pointer drops\n");
	inet_core_lock();
	list_for_each(i, &inet_all, all) {
		if (is_listed(&i->socket, l))
			show_datagram(b, datagram_of(&i->socket), number++);
	}
	inet_core_unlock();
	return 0;
}

#define LISTING(ident, file_name, ...)                                                                                 \
	static struct listing listing_##ident = {__VA_ARGS__};                                                         \
	PROC_FILE(net_##ident, .component = &component_inet, .name = "net/" file_name, .mode = 0444,                   \
		  .show = show_datagrams, .arg = &listing_##ident)
LISTING(udp, "udp", AF_INET, IPPROTO_UDP, SOCK_DGRAM);
LISTING(udp6, "udp6", AF_INET6, IPPROTO_UDP, SOCK_DGRAM);
LISTING(icmp, "icmp", AF_INET, IPPROTO_ICMP, SOCK_DGRAM);
LISTING(icmp6, "icmp6", AF_INET6, IPPROTO_ICMPV6, SOCK_DGRAM);
LISTING(raw, "raw", AF_INET, 0, SOCK_RAW);
LISTING(raw6, "raw6", AF_INET6, 0, SOCK_RAW);

/* --- TCP --- */

/* lwIP's states (enum tcp_state) as Linux numbers them. */
unsigned inet_tcp_state(unsigned state)
{
	static const unsigned char number[] = {
		[CLOSED] = 7,	  [LISTEN] = 10,    [SYN_SENT] = 2, [SYN_RCVD] = 3, [ESTABLISHED] = 1, [FIN_WAIT_1] = 4,
		[FIN_WAIT_2] = 5, [CLOSE_WAIT] = 8, [CLOSING] = 11, [LAST_ACK] = 9, [TIME_WAIT] = 6,
	};

	return state < sizeof(number) ? number[state] : 0;
}

static void show_record(struct text_buffer *b, const struct tcp_pcb *tcp, bool v6, unsigned number) REQUIRES(inet_core)
{
	struct inet_stream *t = tcp->state != SYN_RCVD && tcp->state != TIME_WAIT ? tcp->callback_arg : nullptr;
	bool listens = tcp->state == LISTEN;
	uint32_t uid = 0, sent = 0, queued = 0;
	uint64_t ino = 0;

	if (t != nullptr && t->tcp == tcp) {
		ino = inode_of(&t->inet.socket, &uid);
		sent = t->in_flight;
		queued = __atomic_load_n(listens ? &t->waiting : &t->queued, __ATOMIC_RELAXED);
	}
	text_printf(b, "%4u:", number);
	show_address(b, v6, &tcp->local_ip, tcp->local_port);
	show_address(b, v6, listens ? IP4_ADDR_ANY : &tcp->remote_ip, listens ? 0 : tcp->remote_port);
	text_printf(b, " %02X %08X:%08X %02X:%08lX %08X %5u %8u %lu 1 %016lx\n", inet_tcp_state(tcp->state), sent,
		    queued, 0, 0ul, listens ? 0 : tcp->nrtx, uid, 0, ino, t != nullptr ? t->inet.socket.cookie : 0);
}

/* Of version 6 are those of its sockets, whatever they talk. */
static bool is_of(const struct tcp_pcb *tcp, bool v6)
{
	const struct inet_stream *t = tcp->state != SYN_RCVD && tcp->state != TIME_WAIT ? tcp->callback_arg : nullptr;

	if (t != nullptr && t->tcp == tcp)
		return (t->inet.socket.family == AF_INET6) == v6;
	return (IP_GET_TYPE(&tcp->local_ip) != IPADDR_TYPE_V4) == v6;
}

static int show_streams(struct text_buffer *b, void *arg)
{
	struct tcp_pcb **const lists[] = {&tcp_listen_pcbs.pcbs, &tcp_active_pcbs, &tcp_tw_pcbs};
	bool v6 = ((const struct listing *)arg)->family == AF_INET6;
	unsigned number = 0;

	text_printf(
		b,
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
	inet_core_lock();
	for (size_t n = 0; n < sizeof(lists) / sizeof(lists[0]); n++)
		for (const struct tcp_pcb *tcp = *lists[n]; tcp != nullptr; tcp = tcp->next)
			if (is_of(tcp, v6))
				show_record(b, tcp, v6, number++);
	inet_core_unlock();
	return 0;
}

static struct listing listing_tcp = {.family = AF_INET}, listing_tcp6 = {.family = AF_INET6};
PROC_FILE(net_tcp, .component = &component_inet, .name = "net/tcp", .mode = 0444, .show = show_streams,
	  .arg = &listing_tcp);
PROC_FILE(net_tcp6, .component = &component_inet, .name = "net/tcp6", .mode = 0444, .show = show_streams,
	  .arg = &listing_tcp6);
