/* SPDX-License-Identifier: MIT */
/*
 * The machine's network cards, each at a user network of QEMU's: frames go out and come in whole, whatever their size;
 * the driver is restarted, and strays, in the middle of it. A machine without cards has none of these cases.
 */
#include "net_peer.h"

#include <kernel/base/fault_point.h>
#include <kernel/device/device.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t { MANY = 400 };

static struct peer peer;

static bool has_cards(void)
{
	struct netdev *n = netdev_each(nullptr);
	bool any = false;

	for (; n != nullptr; n = netdev_each(n))
		any |= netdev_device(n) != nullptr;
	return any;
}

/* Runs a case with each card of the machine. */
static void with_each(void (*run)(struct peer *p))
{
	for (uint32_t i = 0; peer_begin(&peer, i); i++) {
		if (EXPECT(WAIT_UNTIL((netdev_get_info(peer.n, &peer.info), peer.info.carrier))) &&
		    EXPECT(peer_find(&peer)))
			run(&peer);
		EXPECT_EQ(peer.wrong, 0);
		peer_end(&peer);
	}
}

static void lease_of(struct peer *p)
{
	for (int tries = 0; tries < WAIT_LOOKS && __atomic_load_n(&p->offers, __ATOMIC_ACQUIRE) == 0; tries++) {
		peer_ask_lease(p);
		sleep_ns(10 * MS);
	}
	EXPECT(p->offers > 0);
}

static void lease(void)
{
	with_each(lease_of);
}

/* From the shortest to the longest that fits; what is sent and what comes is counted. */
static void sizes_of(struct peer *p)
{
	static const uint32_t sizes[] = {0, 1, 18, 19, 63, 64, 65, 1000, 1471, 1472};
	struct netdev_stats before, after;

	netdev_get_stats(p->n, &before);
	for (uint32_t i = 0; i < ARRAY_LEN(sizes); i++)
		EXPECT(peer_echo_all(p, 3, sizes[i]));
	netdev_get_stats(p->n, &after);
	EXPECT(after.rx_packets - before.rx_packets >= 3 * ARRAY_LEN(sizes));
	EXPECT(after.rx_bytes - before.rx_bytes >= 3 * ARRAY_LEN(sizes) * ECHO_HEADERS);
	EXPECT_EQ(after.rx_errors, before.rx_errors);
	EXPECT_EQ(after.tx_errors, before.tx_errors);
	/* The card says by itself that it has sent all, although nothing more is given to it. */
	EXPECT(WAIT_UNTIL(
		(netdev_get_stats(p->n, &after), after.tx_packets - before.tx_packets >= 3 * ARRAY_LEN(sizes))));
}

static void sizes(void)
{
	with_each(sizes_of);
}

/* More than the rings have places; afterwards no frame is missing. */
static void many_of(struct peer *p)
{
	struct net_frame_stats before, after;

	EXPECT(peer_echo_all(p, 16, 1400));
	net_frame_stats(&before);
	EXPECT(peer_echo_all(p, MANY, 1400));
	EXPECT(WAIT_UNTIL((net_frame_stats(&after), after.parts - after.free <= before.parts - before.free + 16)));
}

static void many(void)
{
	with_each(many_of);
}

/* More at once than the card's ring takes: what does not fit waits, what does not fit there is refused, all else goes.
 */
static void burst_of(struct peer *p)
{
	struct netdev_stats before, after;
	struct device_info device;

	device_get_info(netdev_device(p->n), &device);
	uint32_t faults = device.faults;
	netdev_get_stats(p->n, &before);
	for (uint32_t i = 0; i < 1000; i++)
		peer_echo(p, (uint16_t)i, 1000);
	EXPECT(peer_echo_all(p, 8, 100));
	netdev_get_stats(p->n, &after);
	EXPECT(after.tx_packets > before.tx_packets);
	EXPECT_EQ(after.tx_errors, before.tx_errors);
	device_get_info(netdev_device(p->n), &device);
	EXPECT_EQ(device.faults, faults);
}

static void burst(void)
{
	with_each(burst_of);
}

