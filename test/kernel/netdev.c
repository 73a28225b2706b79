/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces without a card: the way of frames both ways, limits, taps, filters, a driver that breaks and comes
 * back. The driver here keeps what it takes, and a stack of the test's own has the interface to itself.
 */
#include "ktest.h"

#include "kernel/base/log_read.h"

#include <abi/errno.h>
#include <abi/netdevice.h>
#include <kernel/base/fault_point.h>
#include <kernel/netdev/netdev.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t { HELD_MAX = 16, SEND_MAX = 512, ARRIVED_MAX = 1024, BYTES = 100 };

static const uint8_t own[NETDEV_ADDRESS] = {2, 0, 0, 0, 0, 1}, other[NETDEV_ADDRESS] = {2, 0, 0, 0, 0, 2};
static const uint8_t group[NETDEV_ADDRESS] = {1, 0, 0x5e, 0, 0, 1};

static struct {
	struct netdev *n;
	struct net_frame *held[HELD_MAX];
	uint32_t held_count, room, transmits, filters, arrivals, changes, gone;
	bool faults;
} t;
static volatile int *volatile nowhere;

static void transmit(struct device *, void *private, unsigned queue)
{
	t.transmits++;
	EXPECT(private == &t);
	if (t.faults)
		*nowhere = 1;
	while (t.held_count < t.room && (t.held[t.held_count] = netdev_take(t.n, queue)) != nullptr)
		t.held_count++;
}

static void filter(struct device *, void *)
{
	t.filters++;
}

static void arrived(struct netdev *n)
{
	EXPECT(n == t.n);
	t.arrivals++;
}

static void changed(struct netdev *n, enum netdev_change what)
{
	t.changes += n == t.n && what == NETDEV_CHANGED;
	t.gone += n == t.n && what == NETDEV_GONE;
}

static const struct netdev_ops ops = {.component = &component_ktest, .transmit = transmit, .filter = filter};
static const struct netdev_stack stack = {.component = &component_ktest, .arrived = arrived, .changed = changed};

static struct netdev_config config_of(const uint8_t *address)
{
	struct netdev_config c = {.name = "ktest0", .private = &t, .features = NETDEV_PARTS, .stack = &stack};

	memcpy(c.address, address, sizeof(c.address));
	return c;
}

static bool begin(uint32_t room)
{
	struct netdev_config c = config_of(own);

	memset(&t, 0, sizeof(t));
	t.room = room;
	if (!EXPECT_EQ(netdev_register(nullptr, &ops, &c, &t.n), 0))
		return false;
	netdev_link(t.n, true, 1000, true);
	return EXPECT_EQ(netdev_set_up(t.n, true), 0);
}

static void end(void)
{
	netdev_gone(t.n);
	EXPECT_EQ(t.gone, 1);
	EXPECT(netdev_find("ktest0") == nullptr);
}

static struct net_frame *frame_to(const uint8_t *to, size_t bytes)
{
	struct net_frame *f = net_frame_alloc(bytes);

	if (f == nullptr)
		return nullptr;
	for (size_t i = 0; i < bytes; i++) {
		unsigned char byte = (unsigned char)(i * 7);
		(void)net_frame_write(f, i, &byte, 1);
	}
	(void)net_frame_write(f, 0, to, NETDEV_ADDRESS);
	return f;
}

static int send(size_t bytes)
{
	struct net_frame *f = frame_to(other, bytes);

	return f != nullptr ? netdev_transmit(t.n, f) : -ENOMEM;
}

/* As if the device had filled buffers with a frame. */
static bool receive(const uint8_t *to, size_t bytes)
{
	struct net_frame *f = netdev_buffer(t.n);

	if (f == nullptr)
		return false;
	memset(f->data, 0, bytes);
	memcpy(f->data, to, NETDEV_ADDRESS);
	f->length = (uint32_t)bytes;
	netdev_receive(t.n, f);
	return true;
}

static struct netdev_stats stats(void)
{
	struct netdev_stats s;

	netdev_get_stats(t.n, &s);
	return s;
}

static void sent_all(void)
{
	for (uint32_t i = 0; i < t.held_count; i++)
		netdev_sent(t.n, t.held[i], true);
	t.held_count = 0;
	netdev_room(t.n, 0);
}

