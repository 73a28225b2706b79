/* SPDX-License-Identifier: MIT */
/* Sending (unix.h, unix(7)). */
#include "unix.h"

#include <abi/signal.h>
#include <kernel/base/subject.h>

enum : size_t { PIECE_MAX = 32768, SLACK = 64, DATAGRAM_SLACK = 32 };

int32_t unix_queue_max = 10; /* /proc/sys/net/unix/max_dgram_qlen */

bool unix_queue_is_full(const struct unix_socket *u)
{
	return __atomic_load_n(&u->queued, __ATOMIC_RELAXED) >
	       (uint32_t)__atomic_load_n(&unix_queue_max, __ATOMIC_RELAXED);
}

/* Whether it cannot send any more; without the lock, as a look. */
static bool is_shut(const struct unix_socket *u, uint8_t side)
{
	return __atomic_load_n(&u->shut, __ATOMIC_ACQUIRE) & side;
}

/* Until the sender's buffer has room. */
static int await_room(struct unix_socket *u, const struct socket_message *m, uint64_t deadline_ns)
{
	uint64_t timeout_ns = __atomic_load_n(&u->socket.send_timeout_ns, __ATOMIC_RELAXED);

	while (true) {
		int error = socket_take_error(&u->socket);
		if (error != 0)
			return error;
		if (is_shut(u, SIDE_SEND))
			return -EPIPE;
		if (unix_may_send(u))
			return 0;
		if (m->flags & MSG_DONTWAIT)
			return -EAGAIN;
		error = wait_event_interruptible_deadline(&u->socket.writable,
							  unix_may_send(u) || is_shut(u, SIDE_SEND) ||
								  __atomic_load_n(&u->socket.error, __ATOMIC_RELAXED) !=
									  0,
							  deadline_ns);
		if (error != 0)
			return socket_wait_error(error, timeout_ns);
	}
}

/* What goes along with the message: whose it is, and the files, which are in flight from now on. */
static int load(struct unix_socket *u, struct unix_socket *to, struct unix_message *msg, struct socket_message *m)
{
	if (m->has_cred)
		msg->cred = m->cred;
	else if (socket_switch(&u->socket, SO_PASSCRED) || socket_switch(&to->socket, SO_PASSCRED))
		msg->cred = unix_current_cred(false);
	if (m->rights == nullptr)
		return 0;
	int error = unix_rights_send(m->rights);
	if (error != 0)
		return error;
	msg->rights = m->rights;
	m->rights = nullptr;
	return 0;
}

/* It did not go: the files are the caller's again, and count as in flight no more when the call ends. */
static void give_up(struct unix_message *msg, struct socket_message *m)
{
	if (msg->rights != nullptr) {
		unix_rights_received(msg->rights);
		m->rights = msg->rights;
		msg->rights = nullptr;
	}
	unix_message_put(msg);
}

/* --- streams --- */

/* urgent: one byte, out of band from now on, instead of an older one that nobody has read. */
static int put_piece(struct unix_socket *u, struct unix_socket *peer, struct socket_message *m, size_t done, size_t n,
		     bool urgent)
{
	struct unix_message *msg;

	int error = unix_message_create(u, m, done, n, &msg);
	if (error != 0)
		return error;
	error = load(u, peer, msg, m);
	if (error == 0) {
		mutex_lock(&peer->socket.lock);
		if (peer->state == UNIX_CONNECTED && !(peer->shut & SIDE_RECEIVE))
			unix_queue_push(peer, msg);
		else
			error = -EPIPE;
		if (error == 0 && urgent) {
			peer->urgent = msg;
			if (peer->socket.file != nullptr)
				async_urgent(peer->socket.file);
		}
		mutex_unlock(&peer->socket.lock);
	}
	if (error != 0)
		give_up(msg, m);
	else
		socket_wake_readers(&peer->socket);
	return error;
}

long unix_send_stream(struct socket *s, struct socket_message *m)
{
	uint64_t deadline_ns = socket_deadline(__atomic_load_n(&s->send_timeout_ns, __ATOMIC_RELAXED));
	struct unix_socket *u = unix_of(s), *peer = unix_peer_get(u);
	size_t done = 0, most = __atomic_load_n(&s->send_limit, __ATOMIC_RELAXED) / 2 - SLACK;
	int error = 0;

	if (m->flags & MSG_OOB && m->length == 0)
		error = -EOPNOTSUPP;
	else if (m->address != nullptr)
		error = peer != nullptr ? -EISCONN : -EOPNOTSUPP;
	else if (peer == nullptr)
		error = -ENOTCONN;
	while (error == 0 && done < m->length) {
		error = await_room(u, m, deadline_ns);
		if (error != 0)
			break;
		size_t left = m->length - done, part = MIN(MIN(left, most), (size_t)PIECE_MAX);
		bool urgent = m->flags & MSG_OOB && left == 1; /* the last byte, alone */
		if (m->flags & MSG_OOB && left == part && left > 1)
			part--;
		error = put_piece(u, peer, m, done, part, urgent);
		done += error == 0 ? part : 0;
	}
	unix_put(peer);
	if (error == -EPIPE && done == 0 && !(m->flags & MSG_NOSIGNAL))
		(void)subject_raise(SIGPIPE);
	return done > 0 ? (long)done : error;
}

