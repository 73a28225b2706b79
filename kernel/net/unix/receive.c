/* SPDX-License-Identifier: MIT */
/* Receiving (unix.h, unix(7)): bytes are claimed under the lock and copied afterwards. */
#include "unix.h"

static bool has_come(struct unix_socket *u)
{
	return __atomic_load_n(&u->queued, __ATOMIC_ACQUIRE) > 0 ||
	       __atomic_load_n(&u->shut, __ATOMIC_ACQUIRE) & SIDE_RECEIVE ||
	       __atomic_load_n(&u->socket.error, __ATOMIC_ACQUIRE) != 0;
}

/* Its byte is read by MSG_OOB only, or was: reading on leaves it out. */
static bool is_apart(const struct unix_socket *u, const struct unix_message *msg) REQUIRES(u -> socket.lock)
{
	if (u->socket.type != SOCK_STREAM)
		return false;
	return msg->begin == msg->length || (msg == u->urgent && !socket_switch(&u->socket, SO_OOBINLINE));
}

/* The message that begins `skip` unread bytes behind the oldest's. One without bytes is seen once. */
static struct unix_message *message_at(struct unix_socket *u, size_t *skip) REQUIRES(u -> socket.lock)
{
	struct unix_message *msg;

	list_for_each(msg, &u->queue, link) {
		size_t length = msg->length - msg->begin;

		if (is_apart(u, msg))
			continue;
		if (*skip < length || (*skip == 0 && !msg->peeked))
			return msg;
		*skip -= length;
	}
	return nullptr;
}

static bool has_come_behind(struct unix_socket *u, size_t skip)
{
	mutex_lock(&u->socket.lock);
	bool has = message_at(u, &skip) != nullptr || u->shut & SIDE_RECEIVE ||
		   __atomic_load_n(&u->socket.error, __ATOMIC_RELAXED) != 0;
	mutex_unlock(&u->socket.lock);
	return has;
}

/* Nothing is there, or nothing to look at behind what was seen: waits as the call may. 0: look again. */
static int await(struct unix_socket *u, const struct socket_message *m, uint64_t deadline_ns)
{
	bool seen = m->flags & MSG_PEEK; /* what is in the queue, perhaps */
	uint64_t timeout_ns = __atomic_load_n(&u->socket.receive_timeout_ns, __ATOMIC_RELAXED);

	if (m->flags & MSG_DONTWAIT)
		return -EAGAIN;
	int error = wait_event_interruptible_deadline(
		&u->socket.readable, seen ? has_come_behind(u, socket_peek_begin(&u->socket, m->flags)) : has_come(u),
		deadline_ns);
	return error != 0 ? socket_wait_error(error, timeout_ns) : 0;
}

/* What goes along with a message, for who receives it or, peeking, looks at it. The files are his. */
static void unload(struct unix_message *msg, struct socket_message *m, struct socket_rights *rights)
{
	m->cred = msg->cred.pid != 0 ? msg->cred : (struct ucred){.uid = 65534, .gid = 65534};
	m->has_cred = true;
	if (rights != nullptr && m->flags & MSG_PEEK)
		unix_rights_copied();
	else if (rights != nullptr)
		unix_rights_received(rights);
	m->rights = rights;
}

/* The files of a message for who looks at it, or takes them. nullptr: none, or no memory, which is said. */
static struct socket_rights *claim_rights(struct unix_message *msg, struct socket_message *m)
{
	struct socket_rights *r = msg->rights;

	if (r != nullptr && m->flags & MSG_PEEK) {
		r = unix_rights_copy(r);
		if (r == nullptr)
			m->flags_out |= MSG_CTRUNC;
	} else {
		msg->rights = nullptr;
	}
	return r;
}

static void tell_address(const struct unix_name *n, struct socket_message *m)
{
	/* Who has no name gives no address at all. */
	if (m->address != nullptr && n != nullptr)
		unix_name_copy(n, m->address);
}

/* --- streams --- */

/* A part of a message that one read has for itself. */
struct claim {
	struct unix_message *msg; /* with a reference */
	uint32_t begin, length;
	struct socket_rights *rights;
	struct list passed; /* messages that reading on left out, out of the queue */
};

