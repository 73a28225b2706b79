/* SPDX-License-Identifier: MIT */
/*
 * TCP/IP: sockets of AF_INET and AF_INET6 over lwIP's raw interface. What the files of this folder share.
 *
 * lwIP is one body of code without locks: all of it runs under inet_core, in whatever thread has something to do there
 * (a system call, or the network's own thread for timers and arrived frames). A packet over `lo` is delivered by who
 * sent it, before it lets go of the core.
 *
 * What arrived for a socket stands in the socket's own queue, under a spinlock of its own; who reads takes it from
 * there and needs the core only to tell lwIP that there is room again. lwIP's callbacks run under the core. They never
 * sleep but for memory, take no socket's lock, and wake nobody: they note whom to wake, and inet_core_unlock wakes them
 * when the core is free. No byte passes from or to a process with any of these locks held.
 *
 * Locks: socket.lock, then inet_core, then a socket's queue_lock. A record of lwIP's (PCB) that leads to a socket has a
 * reference to it.
 */
#ifndef KERNEL_NET_INET_H
#define KERNEL_NET_INET_H

#include "../internal.h"
#include <abi/inet.h>
#include <abi/poll.h>
#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/file/poll.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>

DECLARE_COMPONENT(inet);

extern struct mutex inet_core;
enum : int { BYTE_MAX = 255 };
/* WAKE_PUT: and lwIP's reference to it is given back. */
/* Of what came it tells: the interface and our address; how many hops it had left. */
enum : uint8_t { TELL_PACKET4 = 1, TELL_HOPS4 = 2, TELL_PACKET6 = 4, TELL_HOPS6 = 8 };
enum : uint32_t { WAKE_READERS = 1, WAKE_WRITERS = 2, WAKE_PUT = 4 };

/* How what it sends to groups goes, and what it hears of them; of one version. inet_core. */
struct inet_many {
	uint8_t device, hops;
	bool loops, all;
	uint32_t shown; /* version 4: by which address the interface was named */
};
enum : int { IP_OPTION_V6 = 1000 }; /* an option's number and this: of IPv6 */

struct inet_socket {
	struct socket socket; /* first */
	bool v6_only;	      /* inet_core */
	uint8_t tells;	      /* inet_core: TELL_* */
	uint8_t device;	      /* inet_core: the interface that it is bound to, as lwIP numbers them; 0: none */
	uint8_t shut;	      /* atomic: SIDE_* */
	uint32_t uid;	      /* whose it is: the effective user's of who made it */
	uint32_t wake;	      /* inet_core: WAKE_*, while in the list of those to be woken */
	struct list wake_link;
	struct socket_account *account; /* whom what it holds is charged to */
	bool exempt;			/* who made it has no limit of his own */
	struct spinlock queue_lock;
	struct list all;	  /* proc.c's */
	struct list memberships;  /* inet_core: multicast.c's */
	struct inet_many many[2]; /* of version 4, of version 6 */
};
static inline struct inet_socket *inet_of(struct socket *s)
{
	return (struct inet_socket *)s;
}

/* --- core.c --- */
void inet_core_lock(void) ACQUIRE(inet_core);
/* Delivers what is under way over `lo`, lets go, and wakes whom inet_wake named. No spinlock is held. */
void inet_core_unlock(void) RELEASE(inet_core);
/* Whether the calling thread has the core; or it had, a fault ended that, and nobody has taken the core since. */
bool inet_core_is_mine(void);
/* What whoever takes the core does if `who`, a thread, had it and never let go of it; nullptr: there is no stack yet.
 */
extern void (*inet_core_renew)(const void *who) GUARDED_BY(inet_core);
/* The network's thread begins. -ENOMEM */
[[nodiscard]] int inet_thread_start(void);
/* The network's thread looks for what there is to do. Any context. */
void inet_thread_wake(void);
/* WAKE_*: when the core is free. */
void inet_wake(struct inet_socket *i, uint32_t whom) REQUIRES(inet_core);
/* lwIP's answer as a negative errno; 0. */
int inet_errno(int lwip_error);
/* Fills the general part. */
void inet_socket_init(struct inet_socket *i, const struct socket_ops *ops, int family, uint32_t type, int protocol);

