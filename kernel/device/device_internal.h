/* SPDX-License-Identifier: MIT */
/*
 * What the files of the device core share: tree.c (devices and their names), match.c (drivers), round.c (a device's
 * thread), resource.c (what it owns), mmio.c, irq.c, show.c, sys.c and class.c (/sys).
 *
 * The flags by which others ask the device's thread for something are atomic, and it looks at them before each sleep.
 * What is only its own has no lock. devices_lock and a device's lock are leaves.
 */
#ifndef DEVICE_DEVICE_INTERNAL_H
#define DEVICE_DEVICE_INTERNAL_H

#include "kernel/thread/service.h"

#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/device/device.h>
#include <kernel/mem/dma.h>
#include <kernel/thread/component.h>

DECLARE_COMPONENT(device);

struct device {
	uint32_t references; /* atomic */
	uint32_t id;	     /* in the order of adding */
	char name[DEVICE_NAME_MAX];
	const struct bus *bus;
	const struct driver *driver; /* nullptr: none */
	void *bus_data;
	struct device *parent; /* counted */
	struct list link;      /* devices_lock */
	/* in /sys; the first stays until the device is freed */
	struct tree_node *directory;
	bool linked;
	bool bound; /* to its driver; atomic */
	/* atomic */
	bool gone, unlisted;
	bool ending;	     /* the round is on its way out, or there is none */
	bool asked;	     /* for a restart */
	bool rests;	     /* no round is to be; changed under lock */
	bool tried;	     /* the first attach is over */
	const char *failing; /* why the round is to end as after a fault */
	enum device_state state;
	struct spinlock lock;
	struct thread *thread GUARDED_BY(&lock); /* while it lives; none if there is nothing to wait for */
	bool starting GUARDED_BY(&lock);	 /* a thread is being made */
	bool counted GUARDED_BY(&lock);		 /* its threads have a reference */
	bool abandoned GUARDED_BY(&lock);	 /* nobody waits for the thread: its reference is its own to put */
	bool open GUARDED_BY(&lock);		 /* takes resources */
	bool resting GUARDED_BY(&lock);		 /* the thread knows that it rests, and no round is under way */
	struct list resources GUARDED_BY(&lock); /* newest first */
	uint32_t resource_count GUARDED_BY(&lock);
	/* the device's thread's */
	struct service service;
	struct fault_row row;
	uint64_t retry_at_ns;
	void *private;
	bool dirty;	      /* a round has begun and is not given back */
	bool enabled;	      /* the bus was asked to enable it */
	bool attached;	      /* attach succeeded, detach is due */
	bool loud;	      /* it may still write to memory: device_not_silent */
	struct dma_rules dma; /* its claim: changed under lock */
	int error;
	uint32_t faults, restarts, lost; /* read by others */
};

extern struct spinlock devices_lock;
extern struct list devices;		 /* GUARDED_BY(&devices_lock), by id */
extern struct wait_queue device_changes; /* a device's flags or state changed */

/* match.c: the driver for a device, or nullptr. */
const struct driver *driver_find(const struct device *dev);
/* round.c: makes and starts the device's thread; `starting` is set, and is not any more afterwards. -ENOMEM. */
[[nodiscard]] int device_start(struct device *dev);
/* resource.c: whether resources are taken; the steps at the end of a round, and when there is no next one. */
void device_open(struct device *dev, bool open);
void device_suspend_all(struct device *dev);
void device_release_all(struct device *dev);
void device_gone_all(struct device *dev);

/* sys.c: the device in /sys, before others can find it; the driver has it, or has it no more, said by its thread or
 * when that has ended; and the device is no longer there: returns when nobody reads in it. */
[[nodiscard]] int device_show(struct device *dev);
void device_show_bound(struct device *dev, bool bound);
void device_hide(struct device *dev);

/* irq.c: gives back the interrupts that the calling thread opened. */
void device_irqs_leave(struct device *dev);
/* show.c */
extern const struct component_parts device_component_parts;

static inline bool device_flag(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

#endif
