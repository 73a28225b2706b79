/* SPDX-License-Identifier: MIT */
/*
 * Serial ports (kernel/tty/serial.h): one terminal for each UART, and the work of its device's thread.
 *
 * That thread does all register accesses, is the interrupt's target, and is woken by the terminal when there is output.
 * It works until the UART has nothing more for it before it sleeps: where the interrupt is edge-triggered nothing may
 * be left pending. Input is read until the FIFO is empty; while the terminal is full it is left there, and the receive
 * interrupt off.
 *
 * What was taken from the terminal for the UART, or from the UART for the terminal, is noted in the port until the
 * other side has it. So a fault of the driver in between loses nothing; what it was in the middle of sending, at most a
 * burst, may come twice. While characters move the UART is looked at each second, too: an interrupt that is lost then
 * only delays.
 *
 * A port is the device's as long as there is one (struct resource, kept), and lives for ever, since a terminal does; a
 * device that comes later and has its index gets it.
 */
#include "tty_internal.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/device/class.h>
#include <kernel/mem/slab.h>
#include <kernel/tty/serial.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>

constexpr unsigned INDEX_MAX = 31;
constexpr uint64_t POLL_NS = 10'000'000;    /* without an interrupt */
constexpr uint64_t LOST_NS = 1'000'000'000; /* of an interrupt that should have come */
/* Of the first character's after a rest: one that nobody takes makes no further edge. */
constexpr uint64_t REST_NS = 5'000'000'000;
constexpr uint64_t IDLE_POLL_NS = 1'000'000; /* for the last character to leave the shift register */

struct serial_port {
	struct resource resource;
	struct list link; /* of all; ports_lock */
	const struct serial_ops *ops;
	unsigned index, slot; /* of all, and of the device's */
	bool taken;	      /* a device has it; ports_lock */
	struct tty *tty;      /* once there is one, for ever */
	bool shown;	      /* in /sys, by entry */
	struct class_entry entry;
	struct spinlock lock;
	struct device *device GUARDED_BY(&lock); /* counted; nullptr: none has it */
	/* The thread's, in a round. */
	const void *uart;
	bool idle;  /* atomic: all output is on the wire */
	bool moved; /* characters, in this round of work */
	bool interrupts_known, for_received, for_room;
	/* Taken from one side, and not yet given to the other. */
	unsigned char sending[SERIAL_BURST_MAX], received[128];
	size_t sending_count, received_count;
};

static struct mutex ports_lock = MUTEX_INIT(ports_lock, RANK_NONE);
static struct list ports GUARDED_BY(&ports_lock) = LIST_INIT(ports);

static void set_interrupts(struct serial_port *p, bool received, bool room)
{
	if (p->interrupts_known && p->for_received == received && p->for_room == room)
		return;
	p->interrupts_known = true;
	p->for_received = received;
	p->for_room = room;
	p->ops->set_interrupts(p->uart, received, room);
}

static void give_received(struct serial_port *p)
{
	size_t n = p->received_count;

	p->received_count = 0;
	p->moved = true;
	tty_input(p->tty, p->received, n);
}

/* Moves what the UART has received to the terminal. False: the terminal is full, the rest stays. */
static bool receive(struct serial_port *p)
{
	size_t room = tty_input_room(p->tty);

	while (p->received_count < room) {
		int c = p->ops->receive(p->uart);

		if (c == SERIAL_NOTHING)
			break;
		if (c != SERIAL_BREAK)
			p->received[p->received_count++] = (unsigned char)c;
		/* What came before a break is before it for the terminal, too. */
		if (p->received_count == sizeof(p->received) || c == SERIAL_BREAK) {
			give_received(p);
			if (c == SERIAL_BREAK)
				tty_input_break(p->tty);
			room = tty_input_room(p->tty);
		}
	}
	if (p->received_count > 0)
		give_received(p);
	return room > 0;
}

/* Sends while the UART takes bytes. True: it is full and there is (or may be) more. */
static bool transmit(struct serial_port *p)
{
	for (;;) {
		size_t room = p->ops->room(p->uart);

		if (room == 0)
			return true;
		if (p->sending_count == 0) {
			FAULT_POINT(serial_take);
			p->sending_count = tty_take_output(p->tty, p->sending, MIN(room, sizeof(p->sending)));
		}
		size_t n = MIN(p->sending_count, room);
		if (n == 0)
			return false;
		p->idle = false;
		p->moved = true;
		p->ops->send(p->uart, p->sending, n);
		p->sending_count -= n;
		memmove(p->sending, p->sending + n, p->sending_count);
	}
}