/* With any filter what is for this station comes. */
static void filters_of(struct peer *p)
{
	static const uint8_t group[NETDEV_ADDRESS] = {1, 0, 0x5e, 1, 2, 3};

	for (int round = 0; round < 3; round++) {
		EXPECT_EQ(netdev_promiscuous(p->n, true), 0);
		EXPECT_EQ(netdev_all_multicast(p->n, true), 0);
		EXPECT(peer_echo_all(p, 4, 100));
		EXPECT_EQ(netdev_multicast_add(p->n, group), 0);
		EXPECT_EQ(netdev_promiscuous(p->n, false), 0);
		EXPECT_EQ(netdev_all_multicast(p->n, false), 0);
		EXPECT(peer_echo_all(p, 4, 100));
		EXPECT_EQ(netdev_multicast_remove(p->n, group), 0);
	}
}

static void filters(void)
{
	with_each(filters_of);
}

static bool lets_through(struct netdev *n, const uint8_t group[NETDEV_ADDRESS])
{
	struct netdev_filter f;

	netdev_get_filter(n, &f);
	for (uint32_t i = 0; i < f.count; i++)
		if (memcmp(f.addresses[i], group, NETDEV_ADDRESS) == 0)
			return true;
	return false;
}

/* What every station is to hear (RFC 1112, 4 and RFC 4291, 2.8), the stack has the card let through. */
static void groups_of(struct peer *p)
{
	static const uint8_t systems[NETDEV_ADDRESS] = {1, 0, 0x5e, 0, 0, 1},
			     nodes[NETDEV_ADDRESS] = {0x33, 0x33, 0, 0, 0, 1};

	EXPECT(WAIT_UNTIL(lets_through(p->n, systems)));
	EXPECT(WAIT_UNTIL(lets_through(p->n, nodes)));
}

static void groups(void)
{
	with_each(groups_of);
}

static void restarts_of(struct peer *p)
{
	struct device *dev = netdev_device(p->n);
	struct netdev_info before, after;
	struct device_info device;

	netdev_get_info(p->n, &before);
	device_get_info(dev, &device);
	uint32_t restarts = device.restarts;
	for (uint32_t round = 1; round <= 3; round++) {
		EXPECT_EQ(device_restart(dev), 0);
		EXPECT(WAIT_UNTIL((device_get_info(dev, &device), device.restarts >= restarts + round)));
		EXPECT(peer_echo_all(p, 40, 700));
	}
	netdev_get_info(p->n, &after);
	EXPECT(after.index == before.index && strcmp(after.name, before.name) == 0 && after.up && after.carrier);
	EXPECT(after.carrier_changes >= before.carrier_changes + 6);
}

static void restarts(void)
{
	with_each(restarts_of);
}

#if STELLUX_DEBUG
/* The fault points of the card's driver; nullptr: it has none. */
struct points {
	const char *driver;
	uint32_t receive, transmit, interrupt;
	uint32_t unheard; /* the device is not told of a frame; FAULT_POINT_NONE: it has no such point */
};

static const struct points *points_of(const struct peer *p)
{
	static const struct points all[] = {
		{"virtio_net", FAULT_POINT_driver_virtio_net_receive, FAULT_POINT_driver_virtio_net_transmit,
		 FAULT_POINT_driver_virtio_net_interrupt, FAULT_POINT_NONE},
		{"e1000e", FAULT_POINT_driver_e1000e_receive, FAULT_POINT_driver_e1000e_transmit,
		 FAULT_POINT_driver_e1000e_interrupt, FAULT_POINT_driver_e1000e_unheard},
	};

	for (uint32_t i = 0; i < ARRAY_LEN(all); i++)
		if (strcmp(device_driver(netdev_device(p->n))->name, all[i].driver) == 0)
			return &all[i];
	return nullptr;
}

static bool has_point(const struct peer *p)
{
	return points_of(p) != nullptr;
}

/* The driver writes to where it may not, in the middle: it is blamed and begins anew, and what was lost is sent again.
 */
static void strays_at(struct peer *p, uint32_t point, const char *thread)
{
	struct device *dev = netdev_device(p->n);
	struct device_info before, after;
	uint32_t passed, faulted;

	device_get_info(dev, &before);
	fault_point_arm(point, thread, 20, 1);
	EXPECT(peer_echo_all(p, MANY, 1000));
	fault_point_counts(&passed, &faulted);
	fault_point_arm(FAULT_POINT_NONE, "", 1, 0);
	EXPECT_EQ(faulted, 1);
	EXPECT(WAIT_UNTIL((device_get_info(dev, &after), after.faults > before.faults && after.state == DEVICE_UP)));
	EXPECT(peer_echo_all(p, 8, 100));
}

static void strays_receiving_of(struct peer *p)
{
	if (has_point(p))
		strays_at(p, points_of(p)->receive, device_name(netdev_device(p->n)));
}