static void out(void)
{
	if (!begin(4))
		return;
	for (uint32_t i = 0; i < 6; i++)
		EXPECT_EQ(send(BYTES + i), 0);
	EXPECT_EQ(t.held_count, 4);
	uint32_t transmits = t.transmits;
	/* While there is no room the driver is not asked. */
	EXPECT_EQ(send(BYTES), 0);
	EXPECT_EQ(t.transmits, transmits);
	for (uint32_t i = 0; i < 4; i++)
		EXPECT_EQ(t.held[i]->total, BYTES + i);
	sent_all();
	EXPECT_EQ(t.held_count, 3);
	EXPECT_EQ(t.held[0]->total, BYTES + 4);
	EXPECT_EQ(stats().tx_packets, 4);
	EXPECT_EQ(stats().tx_bytes, 4 * BYTES + 6);
	netdev_sent(t.n, t.held[0], false);
	EXPECT_EQ(stats().tx_errors, 1);
	end();
}

/* What cannot be sent is dropped and counted. */
static void refused(void)
{
	if (!begin(0))
		return;
	EXPECT_EQ(send(NETDEV_HEADER - 1), -EMSGSIZE);
	EXPECT_EQ(send(1500 + NETDEV_HEADER + 1), -EMSGSIZE);
	EXPECT_EQ(send(1500 + NETDEV_HEADER), 0);
	struct net_frame *f = frame_to(other, 3000);
	f->gso = NET_GSO_TCP4;
	f->gso_size = 1000;
	f->gso_headers = 54;
	EXPECT_EQ(netdev_transmit(t.n, f), -EOPNOTSUPP);
	f = frame_to(other, BYTES);
	f->flags = NET_FRAME_CHECKSUM;
	f->checksum_start = BYTES - 1;
	EXPECT_EQ(netdev_transmit(t.n, f), -EOPNOTSUPP);
	for (uint32_t i = 1; i < SEND_MAX; i++)
		EXPECT_EQ(send(BYTES), 0);
	EXPECT_EQ(send(BYTES), -ENOBUFS);
	netdev_link(t.n, false, 0, false);
	EXPECT_EQ(send(BYTES), -ENETDOWN);
	netdev_link(t.n, true, 0, false);
	(void)netdev_set_up(t.n, false);
	EXPECT_EQ(send(BYTES), -ENETDOWN);
	EXPECT_EQ(stats().tx_dropped, 7);
	end();
}

/* The checksum is made where the device makes none: over parts of any length. */
static void checksum(void)
{
	unsigned char bytes[BYTES];
	uint32_t sum = 0;

	if (!begin(1))
		return;
	struct net_frame *f = frame_to(other, BYTES);
	f->flags = NET_FRAME_CHECKSUM;
	f->checksum_start = 20;
	f->checksum_offset = 6;
	EXPECT_EQ(netdev_transmit(t.n, f), 0);
	EXPECT_EQ(t.held_count, 1);
	EXPECT_EQ(t.held[0]->flags, 0);
	EXPECT_EQ(net_frame_read(t.held[0], 0, bytes, sizeof(bytes)), BYTES);
	/* What stood in its place was the sum so far, so the whole is all ones but for that. */
	for (uint32_t i = 20; i < BYTES; i += 2)
		sum += (uint32_t)(i == 26 ? (26 * 7 % 256) << 8 | 27 * 7 % 256 : bytes[i] << 8 | bytes[i + 1]);
	sum += (uint32_t)(bytes[26] << 8 | bytes[27]);
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	EXPECT_EQ(sum, UINT16_MAX);
	end();
}

static void in(void)
{
	struct net_frame *f;

	if (!begin(0))
		return;
	EXPECT(receive(own, BYTES));
	EXPECT(receive(group, BYTES));
	EXPECT(receive(other, BYTES)); /* for somebody else: not for the stack */
	EXPECT(receive(own, NETDEV_HEADER - 1));
	EXPECT_EQ(t.arrivals, 0);
	netdev_receive_end(t.n);
	netdev_receive_end(t.n);
	EXPECT(receive(own, BYTES));
	netdev_receive_end(t.n);
	/* It was told, and has not looked yet. */
	EXPECT_EQ(t.arrivals, 1);
	for (uint32_t i = 0; i < 3; i++) {
		f = netdev_received(t.n);
		EXPECT(f != nullptr && f->total == BYTES && f->from == t.n);
		net_frame_free(f);
	}
	EXPECT(netdev_received(t.n) == nullptr);
	EXPECT(receive(own, BYTES));
	netdev_receive_end(t.n);
	EXPECT_EQ(t.arrivals, 2);
	EXPECT_EQ(stats().rx_packets, 5);
	EXPECT_EQ(stats().rx_multicast, 1);
	EXPECT_EQ(stats().rx_errors, 1);
	(void)netdev_set_up(t.n, false);
	EXPECT(receive(own, BYTES));
	EXPECT_EQ(stats().rx_packets, 5);
	end();
}

