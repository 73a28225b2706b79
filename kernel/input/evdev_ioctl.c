/* SPDX-License-Identifier: MIT */
/* ioctl(2) of /dev/input/eventN: EVIOC* (Linux, include/uapi/linux/input.h). Commands that give bytes take any length,
 * and return how many they gave. */
#include "input_internal.h"

#include <abi/errno.h>
#include <abi/signal.h>
#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>
#include <kernel/vm/vdso_clock.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t { SIZE_SHIFT = 16, SIZE_MASK = 0x3fff, NUMBER_MASK = 0xff };

static size_t size_of(uint32_t command)
{
	return command >> SIZE_SHIFT & SIZE_MASK;
}

static long bytes_out(const void *from, size_t bytes, uint64_t to, size_t size)
{
	size_t n = MIN(bytes, size);

	return copy_to_user((user_addr){to}, from, n) == 0 ? (long)n : -EFAULT;
}

long input_text_out(const char *text, uint64_t to, size_t size)
{
	return text[0] != '\0' ? bytes_out(text, strlen(text) + 1, to, size) : -ENOENT;
}

static size_t bytes_of_bits(unsigned max)
{
	return bitmap_words(max + 1) * sizeof(uint64_t);
}

/* Takes those events out of the file's ring, and reports that are empty then: what is asked for tells the same. */
static void forget_events(struct evdev_client *c, uint16_t type)
{
	uint32_t to = c->tail, packet = c->tail;

	for (uint32_t from = c->tail; from != c->head; from++) {
		const struct input_event *e = &c->ring[from % RING_SIZE];
		bool ends = e->type == EV_SYN && e->code == SYN_REPORT;

		if (e->type == type || (ends && to == packet))
			continue;
		c->ring[to++ % RING_SIZE] = *e;
		if (from - c->tail < c->packet - c->tail && (ends || (e->type == EV_SYN && e->code == SYN_DROPPED)))
			packet = to;
	}
	c->head = to;
	c->packet = packet;
}

static long get_state(struct input_device *i, struct evdev_client *c, uint16_t type, uint64_t to, size_t size)
{
	uint64_t copy[ARRAY_LEN(i->can.key)];
	unsigned max = 0;

	spin_lock(&i->lock);
	const uint64_t *words = input_bits_of(&i->state, type, &max);
	memcpy(copy, words, bytes_of_bits(max));
	forget_events(c, type);
	spin_unlock(&i->lock);
	return bytes_out(copy, bytes_of_bits(max), to, size);
}

static long get_bits(struct input_device *i, unsigned type, uint64_t to, size_t size)
{
	const uint64_t none[2] = {};
	unsigned max;
	const uint64_t *words = input_bits_of(&i->can, type, &max);

	if (type == EV_FF)
		return bytes_out(none, sizeof(none), to, size);
	return words != nullptr ? bytes_out(words, bytes_of_bits(max), to, size) : -EINVAL;
}

static long get_axis(struct input_device *i, unsigned axis, uint64_t to, size_t size)
{
	if (!input_can(i, EV_ABS, (uint16_t)axis))
		return -EINVAL;
	spin_lock(&i->lock);
	struct input_absinfo a = i->absinfo[axis];
	spin_unlock(&i->lock);
	return bytes_out(&a, sizeof(a), to, size) < 0 ? -EFAULT : 0;
}

static long set_axis(struct input_device *i, unsigned axis, uint64_t from, size_t size)
{
	struct input_absinfo a = {};

	if (!input_can(i, EV_ABS, (uint16_t)axis))
		return -EINVAL;
	if (copy_from_user(&a, (user_addr){from}, MIN(size, sizeof(a))) < 0)
		return -EFAULT;
	/* The current slot of fingers is not for programs to change. */
	if (axis == ABS_MT_SLOT)
		return -EINVAL;
	spin_lock(&i->lock);
	i->absinfo[axis] = a;
	spin_unlock(&i->lock);
	return 0;
}

static long repeat(struct input_device *i, struct evdev_client *c, uint64_t at, bool set)
{
	uint32_t ms[REP_MAX + 1];

	if (!bitmap_test(&i->can.ev, EV_REP))
		return -ENOSYS;
	if (set) {
		if (copy_from_user(ms, (user_addr){at}, sizeof(ms)) < 0)
			return -EFAULT;
		for (uint16_t code = 0; code <= REP_MAX; code++)
			input_inject(i, c, EV_REP, code, (int32_t)ms[code]);
		return 0;
	}
	spin_lock(&i->lock);
	memcpy(ms, i->repeat_ms, sizeof(ms));
	spin_unlock(&i->lock);
	return copy_to_user((user_addr){at}, ms, sizeof(ms));
}

static long grab(struct input_device *i, struct evdev_client *c, bool on)
{
	long error = 0;

	spin_lock(&i->lock);
	/* It may have been revoked since it was asked: then nobody could take it back. */
	if (c->revoked)
		error = -ENODEV;
	else if (on)
		error = i->grab == nullptr ? 0 : -EBUSY;
	else
		error = i->grab == c ? 0 : -EINVAL;
	if (error == 0)
		i->grab = on ? c : nullptr;
	spin_unlock(&i->lock);
	return error;
}

