/* SPDX-License-Identifier: MIT */
/*
 * Driver of the PC's 16550A serial ports: one terminal and one thread for each port that is there.
 *
 * The thread does all port I/O (its component may elevate), is the interrupt's target, and is woken
 * by the terminal when there is output. It works until the UART has nothing more for it before it
 * sleeps: the interrupt is edge-triggered, so nothing may be left pending. Input is read until the
 * FIFO is empty; while the terminal is full it is left there, and the receive interrupt off. The
 * nucleus writes its reports through the same UART, so a burst leaves room in the FIFO.
 */
#include "uart16550.h"

#include <abi/errno.h>
#include <arch/portio.h>
#include <kernel/clock.h>
#include <kernel/component.h>
#include <kernel/log.h>
#include <kernel/tty.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <lib/types.h>
#include <nucleus/calls.h>

constexpr uint32_t MAJOR_TTYS = 4, MINOR_TTYS = 64;
constexpr unsigned WORD_BYTES = 8;   /* what one bracket writes */
constexpr unsigned BURST_BYTES = 14; /* of the 16 that an empty FIFO takes */
constexpr uint64_t PROBE_LIMIT_NS = 1'000'000'000;
constexpr uint64_t POLL_NS = 10'000'000;     /* without an interrupt */
constexpr uint64_t IDLE_POLL_NS = 1'000'000; /* for the last character to leave the shift register */
constexpr unsigned IDLE_SPINS_MAX = 100000;

enum port_state : uint32_t { PORT_PROBING, PORT_ABSENT, PORT_UP };

struct port {
	const char *name;
	uint16_t base;
	uint32_t gsi;
	uint32_t minor;
	struct thread *thread;
	struct tty *tty; /* outlives restarts */
	long irq;	 /* handle, or negative */
	enum port_state state;
	bool idle;	 /* all output is on the wire */
	uint8_t enabled; /* interrupt enable register */
};

static struct port ports[] = {
	{.name = "ttyS0", .base = 0x3f8, .gsi = 4, .minor = 0},
	{.name = "ttyS1", .base = 0x2f8, .gsi = 3, .minor = 1},
};
static struct wait_queue probe_queue = WAIT_QUEUE_INIT(probe_queue);

extern struct component component_serial;

static uint8_t read_register(const struct port *p, enum uart_register r)
{
	return portio_read8(p->base + r);
}

static void write_register(const struct port *p, enum uart_register r, uint8_t value)
{
	portio_write8(p->base + r, value);
}

static void set_interrupts(struct port *p, uint8_t enable)
{
	if (enable == p->enabled)
		return;
	p->enabled = enable;
	write_register(p, UART_IER, enable);
}

/* A UART's scratch register keeps what is written; a missing one reads all ones. */
static bool probe(const struct port *p)
{
	if (read_register(p, UART_LSR) == 0xff)
		return false;
	for (uint8_t pattern = 0x55;; pattern = 0xaa) {
		write_register(p, UART_SCRATCH, pattern);
		if (read_register(p, UART_SCRATCH) != pattern)
			return false;
		if (pattern == 0xaa)
			return true;
	}
}

