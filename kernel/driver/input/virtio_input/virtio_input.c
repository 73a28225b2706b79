/* SPDX-License-Identifier: MIT */
/*
 * Virtio keyboards, mice and tablets (Virtual I/O Device 1.2, 5.8): what the device can do is in its configuration,
 * one part at a time; its events come in buffers of queue 0, and lamps go to it by queue 1. All is the device's
 * thread's.
 */
#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/fault_point.h>
#include <kernel/bus/virtio.h>
#include <kernel/device/dma.h>
#include <kernel/device/irq.h>
#include <kernel/input/input.h>
#include <kernel/thread/component.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <lib/types.h>

DEFINE_COMPONENT(virtio_input, .asks_devices = true,
		 .users = "events are lost until the device is attached anew; keys that are down come up");

/* The configuration (5.8.4). */
enum : uint16_t { SELECT = 0, SUBSELECT = 1, SIZE = 2, DATA = 8, DATA_BYTES = 128, CONFIG_BYTES = DATA + DATA_BYTES };
enum : uint8_t { ID_NAME = 1, ID_SERIAL = 2, ID_DEVIDS = 3, PROP_BITS = 0x10, EV_BITS = 0x11, ABS_INFO = 0x12 };
enum : unsigned { EVENT_QUEUE = 0, STATUS_QUEUE = 1, EVENTS = 64 };
/* When it is looked for events whose interrupt was lost: before they are taken there is no further one. */
constexpr uint64_t LOOK_NS = 5'000'000'000;

/* 5.8.6; little endian, as both architectures are. */
struct virtio_event {
	uint16_t type, code;
	int32_t value;
};

struct source {
	struct irq irq;
	struct virtio_queue *events, *status;
	struct dma_buffer memory; /* EVENTS of them, and one that goes to the device */
	struct input_device *input;
	uint32_t leds; /* as the device was told */
	bool telling;  /* the device has the one that goes to it */
	struct input_capabilities can;
	char name[DATA_BYTES + 1], serial[DATA_BYTES + 1];
};

/* Reads a part; how many bytes the device has of it, at most DATA_BYTES, which are behind DATA of `out`. */
static unsigned read_part(struct device *dev, uint8_t select, uint8_t subselect, unsigned char *out)
{
	struct virtio_field fields[1 + DATA_BYTES / 4] = {{SIZE, 1}};

	for (unsigned n = 0; n < DATA_BYTES / 4; n++)
		fields[1 + n] = (struct virtio_field){(uint16_t)(DATA + 4 * n), 4};
	virtio_config_write8(dev, SELECT, select);
	virtio_config_write8(dev, SUBSELECT, subselect);
	if (virtio_config_read(dev, fields, ARRAY_LEN(fields), out, CONFIG_BYTES) < 0)
		return 0;
	return MIN(out[SIZE], (unsigned)DATA_BYTES);
}

static void read_text(struct device *dev, uint8_t select, char *text)
{
	unsigned char out[CONFIG_BYTES];
	unsigned n = read_part(dev, select, 0, out);

	memcpy(text, out + DATA, n);
	text[n] = '\0';
}

static void read_bits(struct device *dev, struct input_capabilities *c, uint16_t type)
{
	unsigned char out[CONFIG_BYTES];
	unsigned max, n = read_part(dev, EV_BITS, (uint8_t)type, out);
	uint64_t *words = input_bits_of(&c->can, type, &max);

	if (n == 0 || (words == nullptr && type != EV_REP))
		return;
	bitmap_set(&c->can.ev, type);
	for (unsigned code = 0; words != nullptr && code <= max && code < 8 * n; code++) {
		if (out[DATA + code / 8] >> code % 8 & 1)
			bitmap_set(words, code);
	}
}

static void read_axis(struct device *dev, struct input_capabilities *c, unsigned axis)
{
	unsigned char out[CONFIG_BYTES];
	int32_t words[5] = {};

	if (read_part(dev, ABS_INFO, (uint8_t)axis, out) < 4 * sizeof(*words))
		return;
	memcpy(words, out + DATA, sizeof(words));
	c->absinfo[axis] = (struct input_absinfo){
		.minimum = words[0], .maximum = words[1], .fuzz = words[2], .flat = words[3], .resolution = words[4]};
}

static void read_capabilities(struct device *dev, struct source *s)
{
	struct input_capabilities *c = &s->can;
	unsigned char out[CONFIG_BYTES];

	read_text(dev, ID_NAME, s->name);
	read_text(dev, ID_SERIAL, s->serial);
	c->name = s->name[0] != '\0' ? s->name : "virtio input device";
	c->uniq = s->serial;
	c->phys = device_name(dev);
	if (read_part(dev, ID_DEVIDS, 0, out) >= sizeof(c->id))
		memcpy(&c->id, out + DATA, sizeof(c->id));
	if (read_part(dev, PROP_BITS, 0, out) > 0)
		memcpy(&c->properties, out + DATA, sizeof(uint32_t));
	static const uint16_t types[] = {EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_SW, EV_LED, EV_REP};
	for (size_t n = 0; n < ARRAY_LEN(types); n++)
		read_bits(dev, c, types[n]);
	for (unsigned axis = 0; axis <= ABS_MAX; axis++) {
		if (bitmap_test(&c->can.abs, axis))
			read_axis(dev, c, axis);
	}
}

