/* SPDX-License-Identifier: MIT */
/* Sockets of one machine (unix.h): their life, and what is asked of all types. */
#include "unix.h"

#include <abi/poll.h>
#include <kernel/base/subject.h>
#include <kernel/file/poll.h>
#include <kernel/vfs/vfs.h>

/* What a socket holds, with its file and inode. */
enum : size_t { SOCKET_BYTES = sizeof(struct unix_socket) + sizeof(struct file) + sizeof(struct inode) };

/* Of two locks of one rank the one of the lower address comes first; a connection needs both its ends. */
void unix_lock_two(struct unix_socket *a, struct unix_socket *b) NO_THREAD_SAFETY
{
	bool first = (uintptr_t)a < (uintptr_t)b;

	mutex_lock(first ? &a->socket.lock : &b->socket.lock);
	mutex_lock(first ? &b->socket.lock : &a->socket.lock);
}

void unix_unlock_two(struct unix_socket *a, struct unix_socket *b) NO_THREAD_SAFETY
{
	mutex_unlock(&a->socket.lock);
	mutex_unlock(&b->socket.lock);
}

struct ucred unix_current_cred(bool effective)
{
	const struct subject *p = subject_current();

	if (p == nullptr)
		return (struct ucred){};
	return (struct ucred){.pid = p->pid,
			      .uid = effective ? p->cred.euid : p->cred.uid,
			      .gid = effective ? p->cred.egid : p->cred.gid};
}

static const struct socket_ops *ops_of(uint32_t type)
{
	return type == SOCK_STREAM ? &unix_stream_ops : type == SOCK_DGRAM ? &unix_datagram_ops : &unix_packet_ops;
}

int unix_create(uint32_t type, struct unix_socket **out)
{
	struct socket_account *account = socket_account_get();

	if (account == nullptr)
		return -ENOMEM;
	int error = socket_charge(account, SOCKET_BYTES);
	struct unix_socket *u = error == 0 ? kmalloc(sizeof(*u)) : nullptr;
	if (u == nullptr) {
		if (error == 0)
			socket_uncharge(account, SOCKET_BYTES);
		socket_account_put(account);
		return error != 0 ? error : -ENOMEM;
	}
	socket_init(&u->socket, ops_of(type), AF_UNIX, type, 0);
	list_init(&u->queue);
	list_init(&u->backlog);
	list_init(&u->backlog_link);
	list_init(&u->flight_link);
	wait_queue_init(&u->room);
	u->account = account;
	unix_list_add(u);
	*out = u;
	return 0;
}

