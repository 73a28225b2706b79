/* SPDX-License-Identifier: MIT */
/*
 * Sockets of one machine (unix(7)): what the files of this folder share.
 *
 * What is sent stands in the receiver's queue at once, and is charged to the sender until it is read: so a sender is
 * limited by its own buffer's size. A connection of streams or packets is two sockets, each with a reference to the
 * other until its own file is gone. Who connects to a listener makes the other side's socket himself and puts it into
 * the backlog.
 *
 * Locks: socket.lock of one socket guards all its fields here. Two are taken in ascending address. rights_lock
 * (rights.c) comes before them, names_lock (name.c) after. No message is freed, and nobody woken, with one held.
 */
#ifndef KERNEL_NET_UNIX_H
#define KERNEL_NET_UNIX_H

#include "../internal.h"
#include <kernel/mem/page.h>

/* An address somebody is bound to; whoever was sent a message from it knows it longer. */
struct unix_name {
	uint32_t refs;		   /* atomic */
	struct list link;	   /* in the table while its owner is bound; names_lock */
	struct unix_socket *owner; /* borrowed; nullptr: not in the table */
	struct path path;	   /* dentry nullptr: abstract */
	struct socket_address address;
};

struct unix_message {
	struct list link;
	uint32_t refs;	/* atomic: the queue's, and who copies out of it */
	uint32_t begin; /* what is before it has been read */
	uint32_t length, charge;
	uint32_t held; /* of the sender's account */
	bool queued, peeked;
	struct unix_socket *from; /* charged, with a reference */
	struct unix_name *name;	  /* the sender's then, or nullptr */
	struct socket_rights *rights;
	struct ucred cred; /* pid 0: none were taken along */
	uint32_t page_count;
	union {
		struct page *pages[0];
		unsigned char bytes[0]; /* page_count 0 */
	};
};

enum unix_state : uint8_t { UNIX_FREE, UNIX_LISTENING, UNIX_CONNECTED, UNIX_CLOSED };

struct unix_socket {
	struct socket socket; /* first */
	enum unix_state state;
	uint8_t shut; /* SIDE_* */
	bool binding; /* somebody makes its name */
	bool embryo;  /* nobody has accepted it yet */
	struct unix_socket *peer;
	struct unix_name *name;
	struct ucred cred;	/* of who made it listen, or connected */
	struct ucred peer_cred; /* of the other side's, once connected */
	struct list queue;	/* of messages */
	uint32_t queued;	/* messages; atomic for who only looks */
	/* The one in the queue whose byte is out of band (MSG_OOB), until it is read or passed. One that was read so
	 * stays in the queue without unread bytes: reading on ends before it once. Streams only. */
	struct unix_message *urgent;
	struct list backlog, backlog_link;
	uint32_t backlog_count, backlog_max;
	uint32_t sent;			/* atomic: charges of its messages that nobody has read */
	struct socket_account *account; /* who made it */
	struct wait_queue room;		/* datagrams, listeners: the queue became shorter */
	/* rights_lock: how often its file is in messages, and what is known of it while garbage is looked for. */
	uint32_t in_flight, found;
	bool candidate, reached;
	struct list flight_link;
	struct list all; /* in proc.c's list */
};

static inline struct unix_socket *unix_of(struct socket *s)
{
	return (struct unix_socket *)s;
}
static inline void unix_get(struct unix_socket *u)
{
	socket_get(&u->socket);
}
static inline void unix_put(struct unix_socket *u)
{
	if (u != nullptr)
		socket_put(&u->socket);
}
/* Both, in ascending address; they differ. */
void unix_lock_two(struct unix_socket *a, struct unix_socket *b) ACQUIRE(a -> socket.lock, b->socket.lock);
void unix_unlock_two(struct unix_socket *a, struct unix_socket *b) RELEASE(a -> socket.lock, b->socket.lock);

/* --- unix.c --- */
extern const struct socket_ops unix_stream_ops, unix_datagram_ops, unix_packet_ops;
/* A socket without a file. -ENOMEM; -ENOBUFS: the user has too many. */
[[nodiscard]] int unix_create(uint32_t type, struct unix_socket **out);
/* Its peer, with a reference, or nullptr. */
struct unix_socket *unix_peer_get(struct unix_socket *u);
/* Readers and writers, and who polls for its queue. */
void unix_wake_all(struct unix_socket *u);
struct ucred unix_current_cred(bool effective);
void unix_release(struct socket *s);