static bool same_sender(const struct ucred *a, const struct ucred *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

enum claimed { CLAIMED, NOTHING, ENOUGH };

/* Whether reading, which has something, ends before what comes `skip` bytes behind the oldest: what is urgent, or was
 * and nothing newer is. */
static bool ends_at_mark(const struct unix_socket *u, size_t skip) REQUIRES(u -> socket.lock)
{
	const struct unix_message *msg;

	list_for_each(msg, &u->queue, link) {
		bool read = msg->begin == msg->length;

		if (skip == 0)
			return msg == u->urgent || (read && u->urgent == nullptr);
		if (is_apart(u, msg))
			continue;
		skip -= MIN(skip, (size_t)(msg->length - msg->begin));
	}
	return false;
}

/* Takes out what stands before the next bytes and is not read with them. */
static void pass(struct unix_socket *u, struct list *out) REQUIRES(u -> socket.lock)
{
	struct unix_message *msg;

	while ((msg = unix_queue_first(u)) != nullptr && is_apart(u, msg)) {
		unix_queue_remove(u, msg);
		list_push_back(out, &msg->link);
	}
}

/* The next bytes of up to n; peeked: so many were looked at before. ENOUGH: what comes is of another kind. */
static enum claimed claim(struct unix_socket *u, struct socket_message *m, size_t n, size_t done, struct claim *c)
	REQUIRES(u -> socket.lock)
{
	bool peek = m->flags & MSG_PEEK;
	size_t skip = peek ? socket_peek_begin(&u->socket, m->flags) + done : 0;

	if (done > 0 && ends_at_mark(u, skip))
		return ENOUGH;
	if (!peek)
		pass(u, &c->passed);
	struct unix_message *msg = message_at(u, &skip);
	if (msg == nullptr)
		return NOTHING;
	if (done > 0 && socket_switch(&u->socket, SO_PASSCRED) && !same_sender(&msg->cred, &m->cred))
		return ENOUGH;
	if (done > 0 && m->rights != nullptr)
		return ENOUGH;
	c->msg = msg;
	c->begin = msg->begin + (uint32_t)skip;
	c->rights = claim_rights(msg, m);
	c->length = (uint32_t)MIN(n, (size_t)(msg->length - c->begin));
	unix_message_get(msg);
	if (peek)
		return CLAIMED;
	msg->begin += c->length;
	if (msg->begin == msg->length) {
		unix_queue_remove(u, msg);
		/* The queue's reference goes; that of the claim stays. */
		__atomic_fetch_sub(&msg->refs, 1, __ATOMIC_RELAXED);
	}
	return CLAIMED;
}

/* What could not be copied is the next to be read again, if nobody has read on meanwhile. */
static void put_back(struct unix_socket *u, const struct claim *c, uint32_t rest)
{
	struct unix_message *msg = c->msg;

	mutex_lock(&u->socket.lock);
	if (msg->begin == c->begin + c->length && u->state == UNIX_CONNECTED) {
		msg->begin -= rest;
		if (!msg->queued) {
			unix_message_get(msg);
			msg->queued = true;
			list_push_front(&u->queue, &msg->link);
			__atomic_store_n(&u->queued, u->queued + 1, __ATOMIC_RELAXED);
		}
	}
	mutex_unlock(&u->socket.lock);
	wait_wake_all(&u->socket.readable);
}

static int why_nothing(struct unix_socket *u, bool *ended) REQUIRES(u -> socket.lock)
{
	int error = socket_take_error(&u->socket);

	*ended = u->shut & SIDE_RECEIVE;
	return error;
}

/* Copies a claim out: bytes, or -EFAULT. */
static long copy_claim(struct unix_socket *u, struct claim *c, struct socket_message *m, size_t done)
{
	size_t copied = unix_message_copy(c->msg, c->begin, m, done, c->length);

	if (copied < c->length && !(m->flags & MSG_PEEK))
		put_back(u, c, c->length - (uint32_t)copied);
	if (copied > 0 || c->rights != nullptr)
		unload(c->msg, m, c->rights);
	return copied > 0 ? (long)copied : -EFAULT;
}

/* The byte that is out of band. -EINVAL: none is, or it stands among the others (SO_OOBINLINE). */
static long receive_urgent(struct unix_socket *u, struct socket_message *m)
{
	struct unix_message *msg = nullptr;

	mutex_lock(&u->socket.lock);
	if (u->state == UNIX_CONNECTED && u->urgent != nullptr && !socket_switch(&u->socket, SO_OOBINLINE)) {
		msg = u->urgent;
		unix_message_get(msg);
		if (!(m->flags & MSG_PEEK)) {
			u->urgent = nullptr;
			msg->begin = msg->length;
		}
	}
	mutex_unlock(&u->socket.lock);
	if (msg == nullptr)
		return -EINVAL;
	bool whole = m->length == 0 || unix_message_copy(msg, 0, m, 0, 1) == 1;
	unix_message_put(msg);
	m->flags_out |= MSG_OOB;
	return whole ? 1 : -EFAULT;
}

bool unix_at_mark(struct socket *s)
{
	struct unix_socket *u = unix_of(s);

	mutex_lock(&u->socket.lock);
	const struct unix_message *first = unix_queue_first(u);
	bool at = false;
	if (first != nullptr && first->begin == first->length)
		at = u->urgent == nullptr || list_entry(first->link.next, struct unix_message, link) == u->urgent;
	else if (first != nullptr)
		at = first == u->urgent;
	mutex_unlock(&u->socket.lock);
	return at;
}

long unix_receive_stream(struct socket *s, struct socket_message *m)
{
	uint64_t deadline_ns = socket_deadline(__atomic_load_n(&s->receive_timeout_ns, __ATOMIC_RELAXED));
	size_t least = m->flags & MSG_WAITALL ? m->length : __atomic_load_n(&s->receive_least, __ATOMIC_RELAXED);
	struct unix_socket *u = unix_of(s);
	size_t done = 0;
	long error = 0;

	if (m->flags & MSG_OOB)
		return receive_urgent(u, m);
	while (error == 0 && done < m->length) {
		enum claimed what = NOTHING;
		bool ended = false;
		struct claim c = {.passed = LIST_INIT(c.passed)};

		mutex_lock(&u->socket.lock);
		if (u->state != UNIX_CONNECTED)
			error = -EINVAL;
		else
			what = claim(u, m, m->length - done, done, &c);
		/* Who looked at something does not wait for more: what he has seen is still there. */
		if (done > 0 && m->flags & MSG_PEEK)
			least = done;
		if (error == 0 && what == NOTHING && done < least)
			error = why_nothing(u, &ended);
		mutex_unlock(&u->socket.lock);
		unix_messages_put(&c.passed);
		if (error != 0 || ended || what == ENOUGH || (what == NOTHING && done >= least))
			break;
		if (what == NOTHING) {
			error = await(u, m, deadline_ns);
			continue;
		}
		long part = copy_claim(u, &c, m, done);
		if (done == 0)
			tell_address(c.msg->name, m);
		unix_message_put(c.msg);
		if (part < (long)c.length)
			error = -EFAULT;
		done += part > 0 ? (size_t)part : 0;
		if (c.rights != nullptr)
			break;
	}
	if (done > 0)
		socket_peek_move(s, m->flags, done);
	return done > 0 ? (long)done : error;
}

/* --- datagrams and packets --- */

/* A message for one call. */
struct taken {
	struct unix_message *msg; /* with a reference */
	struct socket_rights *rights;
	size_t skip;   /* where to look from */
	bool was_full; /* the queue, before */
	bool ended;    /* nothing is there, and nothing will come */
};

/* The oldest message, or the one that is to be looked at. */
static struct unix_message *choose(struct unix_socket *u, const struct socket_message *m, size_t *skip)
	REQUIRES(u -> socket.lock)
{
	*skip = socket_peek_begin(&u->socket, m->flags);
	if (!(m->flags & MSG_PEEK) || u->socket.peek_offset < 0)
		return unix_queue_first(u);
	struct unix_message *msg = message_at(u, skip);
	if (msg != nullptr)
		msg->peeked = true;
	return msg;
}

/* A message taken out, or looked at. 0, -EAGAIN, or the socket's error. */
static int take(struct unix_socket *u, struct socket_message *m, struct taken *t)
{
	int error = 0;

	*t = (struct taken){};
	mutex_lock(&u->socket.lock);
	t->was_full = u->socket.type == SOCK_DGRAM && unix_queue_is_full(u);
	t->msg = choose(u, m, &t->skip);
	if (t->msg == nullptr) {
		error = why_nothing(u, &t->ended);
		if (error == 0 && !t->ended)
			error = -EAGAIN;
	} else {
		t->rights = claim_rights(t->msg, m);
		if (m->flags & MSG_PEEK)
			unix_message_get(t->msg);
		else
			unix_queue_remove(u, t->msg);
	}
	mutex_unlock(&u->socket.lock);
	return error;
}

static long receive_whole(struct unix_socket *u, struct socket_message *m, bool packets)
{
	uint64_t deadline_ns = socket_deadline(__atomic_load_n(&u->socket.receive_timeout_ns, __ATOMIC_RELAXED));
	bool peek = m->flags & MSG_PEEK;
	struct taken t;
	int error;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	while ((error = take(u, m, &t)) == -EAGAIN) {
		error = await(u, m, deadline_ns);
		if (error != 0)
			return error;
	}
	if (error != 0)
		return error;
	/* Packets end; of datagrams nobody knows whether more will come, and what is shut gives none. */
	if (t.ended)
		return packets || !(m->flags & MSG_DONTWAIT) ? 0 : -EAGAIN;
	if (!peek)
		wait_wake_all(&u->room);
	if (!peek && t.was_full)
		unix_wake_senders(u);
	size_t length = t.msg->length - t.skip, n = MIN(length, m->length);
	bool whole = unix_message_copy(t.msg, (uint32_t)t.skip, m, 0, n) == n;
	long done = m->flags & MSG_TRUNC ? (long)length : (long)n;
	if (length > m->length)
		m->flags_out |= MSG_TRUNC;
	tell_address(t.msg->name, m);
	unload(t.msg, m, t.rights);
	if (whole)
		socket_peek_move(&u->socket, m->flags, peek ? n : length);
	unix_message_put(t.msg);
	return whole ? done : -EFAULT;
}

long unix_receive_datagram(struct socket *s, struct socket_message *m)
{
	return receive_whole(unix_of(s), m, false);
}

long unix_receive_packet(struct socket *s, struct socket_message *m)
{
	struct unix_socket *u = unix_of(s);

	mutex_lock(&s->lock);
	bool connected = u->state == UNIX_CONNECTED;
	mutex_unlock(&s->lock);
	return connected ? receive_whole(u, m, true) : -ENOTCONN;
}
