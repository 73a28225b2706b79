/* SPDX-License-Identifier: MIT */
/* Usages as events, reports as events (lib/hid_usage.h). */
#include <abi/input.h>
#include <lib/annotate.h>
#include <lib/hid_usage.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t {
	PAGE_DESKTOP = 1,
	PAGE_KEYBOARD = 7,
	PAGE_LED = 8,
	PAGE_BUTTON = 9,
	PAGE_CONSUMER = 12,
	PAGE_DIGITIZER = 13
};
enum : uint32_t { KEYS_FIRST = 4, MODIFIERS_FIRST = 0xe0, ROLL_OVER = 1 };

/* Page 7, from 4 on (table 12). */
static const uint16_t keys[] = {
	KEY_A,	     KEY_B,	    KEY_C,	    KEY_D,	   KEY_E,	   KEY_F,	  KEY_G,
	KEY_H,	     KEY_I,	    KEY_J,	    KEY_K,	   KEY_L,	   KEY_M,	  KEY_N,
	KEY_O,	     KEY_P,	    KEY_Q,	    KEY_R,	   KEY_S,	   KEY_T,	  KEY_U,
	KEY_V,	     KEY_W,	    KEY_X,	    KEY_Y,	   KEY_Z,	   KEY_1,	  KEY_2,
	KEY_3,	     KEY_4,	    KEY_5,	    KEY_6,	   KEY_7,	   KEY_8,	  KEY_9,
	KEY_0,	     KEY_ENTER,	    KEY_ESC,	    KEY_BACKSPACE, KEY_TAB,	   KEY_SPACE,	  KEY_MINUS,
	KEY_EQUAL,   KEY_LEFTBRACE, KEY_RIGHTBRACE, KEY_BACKSLASH, KEY_BACKSLASH,  KEY_SEMICOLON, KEY_APOSTROPHE,
	KEY_GRAVE,   KEY_COMMA,	    KEY_DOT,	    KEY_SLASH,	   KEY_CAPSLOCK,   KEY_F1,	  KEY_F2,
	KEY_F3,	     KEY_F4,	    KEY_F5,	    KEY_F6,	   KEY_F7,	   KEY_F8,	  KEY_F9,
	KEY_F10,     KEY_F11,	    KEY_F12,	    KEY_SYSRQ,	   KEY_SCROLLLOCK, KEY_PAUSE,	  KEY_INSERT,
	KEY_HOME,    KEY_PAGEUP,    KEY_DELETE,	    KEY_END,	   KEY_PAGEDOWN,   KEY_RIGHT,	  KEY_LEFT,
	KEY_DOWN,    KEY_UP,	    KEY_NUMLOCK,    KEY_KPSLASH,   KEY_KPASTERISK, KEY_KPMINUS,	  KEY_KPPLUS,
	KEY_KPENTER, KEY_KP1,	    KEY_KP2,	    KEY_KP3,	   KEY_KP4,	   KEY_KP5,	  KEY_KP6,
	KEY_KP7,     KEY_KP8,	    KEY_KP9,	    KEY_KP0,	   KEY_KPDOT,	   KEY_102ND,	  KEY_COMPOSE,
	KEY_POWER,   KEY_KPEQUAL,   KEY_F13,	    KEY_F14,	   KEY_F15,	   KEY_F16,	  KEY_F17,
	KEY_F18,     KEY_F19,	    KEY_F20,	    KEY_F21,	   KEY_F22,	   KEY_F23,	  KEY_F24,
	KEY_OPEN,    KEY_HELP,	    KEY_PROPS,	    KEY_FRONT,	   KEY_STOP,	   KEY_AGAIN,	  KEY_UNDO,
	KEY_CUT,     KEY_COPY,	    KEY_PASTE,	    KEY_FIND,	   KEY_MUTE,	   KEY_VOLUMEUP,  KEY_VOLUMEDOWN,
};
static const uint16_t modifiers[] = {KEY_LEFTCTRL,  KEY_LEFTSHIFT,  KEY_LEFTALT,  KEY_LEFTMETA,
				     KEY_RIGHTCTRL, KEY_RIGHTSHIFT, KEY_RIGHTALT, KEY_RIGHTMETA};
