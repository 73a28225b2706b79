/* SPDX-License-Identifier: MIT */
/* Streams (stream.h): their life, names, and what poll sees. */
#include "stream.h"

static int stream_bind(struct socket *s, const struct socket_address *a)
{
	struct inet_stream *t = stream_of(s);
	uint16_t port;
	ip_addr_t ip;

	inet_core_lock();
	int error = inet_address_get(&t->inet, a, true, &ip, &port);
	if (error == 0 && (t->state != STREAM_FREE || (t->tcp != nullptr && t->tcp->local_port != 0)))
		error = -EINVAL;
	if (error == 0)
		error = inet_may_bind(&ip, port);
	if (error == 0 && stream_port_is_taken(t, &ip, port))
		error = -EADDRINUSE;
	if (error == 0)
		error = stream_renew(t);
	if (error == 0)
		error = inet_errno(tcp_bind(t->tcp, &ip, port));
	if (error == 0)
		stream_note_addresses(t);
	inet_core_unlock();
	return error;
}

void stream_note_addresses(struct inet_stream *t)
{
	t->local = t->tcp->local_ip;
	t->local_port = t->tcp->local_port;
	if (t->state != STREAM_LISTENING) {
		t->remote = t->tcp->remote_ip;
		t->remote_port = t->tcp->remote_port;
	}
}

static int stream_name(struct socket *s, bool peers, struct socket_address *out)
{
	struct inet_stream *t = stream_of(s);
	int error = 0;

	inet_core_lock();
	if (!peers)
		inet_address_put(&t->inet, &t->local, t->local_port, out);
	else if (t->state == STREAM_OPEN)
		inet_address_put(&t->inet, &t->remote, t->remote_port, out);
	else
		error = -ENOTCONN;
	inet_core_unlock();
	return error;
}

void stream_set_state(struct inet_stream *t, enum stream_state state)
{
	__atomic_store_n(&t->state, state, __ATOMIC_RELEASE);
}

/* Streams that lwIP has a record of, with a file or without. */
static struct list records GUARDED_BY(inet_core) = LIST_INIT(records);

/* lwIP frees the record; what it calls next may still be stream_lost, so the reference goes when the core is free. */
static void destroyed(u8_t, void *arg) NO_THREAD_SAFETY
{
	struct inet_stream *t = arg;

	stream_free_pieces(t, UINT64_MAX);
	t->tcp = nullptr;
	list_remove(&t->record);
	list_init(&t->record);
	if (t->state == STREAM_OPEN || t->state == STREAM_LISTENING) {
		stream_set_state(t, STREAM_GONE);
		__atomic_store_n(&t->ended, true, __ATOMIC_RELEASE);
	}
	inet_wake(&t->inet, WAKE_READERS | WAKE_WRITERS | WAKE_PUT);
}
static const struct tcp_ext_arg_callbacks record_callbacks = {.destroy = destroyed}, no_callbacks = {};

void stream_attach(struct inet_stream *t, struct tcp_pcb *tcp)
{
	socket_get(&t->inet.socket);
	t->tcp = tcp;
	if (list_empty(&t->record))
		list_push_back(&records, &t->record);
	tcp_arg(tcp, t);
	tcp_ext_arg_set_callbacks(tcp, 0, &record_callbacks);
	tcp_ext_arg_set(tcp, 0, t);
	if (tcp->state == LISTEN)
		return;
	tcp_recv(tcp, stream_arrived);
	tcp_sent(tcp, stream_acknowledged);
	tcp_err(tcp, stream_lost);
}

void stream_detach(struct tcp_pcb *tcp)
{
	tcp_ext_arg_set_callbacks(tcp, 0, &no_callbacks);
}

