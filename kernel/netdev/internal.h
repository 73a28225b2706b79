/* SPDX-License-Identifier: MIT */
/* What the files of the netdev floor share: an interface with its queues. */
#ifndef KERNEL_NETDEV_INTERNAL_H
#define KERNEL_NETDEV_INTERNAL_H

#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/device/class.h>
#include <kernel/device/device.h>
#include <kernel/mem/slab.h>
#include <kernel/netdev/netdev.h>
#include <kernel/thread/component.h>
#include <kernel/thread/timer.h>

DECLARE_COMPONENT(netdev);

/*
 *	RUNS ──(a fault, or time is up: netdev_break)──> BROKEN ──(suspend)──> SUSPENDED ──(netdev_register)──> RUNS
 *	RUNS ──(suspend)──> SUSPENDED                       any ──(netdev_gone)──> GONE
 */
enum netdev_state : uint32_t { NETDEV_RUNS, NETDEV_BROKEN, NETDEV_SUSPENDED, NETDEV_ENDED };

/* Frames to be sent that the driver has not taken. */
struct send_queue {
	struct netdev *netdev;
	unsigned number;
	struct spinlock lock;
	struct list frames GUARDED_BY(&lock);
	uint32_t count GUARDED_BY(&lock);
	uint32_t rooms GUARDED_BY(&lock);	  /* how often there was room anew */
	bool full GUARDED_BY(&lock);		  /* transmit left frames, and no room came since */
	bool empty GUARDED_BY(&lock);		  /* netdev_take found nothing since transmit was called */
	bool dispatching GUARDED_BY(&lock);	  /* a thread is in transmit */
	uint64_t full_since_ns GUARDED_BY(&lock); /* or when a frame was sent last */
};

struct multicast {
	struct list link;
	uint8_t address[NETDEV_ADDRESS];
	uint32_t users;
};

struct netdev {
	struct list link; /* of all, by number */
	uint32_t refs;	  /* atomic */
	uint32_t state;	  /* enum netdev_state; atomic */
	char name[NETDEV_NAME_MAX];
	uint32_t index;
	enum netdev_kind kind;
	uint8_t address[NETDEV_ADDRESS];
	const struct netdev_stack *stack; /* nullptr: the machine's */
	struct device *dev;		  /* a reference, or nullptr */
	struct resource resource;
	struct class_entry entry;

	/* What the driver said when it registered last; changed only while nobody can be in its functions. */
	const struct netdev_ops *ops;
	void *private;
	uint32_t mtu_max, features, driver_queues;

	struct send_queue queues[NETDEV_QUEUES_MAX];
	uint32_t inside; /* atomic: threads between netdev_enter and netdev_leave */
	struct wait_queue quiet;
	struct timer timer;
	bool timer_on; /* atomic */

	struct spinlock lock;
	struct list lent GUARDED_BY(&lock);    /* frames that the driver has */
	struct list arrived GUARDED_BY(&lock); /* frames for the stack */
	uint32_t arrived_count GUARDED_BY(&lock);
	bool told GUARDED_BY(&lock); /* the stack knows that frames wait */
	struct list multicast GUARDED_BY(&lock);
	uint32_t promiscuous GUARDED_BY(&lock), all_multicast GUARDED_BY(&lock); /* how often it was asked for */
	uint32_t mbit GUARDED_BY(&lock), carrier_changes GUARDED_BY(&lock);
	bool full_duplex GUARDED_BY(&lock);
	uint64_t told_since_ns GUARDED_BY(&lock); /* of the link's changes, so many */
	uint32_t told_links GUARDED_BY(&lock);
	bool up, carrier;	   /* atomic; changed under the lock */
	uint32_t mtu;		   /* atomic */
	struct netdev_stats stats; /* each atomic */
};

static inline enum netdev_state netdev_state(const struct netdev *n)
{
	return (enum netdev_state)__atomic_load_n(&n->state, __ATOMIC_ACQUIRE);
}
static inline bool netdev_flag(const bool *b)
{
	return __atomic_load_n(b, __ATOMIC_ACQUIRE);
}
static inline void netdev_count(uint64_t *counter, uint64_t by)
{
	__atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

void frames_start(void); /* frame.c: before the first is allocated */

/* --- interface.c --- */
/* The driver is broken: nothing more is asked of it, and the device core hears of it. Any thread; does not sleep. */
void netdev_break(struct netdev *n, const char *why);
void netdev_changed(struct netdev *n, enum netdev_change what);	 /* to the stack */
const struct netdev_stack *netdev_stack(const struct netdev *n); /* whose it is; nullptr: none yet */

/* --- queue.c --- */
void send_queues_init(struct netdev *n);
/* From one to the other it is not suspended: for threads that call the driver or may break it, but by transmit. What is
 * between the two is under a guard of this floor: who has entered leaves. */
static inline void netdev_enter(struct netdev *n)
{
	__atomic_fetch_add(&n->inside, 1, __ATOMIC_SEQ_CST);
}
static inline void netdev_leave(struct netdev *n)
{
	__atomic_fetch_sub(&n->inside, 1, __ATOMIC_SEQ_CST);
	if (netdev_state(n) != NETDEV_RUNS)
		wait_wake_all(&n->quiet);
}
/* Nobody is in the driver's functions, or between the two. */
bool netdev_is_quiet(struct netdev *n);
/* All that the driver has, and, at the end, what waits for it or for the stack. The device is silent. */
void netdev_take_back(struct netdev *n, bool all);
void netdev_dispatch(struct netdev *n); /* all queues */
void netdev_watch(struct timer *t);

/* --- sys.c --- */
[[nodiscard]] int netdev_show_class(void);
void netdev_show(struct netdev *n);

#endif