static const uint16_t lamps[] = {LED_NUML, LED_CAPSL, LED_SCROLLL, LED_COMPOSE, LED_KANA};
static const uint16_t relative_axes[] = {REL_X, REL_Y, REL_Z, REL_RX, REL_RY, REL_RZ, REL_MISC, REL_DIAL, REL_WHEEL};
static const uint16_t absolute_axes[] = {ABS_X,	 ABS_Y,	       ABS_Z,	   ABS_RX,   ABS_RY,
					 ABS_RZ, ABS_THROTTLE, ABS_RUDDER, ABS_WHEEL};

struct row {
	uint16_t id, code;
};
static const struct row more_keys[] = {
	{0x85, KEY_KPCOMMA}, {0x87, KEY_RO},	   {0x88, KEY_KATAKANAHIRAGANA}, {0x89, KEY_YEN},
	{0x8a, KEY_HENKAN},  {0x8b, KEY_MUHENKAN}, {0x8c, KEY_KPJPCOMMA},	 {0x90, KEY_HANGEUL},
	{0x91, KEY_HANJA},   {0x92, KEY_KATAKANA}, {0x93, KEY_HIRAGANA},	 {0x94, KEY_ZENKAKUHANKAKU},
	{0x9a, KEY_SYSRQ},
};
static const struct row system_keys[] = {{0x81, KEY_POWER}, {0x82, KEY_SLEEP}, {0x83, KEY_WAKEUP}};
static const struct row consumer[] = {
	{0x30, KEY_POWER},     {0x32, KEY_SLEEP},      {0xb5, KEY_NEXTSONG},  {0xb6, KEY_PREVIOUSSONG},
	{0xb7, KEY_STOPCD},    {0xb8, KEY_EJECTCD},    {0xcd, KEY_PLAYPAUSE}, {0xe2, KEY_MUTE},
	{0xe9, KEY_VOLUMEUP},  {0xea, KEY_VOLUMEDOWN}, {0x18a, KEY_MAIL},     {0x192, KEY_CALC},
	{0x194, KEY_COMPUTER}, {0x221, KEY_SEARCH},    {0x223, KEY_HOMEPAGE}, {0x224, KEY_BACK},
	{0x225, KEY_FORWARD},  {0x226, KEY_STOP},      {0x227, KEY_REFRESH},  {0x22a, KEY_BOOKMARKS},
};

static uint16_t find(const struct row *rows, size_t n, uint32_t id)
{
	for (size_t at = 0; at < n; at++) {
		if (rows[at].id == id)
			return rows[at].code;
	}
	return 0;
}

static uint16_t key_of(uint32_t id)
{
	if (id >= KEYS_FIRST && id < KEYS_FIRST + ARRAY_LEN(keys))
		return keys[id - KEYS_FIRST];
	if (id >= MODIFIERS_FIRST && id < MODIFIERS_FIRST + ARRAY_LEN(modifiers))
		return modifiers[id - MODIFIERS_FIRST];
	return find(more_keys, ARRAY_LEN(more_keys), id);
}

static uint16_t button_of(uint32_t id, uint32_t application)
{
	constexpr uint32_t BUTTONS = 16;

	if (application == HID_JOYSTICK || application == HID_GAMEPAD)
		return id <= BUTTONS ? (uint16_t)((application == HID_JOYSTICK ? BTN_JOYSTICK : BTN_GAMEPAD) + id - 1)
				     : 0;
	if (application == HID_MOUSE || application == HID_POINTER)
		return id <= BTN_TASK - BTN_LEFT + 1 ? (uint16_t)(BTN_LEFT + id - 1) : 0;
	return id <= BUTTONS ? (uint16_t)(BTN_MISC + id - 1) : 0;
}

