/* SPDX-License-Identifier: MIT */
/* Connections of sockets of one machine (unix.h): connect, listen, accept. */
#include "unix.h"

#include <kernel/base/subject.h>

/* A side that tells who it is needs an address (unix(7), SO_PASSCRED). */
static int name_if_telling(struct unix_socket *u)
{
	return socket_switch(&u->socket, SO_PASSCRED) ? unix_autobind(u) : 0;
}

static bool has_place(struct unix_socket *l)
{
	mutex_lock(&l->socket.lock);
	bool place = l->state != UNIX_LISTENING || l->shut & SIDE_RECEIVE || l->backlog_count <= l->backlog_max;
	mutex_unlock(&l->socket.lock);
	return place;
}

/* -EAGAIN: the backlog is full; -ECONNREFUSED, … Both are locked, and made differ. */
static int can_connect(const struct unix_socket *u, const struct unix_socket *l)
	REQUIRES(u -> socket.lock, l->socket.lock)
{
	if (u->state != UNIX_FREE)
		return u->state == UNIX_CONNECTED ? -EISCONN : -EINVAL;
	if (l->state != UNIX_LISTENING || l->shut & SIDE_RECEIVE)
		return -ECONNREFUSED;
	return l->backlog_count > l->backlog_max ? -EAGAIN : 0;
}

/* u and `other`, which nobody else knows yet, are the ends of a connection that waits to be accepted. */
static void join(struct unix_socket *u, struct unix_socket *l, struct unix_socket *other)
	REQUIRES(u -> socket.lock, l->socket.lock) NO_THREAD_SAFETY
{
	other->state = UNIX_CONNECTED;
	other->embryo = true;
	other->name = unix_name_get(l->name);
	other->cred = other->peer_cred = unix_current_cred(true);
	other->socket.switches = l->socket.switches & SOCKET_SWITCH(SO_PASSCRED);
	unix_get(u);
	other->peer = u;
	unix_get(other);
	u->peer = other;
	u->peer_cred = l->cred;
	u->state = UNIX_CONNECTED;
	unix_get(other); /* the backlog's; the first one becomes its file's */
	list_push_back(&l->backlog, &other->backlog_link);
	l->backlog_count++;
}

/* One attempt: 0, -EAGAIN when the backlog is full, or another error. */
static int try_connect(struct unix_socket *u, struct unix_socket *l, struct unix_socket *other)
{
	if (u == l)
		return -EINVAL; /* it listens */
	unix_lock_two(u, l);
	int error = can_connect(u, l);
	if (error == 0)
		join(u, l, other);
	unix_unlock_two(u, l);
	if (error == 0)
		socket_wake_readers(&l->socket);
	return error;
}

int unix_connect_stream(struct socket *s, const struct socket_address *a, bool may_wait)
{
	uint64_t timeout_ns = __atomic_load_n(&s->send_timeout_ns, __ATOMIC_RELAXED);
	uint64_t deadline_ns = socket_deadline(timeout_ns);
	struct unix_socket *u = unix_of(s), *l, *other;

	int error = name_if_telling(u);
	if (error == 0)
		error = unix_find(a, u->socket.type, &l);
	if (error != 0)
		return error;
	error = unix_create(s->type, &other);
	if (error != 0) {
		unix_put(l);
		return error;
	}
	error = l->socket.type != s->type ? -EPROTOTYPE : try_connect(u, l, other);
	while (error == -EAGAIN && may_wait) {
		error = wait_event_interruptible_deadline(&l->room, has_place(l), deadline_ns);
		if (error != 0)
			error = socket_wait_error(error, timeout_ns);
		else
			error = try_connect(u, l, other);
		if (timeout_ns != 0 && error == -EAGAIN && clock_monotonic_ns() >= deadline_ns)
			break;
	}
	unix_put(other);
	unix_put(l);
	return error;
}

int unix_listen(struct socket *s, uint32_t backlog)
{
	struct unix_socket *u = unix_of(s);

	mutex_lock(&s->lock);
	int error = u->name == nullptr || (u->state != UNIX_FREE && u->state != UNIX_LISTENING) ? -EINVAL : 0;
	if (error == 0) {
		u->state = UNIX_LISTENING;
		u->backlog_max = backlog;
		u->cred = unix_current_cred(true);
	}
	mutex_unlock(&s->lock);
	if (error == 0)
		wait_wake_all(&u->room);
	return error;
}

