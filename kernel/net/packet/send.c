/* SPDX-License-Identifier: MIT */
/* Frames that a process sends (packet.h). */
#include "packet.h"

enum : uint32_t { SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR | MSG_CONFIRM };

struct target {
	struct netdev *device; /* a reference */
	uint16_t protocol;     /* in network order */
	bool has_address;
	uint8_t address[NETDEV_ADDRESS];
};

static int find_target(struct packet_socket *p, const struct socket_message *m, struct target *out)
{
	struct sockaddr_ll a;

	*out = (struct target){};
	if (m->address != nullptr) {
		if (m->address->length < sizeof(a))
			return -EINVAL;
		memcpy(&a, m->address->bytes, sizeof(a));
		if (m->address->length < SOCKADDR_LL_ADDRESS_AT + a.address_length)
			return -EINVAL;
		out->device = netdev_find_index((uint32_t)a.index);
		out->protocol = a.protocol;
		out->has_address = a.address_length >= NETDEV_ADDRESS;
		memcpy(out->address, a.address, NETDEV_ADDRESS);
	} else {
		mutex_lock(&p->socket.lock);
		if (p->device != nullptr)
			netdev_get(p->device);
		out->device = p->device;
		out->protocol = p->protocol;
		mutex_unlock(&p->socket.lock);
	}
	return out->device == nullptr ? -ENXIO : 0;
}

/* Of a socket that does not write it itself. On `lo` nobody has an address. */
static int write_header(const struct target *t, const struct netdev_info *info, struct net_frame *f)
{
	uint8_t header[NETDEV_HEADER];

	if (!t->has_address && info->kind != NETDEV_LOOPBACK)
		return -EINVAL;
	memcpy(header, t->address, NETDEV_ADDRESS);
	memcpy(header + NETDEV_ADDRESS, info->address, NETDEV_ADDRESS);
	memcpy(header + 2 * NETDEV_ADDRESS, &t->protocol, sizeof(t->protocol));
	(void)net_frame_write(f, 0, header, sizeof(header));
	return 0;
}

/* The process's bytes from `at` on; a frame's parts stand one behind the other. */
static bool write_bytes(struct net_frame *f, size_t at, const struct socket_message *m)
{
	size_t done = 0;

	for (struct net_frame *part = f; part != nullptr; part = part->more) {
		size_t skip = MIN(at, (size_t)part->length), n = part->length - skip;

		at -= skip;
		if (io_copy_in(part->data + skip, m->buffer, done, n) != n)
			return false;
		done += n;
	}
	return true;
}

static int send_frame(struct packet_socket *p, const struct target *t, const struct socket_message *m)
{
	size_t header = p->socket.type == SOCK_DGRAM ? NETDEV_HEADER : 0;
	struct netdev_info info;

	netdev_get_info(t->device, &info);
	if (!info.up)
		return -ENETDOWN;
	if (m->length > info.mtu + NETDEV_HEADER - header)
		return -EMSGSIZE;
	if (header == 0 && m->length < NETDEV_HEADER)
		return -EINVAL;
	struct net_frame *f = net_frame_alloc(m->length + header);
	if (f == nullptr)
		return -ENOBUFS;
	int error = header != 0 ? write_header(t, &info, f) : 0;
	if (error == 0 && !write_bytes(f, header, m))
		error = -EFAULT;
	if (error != 0) {
		net_frame_free(f);
		return error;
	}
	f->sender = p;
	return netdev_transmit(t->device, f);
}

long packet_send(struct socket *s, struct socket_message *m)
{
	struct packet_socket *p = packet_of(s);
	struct target t;

	if (m->flags & ~SEND_FLAGS)
		return m->flags & MSG_OOB ? -EOPNOTSUPP : -EINVAL;
	int error = find_target(p, m, &t);
	if (error == 0)
		error = send_frame(p, &t, m);
	netdev_put(t.device);
	return error != 0 ? error : (long)m->length;
}
