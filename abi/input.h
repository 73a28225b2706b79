/* SPDX-License-Identifier: MIT */
/* Events of input devices and what ioctl(2) knows of them; Linux: include/uapi/linux/input.h, input-event-codes.h,
 * uinput.h. */
#ifndef ABI_INPUT_H
#define ABI_INPUT_H

#include <stdint.h>

struct input_event {
	int64_t seconds, microseconds;
	uint16_t type, code;
	int32_t value;
};
struct input_id {
	uint16_t bustype, vendor, product, version;
};
struct input_absinfo {
	int32_t value, minimum, maximum, fuzz, flat, resolution;
};
struct input_mask {
	uint32_t type, codes_size;
	uint64_t codes_ptr;
};

enum : uint16_t {
	EV_SYN = 0,
	EV_KEY = 1,
	EV_REL = 2,
	EV_ABS = 3,
	EV_MSC = 4,
	EV_SW = 5,
	EV_LED = 0x11,
	EV_SND = 0x12,
	EV_REP = 0x14,
	EV_FF = 0x15,
	EV_MAX = 0x1f,
};
enum : uint16_t { SYN_REPORT = 0, SYN_CONFIG = 1, SYN_MT_REPORT = 2, SYN_DROPPED = 3 };
enum : uint16_t {
	REL_X = 0,
	REL_Y = 1,
	REL_Z = 2,
	REL_RX = 3,
	REL_RY = 4,
	REL_RZ = 5,
	REL_HWHEEL = 6,
	REL_DIAL = 7,
	REL_WHEEL = 8,
	REL_MISC = 9,
	REL_WHEEL_HI_RES = 11,
	REL_HWHEEL_HI_RES = 12,
	REL_MAX = 0xf,
};
enum : uint16_t {
	ABS_X = 0,
	ABS_Y = 1,
	ABS_Z = 2,
	ABS_RX = 3,
	ABS_RY = 4,
	ABS_RZ = 5,
	ABS_THROTTLE = 6,
	ABS_RUDDER = 7,
	ABS_WHEEL = 8,
	ABS_GAS = 9,
	ABS_BRAKE = 10,
	ABS_HAT0X = 16,
	ABS_HAT0Y = 17,
	ABS_PRESSURE = 24,
	ABS_MISC = 40,
	ABS_MT_SLOT = 0x2f,
	ABS_MT_TOOL_Y = 0x3d,
	ABS_MAX = 0x3f,
};
enum : uint16_t { MSC_SCAN = 4, MSC_MAX = 7, SW_MAX = 0x10, SND_MAX = 7, FF_MAX = 0x7f, INPUT_PROP_MAX = 0x1f };
enum : uint16_t { LED_NUML = 0, LED_CAPSL = 1, LED_SCROLLL = 2, LED_COMPOSE = 3, LED_KANA = 4, LED_MAX = 0xf };
enum : uint16_t { REP_DELAY = 0, REP_PERIOD = 1, REP_MAX = 1 };
enum : uint16_t { BUS_PCI = 1, BUS_USB = 3, BUS_VIRTUAL = 6, BUS_I8042 = 0x11 };