/* The oldest of the backlog. -EAGAIN: none is there. */
static int take(struct unix_socket *l, struct unix_socket **out)
{
	int error = 0;

	mutex_lock(&l->socket.lock);
	if (l->state != UNIX_LISTENING) {
		error = -EINVAL;
	} else if (!list_empty(&l->backlog)) {
		*out = list_first(&l->backlog, struct unix_socket, backlog_link);
		list_remove(&(*out)->backlog_link);
		l->backlog_count--;
	} else {
		error = l->shut & SIDE_RECEIVE ? -EINVAL : -EAGAIN;
	}
	mutex_unlock(&l->socket.lock);
	return error;
}

static bool is_ready(struct unix_socket *l)
{
	mutex_lock(&l->socket.lock);
	bool ready = l->state != UNIX_LISTENING || !list_empty(&l->backlog) || l->shut & SIDE_RECEIVE;
	mutex_unlock(&l->socket.lock);
	return ready;
}

int unix_accept(struct socket *s, bool may_wait, struct socket **out)
{
	uint64_t timeout_ns = __atomic_load_n(&s->receive_timeout_ns, __ATOMIC_RELAXED);
	uint64_t deadline_ns = socket_deadline(timeout_ns);
	struct unix_socket *l = unix_of(s), *made;
	int error;

	while ((error = take(l, &made)) == -EAGAIN && may_wait) {
		error = wait_event_interruptible_deadline(&s->readable, is_ready(l), deadline_ns);
		if (error != 0)
			return socket_wait_error(error, timeout_ns);
	}
	if (error != 0)
		return error;
	wait_wake_all(&l->room);
	mutex_lock(&made->socket.lock);
	made->embryo = false;
	mutex_unlock(&made->socket.lock);
	*out = &made->socket;
	return 0;
}

/* Leaves whom u was connected to; what that one had sent is forgotten, and if it was connected to u, too, it is told.
 */
static void leave(struct unix_socket *u, struct unix_socket *old)
{
	struct list messages = LIST_INIT(messages);

	if (old == nullptr)
		return;
	mutex_lock(&u->socket.lock);
	bool was_full = unix_queue_is_full(u);
	unix_queue_take(u, &messages);
	mutex_unlock(&u->socket.lock);
	if (was_full)
		unix_wake_senders(u);
	if (!list_empty(&messages)) {
		mutex_lock(&old->socket.lock);
		bool was_ours = old->peer == u && old->state != UNIX_CLOSED;
		if (was_ours)
			socket_set_error(&old->socket, -ECONNRESET);
		mutex_unlock(&old->socket.lock);
		if (was_ours)
			unix_wake_all(old);
		unix_messages_put(&messages);
	}
	unix_put(old);
}

/* 0 if u may send to `to`. */
static int check_target(struct unix_socket *u, struct unix_socket *to)
{
	if (to->socket.type != u->socket.type)
		return -EPROTOTYPE;
	mutex_lock(&to->socket.lock);
	bool anothers = to->peer != nullptr && to->peer != u;
	mutex_unlock(&to->socket.lock);
	return anothers ? -EPERM : 0;
}

int unix_connect_datagram(struct socket *s, const struct socket_address *a, bool)
{
	struct unix_socket *u = unix_of(s), *to = nullptr;
	int error = 0;

	if (a->length < sizeof(a->family))
		return -EINVAL;
	if (a->family != AF_UNSPEC) {
		error = name_if_telling(u);
		if (error == 0)
			error = unix_find(a, u->socket.type, &to);
		if (error == 0)
			error = check_target(u, to);
		if (error != 0) {
			unix_put(to);
			return error;
		}
	}
	mutex_lock(&s->lock);
	struct unix_socket *old = u->peer;
	u->peer = to;
	mutex_unlock(&s->lock);
	if (old != to)
		leave(u, old);
	else
		unix_put(old);
	unix_wake_all(u); /* who polls looks at another peer from now on */
	return 0;
}
