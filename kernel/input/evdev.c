/* SPDX-License-Identifier: MIT */
/*
 * /dev/input/eventN as files (Linux, Documentation/input/input.rst, "evdev"): each has a ring of the events since it
 * was opened. Readers get whole reports; who is too slow loses all but the newest event and is told so by SYN_DROPPED.
 * What is written is an event of the device, a lamp for example.
 */
#include "input_internal.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/clock.h>
#include <kernel/file/poll.h>
#include <kernel/mem/slab.h>
#include <kernel/vm/vdso_clock.h>
#include <lib/string.h>
#include <lib/types.h>

DEFINE_COMPONENT(
	input, .stage = STAGE_FS,
	.users =
		"the call of /dev/input/event* or /dev/uinput fails with EFAULT; a driver that was in it is attached anew",
	.stays = "it has no thread, and its data are the devices that drivers and programs made");

constexpr int64_t NS_PER_SECOND = 1'000'000'000, NS_PER_US = 1000;

static struct input_event stamp(const struct evdev_client *c, uint16_t type, uint16_t code, int32_t value)
{
	int64_t now = c->clock == CLOCK_REALTIME ? clock_realtime_ns() : (int64_t)clock_monotonic_ns();

	return (struct input_event){.seconds = now / NS_PER_SECOND,
				    .microseconds = now % NS_PER_SECOND / NS_PER_US,
				    .type = type,
				    .code = code,
				    .value = value};
}

static void push(struct evdev_client *c, const struct input_event *e)
{
	c->ring[c->head++ % RING_SIZE] = *e;
	if (c->head - c->tail < RING_SIZE)
		return;
	/* All but the newest is lost, and a report that has not ended is not shown before it has. */
	struct input_event dropped = stamp(c, EV_SYN, SYN_DROPPED, 0);
	c->tail = c->head - 2;
	c->ring[c->tail % RING_SIZE] = dropped;
	c->packet = c->tail;
}

void evdev_drop(struct input_device *, struct evdev_client *c)
{
	struct input_event dropped = stamp(c, EV_SYN, SYN_DROPPED, 0);

	c->tail = c->packet = c->head;
	push(c, &dropped);
	c->packet = c->head;
}

/* Whether the file asked not to be told of it (EVIOCSMASK). */
static bool is_masked(struct evdev_client *c, const struct input_value *v)
{
	unsigned max;
	const uint64_t *words;

	if (v->type == EV_SYN || v->type > EV_MAX)
		return false;
	if ((c->masked & 1) && !bitmap_test(&c->mask.ev, v->type))
		return true;
	words = input_bits_of(&c->mask, v->type, &max);
	return words != nullptr && bitmap_test(&c->masked, v->type) && v->code <= max && !bitmap_test(words, v->code);
}

void evdev_take(struct input_device *, struct evdev_client *c, const struct input_value *values, unsigned n)
{
	struct input_event e = stamp(c, 0, 0, 0);

	if (c->revoked)
		return;
	for (unsigned k = 0; k < n; k++) {
		bool ends = values[k].type == EV_SYN && values[k].code == SYN_REPORT;

		if (is_masked(c, &values[k]) || (ends && c->head == c->packet))
			continue;
		e.type = values[k].type;
		e.code = values[k].code;
		e.value = values[k].value;
		push(c, &e);
		if (ends)
			c->packet = c->head;
	}
}

static bool is_over(struct input_device *i, const struct evdev_client *c)
{
	spin_lock(&i->lock);
	bool over = i->gone || c->revoked;
	spin_unlock(&i->lock);
	return over;
}

static bool has_report(struct input_device *i, const struct evdev_client *c)
{
	spin_lock(&i->lock);
	bool has = c->packet != c->tail;
	spin_unlock(&i->lock);
	return has;
}

static bool take_next(struct input_device *i, struct evdev_client *c, struct input_event *out)
{
	spin_lock(&i->lock);
	bool has = c->packet != c->tail;
	if (has)
		*out = c->ring[c->tail++ % RING_SIZE];
	spin_unlock(&i->lock);
	return has;
}

static long evdev_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct evdev_client *c = f->private_data;
	struct input_device *i = c->device;
	struct input_event e;
	size_t done = 0;

	if (n != 0 && n < sizeof(e))
		return -EINVAL;
	do {
		if (is_over(i, c))
			return -ENODEV;
		if (!has_report(i, c) && !io_may_wait(f, buf))
			return -EAGAIN;
		while (n - done >= sizeof(e) && take_next(i, c, &e)) {
			if (io_copy_out(buf, done, &e, sizeof(e)) != sizeof(e))
				return done > 0 ? (long)done : -EFAULT;
			done += sizeof(e);
		}
		if (done > 0 || n == 0)
			break;
		int error = wait_event_interruptible(&i->readers, has_report(i, c) || is_over(i, c));
		if (error != 0)
			return error;
	} while (true);
	return (long)done;
}

static long evdev_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct evdev_client *c = f->private_data;
	struct input_event e;
	size_t done = 0;

	if (n != 0 && n < sizeof(e))
		return -EINVAL;
	if (is_over(c->device, c))
		return -ENODEV;
	for (; n - done >= sizeof(e); done += sizeof(e)) {
		if (io_copy_in(&e, buf, done, sizeof(e)) != sizeof(e))
			return done > 0 ? (long)done : -EFAULT;
		input_inject(c->device, c, e.type, e.code, e.value);
	}
	return (long)done;
}

static uint32_t evdev_poll(struct file *f, struct poll_table *table)
{
	struct evdev_client *c = f->private_data;

	poll_watch(table, &c->device->readers);
	uint32_t events = is_over(c->device, c) ? POLLHUP | POLLERR : POLLOUT | POLLWRNORM;
	return events | (has_report(c->device, c) ? POLLIN | POLLRDNORM : 0);
}

static int evdev_open(struct file *f)
{
	struct input_device *i = input_of_minor(dev_minor(f->inode->rdev));
	struct evdev_client *c = i != nullptr ? kmalloc(sizeof(*c)) : nullptr;

	if (c == nullptr) {
		if (i != nullptr)
			input_put(i);
		return i != nullptr ? -ENOMEM : -ENXIO;
	}
	c->device = i;
	spin_lock(&i->lock);
	bool gone = i->gone;
	if (!gone)
		list_push_back(&i->clients, &c->link);
	spin_unlock(&i->lock);
	if (gone) {
		input_put(i);
		kfree(c);
		return -ENXIO;
	}
	f->private_data = c;
	return 0;
}

static void evdev_release(struct file *f)
{
	struct evdev_client *c = f->private_data;
	struct input_device *i = c->device;

	spin_lock(&i->lock);
	list_remove(&c->link);
	if (i->grab == c)
		i->grab = nullptr;
	spin_unlock(&i->lock);
	kfree(c);
	input_put(i);
}

static struct async_list *evdev_async(struct file *f)
{
	return &((struct evdev_client *)f->private_data)->device->async;
}

const struct file_ops evdev_ops = {
	.component = &component_input,
	.open = evdev_open,
	.read = evdev_read,
	.write = evdev_write,
	.poll = evdev_poll,
	.ioctl = evdev_ioctl,
	.release = evdev_release,
	.async = evdev_async,
};