/* One round of work; the time until which to sleep. */
static uint64_t work(struct serial_port *p, bool polls)
{
	FAULT_POINT(serial_work);
	p->moved = false;
	bool room = receive(p);
	bool full = transmit(p);

	set_interrupts(p, room, full);
	p->ops->acknowledge(p->uart);
	uint32_t status = p->ops->status(p->uart);
	/* What came between the work and switching the interrupt on has no edge of its own. */
	if ((room && (status & SERIAL_HAS_DATA) != 0) || (full && (status & SERIAL_HAS_ROOM) != 0))
		thread_unpark(thread_current());
	if (!p->idle && !full) {
		if ((status & SERIAL_IDLE) == 0)
			return clock_monotonic_ns() + IDLE_POLL_NS;
		p->idle = true;
		tty_output_idle(p->tty);
	}
	if (polls)
		return clock_monotonic_ns() + POLL_NS;
	return clock_monotonic_ns() + (p->moved || full ? LOST_NS : REST_NS);
}

/* All ports' work; the time until which to sleep. */
static uint64_t work_all(struct serial_port *const *all, unsigned count, bool polls)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t deadline = work(all[i], polls);

		if (first == 0 || deadline < first)
			first = deadline;
	}
	return first;
}

void serial_serve(struct serial_port *const *all, unsigned count, struct irq *irq)
{
	bool polls = irq->handle == 0;

	(void)nucleus_thread_set_priority(thread_page_current()->handle, PRIORITY_INTERRUPT);
	for (;;) {
		uint64_t deadline = work_all(all, count, polls);

		FAULT_POINT(serial_wait);
		irq_done(irq);
		int why = irq_wait(irq, deadline);
		/* Lost: only the time remains. */
		if (why == 0 && FAULT_POINT_DUE(serial_interrupt))
			why = irq_wait(irq, deadline);
		if (why == -ECANCELED)
			return;
	}
}

struct tty *serial_terminal(const struct serial_port *p)
{
	return p->tty;
}

static void start_output(struct tty *t)
{
	struct serial_port *p = tty_driver_data(t);

	spin_lock(&p->lock);
	struct device *dev = p->device != nullptr ? device_get(p->device) : nullptr;
	spin_unlock(&p->lock);
	if (dev != nullptr)
		device_wake(dev);
	device_put(dev);
}

static bool output_idle(struct tty *t)
{
	return __atomic_load_n(&((struct serial_port *)tty_driver_data(t))->idle, __ATOMIC_ACQUIRE);
}

static const struct tty_driver driver = {
	.component = &component_tty, .start_output = start_output, .output_idle = output_idle};

static void set_device(struct serial_port *p, struct device *dev)
{
	spin_lock(&p->lock);
	struct device *before = p->device;
	p->device = dev != nullptr ? device_get(dev) : nullptr;
	spin_unlock(&p->lock);
	device_put(before);
}

static void make_free(struct serial_port *p)
{
	set_device(p, nullptr);
	mutex_lock(&ports_lock);
	p->taken = false;
	mutex_unlock(&ports_lock);
}

static void set_idle(struct serial_port *p)
{
	__atomic_store_n(&p->idle, true, __ATOMIC_RELEASE);
	if (p->tty != nullptr)
		tty_output_idle(p->tty);
}

/* What was on the wire is not waited for: it is out, or lost with the UART. */
static void suspend_port(struct resource *r)
{
	struct serial_port *p = container_of(r, struct serial_port, resource);

	p->uart = nullptr;
	if (p->sending_count == 0)
		set_idle(p);
}

static void port_gone(struct resource *r)
{
	struct serial_port *p = container_of(r, struct serial_port, resource);

	p->sending_count = 0;
	p->received_count = 0;
	set_idle(p);
	if (p->tty != nullptr)
		tty_gone(p->tty);
	if (p->shown)
		class_remove(&p->entry);
	p->shown = false;
	make_free(p);
}