/* --- port.c --- */
extern uint64_t inet_memory_used, inet_memory_max; /* bytes; used: atomic */
/* Of the same budget, for what stands in queues beside lwIP: false: it is used up. Said once in a while. */
[[nodiscard]] bool inet_memory_take(size_t bytes);
void inet_memory_give(size_t bytes);

/* What lwIP allocated is swept when it begins anew (start.c), but for what a socket or a thread has. Of a record: a
 * socket's; lwIP's again. What is allocated by who has not the core is in his hands. Of a packet, all its pieces: in
 * the calling thread's hands until inet_packet_put, under the core, which gives its reference back; a socket's. */
void inet_lwip_keep(const void *p);
void inet_lwip_unkeep(const void *p);
void inet_packet_hold(const struct pbuf *p);
void inet_packet_put(struct pbuf *p) REQUIRES(inet_core);
void inet_packet_keep(const struct pbuf *p);
/* All that is lwIP's, or in that thread's hands, is freed. */
void inet_lwip_sweep(const void *who) REQUIRES(inet_core);

/* --- charge.c --- */
/* The current user's account is the socket's, or that of another one, and the socket itself is charged to it. -ENOBUFS,
 * -ENOMEM. */
[[nodiscard]] int inet_account_open(struct inet_socket *i, const struct inet_socket *of);
void inet_account_close(struct inet_socket *i);
/* What its queues hold, until inet_uncharge; false: its user may have no more, which the log tells. Any context. */
[[nodiscard]] bool inet_charge(struct inet_socket *i, size_t bytes);
void inet_uncharge(struct inet_socket *i, size_t bytes);

/* Set: what is sent may not be cut by routers (inet_mark_whole). Whoever takes the core finds it reset. */
extern bool inet_sends_whole GUARDED_BY(inet_core);
/* A packet of version 4 that goes out says so, if it has to; has_sum: its header has a sum. */
void inet_mark_whole(struct pbuf *p, bool has_sum) REQUIRES(inet_core);

/* --- lo.c --- */
extern struct netif inet_lo;
int inet_lo_start(void) REQUIRES(inet_core);
void inet_lo_deliver(void) REQUIRES(inet_core);
/* Whoever takes the core: what a delivery that faulted left changed is put right. */
void inet_lo_settle(void) REQUIRES(inet_core);
/* What is under way is lost, and its memory not touched. */
void inet_lo_empty(void) REQUIRES(inet_core);
/* While it is set, what is sent to `lo` arrives as if it had come by another interface, and is not counted; nullptr. */
void inet_lo_as(struct netif *n) REQUIRES(inet_core);
/* That interface ends: what is still to arrive by it (after a fault, else it has arrived before the core is free) comes
 * by `lo`. */
void inet_lo_forget(const struct netif *n) REQUIRES(inet_core);
/* Whether such a packet is arriving. */
bool inet_lo_is_other(void) REQUIRES(inet_core);
/* Of a packet buffer's flags: who sends it lets go of it before the core, so `lo` need not copy it. */
enum : uint8_t { PBUF_GIVEN = 0x80 };

/* --- route.c --- */
/* The way to an address (route.c has the table: interface.h), and which address of ours a packet has on it. device: the
 * only interface that may be (struct inet_socket). -ENETUNREACH. */
[[nodiscard]] int inet_route(uint8_t device, const ip_addr_t *bound, const ip_addr_t *to, struct netif **out,
			     ip_addr_t *source) REQUIRES(inet_core);
/* Whether it is an address of an interface of ours that is up. */
bool inet_is_local(const ip_addr_t *a) REQUIRES(inet_core);

/* --- address.c --- */
/* A process's address. any: none, "all addresses of ours", is one, too (IP_ANY_TYPE: of both versions). -EINVAL,
 * -EAFNOSUPPORT, -ENETUNREACH: version 4 on a socket for 6 only. */
[[nodiscard]] int inet_address_get(const struct inet_socket *i, const struct socket_address *a, bool any,
				   ip_addr_t *out, uint16_t *port);
void inet_address_put(const struct inet_socket *i, const ip_addr_t *ip, uint16_t port, struct socket_address *out);
/* May the process have it: -EADDRNOTAVAIL, -EACCES. */
[[nodiscard]] int inet_may_bind(const ip_addr_t *ip, uint16_t port) REQUIRES(inet_core);
/* The version an empty address of a socket is of. */
const ip_addr_t *inet_any(const struct inet_socket *i);

