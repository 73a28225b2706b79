/* SPDX-License-Identifier: MIT */
/*
 * Devices, the buses that they are on, and the drivers that drive them.
 *
 * A bus finds devices and adds them; the first driver of the image that the bus says matches gets the device, for good.
 * Such a device has a thread of its own, of the driver's component, in which all of the driver's functions below run,
 * each under a guard of that component:
 *
 *	attach, serve until device_stopping(), detach; the bus silences the device; what the device owns is given back,
 *	newest first; its private data is freed.
 *
 * That is one round. It ends when the device is unplugged, when somebody asks for a restart, when the driver faults, or
 * when anyone calls device_fail(). After a fault or a failure comes a pause, which grows with each in a row
 * (kernel/base/fault_row.h), then a new round with fresh private data; after FAULTS_IN_ROW_MAX the device stays down
 * until it is asked for: echo restart NAME > /proc/hardware, or restart COMPONENT > /proc/components for all devices of
 * a component. The struct device stays the same through all rounds: it is the identity. What a class makes of a device
 * (a disk, a terminal) is kept through them, too: see struct resource_ops.
 *
 * Everything a driver holds is owned by its device: registers (mmio.h), interrupts (irq.h), memory, class objects. So
 * attach returns an error without giving anything back itself.
 */
#ifndef KERNEL_DEVICE_H
#define KERNEL_DEVICE_H

#include <kernel/base/thread.h>
#include <lib/list.h>
#include <nucleus/privilege.h>
#include <stddef.h>
#include <stdint.h>

struct component;
struct device; /* counted; made by device_add */
struct dma_rules;
struct driver;
struct text_buffer;
struct tree_node; /* kernel/vfs/tree.h */

constexpr size_t DEVICE_NAME_MAX = 32; /* with the end */

/* A range of registers, as firmware or the device itself tells: not yet believed. */
enum device_range_kind : uint32_t { RANGE_MEMORY, RANGE_PORTS };
struct device_range {
	enum device_range_kind kind;
	bool apart;	       /* of a bus that claims its devices: who maps the range has to claim it */
	bool combining;	       /* of memory that is claimed so: writes to it may be combined; a screen's */
	uint64_t start, bytes; /* physical address, or port */
};
/* An interrupt line: what nucleus_irq_attach takes. */
struct device_line {
	uint32_t gsi, flags;
};

struct bus {
	const char *name;
	struct component *component; /* its functions run under this one's guard */
	/* Whether the driver (one of this bus) is for the device: by driver->match. */
	bool (*matches)(const struct device *dev, const struct driver *driver);
	/* The index-th range of registers, or line. -ENOENT: there is none. In the device's thread. Either may be
	 * nullptr: no device of the bus has any. */
	int (*range)(struct device *dev, unsigned index, struct device_range *out);
	int (*line)(struct device *dev, unsigned index, struct device_line *out);
	/* Instead of `line`, for a bus that has more than lines: has the index-th interrupt unpark the calling thread;
	 * *handle is what nucleus_irq_done takes. release_irq undoes it, in the same thread. May be nullptr. */
	int (*attach_irq)(struct device *dev, unsigned index, uint32_t *handle);
	void (*release_irq)(struct device *dev, unsigned index, uint32_t handle);
	/* `enable` claims what the device has (<nucleus/device.h>), else mmio_map does. */
	bool claims;
	/* Before each attach: power, decoding of addresses. An error is one of attach. May be nullptr. */
	int (*enable)(struct device *dev);
	/* After detach, before anything is given back: from here on the device reaches no memory and raises no
	 * interrupt; where that cannot be proved, device_not_silent(). Also after a failed attach. May be nullptr. */
	void (*silence)(struct device *dev);
	/* What the device can do by DMA, before each attach; *rules is what its parent can (nothing less than all at
	 * the root). nullptr: just that. */
	void (*dma)(const struct device *dev, struct dma_rules *rules);
	/* The last reference to the device is gone: frees bus_data. Any thread. May be nullptr. */
	void (*release)(struct device *dev, void *bus_data);
	/* In /sys (class.h), all may be nullptr: where a device without a parent is, below devices/ (the bus's name);
	 * adds to a device's directory, by tree_add_files(directory, …, dev), what the bus knows, which is called only
	 * while the device is there; and to its file `uevent`, lines of NAME=VALUE. */
	const char *root;
	int (*entries)(struct device *dev, struct tree_node *directory);
	void (*uevent)(struct device *dev, struct text_buffer *b);
};

