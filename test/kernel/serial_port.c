/* SPDX-License-Identifier: MIT */
/* The class of serial ports: a terminal outlives the rounds of its UART's driver. The UART here is two buffers. */
#include "ktest.h"

#include "kernel/tty/tty_internal.h"

#include <abi/errno.h>
#include <kernel/tty/serial.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

constexpr size_t OUT_MAX = 256;
constexpr uint32_t MAJOR = 241; /* nobody's */

static volatile uint64_t nowhere = 0x10;

/* What is on the wire, and what a test does to the UART. */
static struct {
	char out[OUT_MAX];
	uint32_t sent, fault_at, faults, rounds; /* atomic */
	uint32_t keys;				 /* atomic: to be received */
	bool deaf;				 /* its interrupts are all lost */
	struct serial_port *port;
} wire;

struct uart {
	struct serial_port *port;
	struct irq irq;
};

static uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static uint32_t status(const void *)
{
	return SERIAL_HAS_ROOM | SERIAL_IDLE;
}

static int receive(const void *)
{
	if (load(&wire.keys) == 0)
		return SERIAL_NOTHING;
	__atomic_fetch_sub(&wire.keys, 1, __ATOMIC_SEQ_CST);
	return 'k';
}

static size_t room(const void *)
{
	return 1;
}

static void send(const void *, const unsigned char *bytes, size_t n)
{
	uint32_t at = load(&wire.sent);

	if (at == load(&wire.fault_at) && load(&wire.faults) > 0) {
		__atomic_fetch_sub(&wire.faults, 1, __ATOMIC_SEQ_CST);
		*(volatile uint64_t *)nowhere = 1;
	}
	for (size_t i = 0; i < n && at < OUT_MAX; i++)
		wire.out[at++] = (char)bytes[i];
	__atomic_store_n(&wire.sent, at, __ATOMIC_SEQ_CST);
}

static void set_interrupts(const void *, bool, bool)
{
}

static void acknowledge(const void *)
{
}

static const struct serial_ops ops = {
	.kind = "test",
	.prefix = "ttyTEST",
	.major = MAJOR,
	.status = status,
	.receive = receive,
	.room = room,
	.send = send,
	.set_interrupts = set_interrupts,
	.acknowledge = acknowledge,
};

static bool matches(const struct device *, const struct driver *)
{
	return true;
}

static const struct bus uart_bus = {.name = "wires", .component = &component_ktest, .matches = matches};

static int attach(struct device *dev)
{
	struct uart *u = device_private(dev);
	int error = serial_register(dev, &ops, u, 0, 0, false, &u->port);

	wire.port = u->port;
	__atomic_fetch_add(&wire.rounds, error == 0, __ATOMIC_SEQ_CST);
	return error;
}

static void serve(struct device *dev)
{
	struct uart *u = device_private(dev);

	u->irq.device = dev;
	/* There is none of that number. */
	u->irq.handle = wire.deaf ? UINT32_MAX : 0;
	serial_serve(&u->port, 1, &u->irq);
}

DRIVER(test_uart, .component = &component_ktest, .bus = &uart_bus, .private_bytes = sizeof(struct uart),
       .attach = attach, .serve = serve);

static bool wire_has(const char *text)
{
	size_t n = strlen(text);

	return WAIT_UNTIL(load(&wire.sent) == n) && memcmp(wire.out, text, n) == 0;
}

static struct tty *terminal(void)
{
	return serial_terminal(wire.port);
}

static void say(const char *text)
{
	tty_write_kernel(terminal(), text, strlen(text));
}

static bool node_is_there(void)
{
	struct chrdev_info info;

	for (uint32_t i = 0; chrdev_at(i, &info); i++)
		if (info.major == MAJOR)
			return strcmp(info.name, "ttyTEST0") == 0;
	return false;
}

static struct device *plug(void)
{
	struct device *dev = nullptr;
	uint32_t rounds = load(&wire.rounds);

	memset(wire.out, 0, sizeof(wire.out));
	__atomic_store_n(&wire.sent, 0, __ATOMIC_SEQ_CST);
	if (EXPECT_EQ(device_add(nullptr, &uart_bus, "uart", nullptr, &dev), 0))
		EXPECT(WAIT_UNTIL(load(&wire.rounds) == rounds + 1));
	return dev;
}

/* What is written while the driver is down comes out afterwards, what it was about to send too, and nothing twice. */
static void outlives_faults(void)
{
	wire.fault_at = 3;
	wire.faults = 2;
	struct device *dev = plug();
	if (dev == nullptr)
		return;
	uint32_t rounds = load(&wire.rounds);
	struct tty *t = terminal();

	say("abcdefgh");
	EXPECT(wire_has("abcdefgh"));
	EXPECT_EQ(load(&wire.rounds), rounds + 2);
	EXPECT(terminal() == t);
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(device_restart(dev), 0);
		say("x");
	}
	EXPECT(wire_has("abcdefghxxxxxxxxxx"));
	EXPECT(node_is_there());
	device_remove(dev);
}

/* With the device its node goes; nobody waits for what cannot be written. The next one has the same terminal. */
static void goes_and_comes(void)
{
	wire.faults = 0;
	struct device *dev = plug();
	if (dev == nullptr)
		return;
	struct tty *t = terminal();
	uint32_t generation = t->generation;

	say("before");
	EXPECT(wire_has("before"));
	device_remove(dev);
	EXPECT(!node_is_there());
	EXPECT(t->generation != generation);
	for (int i = 0; i < 2000; i++)
		say("nobody hears this, and nobody waits for it");
	dev = plug();
	if (dev == nullptr)
		return;
	EXPECT(node_is_there());
	EXPECT(terminal() == t);
	say("after");
	EXPECT(wire_has("after"));
	device_remove(dev);
}

/* The first character after a rest, of which no interrupt tells: it is not there for ever. */
static void lost_after_a_rest(void)
{
	wire.deaf = true;
	struct device *dev = plug();

	if (dev != nullptr) {
		sleep_ns(1500 * MS);
		__atomic_store_n(&wire.keys, 1, __ATOMIC_SEQ_CST);
		EXPECT(WAIT_UNTIL(load(&wire.keys) == 0));
		device_remove(dev);
	}
	wire.deaf = false;
}

KTEST_SUITE(serial_port, KTEST("a terminal outlives faults of its driver", outlives_faults),
	    KTEST("a terminal goes and comes with its device", goes_and_comes),
	    KTEST("an interrupt lost after a rest", lost_after_a_rest, .modes = IN_FULL));