/* --- datagram.c --- */
struct datagram {
	struct list link;
	uint32_t refs; /* atomic: the queue's, and who copies out of it */
	uint32_t length, charge;
	struct pbuf *bytes;
	ip_addr_t from, to;
	uint16_t port;
	uint8_t interface, ttl;
};
struct inet_datagram_socket {
	struct inet_socket inet; /* first */
	struct list queue;	 /* of datagrams: queue_lock */
	uint32_t queued, charged;
	uint64_t dropped;
	struct list errors;   /* that it keeps: queue_lock */
	uint32_t errors_kept; /* atomic for who only looks */
	uint8_t keeps_errors; /* inet_core: of packets of version 4: 1, of version 6: 2 */
	uint8_t discover[2];  /* inet_core: IP_PMTUDISC_*, of version 4, of version 6 */
	union {
		struct udp_pcb *udp; /* inet_core; nullptr: closed */
		struct raw_pcb *raw;
	};
	bool connected, source_chosen; /* inet_core: its own address was not bound, but follows from whom to */
	uint16_t ping_id;	       /* of SOCK_DGRAM for ICMP: its "port", in host order */
	bool has_header;	       /* IP_HDRINCL */
};
static inline struct inet_datagram_socket *datagram_of(struct socket *s)
{
	return (struct inet_datagram_socket *)s;
}
/* Puts the bytes, which become the queue's, at its end, or drops them. */
void datagram_arrived(struct inet_datagram_socket *d, struct pbuf *bytes, const ip_addr_t *from, uint16_t port)
	REQUIRES(inet_core);
/* The process's bytes in a packet buffer with room for headers. -EMSGSIZE, -ENOMEM, -EFAULT. */
[[nodiscard]] int datagram_bytes(const struct socket_message *m, size_t most, struct pbuf **out);
/* -ENOMEM, -ENOBUFS. */
[[nodiscard]] int datagram_create(const struct socket_ops *ops, int family, uint32_t type, int protocol,
				  struct inet_datagram_socket **out);
long datagram_receive(struct socket *s, struct socket_message *m);
uint32_t datagram_poll(struct socket *s, struct poll_table *table);
long datagram_pending(struct socket *s, bool sent);
int datagram_shutdown(struct socket *s, uint32_t sides);
void datagram_purge(struct inet_datagram_socket *d);
int inet_no_listen(struct socket *s, uint32_t backlog);
int inet_no_accept(struct socket *s, bool may_wait, struct socket **out);
bool inet_listens_not(struct socket *s);
int inet_no_peer_cred(struct socket *s, struct ucred *out);
void datagram_free(struct socket *s);

/* What IP_MTU_DISCOVER says of the socket's packets. */
static inline bool datagram_is_whole(const struct inet_datagram_socket *d) REQUIRES(inet_core)
{
	return d->discover[0] == IP_PMTUDISC_DO || d->discover[0] == IP_PMTUDISC_PROBE;
}

/* --- error_queue.c --- */
struct icmp_error;
/* Whether it keeps errors of packets of that version. */
bool datagram_keeps_errors(const struct inet_datagram_socket *d, bool v6) REQUIRES(inet_core);
/* Of a packet of the socket's to there somebody told the error by the message that is arriving; from `at` on, counted
 * from the message's IP header, stand the packet's bytes. It is kept and the socket's error, or
 * there is no room (false). */
bool datagram_error_told(struct inet_datagram_socket *d, const struct icmp_error *e, const ip_addr_t *to, uint16_t port,
			 struct pbuf *message, size_t at) REQUIRES(inet_core);
/* Whether a packet of so many bytes, with IP's header, may go by the interface as the socket wants it
 * (IP_MTU_DISCOVER): 0, or -EMSGSIZE, which is kept, too. */
[[nodiscard]] int datagram_fits(struct inet_datagram_socket *d, const ip_addr_t *to, uint16_t port, struct netif *n,
				size_t bytes) REQUIRES(inet_core);
/* The oldest error, for MSG_ERRQUEUE. -EAGAIN, -EFAULT. */
long datagram_error_receive(struct inet_datagram_socket *d, struct socket_message *m);
void datagram_errors_purge(struct inet_datagram_socket *d);