int stream_renew(struct inet_stream *t)
{
	if (t->tcp != nullptr)
		return 0;
	struct tcp_pcb *tcp = tcp_new_ip_type(t->inet.socket.family == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY);
	if (tcp == nullptr)
		return -ENOBUFS;
	if (t->inet.v6_only)
		IP_SET_TYPE_VAL(tcp->local_ip, IPADDR_TYPE_V6);
	if (t->no_delay)
		tcp_nagle_disable(tcp);
	if (socket_switch(&t->inet.socket, SO_KEEPALIVE))
		ip_set_option(tcp, SOF_KEEPALIVE);
	ip_set_option(tcp, SOF_REUSEADDR); /* reuse.c has the rule */
	tcp->netif_idx = t->inet.device;
	stream_attach(t, tcp);
	return 0;
}

void stream_tell_room(struct inet_stream *t)
{
	uint32_t owed = __atomic_exchange_n(&t->owed, 0, __ATOMIC_RELAXED);

	while (owed > 0 && t->tcp != nullptr) {
		u16_t part = (u16_t)MIN(owed, (uint32_t)UINT16_MAX);

		tcp_recved(t->tcp, part);
		owed -= part;
	}
}

/* --- lwIP begins anew --- */

static struct list again GUARDED_BY(inet_core) = LIST_INIT(again); /* who is to have a record again */

/* As if the other side had reset it, with lwIP's reference to be given back. */
static void lose(struct inet_stream *t) REQUIRES(inet_core)
{
	bool connecting = t->state == STREAM_CONNECTING;

	socket_set_error(&t->inet.socket, -ECONNRESET);
	__atomic_store_n(&t->ended, !connecting, __ATOMIC_RELEASE);
	stream_set_state(t, connecting ? STREAM_FREE : STREAM_GONE);
}

uint32_t streams_lose_all(void)
{
	uint32_t count = 0;

	while (!list_empty(&records)) {
		struct inet_stream *t = list_first(&records, struct inet_stream, record);
		enum stream_state state = t->state;

		list_remove(&t->record);
		list_init(&t->record);
		t->tcp = nullptr;
		stream_free_pieces(t, UINT64_MAX);
		inet_uncharge(&t->inet, t->charging);
		t->charging = 0;
		if (state == STREAM_CONNECTING || state == STREAM_OPEN) {
			lose(t);
			count++;
		}
		/* A reference for each list; who was closed is not in `all`. */
		if (!list_empty(&t->inet.all) &&
		    (state == STREAM_LISTENING || (state == STREAM_FREE && t->local_port != 0))) {
			socket_get(&t->inet.socket);
			list_push_back(&again, &t->record);
		}
		inet_wake(&t->inet, WAKE_READERS | WAKE_WRITERS | WAKE_PUT);
	}
	return count;
}

uint32_t streams_listen_again(void)
{
	uint32_t lost = 0;

	while (!list_empty(&again)) {
		struct inet_stream *t = list_first(&again, struct inet_stream, record);

		list_remove(&t->record);
		list_init(&t->record);
		if (stream_begin_again(t) != 0)
			lost++;
		inet_wake(&t->inet, WAKE_PUT);
	}
	return lost;
}

/* --- the end --- */

/* What nobody accepted is reset with its listener. */
static void close_backlog(struct list *backlog)
{
	while (!list_empty(backlog)) {
		struct inet_stream *t = list_first(backlog, struct inet_stream, backlog_link);

		list_remove(&t->backlog_link);
		stream_release(&t->inet.socket);
		socket_put(&t->inet.socket);
	}
}

static void take_backlog(struct inet_stream *t, struct list *out)
{
	spin_lock(&t->inet.queue_lock);
	while (!list_empty(&t->backlog)) {
		struct list *first = t->backlog.next;

		list_remove(first);
		list_push_back(out, first);
	}
	__atomic_store_n(&t->waiting, 0, __ATOMIC_RELAXED);
	spin_unlock(&t->inet.queue_lock);
}

/* Ends lwIP's record, or has lwIP end it when all was sent. What was not read resets the connection (RFC 2525, 2.17).
 */
