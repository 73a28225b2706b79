/* SPDX-License-Identifier: MIT */
/* Bytes of PS/2 keyboards and mice (lib/ps2.h). Without state but the caller's. */
#include <abi/input.h>
#include <lib/annotate.h>
#include <lib/ps2.h>
#include <lib/types.h>

enum : uint8_t { EXTENDED = 0xe0, PAUSE = 0xe1, UP = 0x80, CODE = 0x7f };
enum : uint8_t { LAST_SAME = 0x53 }; /* up to here a scan code is the key's number */

struct row {
	uint8_t scan;
	uint16_t key;
};
static const struct row plain[] = {
	{0x54, KEY_SYSRQ},
	{0x56, KEY_102ND},
	{0x57, KEY_F11},
	{0x58, KEY_F12},
	{0x59, KEY_KPEQUAL},
	{0x64, KEY_F13},
	{0x65, KEY_F14},
	{0x66, KEY_F15},
	{0x67, KEY_F16},
	{0x68, KEY_F17},
	{0x69, KEY_F18},
	{0x6a, KEY_F19},
	{0x6b, KEY_F20},
	{0x6c, KEY_F21},
	{0x6d, KEY_F22},
	{0x6e, KEY_F23},
	{0x70, KEY_KATAKANAHIRAGANA},
	{0x73, KEY_RO},
	{0x76, KEY_F24},
	{0x77, KEY_HIRAGANA},
	{0x78, KEY_KATAKANA},
	{0x79, KEY_HENKAN},
	{0x7b, KEY_MUHENKAN},
	{0x7d, KEY_YEN},
	{0x7e, KEY_KPCOMMA},
};
static const struct row extended[] = {
	{0x10, KEY_PREVIOUSSONG}, {0x19, KEY_NEXTSONG}, {0x1c, KEY_KPENTER},   {0x1d, KEY_RIGHTCTRL},
	{0x20, KEY_MUTE},	  {0x21, KEY_CALC},	{0x22, KEY_PLAYPAUSE}, {0x24, KEY_STOPCD},
	{0x2e, KEY_VOLUMEDOWN},	  {0x30, KEY_VOLUMEUP}, {0x32, KEY_HOMEPAGE},  {0x35, KEY_KPSLASH},
	{0x37, KEY_SYSRQ},	  {0x38, KEY_RIGHTALT}, {0x46, KEY_PAUSE},     {0x47, KEY_HOME},
	{0x48, KEY_UP},		  {0x49, KEY_PAGEUP},	{0x4b, KEY_LEFT},      {0x4d, KEY_RIGHT},
	{0x4f, KEY_END},	  {0x50, KEY_DOWN},	{0x51, KEY_PAGEDOWN},  {0x52, KEY_INSERT},
	{0x53, KEY_DELETE},	  {0x5b, KEY_LEFTMETA}, {0x5c, KEY_RIGHTMETA}, {0x5d, KEY_COMPOSE},
	{0x5e, KEY_POWER},	  {0x5f, KEY_SLEEP},	{0x63, KEY_WAKEUP},    {0x65, KEY_SEARCH},
	{0x66, KEY_BOOKMARKS},	  {0x67, KEY_REFRESH},	{0x68, KEY_STOP},      {0x69, KEY_FORWARD},
	{0x6a, KEY_BACK},	  {0x6b, KEY_COMPUTER}, {0x6c, KEY_MAIL},      {0x6d, KEY_MEDIA},
};

static uint16_t find(const struct row *rows, size_t n, uint8_t scan)
{
	for (size_t at = 0; at < n; at++) {
		if (rows[at].scan == scan)
			return rows[at].key;
	}
	return 0;
}

uint16_t ps2_key_at(size_t n)
{
	if (n < LAST_SAME)
		return (uint16_t)(n + 1);
	n -= LAST_SAME;
	if (n < ARRAY_LEN(plain))
		return plain[n].key;
	n -= ARRAY_LEN(plain);
	return n < ARRAY_LEN(extended) ? extended[n].key : 0;
}

bool ps2_take_key(struct ps2_keys *k, uint8_t byte, uint16_t *code, bool *down)
{
	if (byte == EXTENDED || byte == PAUSE) {
		k->prefix = byte;
		k->skipped = 0;
		return false;
	}
	*down = (byte & UP) == 0;
	uint8_t scan = byte & CODE, prefix = k->prefix;
	if (prefix == PAUSE) {
		/* e1 1d 45, and the same with the top bits set: it goes down and comes up at once. */
		if (k->skipped++ == 0)
			return false;
		k->prefix = 0;
		*code = KEY_PAUSE;
		return scan == 0x45;
	}
	k->prefix = 0;
	if (prefix == EXTENDED)
		*code = find(extended, ARRAY_LEN(extended), scan);
	else
		*code = scan <= LAST_SAME ? scan : find(plain, ARRAY_LEN(plain), scan);
	return *code != 0;
}

bool ps2_take_motion(struct ps2_mouse *m, uint8_t byte, struct ps2_motion *out)
{
	enum : uint8_t {
		BUTTONS = 7,
		ALWAYS = 8,
		X_NEGATIVE = 0x10,
		Y_NEGATIVE = 0x20,
		X_OVERFLOW = 0x40,
		Y_OVERFLOW = 0x80
	};
	unsigned size = m->id >= 3 ? 4 : 3;

	if (m->count == 0 && !(byte & ALWAYS))
		return false;
	m->bytes[m->count++] = byte;
	if (m->count < size)
		return false;
	m->count = 0;
	uint8_t flags = m->bytes[0];
	*out = (struct ps2_motion){.buttons = flags & BUTTONS};
	if (!(flags & X_OVERFLOW))
		out->x = (int16_t)(m->bytes[1] - (flags & X_NEGATIVE ? 256 : 0));
	if (!(flags & Y_OVERFLOW))
		out->y = (int16_t)-(m->bytes[2] - (flags & Y_NEGATIVE ? 256 : 0));
	if (m->id == 3)
		out->wheel = (int8_t)-(int8_t)m->bytes[3];
	if (m->id == 4) {
		int8_t z = (int8_t)(m->bytes[3] & 0x0f);

		out->wheel = (int8_t)-(z >= 8 ? z - 16 : z);
		out->buttons |= (uint8_t)((m->bytes[3] >> 4 & 3) << 3);
	}
	return true;
}
