/* SPDX-License-Identifier: MIT */
/*
 * Sockets of packets (packet(7)): a process sees the frames of interfaces, and sends some of its own. What the files of
 * this folder share.
 *
 * A socket with a protocol has a tap (kernel/netdev/netdev.h), of one interface or of all. The tap's function runs in
 * the thread of whoever sends or receives a frame, maybe with the stack's lock held: it looks whether the socket wants
 * the frame, and puts a copy into the socket's queue. `socket.lock` guards what a process sets: where the socket is
 * bound, its tap, its memberships. queue_lock, a spinlock, guards what the tap's function looks at.
 */
#ifndef KERNEL_NET_PACKET_H
#define KERNEL_NET_PACKET_H

#include "../internal.h"
#include <abi/packet.h>
#include <abi/poll.h>
#include <kernel/base/subject.h>
#include <kernel/file/poll.h>
#include <kernel/netdev/netdev.h>

DECLARE_COMPONENT(packet);

struct packet_membership {
	struct list link;
	struct netdev *device; /* a reference */
	uint32_t count;
	struct packet_mreq what;
};

struct packet_socket {
	struct socket socket; /* first */
	struct socket_account *account;
	struct list all; /* the list's lock */

	/* socket.lock */
	struct netdev_tap tap;
	bool tapped;
	struct netdev *device; /* bound to, with a reference; nullptr: all */
	struct list memberships;
	/* Changed under the lock, atomic. */
	uint32_t index;	   /* the interface's number; 0: all */
	uint16_t protocol; /* in network order; 0: it receives nothing */

	struct spinlock queue_lock;
	struct list queue;	      /* of packets */
	uint32_t charged;	      /* atomic */
	uint32_t queued;	      /* atomic */
	struct socket_filter *filter; /* a reference */
	uint32_t packets, drops;      /* since somebody asked */

	bool auxdata, original, ignores_outgoing; /* atomic */
};
static inline struct packet_socket *packet_of(struct socket *s)
{
	return (struct packet_socket *)s;
}

/* --- socket.c --- */
/* Interfaces that the socket is bound to have gone, or are down: it is told. */
void packet_device_changed(struct netdev *n, enum netdev_change what);

/* --- receive.c --- */
/* The tap's. */
void packet_frame(struct netdev_tap *t, struct netdev *n, const struct net_frame *f, enum netdev_way way);
long packet_receive(struct socket *s, struct socket_message *m);
/* Lets go of all that nobody has read. */
void packet_purge(struct packet_socket *p);
long packet_pending(struct socket *s, bool sent);
uint32_t packet_poll(struct socket *s, struct poll_table *table);

/* --- send.c --- */
long packet_send(struct socket *s, struct socket_message *m);

/* --- option.c --- */
int packet_option_set(struct socket *s, int level, int option, user_addr at, uint32_t length);
int packet_option_get(struct socket *s, int level, int option, user_addr at, uint32_t *length);
int packet_filter(struct socket *s, struct socket_filter *f);
/* Ends all memberships. The socket's lock is held. */
void packet_memberships_end(struct packet_socket *p);

/* --- proc.c --- */
void packet_list_add(struct packet_socket *p);
void packet_list_remove(struct packet_socket *p);
/* Calls fn for each that has a file. fn may not sleep but for memory and takes no socket's lock. */
void packet_each(void (*fn)(struct packet_socket *p, void *context), void *context);

#endif