static void close_record(struct inet_stream *t, bool at_once) REQUIRES(inet_core)
{
	if (t->tcp == nullptr)
		return;
	if (at_once && t->state != STREAM_LISTENING) {
		tcp_err(t->tcp, nullptr);
		tcp_abort(t->tcp);
		return;
	}
	stream_tell_room(t);
	if (tcp_close(t->tcp) != ERR_OK && t->tcp != nullptr) {
		tcp_err(t->tcp, nullptr);
		tcp_abort(t->tcp); /* no memory to end it in order */
	}
}

/* SO_LINGER: until the other side has it all, or the connection is lost. */
static void linger(struct inet_stream *t, uint32_t seconds)
{
	uint64_t deadline_ns = clock_monotonic_ns() + seconds * UINT64_C(1000000000);

	(void)wait_event_interruptible_deadline(
		&t->inet.socket.writable,
		__atomic_load_n(&t->in_flight, __ATOMIC_ACQUIRE) == 0 || stream_state(t) == STREAM_GONE, deadline_ns);
}

void stream_release(struct socket *s)
{
	struct inet_stream *t = stream_of(s);
	struct list backlog = LIST_INIT(backlog);

	mutex_lock(&s->lock);
	struct linger l = s->linger;
	bool has_file = s->file != nullptr;
	mutex_unlock(&s->lock);
	inet_core_lock();
	s->file = nullptr;
	inet_list_remove(&t->inet);
	list_init(&t->inet.all);
	__atomic_store_n(&t->inet.shut, SIDE_RECEIVE | SIDE_SEND, __ATOMIC_RELEASE);
	bool open = t->state == STREAM_OPEN;
	close_record(t, !has_file || (open && l.on && l.seconds == 0));
	take_backlog(t, &backlog);
	inet_wake(&t->inet, WAKE_READERS | WAKE_WRITERS);
	inet_core_unlock();
	stream_purge(t);
	close_backlog(&backlog);
	if (open && l.on && l.seconds > 0)
		linger(t, (uint32_t)l.seconds);
}

static void stream_free(struct socket *s)
{
	stream_purge(stream_of(s));
	inet_account_close(inet_of(s));
	kfree(stream_of(s));
}

static int stream_shutdown(struct socket *s, uint32_t sides)
{
	struct inet_stream *t = stream_of(s);
	struct list backlog = LIST_INIT(backlog);
	int error = 0;

	inet_core_lock();
	if (t->state == STREAM_LISTENING && sides & SIDE_RECEIVE) {
		(void)tcp_close(t->tcp);
		__atomic_store_n(&t->ended, false, __ATOMIC_RELEASE); /* it may be a connection yet */
		stream_set_state(t, STREAM_FREE);
		take_backlog(t, &backlog);
	} else if (t->state == STREAM_OPEN || (t->state == STREAM_GONE && t->remote_port != 0)) {
		uint8_t before = __atomic_fetch_or(&t->inet.shut, (uint8_t)sides, __ATOMIC_ACQ_REL);
		if (sides & SIDE_SEND && !(before & SIDE_SEND) && t->tcp != nullptr)
			(void)tcp_shutdown(t->tcp, 0, 1); /* without memory lwIP tries again by itself */
	} else {
		error = -ENOTCONN;
	}
	inet_wake(&t->inet, WAKE_READERS | WAKE_WRITERS);
	inet_core_unlock();
	close_backlog(&backlog);
	return error;
}

/* --- what is asked --- */