/* What a driver's component needs of its devices; what is not named here is refused with -EPERM. */
enum device_wants : uint32_t { WANTS_MMIO = 1, WANTS_PORTS = 2, WANTS_IRQ = 4, WANTS_DMA = 8 };

struct driver {
	const char *name;
	struct component *component;
	const struct bus *bus;
	const void *match;    /* the bus's kind of table */
	size_t private_bytes; /* device_private(), zeroed in each round */
	uint32_t wants;	      /* enum device_wants */
	/* Acquires through dev and brings the device up. 0, or an error, after which all is given back. -ENODEV
	 * (nothing there that it can drive) and -EPERM are final; any other is tried again, as after a fault. */
	int (*attach)(struct device *dev);
	/* Works until device_stopping(dev); waits by irq_wait() or device_wait(). nullptr: there is nothing to do. */
	void (*serve)(struct device *dev);
	/* Before the machine is switched off, or restarted by a program, the round ends: detach finds device_ends(),
	 * and a device that could still write to memory is silent. */
	bool hears_of_power;
	/* Silences the hardware. Only after attach succeeded. The device may be unplugged or in any state, private data
	 * half changed: assume nothing but the registers. May be nullptr. */
	void (*detach)(struct device *dev);
};

/* Puts a driver into the image: DRIVER(name, .component = &component_name, .bus = ..., ...). */
#define DRIVER(ident, ...)                                                                                             \
	const struct driver driver_##ident __attribute__((section(".drivers"), used)) = {.name = #ident, __VA_ARGS__}
#define DECLARE_DRIVER(ident) extern const struct driver driver_##ident

/* --- for buses --- */

/*
 * Adds a device below parent (nullptr: at the root) under a name that no other has, and starts its first round if there
 * is a driver; returns without waiting for that. bus_data goes over to the device, and on an error stays the caller's.
 * *out (may be nullptr) is borrowed until device_remove. -EEXIST: the name is taken, -ENODEV: the parent is gone,
 * -EINVAL: the name is empty or too long, -ENOMEM. May sleep.
 */
[[nodiscard]] int device_add(struct device *parent, const struct bus *bus, const char *name, void *bus_data,
			     struct device **out) NOT_ELEVATED;
/* The same, with a reference in *out: who adds what another thread may remove at once. */
[[nodiscard]] int device_add_get(struct device *parent, const struct bus *bus, const char *name, void *bus_data,
				 struct device **out) NOT_ELEVATED;
/*
 * The device is gone for good: it and all below it (those first) leave the tree, their rounds end, what was kept of
 * them is told. Waits for that; a driver that does not come back is said, and left with what it holds. May sleep; not
 * from a thread of the device or of one below it. A second call for the same device waits for the first.
 */
void device_remove(struct device *dev) NOT_ELEVATED;
void *device_bus_data(const struct device *dev);
/*
 * For a device that is reached through its parent's registers, which the parent's driver gives back at the end of each
 * round: the rounds of dev end, and none begins until device_go_on(). So what a class made of dev is kept while the
 * parent is restarted. Returns when its round is over; a driver that does not come back is said. May sleep; not from a
 * thread of the device.
 */
void device_rest(struct device *dev) NOT_ELEVATED;
/* Its next round begins, with other bus data (which are the device's from here on; those before are the caller's). Only
 * while it rests. -ENODEV: it was removed, and nothing was changed. */
[[nodiscard]] int device_go_on(struct device *dev, void *bus_data, void **before) NOT_ELEVATED;
/* By the bus's silence: the device may go on writing to memory. What it was given is quarantined (kernel/device/dma.h)
 * when it is given back at the end of this round. */
void device_not_silent(struct device *dev);
/* Waits until every device that was added before has had its first attach (or long enough: a minute). May sleep. */
void devices_settle(void) NOT_ELEVATED;

/* --- for everybody --- */

struct device *device_get(struct device *dev); /* its argument */
void device_put(struct device *dev);	       /* nullptr is fine */
/* Walks all devices, parents before children: the one after `after` (whose reference it takes), or the first for
 * nullptr, with a reference for the caller; nullptr: there are no more. */
struct device *device_each(struct device *after);
/* The one of that name, with a reference, or nullptr. */
struct device *device_find(const char *name);
const char *device_name(const struct device *dev);
struct device *device_parent(const struct device *dev); /* borrowed; nullptr: at the root */
const struct bus *device_bus(const struct device *dev);
const struct driver *device_driver(const struct device *dev); /* nullptr: no driver of the image is for it */

