/* SPDX-License-Identifier: MIT */
/*
 * A PC's keyboard controller, with a keyboard and perhaps a mouse behind it (i8042_regs.h). attach asks both by
 * looking, with interrupts off; then bytes come by interrupts 0 (the keyboard's) and 1 (the mouse's), and only the
 * lamps are a dialogue: each byte is sent when the one before was acknowledged.
 *
 * All is the device's thread's. The controller is not trusted: what it never takes or gives is given up after a while,
 * and bytes that mean nothing are passed over.
 */
#include "i8042_regs.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/bus/platform.h>
#include <kernel/device/irq.h>
#include <kernel/device/mmio.h>
#include <kernel/input/input.h>
#include <kernel/thread/component.h>
#include <lib/bitmap.h>
#include <lib/ps2.h>
#include <lib/types.h>

DEFINE_COMPONENT(i8042, .asks_devices = true, .asks_elevate = ARCH_HAS_PORTS,
		 .users = "keys and motion are lost until the controller is attached anew; keys that are down come up");

/* How often, and how far apart, something is looked for that comes at once: half a second at least. A machine that
 * stands still uses up no looks. */
constexpr unsigned LOOKS = 1000, FLUSH_MAX = 64;
constexpr uint64_t LOOK_NS = 500'000;
/* When it is looked for a byte whose interrupt was lost: before it is taken there is no further one. */
constexpr uint64_t LOST_NS = 5'000'000'000;
constexpr unsigned RUN_MAX = 256; /* bytes between two looks at whether the round is to end */

struct i8042 {
	struct mmio ports;
	struct irq keys_irq, aux_irq;
	struct input_device *keys, *aux; /* nullptr: there is none */
	struct ps2_keys scan;
	struct ps2_mouse mouse;
	uint8_t buttons;
	uint32_t leds;	   /* as the keyboard has them */
	uint32_t sending;  /* those that are being sent */
	uint8_t expecting; /* acknowledgements: 2 before the lamps are sent, 1 afterwards */
	uint64_t give_up_at_ns;
};

/* --- by looking --- */

static bool wait_status(const struct i8042 *c, uint8_t mask, uint8_t value)
{
	for (unsigned looks = 0; looks < LOOKS; looks++) {
		if ((mmio_read8(&c->ports, I8042_STATUS) & mask) == value)
			return true;
		(void)thread_park(clock_monotonic_ns() + LOOK_NS);
	}
	return false;
}

static bool put(const struct i8042 *c, uint32_t reg, uint8_t byte)
{
	if (!wait_status(c, STATUS_BUSY, 0))
		return false;
	mmio_write8(&c->ports, reg, byte);
	return true;
}

/* A byte of the mouse's, or one of the keyboard's or the controller's; negative: none comes. What the other one says
 * meanwhile is passed over. */
static int get(const struct i8042 *c, bool aux)
{
	for (unsigned n = 0; n < FLUSH_MAX && wait_status(c, STATUS_FULL, STATUS_FULL); n++) {
		bool is_aux = mmio_read8(&c->ports, I8042_STATUS) & STATUS_AUX;
		uint8_t byte = mmio_read8(&c->ports, I8042_DATA);

		if (is_aux == aux)
			return byte;
	}
	return -EIO;
}

static int get_config(const struct i8042 *c)
{
	return put(c, I8042_COMMAND, READ_CONFIG) ? get(c, false) : -EIO;
}

static int set_config(const struct i8042 *c, uint8_t config)
{
	return put(c, I8042_COMMAND, WRITE_CONFIG) && put(c, I8042_DATA, config) ? 0 : -EIO;
}

static void flush(const struct i8042 *c)
{
	for (unsigned n = 0; n < FLUSH_MAX && (mmio_read8(&c->ports, I8042_STATUS) & STATUS_FULL); n++)
		(void)mmio_read8(&c->ports, I8042_DATA);
}

/* A byte to the keyboard or the mouse, which acknowledges it; what it had on the way before comes first. */
static int say(const struct i8042 *c, bool aux, uint8_t byte)
{
	if ((aux && !put(c, I8042_COMMAND, TO_AUX)) || !put(c, I8042_DATA, byte))
		return -EIO;
	for (unsigned n = 0; n < FLUSH_MAX; n++) {
		int answer = get(c, aux);

		if (answer == ACK)
			return 0;
		if (answer < 0 || answer == AGAIN)
			break;
	}
	return -EIO;
}

/* The same of one that tests itself: four seconds. */
static int get_patiently(const struct i8042 *c, bool aux)
{
	int answer = -EIO;

	for (unsigned n = 0; n < 8 && answer < 0; n++)
		answer = get(c, aux);
	return answer;
}

static int reset(const struct i8042 *c, bool aux)
{
	int error = say(c, aux, RESET);

	if (error == 0)
		error = get_patiently(c, aux) == SELF_TEST_GOOD ? 0 : -EIO;
	if (error == 0 && aux)
		(void)get(c, true); /* its id */
	return error;
}