static long revoke(struct input_device *i, struct evdev_client *c)
{
	spin_lock(&i->lock);
	c->revoked = true;
	c->packet = c->head = c->tail;
	if (i->grab == c)
		i->grab = nullptr;
	spin_unlock(&i->lock);
	input_wake(i, POLL_HUP);
	return 0;
}

static long set_clock(struct input_device *i, struct evdev_client *c, uint64_t at)
{
	uint32_t clock;

	if (get_user(clock, (user_addr){at}) < 0)
		return -EFAULT;
	/* The machine never sleeps: CLOCK_BOOTTIME is the monotonic one. */
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
		return -EINVAL;
	spin_lock(&i->lock);
	if (c->clock != clock) {
		c->clock = clock;
		if (c->head != c->tail)
			evdev_drop(i, c);
	}
	spin_unlock(&i->lock);
	return 0;
}

static long mask(struct input_device *i, struct evdev_client *c, uint64_t at, bool set)
{
	struct input_mask m;
	struct input_bits copy;
	unsigned max = 0;

	if (get_user(m, (user_addr){at}) < 0)
		return -EFAULT;
	if (set && m.codes_size % sizeof(uint64_t) != 0)
		return -EINVAL;
	spin_lock(&i->lock);
	copy = c->mask;
	bool known = m.type <= EV_MAX && bitmap_test(&c->masked, m.type);
	spin_unlock(&i->lock);
	uint64_t *words = input_bits_of(&copy, m.type, &max);
	size_t bytes = words != nullptr ? bytes_of_bits(max) : 0, n = MIN(bytes, (size_t)m.codes_size);
	if (!set) {
		if (words != nullptr && !known)
			memset(words, 0xff, bytes);
		if (n > 0 && copy_to_user((user_addr){m.codes_ptr}, words, n) < 0)
			return -EFAULT;
		return clear_user((user_addr){m.codes_ptr + n}, m.codes_size - n);
	}
	if (words == nullptr)
		return 0;
	memset(words, 0, bytes);
	if (copy_from_user(words, (user_addr){m.codes_ptr}, n) < 0)
		return -EFAULT;
	spin_lock(&i->lock);
	memcpy(input_bits_of(&c->mask, m.type, &max), words, bytes);
	bitmap_set(&c->masked, m.type);
	spin_unlock(&i->lock);
	return 0;
}

static long of_fixed_size(struct input_device *i, struct evdev_client *c, uint32_t command, uint64_t arg)
{
	const uint32_t version = INPUT_VERSION;

	switch (command) {
	case EVIOCGVERSION: return put_user((user_addr){arg}, version);
	case EVIOCGID: return put_user((user_addr){arg}, i->id);
	case EVIOCGREP: return repeat(i, c, arg, false);
	case EVIOCSREP: return repeat(i, c, arg, true);
	case EVIOCGRAB: return grab(i, c, arg != 0);
	case EVIOCREVOKE: return arg == 0 ? revoke(i, c) : -EINVAL;
	case EVIOCSCLOCKID: return set_clock(i, c, arg);
	case EVIOCGMASK: return mask(i, c, arg, false);
	case EVIOCSMASK: return mask(i, c, arg, true);
	default: return -EINVAL;
	}
}

long evdev_ioctl(struct file *f, uint32_t command, uint64_t arg)
{
	struct evdev_client *c = f->private_data;
	struct input_device *i = c->device;
	size_t size = size_of(command);
	uint32_t number = command & NUMBER_MASK;

	spin_lock(&i->lock);
	bool over = i->gone || c->revoked;
	spin_unlock(&i->lock);
	if (over)
		return -ENODEV;
	switch (command & ~(SIZE_MASK << SIZE_SHIFT)) {
	case EVIOCGNAME_0: return input_text_out(i->name, arg, size);
	case EVIOCGPHYS_0: return input_text_out(i->phys, arg, size);
	case EVIOCGUNIQ_0: return input_text_out(i->uniq, arg, size);
	case EVIOCGPROP_0: return bytes_out(&i->properties, sizeof(i->properties), arg, size);
	case EVIOCGKEY_0: return get_state(i, c, EV_KEY, arg, size);
	case EVIOCGLED_0: return get_state(i, c, EV_LED, arg, size);
	case EVIOCGSND_0: return get_state(i, c, EV_SND, arg, size);
	case EVIOCGSW_0: return get_state(i, c, EV_SW, arg, size);
	default: break;
	}
	uint32_t shape = command & ~(SIZE_MASK << SIZE_SHIFT | NUMBER_MASK);
	if (shape == (EVIOCGBIT_0 & ~NUMBER_MASK) && number >= 0x20 && number < 0x40)
		return get_bits(i, number - 0x20, arg, size);
	if (shape == (EVIOCGABS_0 & ~NUMBER_MASK) && number >= 0x40 && number < 0x80)
		return get_axis(i, number - 0x40, arg, size);
	if (shape == (EVIOCSABS_0 & ~NUMBER_MASK) && number >= 0xc0)
		return set_axis(i, number - 0xc0, arg, size);
	return of_fixed_size(i, c, command, arg);
}