/* --- name.c --- */
int unix_bind(struct socket *s, const struct socket_address *a);
/* Gives it a name that nobody chose, if it has none (autobind). */
[[nodiscard]] int unix_autobind(struct unix_socket *u);
/* The socket bound to the address, of that type if it is an abstract one, with a reference. -EINVAL, -ECONNREFUSED, and
 * what looking up a path gives. */
[[nodiscard]] int unix_find(const struct socket_address *a, uint32_t type, struct unix_socket **out);
/* No address leads to it any more; the name is returned. */
struct unix_name *unix_unbind(struct unix_socket *u);
void unix_name_put(struct unix_name *n); /* nullptr is fine; may sleep */
static inline struct unix_name *unix_name_get(struct unix_name *n)
{
	if (n != nullptr)
		__atomic_fetch_add(&n->refs, 1, __ATOMIC_RELAXED);
	return n;
}
void unix_name_copy(const struct unix_name *n, struct socket_address *out); /* nullptr: the address without a name */

/* --- connect.c --- */
int unix_connect_stream(struct socket *s, const struct socket_address *a, bool may_wait);
int unix_connect_datagram(struct socket *s, const struct socket_address *a, bool may_wait);
int unix_listen(struct socket *s, uint32_t backlog);
int unix_accept(struct socket *s, bool may_wait, struct socket **out);

/* --- queue.c --- */
/* The process's bytes [offset, offset + n) of m's buffer, charged to u. */
[[nodiscard]] int unix_message_create(struct unix_socket *u, const struct socket_message *m, size_t offset, size_t n,
				      struct unix_message **out);
/* May sleep. The last one frees; rights that nobody took are closed by the net's service. */
void unix_message_put(struct unix_message *msg);
static inline void unix_message_get(struct unix_message *msg)
{
	__atomic_fetch_add(&msg->refs, 1, __ATOMIC_RELAXED);
}
void unix_queue_push(struct unix_socket *u, struct unix_message *msg) REQUIRES(u -> socket.lock);
void unix_queue_remove(struct unix_socket *u, struct unix_message *msg) REQUIRES(u -> socket.lock);
struct unix_message *unix_queue_first(const struct unix_socket *u) REQUIRES(u -> socket.lock);
/* All of it; the references are the caller's. */
void unix_queue_take(struct unix_socket *u, struct list *out) REQUIRES(u -> socket.lock);
void unix_messages_put(struct list *messages);
/* n bytes from `begin` on into the process's buffer at `offset`: how many. */
size_t unix_message_copy(const struct unix_message *msg, uint32_t begin, const struct socket_message *m, size_t offset,
			 size_t n);
bool unix_may_send(const struct unix_socket *u); /* its buffer is not full */
bool unix_is_writable(const struct unix_socket *u);

/* --- send.c, receive.c --- */
long unix_send_stream(struct socket *s, struct socket_message *m);
long unix_send_datagram(struct socket *s, struct socket_message *m);
long unix_send_packet(struct socket *s, struct socket_message *m);
long unix_receive_stream(struct socket *s, struct socket_message *m);
bool unix_at_mark(struct socket *s);
long unix_receive_datagram(struct socket *s, struct socket_message *m);
long unix_receive_packet(struct socket *s, struct socket_message *m);
/* Whether as many datagrams wait as may. */
bool unix_queue_is_full(const struct unix_socket *u);

extern int32_t unix_queue_max; /* datagrams that may wait, and one; atomic */

/* --- proc.c --- */
void unix_list_add(struct unix_socket *u);
void unix_list_remove(struct unix_socket *u);
/* Those that are connected to `to`, of which the queue was full: who polls one looks again. No lock is held. */
void unix_wake_senders(const struct unix_socket *to);

/* --- rights.c --- */
/* The files go into a queue: they are in flight. -ETOOMANYREFS: the user has too many there. */
[[nodiscard]] int unix_rights_send(struct socket_rights *r);
/* They are somebody's again. */
void unix_rights_received(struct socket_rights *r);
/* The same files once more, as received. nullptr: out of memory. */
struct socket_rights *unix_rights_copy(const struct socket_rights *r);
/* Before the process has such copies: who looks for garbage may have seen that nobody had the files. */
void unix_rights_copied(void);
/* Nobody will receive them: closed by the service. Any context. */
void unix_rights_drop(struct socket_rights *r);
/* A socket was closed: what is in flight may be reachable no more. */
void unix_rights_look(void);

#endif
