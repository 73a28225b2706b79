/* SPDX-License-Identifier: MIT */
/* Sending over TCP (stream.h). */
#include "stream.h"

#include <abi/signal.h>
#include <kernel/mem/page.h>
#include <lwip/priv/tcp_priv.h>

/* Up to SMALL bytes are copied once more, so that lwIP puts them into one packet with their neighbours. */
enum : size_t { PIECE_MAX = 4 * TCP_MSS, SMALL = 512 };
enum : uint32_t { RUN_MAX = 16384 }; /* charged for one run of small writes */
static_assert(PIECE_MAX <= UINT16_MAX);
enum : uint32_t { SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR | MSG_DONTROUTE | MSG_CONFIRM | MSG_MORE };

static void free_piece(struct inet_stream *t, struct stream_piece *p)
{
	if (p->pages != nullptr) {
		inet_memory_give(PAGE_SIZE << p->order);
		page_free_kernel(p->pages, p->order);
	}
	inet_uncharge(&t->inet, p->charge);
	if (p != &t->few)
		kfree(p);
}

void stream_free_pieces(struct inet_stream *t, uint64_t until)
{
	while (!list_empty(&t->pieces)) {
		struct stream_piece *p = list_first(&t->pieces, struct stream_piece, link);

		if (p->end > until)
			break;
		list_remove(&p->link);
		free_piece(t, p);
	}
}

static uint32_t limit_of(const struct inet_stream *t)
{
	return __atomic_load_n(&t->inet.socket.send_limit, __ATOMIC_RELAXED);
}

/* A third of the buffer is free, so that who is woken can send something worth it. */
bool stream_is_writable(const struct inet_stream *t)
{
	return !__atomic_load_n(&t->full, __ATOMIC_ACQUIRE) &&
	       (uint64_t)__atomic_load_n(&t->in_flight, __ATOMIC_ACQUIRE) * 3 <= (uint64_t)limit_of(t) * 2;
}

err_t stream_acknowledged(void *arg, struct tcp_pcb *, u16_t bytes) NO_THREAD_SAFETY
{
	struct inet_stream *t = arg;
	bool before = stream_is_writable(t);

	t->acknowledged += bytes;
	__atomic_store_n(&t->in_flight, (uint32_t)(t->written - t->acknowledged), __ATOMIC_RELEASE);
	__atomic_store_n(&t->full, false, __ATOMIC_RELEASE);
	stream_free_pieces(t, t->acknowledged);
	bool shut = __atomic_load_n(&t->inet.shut, __ATOMIC_RELAXED) & SIDE_SEND; /* somebody may linger */
	if ((!before && stream_is_writable(t)) || (shut && t->in_flight == 0))
		inet_wake(&t->inet, WAKE_WRITERS);
	return ERR_OK;
}

static bool has_room(const struct inet_stream *t)
{
	return !__atomic_load_n(&t->full, __ATOMIC_ACQUIRE) &&
	       __atomic_load_n(&t->in_flight, __ATOMIC_ACQUIRE) < limit_of(t);
}

static bool is_over(const struct inet_stream *t)
{
	enum stream_state state = stream_state(t);

	return __atomic_load_n(&t->inet.socket.error, __ATOMIC_ACQUIRE) != 0 ||
	       __atomic_load_n(&t->inet.shut, __ATOMIC_ACQUIRE) & SIDE_SEND ||
	       (state != STREAM_OPEN && state != STREAM_CONNECTING);
}

/* Until some bytes may go. */
static int await_room(struct inet_stream *t, const struct socket_message *m, uint64_t deadline_ns)
{
	struct socket *s = &t->inet.socket;

	while (true) {
		int error = socket_take_error(s);
		if (error != 0)
			return error;
		if (is_over(t))
			return -EPIPE;
		if (stream_state(t) == STREAM_OPEN && has_room(t))
			return 0;
		if (m->flags & MSG_DONTWAIT)
			return -EAGAIN;
		error = wait_event_interruptible_deadline(
			&s->writable, is_over(t) || (stream_state(t) == STREAM_OPEN && has_room(t)), deadline_ns);
		if (error != 0)
			return socket_wait_error(error, __atomic_load_n(&s->send_timeout_ns, __ATOMIC_RELAXED));
	}
}

static void count_written(struct inet_stream *t, size_t n) REQUIRES(inet_core)
{
	t->written += n;
	__atomic_store_n(&t->in_flight, (uint32_t)(t->written - t->acknowledged), __ATOMIC_RELEASE);
}

/* What waits was cut for no known window, and the one that the other side told of since is smaller: lwIP, which cuts
 * for half of it, takes that for a bug. */
static bool is_cut_too_long(const struct tcp_pcb *tcp) REQUIRES(inet_core)
{
	uint32_t most = MIN((uint32_t)tcp->mss, tcp->snd_wnd_max / 2);
	const struct tcp_seg *last = tcp->unsent;

	while (last != nullptr && last->next != nullptr)
		last = last->next;
	return last != nullptr && most != 0 && last->len > most;
}

