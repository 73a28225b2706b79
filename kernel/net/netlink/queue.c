/* SPDX-License-Identifier: MIT */
/* Answers and news on their way into a socket's queue, and out of it (netlink.h). */
#include "netlink.h"

/* --- writing --- */

void netlink_out_init(struct netlink_out *o)
{
	*o = (struct netlink_out){};
	list_init(&o->datagrams);
}

static struct netlink_datagram *last_of(struct netlink_out *o)
{
	return container_of(o->datagrams.prev, struct netlink_datagram, link);
}

struct netlink_datagram *netlink_datagram_create(uint32_t room)
{
	struct netlink_datagram *d = kmalloc(sizeof(*d) + room);

	if (d == nullptr)
		return nullptr;
	d->refs = 1;
	d->holds = sizeof(*d) + room;
	return d;
}

static int more_room(struct netlink_out *o)
{
	struct netlink_datagram *d = netlink_datagram_create(DATAGRAM_BYTES);

	if (d == nullptr)
		return -ENOMEM;
	list_init(&d->link);
	list_push_back(&o->datagrams, &d->link);
	o->writer = (struct netlink_writer){.bytes = d->bytes, .room = DATAGRAM_BYTES};
	return 0;
}

struct netlink_writer *netlink_out_begin(struct netlink_out *o, uint16_t type, const void *fixed, size_t n)
{
	const struct nlmsghdr h = {.type = type, .flags = o->flags, .sequence = o->sequence, .port = o->port};

	/* No message that we write is longer than a quarter. */
	if (o->writer.room - o->writer.used < DATAGRAM_BYTES / 4 && o->error == 0)
		o->error = more_room(o);
	o->begin = netlink_begin(&o->writer, &h, fixed, n);
	return &o->writer;
}

void netlink_out_end(struct netlink_out *o)
{
	if (!netlink_end(&o->writer, o->begin)) {
		o->error = o->error != 0 ? o->error : -EMSGSIZE;
		return;
	}
	last_of(o)->length = (uint32_t)o->writer.used;
}

/* --- in --- */

