/* SPDX-License-Identifier: MIT */
/* Input devices in /sys/class/input and /proc/bus/input (Linux, drivers/input/input.c shows the same). */
#include "input_internal.h"

#include <kernel/mem/text.h>
#include <lib/string.h>
#include <lib/types.h>

/* Words of 64 bits, the highest that is not empty first. */
static void put_bits(struct text_buffer *b, const uint64_t *words, unsigned max)
{
	size_t n = bitmap_words(max + 1);

	while (n > 1 && words[n - 1] == 0)
		n--;
	while (n-- > 0)
		text_printf(b, "%llx%s", (unsigned long long)words[n], n > 0 ? " " : "\n");
}

#define SHOWS(function, format, value)                                                                                 \
	static int function(struct text_buffer *b, void *arg)                                                          \
	{                                                                                                              \
		const struct input_device *i = arg;                                                                    \
                                                                                                                       \
		text_printf(b, format "\n", value);                                                                    \
		return 0;                                                                                              \
	}
SHOWS(show_name, "%s", i->name)
SHOWS(show_phys, "%s", i->phys)
SHOWS(show_uniq, "%s", i->uniq)
SHOWS(show_bus, "%04x", i->id.bustype)
SHOWS(show_vendor, "%04x", i->id.vendor)
SHOWS(show_product, "%04x", i->id.product)
SHOWS(show_version, "%04x", i->id.version)
SHOWS(show_properties, "%llx", (unsigned long long)i->properties)

static int show_effects(struct text_buffer *b, void *)
{
	text_printf(b, "0\n");
	return 0;
}

#define SHOWS_BITS(function, words, max)                                                                               \
	static int function(struct text_buffer *b, void *arg)                                                          \
	{                                                                                                              \
		const struct input_device *i = arg;                                                                    \
                                                                                                                       \
		put_bits(b, words, max);                                                                               \
		return 0;                                                                                              \
	}
SHOWS_BITS(show_ev, &i->can.ev, EV_MAX)
SHOWS_BITS(show_key, i->can.key, KEY_MAX)
SHOWS_BITS(show_rel, &i->can.rel, REL_MAX)
SHOWS_BITS(show_abs, &i->can.abs, ABS_MAX)
SHOWS_BITS(show_msc, &i->can.msc, MSC_MAX)
SHOWS_BITS(show_sw, &i->can.sw, SW_MAX)
SHOWS_BITS(show_led, &i->can.led, LED_MAX)
SHOWS_BITS(show_snd, &i->can.snd, SND_MAX)

#define ENTRY(entry_name, function)                                                                                    \
	{.component = &component_input, .name = (entry_name), .mode = 0444, .show = (function)}
const struct node_file input_files[] = {
	ENTRY("name", show_name),
	ENTRY("phys", show_phys),
	ENTRY("uniq", show_uniq),
	ENTRY("properties", show_properties),
	ENTRY("id/bustype", show_bus),
	ENTRY("id/vendor", show_vendor),
	ENTRY("id/product", show_product),
	ENTRY("id/version", show_version),
	ENTRY("capabilities/ev", show_ev),
	ENTRY("capabilities/key", show_key),
	ENTRY("capabilities/rel", show_rel),
	ENTRY("capabilities/abs", show_abs),
	ENTRY("capabilities/msc", show_msc),
	ENTRY("capabilities/led", show_led),
	ENTRY("capabilities/snd", show_snd),
	ENTRY("capabilities/ff", show_effects),
	ENTRY("capabilities/sw", show_sw),
	{},
};

/* --- /proc/bus/input --- */

static void put_device(struct text_buffer *b, struct input_device *i)
{
	static const struct {
		const char *name;
		uint16_t type;
	} kinds[] = {{"KEY", EV_KEY}, {"REL", EV_REL}, {"ABS", EV_ABS}, {"MSC", EV_MSC},
		     {"LED", EV_LED}, {"SND", EV_SND}, {"SW", EV_SW}};

	text_printf(b, "I: Bus=%04x Vendor=%04x Product=%04x Version=%04x\n", i->id.bustype, i->id.vendor,
		    i->id.product, i->id.version);
	text_printf(b, "N: Name=\"%s\"\nP: Phys=%s\nS: Sysfs=%s\n", i->name, i->phys, i->place);
	text_printf(b, "U: Uniq=%s\nH: Handlers=", i->uniq);
	for (const struct input_listener *l = __input_listeners_start; l < __input_listeners_end; l++) {
		if (input_concerns(l, i))
			text_printf(b, "%s ", l->name);
	}
	text_printf(b, "event%u \nB: PROP=%llx\nB: EV=", i->slot, (unsigned long long)i->properties);
	put_bits(b, &i->can.ev, EV_MAX);
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		unsigned max;
		const uint64_t *words = input_bits_of(&i->can, kinds[k].type, &max);

		if (!bitmap_test(&i->can.ev, kinds[k].type))
			continue;
		text_printf(b, "B: %s=", kinds[k].name);
		put_bits(b, words, max);
	}
	text_printf(b, "\n");
}

static int show_devices(struct text_buffer *b, void *)
{
	for (struct input_device *i = nullptr; (i = input_each(i)) != nullptr;)
		put_device(b, i);
	return 0;
}

PROC_FILE(input_devices, .component = &component_input, .name = "bus/input/devices", .mode = 0444,
	  .show = show_devices);

static int show_handlers(struct text_buffer *b, void *)
{
	unsigned n = 0;

	for (const struct input_listener *l = __input_listeners_start; l < __input_listeners_end; l++)
		text_printf(b, "N: Number=%u Name=%s\n", n++, l->name);
	text_printf(b, "N: Number=%u Name=evdev Minor=64\n", n);
	return 0;
}

PROC_FILE(input_handlers, .component = &component_input, .name = "bus/input/handlers", .mode = 0444,
	  .show = show_handlers);
