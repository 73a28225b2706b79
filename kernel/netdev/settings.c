/* SPDX-License-Identifier: MIT */
/* What the stack and programs set on an interface and ask of it: up and down, MTU, filter, counters. */
#include "internal.h"

#include <abi/errno.h>
#include <abi/netdevice.h>
#include <kernel/base/fault_point.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <lib/types.h>

void netdev_get_info(struct netdev *n, struct netdev_info *out)
{
	*out = (struct netdev_info){.index = n->index,
				    .kind = n->kind,
				    .mtu = __atomic_load_n(&n->mtu, __ATOMIC_RELAXED),
				    .mtu_max = n->mtu_max,
				    .features = n->features,
				    .gone = netdev_state(n) == NETDEV_ENDED};
	strlcpy(out->name, n->name, sizeof(out->name));
	memcpy(out->address, n->address, sizeof(out->address));
	spin_lock(&n->lock);
	out->mbit = n->mbit;
	out->up = n->up;
	out->carrier = n->carrier;
	out->full_duplex = n->full_duplex;
	out->promiscuous = n->promiscuous > 0;
	out->all_multicast = n->all_multicast > 0;
	out->carrier_changes = n->carrier_changes;
	spin_unlock(&n->lock);
}

struct device *netdev_device(const struct netdev *n)
{
	return n->dev;
}

void netdev_get_stats(struct netdev *n, struct netdev_stats *out)
{
	const uint64_t *from = (const uint64_t *)&n->stats;
	uint64_t *to = (uint64_t *)out;

	static_assert(sizeof(*out) % sizeof(uint64_t) == 0);
	for (size_t i = 0; i < sizeof(*out) / sizeof(uint64_t); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

uint32_t netdev_flags(const struct netdev_info *info, bool running)
{
	uint32_t flags = info->kind == NETDEV_LOOPBACK ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST;

	flags |= info->up ? IFF_UP : 0;
	flags |= running && info->up && info->carrier ? IFF_RUNNING : 0;
	flags |= info->promiscuous ? IFF_PROMISC : 0;
	flags |= info->all_multicast ? IFF_ALLMULTI : 0;
	return flags;
}

int netdev_set_up(struct netdev *n, bool up)
{
	if (netdev_state(n) == NETDEV_ENDED)
		return -ENODEV;
	spin_lock(&n->lock);
	bool other = n->up != up;
	__atomic_store_n(&n->up, up, __ATOMIC_RELEASE);
	spin_unlock(&n->lock);
	if (other)
		netdev_changed(n, NETDEV_CHANGED);
	return 0;
}

int netdev_set_mtu(struct netdev *n, uint32_t mtu)
{
	if (mtu < NETDEV_MTU_MIN || mtu > n->mtu_max)
		return -EINVAL;
	if (__atomic_exchange_n(&n->mtu, mtu, __ATOMIC_RELAXED) != mtu)
		netdev_changed(n, NETDEV_CHANGED);
	return 0;
}

static void call_filter(struct netdev *n)
{
	FAULT_POINT(driver_netdev_filter);
	if (netdev_state(n) == NETDEV_RUNS && n->ops->filter != nullptr &&
	    !guard_run_void(n->ops->component, n->ops->filter(n->dev, n->private)))
		netdev_break(n, "a fault where it was told of its filter");
}

/* The driver is told. It is not suspended meanwhile. */
static void tell_filter(struct netdev *n)
{
	netdev_enter(n);
	if (!guard_run_void(&component_netdev, call_filter(n)))
		netdev_break(n, "a fault of the network floor");
	netdev_leave(n);
}

void netdev_get_filter(struct netdev *n, struct netdev_filter *out)
{
	const struct multicast *m;

	*out = (struct netdev_filter){};
	spin_lock(&n->lock);
	out->promiscuous = n->promiscuous > 0;
	out->all_multicast = n->all_multicast > 0;
	list_for_each(m, &n->multicast, link) {
		if (out->count < NETDEV_MULTICAST_MAX)
			memcpy(out->addresses[out->count++], m->address, NETDEV_ADDRESS);
		else
			out->all_multicast = true;
	}
	spin_unlock(&n->lock);
}

/* A count that goes up or down; the driver hears of the first and of the last. */
static int count_users(struct netdev *n, uint32_t *count, bool on)
{
	if (netdev_state(n) == NETDEV_ENDED)
		return -ENODEV;
	spin_lock(&n->lock);
	bool other = *count == (on ? 0 : 1);
	if (on)
		++*count;
	else if (*count > 0)
		--*count;
	spin_unlock(&n->lock);
	if (other) {
		tell_filter(n);
		netdev_changed(n, NETDEV_CHANGED);
	}
	return 0;
}

int netdev_promiscuous(struct netdev *n, bool on) NO_THREAD_SAFETY
{
	return count_users(n, &n->promiscuous, on);
}

int netdev_all_multicast(struct netdev *n, bool on) NO_THREAD_SAFETY
{
	return count_users(n, &n->all_multicast, on);
}

static struct multicast *find_multicast(struct netdev *n, const uint8_t address[NETDEV_ADDRESS]) REQUIRES(n -> lock)
{
	struct multicast *m;

	list_for_each(m, &n->multicast, link) {
		if (memcmp(m->address, address, NETDEV_ADDRESS) == 0)
			return m;
	}
	return nullptr;
}

int netdev_multicast_add(struct netdev *n, const uint8_t address[NETDEV_ADDRESS])
{
	if (!(address[0] & 1))
		return -EINVAL;
	struct multicast *fresh = kmalloc(sizeof(*fresh));
	if (fresh == nullptr)
		return -ENOMEM;
	memcpy(fresh->address, address, NETDEV_ADDRESS);
	fresh->users = 1;
	spin_lock(&n->lock);
	struct multicast *m = find_multicast(n, address);
	if (m != nullptr)
		m->users++;
	else
		list_push_back(&n->multicast, &fresh->link);
	spin_unlock(&n->lock);
	if (m != nullptr)
		kfree(fresh);
	else
		tell_filter(n);
	return 0;
}

int netdev_multicast_remove(struct netdev *n, const uint8_t address[NETDEV_ADDRESS])
{
	spin_lock(&n->lock);
	struct multicast *m = find_multicast(n, address);
	bool last = m != nullptr && --m->users == 0;
	if (last)
		list_remove(&m->link);
	spin_unlock(&n->lock);
	if (m == nullptr)
		return -ENOENT;
	if (last) {
		kfree(m);
		tell_filter(n);
	}
	return 0;
}
