/* SPDX-License-Identifier: MIT */
/* Input devices from the inside: input.c has their state, register.c how they come and go, evdev*.c what programs do
 * with them. */
#ifndef INPUT_INTERNAL_H
#define INPUT_INTERNAL_H

#include <kernel/base/component.h>
#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/device/class.h>
#include <kernel/file/async.h>
#include <kernel/input/input.h>
#include <kernel/thread/timer.h>
#include <kernel/vfs/vfs.h>
#include <lib/bitmap.h>

DECLARE_COMPONENT(input);

enum : uint32_t { FRAME_MAX = 48, INPUT_MAJOR = 13, INPUT_TEXT_MAX = 128 };
enum : uint32_t { RING_SIZE = 128 }; /* events that a file keeps; a power of two */
enum : uint32_t { REPEAT_DELAY_MS = 250, REPEAT_PERIOD_MS = 33 };

struct input_device {
	uint32_t refs; /* atomic */
	/* Not changed after it was registered. */
	struct device *device; /* a reference, or nullptr */
	unsigned slot, number; /* eventSLOT, inputNUMBER */
	bool ready;	       /* atomic: those that look through all devices find it */
	char name[INPUT_TEXT_MAX], phys[INPUT_TEXT_MAX], uniq[INPUT_TEXT_MAX], link[INPUT_TEXT_MAX];
	char place[2 * INPUT_TEXT_MAX]; /* its directory in /sys */
	struct input_id id;
	uint64_t properties;
	struct input_bits can;
	struct resource resource;
	struct class_entry entry, event_entry;

	struct spinlock lock;
	bool gone GUARDED_BY(&lock), suspended GUARDED_BY(&lock);
	bool going GUARDED_BY(&lock); /* its keys only come up */
	void (*output)(void *arg, uint16_t type, uint16_t code, int32_t value) GUARDED_BY(&lock);
	void *output_arg GUARDED_BY(&lock);
	struct input_bits state GUARDED_BY(&lock); /* keys, switches, lamps and sounds that are on */
	struct input_absinfo absinfo[ABS_MAX + 1] GUARDED_BY(&lock);
	uint32_t repeat_ms[REP_MAX + 1] GUARDED_BY(&lock);
	uint16_t repeat_key GUARDED_BY(&lock); /* 0: none */
	struct input_value frame[FRAME_MAX] GUARDED_BY(&lock);
	unsigned frame_count GUARDED_BY(&lock);
	struct list clients GUARDED_BY(&lock);
	struct evdev_client *grab GUARDED_BY(&lock);

	struct timer repeat;
	struct wait_queue readers;
	struct async_list async; /* of all its files: one may get a signal for what another has for itself */
};

/* An open /dev/input/eventN. Fields are guarded by the device's lock but for those that say otherwise. */
struct evdev_client {
	struct list link;
	struct input_device *device; /* a reference */
	bool revoked;
	uint32_t clock;
	uint32_t head, tail, packet; /* free-running; readers get what is before `packet` */
	uint64_t masked;	     /* types of which `mask` says something, bit 0: of types */
	struct input_bits mask;
	struct input_event ring[RING_SIZE];
};

/* input.c */
void input_get(struct input_device *i);
void input_put(struct input_device *i);
/* As input_event, by a file: nothing if it was revoked, or another one has the device for itself. */
void input_inject(struct input_device *i, struct evdev_client *by, uint16_t type, uint16_t code, int32_t value);
/* Whether a listener is for such devices. */
static inline bool input_concerns(const struct input_listener *l, const struct input_device *i)
{
	return bitmap_test(&i->can.ev, l->type);
}
void input_timer(struct timer *t);
void input_wake(struct input_device *i, int code);
extern const struct input_listener __input_listeners_start[], __input_listeners_end[]; /* the linker script's */

/* evdev.c, with the device's lock held: a report for a file. */
void evdev_take(struct input_device *i, struct evdev_client *c, const struct input_value *values, unsigned n)
	REQUIRES(i -> lock);
/* Begins the file's ring anew with SYN_DROPPED, as when events were lost. */
void evdev_drop(struct input_device *i, struct evdev_client *c) REQUIRES(i -> lock);
extern const struct file_ops evdev_ops;
/* evdev_ioctl.c */
long evdev_ioctl(struct file *f, uint32_t command, uint64_t arg);
/* Copies a text with its end, at most `size` bytes; how many, or -EFAULT; -ENOENT: it is empty. */
long input_text_out(const char *text, uint64_t to, size_t size);

/* register.c: with a reference, or nullptr: the one whose node has that minor number; the one after `after` (whose
 * reference it takes), in the order they came. */
struct input_device *input_of_minor(uint32_t minor);
struct input_device *input_each(struct input_device *after);
static inline uint32_t input_minor(unsigned slot)
{
	/* Linux's: 32 of old, the rest from 256 on. */
	return slot < 32 ? 64 + slot : 256 + slot - 32;
}

/* sys.c */
extern const struct node_file input_files[];

#endif
