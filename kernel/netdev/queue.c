/* SPDX-License-Identifier: MIT */
/*
 * The ways of a frame: from the stack into a queue and to the driver, and from the driver to the stack.
 *
 * Whoever finds frames has the driver take them: a sender, or the driver's thread when there is room again. One thread
 * at a time does so for each queue (`dispatching`); what others add meanwhile it sees before it leaves. A driver's
 * transmit runs under its guard and without any lock.
 */
#include "internal.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t { SEND_MAX = 512, ARRIVED_MAX = 1024 }; /* frames that wait, of each queue, of each interface */
/* How long a driver may leave frames for want of room and send none: more than a host stands still. */
constexpr uint64_t STUCK_NS = 60'000'000'000;

void send_queues_init(struct netdev *n) NO_THREAD_SAFETY
{
	for (unsigned i = 0; i < NETDEV_QUEUES_MAX; i++) {
		struct send_queue *q = &n->queues[i];

		q->netdev = n;
		q->number = i;
		spin_init(&q->lock, RANK_NETDEV);
		list_init(&q->frames);
	}
}

static void free_list(struct list *frames)
{
	while (!list_empty(frames)) {
		struct net_frame *f = list_first(frames, struct net_frame, link);

		list_remove(&f->link);
		__atomic_store_n(&f->lent, nullptr, __ATOMIC_RELAXED);
		net_frame_free(f);
	}
}

/* Everything of one list to another, which is empty. */
static void move_list(struct list *to, struct list *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	list_insert_after(from, to);
	list_remove(from);
}

bool netdev_is_quiet(struct netdev *n)
{
	for (unsigned i = 0; i < NETDEV_QUEUES_MAX; i++) {
		spin_lock(&n->queues[i].lock);
		bool busy = n->queues[i].dispatching;
		spin_unlock(&n->queues[i].lock);
		if (busy)
			return false;
	}
	return __atomic_load_n(&n->inside, __ATOMIC_SEQ_CST) == 0;
}

void netdev_take_back(struct netdev *n, bool all)
{
	struct list frames;

	spin_lock(&n->lock);
	move_list(&frames, &n->lent);
	spin_unlock(&n->lock);
	free_list(&frames);
	for (unsigned i = 0; i < NETDEV_QUEUES_MAX; i++) {
		struct send_queue *q = &n->queues[i];

		spin_lock(&q->lock);
		move_list(&frames, &q->frames);
		netdev_count(&n->stats.tx_dropped, q->count);
		q->count = 0;
		q->full = false;
		spin_unlock(&q->lock);
		free_list(&frames);
	}
	if (!all)
		return;
	spin_lock(&n->lock);
	move_list(&frames, &n->arrived);
	n->arrived_count = 0;
	spin_unlock(&n->lock);
	free_list(&frames);
}

/* --- out --- */

static void watch(struct netdev *n, uint64_t when_ns)
{
	if (!__atomic_exchange_n(&n->timer_on, true, __ATOMIC_ACQ_REL))
		timer_arm(&n->timer, when_ns);
}

static void look_whether_stuck(struct netdev *n)
{
	uint64_t first = UINT64_MAX, now = clock_monotonic_ns();

	__atomic_store_n(&n->timer_on, false, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < NETDEV_QUEUES_MAX; i++) {
		struct send_queue *q = &n->queues[i];

		spin_lock(&q->lock);
		if (q->full && q->count > 0)
			first = MIN(first, q->full_since_ns);
		spin_unlock(&q->lock);
	}
	if (first == UINT64_MAX || netdev_state(n) != NETDEV_RUNS)
		return;
	if (now >= first && now - first >= STUCK_NS)
		netdev_break(n, "it sends nothing any more");
	else
		watch(n, first + STUCK_NS);
}

/* A fault of this floor itself, in who is inside or dispatches: nobody knows what it was doing with the driver. */
static void break_by_own(struct netdev *n)
{
	netdev_break(n, "a fault of the network floor");
}

/* It is not suspended meanwhile: what breaks it is this round's, and not the next one's. */
void netdev_watch(struct timer *t)
{
	struct netdev *n = container_of(t, struct netdev, timer);

	netdev_enter(n);
	if (!guard_run_void(&component_netdev, look_whether_stuck(n)))
		break_by_own(n);
	netdev_leave(n);
}

/* `mine`: it is this thread that dispatches; outside of the guard that it does so under, and so in memory. */
[[gnu::noinline]] static void hand_over(struct send_queue *q, bool *mine)
{
	struct netdev *n = q->netdev;
	bool stuck = false;

	spin_lock(&q->lock);
	if (q->dispatching) {
		spin_unlock(&q->lock);
		return;
	}
	q->dispatching = *mine = true;
	while (netdev_state(n) == NETDEV_RUNS && !q->full && q->count > 0) {
		uint32_t rooms = q->rooms;

		q->empty = false;
		spin_unlock(&q->lock);
		FAULT_POINT(driver_netdev_hand_over);
		bool whole = guard_run_void(n->ops->component, n->ops->transmit(n->dev, n->private, q->number));
		if (!whole)
			netdev_break(n, "a fault in transmit");
		spin_lock(&q->lock);
		/* What came after netdev_take had found nothing was not left for want of room. */
		q->full = q->count > 0 && !q->empty && q->rooms == rooms;
		if (q->full) {
			q->full_since_ns = clock_monotonic_ns();
			stuck = true;
		}
	}
	q->dispatching = *mine = false;
	spin_unlock(&q->lock);
	if (netdev_state(n) != NETDEV_RUNS)
		wait_wake_all(&n->quiet);
	else if (stuck)
		watch(n, clock_monotonic_ns() + STUCK_NS);
}