/* A stack that does not look has so many frames and no more. */
static void in_limit(void)
{
	if (!begin(0))
		return;
	for (uint32_t i = 0; i < ARRIVED_MAX + 5; i++)
		EXPECT(receive(own, BYTES));
	EXPECT_EQ(stats().rx_dropped, 5);
	end();
}

static void parts(void)
{
	unsigned char bytes[8], wanted[8];

	if (!begin(1))
		return;
	(void)netdev_set_mtu(t.n, 1500);
	EXPECT_EQ(netdev_set_mtu(t.n, 1501), -EINVAL);
	EXPECT_EQ(netdev_set_mtu(t.n, NETDEV_MTU_MIN - 1), -EINVAL);
	struct net_frame *f = frame_to(other, 2 * NET_FRAME_PART_MAX + 10);
	if (!EXPECT(f != nullptr && f->more != nullptr && f->more->more != nullptr && f->more->more->more == nullptr))
		return end();
	struct net_frame *copy = net_frame_copy(f);
	EXPECT_EQ(net_frame_read(copy, NET_FRAME_PART_MAX - 4, bytes, sizeof(bytes)), sizeof(bytes));
	for (uint32_t i = 0; i < sizeof(wanted); i++)
		wanted[i] = (unsigned char)((NET_FRAME_PART_MAX - 4 + i) * 7);
	EXPECT(memcmp(bytes, wanted, sizeof(wanted)) == 0);
	EXPECT_EQ(net_frame_read(copy, copy->total - 3, bytes, sizeof(bytes)), 3);
	net_frame_trim(copy, NET_FRAME_PART_MAX + 1);
	EXPECT(copy->total == NET_FRAME_PART_MAX + 1 && copy->more != nullptr && copy->more->length == 1);
	EXPECT(net_frame_push(copy, NET_FRAME_HEADROOM));
	EXPECT(!net_frame_push(copy, 1));
	EXPECT(net_frame_pull(copy, NET_FRAME_HEADROOM));
	EXPECT_EQ(copy->total, NET_FRAME_PART_MAX + 1);
	net_frame_free(copy);
	net_frame_free(f);
	EXPECT(net_frame_alloc(NET_FRAME_BYTES_MAX + 1) == nullptr);
	/* Received in two buffers: the device's claim is taken, as it has no limit here but the interface's. */
	f = netdev_buffer(t.n);
	f->more = netdev_buffer(t.n);
	memcpy(f->data, own, sizeof(own));
	f->length = 1000;
	f->more->length = 518;
	netdev_receive(t.n, f);
	f = netdev_received(t.n);
	EXPECT(f != nullptr && f->total == 1518 && f->more != nullptr);
	net_frame_free(f);
	f = netdev_buffer(t.n);
	f->length = 1519;
	netdev_receive(t.n, f);
	EXPECT_EQ(stats().rx_errors, 1);
	end();
}

static struct netdev_tap tap;
static uint32_t tapped[2];

static void look(struct netdev_tap *which, struct netdev *n, const struct net_frame *f, enum netdev_way way)
{
	EXPECT(which == &tap && n == t.n && f->total == BYTES);
	tapped[way]++;
}

static void tap_sees_all(void)
{
	if (!begin(1))
		return;
	tap = (struct netdev_tap){.component = &component_ktest, .of = t.n, .frame = look};
	tapped[NETDEV_IN] = tapped[NETDEV_OUT] = 0;
	netdev_tap_add(&tap);
	EXPECT_EQ(send(BYTES), 0);
	EXPECT(receive(own, BYTES));
	EXPECT(receive(other, BYTES));
	EXPECT_EQ(tapped[NETDEV_IN], 2);
	EXPECT_EQ(tapped[NETDEV_OUT], 1);
	netdev_tap_remove(&tap);
	EXPECT(receive(own, BYTES));
	EXPECT_EQ(tapped[NETDEV_IN], 2);
	end();
}

