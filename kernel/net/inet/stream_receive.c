/* SPDX-License-Identifier: MIT */
/* Receiving from TCP (stream.h): bytes are claimed under the queue's lock and copied afterwards. */
#include "stream.h"

#include <kernel/base/fault_point.h>

enum : uint32_t { TELL_AT = 16384 }; /* bytes read of which lwIP is told at once */
enum : uint32_t { LOOK_MOST = 512 }; /* packets that one call looks at without taking them (MSG_PEEK) */

/* Lets the pieces of a packet go that have no bytes: of one that came in fragments, what had the header, or bytes that
 * came before. The last that stays; nullptr: none does. */
static struct pbuf *drop_empty(struct pbuf **first)
{
	struct pbuf **at = first, *last = nullptr;

	while (*at != nullptr) {
		struct pbuf *p = *at;

		if (p->len > 0) {
			last = p;
			at = &p->next;
		} else {
			*at = p->next;
			p->next = nullptr;
			pbuf_free(p);
		}
	}
	return last;
}

/* All of a chain; what is empty is not kept. */
static size_t charge_of(const struct pbuf *p)
{
	size_t charge = 0;

	for (; p != nullptr; p = p->next)
		charge += p->len > 0 ? (size_t)p->len + PACKET_OVERHEAD : 0;
	return charge;
}

err_t stream_arrived(void *arg, struct tcp_pcb *, struct pbuf *p, err_t) NO_THREAD_SAFETY
{
	struct inet_stream *t = arg;

	if (p == nullptr) {
		__atomic_store_n(&t->ended, true, __ATOMIC_RELEASE);
		inet_wake(&t->inet, WAKE_READERS | WAKE_WRITERS);
		return ERR_OK;
	}
	uint32_t bytes = p->tot_len;
	if (!inet_charge(&t->inet, charge_of(p)))
		return ERR_MEM; /* lwIP keeps it, and the window shut, and comes back with it */
	struct pbuf *last = drop_empty(&p);
	if (last == nullptr)
		return ERR_OK;
	FAULT_POINT(driver_inet_arrived);
	inet_packet_keep(p);
	spin_lock(&t->inet.queue_lock);
	if (t->first == nullptr)
		t->first = p;
	else
		t->last->next = p;
	t->last = last;
	__atomic_store_n(&t->queued, t->queued + bytes, __ATOMIC_RELEASE);
	spin_unlock(&t->inet.queue_lock);
	inet_wake(&t->inet, WAKE_READERS);
	return ERR_OK;
}

/* A part of a packet that one read has for itself, with a reference to it. */
struct claim {
	struct pbuf *p;
	uint32_t begin, length;
	uint64_t until; /* of all bytes that were claimed */
	bool is_last;	/* the queue has the packet no more */
};

/* Whether there is something `skip` bytes behind the oldest. */
static bool claim(struct inet_stream *t, bool peek, size_t skip, size_t n, struct claim *c)
{
	bool found = false;
	uint32_t passed = 0;

	spin_lock(&t->inet.queue_lock);
	struct pbuf *p = t->first;
	size_t begin = t->begin + skip;
	while (p != nullptr && begin >= p->len) {
		begin -= p->len;
		p = ++passed < LOOK_MOST ? p->next : nullptr;
	}
	if (p != nullptr) {
		found = true;
		*c = (struct claim){.p = p, .begin = (uint32_t)begin, .length = (uint32_t)MIN(n, p->len - begin)};
		if (peek || c->begin + c->length < p->len)
			pbuf_ref(p);
		if (!peek) {
			t->claimed += c->length;
			c->until = t->claimed;
			t->begin = c->begin + c->length;
			__atomic_store_n(&t->queued, t->queued - c->length, __ATOMIC_RELEASE);
			if (t->begin == p->len) {
				/* The queue's reference is the claim's. */
				c->is_last = true;
				t->first = p->next;
				t->begin = 0;
				p->next = nullptr;
			}
		}
	}
	spin_unlock(&t->inet.queue_lock);
	return found;
}

/* What could not be copied is the next to be read again, if nobody has read on meanwhile. */
static void put_back(struct inet_stream *t, struct claim *c, uint32_t rest)
{
	spin_lock(&t->inet.queue_lock);
	if (t->claimed == c->until) {
		if (t->first != c->p) {
			pbuf_ref(c->p);
			c->p->next = t->first;
			if (t->first == nullptr)
				t->last = c->p;
			t->first = c->p;
			c->is_last = false;
		}
		t->begin = c->begin + c->length - rest;
		t->claimed -= rest;
		__atomic_store_n(&t->queued, t->queued + rest, __ATOMIC_RELEASE);
	}
	spin_unlock(&t->inet.queue_lock);
}

/* One packet of a queue, whose `next` is not this one's. */
static void put_packet(struct pbuf *p)
{
	pbuf_free(p);
}