static void dispatch(struct send_queue *q)
{
	bool mine = false;

	GUARD_SHARES(mine);
	if (guard_run_void(&component_netdev, hand_over(q, &mine)))
		return;
	/* Nobody waits for what this thread has left, and the driver gives back what it has. */
	break_by_own(q->netdev);
	spin_lock(&q->lock);
	if (mine)
		q->dispatching = false;
	spin_unlock(&q->lock);
	wait_wake_all(&q->netdev->quiet);
}

void netdev_dispatch(struct netdev *n)
{
	for (unsigned i = 0; i < n->driver_queues; i++)
		dispatch(&n->queues[i]);
}

static int check(struct netdev *n, struct net_frame *f)
{
	uint32_t wanted = f->gso == NET_GSO_TCP4 ? NETDEV_GSO_TCP4 : f->gso == NET_GSO_TCP6 ? NETDEV_GSO_TCP6 : 0;

	if (netdev_state(n) == NETDEV_ENDED)
		return -ENODEV;
	if (!netdev_flag(&n->up) || !netdev_flag(&n->carrier) || netdev_state(n) != NETDEV_RUNS)
		return -ENETDOWN;
	if (f->total < NETDEV_HEADER ||
	    (wanted == 0 && f->total > __atomic_load_n(&n->mtu, __ATOMIC_RELAXED) + NETDEV_HEADER))
		return -EMSGSIZE;
	if (f->data - (unsigned char *)page_address(f->page) < (ptrdiff_t)NETDEV_HEADROOM)
		return -EINVAL;
	if ((n->features & wanted) != wanted || (wanted != 0 && (f->gso_size == 0 || f->gso_headers >= f->total)))
		return -EOPNOTSUPP;
	if (f->more != nullptr && !(n->features & NETDEV_PARTS))
		return -EOPNOTSUPP;
	if (f->flags & NET_FRAME_CHECKSUM && !(n->features & NETDEV_CHECKSUM) && !net_frame_fill_checksum(f))
		return -EOPNOTSUPP;
	return 0;
}

int netdev_transmit(struct netdev *n, struct net_frame *f)
{
	struct send_queue *q = &n->queues[thread_page_current()->cpu % MAX(n->driver_queues, 1u)];
	int error = check(n, f);

	if (error == 0) {
		netdev_show_taps(n, f, NETDEV_OUT);
		spin_lock(&q->lock);
		if (q->count < SEND_MAX && netdev_state(n) == NETDEV_RUNS) {
			list_push_back(&q->frames, &f->link);
			q->count++;
		} else {
			error = -ENOBUFS;
		}
		spin_unlock(&q->lock);
	}
	if (error != 0) {
		netdev_count(&n->stats.tx_dropped, 1);
		net_frame_free(f);
		return error;
	}
	dispatch(q);
	return 0;
}

/* The driver has it from here on. */
static void lend(struct netdev *n, struct net_frame *f)
{
	spin_lock(&n->lock);
	__atomic_store_n(&f->lent, n, __ATOMIC_RELAXED);
	list_push_back(&n->lent, &f->link);
	spin_unlock(&n->lock);
}

/* It has not any more. False: it had not. */
static bool end_lending(struct netdev *n, struct net_frame *f)
{
	spin_lock(&n->lock);
	bool mine = __atomic_load_n(&f->lent, __ATOMIC_RELAXED) == n;
	if (mine) {
		__atomic_store_n(&f->lent, nullptr, __ATOMIC_RELAXED);
		list_remove(&f->link);
	}
	spin_unlock(&n->lock);
	return mine;
}

struct net_frame *netdev_take(struct netdev *n, unsigned queue)
{
	struct send_queue *q = &n->queues[queue];
	struct net_frame *f = nullptr;

	spin_lock(&q->lock);
	if (q->count > 0) {
		f = list_first(&q->frames, struct net_frame, link);
		list_remove(&f->link);
		q->count--;
	} else {
		q->empty = true;
	}
	spin_unlock(&q->lock);
	if (f != nullptr)
		lend(n, f);
	return f;
}

void netdev_sent(struct netdev *n, struct net_frame *f, bool ok)
{
	if (!end_lending(n, f))
		return;
	if (ok) {
		netdev_count(&n->stats.tx_packets,
			     f->gso == NET_GSO_NONE ? 1 : (f->total - f->gso_headers + f->gso_size - 1) / f->gso_size);
		netdev_count(&n->stats.tx_bytes, f->total);
	} else {
		netdev_count(&n->stats.tx_errors, 1);
	}
	net_frame_free(f);
}