/* --- datagrams and packets --- */

/* Nobody listens there any more: u forgets whom it was connected to. */
static void forget_peer(struct unix_socket *u, struct unix_socket *gone)
{
	mutex_lock(&u->socket.lock);
	bool was = u->peer == gone;
	if (was)
		u->peer = nullptr;
	mutex_unlock(&u->socket.lock);
	if (was)
		unix_put(gone);
}

/* 0: it is in the queue; -EAGAIN: the queue is full; or what became of `to`. */
static int try_deliver(struct unix_socket *u, struct unix_socket *to, struct unix_message *msg)
{
	int error = 0;

	mutex_lock(&to->socket.lock);
	if (to->state == UNIX_CLOSED)
		error = u->socket.type == SOCK_SEQPACKET ? -EPIPE : -ECONNREFUSED;
	else if (to->peer != nullptr && to->peer != u)
		error = -EPERM;
	else if (to->shut & SIDE_RECEIVE)
		error = -EPIPE;
	else if (to != u && to->peer != u && unix_queue_is_full(to))
		error = -EAGAIN;
	else
		unix_queue_push(to, msg);
	mutex_unlock(&to->socket.lock);
	if (error == 0)
		socket_wake_readers(&to->socket);
	return error;
}

static bool may_deliver(struct unix_socket *u, struct unix_socket *to)
{
	mutex_lock(&to->socket.lock);
	bool may = to->state == UNIX_CLOSED || to->shut & SIDE_RECEIVE || to->peer == u || !unix_queue_is_full(to);
	mutex_unlock(&to->socket.lock);
	return may;
}

static int deliver(struct unix_socket *u, struct unix_socket *to, struct unix_message *msg,
		   const struct socket_message *m, uint64_t deadline_ns)
{
	int error;

	while ((error = try_deliver(u, to, msg)) == -EAGAIN && !(m->flags & MSG_DONTWAIT)) {
		error = wait_event_interruptible_deadline(&to->room, may_deliver(u, to), deadline_ns);
		if (error != 0)
			return socket_wait_error(error, __atomic_load_n(&u->socket.send_timeout_ns, __ATOMIC_RELAXED));
	}
	if (error == -ECONNREFUSED)
		forget_peer(u, to);
	return error;
}

/* The whole message to `to`. */
static long send_whole(struct unix_socket *u, struct unix_socket *to, struct socket_message *m)
{
	uint64_t deadline_ns = socket_deadline(__atomic_load_n(&u->socket.send_timeout_ns, __ATOMIC_RELAXED));
	struct unix_message *msg;

	if (m->length > __atomic_load_n(&u->socket.send_limit, __ATOMIC_RELAXED) - DATAGRAM_SLACK)
		return -EMSGSIZE;
	int error = await_room(u, m, deadline_ns);
	if (error == 0)
		error = unix_message_create(u, m, 0, m->length, &msg);
	if (error != 0)
		return error;
	mutex_lock(&u->socket.lock);
	msg->name = unix_name_get(u->name);
	mutex_unlock(&u->socket.lock);
	error = load(u, to, msg, m);
	if (error == 0)
		error = deliver(u, to, msg, m, deadline_ns);
	if (error == 0)
		return (long)m->length;
	give_up(msg, m);
	return error;
}

static int find_target(struct unix_socket *u, const struct socket_message *m, struct unix_socket **to)
{
	if (m->address == nullptr) {
		*to = unix_peer_get(u);
		return *to != nullptr ? 0 : -ENOTCONN;
	}
	int error = unix_find(m->address, u->socket.type, to);
	if (error == 0 && (*to)->socket.type != u->socket.type) {
		unix_put(*to);
		return -EPROTOTYPE;
	}
	return error;
}

long unix_send_datagram(struct socket *s, struct socket_message *m)
{
	struct unix_socket *u = unix_of(s), *to;
	long done = m->flags & MSG_OOB ? -EOPNOTSUPP : 0;

	if (done == 0 && socket_switch(s, SO_PASSCRED))
		done = unix_autobind(u);
	if (done == 0)
		done = find_target(u, m, &to);
	if (done != 0)
		return done;
	done = send_whole(u, to, m);
	unix_put(to);
	return done;
}

long unix_send_packet(struct socket *s, struct socket_message *m)
{
	struct unix_socket *u = unix_of(s), *to = unix_peer_get(u);
	long done = socket_take_error(s);

	if (done == 0 && to == nullptr)
		done = -ENOTCONN;
	if (done == 0 && m->flags & MSG_OOB)
		done = -EOPNOTSUPP;
	if (done == 0)
		done = send_whole(u, to, m);
	unix_put(to);
	return done;
}