static void filters(void)
{
	struct netdev_filter f;

	if (!begin(0))
		return;
	EXPECT_EQ(netdev_multicast_add(t.n, own), -EINVAL);
	EXPECT_EQ(netdev_multicast_remove(t.n, group), -ENOENT);
	EXPECT_EQ(netdev_multicast_add(t.n, group), 0);
	EXPECT_EQ(netdev_multicast_add(t.n, group), 0);
	EXPECT_EQ(netdev_promiscuous(t.n, true), 0);
	EXPECT_EQ(netdev_promiscuous(t.n, true), 0);
	EXPECT_EQ(t.filters, 2);
	netdev_get_filter(t.n, &f);
	EXPECT(f.promiscuous && !f.all_multicast && f.count == 1);
	EXPECT(memcmp(f.addresses[0], group, sizeof(group)) == 0);
	EXPECT_EQ(netdev_promiscuous(t.n, false), 0);
	EXPECT_EQ(netdev_multicast_remove(t.n, group), 0);
	EXPECT_EQ(t.filters, 2);
	EXPECT_EQ(netdev_promiscuous(t.n, false), 0);
	EXPECT_EQ(netdev_multicast_remove(t.n, group), 0);
	EXPECT_EQ(t.filters, 4);
	/* More than a filter has: all of them. */
	for (uint8_t i = 0; i <= NETDEV_MULTICAST_MAX; i++)
		EXPECT_EQ(netdev_multicast_add(t.n, (uint8_t[NETDEV_ADDRESS]){1, 2, 3, 4, 5, i}), 0);
	netdev_get_filter(t.n, &f);
	EXPECT(f.all_multicast && f.count == NETDEV_MULTICAST_MAX);
	end();
}

/* The driver faults while it has frames and buffers: they are lost, the interface is not. */
static void breaks(void)
{
	struct netdev_config c = config_of(own);
	struct netdev *before;
	struct netdev_info info;
	uint32_t changes;

	if (!begin(2))
		return;
	for (uint32_t i = 0; i < 3; i++)
		EXPECT_EQ(send(BYTES), 0);
	EXPECT(netdev_buffer(t.n) != nullptr);
	t.faults = true;
	sent_all();
	before = t.n;
	EXPECT_EQ(send(BYTES), -ENETDOWN);
	netdev_get_info(t.n, &info);
	EXPECT(info.up && !info.carrier && info.carrier_changes == 2);
	EXPECT_EQ(netdev_register(nullptr, &ops, &c, &t.n), -EEXIST);
	netdev_suspend(t.n);
	netdev_suspend(t.n);
	t.faults = false;
	t.held_count = 0;
	changes = t.changes;
	EXPECT_EQ(netdev_register(nullptr, &ops, &c, &t.n), 0);
	EXPECT(t.n == before);
	netdev_link(t.n, true, 1000, true);
	EXPECT_EQ(t.changes, changes + 1);
	EXPECT_EQ(send(BYTES), 0);
	EXPECT_EQ(t.held_count, 1);
	sent_all();
	EXPECT_EQ(stats().tx_packets, 3);
	end();
}

/* Lines of the log from there on that tell of the interface's link. */
static unsigned told_of_link(struct log_cursor from)
{
	struct log_record record;
	char text[LOG_TEXT_MAX];
	unsigned found = 0;

	while (log_get(&from, &record, text, sizeof(text))) {
		text[MIN(record.length, sizeof(text) - 1)] = '\0';
		const char *rest = strchr(text, ':');

		found += rest != nullptr &&
			 (strncmp(rest, ": carrier", 9) == 0 || strncmp(rest, ": no carrier", 12) == 0 ||
			  strncmp(rest, ": its link", 10) == 0);
	}
	return found;
}

