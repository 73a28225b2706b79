/* SPDX-License-Identifier: MIT */
/*
 * Events of input devices (kernel/input/input.h): a report is gathered under the device's lock, by which it is checked
 * against what the device can do and what is so already; at its end it is copied to those files that read the device,
 * and, with nothing held, to the listeners.
 */
#include "input_internal.h"

#include <abi/errno.h>
#include <abi/signal.h>
#include <kernel/base/clock.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint64_t NS_PER_MS = 1'000'000;

uint64_t *input_bits_of(struct input_bits *b, unsigned type, unsigned *max)
{
	const struct {
		uint64_t *words;
		unsigned max;
	} all[EV_SND + 1] = {
		[EV_SYN] = {&b->ev, EV_MAX},   [EV_KEY] = {b->key, KEY_MAX},  [EV_REL] = {&b->rel, REL_MAX},
		[EV_ABS] = {&b->abs, ABS_MAX}, [EV_MSC] = {&b->msc, MSC_MAX}, [EV_SW] = {&b->sw, SW_MAX},
		[EV_LED] = {&b->led, LED_MAX}, [EV_SND] = {&b->snd, SND_MAX},
	};

	if (type > EV_SND || all[type].words == nullptr)
		return nullptr;
	*max = all[type].max;
	return all[type].words;
}

bool input_can(struct input_device *i, uint16_t type, uint16_t code)
{
	unsigned max;
	const uint64_t *words = input_bits_of(&i->can, type, &max);

	return words != nullptr && code <= max && bitmap_test(&i->can.ev, type) && bitmap_test(words, code);
}

void input_get(struct input_device *i)
{
	__atomic_fetch_add(&i->refs, 1, __ATOMIC_RELAXED);
}

