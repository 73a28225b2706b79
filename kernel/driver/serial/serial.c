/* SPDX-License-Identifier: MIT */
/*
 * Serial ports: one terminal and one thread for each port that is there, whatever its kind of UART (serial.h).
 *
 * The thread does all register accesses, is the interrupt's target, and is woken by the terminal when there is output.
 * It works until the UART has nothing more for it before it sleeps: where the interrupt is edge-triggered nothing may
 * be left pending. Input is read until the FIFO is empty; while the terminal is full it is left there, and the receive
 * interrupt off.
 */
#include "serial.h"

#include <abi/errno.h>
#include <arch/serial.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/base/wait.h>
#include <kernel/thread/component.h>
#include <kernel/tty/tty.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>

constexpr unsigned PORTS_MAX = 8;
constexpr uint64_t PROBE_LIMIT_NS = 1'000'000'000;
constexpr uint64_t POLL_NS = 10'000'000;     /* without an interrupt */
constexpr uint64_t IDLE_POLL_NS = 1'000'000; /* for the last character to leave the shift register */

enum port_state : uint32_t { PORT_PROBING, PORT_ABSENT, PORT_UP };

struct port {
	struct serial_port *uart;
	struct thread *thread;
	struct tty *tty; /* outlives restarts */
	long irq;	 /* handle, or negative */
	enum port_state state;
	bool idle; /* all output is on the wire */
	bool interrupts_known, for_received, for_room;
};

static struct port ports[PORTS_MAX];
static unsigned port_count;
static struct wait_queue probe_queue = WAIT_QUEUE_INIT(probe_queue);

extern struct component component_serial;

static void set_interrupts(struct port *p, bool received, bool room)
{
	if (p->interrupts_known && p->for_received == received && p->for_room == room)
		return;
	p->interrupts_known = true;
	p->for_received = received;
	p->for_room = room;
	p->uart->kind->set_interrupts(p->uart, received, room);
}

/* Moves what the UART has received to the terminal. False: the terminal is full, the rest stays. */
static bool receive(struct port *p)
{
	unsigned char bytes[128];
	size_t n = 0, room = tty_input_room(p->tty);

	while (n < room) {
		int c = p->uart->kind->receive(p->uart);

		if (c == SERIAL_NOTHING)
			break;
		if (c != SERIAL_BREAK)
			bytes[n++] = (unsigned char)c;
		/* What came before a break is before it for the terminal, too. */
		if (n == sizeof(bytes) || c == SERIAL_BREAK) {
			tty_input(p->tty, bytes, n);
			n = 0;
			if (c == SERIAL_BREAK)
				tty_input_break(p->tty);
			room = tty_input_room(p->tty);
		}
	}
	if (n > 0)
		tty_input(p->tty, bytes, n);
	return room > 0;
}

/* Sends while the UART takes bytes. True: it is full and there is (or may be) more. */
static bool transmit(struct port *p)
{
	for (;;) {
		unsigned char bytes[SERIAL_BURST_MAX];
		size_t room = p->uart->kind->room(p->uart);

		if (room == 0)
			return true;
		size_t n = tty_take_output(p->tty, bytes, room);
		if (n == 0)
			return false;
		p->idle = false;
		p->uart->kind->send(p->uart, bytes, n);
	}
}

/* One round of work; the time until which to sleep (0: until woken). */
static uint64_t work(struct port *p)
{
	bool room = receive(p);
	bool full = transmit(p);

	set_interrupts(p, room, full);
	p->uart->kind->acknowledge(p->uart);
	uint32_t status = p->uart->kind->status(p->uart);
	/* What came between the work and switching the interrupt on has no edge of its own. */
	if ((room && (status & SERIAL_HAS_DATA) != 0) || (full && (status & SERIAL_HAS_ROOM) != 0))
		thread_unpark(thread_current());
	if (p->idle || full)
		return p->irq < 0 ? clock_monotonic_ns() + POLL_NS : 0;
	if ((status & SERIAL_IDLE) == 0)
		return clock_monotonic_ns() + IDLE_POLL_NS;
	p->idle = true;
	tty_output_idle(p->tty);
	return p->irq < 0 ? clock_monotonic_ns() + POLL_NS : 0;
}