static bool axis_of(uint32_t id, bool relative, uint16_t *type, uint16_t *code)
{
	constexpr uint32_t FIRST = 0x30;

	if (id < FIRST || id >= FIRST + ARRAY_LEN(relative_axes))
		return false;
	*type = relative ? EV_REL : EV_ABS;
	*code = relative ? relative_axes[id - FIRST] : absolute_axes[id - FIRST];
	return true;
}

bool hid_usage_event(uint32_t usage, bool relative, uint32_t application, uint16_t *type, uint16_t *code)
{
	constexpr uint32_t TIP = 0x42, PAN = 0x238;
	uint32_t page = usage >> 16, id = usage & 0xffff;

	*type = EV_KEY;
	*code = 0;
	switch (page) {
	case PAGE_DESKTOP:
		if (axis_of(id, relative, type, code))
			return true;
		*code = find(system_keys, ARRAY_LEN(system_keys), id);
		break;
	case PAGE_KEYBOARD: *code = key_of(id); break;
	case PAGE_BUTTON: *code = id != 0 ? button_of(id, application) : 0; break;
	case PAGE_DIGITIZER: *code = id == TIP ? BTN_TOUCH : 0; break;
	case PAGE_CONSUMER:
		if (id == PAN && relative) {
			*type = EV_REL;
			*code = REL_HWHEEL;
			return true;
		}
		*code = find(consumer, ARRAY_LEN(consumer), id);
		break;
	case PAGE_LED:
		*type = EV_LED;
		if (id == 0 || id > ARRAY_LEN(lamps))
			return false;
		*code = lamps[id - 1];
		return true;
	default: break;
	}
	return *code != 0;
}

/* --- reports --- */

typedef void emitter(void *arg, uint16_t type, uint16_t code, int32_t value);

static void take_variable(const struct hid_report *r, const struct hid_field *f, const unsigned char *report, size_t n,
			  emitter *emit, void *arg)
{
	uint16_t type, code;
	int32_t value;

	for (uint32_t k = 0; k < f->count && hid_field_value(f, k, report, n, &value); k++) {
		if (!hid_usage_event(hid_field_usage(r, f, k), f->relative, f->application, &type, &code) ||
		    type == EV_LED)
			continue;
		/* A value outside says that there is none (5.10). */
		if (type == EV_ABS && f->minimum < f->maximum && (value < f->minimum || value > f->maximum))
			continue;
		if (type == EV_KEY)
			value = value != 0;
		if (type != EV_REL || value != 0)
			emit(arg, type, code, value);
	}
}

/* The usage that element k of an array names. False: the report ends before. */
static bool named(const struct hid_report *r, const struct hid_field *f, uint32_t k, const unsigned char *report,
		  size_t n, uint32_t *usage)
{
	int32_t value;

	if (!hid_field_value(f, k, report, n, &value))
		return false;
	*usage = value >= f->minimum && value <= f->maximum
			 ? hid_field_usage(r, f, (uint32_t)((int64_t)value - f->minimum))
			 : 0;
	return true;
}

static bool holds(const uint16_t *codes, unsigned count, uint16_t code)
{
	for (unsigned n = 0; n < count; n++) {
		if (codes[n] == code)
			return true;
	}
	return false;
}

/* Keys that field number `index` held and does not name any more are up, those that it names are down. */
static void hold(struct hid_state *s, uint8_t index, const uint16_t *codes, unsigned count, emitter *emit, void *arg)
{
	unsigned kept = 0;

	for (unsigned n = 0; n < s->count; n++) {
		if (s->fields[n] == index && !holds(codes, count, s->codes[n])) {
			emit(arg, EV_KEY, s->codes[n], 0);
			continue;
		}
		if (s->fields[n] == index)
			continue;
		s->codes[kept] = s->codes[n];
		s->fields[kept++] = s->fields[n];
	}
	s->count = kept;
	for (unsigned n = 0; n < count && s->count < HID_HELD_MAX; n++) {
		s->codes[s->count] = codes[n];
		s->fields[s->count++] = index;
		emit(arg, EV_KEY, codes[n], 1);
	}
}

