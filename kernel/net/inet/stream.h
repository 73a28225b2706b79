/* SPDX-License-Identifier: MIT */
/*
 * Streams: sockets of TCP (RFC 9293; tcp(7)) over lwIP's raw interface. What the files of TCP share (stream*.c).
 *
 * Bytes to be sent are the process's no more when they stand in a piece of ours, which lwIP refers to and which is
 * given back when the other side has them; a few are copied into lwIP's own buffers. Bytes that came stand in the
 * socket's queue as the packets that brought them; who reads claims a part under queue_lock, copies without it, and
 * tells lwIP now and then how much room there is again.
 *
 * A connection's record (PCB) has a reference to its stream until it is freed, also after the file was closed: then it
 * still sends what there is to be sent.
 */
#ifndef KERNEL_NET_INET_STREAM_H
#define KERNEL_NET_INET_STREAM_H

#include "inet.h"
#include <lwip/tcp.h>

enum : uint32_t { PACKET_OVERHEAD = 256 }; /* what a packet in a queue is charged besides its bytes */
enum stream_state : uint8_t { STREAM_FREE, STREAM_CONNECTING, STREAM_OPEN, STREAM_LISTENING, STREAM_GONE };

/* Bytes on their way: from `pages`, until `end` of the stream's bytes have been acknowledged. */
struct stream_piece {
	struct list link;
	uint64_t end;
	void *pages; /* nullptr: a run of small writes, whose bytes lwIP has copied */
	unsigned order;
	uint32_t charge; /* bytes that its user holds by it */
};

struct inet_stream {
	struct inet_socket inet; /* first */
	struct tcp_pcb *tcp;	 /* inet_core; nullptr: lwIP has none (any more) */
	enum stream_state state; /* atomic; written under inet_core */
	bool ended;		 /* atomic: the other side sends no more */
	bool full;		 /* atomic: lwIP has as many packets of it as it takes */
	bool no_delay, cork;	 /* inet_core */
	uint8_t backlog_most;	 /* inet_core: as listen(2) said */
	bool untold;		 /* inet_core: no call of connect has said that it stands */
	/* queue_lock */
	struct pbuf *first, *last; /* what came, linked by `next`; the rest of a chain's lengths means nothing */
	uint32_t begin;		   /* of first: what is before it was read */
	uint32_t queued;	   /* bytes; atomic for who only looks */
	uint64_t claimed;	   /* bytes that were taken out, ever */
	struct list backlog, backlog_link;
	uint32_t waiting; /* in the backlog; atomic for who only looks */
	uint32_t owed;	  /* atomic: bytes read that lwIP has not been told of */
	/* inet_core */
	struct list pieces;
	struct list record;	 /* of those that have one of lwIP's */
	uint32_t charging;	 /* bytes of a small write that lwIP is being given */
	struct stream_piece few; /* a run that needs no memory; in the list or not */
	uint64_t written, acknowledged;
	uint32_t in_flight; /* the difference; atomic for who only looks */
	ip_addr_t local, remote;
	uint16_t local_port, remote_port;
};
static inline struct inet_stream *stream_of(struct socket *s)
{
	return (struct inet_stream *)s;
}
static inline enum stream_state stream_state(const struct inet_stream *t)
{
	return __atomic_load_n(&t->state, __ATOMIC_ACQUIRE);
}

/* --- stream.c --- */
/* A stream without a file, with lwIP's record and its listener's account or, tcp nullptr, a fresh one and the current
 * user's. nullptr: out of memory, or the user has too much. */
struct inet_stream *stream_make(int family, struct tcp_pcb *tcp, const struct inet_stream *listener)
	REQUIRES(inet_core);
/* A record where lwIP has none any more, for one more attempt. -ENOBUFS */
[[nodiscard]] int stream_renew(struct inet_stream *t) REQUIRES(inet_core);
/* lwIP's record leads to the stream, which gets a reference from it. */
void stream_attach(struct inet_stream *t, struct tcp_pcb *tcp) REQUIRES(inet_core);
/* The record leads nowhere, and who owns its reference gives it back. */
void stream_detach(struct tcp_pcb *tcp) REQUIRES(inet_core);
void stream_note_addresses(struct inet_stream *t) REQUIRES(inet_core);
void stream_set_state(struct inet_stream *t, enum stream_state state) REQUIRES(inet_core);
void stream_release(struct socket *s);
/* TCP_INFO of tcp(7). */
struct tcp_info stream_info(const struct inet_stream *t) REQUIRES(inet_core);
/* lwIP begins anew (start.c). All connections end, and records are gone: how many connections there were. Then
 * listeners listen again, and who was bound is: how many could not. */
uint32_t streams_lose_all(void) REQUIRES(inet_core);
uint32_t streams_listen_again(void) REQUIRES(inet_core);
/* Tells lwIP of all that was read. */
void stream_tell_room(struct inet_stream *t) REQUIRES(inet_core);

/* --- stream_connect.c --- */
int stream_connect(struct socket *s, const struct socket_address *a, bool may_wait);
int stream_listen(struct socket *s, uint32_t backlog);
/* The same once more, where lwIP has forgotten it: bound, and with so long a backlog, if it listens. */
[[nodiscard]] int stream_begin_again(struct inet_stream *t) REQUIRES(inet_core);
int stream_accept(struct socket *s, bool may_wait, struct socket **out);
/* lwIP's: the record is gone. */
void stream_lost(void *arg, err_t why);

/* --- reuse.c --- */
/* As udp_port_is_taken. */
bool stream_port_is_taken(const struct inet_stream *t, const ip_addr_t *ip, uint16_t port) REQUIRES(inet_core);

/* --- stream_send.c --- */
long stream_send(struct socket *s, struct socket_message *m);
bool stream_is_writable(const struct inet_stream *t);
err_t stream_acknowledged(void *arg, struct tcp_pcb *tcp, u16_t bytes); /* lwIP's */
void stream_free_pieces(struct inet_stream *t, uint64_t until) REQUIRES(inet_core);

/* --- stream_receive.c --- */
long stream_receive(struct socket *s, struct socket_message *m);
err_t stream_arrived(void *arg, struct tcp_pcb *tcp, struct pbuf *p, err_t error); /* lwIP's */
void stream_purge(struct inet_stream *t);

#endif