static void set_up(struct port *p)
{
	/* What the nucleus wrote is still on its way. */
	for (unsigned i = 0; i < IDLE_SPINS_MAX && (read_register(p, UART_LSR) & LSR_IDLE) == 0; i++)
		;
	write_register(p, UART_IER, 0);
	p->enabled = 0;
	write_register(p, UART_LCR, LCR_DLAB | LCR_8_BITS);
	write_register(p, UART_DATA, 1); /* divisor: 115200 baud */
	write_register(p, UART_IER, 0);
	write_register(p, UART_LCR, LCR_8_BITS);
	write_register(p, UART_FCR, FCR_ENABLE | FCR_TRIGGER_8);
	write_register(p, UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	(void)read_register(p, UART_LSR);
	(void)read_register(p, UART_IIR);
}

/* Moves what the UART has received to the terminal. False: the terminal is full, the rest stays. */
static bool receive(struct port *p)
{
	unsigned char bytes[128];
	size_t n = 0, room = tty_input_room(p->tty);

	for (;;) {
		uint8_t status = read_register(p, UART_LSR);

		if ((status & LSR_DATA) == 0)
			break;
		if (n == room)
			break;
		unsigned char c = read_register(p, UART_DATA);
		if ((status & LSR_BREAK) != 0)
			tty_input_break(p->tty);
		else
			bytes[n++] = c;
		if (n == sizeof(bytes)) {
			tty_input(p->tty, bytes, n);
			n = 0;
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
		unsigned char bytes[2 * WORD_BYTES] = {};
		uint64_t words[2];

		if ((read_register(p, UART_LSR) & LSR_HOLDING_EMPTY) == 0)
			return true;
		size_t n = tty_take_output(p->tty, bytes, BURST_BYTES);
		if (n == 0)
			return false;
		p->idle = false;
		memcpy(words, bytes, sizeof(words));
		portio_write8_burst(p->base + UART_DATA, words[0], (uint32_t)MIN(n, (size_t)WORD_BYTES));
		if (n > WORD_BYTES)
			portio_write8_burst(p->base + UART_DATA, words[1], (uint32_t)(n - WORD_BYTES));
	}
}

/* One round of work; the time until which to sleep (0: until woken). */
static uint64_t work(struct port *p)
{
	bool room = receive(p);
	bool full = transmit(p);
	uint8_t want = IER_LINE_STATUS | (room ? IER_RECEIVED : 0) | (full ? IER_TRANSMIT_EMPTY : 0);

	set_interrupts(p, want);
	/* Clears a transmitter interrupt that was served above. */
	(void)read_register(p, UART_IIR);
	uint8_t status = read_register(p, UART_LSR);
	/* What came between the work and switching the interrupt on has no edge of its own. */
	if ((room && (status & LSR_DATA) != 0) || (full && (status & LSR_HOLDING_EMPTY) != 0))
		thread_unpark(thread_current());
	if (p->idle || full)
		return p->irq < 0 ? clock_monotonic_ns() + POLL_NS : 0;
	if ((status & LSR_IDLE) == 0)
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

static const struct tty_driver driver = {.start_output = start_output, .output_idle = output_idle};

static void run_port(void *arg)
{
	struct port *p = arg;

	p->idle = true;
	if (!probe(p)) {
		__atomic_store_n(&p->thread, nullptr, __ATOMIC_RELEASE);
		announce(p, PORT_ABSENT);
		return;
	}
	set_up(p);
	p->irq = nucleus_irq_attach(p->gsi, 0);
	if (p->irq < 0)
		log_warn("serial: %s has no interrupt (%ld), polling", p->name, p->irq);
	(void)nucleus_thread_set_priority(thread_page_current()->handle, PRIORITY_INTERRUPT);
	if (p->tty == nullptr && tty_create(p->name, MAJOR_TTYS, MINOR_TTYS + p->minor, &driver, p, &p->tty) < 0) {
		announce(p, PORT_ABSENT);
		return;
	}
	log_info("serial: %s is a 16550A at port %#x, irq %u", p->name, p->base, p->gsi);
	announce(p, PORT_UP);
	while (!thread_should_stop()) {
		uint64_t deadline = work(p);

		if (p->irq >= 0)
			(void)nucleus_irq_done((uint32_t)p->irq);
		thread_park(deadline);
	}
}

static int start_serial(void)
{
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		struct port *p = &ports[i];
		struct thread *t;

		p->irq = -ENODEV;
		p->state = PORT_PROBING;
		/* Not started before the port knows it: the thread may end at once. */
		int error = thread_create(p->name, &component_serial, 0, run_port, p, &t);
		if (error < 0)
			return error;
		__atomic_store_n(&p->thread, t, __ATOMIC_RELEASE);
		thread_start(t);
		(void)wait_event_deadline(&probe_queue, p->state != PORT_PROBING,
					  clock_monotonic_ns() + PROBE_LIMIT_NS);
	}
	return 0;
}

static void stop_serial(void)
{
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		struct port *p = &ports[i];

		__atomic_store_n(&p->thread, nullptr, __ATOMIC_RELEASE);
		if (p->irq >= 0)
			(void)nucleus_irq_detach((uint32_t)p->irq);
	}
}

DEFINE_COMPONENT(serial, .asks_elevate = true, .stage = STAGE_DRIVER, .start = start_serial, .stop = stop_serial);
