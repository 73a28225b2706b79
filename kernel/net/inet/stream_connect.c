/* SPDX-License-Identifier: MIT */
/* Connections of TCP (stream.h): connect, listen, accept, and how one is lost. */
#include "stream.h"

#include <lwip/priv/tcp_priv.h>

enum : uint32_t { BACKLOG_MAX = 255 }; /* lwIP counts in a byte */
enum : uint32_t { WAITING_MAX = 1024, TRIM_EACH = 64 };

static uint32_t attempts GUARDED_BY(inet_core);

/* --- connect --- */

static err_t connected(void *arg, struct tcp_pcb *, err_t) NO_THREAD_SAFETY
{
	struct inet_stream *t = arg;

	stream_note_addresses(t);
	stream_set_state(t, STREAM_OPEN);
	inet_wake(&t->inet, WAKE_READERS | WAKE_WRITERS);
	return ERR_OK;
}

void stream_lost(void *arg, err_t why) NO_THREAD_SAFETY
{
	struct inet_stream *t = arg;
	bool connecting = t->state == STREAM_CONNECTING;
	int error = why == ERR_RST ? connecting ? -ECONNREFUSED : -ECONNRESET : why == ERR_CLSD ? 0 : -ETIMEDOUT;

	t->tcp = nullptr;
	if (error != 0)
		socket_set_error(&t->inet.socket, error);
	__atomic_store_n(&t->ended, !connecting, __ATOMIC_RELEASE);
	stream_set_state(t, connecting ? STREAM_FREE : STREAM_GONE);
	inet_wake(&t->inet, WAKE_READERS | WAKE_WRITERS);
}

/* Connections that are over and only wait to be forgotten (TIME-WAIT): of more than so many the oldest are. lwIP looks
 * through all of them for a free port. The newest stand first. */
static void trim_waiting(void) REQUIRES(inet_core)
{
	struct tcp_pcb *tcp = tcp_tw_pcbs;

	for (uint32_t n = 0; n < WAITING_MAX && tcp != nullptr; n++)
		tcp = tcp->next;
	while (tcp != nullptr) {
		struct tcp_pcb *next = tcp->next;

		tcp_abort(tcp);
		tcp = next;
	}
}

static int begin(struct inet_stream *t, const ip_addr_t *ip, uint16_t port) REQUIRES(inet_core)
{
	struct netif *n;
	ip_addr_t source;

	if (++attempts % TRIM_EACH == 0)
		trim_waiting();
	int error = stream_renew(t);
	if (error == 0)
		error = inet_route(t->inet.device, &t->tcp->local_ip, ip, &n, &source);
	if (error == 0 &&
	    (ip_addr_ismulticast(ip) || ip_addr_isbroadcast(ip, n) || !IP_ADDR_PCB_VERSION_MATCH(t->tcp, ip)))
		error = -ENETUNREACH;
	if (error != 0)
		return error;
	if (ip_addr_isany(&t->tcp->local_ip))
		t->tcp->local_ip = source;
	stream_set_state(t, STREAM_CONNECTING);
	error = inet_errno(tcp_connect(t->tcp, ip, port, connected));
	if (error != 0)
		stream_set_state(t, STREAM_FREE);
	else
		stream_note_addresses(t);
	return error == -EADDRINUSE ? -EADDRNOTAVAIL : error;
}

static int try_connect(struct inet_stream *t, const struct socket_address *a) REQUIRES(inet_core)
{
	uint16_t port;
	ip_addr_t ip;

	switch (t->state) {
	case STREAM_CONNECTING: return -EALREADY;
	case STREAM_OPEN:
		if (!t->untold)
			return -EISCONN;
		t->untold = false;
		return 0;
	case STREAM_LISTENING: return -EISCONN;
	case STREAM_GONE: return -EISCONN; /* it was one, and its other side may be asked for */
	case STREAM_FREE: break;
	}
	int error = socket_take_error(&t->inet.socket);
	if (error == 0)
		error = inet_address_get(&t->inet, a, false, &ip, &port);
	return error != 0 ? error : begin(t, &ip, port);
}

static int await_connection(struct inet_stream *t)
{
	struct socket *s = &t->inet.socket;
	uint64_t timeout_ns = __atomic_load_n(&s->send_timeout_ns, __ATOMIC_RELAXED);

	int error = wait_event_interruptible_deadline(&s->writable, stream_state(t) != STREAM_CONNECTING,
						      socket_deadline(timeout_ns));
	if (error == -ETIMEDOUT)
		return -EINPROGRESS;
	if (error != 0)
		return socket_wait_error(error, timeout_ns);
	error = socket_take_error(s);
	if (error == 0 && stream_state(t) == STREAM_FREE)
		error = -ECONNABORTED;
	if (error == 0) {
		inet_core_lock();
		t->untold = false;
		inet_core_unlock();
	}
	return error;
}

int stream_connect(struct socket *s, const struct socket_address *a, bool may_wait)
{
	struct inet_stream *t = stream_of(s);

	if (a->length < sizeof(a->family))
		return -EINVAL;
	if (a->family == AF_UNSPEC)
		return -EAFNOSUPPORT; /* a connection is not taken apart again */
	inet_core_lock();
	int error = try_connect(t, a);
	if (error == 0 && t->state == STREAM_CONNECTING) {
		t->untold = true; /* also who waits may be interrupted, and call once more */
		error = may_wait ? 0 : -EINPROGRESS;
	}
	inet_core_unlock();
	if (!may_wait)
		return error;
	return error == 0 || error == -EALREADY ? await_connection(t) : error;
}

/* --- listen, accept --- */

static uint16_t switches_of_listener(const struct socket *s)
{
	return socket_switch(s, SO_KEEPALIVE) ? SOF_KEEPALIVE : 0;
}

