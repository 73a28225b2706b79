/* SPDX-License-Identifier: MIT */
/*
 * /dev/uinput: a program is an input device (Linux, Documentation/input/uinput.rst, include/uapi/linux/uinput.h). It
 * says what the device can do, makes it, and writes its events; it reads what is written to the device: lamps, sounds.
 * The device goes with the last descriptor. Force feedback is not known: EINVAL.
 */
#include "input_internal.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/clock.h>
#include <kernel/file/poll.h>
#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t { MISC_MAJOR = 10, UINPUT_MINOR = 223, OUTPUTS_MAX = 32 };

struct uinput {
	struct mutex lock;
	struct input_capabilities wanted GUARDED_BY(&lock);
	char name[UINPUT_NAME_MAX] GUARDED_BY(&lock);
	char phys[INPUT_TEXT_MAX] GUARDED_BY(&lock);
	struct input_device *device GUARDED_BY(&lock); /* nullptr: not made yet */
	/* What was written to it; the oldest is lost. */
	struct spinlock output_lock;
	struct input_event outputs[OUTPUTS_MAX] GUARDED_BY(&output_lock);
	uint32_t head GUARDED_BY(&output_lock), tail GUARDED_BY(&output_lock);
	struct wait_queue changed;
};

static void output(void *arg, uint16_t type, uint16_t code, int32_t value)
{
	struct uinput *u = arg;
	int64_t us = (int64_t)(clock_monotonic_ns() / 1000);

	spin_lock(&u->output_lock);
	u->outputs[u->head++ % OUTPUTS_MAX] = (struct input_event){us / 1'000'000, us % 1'000'000, type, code, value};
	if (u->head - u->tail > OUTPUTS_MAX)
		u->tail = u->head - OUTPUTS_MAX;
	spin_unlock(&u->output_lock);
	wait_wake_all(&u->changed);
}

static bool take_output(struct uinput *u, struct input_event *e)
{
	spin_lock(&u->output_lock);
	bool some = u->head != u->tail;
	if (some)
		*e = u->outputs[u->tail++ % OUTPUTS_MAX];
	spin_unlock(&u->output_lock);
	return some;
}

static bool has_output(struct uinput *u)
{
	spin_lock(&u->output_lock);
	bool some = u->head != u->tail;
	spin_unlock(&u->output_lock);
	return some;
}

/* Also without the lock, by whoever waits. */
static bool is_made(const struct uinput *u) NO_THREAD_SAFETY
{
	return __atomic_load_n(&u->device, __ATOMIC_ACQUIRE) != nullptr;
}

static int uinput_open(struct file *f)
{
	struct uinput *u = kmalloc(sizeof(*u));

	if (u == nullptr)
		return -ENOMEM;
	mutex_init(&u->lock, RANK_INODE - 1); /* nodes are made under it */
	spin_init(&u->output_lock, RANK_WAIT - 1);
	wait_queue_init(&u->changed);
	f->private_data = u;
	return 0;
}

static void destroy(struct uinput *u)
{
	mutex_lock(&u->lock);
	struct input_device *i = u->device;
	__atomic_store_n(&u->device, nullptr, __ATOMIC_RELEASE);
	mutex_unlock(&u->lock);
	if (i == nullptr)
		return;
	input_gone(i);
	wait_wake_all(&u->changed);
}

static void uinput_release(struct file *f)
{
	destroy(f->private_data);
	kfree(f->private_data);
}

static long uinput_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct uinput *u = f->private_data;
	struct input_event e;
	size_t done = 0;

	if (n != 0 && n < sizeof(e))
		return -EINVAL;
	if (!is_made(u))
		return -ENODEV;
	while (n - done >= sizeof(e)) {
		if (take_output(u, &e)) {
			if (io_copy_out(buf, done, &e, sizeof(e)) != sizeof(e))
				return done > 0 ? (long)done : -EFAULT;
			done += sizeof(e);
			continue;
		}
		if (done > 0)
			break;
		if (!io_may_wait(f, buf))
			return -EAGAIN;
		int error = wait_event_interruptible(&u->changed, has_output(u) || !is_made(u));
		if (error != 0)
			return error;
		if (!is_made(u))
			return -ENODEV;
	}
	return (long)done;
}

/* The structure of programs that do not know UI_DEV_SETUP: EINVAL for half of one. */
static long take_old_setup(struct uinput *u, struct io_buffer *buf, size_t n) REQUIRES(u -> lock)
{
	struct uinput_user_dev *d;

	if (n != sizeof(*d))
		return -EINVAL;
	d = kmalloc(sizeof(*d));
	if (d == nullptr)
		return -ENOMEM;
	long result = io_copy_in(d, buf, 0, sizeof(*d)) == sizeof(*d) ? (long)n : -EFAULT;
	if (result > 0 && d->effects_max != 0)
		result = -EINVAL;
	if (result > 0) {
		memcpy(u->name, d->name, sizeof(u->name));
		u->name[sizeof(u->name) - 1] = '\0';
		u->wanted.id = d->id;
		for (unsigned axis = 0; axis <= ABS_MAX; axis++)
			u->wanted.absinfo[axis] = (struct input_absinfo){.minimum = d->minimum[axis],
									 .maximum = d->maximum[axis],
									 .fuzz = d->fuzz[axis],
									 .flat = d->flat[axis]};
		result = u->name[0] != '\0' ? result : -EINVAL;
	}
	kfree(d);
	return result;
}

