/* SPDX-License-Identifier: MIT */
/* Taps (kernel/netdev/netdev.h): while one is called it is kept by a count, not by a lock, so that it may allocate. */
#include "internal.h"

#include <kernel/thread/guard.h>

static struct {
	struct spinlock lock;
	struct list all GUARDED_BY(&lock); /* the oldest first */
	uint64_t sequence GUARDED_BY(&lock);
	uint32_t count; /* atomic: a frame costs nothing more if there is none */
	struct wait_queue left;
} taps = {.lock = SPINLOCK_INIT(RANK_NETDEVS), .all = LIST_INIT(taps.all), .left = WAIT_QUEUE_INIT(taps.left)};

void netdev_tap_add(struct netdev_tap *t)
{
	t->inside = 0;
	t->removed = false;
	spin_lock(&taps.lock);
	t->sequence = ++taps.sequence;
	list_push_back(&taps.all, &t->link);
	spin_unlock(&taps.lock);
	__atomic_fetch_add(&taps.count, 1, __ATOMIC_SEQ_CST);
}

static bool nobody_inside(const struct netdev_tap *t)
{
	spin_lock(&taps.lock);
	bool nobody = t->inside == 0;
	spin_unlock(&taps.lock);
	return nobody;
}

void netdev_tap_remove(struct netdev_tap *t)
{
	spin_lock(&taps.lock);
	t->removed = true;
	list_remove(&t->link);
	spin_unlock(&taps.lock);
	__atomic_fetch_sub(&taps.count, 1, __ATOMIC_SEQ_CST);
	wait_event(&taps.left, nobody_inside(t));
}

/* The next after that sequence number that wants to see frames of n, entered. */
static struct netdev_tap *enter_next(const struct netdev *n, uint64_t after)
{
	struct netdev_tap *t, *found = nullptr;

	spin_lock(&taps.lock);
	list_for_each(t, &taps.all, link) {
		if (t->sequence > after && (t->of == nullptr || t->of == n)) {
			t->inside++;
			found = t;
			break;
		}
	}
	spin_unlock(&taps.lock);
	return found;
}

static inline void leave(struct netdev_tap *t)
{
	spin_lock(&taps.lock);
	bool last = --t->inside == 0 && t->removed;
	spin_unlock(&taps.lock);
	/* The tap may be gone by now. */
	if (last)
		wait_wake_all(&taps.left);
}

bool netdev_is_tapped(void)
{
	return __atomic_load_n(&taps.count, __ATOMIC_ACQUIRE) != 0;
}

void netdev_show_taps(struct netdev *n, const struct net_frame *f, enum netdev_way way)
{
	uint64_t after = 0;

	if (!netdev_is_tapped())
		return;
	for (struct netdev_tap *t; (t = enter_next(n, after)) != nullptr;) {
		after = t->sequence;
		(void)guard_run_void(t->component, t->frame(t, n, f, way));
		leave(t);
	}
}