static void put_datagram(struct netlink_datagram *d)
{
	if (__atomic_fetch_sub(&d->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	if (d->account != nullptr)
		socket_uncharge(d->account, d->holds);
	kfree(d);
}

void netlink_datagrams_free(struct list *datagrams)
{
	while (!list_empty(datagrams)) {
		struct netlink_datagram *d = list_first(datagrams, struct netlink_datagram, link);

		list_remove(&d->link);
		put_datagram(d);
	}
}

/* All or none. */
static bool charge_all(struct netlink_socket *n, struct list *datagrams)
{
	struct netlink_datagram *d;

	list_for_each(d, datagrams, link) {
		if (socket_charge(n->account, d->holds) != 0)
			return false; /* netlink_datagrams_free gives back what was charged */
		d->account = n->account;
	}
	return true;
}

static bool put_in_queue(struct netlink_socket *n, struct list *datagrams)
{
	uint32_t limit = __atomic_load_n(&n->socket.receive_limit, __ATOMIC_RELAXED), bytes = 0, count = 0;
	struct netlink_datagram *d;

	list_for_each(d, datagrams, link) {
		bytes += d->holds;
		count++;
	}
	spin_lock(&n->queue_lock);
	/* One that is alone finds room, whatever the limit. */
	bool fits = n->charged == 0 ? count <= 1 || bytes <= limit : n->charged + bytes <= limit;
	if (fits) {
		while (!list_empty(datagrams)) {
			d = list_first(datagrams, struct netlink_datagram, link);
			list_remove(&d->link);
			list_push_back(&n->queue, &d->link);
		}
		__atomic_store_n(&n->charged, n->charged + bytes, __ATOMIC_RELAXED);
		__atomic_store_n(&n->queued, n->queued + count, __ATOMIC_RELEASE);
	}
	spin_unlock(&n->queue_lock);
	return fits;
}

/* Something was lost, which its reader is told. */
static void lose(struct netlink_socket *n)
{
	__atomic_fetch_add(&n->drops, 1, __ATOMIC_RELAXED);
	if (!netlink_switch(n, NETLINK_NO_ENOBUFS))
		socket_set_error(&n->socket, -ENOBUFS);
	socket_wake_readers(&n->socket);
}

void netlink_queue(struct netlink_socket *n, struct list *datagrams)
{
	if (charge_all(n, datagrams) && put_in_queue(n, datagrams)) {
		socket_wake_readers(&n->socket);
		return;
	}
	netlink_datagrams_free(datagrams);
	lose(n);
}

/* --- news --- */

struct news {
	uint32_t group;
	const struct netlink_out *out;
	bool heard;
};

static bool hears(const struct netlink_socket *n, uint32_t group)
{
	return __atomic_load_n(&n->groups, __ATOMIC_RELAXED) >> (group - 1) & 1;
}

static void look_for_ears(struct netlink_socket *n, void *context)
{
	struct news *news = context;

	news->heard |= hears(n, news->group);
}

bool netlink_is_heard(uint32_t group)
{
	struct news news = {.group = group};

	netlink_each(look_for_ears, &news);
	return news.heard;
}

/* All of it, or nothing, and the reader is told of that. */
static void tell_one(struct netlink_socket *n, void *context)
{
	const struct news *news = context;
	const struct netlink_datagram *d;
	struct list copies;
	bool whole = news->out->error == 0;

	if (!hears(n, news->group))
		return;
	list_init(&copies);
	list_for_each(d, &news->out->datagrams, link) {
		struct netlink_datagram *copy = whole ? netlink_datagram_create(d->length) : nullptr;

		if (copy == nullptr) {
			whole = false;
			break;
		}
		memcpy(copy->bytes, d->bytes, d->length);
		copy->length = d->length;
		copy->group = news->group;
		list_init(&copy->link);
		list_push_back(&copies, &copy->link);
	}
	if (whole) {
		netlink_queue(n, &copies);
		return;
	}
	netlink_datagrams_free(&copies);
	lose(n);
}

void netlink_notify(uint32_t group, struct netlink_out *o)
{
	struct news news = {.group = group, .out = o};

	netlink_each(tell_one, &news);
	netlink_datagrams_free(&o->datagrams);
}

/* --- out --- */

/* The oldest, with a reference; out of the queue, unless it is only looked at. nullptr: there is none. */
static struct netlink_datagram *take(struct netlink_socket *n, bool peek)
{
	struct netlink_datagram *d = nullptr;

	spin_lock(&n->queue_lock);
	if (!list_empty(&n->queue)) {
		d = list_first(&n->queue, struct netlink_datagram, link);
		if (peek) {
			__atomic_fetch_add(&d->refs, 1, __ATOMIC_RELAXED);
		} else {
			list_remove(&d->link);
			__atomic_store_n(&n->charged, n->charged - d->holds, __ATOMIC_RELAXED);
			__atomic_store_n(&n->queued, n->queued - 1, __ATOMIC_RELEASE);
		}
	}
	spin_unlock(&n->queue_lock);
	return d;
}

void netlink_purge(struct netlink_socket *n)
{
	struct netlink_datagram *d;

	while ((d = take(n, false)) != nullptr)
		put_datagram(d);
}

static bool has_come(struct netlink_socket *n)
{
	return __atomic_load_n(&n->queued, __ATOMIC_ACQUIRE) > 0 ||
	       __atomic_load_n(&n->socket.error, __ATOMIC_ACQUIRE) != 0;
}

static int await(struct netlink_socket *n, const struct socket_message *m, struct netlink_datagram **out)
{
	struct socket *s = &n->socket;
	uint64_t timeout_ns = __atomic_load_n(&s->receive_timeout_ns, __ATOMIC_RELAXED);
	uint64_t deadline_ns = socket_deadline(timeout_ns);

	while (true) {
		int error = socket_take_error(s);
		if (error != 0)
			return error;
		*out = take(n, m->flags & MSG_PEEK);
		if (*out != nullptr)
			return 0;
		if (m->flags & MSG_DONTWAIT)
			return -EAGAIN;
		error = wait_event_interruptible_deadline(&s->readable, has_come(n), deadline_ns);
		if (error != 0)
			return socket_wait_error(error, timeout_ns);
	}
}

long netlink_receive(struct socket *s, struct socket_message *m)
{
	struct netlink_socket *n = netlink_of(s);
	struct netlink_datagram *d;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	int error = await(n, m, &d);
	if (error != 0)
		return error;
	struct sockaddr_nl from = {.family = AF_NETLINK,
				   .groups = d->group != 0 && d->group <= 32 ? 1u << (d->group - 1) : 0};
	size_t bytes = MIN((size_t)d->length, m->length);
	bool whole = io_copy_out(m->buffer, 0, d->bytes, bytes) == bytes;
	long done = m->flags & MSG_TRUNC ? (long)d->length : (long)bytes;
	if (d->length > m->length)
		m->flags_out |= MSG_TRUNC;
	if (m->address != nullptr) {
		m->address->length = sizeof(from);
		memcpy(m->address->bytes, &from, sizeof(from));
	}
	m->has_cred = true; /* the kernel's: zeros */
	if (netlink_switch(n, NETLINK_PKTINFO))
		socket_note(m, SOL_NETLINK, NETLINK_PKTINFO, &d->group, sizeof(d->group));
	put_datagram(d);
	return whole ? done : -EFAULT;
}

uint32_t netlink_poll(struct socket *s, struct poll_table *table)
{
	struct netlink_socket *n = netlink_of(s);
	uint32_t mask = POLLOUT | POLLWRNORM | POLLWRBAND;

	poll_watch(table, &s->readable);
	poll_watch(table, &s->writable);
	if (__atomic_load_n(&s->error, __ATOMIC_ACQUIRE) != 0)
		mask |= POLLERR;
	if (__atomic_load_n(&n->queued, __ATOMIC_ACQUIRE) > 0)
		mask |= POLLIN | POLLRDNORM;
	return mask;
}

/* The next one's bytes. */
long netlink_pending(struct socket *s, bool sent)
{
	struct netlink_socket *n = netlink_of(s);
	long bytes = 0;

	if (sent)
		return 0;
	spin_lock(&n->queue_lock);
	if (!list_empty(&n->queue))
		bytes = list_first(&n->queue, struct netlink_datagram, link)->length;
	spin_unlock(&n->queue_lock);
	return bytes;
}