static void announce(struct port *p, enum port_state state)
{
	__atomic_store_n(&p->state, state, __ATOMIC_RELEASE);
	wait_wake_all(&probe_queue);
}

static void start_output(struct tty *t)
{
	struct port *p = tty_driver_data(t);
	struct thread *thread = __atomic_load_n(&p->thread, __ATOMIC_ACQUIRE);

	if (thread != nullptr)
		thread_unpark(thread);
}

static bool output_idle(struct tty *t)
{
	return __atomic_load_n(&((struct port *)tty_driver_data(t))->idle, __ATOMIC_ACQUIRE);
}

static const struct tty_driver driver = {
	.component = &component_serial, .start_output = start_output, .output_idle = output_idle};

static bool bring_up(struct port *p)
{
	struct serial_port *u = p->uart;

	if (!u->kind->probe(u))
		return false;
	u->kind->set_up(u);
	if (u->has_irq)
		p->irq = nucleus_irq_attach(u->gsi, u->irq_flags);
	if (p->irq < 0)
		log_warn("serial: %s has no interrupt (%ld), polling", u->name, p->irq);
	(void)nucleus_thread_set_priority(thread_page_current()->handle, PRIORITY_INTERRUPT);
	if (p->tty == nullptr &&
	    tty_create(u->name, u->kind->major, u->kind->first_minor + u->minor, &driver, p, &p->tty) < 0)
		return false;
	log_info("serial: %s is a %s at %#lx, irq %u", u->name, u->kind->name, u->base, u->gsi);
	return true;
}

static void run_port(void *arg)
{
	struct port *p = arg;

	if (!bring_up(p)) {
		__atomic_store_n(&p->thread, nullptr, __ATOMIC_RELEASE);
		announce(p, PORT_ABSENT);
		return;
	}
	announce(p, PORT_UP);
	while (!thread_should_stop()) {
		uint64_t deadline = work(p);

		if (p->irq >= 0)
			(void)nucleus_irq_done((uint32_t)p->irq);
		thread_park(deadline);
	}
}

int serial_add(struct serial_port *u)
{
	struct port *p = u->driver;
	struct thread *t;

	/* After a restart it has its place already. */
	if (p == nullptr) {
		if (port_count == PORTS_MAX)
			return -ENOSPC;
		p = &ports[port_count++];
	}
	u->driver = p;
	p->uart = u;
	p->irq = -ENODEV;
	p->idle = true;
	p->interrupts_known = false;
	p->state = PORT_PROBING;
	/* Not started before the port knows it: the thread may end at once. */
	int error = thread_create(u->name, &component_serial, 0, run_port, p, &t);
	if (error < 0)
		return error;
	__atomic_store_n(&p->thread, t, __ATOMIC_RELEASE);
	thread_start(t);
	(void)wait_event_patiently(&probe_queue, p->state != PORT_PROBING, PROBE_LIMIT_NS);
	return 0;
}

static int start_serial(void)
{
	if (component_serial.asks_elevate && !component_serial.may_elevate) {
		log_warn(
			"serial: the ports need the right to elevate, which elevate= refuses: there is no serial console");
		return -ENODEV;
	}
	return arch_serial_find();
}

static void stop_serial(void)
{
	for (unsigned i = 0; i < port_count; i++) {
		struct port *p = &ports[i];

		__atomic_store_n(&p->thread, nullptr, __ATOMIC_RELEASE);
		if (p->irq >= 0)
			(void)nucleus_irq_detach((uint32_t)p->irq);
	}
}

DEFINE_COMPONENT(serial, .asks_elevate = ARCH_SERIAL_ASKS_ELEVATE, .stage = STAGE_DRIVER, .start = start_serial,
		 .stop = stop_serial);