/* A connection stands: it is a stream that waits to be accepted. */
static err_t came(void *arg, struct tcp_pcb *tcp, err_t error) NO_THREAD_SAFETY
{
	struct inet_stream *l = arg, *t;

	if (error != ERR_OK || tcp == nullptr || l->state != STREAM_LISTENING)
		return ERR_VAL;
	/* lwIP counts those that live; one that was reset has its place until it is accepted. */
	if (l->waiting >= ((const struct tcp_pcb_listen *)l->tcp)->backlog)
		return ERR_MEM;
	t = stream_make(l->inet.socket.family, tcp, l);
	if (t == nullptr)
		return ERR_MEM;
	tcp_backlog_delayed(tcp);
	const struct socket *s = &l->inet.socket;
	t->inet.socket.switches = s->switches;
	t->inet.socket.linger = s->linger;
	t->inet.socket.send_limit = s->send_limit;
	t->inet.socket.receive_limit = s->receive_limit;
	t->inet.socket.receive_least = s->receive_least;
	t->inet.v6_only = l->inet.v6_only;
	t->inet.uid = l->inet.uid;
	t->no_delay = l->no_delay;
	if (t->no_delay)
		tcp_nagle_disable(tcp);
	ip_set_option(tcp, switches_of_listener(s));
	stream_set_state(t, STREAM_OPEN);
	stream_note_addresses(t);
	spin_lock(&l->inet.queue_lock);
	list_push_back(&l->backlog, &t->backlog_link);
	__atomic_store_n(&l->waiting, l->waiting + 1, __ATOMIC_RELEASE);
	spin_unlock(&l->inet.queue_lock);
	inet_wake(&l->inet, WAKE_READERS);
	return ERR_OK;
}

/* lwIP makes a smaller record of it, and frees the one that was. The reference goes along. */
static int become_listener(struct inet_stream *t, u8_t backlog) REQUIRES(inet_core)
{
	struct tcp_pcb *before = t->tcp;
	err_t why;

	stream_detach(before);
	ip_reset_option(before, SOF_REUSEADDR); /* who else listens there was looked for (reuse.c) */
	t->tcp = tcp_listen_with_backlog_and_err(before, backlog, &why);
	if (t->tcp == nullptr)
		t->tcp = before;
	stream_attach(t, t->tcp);
	ip_set_option(t->tcp, SOF_REUSEADDR);
	inet_wake(&t->inet, WAKE_PUT); /* the reference of before */
	if (t->tcp == before)
		return inet_errno(why);
	t->backlog_most = backlog;
	tcp_accept(t->tcp, came);
	stream_set_state(t, STREAM_LISTENING);
	stream_note_addresses(t);
	return 0;
}

int stream_begin_again(struct inet_stream *t)
{
	bool listens = t->state == STREAM_LISTENING;

	stream_set_state(t, STREAM_FREE);
	int error = stream_renew(t);
	if (error == 0)
		error = inet_errno(tcp_bind(t->tcp, &t->local, t->local_port));
	if (error == 0 && listens)
		error = become_listener(t, t->backlog_most);
	return error;
}

int stream_listen(struct socket *s, uint32_t backlog)
{
	struct inet_stream *t = stream_of(s);
	u8_t most = (u8_t)MIN(MIN(backlog, BACKLOG_MAX) + 1, BACKLOG_MAX);
	int error = 0;

	inet_core_lock();
	if (t->state == STREAM_LISTENING) {
		t->backlog_most = most;
		tcp_backlog_set((struct tcp_pcb_listen *)t->tcp, most);
	} else if (t->state != STREAM_FREE) {
		error = -EINVAL;
	} else {
		error = stream_renew(t);
		if (error == 0 && t->tcp->local_port == 0)
			error = inet_errno(tcp_bind(t->tcp, &t->tcp->local_ip, 0));
		if (error == 0 && stream_port_is_taken(t, &t->tcp->local_ip, t->tcp->local_port))
			error = -EADDRINUSE;
		if (error == 0)
			error = become_listener(t, most);
	}
	inet_core_unlock();
	return error;
}

/* The oldest of the backlog. -EAGAIN: none is there. */
static int take(struct inet_stream *l, struct inet_stream **out)
{
	int error = -EAGAIN;

	spin_lock(&l->inet.queue_lock);
	if (!list_empty(&l->backlog)) {
		*out = list_first(&l->backlog, struct inet_stream, backlog_link);
		list_remove(&(*out)->backlog_link);
		list_init(&(*out)->backlog_link);
		__atomic_store_n(&l->waiting, l->waiting - 1, __ATOMIC_RELEASE);
		error = 0;
	}
	spin_unlock(&l->inet.queue_lock);
	return error != 0 && stream_state(l) != STREAM_LISTENING ? -EINVAL : error;
}

int stream_accept(struct socket *s, bool may_wait, struct socket **out)
{
	uint64_t timeout_ns = __atomic_load_n(&s->receive_timeout_ns, __ATOMIC_RELAXED);
	uint64_t deadline_ns = socket_deadline(timeout_ns);
	struct inet_stream *l = stream_of(s), *made;
	int error;

	while ((error = take(l, &made)) == -EAGAIN && may_wait) {
		error = wait_event_interruptible_deadline(&s->readable,
							  __atomic_load_n(&l->waiting, __ATOMIC_ACQUIRE) > 0 ||
								  stream_state(l) != STREAM_LISTENING,
							  deadline_ns);
		if (error != 0)
			return socket_wait_error(error, timeout_ns);
	}
	if (error != 0)
		return error;
	inet_core_lock();
	if (made->tcp != nullptr)
		tcp_backlog_accepted(made->tcp);
	inet_core_unlock();
	*out = &made->inet.socket;
	return 0;
}