/* Both off, the controller tested. -ENODEV: there is none. */
static int begin(const struct i8042 *c, bool *has_aux)
{
	if (mmio_read8(&c->ports, I8042_STATUS) == STATUS_NONE)
		return -ENODEV;
	if (!put(c, I8042_COMMAND, KEYS_OFF) || !put(c, I8042_COMMAND, AUX_OFF))
		return -ENODEV;
	flush(c);
	if (!put(c, I8042_COMMAND, TEST) || get(c, false) != TEST_GOOD)
		return -ENODEV;
	int error = set_config(c, CONFIG_TRANSLATE | CONFIG_KEYS_OFF | CONFIG_AUX_OFF);
	/* One that has no second port does not switch it on. */
	if (error == 0)
		error = put(c, I8042_COMMAND, AUX_ON) ? get_config(c) : -EIO;
	if (error < 0)
		return error;
	*has_aux = !(error & CONFIG_AUX_OFF);
	return put(c, I8042_COMMAND, AUX_OFF) ? 0 : -EIO;
}

/* Three rates in a row ask for a wheel, and once more for buttons (Microsoft, IntelliMouse). */
static uint8_t ask_kind(const struct i8042 *c)
{
	static const uint8_t knocks[2][3] = {{200, 100, 80}, {200, 200, 80}};
	int id = 0;

	for (size_t k = 0; k < ARRAY_LEN(knocks); k++) {
		for (size_t n = 0; n < ARRAY_LEN(knocks[k]); n++) {
			if (say(c, true, SET_RATE) < 0 || say(c, true, knocks[k][n]) < 0)
				return 0;
		}
		id = say(c, true, GET_ID) == 0 ? get(c, true) : 0;
	}
	return id == ID_WHEEL || id == ID_BUTTONS ? (uint8_t)id : 0;
}

static int begin_keys(const struct i8042 *c)
{
	if (!put(c, I8042_COMMAND, KEYS_ON) || reset(c, false) < 0 || say(c, false, ENABLE) < 0) {
		(void)put(c, I8042_COMMAND, KEYS_OFF);
		flush(c);
		return -ENODEV;
	}
	return 0;
}

static int begin_aux(struct i8042 *c)
{
	if (!put(c, I8042_COMMAND, AUX_ON) || reset(c, true) < 0) {
		(void)put(c, I8042_COMMAND, AUX_OFF);
		flush(c);
		return -ENODEV;
	}
	c->mouse.id = ask_kind(c);
	return say(c, true, SET_RATE) == 0 && say(c, true, 100) == 0 ? 0 : -ENODEV;
}

/* --- as input devices --- */

static int register_keys(struct device *dev, struct i8042 *c)
{
	struct input_capabilities can = {.name = "AT Translated Set 2 keyboard",
					 .phys = "isa0060/serio0/input0",
					 .id = {BUS_I8042, 1, 1, 0xab41}};

	bitmap_set(&can.can.ev, EV_KEY);
	bitmap_set(&can.can.ev, EV_MSC);
	bitmap_set(&can.can.ev, EV_LED);
	bitmap_set(&can.can.ev, EV_REP);
	bitmap_set(&can.can.msc, MSC_SCAN);
	for (uint16_t led = LED_NUML; led <= LED_SCROLLL; led++)
		bitmap_set(&can.can.led, led);
	for (size_t n = 0; ps2_key_at(n) != 0; n++)
		bitmap_set(can.can.key, ps2_key_at(n));
	return input_register(dev, &can, &c->keys);
}

static int register_aux(struct device *dev, struct i8042 *c)
{
	struct input_capabilities can = {.name = c->mouse.id != 0 ? "PS/2 wheel mouse" : "PS/2 mouse",
					 .phys = "isa0060/serio1/input0",
					 .id = {BUS_I8042, 2, c->mouse.id, 0}};

	bitmap_set(&can.can.ev, EV_KEY);
	bitmap_set(&can.can.ev, EV_REL);
	bitmap_set(&can.can.rel, REL_X);
	bitmap_set(&can.can.rel, REL_Y);
	if (c->mouse.id != 0)
		bitmap_set(&can.can.rel, REL_WHEEL);
	for (uint16_t button = BTN_LEFT; button <= (c->mouse.id == ID_BUTTONS ? BTN_EXTRA : BTN_MIDDLE); button++)
		bitmap_set(can.can.key, button);
	return input_register(dev, &can, &c->aux);
}

static int attach(struct device *dev)
{
	struct i8042 *c = device_private(dev);
	uint8_t config = CONFIG_TRANSLATE;
	bool has_aux = false;
	int error = mmio_map(dev, 0, &c->ports);

	if (error == 0 && c->ports.bytes <= I8042_STATUS)
		error = -EINVAL;
	if (error == 0)
		error = begin(c, &has_aux);
	if (error < 0)
		return error;
	/* The mouse speaks last: of what it says from then on no byte may be lost. */
	bool aux = has_aux && begin_aux(c) == 0, keys = begin_keys(c) == 0;
	aux = aux && say(c, true, ENABLE) == 0;
	if (!aux && !keys)
		return -ENODEV;
	if (keys)
		error = irq_open(dev, 0, &c->keys_irq);
	if (error == 0 && aux)
		error = irq_open(dev, 1, &c->aux_irq);
	if (error == 0 && keys)
		error = register_keys(dev, c);
	if (error == 0 && aux)
		error = register_aux(dev, c);
	if (error < 0)
		return error;
	config |= keys ? CONFIG_KEYS_IRQ : CONFIG_KEYS_OFF;
	config |= aux ? CONFIG_AUX_IRQ : CONFIG_AUX_OFF;
	return set_config(c, config);
}