static long put_events(struct input_device *i, struct io_buffer *buf, size_t n)
{
	struct input_event e;
	size_t done = 0;

	if (n != 0 && n < sizeof(e))
		return -EINVAL;
	for (; n - done >= sizeof(e); done += sizeof(e)) {
		if (io_copy_in(&e, buf, done, sizeof(e)) != sizeof(e))
			return done > 0 ? (long)done : -EFAULT;
		input_event(i, e.type, e.code, e.value);
	}
	return (long)done;
}

static long uinput_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *)
{
	struct uinput *u = f->private_data;

	mutex_lock(&u->lock);
	struct input_device *i = u->device;
	if (i != nullptr)
		input_get(i);
	long result = i == nullptr ? take_old_setup(u, buf, n) : 0;
	mutex_unlock(&u->lock);
	if (i == nullptr)
		return result;
	result = put_events(i, buf, n);
	input_put(i);
	return result;
}

static uint32_t uinput_poll(struct file *f, struct poll_table *table)
{
	struct uinput *u = f->private_data;

	poll_watch(table, &u->changed);
	return POLLOUT | POLLWRNORM | (has_output(u) ? POLLIN | POLLRDNORM : 0);
}

/* --- commands --- */

static long create(struct uinput *u) REQUIRES(u -> lock)
{
	u->wanted.name = u->name;
	u->wanted.phys = u->phys;
	u->wanted.output = output;
	u->wanted.arg = u;
	return input_register(nullptr, &u->wanted, &u->device);
}

static long set_up(struct uinput *u, uint64_t arg) REQUIRES(u -> lock)
{
	struct uinput_setup s;

	if (get_user(s, (user_addr){arg}) < 0)
		return -EFAULT;
	s.name[sizeof(s.name) - 1] = '\0';
	if (s.name[0] == '\0' || s.effects_max != 0)
		return -EINVAL;
	memcpy(u->name, s.name, sizeof(u->name));
	u->wanted.id = s.id;
	return 0;
}

static long set_up_axis(struct uinput *u, uint64_t arg) REQUIRES(u -> lock)
{
	struct uinput_abs_setup s;

	if (get_user(s, (user_addr){arg}) < 0)
		return -EFAULT;
	if (s.code > ABS_MAX || s.info.minimum > s.info.maximum)
		return -EINVAL;
	u->wanted.absinfo[s.code] = s.info;
	bitmap_set(&u->wanted.can.ev, EV_ABS);
	bitmap_set(&u->wanted.can.abs, s.code);
	return 0;
}

static long set_phys(struct uinput *u, uint64_t arg) REQUIRES(u -> lock)
{
	long n = copy_string_from_user(u->phys, (user_addr){arg}, sizeof(u->phys));

	return n < 0 ? n : 0;
}

static long set_bit(struct uinput *u, uint32_t command, uint64_t code) REQUIRES(u -> lock)
{
	static const struct {
		uint32_t command;
		uint16_t type;
	} kinds[] = {{UI_SET_EVBIT, EV_SYN},  {UI_SET_KEYBIT, EV_KEY}, {UI_SET_RELBIT, EV_REL}, {UI_SET_ABSBIT, EV_ABS},
		     {UI_SET_MSCBIT, EV_MSC}, {UI_SET_LEDBIT, EV_LED}, {UI_SET_SNDBIT, EV_SND}, {UI_SET_SWBIT, EV_SW}};
	unsigned max;

	if (command == UI_SET_PROPBIT) {
		if (code > INPUT_PROP_MAX)
			return -EINVAL;
		bitmap_set(&u->wanted.properties, code);
		return 0;
	}
	for (size_t n = 0; n < ARRAY_LEN(kinds); n++) {
		if (kinds[n].command != command)
			continue;
		uint64_t *words = input_bits_of(&u->wanted.can, kinds[n].type, &max);
		if (code > max || (command == UI_SET_EVBIT && code == EV_FF))
			return -EINVAL;
		bitmap_set(words, code);
		/* A bit of a type says that the device has the type, too. */
		bitmap_set(&u->wanted.can.ev, kinds[n].type);
		return 0;
	}
	return -EINVAL;
}

/* While there is no device. */
static long change_wanted(struct uinput *u, uint32_t command, uint64_t arg) REQUIRES(u -> lock)
{
	switch (command) {
	case UI_DEV_CREATE: return create(u);
	case UI_DEV_SETUP: return set_up(u, arg);
	case UI_ABS_SETUP: return set_up_axis(u, arg);
	case UI_SET_PHYS: return set_phys(u, arg);
	default: return set_bit(u, command, arg);
	}
}

static long uinput_ioctl(struct file *f, uint32_t command, uint64_t arg)
{
	constexpr uint32_t size_mask = 0x3fff0000;
	struct uinput *u = f->private_data;
	const uint32_t version = UINPUT_VERSION;
	long result;

	if (command == UI_GET_VERSION)
		return put_user((user_addr){arg}, version);
	if (command == UI_DEV_DESTROY) {
		destroy(u);
		return 0;
	}
	mutex_lock(&u->lock);
	if ((command & ~size_mask) == UI_GET_SYSNAME_0)
		result = u->device != nullptr ? input_text_out(input_name(u->device), arg, (command & size_mask) >> 16)
					      : -ENOENT;
	else
		result = u->device != nullptr ? -EINVAL : change_wanted(u, command, arg);
	mutex_unlock(&u->lock);
	return result;
}

static const struct file_ops uinput_ops = {
	.component = &component_input,
	.open = uinput_open,
	.read = uinput_read,
	.write = uinput_write,
	.poll = uinput_poll,
	.ioctl = uinput_ioctl,
	.release = uinput_release,
};

static int start(void)
{
	return chrdev_register("uinput", MISC_MAJOR, UINPUT_MINOR, 0600, &uinput_ops, nullptr);
}

COMPONENT_START(input, start);
