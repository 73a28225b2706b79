/* SPDX-License-Identifier: MIT */
/* What the files of the driver of virtio network devices share (Virtual I/O Device 1.2, 5.1). */
#ifndef DRIVER_VIRTIO_NET_H
#define DRIVER_VIRTIO_NET_H

#include <kernel/base/lock.h>
#include <kernel/bus/virtio.h>
#include <kernel/device/dma.h>
#include <kernel/device/irq.h>
#include <kernel/netdev/netdev.h>
#include <lib/virtio_net.h>

enum : unsigned {
	RECEIVE_BUFFERS = 256,
	SEND_FRAMES = 256,
	SEND_PIECES = NET_FRAME_PARTS_MAX + 1, /* a legacy device wants the header apart */
	RECEIVE_BATCH = 64,		       /* frames until the stack is told */
};

/* A place in a ring, and the frame that the device has there. */
struct slot {
	struct net_frame *frame;
	uint32_t next; /* free one */
};

/* The driver's thread has it to itself. */
struct receiver {
	struct virtio_queue *queue;
	struct dma_table *lent;
	uint32_t count;
	struct slot slots[RECEIVE_BUFFERS];
	uint32_t idle; /* slots whose buffer could not be lent, by `next`; count: none */
	/* A frame of which buffers have come, and `wanted` are still to come. */
	struct net_frame *first, *last;
	uint32_t wanted, total;
	bool drop;
	unsigned char header[VIRTIO_NET_HEADER];
};

struct sender {
	struct virtio_queue *queue;
	struct dma_table *lent;
	uint32_t count;
	struct spinlock lock;
	uint32_t free GUARDED_BY(&lock); /* a slot, or count */
	uint32_t busy GUARDED_BY(&lock); /* slots that are not free */
	struct slot slots[SEND_FRAMES];
	/* transmit's, one thread at a time */
	struct virtio_piece pieces[SEND_PIECES];
};

/* The driver's thread has it to itself, but for `wanted`. */
struct control {
	struct virtio_queue *queue;
	struct dma_buffer memory;
	bool wanted; /* atomic: the filter is another */
	bool busy;
	unsigned step; /* of those that tell a filter */
	uint64_t deadline_ns;
	struct netdev_filter filter;
};

struct card {
	struct irq irq;
	struct netdev *net;
	uint64_t features;
	uint32_t header_bytes;
	struct receiver receiver;
	struct sender sender;
	struct control control;
};

/* --- receive.c --- */
/* Opens the queue, once there is an interface. */
[[nodiscard]] int receiver_open(struct device *dev, struct card *c, unsigned queue);
/* Gives the device buffers for all places that have none. */
void receiver_fill(struct card *c);
/* Takes what has arrived, at most a batch. True: perhaps there is more. */
bool receiver_look(struct device *dev, struct card *c);
/* Whether places lack buffers, for which receiver_fill is to be called again later. */
bool receiver_lacks(const struct card *c);

/* --- send.c --- */
[[nodiscard]] int sender_open(struct device *dev, struct card *c, unsigned queue, uint32_t mtu);
/* Frees what the device has sent; has more of it sent. True: perhaps there is more. */
[[nodiscard]] bool sender_look(struct card *c);
/* Whether the device has frames to be sent, as it was just now. */
bool sender_is_busy(struct card *c);
void sender_transmit(struct device *dev, void *private, unsigned queue); /* netdev_ops.transmit */

/* --- control.c --- */
[[nodiscard]] int control_open(struct device *dev, struct card *c, unsigned queue);
void control_filter(struct device *dev, void *private); /* netdev_ops.filter */
/* Goes on with telling the device of its filter. Result: when to be called again at the latest (0: by an interrupt). */
uint64_t control_look(struct device *dev, struct card *c);

#endif
