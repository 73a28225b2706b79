/* SPDX-License-Identifier: MIT */
/* Letters (kernel/ipc/letter.h): a datagram that is written for a socket now and stands in its queue later. */
#include "netlink.h"

#include <abi/mqueue.h>
#include <kernel/ipc/letter.h>

struct letter {
	struct netlink_socket *to; /* a reference */
	struct netlink_datagram *datagram;
};

static int write_to(struct netlink_socket *to, const uint8_t *cookie, struct letter **out)
{
	struct letter *l = kmalloc(sizeof(*l));

	if (l == nullptr)
		return -ENOMEM;
	l->datagram = netlink_datagram_create(MQ_COOKIE_BYTES);
	if (l->datagram == nullptr) {
		kfree(l);
		return -ENOMEM;
	}
	memcpy(l->datagram->bytes, cookie, MQ_COOKIE_BYTES);
	l->datagram->length = MQ_COOKIE_BYTES;
	l->to = to;
	socket_get(&to->socket);
	*out = l;
	return 0;
}

static int letter_write(int fd, const uint8_t *cookie, struct letter **out)
{
	struct file_ref r;
	struct socket *s;

	int error = socket_ref_get(fd, &r, &s);
	if (error != 0)
		return error;
	error = s->family == AF_NETLINK ? write_to(netlink_of(s), cookie, out) : -EINVAL;
	file_ref_put(r);
	return error;
}

/* Who has closed the socket meanwhile reads nothing; what stands in its queue then goes with it. */
static void letter_send(struct letter *l, uint8_t why)
{
	struct list one;

	list_init(&one);
	list_init(&l->datagram->link);
	list_push_back(&one, &l->datagram->link);
	l->datagram->bytes[MQ_COOKIE_BYTES - 1] = why;
	if (why != 0)
		netlink_queue(l->to, &one);
	else
		netlink_datagrams_free(&one);
	socket_put(&l->to->socket);
	kfree(l);
}

const struct letter_writer netlink_letters = {.write = letter_write, .send = letter_send};