static uint32_t stream_poll(struct socket *s, struct poll_table *table)
{
	struct inet_stream *t = stream_of(s);
	uint32_t mask = 0;

	poll_watch(table, &s->readable);
	poll_watch(table, &s->writable);
	enum stream_state state = stream_state(t);
	uint8_t shut = __atomic_load_n(&t->inet.shut, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&t->ended, __ATOMIC_ACQUIRE))
		shut |= SIDE_RECEIVE;
	if (__atomic_load_n(&s->error, __ATOMIC_ACQUIRE) != 0)
		mask |= POLLERR;
	if (state == STREAM_LISTENING)
		return __atomic_load_n(&t->waiting, __ATOMIC_ACQUIRE) > 0 ? mask | POLLIN | POLLRDNORM : mask;
	if (state == STREAM_CONNECTING)
		return mask;
	if (state == STREAM_FREE)
		return mask | POLLOUT | POLLWRNORM | POLLHUP;
	if (shut == (SIDE_RECEIVE | SIDE_SEND) || state == STREAM_GONE)
		mask |= POLLHUP;
	if (shut & SIDE_RECEIVE)
		mask |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (__atomic_load_n(&t->queued, __ATOMIC_ACQUIRE) >= __atomic_load_n(&s->receive_least, __ATOMIC_RELAXED))
		mask |= POLLIN | POLLRDNORM;
	if (shut & SIDE_SEND || state == STREAM_GONE || stream_is_writable(t))
		mask |= POLLOUT | POLLWRNORM;
	return mask;
}

static long stream_bytes(struct socket *s, bool sent)
{
	struct inet_stream *t = stream_of(s);

	if (stream_state(t) == STREAM_LISTENING)
		return -EINVAL;
	return sent ? __atomic_load_n(&t->in_flight, __ATOMIC_RELAXED) : __atomic_load_n(&t->queued, __ATOMIC_RELAXED);
}

static bool stream_listens(struct socket *s)
{
	return stream_state(stream_of(s)) == STREAM_LISTENING;
}

static void stream_switched(struct socket *s, int option, bool on)
{
	struct inet_stream *t = stream_of(s);

	if (option != SO_KEEPALIVE)
		return;
	inet_core_lock();
	if (t->tcp != nullptr && on)
		ip_set_option(t->tcp, SOF_KEEPALIVE);
	else if (t->tcp != nullptr)
		ip_reset_option(t->tcp, SOF_KEEPALIVE);
	inet_core_unlock();
}

static const struct socket_ops stream_ops = {
	.bind = stream_bind,
	.connect = stream_connect,
	.listen = stream_listen,
	.accept = stream_accept,
	.name = stream_name,
	.send = stream_send,
	.receive = stream_receive,
	.shutdown = stream_shutdown,
	.poll = stream_poll,
	.bytes = stream_bytes,
	.listens = stream_listens,
	.peer_cred = inet_no_peer_cred,
	.option_set = inet_option_set,
	.option_get = inet_option_get,
	.bind_device = inet_bind_device,
	.bound_device = inet_bound_device,
	.switched = stream_switched,
	.has_ports = true,
	.release = stream_release,
	.free = stream_free,
};

struct inet_stream *stream_make(int family, struct tcp_pcb *tcp, const struct inet_stream *listener)
{
	struct inet_stream *t = kmalloc(sizeof(*t));

	if (t == nullptr)
		return nullptr;
	inet_socket_init(&t->inet, &stream_ops, family, SOCK_STREAM, IPPROTO_TCP);
	list_init(&t->backlog);
	list_init(&t->backlog_link);
	list_init(&t->pieces);
	list_init(&t->record);
	list_init(&t->few.link);
	t->local = *inet_any(&t->inet);
	if (inet_account_open(&t->inet, listener != nullptr ? &listener->inet : nullptr) != 0) {
		kfree(t);
		return nullptr;
	}
	if (tcp != nullptr) {
		stream_attach(t, tcp);
	} else if (stream_renew(t) != 0) {
		inet_account_close(&t->inet);
		kfree(t);
		return nullptr;
	}
	inet_list_add(&t->inet);
	return t;
}

int stream_create(int family, struct socket **out)
{
	inet_core_lock();
	struct inet_stream *t = stream_make(family, nullptr, nullptr);
	inet_core_unlock();
	*out = t != nullptr ? &t->inet.socket : nullptr;
	return t != nullptr ? 0 : -ENOBUFS;
}