void netdev_room(struct netdev *n, unsigned queue)
{
	struct send_queue *q = &n->queues[queue];

	spin_lock(&q->lock);
	q->rooms++;
	q->full = false;
	bool work = q->count > 0 && !q->dispatching;
	spin_unlock(&q->lock);
	if (work)
		dispatch(q);
}

/* --- in --- */

struct net_frame *netdev_buffer(struct netdev *n)
{
	struct net_frame *f = net_frame_alloc(NET_FRAME_PART_MAX);

	if (f != nullptr)
		lend(n, f);
	return f;
}

/* All parts are the interface's again, and what they are together is known. False: one was not the driver's, and those
 * before it are freed. */
static bool take_parts(struct netdev *n, struct net_frame *f)
{
	uint32_t total = 0, parts = 0;
	struct net_frame *last = nullptr;

	for (struct net_frame *part = f; part != nullptr; last = part, part = part->more) {
		if (parts++ < NET_FRAME_PARTS_MAX && part->length <= NET_FRAME_PART_MAX && end_lending(n, part)) {
			total += part->length;
			continue;
		}
		if (last != nullptr) {
			last->more = nullptr;
			net_frame_free(f);
		}
		return false;
	}
	f->total = total;
	return true;
}

static bool is_multicast(const struct net_frame *f)
{
	return (f->data[0] & 1) != 0;
}

/* What only a promiscuous interface receives is for taps. */
static bool is_for_stack(const struct netdev *n, const struct net_frame *f)
{
	return n->kind != NETDEV_ETHERNET || is_multicast(f) || memcmp(f->data, n->address, NETDEV_ADDRESS) == 0;
}

static void give_to_stack(struct netdev *n, struct net_frame *f)
{
	bool given = false;

	f->from = n;
	spin_lock(&n->lock);
	if (n->arrived_count < ARRIVED_MAX) {
		list_push_back(&n->arrived, &f->link);
		n->arrived_count++;
		given = true;
	}
	spin_unlock(&n->lock);
	if (!given) {
		netdev_count(&n->stats.rx_dropped, 1);
		net_frame_free(f);
	}
}

void netdev_receive(struct netdev *n, struct net_frame *f)
{
	if (!take_parts(n, f)) {
		netdev_break(n, "it gives buffers that it has not");
		return;
	}
	/* With the tag of a VLAN. */
	uint32_t max = n->mtu_max + NETDEV_HEADER + 4;
	if (f->length < NETDEV_HEADER || (f->gso == NET_GSO_NONE && f->total > max)) {
		netdev_count(&n->stats.rx_errors, 1);
		net_frame_free(f);
		return;
	}
	if (!netdev_flag(&n->up)) {
		net_frame_free(f);
		return;
	}
	netdev_count(&n->stats.rx_packets, 1);
	netdev_count(&n->stats.rx_bytes, f->total);
	if (is_multicast(f))
		netdev_count(&n->stats.rx_multicast, 1);
	netdev_show_taps(n, f, NETDEV_IN);
	if (netdev_stack(n) != nullptr && is_for_stack(n, f))
		give_to_stack(n, f);
	else
		net_frame_free(f);
}

void netdev_receive_end(struct netdev *n)
{
	const struct netdev_stack *s = netdev_stack(n);

	spin_lock(&n->lock);
	bool tell = s != nullptr && n->arrived_count > 0 && !n->told;
	if (tell)
		n->told = true;
	spin_unlock(&n->lock);
	if (tell)
		(void)guard_run_void(s->component, s->arrived(n));
}

struct net_frame *netdev_received(struct netdev *n)
{
	struct net_frame *f = nullptr;

	spin_lock(&n->lock);
	if (n->arrived_count > 0) {
		f = list_first(&n->arrived, struct net_frame, link);
		list_remove(&f->link);
		n->arrived_count--;
	} else {
		n->told = false;
	}
	spin_unlock(&n->lock);
	return f;
}

void netdev_discard(struct netdev *n, struct net_frame *f, bool bad)
{
	if (!end_lending(n, f))
		return;
	if (bad)
		netdev_count(&n->stats.rx_errors, 1);
	f->more = nullptr;
	net_frame_free(f);
}

void netdev_count_looped(struct netdev *n, uint32_t bytes)
{
	netdev_count(&n->stats.tx_packets, 1);
	netdev_count(&n->stats.tx_bytes, bytes);
	netdev_count(&n->stats.rx_packets, 1);
	netdev_count(&n->stats.rx_bytes, bytes);
}

void netdev_count_dropped(struct netdev *n)
{
	netdev_count(&n->stats.tx_dropped, 1);
}

void netdev_count_missed(struct netdev *n, uint64_t frames)
{
	netdev_count(&n->stats.rx_missed, frames);
}