/* Gives lwIP up to n bytes: how many; -EAGAIN: none now; -EPIPE. */
static long put(struct inet_stream *t, const void *bytes, size_t n, u8_t flags, bool hold) REQUIRES(inet_core)
{
	if (is_over(t) || t->tcp == nullptr)
		return -EPIPE;
	n = MIN(n, (size_t)tcp_sndbuf(t->tcp));
	bool may = n > 0 && !is_cut_too_long(t->tcp);
	err_t error = may ? tcp_write(t->tcp, bytes, (u16_t)n, flags | (hold ? TCP_WRITE_FLAG_MORE : 0)) : ERR_MEM;
	if (error == ERR_MEM) {
		/* With nothing on its way nobody would say when there is room again. */
		if (t->written == t->acknowledged)
			return -ENOBUFS;
		__atomic_store_n(&t->full, true, __ATOMIC_RELEASE);
		(void)tcp_output(t->tcp);
		return -EAGAIN;
	}
	if (error != ERR_OK)
		return -EPIPE;
	count_written(t, n);
	if (!hold)
		(void)tcp_output(t->tcp); /* what cannot go now goes with the next timer */
	return (long)n;
}

/* What small writes hold is let go of by runs: one grows while it is the newest and not too long. */
static void note_small(struct inet_stream *t, uint32_t charge) REQUIRES(inet_core)
{
	struct stream_piece *p =
		list_empty(&t->pieces) ? nullptr : container_of(t->pieces.prev, struct stream_piece, link);

	if (p == nullptr || p->pages != nullptr || p->charge > RUN_MAX) {
		p = list_empty(&t->few.link) ? &t->few : kmalloc(sizeof(*p));
		if (p == nullptr) {
			inet_uncharge(&t->inet, charge);
			return;
		}
		*p = (struct stream_piece){};
		list_init(&p->link);
		list_push_back(&t->pieces, &p->link);
	}
	p->charge += charge;
	p->end = t->written;
}

static long send_small(struct inet_stream *t, const struct socket_message *m, size_t done, size_t n, bool hold)
{
	uint32_t charge = (uint32_t)n + PACKET_OVERHEAD;
	unsigned char bytes[SMALL];

	if (!inet_charge(&t->inet, charge))
		return -ENOBUFS;
	if (io_copy_in(bytes, m->buffer, done, n) != n) {
		inet_uncharge(&t->inet, charge);
		return -EFAULT;
	}
	inet_core_lock();
	t->charging = charge; /* a fault in there gives it back (stream_lose) */
	long put_bytes = put(t, bytes, n, TCP_WRITE_FLAG_COPY, hold || t->cork);
	t->charging = 0;
	if (put_bytes > 0)
		note_small(t, charge);
	inet_core_unlock();
	if (put_bytes <= 0)
		inet_uncharge(&t->inet, charge);
	return put_bytes;
}

static int make_piece(struct inet_stream *t, size_t n, struct stream_piece **out)
{
	struct stream_piece *p = kmalloc(sizeof(*p));

	if (p == nullptr)
		return -ENOBUFS;
	while ((size_t)PAGE_SIZE << p->order < n)
		p->order++;
	p->charge = (uint32_t)(PAGE_SIZE << p->order);
	if (!inet_charge(&t->inet, p->charge)) {
		kfree(p);
		return -ENOBUFS;
	}
	if (inet_memory_take(PAGE_SIZE << p->order)) {
		p->pages = page_alloc_kernel(p->order);
		if (p->pages == nullptr)
			inet_memory_give(PAGE_SIZE << p->order);
	}
	if (p->pages == nullptr) {
		free_piece(t, p);
		return -ENOBUFS;
	}
	*out = p;
	return 0;
}

static long send_piece(struct inet_stream *t, const struct socket_message *m, size_t done, size_t n, bool hold)
{
	struct stream_piece *p;

	int error = make_piece(t, n, &p);
	if (error != 0)
		return error;
	if (io_copy_in(p->pages, m->buffer, done, n) != n) {
		free_piece(t, p);
		return -EFAULT;
	}
	inet_core_lock();
	/* Before lwIP has it, so that a fault in there loses nothing. */
	p->end = UINT64_MAX;
	list_push_back(&t->pieces, &p->link);
	long put_bytes = put(t, p->pages, n, 0, hold || t->cork);
	if (put_bytes > 0)
		p->end = t->written;
	else
		list_remove(&p->link);
	inet_core_unlock();
	if (put_bytes <= 0)
		free_piece(t, p);
	return put_bytes;
}

static size_t next_size(const struct inet_stream *t, size_t rest)
{
	uint32_t in_flight = __atomic_load_n(&t->in_flight, __ATOMIC_RELAXED), limit = limit_of(t);
	size_t room = in_flight < limit ? limit - in_flight : 1;

	return MIN(MIN(rest, room), (size_t)PIECE_MAX);
}

long stream_send(struct socket *s, struct socket_message *m)
{
	uint64_t deadline_ns = socket_deadline(__atomic_load_n(&s->send_timeout_ns, __ATOMIC_RELAXED));
	struct inet_stream *t = stream_of(s);
	size_t done = 0;
	long error = 0;

	if (m->flags & ~SEND_FLAGS)
		return m->flags & MSG_OOB ? -EOPNOTSUPP : -EINVAL;
	while (error == 0 && done < m->length) {
		if (done > 0 && __atomic_load_n(&s->error, __ATOMIC_ACQUIRE) != 0)
			break; /* the next call tells it */
		error = await_room(t, m, deadline_ns);
		if (error != 0)
			break;
		size_t n = next_size(t, m->length - done);
		bool hold = m->flags & MSG_MORE || done + n < m->length;
		long part = n <= SMALL ? send_small(t, m, done, n, hold) : send_piece(t, m, done, n, hold);
		if (part > 0)
			done += (size_t)part;
		else if (part != -EAGAIN)
			error = part;
	}
	if (error == -EPIPE && done == 0 && !(m->flags & MSG_NOSIGNAL))
		(void)subject_raise(SIGPIPE);
	return done > 0 ? (long)done : error;
}