/* --- udp.c, raw.c, stream.c --- */
int stream_create(int family, struct socket **out);
int udp_create(int family, struct socket **out);
/* Its record leads to the socket again. */
void udp_renew(struct inet_datagram_socket *d) REQUIRES(inet_core);
void raw_renew(struct inet_datagram_socket *d) REQUIRES(inet_core);
int raw_create(int family, uint32_t type, int protocol, struct socket **out);

/* --- reuse.c --- */
/* Whether it may not have the port for want of SO_REUSEADDR or SO_REUSEPORT, its own or another's. port 0: it may. */
bool udp_port_is_taken(const struct inet_datagram_socket *d, const ip_addr_t *ip, uint16_t port) REQUIRES(inet_core);
/* Which of those that have d's address and port gets the datagram that arrives. */
struct inet_datagram_socket *udp_share(struct inet_datagram_socket *d, const ip_addr_t *from, uint16_t port)
	REQUIRES(inet_core);
/* A connection is about to be asked for: of several listeners lwIP finds the one whose it is, and there is room, if
 * those that are half open have it all. */
void stream_share(const struct netif *by, const ip_addr_t *from, uint16_t from_port, const ip_addr_t *to,
		  uint16_t to_port) REQUIRES(inet_core);

/* --- multicast.c --- */
void inet_multicast_init(struct inet_socket *i);
/* It is a member of nothing more. */
void inet_multicast_close(struct inet_socket *i) REQUIRES(inet_core);
/* Whether the option is one of these; setting and asking are as those of all others. */
bool inet_multicast_has(int level, int option);
int inet_multicast_set(struct inet_socket *i, int level, int option, user_addr at, uint32_t length);
int inet_multicast_get(struct inet_socket *i, int level, int option, int32_t *out) REQUIRES(inet_core);
/* lwIP, which has forgotten all groups, is told of those that have members. */
void inet_multicast_again(void) REQUIRES(inet_core);
/* The interface that what the socket sends there goes by, of which `device` is said already; 0: none is. */
uint8_t inet_multicast_device(const struct inet_socket *i, uint8_t device, const ip_addr_t *to) REQUIRES(inet_core);
/* Whether it hears what came to a group by an interface. */
bool inet_multicast_wants(const struct inet_socket *i, const ip_addr_t *to, const struct netif *by) REQUIRES(inet_core);
/* Whether what it sends there by an interface is for members on this machine, too. */
bool inet_multicast_loops(const struct inet_socket *i, const ip_addr_t *to, struct netif *by) REQUIRES(inet_core);
/* How many are members of a group that lwIP is a member of. */
uint32_t inet_multicast_members(const ip_addr_t *ip, const struct netif *n) REQUIRES(inet_core);

/* --- option.c --- */
/* The number that a process gives for an option; of level IP a byte serves, too (ip(7)). 0, -EINVAL, -EFAULT. */
int inet_option_number(int level, user_addr at, uint32_t length, int32_t *out);
int inet_option_set(struct socket *s, int level, int option, user_addr at, uint32_t length);
int inet_option_get(struct socket *s, int level, int option, user_addr at, uint32_t *length);

/* --- rtnetlink.c --- */
/* Once: processes may ask by netlink. */
void inet_rtnetlink_start(void);

int inet_note(struct socket *s, struct socket_message *m, int level, int type, const void *data, size_t n);
int inet_bind_device(struct socket *s, const char *name);
void inet_bound_device(struct socket *s, char *name);
/* The way that a message asks for, as inet_route takes it; what it does not say is the socket's. -ENODEV,
 * -EADDRNOTAVAIL. */
[[nodiscard]] int inet_way(const struct inet_socket *i, const struct socket_message *m, uint8_t *device,
			   ip_addr_t *bound) REQUIRES(inet_core);

/* --- ioctl.c --- */
long inet_ioctl(uint32_t command, user_addr at);

/* --- proc.c --- */
/* All sockets that have a file. */
extern struct list inet_all GUARDED_BY(inet_core);
void inet_list_add(struct inet_socket *i) REQUIRES(inet_core);
void inet_list_remove(struct inet_socket *i) REQUIRES(inet_core);

/* A state of lwIP's (enum tcp_state) as Linux numbers them. */
unsigned inet_tcp_state(unsigned state);

/* --- icmp_error.c --- */
int inet_icmp_start(void) REQUIRES(inet_core);

#endif