static const struct resource_ops port_ops = {
	.name = "serial port", .component = &component_tty, .suspend = suspend_port, .gone = port_gone};

static struct serial_port *find_port(const char *prefix, unsigned index) REQUIRES(ports_lock)
{
	struct serial_port *p;

	list_for_each(p, &ports, link) {
		if (p->index == index && strcmp(p->ops->prefix, prefix) == 0)
			return p;
	}
	return nullptr;
}

static void init_port(struct serial_port *p, const struct serial_ops *ops, unsigned index)
{
	p->ops = ops;
	p->index = index;
	spin_init(&p->lock, RANK_NONE);
	list_init(&p->resource.link);
}

/* A port that no device has, with the index that is asked for, which is the device's then. */
static int take_port(struct device *dev, const struct serial_ops *ops, unsigned index, bool fixed,
		     struct serial_port **out)
{
	struct serial_port *fresh = kmalloc(sizeof(*fresh)), *found = nullptr;

	if (fresh == nullptr)
		return -ENOMEM;
	mutex_lock(&ports_lock);
	for (unsigned i = index; i <= (fixed ? index : INDEX_MAX) && found == nullptr; i++) {
		struct serial_port *p = find_port(ops->prefix, i);

		if (p != nullptr && p->taken)
			continue;
		found = p != nullptr ? p : fresh;
		found->taken = true;
		if (found == fresh) {
			init_port(fresh, ops, i);
			list_push_back(&ports, &fresh->link);
		}
	}
	mutex_unlock(&ports_lock);
	if (found != fresh)
		kfree(fresh);
	if (found == nullptr)
		return fixed ? -EEXIST : -ENOSPC;
	set_device(found, dev);
	*out = found;
	return 0;
}

/* The terminal, which is made once, and comes back with a device. */
static int make_terminal(struct serial_port *p)
{
	char name[16];

	if (p->tty != nullptr)
		return tty_back(p->tty);
	snprintf(name, sizeof(name), "%s%u", p->ops->prefix, p->index);
	return tty_create(name, p->ops->major, p->ops->first_minor + p->index, &driver, p, &p->tty);
}

static void show(struct device *dev, struct serial_port *p)
{
	if (p->shown)
		return;
	p->entry = (struct class_entry){.class = "tty",
					.device = dev,
					.has_number = true,
					.major = p->ops->major,
					.minor = p->ops->first_minor + p->index};
	snprintf(p->entry.name, sizeof(p->entry.name), "%s%u", p->ops->prefix, p->index);
	p->shown = true;
	class_add(&p->entry, nullptr, nullptr);
}

static void announce(struct device *dev, const struct serial_port *p)
{
	struct device_range range;
	struct device_line line;
	char irq[24] = ""; /* of a message, or a wire that its bus knows, nothing is told */

	if (device_range(dev, 0, &range) < 0)
		return;
	if (p->ops->offset != nullptr)
		range.start += p->ops->offset(p->uart);
	if (device_line(dev, 0, &line) == 0)
		snprintf(irq, sizeof(irq), ", irq %u", line.gsi);
	log_info("serial: %s%u is a %s at %#lx%s", p->ops->prefix, p->index, p->ops->kind, range.start, irq);
}

static struct serial_port *find_kept(struct device *dev, unsigned slot)
{
	for (struct resource *r = nullptr; (r = device_kept(dev, &port_ops, r)) != nullptr;) {
		struct serial_port *p = container_of(r, struct serial_port, resource);

		if (p->slot == slot)
			return p;
	}
	return nullptr;
}

int serial_register(struct device *dev, const struct serial_ops *ops, const void *uart, unsigned slot, unsigned index,
		    bool fixed, struct serial_port **out)
{
	struct serial_port *p = find_kept(dev, slot);
	int error = 0;

	if (p == nullptr) {
		error = take_port(dev, ops, index, fixed, &p);
		if (error < 0)
			return error;
		p->slot = slot;
		error = device_own(dev, &p->resource, &port_ops);
		if (error < 0) {
			make_free(p);
			return error;
		}
	}
	p->ops = ops;
	p->uart = uart;
	p->idle = p->sending_count == 0;
	p->interrupts_known = false;
	error = make_terminal(p);
	if (error < 0)
		return error;
	show(dev, p);
	announce(dev, p);
	*out = p;
	return 0;
}
