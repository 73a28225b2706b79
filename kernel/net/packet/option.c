/* SPDX-License-Identifier: MIT */
/* Options of sockets of packets (packet(7)): memberships, counts, what is told besides a packet; filters. */
#include "packet.h"

/* --- memberships --- */

static int change(struct netdev *n, const struct packet_mreq *what, bool on)
{
	switch (what->type) {
	case PACKET_MR_PROMISC: return netdev_promiscuous(n, on);
	case PACKET_MR_ALLMULTI: return netdev_all_multicast(n, on);
	default: return on ? netdev_multicast_add(n, what->address) : netdev_multicast_remove(n, what->address);
	}
}

static bool has_address(const struct packet_mreq *what)
{
	return what->type == PACKET_MR_MULTICAST;
}

static bool is_same(const struct packet_mreq *a, const struct packet_mreq *b)
{
	return a->index == b->index && a->type == b->type &&
	       (!has_address(a) || memcmp(a->address, b->address, NETDEV_ADDRESS) == 0);
}

static struct packet_membership *find(struct packet_socket *p, const struct packet_mreq *what)
	REQUIRES(p -> socket.lock)
{
	struct packet_membership *m;

	list_for_each(m, &p->memberships, link) {
		if (is_same(&m->what, what))
			return m;
	}
	return nullptr;
}

static int add(struct packet_socket *p, const struct packet_mreq *what) REQUIRES(p -> socket.lock)
{
	struct packet_membership *m = find(p, what);

	if (m != nullptr) {
		if (m->count == UINT32_MAX)
			return -ENOBUFS;
		m->count++;
		return 0;
	}
	struct netdev *n = netdev_find_index((uint32_t)what->index);
	if (n == nullptr)
		return -ENODEV;
	int error = socket_charge(p->account, sizeof(*m));
	m = error == 0 ? kmalloc(sizeof(*m)) : nullptr;
	if (error == 0 && m == nullptr) {
		socket_uncharge(p->account, sizeof(*m));
		error = -ENOMEM;
	}
	if (error == 0 && (error = change(n, what, true)) != 0) {
		socket_uncharge(p->account, sizeof(*m));
		kfree(m);
	}
	if (error != 0) {
		netdev_put(n);
		return error;
	}
	*m = (struct packet_membership){.device = n, .count = 1, .what = *what};
	list_push_back(&p->memberships, &m->link);
	return 0;
}

static void end(struct packet_socket *p, struct packet_membership *m)
{
	(void)change(m->device, &m->what, false);
	list_remove(&m->link);
	netdev_put(m->device);
	socket_uncharge(p->account, sizeof(*m));
	kfree(m);
}

static int drop(struct packet_socket *p, const struct packet_mreq *what) REQUIRES(p -> socket.lock)
{
	struct packet_membership *m = find(p, what);

	if (m == nullptr)
		return 0; /* as on Linux */
	if (--m->count == 0)
		end(p, m);
	return 0;
}

void packet_memberships_end(struct packet_socket *p)
{
	while (!list_empty(&p->memberships))
		end(p, list_first(&p->memberships, struct packet_membership, link));
}

static int set_membership(struct packet_socket *p, bool adds, user_addr at, uint32_t length)
{
	struct packet_mreq what;

	if (length < sizeof(what))
		return -EINVAL;
	if (get_user(what, at) != 0)
		return -EFAULT;
	if (what.type != PACKET_MR_PROMISC && what.type != PACKET_MR_ALLMULTI && !has_address(&what))
		return -EOPNOTSUPP; /* addresses of ours besides the first: no device here has room for them */
	if (has_address(&what) && what.address_length != NETDEV_ADDRESS)
		return -EINVAL;
	mutex_lock(&p->socket.lock);
	int error = adds ? add(p, &what) : drop(p, &what);
	mutex_unlock(&p->socket.lock);
	return error;
}

/* --- the rest --- */

int packet_filter(struct socket *s, struct socket_filter *f)
{
	struct packet_socket *p = packet_of(s);

	if (f != nullptr && socket_charge(p->account, socket_filter_bytes(f)) != 0)
		return -ENOMEM;
	spin_lock(&p->queue_lock);
	struct socket_filter *old = p->filter;
	bool none = old == nullptr && f == nullptr;
	p->filter = f;
	spin_unlock(&p->queue_lock);
	socket_uncharge(p->account, socket_filter_bytes(old));
	socket_filter_put(old);
	return none ? -ENOENT : 0;
}

static bool *switch_of(struct packet_socket *p, int option)
{
	switch (option) {
	case PACKET_AUXDATA: return &p->auxdata;
	case PACKET_ORIGDEV: return &p->original; /* no interface here is made of others: it is the same */
	case PACKET_IGNORE_OUTGOING: return &p->ignores_outgoing;
	default: return nullptr;
	}
}

int packet_option_set(struct socket *s, int level, int option, user_addr at, uint32_t length)
{
	struct packet_socket *p = packet_of(s);
	bool *flag = switch_of(p, option);
	int32_t value;

	if (level != SOL_PACKET)
		return -ENOPROTOOPT;
	if (option == PACKET_ADD_MEMBERSHIP || option == PACKET_DROP_MEMBERSHIP)
		return set_membership(p, option == PACKET_ADD_MEMBERSHIP, at, length);
	if (flag == nullptr)
		return -ENOPROTOOPT;
	if (length < sizeof(value))
		return -EINVAL;
	if (get_user(value, at) != 0)
		return -EFAULT;
	if (option == PACKET_IGNORE_OUTGOING && (value < 0 || value > 1))
		return -EINVAL;
	__atomic_store_n(flag, value != 0, __ATOMIC_RELAXED);
	return 0;
}

/* What has come and what of it was lost, since it was asked last. */
static struct tpacket_stats take_counts(struct packet_socket *p)
{
	spin_lock(&p->queue_lock);
	struct tpacket_stats c = {.packets = p->packets, .drops = p->drops};
	p->packets = p->drops = 0;
	spin_unlock(&p->queue_lock);
	return c;
}

int packet_option_get(struct socket *s, int level, int option, user_addr at, uint32_t *length)
{
	struct packet_socket *p = packet_of(s);
	bool *flag = switch_of(p, option);
	struct tpacket_stats counts;
	int32_t value;

	if (level != SOL_PACKET || (flag == nullptr && option != PACKET_STATISTICS))
		return -ENOPROTOOPT;
	if (option == PACKET_STATISTICS) {
		counts = take_counts(p);
		*length = MIN(*length, (uint32_t)sizeof(counts));
		return copy_to_user(at, &counts, *length) != 0 ? -EFAULT : 0;
	}
	value = __atomic_load_n(flag, __ATOMIC_RELAXED);
	*length = MIN(*length, (uint32_t)sizeof(value));
	return copy_to_user(at, &value, *length) != 0 ? -EFAULT : 0;
}
