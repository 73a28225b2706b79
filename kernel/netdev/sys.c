/* SPDX-License-Identifier: MIT */
/*
 * Interfaces in /sys/class/net (Linux, Documentation/ABI/testing/sysfs-class-net and -statistics) and in /proc/net/dev
 * (proc(5)). The argument of a file in /sys is its interface, which lives until its directory has gone.
 */
#include "internal.h"

#include <abi/errno.h>
#include <kernel/base/node.h>
#include <kernel/file/text_file.h>
#include <kernel/mem/text.h>
#include <lib/string.h>

typedef unsigned long long ull;

constexpr uint32_t SEND_QUEUE_LENGTH = 1000;

static struct netdev_info info_of(void *arg)
{
	struct netdev_info info;

	netdev_get_info(arg, &info);
	return info;
}

static int show_address(struct text_buffer *b, const uint8_t *a)
{
	text_printf(b, "%02x:%02x:%02x:%02x:%02x:%02x\n", a[0], a[1], a[2], a[3], a[4], a[5]);
	return 0;
}

static int show_own_address(struct text_buffer *b, void *arg)
{
	return show_address(b, info_of(arg).address);
}

static int show_broadcast(struct text_buffer *b, void *arg)
{
	static const uint8_t loopback[NETDEV_ADDRESS], all[NETDEV_ADDRESS] = {255, 255, 255, 255, 255, 255};

	return show_address(b, info_of(arg).kind == NETDEV_LOOPBACK ? loopback : all);
}

static int show(struct text_buffer *b, uint64_t value)
{
	text_printf(b, "%llu\n", (ull)value);
	return 0;
}

#define SHOWS(function, value)                                                                                         \
	static int function(struct text_buffer *b, void *arg)                                                          \
	{                                                                                                              \
		struct netdev_info i = info_of(arg);                                                                   \
                                                                                                                       \
		return show(b, (value));                                                                               \
	}
SHOWS(show_mtu, i.mtu)
SHOWS(show_index, i.index)
SHOWS(show_type, i.kind)
SHOWS(show_carrier_changes, i.carrier_changes)

static int show_zero(struct text_buffer *b, void *)
{
	return show(b, 0);
}

static int show_address_bytes(struct text_buffer *b, void *)
{
	return show(b, NETDEV_ADDRESS);
}

static int show_queue_length(struct text_buffer *b, void *)
{
	return show(b, SEND_QUEUE_LENGTH);
}

static int show_flags(struct text_buffer *b, void *arg)
{
	struct netdev_info i = info_of(arg);

	text_printf(b, "0x%x\n", netdev_flags(&i, false));
	return 0;
}

/* Of one that is down nobody knows. */
static int show_carrier(struct text_buffer *b, void *arg)
{
	struct netdev_info i = info_of(arg);

	return i.up ? show(b, i.carrier) : -EINVAL;
}

static int show_operstate(struct text_buffer *b, void *arg)
{
	struct netdev_info i = info_of(arg);

	text_printf(b, "%s\n", !i.up || !i.carrier ? "down" : i.kind == NETDEV_LOOPBACK ? "unknown" : "up");
	return 0;
}

static int show_speed(struct text_buffer *b, void *arg)
{
	struct netdev_info i = info_of(arg);

	if (!i.up || i.kind == NETDEV_LOOPBACK)
		return -EINVAL;
	if (!i.carrier || i.mbit == 0)
		text_printf(b, "-1\n");
	else
		text_printf(b, "%u\n", i.mbit);
	return 0;
}

static int show_duplex(struct text_buffer *b, void *arg)
{
	struct netdev_info i = info_of(arg);

	if (!i.up || i.kind == NETDEV_LOOPBACK)
		return -EINVAL;
	text_printf(b, "%s\n", !i.carrier || i.mbit == 0 ? "unknown" : i.full_duplex ? "full" : "half");
	return 0;
}

static long write_mtu(const char *text, size_t n, void *arg)
{
	int64_t mtu;
	int error = knob_parse(text, n, &mtu);

	if (error == 0)
		error = mtu < 0 || mtu > UINT32_MAX ? -EINVAL : netdev_set_mtu(arg, (uint32_t)mtu);
	return error < 0 ? error : (long)n;
}

static int show_uevent(struct text_buffer *b, void *arg)
{
	struct netdev_info i = info_of(arg);

	text_printf(b, "INTERFACE=%s\nIFINDEX=%u\n", i.name, i.index);
	return 0;
}