enum : uint16_t {
	KEY_ESC = 1,
	KEY_1 = 2,
	KEY_2 = 3,
	KEY_3 = 4,
	KEY_4 = 5,
	KEY_5 = 6,
	KEY_6 = 7,
	KEY_7 = 8,
	KEY_8 = 9,
	KEY_9 = 10,
	KEY_0 = 11,
	KEY_MINUS = 12,
	KEY_EQUAL = 13,
	KEY_BACKSPACE = 14,
	KEY_TAB = 15,
	KEY_Q = 16,
	KEY_W = 17,
	KEY_E = 18,
	KEY_R = 19,
	KEY_T = 20,
	KEY_Y = 21,
	KEY_U = 22,
	KEY_I = 23,
	KEY_O = 24,
	KEY_P = 25,
	KEY_LEFTBRACE = 26,
	KEY_RIGHTBRACE = 27,
	KEY_ENTER = 28,
	KEY_LEFTCTRL = 29,
	KEY_A = 30,
	KEY_S = 31,
	KEY_D = 32,
	KEY_F = 33,
	KEY_G = 34,
	KEY_H = 35,
	KEY_J = 36,
	KEY_K = 37,
	KEY_L = 38,
	KEY_SEMICOLON = 39,
	KEY_APOSTROPHE = 40,
	KEY_GRAVE = 41,
	KEY_LEFTSHIFT = 42,
	KEY_BACKSLASH = 43,
	KEY_Z = 44,
	KEY_X = 45,
	KEY_C = 46,
	KEY_V = 47,
	KEY_B = 48,
	KEY_N = 49,
	KEY_M = 50,
	KEY_COMMA = 51,
	KEY_DOT = 52,
	KEY_SLASH = 53,
	KEY_RIGHTSHIFT = 54,
	KEY_KPASTERISK = 55,
	KEY_LEFTALT = 56,
	KEY_SPACE = 57,
	KEY_CAPSLOCK = 58,
	KEY_F1 = 59,
	KEY_F2 = 60,
	KEY_F3 = 61,
	KEY_F4 = 62,
	KEY_F5 = 63,
	KEY_F6 = 64,
	KEY_F7 = 65,
	KEY_F8 = 66,
	KEY_F9 = 67,
	KEY_F10 = 68,
	KEY_NUMLOCK = 69,
	KEY_SCROLLLOCK = 70,
	KEY_KP7 = 71,
	KEY_KP8 = 72,
	KEY_KP9 = 73,
	KEY_KPMINUS = 74,
	KEY_KP4 = 75,
	KEY_KP5 = 76,
	KEY_KP6 = 77,
	KEY_KPPLUS = 78,
	KEY_KP1 = 79,
	KEY_KP2 = 80,
	KEY_KP3 = 81,
	KEY_KP0 = 82,
	KEY_KPDOT = 83,
	KEY_ZENKAKUHANKAKU = 85,
	KEY_102ND = 86,
	KEY_F11 = 87,
	KEY_F12 = 88,
	KEY_RO = 89,
	KEY_KATAKANA = 90,
	KEY_HIRAGANA = 91,
	KEY_HENKAN = 92,
	KEY_KATAKANAHIRAGANA = 93,
	KEY_MUHENKAN = 94,
	KEY_KPJPCOMMA = 95,
	KEY_KPENTER = 96,
	KEY_RIGHTCTRL = 97,
	KEY_KPSLASH = 98,
	KEY_SYSRQ = 99,
	KEY_RIGHTALT = 100,
	KEY_LINEFEED = 101,
	KEY_HOME = 102,
	KEY_UP = 103,
	KEY_PAGEUP = 104,
	KEY_LEFT = 105,
	KEY_RIGHT = 106,
	KEY_END = 107,
	KEY_DOWN = 108,
	KEY_PAGEDOWN = 109,
	KEY_INSERT = 110,
	KEY_DELETE = 111,
	KEY_MUTE = 113,
	KEY_VOLUMEDOWN = 114,
	KEY_VOLUMEUP = 115,
	KEY_POWER = 116,
	KEY_KPEQUAL = 117,
	KEY_PAUSE = 119,
	KEY_KPCOMMA = 121,
	KEY_HANGEUL = 122,
	KEY_HANJA = 123,
	KEY_YEN = 124,
	KEY_LEFTMETA = 125,
	KEY_RIGHTMETA = 126,
	KEY_COMPOSE = 127,
	KEY_STOP = 128,
	KEY_AGAIN = 129,
	KEY_PROPS = 130,
	KEY_UNDO = 131,
	KEY_FRONT = 132,
	KEY_COPY = 133,
	KEY_OPEN = 134,
	KEY_PASTE = 135,
	KEY_FIND = 136,
	KEY_CUT = 137,
	KEY_HELP = 138,
	KEY_MENU = 139,
	KEY_CALC = 140,
	KEY_SLEEP = 142,
	KEY_WAKEUP = 143,
	KEY_MAIL = 155,
	KEY_BOOKMARKS = 156,
	KEY_COMPUTER = 157,
	KEY_BACK = 158,
	KEY_FORWARD = 159,
	KEY_EJECTCD = 161,
	KEY_NEXTSONG = 163,
	KEY_PLAYPAUSE = 164,
	KEY_PREVIOUSSONG = 165,
	KEY_STOPCD = 166,
	KEY_HOMEPAGE = 172,
	KEY_REFRESH = 173,
	KEY_F13 = 183,
	KEY_F14 = 184,
	KEY_F15 = 185,
	KEY_F16 = 186,
	KEY_F17 = 187,
	KEY_F18 = 188,
	KEY_F19 = 189,
	KEY_F20 = 190,
	KEY_F21 = 191,
	KEY_F22 = 192,
	KEY_F23 = 193,
	KEY_F24 = 194,
	KEY_SEARCH = 217,
	KEY_MEDIA = 226,
	KEY_UNKNOWN = 240,
	BTN_MISC = 0x100,
	BTN_LEFT = 0x110,
	BTN_RIGHT = 0x111,
	BTN_MIDDLE = 0x112,
	BTN_SIDE = 0x113,
	BTN_EXTRA = 0x114,
	BTN_FORWARD = 0x115,
	BTN_BACK = 0x116,
	BTN_TASK = 0x117,
	BTN_JOYSTICK = 0x120,
	BTN_GAMEPAD = 0x130,
	BTN_TOUCH = 0x14a,
	KEY_MAX = 0x2ff,
};

