/* SPDX-License-Identifier: MIT */
/* Requests of a process, and their answers (netlink.h). */
#include "netlink.h"

#include <kernel/thread/guard.h>

enum : uint32_t { SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR | MSG_CONFIRM | MSG_DONTROUTE };
enum : size_t { REQUEST_MAX = 128 << 10 };

/* The end of a dump, or what became of a request: with all of it that was refused, unless only the header is wanted. */
static void finish(struct netlink_out *o, const struct netlink_message *m, int error, bool is_dump, bool capped)
{
	struct {
		int32_t error;
		struct nlmsghdr header;
	} what = {.error = error, .header = m->header};
	bool whole = error != 0 && !capped && m->length <= DATAGRAM_BYTES / 8;

	if (is_dump && error == 0) {
		(void)netlink_out_begin(o, NLMSG_DONE, &what.error, sizeof(what.error));
		netlink_out_end(o);
		return;
	}
	o->flags = whole ? 0 : NLM_F_CAPPED;
	struct netlink_writer *w = netlink_out_begin(o, NLMSG_ERROR, nullptr, sizeof(what) + (whole ? m->length : 0));
	if (!w->full) {
		uint8_t *at = w->bytes + o->begin + sizeof(struct nlmsghdr);

		memcpy(at, &what, sizeof(what));
		if (whole)
			memcpy(at + sizeof(what), m->payload, m->length);
	}
	netlink_out_end(o);
}

static int answer(const struct netlink_message *m, bool is_dump, struct netlink_out *o)
{
	const struct netlink_protocol *p = __atomic_load_n(&netlink_route, __ATOMIC_ACQUIRE);

	return (int)guard_run(p->component, p->answer(m, is_dump, o));
}

static void drop_all(struct netlink_out *o)
{
	uint32_t sequence = o->sequence, port = o->port;

	while (!list_empty(&o->datagrams)) {
		struct netlink_datagram *d = list_first(&o->datagrams, struct netlink_datagram, link);

		list_remove(&d->link);
		kfree(d);
	}
	netlink_out_init(o);
	o->sequence = sequence;
	o->port = port;
}

static void handle(struct netlink_socket *n, const struct netlink_message *m)
{
	bool is_request = m->header.type >= NLMSG_MIN_TYPE;
	/* Only questions have dumps (rtnetlink(7): each third of four types); of others the bits mean something else.
	 */
	bool is_dump = is_request && m->header.type % 4 == 2 && (m->header.flags & NLM_F_DUMP) != 0;
	struct netlink_out o;

	if (!(m->header.flags & NLM_F_REQUEST))
		return;
	netlink_out_init(&o);
	o.sequence = m->header.sequence;
	o.port = __atomic_load_n(&n->port, __ATOMIC_RELAXED);
	o.flags = is_dump ? NLM_F_MULTI : 0;
	/* A program with more rights may be made to write to a socket that it got as its output. */
	o.may_set = n->admin && capable(CAP_NET_ADMIN);
	int error = is_request ? answer(m, is_dump, &o) : 0;
	if (error == 0)
		error = o.error;
	if (error != 0)
		drop_all(&o);
	if (error != 0 || is_dump || m->header.flags & NLM_F_ACK)
		finish(&o, m, error, is_dump, netlink_switch(n, NETLINK_CAP_ACK));
	if (o.error != 0) {
		drop_all(&o);
		socket_set_error(&n->socket, -ENOBUFS);
	}
	netlink_queue(n, &o.datagrams);
}

/* To the kernel alone; between processes there is nothing to be sent. */
static int check_target(const struct socket_message *m)
{
	struct sockaddr_nl to;

	if (m->address == nullptr)
		return 0;
	if (m->address->length < sizeof(to) || m->address->family != AF_NETLINK)
		return -EINVAL;
	memcpy(&to, m->address->bytes, sizeof(to));
	if (to.port == 0 && to.groups == 0)
		return 0;
	return capable(CAP_NET_ADMIN) ? -ECONNREFUSED : -EPERM;
}

long netlink_send(struct socket *s, struct socket_message *m)
{
	struct netlink_socket *n = netlink_of(s);
	struct netlink_message one;
	size_t at = 0;

	if (m->flags & ~SEND_FLAGS)
		return m->flags & MSG_OOB ? -EOPNOTSUPP : -EINVAL;
	int error = check_target(m);
	if (error == 0 && __atomic_load_n(&n->port, __ATOMIC_RELAXED) == 0)
		error = netlink_take_port(n, 0);
	if (error != 0)
		return error;
	if (m->length > REQUEST_MAX || m->length + 32 > __atomic_load_n(&s->send_limit, __ATOMIC_RELAXED))
		return -EMSGSIZE;
	if (m->length == 0)
		return -ENODATA;
	uint8_t *bytes = kmalloc(m->length);
	if (bytes == nullptr)
		return -ENOBUFS;
	if (io_copy_in(bytes, m->buffer, 0, m->length) != m->length)
		error = -EFAULT;
	while (error == 0 && netlink_next(bytes, m->length, &at, &one))
		handle(n, &one);
	kfree(bytes);
	return error != 0 ? error : (long)m->length;
}