static void strays_receiving(void)
{
	with_each(strays_receiving_of);
}

static void strays_sending_of(struct peer *p)
{
	if (has_point(p))
		strays_at(p, points_of(p)->transmit, thread_current()->name);
}

static void strays_sending(void)
{
	with_each(strays_sending_of);
}

/* The same through a pointer that points nowhere. */
static void wild_of(struct peer *p)
{
	if (!has_point(p))
		return;
	fault_point_wild(true);
	strays_at(p, points_of(p)->receive, device_name(netdev_device(p->n)));
	fault_point_wild(false);
}

static void wild(void)
{
	with_each(wild_of);
}

/* The device is never told of frames that it has, so that its ring is stuck: the driver finds that out by itself, the
 * device is reset, and all goes on. */
static void stuck_of(struct peer *p)
{
	struct device *dev = netdev_device(p->n);
	struct device_info before, after;

	if (!has_point(p) || points_of(p)->unheard == FAULT_POINT_NONE)
		return;
	device_get_info(dev, &before);
	fault_point_arm(points_of(p)->unheard, thread_current()->name, 1, UINT32_MAX / 2);
	/* What others send meanwhile has the device see these, too. */
	EXPECT(WAIT_UNTIL((peer_say_nothing(p), device_get_info(dev, &after), after.faults > before.faults)));
	fault_point_arm(FAULT_POINT_NONE, "", 1, 0);
	EXPECT(WAIT_UNTIL((device_get_info(dev, &after), after.state == DEVICE_UP)));
	EXPECT(peer_echo_all(p, 8, 100));
}

static void stuck(void)
{
	with_each(stuck_of);
}

static uint32_t disarm(void)
{
	uint32_t passed, faulted;

	fault_point_counts(&passed, &faulted);
	fault_point_arm(FAULT_POINT_NONE, "", 1, 0);
	return faulted;
}

/* An interrupt is lost: the next one brings what came. */
static void lost_interrupt_of(struct peer *p)
{
	if (!has_point(p))
		return;
	fault_point_arm(points_of(p)->interrupt, device_name(netdev_device(p->n)), 2, 3);
	EXPECT(peer_echo_all(p, 100, 500));
	EXPECT_EQ(disarm(), 3);
}

/* It is that of the last frames that were sent, which nobody answers: the driver looks by itself, a while later, and
 * none of them is kept. */
static void lost_the_last_of(struct peer *p)
{
	enum { ROUNDS = 20, UNTOLD = 64 };
	struct netdev_stats before, after;
	uint32_t lost = 0;

	for (uint32_t round = 0; round < ROUNDS && lost == 0 && has_point(p); round++) {
		netdev_get_stats(p->n, &before);
		fault_point_arm(points_of(p)->interrupt, device_name(netdev_device(p->n)), 1, 1);
		for (uint32_t i = 0; i < UNTOLD; i++)
			peer_say_nothing(p);
		EXPECT(WAIT_UNTIL((netdev_get_stats(p->n, &after), after.tx_packets - before.tx_packets >= UNTOLD)));
		/* The card may have sent all before it had to tell of any. */
		lost = disarm();
	}
	EXPECT(lost == 1 || !has_point(p));
	EXPECT(peer_echo_all(p, 8, 100));
}

static void lost_the_last(void)
{
	with_each(lost_the_last_of);
}

static void lost_interrupt(void)
{
	with_each(lost_interrupt_of);
}

#define STRAYS                                                                                                         \
	KTEST("strays_receiving", strays_receiving, .modes = IN_FULL, .fits = has_cards),                              \
		KTEST("strays_sending", strays_sending, .modes = IN_FULL, .fits = has_cards),                          \
		KTEST("wild_pointer", wild, .modes = IN_FULL, .fits = has_cards),                                      \
		KTEST("stuck", stuck, .fits = has_cards), KTEST("lost_interrupt", lost_interrupt, .fits = has_cards),  \
		KTEST("the last interrupt is lost", lost_the_last, .fits = has_cards)
#else
#define STRAYS                                                                                                         \
	{                                                                                                              \
	}
#endif

KTEST_SUITE(net_card, KTEST("lease", lease, .fits = has_cards), KTEST("sizes", sizes, .fits = has_cards),
	    KTEST("many", many, .fits = has_cards), KTEST("burst", burst, .fits = has_cards),
	    KTEST("filters", filters, .fits = has_cards), KTEST("groups", groups, .fits = has_cards),
	    KTEST("restarts", restarts, .fits = has_cards), STRAYS);