void stream_purge(struct inet_stream *t)
{
	spin_lock(&t->inet.queue_lock);
	struct pbuf *p = t->first;
	t->first = t->last = nullptr;
	t->begin = 0;
	__atomic_store_n(&t->queued, 0, __ATOMIC_RELEASE);
	spin_unlock(&t->inet.queue_lock);
	while (p != nullptr) {
		struct pbuf *next = p->next;

		p->next = nullptr;
		inet_uncharge(&t->inet, (size_t)p->len + PACKET_OVERHEAD);
		put_packet(p);
		p = next;
	}
}

static void tell_room(struct inet_stream *t, uint32_t read)
{
	if (__atomic_add_fetch(&t->owed, read, __ATOMIC_RELAXED) < TELL_AT)
		return;
	inet_core_lock();
	stream_tell_room(t);
	inet_core_unlock();
}

/* Copies a claim out: bytes, or -EFAULT. */
static long copy_claim(struct inet_stream *t, struct claim *c, const struct socket_message *m, size_t done)
{
	bool peek = m->flags & MSG_PEEK;
	const unsigned char *bytes = c->p->payload;
	size_t copied = m->flags & MSG_TRUNC ? c->length : io_copy_out(m->buffer, done, bytes + c->begin, c->length);

	if (copied < c->length && !peek)
		put_back(t, c, c->length - (uint32_t)copied);
	return copied > 0 ? (long)copied : -EFAULT;
}

static bool has_ended(const struct inet_stream *t)
{
	return __atomic_load_n(&t->ended, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&t->inet.shut, __ATOMIC_ACQUIRE) & SIDE_RECEIVE;
}

static bool has_come(const struct inet_stream *t)
{
	enum stream_state state = stream_state(t);

	return __atomic_load_n(&t->queued, __ATOMIC_ACQUIRE) > 0 || has_ended(t) ||
	       (state != STREAM_OPEN && state != STREAM_CONNECTING) ||
	       __atomic_load_n(&t->inet.socket.error, __ATOMIC_ACQUIRE) != 0;
}

/* Nothing is there: waits as the call may. 0: look again; *over: nothing will come. */
static int await(struct inet_stream *t, const struct socket_message *m, uint64_t deadline_ns, bool *over)
{
	uint64_t timeout_ns = __atomic_load_n(&t->inet.socket.receive_timeout_ns, __ATOMIC_RELAXED);
	/* In this order: what came before the end is in the queue when the end is seen. */
	bool ended = has_ended(t);
	enum stream_state state = stream_state(t);

	if (__atomic_load_n(&t->queued, __ATOMIC_ACQUIRE) > 0)
		return 0;
	int error = socket_take_error(&t->inet.socket);
	if (error != 0)
		return error;
	*over = ended || state == STREAM_GONE;
	if (*over)
		return 0;
	if (state == STREAM_FREE || state == STREAM_LISTENING)
		return -ENOTCONN;
	if (m->flags & MSG_DONTWAIT)
		return -EAGAIN;
	error = wait_event_interruptible_deadline(&t->inet.socket.readable, has_come(t), deadline_ns);
	return error != 0 ? socket_wait_error(error, timeout_ns) : 0;
}

long stream_receive(struct socket *s, struct socket_message *m)
{
	uint64_t deadline_ns = socket_deadline(__atomic_load_n(&s->receive_timeout_ns, __ATOMIC_RELAXED));
	size_t least = m->flags & MSG_WAITALL ? m->length : __atomic_load_n(&s->receive_least, __ATOMIC_RELAXED);
	struct inet_stream *t = stream_of(s);
	bool peek = m->flags & MSG_PEEK, over = false;
	size_t done = 0;
	long error = 0;
	struct claim c;

	if (m->flags & MSG_OOB)
		return -EINVAL; /* there is no urgent byte */
	if (m->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	while (error == 0 && done < m->length) {
		if (!claim(t, peek, peek ? done : 0, m->length - done, &c)) {
			/* Who looked at something does not wait for more: what he has seen is still there. */
			if (done >= least || (done > 0 && peek))
				break;
			if (done > 0 && __atomic_load_n(&s->error, __ATOMIC_ACQUIRE) != 0)
				break; /* the next call tells it */
			error = await(t, m, deadline_ns, &over);
			if (over)
				break;
			continue;
		}
		long part = copy_claim(t, &c, m, done);
		if (c.is_last)
			inet_uncharge(&t->inet, (size_t)c.p->len + PACKET_OVERHEAD);
		put_packet(c.p);
		if (part > 0 && !peek)
			tell_room(t, (uint32_t)part);
		if (part < (long)c.length)
			error = -EFAULT;
		done += part > 0 ? (size_t)part : 0;
	}
	return done > 0 ? (long)done : error;
}