static void take_array(const struct hid_report *r, struct hid_state *s, uint8_t index, const unsigned char *report,
		       size_t n, emitter *emit, void *arg)
{
	constexpr unsigned NAMED_MAX = 32;
	const struct hid_field *f = &r->fields[index];
	uint16_t codes[NAMED_MAX], type, code;
	unsigned count = 0;
	uint32_t usage;

	for (uint32_t k = 0; k < f->count && named(r, f, k, report, n, &usage); k++) {
		/* More keys are down than it can tell: it names none (HID 1.11, appendix C). */
		if (usage == HID_USAGE(PAGE_KEYBOARD, ROLL_OVER))
			return;
		if (usage != 0 && hid_usage_event(usage, false, f->application, &type, &code) && type == EV_KEY &&
		    count < NAMED_MAX && !holds(codes, count, code))
			codes[count++] = code;
	}
	hold(s, index, codes, count, emit, arg);
}

bool hid_take_report(const struct hid_report *r, struct hid_state *s, const unsigned char *report, size_t n,
		     emitter *emit, void *arg)
{
	uint8_t id = r->has_ids && n > 0 ? report[0] : 0;
	bool found = false;

	for (unsigned k = 0; k < r->field_count && n > 0; k++) {
		const struct hid_field *f = &r->fields[k];

		if (f->kind != HID_INPUT || f->report != id || f->constant)
			continue;
		found = true;
		if (f->variable)
			take_variable(r, f, report, n, emit, arg);
		else
			take_array(r, s, (uint8_t)k, report, n, emit, arg);
	}
	return found;
}

void hid_each_event(const struct hid_report *r,
		    void (*each)(void *arg, const struct hid_field *f, uint16_t type, uint16_t code), void *arg)
{
	uint16_t type, code;

	for (unsigned n = 0; n < r->field_count; n++) {
		const struct hid_field *f = &r->fields[n];
		uint32_t count = f->variable ? MIN(f->count, (uint32_t)f->usage_count) : f->usage_count;

		for (uint32_t k = 0; k < count && !f->constant && f->kind != HID_FEATURE; k++) {
			if (hid_usage_event(hid_field_usage(r, f, k), f->relative, f->application, &type, &code) &&
			    (type == EV_LED) == (f->kind == HID_OUTPUT) && (f->variable || type == EV_KEY))
				each(arg, f, type, code);
		}
	}
}

bool hid_find_leds(const struct hid_report *r, uint8_t *report)
{
	for (unsigned n = 0; n < r->field_count; n++) {
		const struct hid_field *f = &r->fields[n];

		if (f->kind == HID_OUTPUT && f->variable && !f->constant &&
		    hid_field_usage(r, f, 0) >> 16 == PAGE_LED) {
			*report = f->report;
			return true;
		}
	}
	return false;
}

size_t hid_put_leds(const struct hid_report *r, uint8_t report, uint32_t leds, unsigned char *out, size_t size)
{
	size_t n = hid_report_bytes(r, HID_OUTPUT, report);
	uint16_t type, code;

	if (n == 0 || n > size)
		return 0;
	memset(out, 0, n);
	if (report != 0)
		out[0] = report;
	for (unsigned k = 0; k < r->field_count; k++) {
		const struct hid_field *f = &r->fields[k];

		for (uint32_t e = 0; f->kind == HID_OUTPUT && f->report == report && f->variable && e < f->count; e++) {
			if (hid_usage_event(hid_field_usage(r, f, e), false, f->application, &type, &code) &&
			    type == EV_LED)
				hid_field_put(f, e, out, n, leds >> code & 1);
		}
	}
	return n;
}
