/* SPDX-License-Identifier: MIT */
/* A packet socket's life (packet.h): made, bound to an interface and a protocol, closed. */
#include "packet.h"

#include <kernel/vfs/vfs.h>

/* What a socket holds, with its file and inode. */
enum : size_t { SOCKET_BYTES = sizeof(struct packet_socket) + sizeof(struct file) + sizeof(struct inode) };

static struct netdev_watch watch = {.component = &component_packet, .changed = packet_device_changed};

static int start(void)
{
	netdev_watch_add(&watch);
	return 0;
}

DEFINE_COMPONENT(packet, .stage = STAGE_FS, .start = start,
		 .users = "the call is EFAULT, or the packet is not shown to a program; sockets go on",
		 .stays = "it has no thread, and its data are the processes' sockets");

/* --- where it is bound --- */

/* Nobody is in the tap's function any more. */
static void untap(struct packet_socket *p) REQUIRES(p -> socket.lock)
{
	if (p->tapped)
		netdev_tap_remove(&p->tap);
	p->tapped = false;
	netdev_put(p->device);
	p->device = nullptr;
	__atomic_store_n(&p->index, 0, __ATOMIC_RELAXED);
}

/* n: whose reference it takes; nullptr: all. */
static void tap(struct packet_socket *p, struct netdev *n, uint16_t protocol) REQUIRES(p -> socket.lock)
{
	struct netdev_info info = {};

	untap(p);
	if (n != nullptr)
		netdev_get_info(n, &info);
	p->device = n;
	__atomic_store_n(&p->index, info.index, __ATOMIC_RELAXED);
	__atomic_store_n(&p->protocol, protocol, __ATOMIC_RELAXED);
	if (protocol == 0)
		return;
	p->tap = (struct netdev_tap){.component = &component_packet, .of = n, .frame = packet_frame};
	list_init(&p->tap.link);
	netdev_tap_add(&p->tap);
	p->tapped = true;
}

static int packet_bind(struct socket *s, const struct socket_address *a)
{
	struct packet_socket *p = packet_of(s);
	struct netdev_info info = {.up = true};
	struct netdev *n = nullptr;
	struct sockaddr_ll to;

	if (a->length < sizeof(to) || a->family != AF_PACKET)
		return -EINVAL;
	memcpy(&to, a->bytes, sizeof(to));
	if (to.index != 0) {
		n = netdev_find_index((uint32_t)to.index);
		if (n == nullptr)
			return -ENODEV;
		netdev_get_info(n, &info);
	}
	mutex_lock(&p->socket.lock);
	tap(p, n, to.protocol != 0 ? to.protocol : p->protocol);
	mutex_unlock(&p->socket.lock);
	if (!info.up) {
		socket_set_error(s, -ENETDOWN);
		socket_wake_readers(s);
	}
	return 0;
}

static void tell_down(struct packet_socket *p, void *info)
{
	if (__atomic_load_n(&p->index, __ATOMIC_RELAXED) != ((const struct netdev_info *)info)->index)
		return;
	socket_set_error(&p->socket, -ENETDOWN);
	socket_wake_readers(&p->socket);
}

/* The socket stays bound to it; of one that is gone nothing comes any more. */
void packet_device_changed(struct netdev *n, enum netdev_change what)
{
	struct netdev_info info;

	netdev_get_info(n, &info);
	if (what == NETDEV_GONE || (what == NETDEV_CHANGED && !info.up))
		packet_each(tell_down, &info);
}

static int packet_name(struct socket *s, bool peers, struct socket_address *out)
{
	struct packet_socket *p = packet_of(s);
	struct sockaddr_ll a = {.family = AF_PACKET};
	struct netdev_info info;

	if (peers)
		return -EOPNOTSUPP;
	mutex_lock(&p->socket.lock);
	a.protocol = p->protocol;
	if (p->device != nullptr) {
		netdev_get_info(p->device, &info);
		a.index = info.gone ? -1 : (int32_t)info.index;
		a.hardware_type = info.kind;
		a.address_length = NETDEV_ADDRESS;
		memcpy(a.address, info.address, NETDEV_ADDRESS);
	}
	mutex_unlock(&p->socket.lock);
	out->length = SOCKADDR_LL_ADDRESS_AT + a.address_length;
	memcpy(out->bytes, &a, sizeof(a));
	return 0;
}

/* --- what it has not --- */

static int no_connect(struct socket *, const struct socket_address *, bool)
{
	return -EOPNOTSUPP;
}

static int no_listen(struct socket *, uint32_t)
{
	return -EOPNOTSUPP;
}

static int no_accept(struct socket *, bool, struct socket **)
{
	return -EOPNOTSUPP;
}

static int no_shutdown(struct socket *, uint32_t)
{
	return -EOPNOTSUPP;
}

static bool listens_not(struct socket *)
{
	return false;
}

static int no_peer_cred(struct socket *, struct ucred *out)
{
	*out = (struct ucred){.uid = UINT32_MAX, .gid = UINT32_MAX};
	return 0;
}

/* --- its life --- */

static void packet_release(struct socket *s)
{
	struct packet_socket *p = packet_of(s);

	packet_list_remove(p);
	mutex_lock(&p->socket.lock);
	s->file = nullptr;
	untap(p);
	packet_memberships_end(p);
	mutex_unlock(&p->socket.lock);
	packet_purge(p);
}

static void packet_free(struct socket *s)
{
	struct packet_socket *p = packet_of(s);

	socket_uncharge(p->account, SOCKET_BYTES + socket_filter_bytes(p->filter));
	socket_filter_put(p->filter);
	socket_account_put(p->account);
	kfree(p);
}

static const struct socket_ops packet_ops = {
	.bind = packet_bind,
	.connect = no_connect,
	.listen = no_listen,
	.accept = no_accept,
	.name = packet_name,
	.send = packet_send,
	.receive = packet_receive,
	.shutdown = no_shutdown,
	.poll = packet_poll,
	.bytes = packet_pending,
	.listens = listens_not,
	.peer_cred = no_peer_cred,
	.option_set = packet_option_set,
	.option_get = packet_option_get,
	.filter = packet_filter,
	.release = packet_release,
	.free = packet_free,
};

static int make(uint32_t type, int protocol, struct packet_socket **out)
{
	struct socket_account *account = socket_account_get();

	if (account == nullptr)
		return -ENOMEM;
	int error = socket_charge(account, SOCKET_BYTES);
	struct packet_socket *p = error == 0 ? kmalloc(sizeof(*p)) : nullptr;
	if (p == nullptr) {
		if (error == 0)
			socket_uncharge(account, SOCKET_BYTES);
		socket_account_put(account);
		return error != 0 ? error : -ENOMEM;
	}
	socket_init(&p->socket, &packet_ops, AF_PACKET, type, (uint16_t)protocol);
	list_init(&p->queue);
	list_init(&p->memberships);
	list_init(&p->all);
	spin_init(&p->queue_lock, RANK_WAIT - 1);
	p->account = account;
	*out = p;
	return 0;
}

static int create(uint32_t type, int protocol, struct socket **out)
{
	struct packet_socket *p;

	if (!capable(CAP_NET_RAW))
		return -EPERM;
	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	int error = make(type, protocol, &p);
	if (error != 0)
		return error;
	packet_list_add(p);
	mutex_lock(&p->socket.lock);
	tap(p, nullptr, (uint16_t)protocol);
	mutex_unlock(&p->socket.lock);
	*out = &p->socket;
	return 0;
}
SOCKET_FAMILY(packet, .family = AF_PACKET, .create = create);