/* A link that changes without an end is counted each time, and does not fill the log. */
static void link_changes(void)
{
	enum { CHANGES = 200 };
	uint64_t start = ktest_now();
	struct netdev_info info;
	uint32_t changes;

	if (!begin(1))
		return;
	struct log_cursor from = log_newest();

	changes = t.changes;
	for (unsigned i = 0; i < CHANGES; i++)
		netdev_link(t.n, i % 2 != 0, 100, true);
	unsigned told = told_of_link(from);
	uint64_t minutes = (ktest_now() - start) / (60'000 * MS);

	EXPECT(told >= NETDEV_LINKS_TOLD / 2 && told <= (NETDEV_LINKS_TOLD + 1) * (minutes + 1));
	netdev_get_info(t.n, &info);
	EXPECT_EQ(info.carrier_changes, CHANGES + 1);
	EXPECT_EQ(t.changes, changes + CHANGES);
	end();
}

/* It gives back what it does not have. */
static void strays(void)
{
	struct net_frame *f;

	if (!begin(1))
		return;
	EXPECT_EQ(send(BYTES), 0);
	netdev_sent(t.n, t.held[0], true);
	f = net_frame_alloc(BYTES);
	netdev_sent(t.n, f, true);
	netdev_discard(t.n, f, true);
	EXPECT_EQ(stats().tx_packets, 1);
	EXPECT_EQ(stats().rx_errors, 0);
	netdev_receive(t.n, f);
	EXPECT_EQ(send(BYTES), -ENETDOWN);
	net_frame_free(f);
	end();
}

/* Many more frames than are kept: none is lost, and each is the pool's again. */
static void pool(void)
{
	struct net_frame_stats before, after;
	struct list all = LIST_INIT(all);
	uint32_t count = 0;

	net_frame_stats(&before);
	for (struct net_frame *f; count <= before.parts_max && (f = net_frame_alloc(1)) != nullptr; count++)
		list_push_back(&all, &f->link);
	net_frame_stats(&after);
	EXPECT(count <= before.parts_max && after.parts <= after.parts_max && after.refused > before.refused);
	while (!list_empty(&all)) {
		struct net_frame *f = list_first(&all, struct net_frame, link);

		list_remove(&f->link);
		net_frame_free(f);
	}
	/* Cards that the machine has take and give back frames meanwhile. */
	EXPECT(WAIT_UNTIL((net_frame_stats(&after), after.parts - after.free <= before.parts - before.free)));
}

static void bad_configs(void)
{
	struct netdev_config c = config_of(group);
	struct netdev *n;

	EXPECT_EQ(netdev_register(nullptr, &ops, &c, &n), -EINVAL);
	c = config_of((uint8_t[NETDEV_ADDRESS]){});
	EXPECT_EQ(netdev_register(nullptr, &ops, &c, &n), -EINVAL);
	c = config_of(own);
	c.mtu_max = 67;
	EXPECT_EQ(netdev_register(nullptr, &ops, &c, &n), -EINVAL);
	c = config_of(own);
	c.queues = NETDEV_QUEUES_MAX + 1;
	EXPECT_EQ(netdev_register(nullptr, &ops, &c, &n), -EINVAL);
	c = config_of(own);
	c.name = "sixteen-letters.";
	EXPECT_EQ(netdev_register(nullptr, &ops, &c, &n), -EINVAL);
	if (!begin(0))
		return;
	c = config_of(other);
	EXPECT_EQ(netdev_register(nullptr, &ops, &c, &n), -EEXIST);
	struct netdev_info info;
	netdev_get_info(t.n, &info);
	EXPECT_EQ(netdev_flags(&info, true), IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST);
	EXPECT(info.mtu == 1500 && info.index > 1 && strcmp(info.name, "ktest0") == 0);
	end();
}

#if STELLUX_DEBUG
static void faults_at(uint32_t point)
{
	fault_point_arm(point, thread_current()->name, 1, 1);
}

/* The interface's driver is broken by it; what it can still do is be suspended, and come back. */
static void was_broken_by_own(void)
{
	struct netdev_config c = config_of(own);
	uint32_t passed, faulted;

	fault_point_counts(&passed, &faulted);
	fault_point_arm(FAULT_POINT_NONE, "", 1, 0);
	EXPECT_EQ(faulted, 1);
	netdev_suspend(t.n);
	EXPECT_EQ(netdev_register(nullptr, &ops, &c, &t.n), 0);
	netdev_link(t.n, true, 1000, true);
	EXPECT_EQ(send(BYTES), 0);
	EXPECT_EQ(t.held_count, 1);
	end();
}

/* The floor itself faults while it hands frames over, or tells of the filter, or suspends. */
static void own_faults(void)
{
	if (!begin(1))
		return;
	faults_at(FAULT_POINT_driver_netdev_hand_over);
	EXPECT_EQ(send(BYTES), 0);
	was_broken_by_own();
	if (!begin(1))
		return;
	faults_at(FAULT_POINT_driver_netdev_filter);
	EXPECT_EQ(netdev_promiscuous(t.n, true), 0);
	was_broken_by_own();
	if (!begin(1))
		return;
	faults_at(FAULT_POINT_driver_netdev_suspended);
	EXPECT(!guard_run_void(&component_ktest, netdev_suspend(t.n)));
	was_broken_by_own();
}
#define OWN_FAULTS KTEST("own_faults", own_faults, .modes = IN_FULL),
#else
#define OWN_FAULTS
#endif

KTEST_SUITE(netdev, OWN_FAULTS KTEST("out", out), KTEST("refused", refused), KTEST("checksum", checksum),
	    KTEST("in", in), KTEST("in_limit", in_limit), KTEST("parts", parts), KTEST("tap", tap_sees_all),
	    KTEST("filters", filters), KTEST("breaks", breaks, .modes = IN_FULL), KTEST("strays", strays),
	    KTEST("pool", pool), KTEST("link_changes", link_changes), KTEST("bad_configs", bad_configs));
