/* SPDX-License-Identifier: MIT */
/*
 * Input devices: keyboards, mice, tablets. Codes and values are those of <abi/input.h> (Linux,
 * Documentation/input/event-codes.rst); programs see each device as /dev/input/eventN (evdev), parts of the kernel
 * as listeners.
 *
 *	attach:  input_register(dev, &capabilities, &i)
 *	serve:   input_event(i, EV_KEY, KEY_A, 1); input_sync(i);   and sets the lamps when input_leds(i) has changed
 *
 * An input device outlives its driver's rounds: when one ends, the keys that are down are released; registering the
 * same one again (name and phys) goes on with it, and open files never notice. It goes with its device.
 *
 * What a driver says is checked: events that the capabilities do not name are dropped, and so is what changes nothing
 * (a key that is down already). Keys repeat by the kernel's timer where the capabilities have EV_REP.
 */
#ifndef KERNEL_INPUT_H
#define KERNEL_INPUT_H

#include <abi/input.h>
#include <kernel/device/device.h>
#include <stdint.h>

struct input_device; /* counted */

/* A bit for each code of each type; input_bits_of finds the words of a type. */
struct input_bits {
	uint64_t ev, key[(KEY_MAX + 1) / 64], rel, abs, msc, sw, led, snd;
};
/* The words and the highest code of a type (EV_SYN: of types); nullptr: it has none. */
uint64_t *input_bits_of(struct input_bits *b, unsigned type, unsigned *max);

struct input_capabilities {
	const char *name; /* of the device, for people; copied, as those below */
	const char *phys; /* where it is: "usb-0000:00:04.0-1/input0"; nullptr: none */
	const char *uniq; /* its serial number; nullptr: none */
	const char *link; /* below /dev/input/by-id: "usb-Maker_Model-event-kbd"; nullptr: none */
	struct input_id id;
	uint64_t properties;   /* INPUT_PROP_* */
	struct input_bits can; /* EV_SYN need not be set */
	struct input_absinfo absinfo[ABS_MAX + 1];
	/* Something was written to the device that input_leds() tells, or an event of EV_SND. Any context, spinlocks
	 * are held: only wakes. nullptr: device_wake(). */
	void (*output)(void *arg, uint16_t type, uint16_t code, int32_t value);
	void *arg;
};

/* --- for drivers --- */

/* By attach. dev: whose it is, which owns it; nullptr: the caller ends it by input_gone(). *out stays valid until the
 * device is gone, or input_gone(). -EINVAL: no name, or an axis whose range is none; -EEXIST: the device has such a
 * one that works; -ENOSPC: there are INPUT_DEVICES_MAX; -ENOMEM; -ENODEV: no round is under way. May sleep. */
constexpr unsigned INPUT_DEVICES_MAX = 256;
[[nodiscard]] int input_register(struct device *dev, const struct input_capabilities *c,
				 struct input_device **out) NOT_ELEVATED;
/* An event of the report that input_sync ends. Any thread of the driver; several at once mix their reports. Does not
 * wait for anybody. */
void input_event(struct input_device *i, uint16_t type, uint16_t code, int32_t value) NOT_ELEVATED;
void input_sync(struct input_device *i) NOT_ELEVATED;
/* All keys that are down are up, as after events were lost. */
void input_release_keys(struct input_device *i) NOT_ELEVATED;
/* Which lamps are to shine, a bit for each LED_*. Any context. */
uint32_t input_leds(struct input_device *i) NOT_ELEVATED;
/* Of one without a device: it leaves /dev, who reads it gets ENODEV; the caller's pointer is no longer valid. May
 * sleep. */
void input_gone(struct input_device *i) NOT_ELEVATED;
/* "input3". Borrowed. */
const char *input_name(const struct input_device *i);

/* --- for listeners in the kernel --- */

struct input_value {
	uint16_t type, code;
	int32_t value; /* keys: 0 up, 1 down, 2 it repeats */
};
/*
 * Gets each report of each device, its EV_SYN included, in the thread that ended it (the driver's, the timer's for
 * keys that repeat, a process's): without the device's locks, under a guard of its component. It must not wait for
 * long. Reports of one device may come at the same time from two threads. One that wants_grabbed gets also what a
 * program has for itself (EVIOCGRAB). `gone`: that was its last report; may be nullptr.
 */
struct input_listener {
	const char *name; /* as /proc/bus/input/devices shows it: "kbd" */
	struct component *component;
	uint16_t type; /* only of devices that have it: EV_KEY; EV_SYN: of all */
	void (*events)(struct input_device *i, const struct input_value *values, unsigned n);
	void (*gone)(struct input_device *i);
	bool wants_grabbed;
};
/* Puts one into the image. */
#define INPUT_LISTENER(ident, ...)                                                                                     \
	static const struct input_listener input_listener_##ident                                                      \
		__attribute__((section(".input_listeners"), used)) = {__VA_ARGS__}

/* Sets the lamps of `which` (a bit for each LED_*) of all devices as `on` says. Any thread. */
void input_set_leds(uint32_t which, uint32_t on) NOT_ELEVATED;
/* Whether the device has this code of that type: input_can(i, EV_KEY, KEY_A). */
bool input_can(struct input_device *i, uint16_t type, uint16_t code);

#endif
