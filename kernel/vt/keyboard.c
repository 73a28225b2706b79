/* SPDX-License-Identifier: MIT */
/*
 * The keyboard of the text consoles: what any input device's keys say goes to the terminal in front, as a keyboard with
 * the US layout, with the sequences of xterm for keys that are no characters. Alt-F1 to F6 change the one in front,
 * Shift-PageUp and Shift-PageDown look back at what has scrolled off, Ctrl-Alt-Del asks the first process for a
 * restart.
 *
 * keys_lock guards which keys are down; it is taken before vt_lock, and neither is held while a terminal gets its
 * bytes.
 */
#include "vt.h"

#include <abi/vt.h>
#include <kernel/input/input.h>
#include <kernel/process/process.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t {
	DOWN_SHIFT_LEFT = 1,
	DOWN_SHIFT_RIGHT = 2,
	DOWN_CTRL_LEFT = 4,
	DOWN_CTRL_RIGHT = 8,
	DOWN_ALT_LEFT = 16,
	DOWN_ALT_RIGHT = 32,
	DOWN_SHIFT = 3,
	DOWN_CTRL = 12,
	DOWN_ALT = 48,
};
enum : uint32_t { LOCK_CAPS = 1 << LED_CAPSL, LOCK_NUM = 1 << LED_NUML };
constexpr size_t KEY_BYTES_MAX = 32;
constexpr uint32_t INIT = 1; /* the first process */

static struct mutex keys_lock = MUTEX_INIT(keys_lock, RANK_VT - 1);
static uint32_t down GUARDED_BY(&keys_lock), locks GUARDED_BY(&keys_lock);

/* Without and with Shift, by the key's code; 0: no character. */
static const char characters[2][KEY_SPACE + 1] = {
	"\0\33"
	"1234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ",
	"\0\33"
	"!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ",
};
static_assert(KEY_SPACE == 57 && KEY_1 == 2 && KEY_A == 30);

static const struct {
	uint16_t code;
	uint16_t key; /* of libvterm */
} others[] = {
	{KEY_UP, VTERM_KEY_UP},		{KEY_DOWN, VTERM_KEY_DOWN},
	{KEY_LEFT, VTERM_KEY_LEFT},	{KEY_RIGHT, VTERM_KEY_RIGHT},
	{KEY_INSERT, VTERM_KEY_INS},	{KEY_DELETE, VTERM_KEY_DEL},
	{KEY_HOME, VTERM_KEY_HOME},	{KEY_END, VTERM_KEY_END},
	{KEY_PAGEUP, VTERM_KEY_PAGEUP}, {KEY_PAGEDOWN, VTERM_KEY_PAGEDOWN},
};

/* The keypad from KEY_KP7 on: with Num Lock, and the key that it is without. */
static const struct {
	char character;
	uint16_t key;
} keypad[] = {
	{'7', VTERM_KEY_HOME}, {'8', VTERM_KEY_UP},   {'9', VTERM_KEY_PAGEUP},	 {'-', VTERM_KEY_NONE},
	{'4', VTERM_KEY_LEFT}, {'5', VTERM_KEY_NONE}, {'6', VTERM_KEY_RIGHT},	 {'+', VTERM_KEY_NONE},
	{'1', VTERM_KEY_END},  {'2', VTERM_KEY_DOWN}, {'3', VTERM_KEY_PAGEDOWN}, {'0', VTERM_KEY_INS},
	{'.', VTERM_KEY_DEL},
};

static uint32_t modifier_of(uint16_t code)
{
	switch (code) {
	case KEY_LEFTSHIFT: return DOWN_SHIFT_LEFT;
	case KEY_RIGHTSHIFT: return DOWN_SHIFT_RIGHT;
	case KEY_LEFTCTRL: return DOWN_CTRL_LEFT;
	case KEY_RIGHTCTRL: return DOWN_CTRL_RIGHT;
	case KEY_LEFTALT: return DOWN_ALT_LEFT;
	case KEY_RIGHTALT: return DOWN_ALT_RIGHT;
	default: return 0;
	}
}

/* 0: it is no character. */
static char character_of(uint16_t code, uint32_t held, uint32_t locked)
{
	bool shift = (held & DOWN_SHIFT) != 0;

	if (code == KEY_KPENTER)
		return '\r';
	if (code == KEY_KPSLASH)
		return '/';
	if (code == KEY_102ND)
		return shift ? '|' : '\\';
	if (code >= KEY_KP7 && code <= KEY_KPDOT) {
		bool is_number = (locked & LOCK_NUM) != 0 || keypad[code - KEY_KP7].key == VTERM_KEY_NONE;

		return is_number ? keypad[code - KEY_KP7].character : 0;
	}
	if (code > KEY_SPACE)
		return 0;
	char plain = characters[0][code];
	if (plain >= 'a' && plain <= 'z' && (locked & LOCK_CAPS) != 0)
		shift = !shift;
	return characters[shift][code];
}

/* With Ctrl it is the control character of that column (ECMA-48), with Alt it comes behind an ESC. */
static size_t character_bytes(char c, uint32_t held, char *out)
{
	size_t n = 0;

	if ((held & DOWN_ALT) != 0)
		out[n++] = '\33';
	if ((held & DOWN_CTRL) != 0 && c == ' ')
		c = '\0';
	else if ((held & DOWN_CTRL) != 0 && c == '/')
		c = '\37';
	else if ((held & DOWN_CTRL) != 0 && c >= '@' && c <= '~')
		c &= 0x1f;
	out[n++] = c;
	return n;
}

