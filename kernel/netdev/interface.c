/* SPDX-License-Identifier: MIT */
/*
 * Interfaces come, break, come back and go (kernel/netdev/internal.h has the states). While one is broken or suspended
 * its driver's frames stay where they are: the device may still write into their memory. They are taken back when it
 * is resumed or gone, before which the device core has silenced the device.
 */
#include "internal.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint32_t MTU_DEFAULT = 1500, MTU_MOST = 65535, INDEX_LOOPBACK = 1;

static struct spinlock all_lock = SPINLOCK_INIT(RANK_NETDEVS);
static struct list all GUARDED_BY(&all_lock) = LIST_INIT(all);
static uint32_t last_index GUARDED_BY(&all_lock) = INDEX_LOOPBACK;
static const struct netdev_stack *stack; /* atomic */
static struct netdev_watch *watches;	 /* atomic; never shorter */

const struct netdev_stack *netdev_stack(const struct netdev *n)
{
	return n->stack != nullptr ? n->stack : __atomic_load_n(&stack, __ATOMIC_ACQUIRE);
}

void netdev_changed(struct netdev *n, enum netdev_change what)
{
	const struct netdev_stack *s = netdev_stack(n);

	if (s != nullptr)
		(void)guard_run_void(s->component, s->changed(n, what));
	for (struct netdev_watch *w = __atomic_load_n(&watches, __ATOMIC_ACQUIRE); w != nullptr; w = w->next)
		(void)guard_run_void(w->component, w->changed(n, what));
}

