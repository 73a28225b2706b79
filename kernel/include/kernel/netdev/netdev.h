/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces: what drivers of cards register with, and what the network stack sends and receives by.
 *
 * An interface is an object of this floor and outlives its driver: its name and number, whether it is up, its hardware
 * address, multicast filter and counters stay. When the driver breaks, or its device is restarted, the interface has no
 * carrier; when a driver registers one with the same identity (device and hardware address) it goes on. Only the end of
 * the device itself ends it. Frames that a driver had when it broke are lost, as frames are; their memory is used again
 * only once the device has been silenced.
 *
 *	stack:   netdev_set_stack(&stack); netdev_transmit(n, frame);  in arrived: wake a thread, which does
 *	         while ((f = netdev_received(n)) != nullptr) …
 *	driver:  attach: netdev_register(); netdev_link()
 *	         transmit: while (there is room && (f = netdev_take(n, queue)) != nullptr) into the ring
 *	         serve: netdev_sent() for what the device has read, then netdev_room(); netdev_buffer() for what it may
 *	         fill; netdev_receive() for what it filled, after a batch netdev_receive_end()
 *
 * Locks: RANK_NETDEVS (which interfaces there are) and RANK_NETDEV (one's queues), spinlocks, never held while a
 *driver, the stack or a tap is called.
 */
#ifndef KERNEL_NETDEV_NETDEV_H
#define KERNEL_NETDEV_NETDEV_H

#include <kernel/netdev/frame.h>

struct component;
struct device;
struct netdev;

constexpr size_t NETDEV_NAME_MAX = 16;	 /* with the end (netdevice(7): IFNAMSIZ) */
constexpr size_t NETDEV_ADDRESS = 6;	 /* bytes of a hardware address */
constexpr uint32_t NETDEV_HEADROOM = 16; /* that a frame to be sent has yet, for the driver */
constexpr uint32_t NETDEV_HEADER = 14;	 /* of an Ethernet frame: two addresses and the protocol */
constexpr uint32_t NETDEV_MTU_MIN = 68;	 /* RFC 791 */
constexpr uint32_t NETDEV_QUEUES_MAX = 8;
constexpr uint32_t NETDEV_MULTICAST_MAX = 32; /* addresses that a filter has; with more all are received */

/* What the device does by itself. */
enum netdev_features : uint32_t {
	NETDEV_CHECKSUM = 1, /* NET_FRAME_CHECKSUM of frames to be sent; without it this floor does it */
	NETDEV_GSO_TCP4 = 2, /* NET_GSO_*: a stack must not send such frames without */
	NETDEV_GSO_TCP6 = 4,
	NETDEV_PARTS = 8, /* takes frames of several parts; without it this floor refuses them */
};

struct netdev_filter {
	bool promiscuous, all_multicast;
	uint32_t count;
	uint8_t addresses[NETDEV_MULTICAST_MAX][NETDEV_ADDRESS];
};

struct netdev_ops {
	struct component *component; /* the driver's: its functions run under its guard */
	/* Frames wait in that queue: netdev_take() as long as there is room. Or wakes the driver's thread, which does.
	 * By one thread at a time for each queue, any thread; never parks. A fault in it breaks the driver. */
	void (*transmit)(struct device *dev, void *private, unsigned queue);
	/* The filter is another: wakes the driver's thread, which asks netdev_get_filter(). Any thread; never parks.
	 * nullptr: the device has none, and receives all there is. */
	void (*filter)(struct device *dev, void *private);
};

struct netdev_stack;
enum netdev_way : uint8_t { NETDEV_IN, NETDEV_OUT };
enum netdev_kind : uint16_t { NETDEV_ETHERNET = 1, NETDEV_LOOPBACK = 772 }; /* ARPHRD_* of Linux */
struct netdev_config {
	enum netdev_kind kind; /* 0: Ethernet */
	const char *name;      /* its whole name; nullptr: eth0, eth1, … */
	void *private;	       /* the functions' argument */
	uint8_t address[NETDEV_ADDRESS];
	uint32_t mtu_max;  /* of the device; 0: 1500. Its MTU is 1500 at first, or that if it is less */
	uint32_t features; /* enum netdev_features */
	uint32_t queues;   /* that transmit knows, from 0; 0: one */
	/* Who sends and receives by it; nullptr: the machine's stack (netdev_set_stack). */
	const struct netdev_stack *stack;
};

/* --- for drivers --- */

/*
 * By a driver's attach, when transmit may be called. dev is nullptr for an interface without a device (private is all
 * it has). *out stays valid until the driver's round ends. There is no carrier yet. -EINVAL: no unicast address, or
 * another thing that cannot be; -EEXIST: it is there and works, or has the name; -ENOMEM. May sleep.
 */
[[nodiscard]] int netdev_register(struct device *dev, const struct netdev_ops *ops, const struct netdev_config *config,
				  struct netdev **out);
/* The next frame to be sent, which the driver has until netdev_sent; nullptr: none. Only where ops->transmit may be, or
 * in it. */
struct net_frame *netdev_take(struct netdev *n, unsigned queue);
/* The device is done with a frame that was taken, and sent it or did not. It is freed. Any thread of the driver. */
void netdev_sent(struct netdev *n, struct net_frame *f, bool ok);
/* After transmit left frames for want of room: there is some. Calls transmit. Without locks that it takes. */
void netdev_room(struct netdev *n, unsigned queue);
/* An empty frame of one part, of which the driver may lend NET_FRAME_PART_MAX bytes at data; the driver has it until
 * netdev_receive or netdev_discard. nullptr: none, for want of memory: to be tried again later. May sleep. */
struct net_frame *netdev_buffer(struct netdev *n);
/*
 * The device has filled a buffer: f->length is set (and f->flags, gso); f->more are further buffers of the same frame,
 * with their lengths. Frames that are too short or too long are counted and freed. The stack is woken at the batch's
 * end. One thread at a time.
 */
void netdev_receive(struct netdev *n, struct net_frame *f);
void netdev_receive_end(struct netdev *n);
/* A buffer that is not used, or in which something else than a frame is (`bad`: it is counted). */
void netdev_discard(struct netdev *n, struct net_frame *f, bool bad);
/* Frames that the device could not give anybody. */
void netdev_count_missed(struct netdev *n, uint64_t frames);
constexpr uint32_t NETDEV_LINKS_TOLD = 10; /* changes of carrier that the log tells of in a minute */
/* Carrier; mbit: 0 is unknown. Any thread of the driver; does not sleep. */
void netdev_link(struct netdev *n, bool up, uint32_t mbit, bool full_duplex);
void netdev_get_filter(struct netdev *n, struct netdev_filter *out);
/* Nobody is in the driver's functions any more, and none enters them, until it is registered again; no carrier. The
 * device core does it for an interface with a device. May sleep. */
void netdev_suspend(struct netdev *n);
/* Packets that an interface without a device has sent and received at once, without frames: they are counted. */
void netdev_count_looped(struct netdev *n, uint32_t bytes);
void netdev_count_dropped(struct netdev *n); /* one of them was not */
/* Whether anybody wants to see frames, as one of those would be; and shows it. */
bool netdev_is_tapped(void);
void netdev_show_taps(struct netdev *n, const struct net_frame *f, enum netdev_way way);
/* For good, of an interface without a device; the device core does it for others. May sleep. */
void netdev_gone(struct netdev *n);

/* --- for the stack --- */

enum netdev_change : uint32_t {
	NETDEV_NEW,	/* it is there */
	NETDEV_CHANGED, /* up, down, carrier, MTU, address, name: look */
	NETDEV_GONE,	/* for good */
};
/* Both are called without locks, under the guard of `component`, and must only wake: no parking. */
struct netdev_stack {
	struct component *component;
	void (*arrived)(struct netdev *n); /* after a batch, if the stack had taken all before */
	void (*changed)(struct netdev *n, enum netdev_change what);
};
/* Once. What is there already is told as new. */
void netdev_set_stack(const struct netdev_stack *s);
/* Others that hear of changes, for good. Called as the stack's, after it. What is there already is not told. */
struct netdev_watch {
	struct component *component;
	void (*changed)(struct netdev *n, enum netdev_change what);
	struct netdev_watch *next; /* netdev's own */
};
void netdev_watch_add(struct netdev_watch *w);
/* A frame that has arrived, with everything from the hardware header on; nullptr: none (and arrived will be called). */
struct net_frame *netdev_received(struct netdev *n);
/* The frame is not the caller's any more, whatever happens. 0; -ENETDOWN: not up, or no carrier; -ENOBUFS: its queue is
 * full; -EMSGSIZE: longer than the MTU and a header; -EINVAL: too little headroom; -EOPNOTSUPP: what the device cannot
 * do; -ENODEV: it is gone. All but 0 are counted as dropped. Any thread, without spinlocks. */
int netdev_transmit(struct netdev *n, struct net_frame *f);

/* With a reference, or nullptr. Any context. */
struct netdev *netdev_find(const char *name);
struct netdev *netdev_find_index(uint32_t index);
/* Walks all in the order of their numbers: the one after `after` (whose reference it takes), nullptr for the first. */
struct netdev *netdev_each(struct netdev *after);
void netdev_get(struct netdev *n);
void netdev_put(struct netdev *n); /* nullptr is fine; may sleep */

struct netdev_info {
	char name[NETDEV_NAME_MAX];
	uint32_t index; /* from 1; the loopback interface is 1, no other is */
	enum netdev_kind kind;
	uint8_t address[NETDEV_ADDRESS];
	uint32_t mtu, mtu_max, features;
	uint32_t mbit; /* 0: unknown */
	bool up, carrier, full_duplex, promiscuous, all_multicast, gone;
	uint32_t carrier_changes;
};
void netdev_get_info(struct netdev *n, struct netdev_info *out);
struct device *netdev_device(const struct netdev *n); /* borrowed; nullptr: none */
struct netdev_stats {
	uint64_t rx_packets, rx_bytes, rx_errors, rx_dropped, rx_missed, rx_multicast;
	uint64_t tx_packets, tx_bytes, tx_errors, tx_dropped;
};
void netdev_get_stats(struct netdev *n, struct netdev_stats *out);
/* IFF_* of netdevice(7), as ioctl and /sys have them; running: with IFF_RUNNING. */
uint32_t netdev_flags(const struct netdev_info *info, bool running);

/* Nothing is received or sent while it is not up, as it is at first. -ENODEV. Does not sleep. */
int netdev_set_up(struct netdev *n, bool up);
int netdev_set_mtu(struct netdev *n, uint32_t mtu); /* -EINVAL */
/* Counted: as many times off as on. -ENODEV. */
int netdev_promiscuous(struct netdev *n, bool on);
int netdev_all_multicast(struct netdev *n, bool on);
/* Counted for each address. -EINVAL: no multicast address; -ENOMEM; -ENOENT: it was not added. May sleep. */
[[nodiscard]] int netdev_multicast_add(struct netdev *n, const uint8_t address[NETDEV_ADDRESS]);
int netdev_multicast_remove(struct netdev *n, const uint8_t address[NETDEV_ADDRESS]);

/* --- taps: who wants to see all frames --- */

struct netdev_tap {
	struct component *component;
	struct netdev *of; /* borrowed until it is removed; nullptr: all interfaces */
	/* f is borrowed, to be read or copied. In the thread of whoever sends or receives, without locks; may allocate,
	 * must not park for anything else. */
	void (*frame)(struct netdev_tap *t, struct netdev *n, const struct net_frame *f, enum netdev_way way);
	/* netdev's own */
	struct list link;
	uint64_t sequence;
	uint32_t inside;
	bool removed;
};
void netdev_tap_add(struct netdev_tap *t);
/* When it returns nobody is in its function. May sleep; not from it. */
void netdev_tap_remove(struct netdev_tap *t);

#endif
