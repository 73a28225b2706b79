/* SPDX-License-Identifier: MIT */
/* The way of a frame to a socket of packets (packet.h), and reading. */
#include "packet.h"

#include <kernel/base/random.h>
#include <lib/bpf.h>

enum : uint32_t { OVERHEAD = 512 }; /* what a packet is charged besides its bytes */

struct packet {
	struct list link;
	uint32_t refs;		   /* atomic: the queue's, and who copies out of it */
	uint32_t length, captured; /* bytes that the socket sees; that are here */
	uint32_t charge, status;
	uint16_t network; /* where the network header is */
	struct sockaddr_ll from;
	struct socket_account *account; /* borrowed: the socket outlives its packets */
	uint8_t bytes[];
};

static void put_packet(struct packet *g)
{
	if (__atomic_fetch_sub(&g->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	socket_uncharge(g->account, g->charge);
	kfree(g);
}

/* --- in --- */

/* What a frame says of itself: from whom, which protocol, for whom. */
static void look_at(const struct netdev_info *i, const struct net_frame *f, enum netdev_way way,
		    struct sockaddr_ll *out)
{
	static const uint8_t everybody[NETDEV_ADDRESS] = {255, 255, 255, 255, 255, 255};
	uint8_t header[NETDEV_HEADER] = {};

	(void)net_frame_read(f, 0, header, sizeof(header));
	uint16_t type = (uint16_t)(header[12] << 8 | header[13]);
	*out = (struct sockaddr_ll){.family = AF_PACKET,
				    .protocol = __builtin_bswap16(type < ETH_P_802_3_MIN ? ETH_P_802_2 : type),
				    .index = (int32_t)i->index,
				    .hardware_type = i->kind,
				    .address_length = NETDEV_ADDRESS};
	memcpy(out->address, header + NETDEV_ADDRESS, NETDEV_ADDRESS);
	if (way == NETDEV_OUT)
		out->packet_type = PACKET_OUTGOING;
	else if (memcmp(header, everybody, sizeof(everybody)) == 0)
		out->packet_type = PACKET_BROADCAST;
	else if (header[0] & 1)
		out->packet_type = PACKET_MULTICAST;
	else
		out->packet_type = memcmp(header, i->address, NETDEV_ADDRESS) == 0 ? PACKET_HOST : PACKET_OTHERHOST;
}

static bool is_wanted(const struct packet_socket *p, const struct sockaddr_ll *from)
{
	uint16_t protocol = __atomic_load_n(&p->protocol, __ATOMIC_RELAXED);

	if (protocol == __builtin_bswap16(ETH_P_ALL))
		return from->packet_type != PACKET_OUTGOING || !__atomic_load_n(&p->ignores_outgoing, __ATOMIC_RELAXED);
	return from->packet_type != PACKET_OUTGOING && protocol == from->protocol;
}

static size_t read_frame(const void *frame, size_t offset, void *to, size_t n)
{
	return net_frame_read(frame, offset, to, n);
}

/* How many bytes of what the socket sees its filter wants. */
static uint32_t filter(struct packet_socket *p, const struct net_frame *f, const struct sockaddr_ll *from,
		       uint32_t begin)
{
	uint32_t wanted = UINT32_MAX;

	spin_lock(&p->queue_lock);
	struct socket_filter *program = p->filter;
	if (program != nullptr)
		socket_filter_get(program);
	spin_unlock(&p->queue_lock);
	if (program != nullptr) {
		struct bpf_packet packet = {.read = read_frame,
					    .packet = f,
					    .length = f->total - begin,
					    .begin = begin,
					    .network = NETDEV_HEADER,
					    .protocol = __builtin_bswap16(from->protocol),
					    .hardware = from->hardware_type,
					    .index = (uint32_t)from->index,
					    .type = from->packet_type,
					    .cpu = thread_page_current()->cpu};
		random_bytes(&packet.random, sizeof(packet.random));
		wanted = socket_filter_run(program, &packet);
	}
	socket_filter_put(program);
	return MIN(wanted, f->total - begin);
}

static struct packet *copy(struct packet_socket *p, const struct net_frame *f, uint32_t begin, uint32_t captured)
{
	uint32_t charge = OVERHEAD + captured;

	if (__atomic_load_n(&p->charged, __ATOMIC_RELAXED) + charge >
	    __atomic_load_n(&p->socket.receive_limit, __ATOMIC_RELAXED))
		return nullptr;
	if (socket_charge(p->account, charge) != 0)
		return nullptr;
	struct packet *g = kmalloc(sizeof(*g) + captured);
	if (g == nullptr) {
		socket_uncharge(p->account, charge);
		return nullptr;
	}
	g->refs = 1;
	g->account = p->account;
	g->charge = charge;
	g->captured = captured;
	g->length = f->total - begin;
	g->status = TP_STATUS_USER;
	if (f->flags & NET_FRAME_CHECKSUM)
		g->status |= TP_STATUS_CSUMNOTREADY;
	else if (f->flags & NET_FRAME_GOOD)
		g->status |= TP_STATUS_CSUM_VALID;
	g->network = (uint16_t)(NETDEV_HEADER - begin);
	list_init(&g->link);
	(void)net_frame_read(f, begin, g->bytes, captured);
	return g;
}

void packet_frame(struct netdev_tap *t, struct netdev *n, const struct net_frame *f, enum netdev_way way)
{
	struct packet_socket *p = container_of(t, struct packet_socket, tap);
	uint32_t begin = p->socket.type == SOCK_DGRAM ? NETDEV_HEADER : 0;
	struct netdev_info info;
	struct sockaddr_ll from;

	if (f->total < NETDEV_HEADER || (way == NETDEV_OUT && f->sender == p))
		return;
	netdev_get_info(n, &info);
	look_at(&info, f, way, &from);
	if (!is_wanted(p, &from))
		return;
	uint32_t captured = filter(p, f, &from, begin);
	if (captured == 0)
		return;
	struct packet *g = copy(p, f, begin, captured);
	spin_lock(&p->queue_lock);
	p->packets++;
	if (g == nullptr) {
		p->drops++;
	} else {
		g->from = from;
		list_push_back(&p->queue, &g->link);
		__atomic_store_n(&p->charged, p->charged + g->charge, __ATOMIC_RELAXED);
		__atomic_store_n(&p->queued, p->queued + 1, __ATOMIC_RELEASE);
	}
	spin_unlock(&p->queue_lock);
	if (g != nullptr)
		socket_wake_readers(&p->socket);
}

/* --- reading --- */

/* The oldest, with a reference; out of the queue, unless it is only looked at. nullptr: there is none. */
static struct packet *take(struct packet_socket *p, bool peek)
{
	struct packet *g = nullptr;

	spin_lock(&p->queue_lock);
	if (!list_empty(&p->queue)) {
		g = list_first(&p->queue, struct packet, link);
		if (peek) {
			__atomic_fetch_add(&g->refs, 1, __ATOMIC_RELAXED);
		} else {
			list_remove(&g->link);
			__atomic_store_n(&p->charged, p->charged - g->charge, __ATOMIC_RELAXED);
			__atomic_store_n(&p->queued, p->queued - 1, __ATOMIC_RELEASE);
		}
	}
	spin_unlock(&p->queue_lock);
	return g;
}

void packet_purge(struct packet_socket *p)
{
	struct packet *g;

	while ((g = take(p, false)) != nullptr)
		put_packet(g);
}

static bool has_come(struct packet_socket *p)
{
	return __atomic_load_n(&p->queued, __ATOMIC_ACQUIRE) > 0 ||
	       __atomic_load_n(&p->socket.error, __ATOMIC_ACQUIRE) != 0;
}

static int await(struct packet_socket *p, const struct socket_message *m, struct packet **out)
{
	struct socket *s = &p->socket;
	uint64_t timeout_ns = __atomic_load_n(&s->receive_timeout_ns, __ATOMIC_RELAXED);
	uint64_t deadline_ns = socket_deadline(timeout_ns);

	while (true) {
		int error = socket_take_error(s);
		if (error != 0)
			return error;
		*out = take(p, m->flags & MSG_PEEK);
		if (*out != nullptr)
			return 0;
		if (m->flags & MSG_DONTWAIT)
			return -EAGAIN;
		error = wait_event_interruptible_deadline(&s->readable, has_come(p), deadline_ns);
		if (error != 0)
			return socket_wait_error(error, timeout_ns);
	}
}

static void note_auxdata(struct socket_message *m, const struct packet *g)
{
	struct tpacket_auxdata a = {
		.status = g->status, .length = g->length, .captured = g->captured, .net = g->network};

	socket_note(m, SOL_PACKET, PACKET_AUXDATA, &a, sizeof(a));
}

long packet_receive(struct socket *s, struct socket_message *m)
{
	struct packet_socket *p = packet_of(s);
	struct packet *g;

	if (m->flags & ~(uint32_t)(MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC | MSG_NOSIGNAL | MSG_WAITALL |
				   MSG_WAITFORONE | MSG_ERRQUEUE))
		return -EINVAL;
	if (m->flags & MSG_ERRQUEUE) /* nothing is ever there */
		return -EAGAIN;
	int error = await(p, m, &g);
	if (error != 0)
		return error;
	size_t n = MIN((size_t)g->captured, m->length);
	bool whole = io_copy_out(m->buffer, 0, g->bytes, n) == n;
	long done = m->flags & MSG_TRUNC ? (long)g->captured : (long)n;
	if (g->captured > m->length)
		m->flags_out |= MSG_TRUNC;
	if (m->address != nullptr) {
		m->address->length = sizeof(g->from);
		memcpy(m->address->bytes, &g->from, sizeof(g->from));
	}
	if (__atomic_load_n(&p->auxdata, __ATOMIC_RELAXED))
		note_auxdata(m, g);
	put_packet(g);
	return whole ? done : -EFAULT;
}

uint32_t packet_poll(struct socket *s, struct poll_table *table)
{
	struct packet_socket *p = packet_of(s);
	uint32_t mask = POLLOUT | POLLWRNORM | POLLWRBAND; /* what cannot go at once is refused */

	poll_watch(table, &s->readable);
	poll_watch(table, &s->writable);
	if (__atomic_load_n(&s->error, __ATOMIC_ACQUIRE) != 0)
		mask |= POLLERR;
	if (__atomic_load_n(&p->queued, __ATOMIC_ACQUIRE) > 0)
		mask |= POLLIN | POLLRDNORM;
	return mask;
}

/* The next one's bytes. */
long packet_pending(struct socket *s, bool sent)
{
	struct packet_socket *p = packet_of(s);
	long bytes = 0;

	if (sent)
		return 0;
	spin_lock(&p->queue_lock);
	if (!list_empty(&p->queue))
		bytes = list_first(&p->queue, struct packet, link)->captured;
	spin_unlock(&p->queue_lock);
	return bytes;
}