/* As the bus tells: see struct bus. What it says is not yet believed. May sleep. */
[[nodiscard]] int device_range(struct device *dev, unsigned index, struct device_range *out);
[[nodiscard]] int device_line(struct device *dev, unsigned index, struct device_line *out);

enum device_state : uint32_t {
	DEVICE_UNBOUND,	  /* no driver */
	DEVICE_ATTACHING, /* a round begins */
	DEVICE_UP,
	DEVICE_ENDING,	/* a round ends */
	DEVICE_PAUSING, /* after a fault, before the next round */
	DEVICE_ABSENT,	/* the driver said so: -ENODEV, -EPERM */
	DEVICE_DOWN,	/* too many faults in a row: until it is asked for */
	DEVICE_GONE,
};
struct device_info {
	enum device_state state;
	int error; /* of the last attach */
	uint32_t faults, restarts, resources;
	uint32_t lost; /* resources whose giving back faulted */
};
void device_get_info(struct device *dev, struct device_info *out);
const char *device_state_name(enum device_state state);

/* Ends the round and begins another, at once; does not wait. -ENODEV: it is gone or has no driver; -ENOMEM: its thread
 * had ended, since there was nothing to wait for, and there is none anew. May sleep. */
int device_restart(struct device *dev);
/* Says that the device or its driver is broken: the round ends as after a fault. `why` is a constant. Any context,
 * spinlocks included; nothing if the round is ending already. */
void device_fail(struct device *dev, const char *why);
/* The same if the round is the one that this claim confines (device_confine). Result: whether it is. Any context. */
bool device_fail_claim(struct device *dev, uint64_t claim, const char *why);
/* Whether its round is that one, just now. Any context. */
bool device_has_claim(struct device *dev, uint64_t claim);

/* --- for drivers and classes --- */

void *device_private(const struct device *dev);
/* Whether the round is to end: serve and every loop of a driver asks this. Any context. */
bool device_stopping(const struct device *dev);
/* Whether the device was unplugged. Any context. */
bool device_is_gone(const struct device *dev);
/* Whether the round that ends, or is to end, is the last one for now: the device is unplugged, rests, or the machine is
 * switched off; its power may go. Any context. */
bool device_ends(const struct device *dev);
/* Unparks the device's thread: device_wait() and irq_wait() return. Any context. */
void device_wake(struct device *dev);
/* Parks the device's thread (the caller) until it is woken. 0: look for work (an interrupt, device_wake(), or nothing);
 * -ETIMEDOUT: deadline_ns of the monotonic clock is past (0: none); -ECANCELED: device_stopping(). */
int device_wait(struct device *dev, uint64_t deadline_ns) NOT_ELEVATED;
/* 0, or -EPERM if the driver's manifest (.wants) does not ask for that: to be called by whoever gives it. */
[[nodiscard]] int device_may(const struct device *dev, uint32_t wants);

/*
 * What a device owns. At the end of a round, newest first: `suspend` of each that has one; then detach and silence;
 * then `release` of each, which frees it. One with `gone` is kept instead, for the next round, in which device_kept()
 * finds it; when there is no next one (unplugged, absent, or down after too many faults) gone is called, which frees it
 * or leaves it to its own users. All in the device's thread (or device_remove's), each under the guard of `component`;
 * one that faults is lost, the others follow.
 */
struct resource;
struct resource_ops {
	const char *name;
	struct component *component;
	void (*suspend)(struct resource *r); /* nobody enters the driver through it from here on; may be nullptr */
	void (*release)(struct resource *r);
	void (*gone)(struct resource *r); /* nullptr: not kept */
};
struct resource {
	struct list link;
	const struct resource_ops *ops;
	struct device *device;
	bool suspended; /* the core's */
};
/* The device owns r from here on. r is zeroed, or was taken back. -ENODEV: no round is under way, r stays the caller's.
 * Never allocates; any thread. */
[[nodiscard]] int device_own(struct device *dev, struct resource *r, const struct resource_ops *ops);
/* The device does not own r any more; the caller does. False: the device no longer had it. One with `suspend`: only in
 * the device's thread. */
bool device_disown(struct resource *r);
/* Gives back one early: device_disown, then release in the calling thread. */
void device_give_back(struct resource *r) NOT_ELEVATED;
/* The first kept resource with these ops after `after` (nullptr: the first of all); borrowed. In the device's thread.
 */
struct resource *device_kept(struct device *dev, const struct resource_ops *ops, struct resource *after);

#endif