/* --- bytes --- */

static void send_leds(struct i8042 *c)
{
	enum : uint8_t { SCROLL = 1, NUM = 2, CAPS = 4 };
	uint32_t leds = c->sending;

	(void)put(c, I8042_DATA,
		  (uint8_t)((leds & 1u << LED_SCROLLL ? SCROLL : 0) | (leds & 1u << LED_NUML ? NUM : 0) |
			    (leds & 1u << LED_CAPSL ? CAPS : 0)));
}

static void take_keys_byte(struct i8042 *c, uint8_t byte)
{
	uint16_t code;
	bool down;

	if (c->expecting > 0 && (byte == ACK || byte == AGAIN)) {
		if (byte == ACK && c->expecting == 2)
			send_leds(c);
		else
			c->leds = c->sending;
		c->expecting = byte == ACK ? c->expecting - 1 : 0;
		return;
	}
	/* It lost bytes: what comes up may have been among them. */
	if (byte == 0 || byte == 0xff) {
		input_release_keys(c->keys);
		return;
	}
	if (!ps2_take_key(&c->scan, byte, &code, &down))
		return;
	input_event(c->keys, EV_MSC, MSC_SCAN, byte & 0x7f);
	input_event(c->keys, EV_KEY, code, down);
	input_sync(c->keys);
}

static void take_aux_byte(struct i8042 *c, uint8_t byte)
{
	struct ps2_motion m;

	if (!ps2_take_motion(&c->mouse, byte, &m))
		return;
	for (uint16_t n = 0; n < 5; n++)
		input_event(c->aux, EV_KEY, BTN_LEFT + n, m.buttons >> n & 1);
	input_event(c->aux, EV_REL, REL_X, m.x);
	input_event(c->aux, EV_REL, REL_Y, m.y);
	input_event(c->aux, EV_REL, REL_WHEEL, m.wheel);
	input_sync(c->aux);
}

static void take_bytes(struct i8042 *c)
{
	for (unsigned n = 0; n < RUN_MAX; n++) {
		uint8_t status = mmio_read8(&c->ports, I8042_STATUS);

		if (!(status & STATUS_FULL) || status == STATUS_NONE)
			return;
		uint8_t byte = mmio_read8(&c->ports, I8042_DATA);
		if ((status & STATUS_AUX) && c->aux != nullptr)
			take_aux_byte(c, byte);
		else if (!(status & STATUS_AUX) && c->keys != nullptr)
			take_keys_byte(c, byte);
	}
}

/* Begins to send the lamps when they are others; one that does not answer has the ones it was told. */
static void serve_leds(struct i8042 *c)
{
	constexpr uint64_t ANSWER_NS = 1'000'000'000;
	uint32_t wanted = c->keys != nullptr ? input_leds(c->keys) : 0;

	if (c->expecting > 0 && clock_monotonic_ns() >= c->give_up_at_ns) {
		c->expecting = 0;
		c->leds = c->sending;
	}
	if (c->expecting > 0 || wanted == c->leds)
		return;
	c->sending = wanted;
	c->expecting = 2;
	c->give_up_at_ns = clock_monotonic_ns() + ANSWER_NS;
	(void)put(c, I8042_DATA, SET_LEDS);
}

static void serve(struct device *dev)
{
	struct i8042 *c = device_private(dev);

	while (!device_stopping(dev)) {
		take_bytes(c);
		serve_leds(c);
		irq_done(&c->keys_irq);
		irq_done(&c->aux_irq);
		/* What came before that raises no edge any more. */
		uint8_t status = mmio_read8(&c->ports, I8042_STATUS);
		if ((status & STATUS_FULL) && status != STATUS_NONE)
			continue;
		uint64_t look_ns = c->expecting > 0 ? c->give_up_at_ns : clock_monotonic_ns() + LOST_NS;
		/* Lost: nothing is looked at before it is time to. */
		while (device_wait(dev, look_ns) == 0 && FAULT_POINT_DUE(driver_i8042_interrupt)) {
			irq_done(&c->keys_irq);
			irq_done(&c->aux_irq);
		}
	}
}

static void detach(struct device *dev)
{
	struct i8042 *c = device_private(dev);

	(void)set_config(c, CONFIG_TRANSLATE | CONFIG_KEYS_OFF | CONFIG_AUX_OFF);
	flush(c);
}

static const char *const names[] = {"intel,8042", nullptr};

DRIVER(i8042, .component = &component_i8042, .bus = &platform_bus, .match = names,
       .private_bytes = sizeof(struct i8042), .wants = WANTS_PORTS | WANTS_IRQ, .attach = attach, .serve = serve,
       .detach = detach);