void netdev_watch_add(struct netdev_watch *w)
{
	w->next = __atomic_load_n(&watches, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&watches, &w->next, w, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

void netdev_set_stack(const struct netdev_stack *s)
{
	__atomic_store_n(&stack, s, __ATOMIC_RELEASE);
	for (struct netdev *n = netdev_each(nullptr); n != nullptr; n = netdev_each(n))
		if (n->stack == nullptr)
			netdev_changed(n, NETDEV_NEW);
}

/* --- finding --- */

void netdev_get(struct netdev *n)
{
	__atomic_fetch_add(&n->refs, 1, __ATOMIC_RELAXED);
}

/* What nobody took out of its filter. */
static void free_multicast(struct netdev *n) NO_THREAD_SAFETY
{
	while (!list_empty(&n->multicast)) {
		struct multicast *m = list_first(&n->multicast, struct multicast, link);

		list_remove(&m->link);
		kfree(m);
	}
}

void netdev_put(struct netdev *n)
{
	if (n == nullptr || __atomic_fetch_sub(&n->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	(void)timer_cancel(&n->timer);
	netdev_take_back(n, true);
	free_multicast(n);
	device_put(n->dev);
	kfree(n);
}

/* Everything that is listed has a reference of the list's. */
#define FIND(condition)                                                                                                \
	({                                                                                                             \
		struct netdev *n, *found_ = nullptr;                                                                   \
		spin_lock(&all_lock);                                                                                  \
		list_for_each(n, &all, link) {                                                                         \
			if (condition) {                                                                               \
				netdev_get(n);                                                                         \
				found_ = n;                                                                            \
				break;                                                                                 \
			}                                                                                              \
		}                                                                                                      \
		spin_unlock(&all_lock);                                                                                \
		found_;                                                                                                \
	})

struct netdev *netdev_find(const char *name)
{
	return FIND(strcmp(n->name, name) == 0);
}

struct netdev *netdev_find_index(uint32_t index)
{
	return FIND(n->index == index);
}

struct netdev *netdev_each(struct netdev *after)
{
	uint32_t index = after != nullptr ? after->index : 0;
	struct netdev *next = FIND(n->index > index);

	netdev_put(after);
	return next;
}

/* The one that was made of the device, or, without one, that has the name. */
static struct netdev *find_before(const struct device *dev, const struct netdev_config *c)
{
	if (dev == nullptr)
		return netdev_find(c->name);
	return FIND(n->dev == dev);
}

/* --- it breaks, stops, and goes --- */

/* Whether it is another than before. */
static bool set_link(struct netdev *n, bool up, uint32_t mbit, bool full_duplex)
{
	spin_lock(&n->lock);
	bool other = n->carrier != up || (up && (n->mbit != mbit || n->full_duplex != full_duplex));
	n->carrier_changes += n->carrier != up;
	__atomic_store_n(&n->carrier, up, __ATOMIC_RELEASE);
	n->mbit = up ? mbit : 0;
	n->full_duplex = up && full_duplex;
	spin_unlock(&n->lock);
	return other;
}

/* A device may have its link change without an end, and the log has one. */
static bool may_tell_link(struct netdev *n)
{
	constexpr uint64_t MINUTE_NS = 60'000'000'000;
	uint64_t now = clock_monotonic_ns();

	spin_lock(&n->lock);
	if (n->told_links > 0 && now - n->told_since_ns >= MINUTE_NS)
		n->told_links = 0;
	if (n->told_links == 0)
		n->told_since_ns = now;
	uint32_t told = n->told_links;
	n->told_links += told <= NETDEV_LINKS_TOLD;
	spin_unlock(&n->lock);
	if (told == NETDEV_LINKS_TOLD)
		log_warn("%s: its link changes too often for each time to be told", n->name);
	return told < NETDEV_LINKS_TOLD;
}

void netdev_link(struct netdev *n, bool up, uint32_t mbit, bool full_duplex)
{
	if (netdev_state(n) != NETDEV_RUNS || !set_link(n, up, mbit, full_duplex))
		return;
	/* Who suspends it meanwhile finds it without carrier, too. */
	if (netdev_state(n) != NETDEV_RUNS)
		(void)set_link(n, false, 0, false);
	/* The loopback's carrier is always there. */
	bool tell = n->kind != NETDEV_LOOPBACK && may_tell_link(n);

	if (tell && up && mbit != 0)
		log_info("%s: carrier, %u Mbit/s%s", n->name, mbit, full_duplex ? "" : ", half duplex");
	else if (tell)
		log_info("%s: %s", n->name, up ? "carrier" : "no carrier");
	netdev_changed(n, NETDEV_CHANGED);
}

static void lose_carrier(struct netdev *n)
{
	if (set_link(n, false, 0, false))
		netdev_changed(n, NETDEV_CHANGED);
}

void netdev_break(struct netdev *n, const char *why)
{
	uint32_t runs = NETDEV_RUNS;

	if (!__atomic_compare_exchange_n(&n->state, &runs, NETDEV_BROKEN, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return;
	log_error("%s: %s: its driver is broken", n->name, why);
	if (n->dev != nullptr)
		device_fail(n->dev, why);
	lose_carrier(n);
}

void netdev_suspend(struct netdev *n)
{
	uint32_t state = __atomic_load_n(&n->state, __ATOMIC_ACQUIRE);

	/* Where a fault ended the call before this one, it is suspended already. */
	while ((state == NETDEV_RUNS || state == NETDEV_BROKEN) &&
	       !__atomic_compare_exchange_n(&n->state, &state, NETDEV_SUSPENDED, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE))
		;
	if (state == NETDEV_ENDED)
		return;
	FAULT_POINT(driver_netdev_suspended);
	wait_event(&n->quiet, netdev_is_quiet(n));
	lose_carrier(n);
	log_info("%s: suspended", n->name);
}

static void unlist(struct netdev *n)
{
	spin_lock(&all_lock);
	list_remove(&n->link);
	spin_unlock(&all_lock);
}

void netdev_gone(struct netdev *n)
{
	if (__atomic_exchange_n(&n->state, NETDEV_ENDED, __ATOMIC_ACQ_REL) == NETDEV_ENDED)
		return;
	wait_event(&n->quiet, netdev_is_quiet(n));
	(void)set_link(n, false, 0, false);
	netdev_take_back(n, false);
	unlist(n);
	class_remove(&n->entry);
	netdev_changed(n, NETDEV_GONE);
	log_info("%s: gone", n->name);
	netdev_put(n);
}

static struct netdev *netdev_of(struct resource *r)
{
	return container_of(r, struct netdev, resource);
}

static void suspend_resource(struct resource *r)
{
	netdev_suspend(netdev_of(r));
}

static void end_resource(struct resource *r)
{
	netdev_gone(netdev_of(r));
}

/* Kept from one round of the device to the next; gone when there is none. */
static const struct resource_ops netdev_resource = {.name = "network interface",
						    .component = &component_netdev,
						    .suspend = suspend_resource,
						    .release = end_resource,
						    .gone = end_resource};

/* --- it comes --- */

static bool is_complete(const struct device *dev, const struct netdev_ops *ops, const struct netdev_config *c)
{
	static const uint8_t none[NETDEV_ADDRESS];
	bool ethernet = c->kind != NETDEV_LOOPBACK;

	if (ops->transmit == nullptr || c->queues > NETDEV_QUEUES_MAX || (dev == nullptr && c->name == nullptr) ||
	    (c->name != nullptr && (c->name[0] == '\0' || strlen(c->name) >= NETDEV_NAME_MAX)))
		return false;
	if (c->mtu_max != 0 && (c->mtu_max < NETDEV_MTU_MIN || c->mtu_max > MTU_MOST))
		return false;
	return !ethernet || (!(c->address[0] & 1) && memcmp(c->address, none, sizeof(none)) != 0);
}

static void take_driver(struct netdev *n, const struct netdev_ops *ops, const struct netdev_config *c)
{
	n->ops = ops;
	n->private = c->private;
	n->mtu_max = c->mtu_max != 0 ? c->mtu_max : MTU_DEFAULT;
	n->features = c->features;
	n->driver_queues = MAX(c->queues, 1u);
	if (n->mtu == 0 || n->mtu > n->mtu_max)
		n->mtu = n->kind == NETDEV_LOOPBACK ? n->mtu_max : MIN(n->mtu_max, MTU_DEFAULT);
}

static struct netdev *create(const struct netdev_config *c) NO_THREAD_SAFETY
{
	struct netdev *n = kmalloc(sizeof(*n));

	if (n == nullptr)
		return nullptr;
	n->refs = 1;
	n->kind = c->kind == 0 ? NETDEV_ETHERNET : c->kind;
	n->stack = c->stack;
	memcpy(n->address, c->address, NETDEV_ADDRESS);
	list_init(&n->link);
	list_init(&n->resource.link);
	wait_queue_init(&n->quiet);
	timer_init(&n->timer, netdev_watch);
	spin_init(&n->lock, RANK_NETDEV);
	list_init(&n->lent);
	list_init(&n->arrived);
	list_init(&n->multicast);
	send_queues_init(n);
	return n;
}

static bool has_name(const char *name) REQUIRES(&all_lock)
{
	const struct netdev *n;

	list_for_each(n, &all, link) {
		if (strcmp(n->name, name) == 0)
			return true;
	}
	return false;
}

/* Gives it a name and a number that no other has, and a place in the list. */
static int enlist(struct netdev *n, const char *name)
{
	struct list *before;
	int error = 0;

	spin_lock(&all_lock);
	if (name != nullptr) {
		strlcpy(n->name, name, sizeof(n->name));
		error = has_name(name) ? -EEXIST : 0;
	} else {
		unsigned number = 0;

		do
			snprintf(n->name, sizeof(n->name), "eth%u", number++);
		while (has_name(n->name));
	}
	if (error == 0) {
		n->index = n->kind == NETDEV_LOOPBACK ? INDEX_LOOPBACK : ++last_index;
		before = n->kind == NETDEV_LOOPBACK ? &all : all.prev;
		list_insert_after(before, &n->link);
	}
	spin_unlock(&all_lock);
	return error;
}

static int resume(struct netdev *n, const struct netdev_ops *ops, const struct netdev_config *c, struct netdev **out)
{
	if (netdev_state(n) != NETDEV_SUSPENDED)
		return -EEXIST;
	netdev_take_back(n, false);
	take_driver(n, ops, c);
	__atomic_store_n(&n->state, NETDEV_RUNS, __ATOMIC_RELEASE);
	log_info("%s: resumed", n->name);
	*out = n;
	return 0;
}

/* What was of the device before. 0: it is gone now, or there was none; 1: it goes on. */
static int go_on(struct device *dev, const struct netdev_ops *ops, const struct netdev_config *c, struct netdev **out)
{
	struct netdev *n = find_before(dev, c);
	int result = 0;

	if (n == nullptr)
		return 0;
	if (memcmp(n->address, c->address, NETDEV_ADDRESS) == 0) {
		result = resume(n, ops, c, out);
		result = result == 0 ? 1 : result;
	} else if (netdev_state(n) == NETDEV_SUSPENDED) {
		log_warn("%s: another card is in its place", n->name);
		(void)device_disown(&n->resource);
		netdev_gone(n);
	} else {
		result = -EEXIST;
	}
	netdev_put(n);
	return result;
}

int netdev_register(struct device *dev, const struct netdev_ops *ops, const struct netdev_config *c,
		    struct netdev **out)
{
	if (!is_complete(dev, ops, c))
		return -EINVAL;
	int error = go_on(dev, ops, c, out);
	if (error != 0)
		return error > 0 ? 0 : error;
	struct netdev *n = create(c);
	if (n == nullptr)
		return -ENOMEM;
	take_driver(n, ops, c);
	if (dev != nullptr) {
		n->dev = device_get(dev);
		error = device_own(dev, &n->resource, &netdev_resource);
	}
	if (error == 0 && (error = enlist(n, c->name)) != 0 && dev != nullptr)
		(void)device_disown(&n->resource);
	if (error != 0) {
		netdev_put(n);
		return error;
	}
	*out = n;
	netdev_show(n);
	if (n->kind != NETDEV_LOOPBACK)
		log_info("%s: address %02x:%02x:%02x:%02x:%02x:%02x", n->name, n->address[0], n->address[1],
			 n->address[2], n->address[3], n->address[4], n->address[5]);
	netdev_changed(n, NETDEV_NEW);
	return 0;
}

static int netdev_start(void)
{
	frames_start();
	return netdev_show_class();
}

DEFINE_COMPONENT(
	netdev, .stage = STAGE_FS, .start = netdev_start,
	.users =
		"a call is EFAULT, the frame lost; a driver in whose thread it was begins anew, and its interface goes on",
	.stays = "it has no thread, and its data are the interfaces, which outlive their drivers by it");