void input_put(struct input_device *i)
{
	if (__atomic_fetch_sub(&i->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	device_put(i->device);
	kfree(i);
}

const char *input_name(const struct input_device *i)
{
	return i->entry.name;
}

/* --- a report --- */

/* What has to be done when nothing is held any more. */
struct report {
	struct input_value values[FRAME_MAX];
	unsigned n;
	bool grabbed;
};

/* Ends the report that is being gathered, for the files. Nothing if there is nothing in it. */
static void finish(struct input_device *i, struct report *r, int32_t value) REQUIRES(i -> lock)
{
	struct evdev_client *c;

	r->n = 0;
	if (i->frame_count == 0)
		return;
	i->frame[i->frame_count++] = (struct input_value){EV_SYN, SYN_REPORT, value};
	memcpy(r->values, i->frame, i->frame_count * sizeof(*i->frame));
	r->n = i->frame_count;
	r->grabbed = i->grab != nullptr;
	i->frame_count = 0;
	if (i->grab != nullptr) {
		evdev_take(i, i->grab, r->values, r->n);
		return;
	}
	list_for_each(c, &i->clients, link)
		evdev_take(i, c, r->values, r->n);
}

void input_wake(struct input_device *i, int code)
{
	wait_wake_all(&i->readers);
	async_notify(&i->async, code, FILE_READ | FILE_WRITE);
}

static void deliver(struct input_device *i, const struct report *r)
{
	if (r->n == 0)
		return;
	input_wake(i, POLL_IN);
	for (const struct input_listener *l = __input_listeners_start; l < __input_listeners_end; l++) {
		if (input_concerns(l, i) && (!r->grabbed || l->wants_grabbed))
			(void)guard_run_void(l->component, l->events(i, r->values, r->n));
	}
}

/* --- what an event changes --- */

static void repeat_from(struct input_device *i, uint16_t key, uint32_t ms) REQUIRES(i -> lock)
{
	i->repeat_key = ms != 0 ? key : 0;
	if (i->repeat_key != 0)
		timer_arm(&i->repeat, clock_monotonic_ns() + ms * NS_PER_MS);
}

/* False: it is no event. */
static bool take_key(struct input_device *i, uint16_t code, int32_t value) REQUIRES(i -> lock)
{
	bool down = bitmap_test(i->state.key, code);

	if (value == 2)
		return down;
	if (down == (value != 0) || (value != 0 && i->going))
		return false;
	if (value == 0) {
		bitmap_clear(i->state.key, code);
		i->repeat_key = 0;
		return true;
	}
	bitmap_set(i->state.key, code);
	if (bitmap_test(&i->can.ev, EV_REP) && i->repeat_ms[REP_PERIOD] != 0)
		repeat_from(i, code, i->repeat_ms[REP_DELAY]);
	return true;
}

static bool take_axis(struct input_device *i, uint16_t code, int32_t *value) REQUIRES(i -> lock)
{
	struct input_absinfo *a = &i->absinfo[code];
	/* Positions of fingers are of one of several slots: each is an event. */
	bool of_slot = code > ABS_MT_SLOT && code <= ABS_MT_TOOL_Y;

	if (!of_slot) {
		int64_t moved = (int64_t)*value - a->value;

		/* Trembling (Linux, input_defuzz_abs_event): less than half is none. */
		if (moved == 0 || (a->fuzz > 0 && 2 * (moved < 0 ? -moved : moved) < a->fuzz))
			return false;
		a->value = *value;
	}
	return true;
}

static bool take_bit(uint64_t *words, uint16_t code, int32_t value)
{
	if (bitmap_test(words, code) == (value != 0))
		return false;
	if (value != 0)
		bitmap_set(words, code);
	else
		bitmap_clear(words, code);
	return true;
}

static void tell_output(struct input_device *i, uint16_t type, uint16_t code, int32_t value) REQUIRES(i -> lock)
{
	if (i->suspended)
		return;
	if (i->output != nullptr)
		i->output(i->output_arg, type, code, value);
	else if (i->device != nullptr)
		device_wake(i->device);
}

/* True: it belongs into the report. */
static bool take(struct input_device *i, uint16_t type, uint16_t code, int32_t *value) REQUIRES(i -> lock)
{
	bool is_event = true;

	if (type == EV_REP && code <= REP_MAX && bitmap_test(&i->can.ev, EV_REP) && *value >= 0) {
		is_event = i->repeat_ms[code] != (uint32_t)*value;
		i->repeat_ms[code] = (uint32_t)*value;
		return is_event;
	}
	if (type == EV_SYN)
		return code == SYN_MT_REPORT;
	if (!input_can(i, type, code))
		return false;
	switch (type) {
	case EV_KEY: return take_key(i, code, *value);
	case EV_REL: return *value != 0;
	case EV_ABS: return take_axis(i, code, value);
	case EV_SW: return take_bit(&i->state.sw, code, *value);
	case EV_LED: is_event = take_bit(&i->state.led, code, *value); break;
	case EV_SND: (void)take_bit(&i->state.snd, code, *value); break;
	default: return true;
	}
	if (is_event)
		tell_output(i, type, code, *value);
	return is_event;
}

static void add(struct input_device *i, struct report *r, uint16_t type, uint16_t code, int32_t value)
	REQUIRES(i -> lock)
{
	r->n = 0;
	if (i->gone)
		return;
	if (type == EV_SYN && code == SYN_REPORT) {
		finish(i, r, value);
		return;
	}
	if (take(i, type, code, &value)) {
		i->frame[i->frame_count++] = (struct input_value){type, code, value};
		if (i->frame_count == FRAME_MAX - 1)
			finish(i, r, 0);
	}
}

void input_event(struct input_device *i, uint16_t type, uint16_t code, int32_t value)
{
	struct report r;

	spin_lock(&i->lock);
	add(i, &r, type, code, value);
	spin_unlock(&i->lock);
	deliver(i, &r);
}

void input_sync(struct input_device *i)
{
	input_event(i, EV_SYN, SYN_REPORT, 0);
}

void input_inject(struct input_device *i, struct evdev_client *by, uint16_t type, uint16_t code, int32_t value)
{
	struct report r = {};

	spin_lock(&i->lock);
	if ((i->grab == nullptr || i->grab == by) && (by == nullptr || !by->revoked))
		add(i, &r, type, code, value);
	spin_unlock(&i->lock);
	deliver(i, &r);
}

void input_release_keys(struct input_device *i)
{
	for (size_t key = 0; key <= KEY_MAX; key++) {
		struct report r = {};

		spin_lock(&i->lock);
		key = bitmap_find_set(i->state.key, KEY_MAX + 1, key);
		if (key <= KEY_MAX)
			add(i, &r, EV_KEY, (uint16_t)key, 0);
		spin_unlock(&i->lock);
		deliver(i, &r);
	}
	input_sync(i);
}

/* A key that is held. It is over when any key was let go meanwhile. */
void input_timer(struct timer *t)
{
	struct input_device *i = container_of(t, struct input_device, repeat);
	struct report r = {};

	spin_lock(&i->lock);
	uint16_t key = i->repeat_key;
	if (key != 0 && bitmap_test(i->state.key, key) && !i->gone && !i->suspended) {
		/* Not into the midst of a report: the next time, then. */
		if (i->frame_count == 0) {
			i->frame[i->frame_count++] = (struct input_value){EV_KEY, key, 2};
			finish(i, &r, 1);
		}
		repeat_from(i, key, i->repeat_ms[REP_PERIOD]);
	}
	spin_unlock(&i->lock);
	deliver(i, &r);
}

/* --- lamps --- */

uint32_t input_leds(struct input_device *i)
{
	spin_lock(&i->lock);
	uint32_t leds = (uint32_t)i->state.led;
	spin_unlock(&i->lock);
	return leds;
}

void input_set_leds(uint32_t which, uint32_t on)
{
	for (struct input_device *i = nullptr; (i = input_each(i)) != nullptr;) {
		/* Another's report is not to be ended in its midst. */
		if (!bitmap_test(&i->can.ev, EV_LED))
			continue;
		for (uint16_t led = 0; led <= LED_MAX; led++) {
			if (which & 1u << led)
				input_event(i, EV_LED, led, on >> led & 1);
		}
		input_sync(i);
	}
}