static VTermKey key_of(uint16_t code)
{
	if (code >= KEY_F1 && code <= KEY_F10)
		return (VTermKey)VTERM_KEY_FUNCTION(code - KEY_F1 + 1);
	if (code == KEY_F11 || code == KEY_F12)
		return (VTermKey)VTERM_KEY_FUNCTION(code - KEY_F11 + 11);
	if (code >= KEY_KP7 && code <= KEY_KPDOT)
		return (VTermKey)keypad[code - KEY_KP7].key;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (others[i].code == code)
			return (VTermKey)others[i].key;
	}
	return VTERM_KEY_NONE;
}

/* What the terminal's program has asked such a key to say (application cursor keys). */
static size_t key_bytes(struct vt *v, VTermKey key, uint32_t held, char *out) REQUIRES(vt_lock)
{
	VTermModifier modifier = ((held & DOWN_SHIFT) != 0 ? VTERM_MOD_SHIFT : 0) |
				 ((held & DOWN_ALT) != 0 ? VTERM_MOD_ALT : 0) |
				 ((held & DOWN_CTRL) != 0 ? VTERM_MOD_CTRL : 0);

	if (key == VTERM_KEY_NONE || term_make(v) < 0)
		return 0;
	vterm_keyboard_key(v->term, key, modifier);
	size_t n = MIN(v->reply_count, KEY_BYTES_MAX);
	memcpy(out, v->reply, n);
	v->reply_count = 0;
	return n;
}

/* Keys for the consoles themselves. True: it was one. */
static bool is_for_us(struct vt *v, uint16_t code, uint32_t held) REQUIRES(vt_lock)
{
	if ((held & DOWN_ALT) != 0 && code >= KEY_F1 && code < KEY_F1 + VT_COUNT) {
		vt_activate(&vts[code - KEY_F1]);
		return true;
	}
	if ((held & DOWN_SHIFT) != 0 && (code == KEY_PAGEUP || code == KEY_PAGEDOWN)) {
		term_scroll(v, code == KEY_PAGEUP ? vt_rows / 2 : -(vt_rows / 2));
		vt_wake();
		return true;
	}
	return false;
}

/* K_MEDIUMRAW: the code itself, in one byte or three; the high bit of the first: it goes up. */
static size_t raw_bytes(uint16_t code, int32_t value, char *out)
{
	char up = (char)(value == 0 ? 0x80 : 0);

	if (code < 128) {
		out[0] = (char)(code | up);
		return 1;
	}
	out[0] = up;
	out[1] = (char)(code >> 7 | 0x80);
	out[2] = (char)(code | 0x80);
	return 3;
}

static size_t pressed(struct vt *v, uint16_t code, uint32_t held, uint32_t locked, char *out) REQUIRES(vt_lock)
{
	char c = character_of(code, held, locked);

	if (is_for_us(v, code, held))
		return 0;
	if (v->back > 0) /* who types looks at the end */
		term_scroll(v, -(int)v->back);
	if (code == KEY_TAB && (held & DOWN_SHIFT) != 0) {
		memcpy(out, "\33[Z", 3);
		return 3;
	}
	return c != 0 ? character_bytes(c, held, out) : key_bytes(v, key_of(code), held, out);
}

static void restart_machine(void)
{
	struct process *p = process_find(INIT);

	if (p == nullptr)
		return;
	(void)signal_send_process(p, SIGINT);
	process_put(p);
}

/* Which keys are down from here on; those of the lamps, and whether it is Ctrl-Alt-Del. */
static void note_key(uint16_t code, int32_t value, uint32_t *held, uint32_t *locked, bool *changed)
{
	uint32_t modifier = modifier_of(code);

	mutex_lock(&keys_lock);
	/* That it repeats may be told after it was let go: by another thread. */
	if (value != 2)
		down = value != 0 ? down | modifier : down & ~modifier;
	*changed = value == 1 && (code == KEY_CAPSLOCK || code == KEY_NUMLOCK);
	if (*changed)
		locks ^= code == KEY_CAPSLOCK ? LOCK_CAPS : LOCK_NUM;
	*held = down;
	*locked = locks;
	mutex_unlock(&keys_lock);
}

static void key(uint16_t code, int32_t value)
{
	char bytes[KEY_BYTES_MAX];
	uint32_t held, locked;
	size_t n = 0;
	bool lamps;

	note_key(code, value, &held, &locked, &lamps);
	mutex_lock(&vt_lock);
	struct vt *v = vt_front();
	bool text = v->keyboard_mode == K_XLATE || v->keyboard_mode == K_UNICODE;
	if (v->keyboard_mode == K_MEDIUMRAW)
		n = raw_bytes(code, value, bytes);
	else if (text && value != 0)
		n = pressed(v, code, held, locked, bytes);
	struct tty *t = v->tty;
	mutex_unlock(&vt_lock);
	if (lamps && text)
		input_set_leds(LOCK_CAPS | LOCK_NUM, locked);
	if (text && value == 1 && code == KEY_DELETE && (held & DOWN_CTRL) != 0 && (held & DOWN_ALT) != 0)
		restart_machine();
	else if (n > 0 && t != nullptr)
		tty_input(t, bytes, n);
}

static void events(struct input_device *, const struct input_value *values, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (values[i].type == EV_KEY)
			key(values[i].code, values[i].value);
	}
}

INPUT_LISTENER(keyboard, .name = "kbd", .component = &component_vt, .type = EV_KEY, .events = events);
