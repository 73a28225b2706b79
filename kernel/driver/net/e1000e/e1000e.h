/* SPDX-License-Identifier: MIT */
/* What the files of the driver of Intel's e1000e network cards share (lib/e1000e.h). */
#ifndef DRIVER_E1000E_H
#define DRIVER_E1000E_H

#include <kernel/base/lock.h>
#include <kernel/device/dma.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/netdev/netdev.h>
#include <lib/e1000e.h>

enum : uint32_t { RING = 256 /* descriptors of each way */, RECEIVE_BATCH = 64 /* frames until the stack is told */ };

/* One way's descriptors, and the frames that the device has there. Numbers count on for ever; a place is a number
 * modulo RING. One place is always empty, as head and tail are the same where there is nothing. */
struct ring {
	struct dma_buffer memory;
	struct dma_table *lent;
	struct net_frame *frames[RING];
};

/* The driver's thread has it to itself: from `taken` to `given` the device has buffers. */
struct receiver {
	struct ring ring;
	uint32_t given, taken;
};

struct sender {
	struct ring ring;
	struct spinlock lock;
	uint32_t given GUARDED_BY(&lock), done GUARDED_BY(&lock); /* in between the device has frames */
	/* The driver's thread's: what was done when it looked last, and since when no more is (0: nothing is under
	 * way). */
	uint32_t seen;
	bool watched; /* atomic: the driver's thread knows that something is under way, and looks by itself */
	uint64_t still_ns;
};

struct card {
	struct mmio registers;
	struct irq irq;
	struct netdev *net;
	uint32_t receive_control; /* RCTL, as it was written */
	bool link;
	bool filter_wanted; /* atomic: the filter is another */
	struct receiver receiver;
	struct sender sender;
};

/* Memory for the descriptors, and lists for what is lent. */
[[nodiscard]] int e1000e_ring_open(struct device *dev, struct ring *r);

/* --- receive.c --- */
[[nodiscard]] int e1000e_receiver_open(struct device *dev, struct card *c);
/* Gives the device buffers for all places that have none. */
void e1000e_receiver_fill(struct card *c);
/* Takes what has arrived, at most a batch. True: perhaps there is more. */
bool e1000e_receiver_look(struct card *c);
/* Whether something has arrived. */
bool e1000e_receiver_has(const struct card *c);
/* Whether places lack buffers, for which e1000e_receiver_fill is to be called again later. */
bool e1000e_receiver_lacks(const struct card *c);

/* --- send.c --- */
[[nodiscard]] int e1000e_sender_open(struct device *dev, struct card *c);
void e1000e_sender_transmit(struct device *dev, void *private, unsigned queue); /* netdev_ops.transmit */
/* Frees what the device has sent; has more of it sent. True: perhaps there is more. */
bool e1000e_sender_look(struct card *c);
/* Whether the device has frames to be sent; one that has sent none for long is broken, unless there is no link. */
bool e1000e_sender_is_busy(struct device *dev, struct card *c);

#endif