static int create(uint32_t type, int protocol, struct socket **out)
{
	if (protocol != 0 && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (type == SOCK_RAW) /* taken for datagrams, as on Linux */
		type = SOCK_DGRAM;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	struct unix_socket *u;
	int error = unix_create(type, &u);
	if (error == 0)
		*out = &u->socket;
	return error;
}

/* Nobody else knows them yet. */
static int make_pair(struct socket *a, struct socket *b) NO_THREAD_SAFETY
{
	struct unix_socket *ends[2] = {unix_of(a), unix_of(b)};

	for (unsigned n = 0; n < 2; n++) {
		unix_get(ends[!n]);
		ends[n]->peer = ends[!n];
		ends[n]->cred = ends[n]->peer_cred = unix_current_cred(true);
		ends[n]->state = UNIX_CONNECTED;
	}
	return 0;
}
SOCKET_FAMILY(unix, .family = AF_UNIX, .create = create, .pair = make_pair);

struct unix_socket *unix_peer_get(struct unix_socket *u)
{
	mutex_lock(&u->socket.lock);
	struct unix_socket *peer = u->peer;
	if (peer != nullptr)
		unix_get(peer);
	mutex_unlock(&u->socket.lock);
	return peer;
}

void unix_wake_all(struct unix_socket *u)
{
	socket_wake_readers(&u->socket);
	socket_wake_writers(&u->socket);
	wait_wake_all(&u->room);
}

/* The other end of a connection is closed; lost: what was sent to it was not read. */
static void tell_peer(struct unix_socket *peer, bool lost)
{
	mutex_lock(&peer->socket.lock);
	peer->shut |= SIDE_RECEIVE | SIDE_SEND;
	if (lost)
		socket_set_error(&peer->socket, -ECONNRESET);
	mutex_unlock(&peer->socket.lock);
	unix_wake_all(peer);
}

/* What nobody has accepted is closed with its listener. */
static void close_backlog(struct list *backlog)
{
	while (!list_empty(backlog)) {
		struct unix_socket *u = list_first(backlog, struct unix_socket, backlog_link);

		list_remove(&u->backlog_link);
		unix_release(&u->socket);
		unix_put(u);
	}
}

/* Of a stream a message stays that was read by itself (MSG_OOB). */
static bool has_unread(const struct unix_socket *u) REQUIRES(u -> socket.lock)
{
	const struct unix_message *msg;

	list_for_each(msg, &u->queue, link)
		if (u->socket.type != SOCK_STREAM || msg->begin < msg->length)
			return true;
	return false;
}

void unix_release(struct socket *s)
{
	struct unix_socket *u = unix_of(s);
	struct list messages = LIST_INIT(messages), backlog = LIST_INIT(backlog);

	/* Before anything can go wrong: the file goes whatever becomes of this. */
	mutex_lock(&u->socket.lock);
	s->file = nullptr;
	mutex_unlock(&u->socket.lock);
	struct unix_name *name = unix_unbind(u);
	mutex_lock(&u->socket.lock);
	bool connected = u->state == UNIX_CONNECTED && s->type != SOCK_DGRAM;
	bool lost = has_unread(u) || u->embryo;
	bool was_full = s->type == SOCK_DGRAM && unix_queue_is_full(u);
	u->state = UNIX_CLOSED;
	u->shut = SIDE_RECEIVE | SIDE_SEND;
	struct unix_socket *peer = u->peer;
	u->peer = nullptr;
	unix_queue_take(u, &messages);
	while (!list_empty(&u->backlog)) {
		struct list *first = u->backlog.next;

		list_remove(first);
		list_push_back(&backlog, first);
	}
	u->backlog_count = 0;
	mutex_unlock(&u->socket.lock);

	unix_wake_all(u); /* who sends to it, or waits for a place in its backlog */
	if (was_full)
		unix_wake_senders(u);
	if (connected && peer != nullptr)
		tell_peer(peer, lost);
	unix_put(peer);
	unix_messages_put(&messages);
	close_backlog(&backlog);
	unix_name_put(name);
	unix_rights_look();
}

static void unix_free(struct socket *s)
{
	struct unix_socket *u = unix_of(s);

	unix_list_remove(u);
	socket_uncharge(u->account, SOCKET_BYTES);
	socket_account_put(u->account);
	kfree(u);
}

static int unix_shutdown(struct socket *s, uint32_t sides)
{
	struct unix_socket *u = unix_of(s), *peer = nullptr;

	mutex_lock(&s->lock);
	u->shut |= (uint8_t)sides;
	if (s->type != SOCK_DGRAM && u->peer != nullptr) {
		peer = u->peer;
		unix_get(peer);
	}
	mutex_unlock(&s->lock);
	unix_wake_all(u);
	if (peer == nullptr)
		return 0;
	mutex_lock(&peer->socket.lock);
	/* What one does not receive the other cannot send. */
	peer->shut |= (uint8_t)((sides & SIDE_RECEIVE ? SIDE_SEND : 0) | (sides & SIDE_SEND ? SIDE_RECEIVE : 0));
	mutex_unlock(&peer->socket.lock);
	unix_wake_all(peer);
	unix_put(peer);
	return 0;
}

static int unix_name(struct socket *s, bool peers, struct socket_address *out)
{
	struct unix_socket *u = unix_of(s);

	if (peers) {
		u = unix_peer_get(u);
		if (u == nullptr)
			return -ENOTCONN;
	} else {
		unix_get(u);
	}
	mutex_lock(&u->socket.lock);
	struct unix_name *n = unix_name_get(u->name);
	mutex_unlock(&u->socket.lock);
	unix_name_copy(n, out);
	unix_name_put(n);
	unix_put(u);
	return 0;
}

static int unix_peer_cred(struct socket *s, struct ucred *out)
{
	struct unix_socket *u = unix_of(s);

	mutex_lock(&s->lock);
	bool known = u->state == UNIX_CONNECTED && s->type != SOCK_DGRAM;
	known |= s->type == SOCK_DGRAM && u->peer_cred.pid != 0; /* of a pair */
	*out = known			    ? u->peer_cred
	       : u->state == UNIX_LISTENING ? u->cred
					    : (struct ucred){.uid = UINT32_MAX, .gid = UINT32_MAX};
	mutex_unlock(&s->lock);
	return 0;
}

static bool unix_listens(struct socket *s)
{
	mutex_lock(&s->lock);
	bool listens = unix_of(s)->state == UNIX_LISTENING;
	mutex_unlock(&s->lock);
	return listens;
}

static long unix_bytes(struct socket *s, bool sent)
{
	struct unix_socket *u = unix_of(s);
	struct unix_message *msg;
	long bytes = 0;

	if (sent)
		return (long)__atomic_load_n(&u->sent, __ATOMIC_RELAXED);
	mutex_lock(&s->lock);
	if (u->state == UNIX_LISTENING) {
		bytes = -EINVAL;
	} else {
		list_for_each(msg, &u->queue, link) {
			bytes += msg->length - msg->begin;
			if (s->type == SOCK_DGRAM) /* the next one's */
				break;
		}
	}
	mutex_unlock(&s->lock);
	return bytes;
}

/* Whether a datagram can be sent to whom it is connected to. Who polls is told by unix_wake_senders: that one may be
 * another by then, or gone. */
static bool peer_has_room(struct unix_socket *u)
{
	struct unix_socket *peer = unix_peer_get(u);

	if (peer == nullptr)
		return true;
	mutex_lock(&peer->socket.lock);
	bool room = peer->peer == u || !unix_queue_is_full(peer);
	mutex_unlock(&peer->socket.lock);
	unix_put(peer);
	return room;
}

static uint32_t unix_poll(struct socket *s, struct poll_table *table)
{
	struct unix_socket *u = unix_of(s);
	uint32_t mask = 0;

	poll_watch(table, &s->readable);
	poll_watch(table, &s->writable);
	mutex_lock(&s->lock);
	if (__atomic_load_n(&s->error, __ATOMIC_RELAXED) != 0)
		mask |= POLLERR;
	if (u->shut == (SIDE_RECEIVE | SIDE_SEND))
		mask |= POLLHUP;
	if (u->shut & SIDE_RECEIVE)
		mask |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (!list_empty(&u->queue) || !list_empty(&u->backlog))
		mask |= POLLIN | POLLRDNORM;
	if (s->type != SOCK_DGRAM && u->state == UNIX_FREE)
		mask |= POLLHUP;
	if (u->urgent != nullptr)
		mask |= POLLPRI;
	bool writable = unix_is_writable(u) && u->state != UNIX_LISTENING;
	mutex_unlock(&s->lock);
	if (writable && (s->type != SOCK_DGRAM || peer_has_room(u)))
		mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
	return mask;
}

static int no_listen(struct socket *, uint32_t)
{
	return -EOPNOTSUPP;
}

static int no_accept(struct socket *, bool, struct socket **)
{
	return -EOPNOTSUPP;
}

#define COMMON_OPS                                                                                                     \
	.bind = unix_bind, .name = unix_name, .shutdown = unix_shutdown, .poll = unix_poll, .bytes = unix_bytes,       \
	.listens = unix_listens, .peer_cred = unix_peer_cred, .release = unix_release, .free = unix_free,              \
	.peeks_at = true
const struct socket_ops unix_stream_ops = {
	.connect = unix_connect_stream,
	.listen = unix_listen,
	.accept = unix_accept,
	.send = unix_send_stream,
	.receive = unix_receive_stream,
	.at_mark = unix_at_mark,
	COMMON_OPS,
};
const struct socket_ops unix_packet_ops = {
	.connect = unix_connect_stream,
	.listen = unix_listen,
	.accept = unix_accept,
	.send = unix_send_packet,
	.receive = unix_receive_packet,
	COMMON_OPS,
};
const struct socket_ops unix_datagram_ops = {
	.connect = unix_connect_datagram,
	.listen = no_listen,
	.accept = no_accept,
	.send = unix_send_datagram,
	.receive = unix_receive_datagram,
	COMMON_OPS,
};