/* --- queues --- */

static struct virtio_event *event_at(const struct source *s, unsigned n)
{
	return (struct virtio_event *)s->memory.at + n;
}

static void give(struct source *s, unsigned n)
{
	const struct virtio_piece piece = {s->memory.address + n * sizeof(struct virtio_event),
					   sizeof(struct virtio_event)};

	(void)virtio_queue_add(s->events, n, &piece, 0, 1, event_at(s, n));
}

static void take_event(struct source *s, struct virtio_event *at, uint32_t written)
{
	/* Copied before it is looked at: the device could change it. */
	struct virtio_event e = *(volatile struct virtio_event *)at;

	if (written >= sizeof(e) && e.type != EV_LED && e.type != EV_SND && e.type != EV_REP)
		input_event(s->input, e.type, e.code, e.value);
	give(s, (unsigned)(at - event_at(s, 0)));
}

/* One lamp at a time. */
static void tell_leds(struct source *s)
{
	uint32_t written, changed;

	if (s->status == nullptr)
		return;
	do {
		while (virtio_queue_take(s->status, &written) != nullptr)
			s->telling = false;
		changed = input_leds(s->input) ^ s->leds;
		if (s->telling || changed == 0)
			continue;
		const struct virtio_piece piece = {s->memory.address + EVENTS * sizeof(struct virtio_event),
						   sizeof(struct virtio_event)};
		uint16_t led = (uint16_t)__builtin_ctz(changed);
		s->leds ^= 1u << led;
		*event_at(s, EVENTS) = (struct virtio_event){EV_LED, led, s->leds >> led & 1};
		s->telling = virtio_queue_add(s->status, 0, &piece, 1, 0, s);
		virtio_queue_kick(s->status);
	} while (virtio_queue_listen(s->status));
}

static void take_events(struct device *dev, struct source *s)
{
	struct virtio_event *at;
	uint32_t written;

	do {
		bool any = false;

		for (unsigned n = 0; n < EVENTS && (at = virtio_queue_take(s->events, &written)) != nullptr; n++) {
			take_event(s, at, written);
			any = true;
		}
		if (any)
			virtio_queue_kick(s->events);
	} while (virtio_queue_listen(s->events) && !device_stopping(dev));
}

static void serve(struct device *dev)
{
	struct source *s = device_private(dev);

	while (!device_stopping(dev)) {
		(void)virtio_interrupts(dev);
		take_events(dev, s);
		tell_leds(s);
		irq_done(&s->irq);
		uint64_t look_ns = clock_monotonic_ns() + LOOK_NS;
		/* Lost: nothing is looked at before it is time to. */
		while (irq_wait(&s->irq, look_ns) == 0 && FAULT_POINT_DUE(driver_virtio_input_interrupt))
			irq_done(&s->irq);
	}
}

static int attach(struct device *dev)
{
	struct source *s = device_private(dev);
	uint64_t features;
	int error = virtio_begin(dev, 0, &features);

	if (error == 0)
		error = virtio_queue_open(dev, EVENT_QUEUE, features, EVENTS, 1, &s->events);
	if (error == 0)
		error = virtio_queue_open(dev, STATUS_QUEUE, features, 1, 1, &s->status);
	/* One without lamps need not have it. */
	if (error == -ENOENT && s->events != nullptr)
		error = 0;
	if (error == 0)
		error = dma_alloc(dev, (EVENTS + 1) * sizeof(struct virtio_event), &s->memory);
	if (error == 0)
		error = irq_open(dev, 0, &s->irq);
	if (error < 0)
		return error;
	read_capabilities(dev, s);
	error = input_register(dev, &s->can, &s->input);
	if (error < 0)
		return error;
	for (unsigned n = 0; n < s->events->requests; n++)
		give(s, n);
	virtio_ready(dev);
	virtio_queue_kick(s->events);
	return 0;
}

static void detach(struct device *dev)
{
	(void)virtio_reset(dev);
}

static const uint32_t types[] = {VIRTIO_TYPE_INPUT, VIRTIO_TYPE_NONE};

DRIVER(virtio_input, .component = &component_virtio_input, .bus = &virtio_bus, .match = types,
       .private_bytes = sizeof(struct source), .wants = WANTS_IRQ | WANTS_DMA, .hears_of_power = true, .attach = attach,
       .serve = serve, .detach = detach);