/* Commands: direction (1: the process writes, 2: it reads), bytes, group, number. */
#define INPUT_IOC(direction, group, number, bytes)                                                                     \
	((uint32_t)(direction) << 30 | (uint32_t)(bytes) << 16 | (uint32_t)(group) << 8 | (uint32_t)(number))
constexpr uint32_t INPUT_VERSION = 0x010001;
/* EVIOC*; those that take any length stand without it. */
enum : uint32_t {
	EVIOCGVERSION = INPUT_IOC(2, 'E', 0x01, 4),
	EVIOCGID = INPUT_IOC(2, 'E', 0x02, 8),
	EVIOCGREP = INPUT_IOC(2, 'E', 0x03, 8),
	EVIOCSREP = INPUT_IOC(1, 'E', 0x03, 8),
	EVIOCGNAME_0 = INPUT_IOC(2, 'E', 0x06, 0),
	EVIOCGPHYS_0 = INPUT_IOC(2, 'E', 0x07, 0),
	EVIOCGUNIQ_0 = INPUT_IOC(2, 'E', 0x08, 0),
	EVIOCGPROP_0 = INPUT_IOC(2, 'E', 0x09, 0),
	EVIOCGKEY_0 = INPUT_IOC(2, 'E', 0x18, 0),
	EVIOCGLED_0 = INPUT_IOC(2, 'E', 0x19, 0),
	EVIOCGSND_0 = INPUT_IOC(2, 'E', 0x1a, 0),
	EVIOCGSW_0 = INPUT_IOC(2, 'E', 0x1b, 0),
	EVIOCGBIT_0 = INPUT_IOC(2, 'E', 0x20, 0), /* and the type */
	EVIOCGABS_0 = INPUT_IOC(2, 'E', 0x40, 0), /* and the axis */
	EVIOCSABS_0 = INPUT_IOC(1, 'E', 0xc0, 0), /* and the axis */
	EVIOCGRAB = INPUT_IOC(1, 'E', 0x90, 4),
	EVIOCREVOKE = INPUT_IOC(1, 'E', 0x91, 4),
	EVIOCGMASK = INPUT_IOC(2, 'E', 0x92, 16),
	EVIOCSMASK = INPUT_IOC(1, 'E', 0x93, 16),
	EVIOCSCLOCKID = INPUT_IOC(1, 'E', 0xa0, 4),
};

constexpr uint32_t UINPUT_NAME_MAX = 80, UINPUT_VERSION = 5;
struct uinput_setup {
	struct input_id id;
	char name[UINPUT_NAME_MAX];
	uint32_t effects_max;
};
struct uinput_abs_setup {
	uint16_t code, unused;
	struct input_absinfo info;
};
/* What programs write before UI_DEV_CREATE that do not know UI_DEV_SETUP. */
struct uinput_user_dev {
	char name[UINPUT_NAME_MAX];
	struct input_id id;
	uint32_t effects_max;
	int32_t maximum[ABS_MAX + 1], minimum[ABS_MAX + 1], fuzz[ABS_MAX + 1], flat[ABS_MAX + 1];
};
enum : uint32_t {
	UI_DEV_CREATE = INPUT_IOC(0, 'U', 1, 0),
	UI_DEV_DESTROY = INPUT_IOC(0, 'U', 2, 0),
	UI_DEV_SETUP = INPUT_IOC(1, 'U', 3, 92),
	UI_ABS_SETUP = INPUT_IOC(1, 'U', 4, 28),
	UI_GET_SYSNAME_0 = INPUT_IOC(2, 'U', 44, 0), /* any length */
	UI_GET_VERSION = INPUT_IOC(2, 'U', 45, 4),
	UI_SET_EVBIT = INPUT_IOC(1, 'U', 100, 4),
	UI_SET_KEYBIT = INPUT_IOC(1, 'U', 101, 4),
	UI_SET_RELBIT = INPUT_IOC(1, 'U', 102, 4),
	UI_SET_ABSBIT = INPUT_IOC(1, 'U', 103, 4),
	UI_SET_MSCBIT = INPUT_IOC(1, 'U', 104, 4),
	UI_SET_LEDBIT = INPUT_IOC(1, 'U', 105, 4),
	UI_SET_SNDBIT = INPUT_IOC(1, 'U', 106, 4),
	UI_SET_PHYS = INPUT_IOC(1, 'U', 108, 8),
	UI_SET_SWBIT = INPUT_IOC(1, 'U', 109, 4),
	UI_SET_PROPBIT = INPUT_IOC(1, 'U', 110, 4),
};

static_assert(sizeof(struct input_event) == 24 && sizeof(struct input_absinfo) == 24 &&
	      sizeof(struct input_mask) == 16);
static_assert(sizeof(struct uinput_setup) == 92 && sizeof(struct uinput_abs_setup) == 28);
static_assert(sizeof(struct uinput_user_dev) == 1116);

#endif
