/* SPDX-License-Identifier: MIT */
/*
 * Sockets of netlink (netlink(7), RFC 3549): what the files of this folder share.
 *
 * A request is answered in the thread that sends it, before send(2) returns: the answer stands in the socket's queue
 * then. So a dump is of one moment, and holds memory until it is read: of the user's account, and of SO_RCVBUF, which
 * counts what is held, as Linux's does, and not what is said; what does not fit is lost as a whole, and the reader gets
 * ENOBUFS, as it does for news that there is no memory for. `socket.lock` guards port and groups, queue_lock, a
 * spinlock, the queue. The list of all sockets has a mutex that may be taken with inet_core held.
 */
#ifndef KERNEL_NET_NETLINK_OWN_H
#define KERNEL_NET_NETLINK_OWN_H

#include "../internal.h"
#include <abi/poll.h>
#include <kernel/base/subject.h>
#include <kernel/file/poll.h>
#include <kernel/net/netlink.h>

DECLARE_COMPONENT(netlink);

enum : uint32_t { DATAGRAM_BYTES = 3840 /* whole datagrams fit into a page, which is what C libraries read by */ };
struct netlink_datagram {
	struct list link;
	uint32_t refs;			/* atomic: the queue's, and who copies out of it */
	uint32_t length;		/* bytes */
	uint32_t holds;			/* bytes of memory, which its socket and its user are charged */
	uint32_t group;			/* that it was for; 0: an answer */
	struct socket_account *account; /* charged, borrowed; nullptr: it is in no queue yet */
	uint8_t bytes[];
};

struct netlink_socket {
	struct socket socket; /* first */
	struct socket_account *account;
	bool admin;	   /* who made it had CAP_NET_ADMIN */
	struct list all;   /* the list's lock */
	uint32_t port;	   /* atomic, changed under the list's lock; 0: none yet */
	uint64_t groups;   /* atomic: bit n - 1 is RTNLGRP_ n */
	uint32_t switches; /* atomic: bits of NETLINK_* */

	struct spinlock queue_lock;
	struct list queue;
	uint32_t charged, queued, drops; /* atomic; charged: bytes of memory that wait in the queue */
};
static inline struct netlink_socket *netlink_of(struct socket *s)
{
	return (struct netlink_socket *)s;
}
static inline bool netlink_switch(const struct netlink_socket *n, int option)
{
	return __atomic_load_n(&n->switches, __ATOMIC_RELAXED) >> option & 1;
}

/* --- socket.c --- */
extern const struct netlink_protocol *netlink_route; /* atomic */
/* It has a port from now on: -EADDRINUSE; wanted 0: any. */
[[nodiscard]] int netlink_take_port(struct netlink_socket *n, uint32_t wanted);
void netlink_each(void (*fn)(struct netlink_socket *n, void *context), void *context);

/* --- letter.c --- */
extern const struct letter_writer netlink_letters;

/* --- queue.c --- */
/* One with room for so many bytes, and one reference. nullptr: out of memory. */
struct netlink_datagram *netlink_datagram_create(uint32_t room);
/* Frees what is in the list, and gives back what it was charged. */
void netlink_datagrams_free(struct list *datagrams);
/* Puts the datagrams, which are used up, into the queue. Too many: all are lost, and the reader is told. */
void netlink_queue(struct netlink_socket *n, struct list *datagrams);
void netlink_purge(struct netlink_socket *n);
long netlink_receive(struct socket *s, struct socket_message *m);
uint32_t netlink_poll(struct socket *s, struct poll_table *table);
long netlink_pending(struct socket *s, bool sent);

/* --- send.c --- */
long netlink_send(struct socket *s, struct socket_message *m);

/* --- option.c --- */
int netlink_option_set(struct socket *s, int level, int option, user_addr at, uint32_t length);
int netlink_option_get(struct socket *s, int level, int option, user_addr at, uint32_t *length);

#endif