#define COUNTS(function, value)                                                                                        \
	static int function(struct text_buffer *b, void *arg)                                                          \
	{                                                                                                              \
		struct netdev_stats s;                                                                                 \
                                                                                                                       \
		netdev_get_stats(arg, &s);                                                                             \
		return show(b, (value));                                                                               \
	}
COUNTS(show_rx_packets, s.rx_packets)
COUNTS(show_rx_bytes, s.rx_bytes)
COUNTS(show_rx_errors, s.rx_errors)
COUNTS(show_rx_dropped, s.rx_dropped)
COUNTS(show_rx_missed, s.rx_missed)
COUNTS(show_multicast, s.rx_multicast)
COUNTS(show_tx_packets, s.tx_packets)
COUNTS(show_tx_bytes, s.tx_bytes)
COUNTS(show_tx_errors, s.tx_errors)
COUNTS(show_tx_dropped, s.tx_dropped)

#define ENTRY(entry_name, function)                                                                                    \
	{.component = &component_netdev, .name = (entry_name), .mode = 0444, .show = (function)}
static const struct node_file of_netdev[] = {
	ENTRY("address", show_own_address),
	ENTRY("addr_len", show_address_bytes),
	ENTRY("broadcast", show_broadcast),
	ENTRY("carrier", show_carrier),
	ENTRY("carrier_changes", show_carrier_changes),
	ENTRY("dev_id", show_zero),
	ENTRY("dormant", show_zero),
	ENTRY("duplex", show_duplex),
	ENTRY("flags", show_flags),
	ENTRY("ifindex", show_index),
	ENTRY("iflink", show_index),
	ENTRY("link_mode", show_zero),
	{.component = &component_netdev, .name = "mtu", .mode = 0644, .show = show_mtu, .write = write_mtu},
	ENTRY("operstate", show_operstate),
	ENTRY("speed", show_speed),
	ENTRY("tx_queue_len", show_queue_length),
	ENTRY("type", show_type),
	ENTRY("statistics/collisions", show_zero),
	ENTRY("statistics/multicast", show_multicast),
	ENTRY("statistics/rx_bytes", show_rx_bytes),
	ENTRY("statistics/rx_dropped", show_rx_dropped),
	ENTRY("statistics/rx_errors", show_rx_errors),
	ENTRY("statistics/rx_missed_errors", show_rx_missed),
	ENTRY("statistics/rx_packets", show_rx_packets),
	ENTRY("statistics/tx_bytes", show_tx_bytes),
	ENTRY("statistics/tx_dropped", show_tx_dropped),
	ENTRY("statistics/tx_errors", show_tx_errors),
	ENTRY("statistics/tx_packets", show_tx_packets),
	{},
};

void netdev_show(struct netdev *n)
{
	n->entry = (struct class_entry){.class = "net", .device = n->dev, .uevent = show_uevent, .uevent_arg = n};
	strlcpy(n->entry.name, n->name, sizeof(n->entry.name));
	class_add(&n->entry, of_netdev, n);
}

int netdev_show_class(void)
{
	return tree_path(&sys_tree, "class/net") != nullptr && tree_path(&sys_tree, "devices/virtual/net") != nullptr
		       ? 0
		       : -ENOMEM;
}

static int show_dev(struct text_buffer *b, void *)
{
	text_printf(b, "Inter-|   Receive                                                |  Transmit\n"
		       " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
		       "fifo colls carrier compressed\n");
	for (struct netdev *n = netdev_each(nullptr); n != nullptr; n = netdev_each(n)) {
		struct netdev_stats s;

		netdev_get_stats(n, &s);
		text_printf(
			b, "%6s: %7llu %7llu %4llu %4llu %4u %5u %10u %9llu %8llu %7llu %4llu %4llu %4u %5u %7u %10u\n",
			n->name, (ull)s.rx_bytes, (ull)s.rx_packets, (ull)s.rx_errors,
			(ull)(s.rx_dropped + s.rx_missed), 0u, 0u, 0u, (ull)s.rx_multicast, (ull)s.tx_bytes,
			(ull)s.tx_packets, (ull)s.tx_errors, (ull)s.tx_dropped, 0u, 0u, 0u, 0u);
	}
	return 0;
}

PROC_FILE(net_dev, .component = &component_netdev, .name = "net/dev", .mode = 0444, .show = show_dev);
