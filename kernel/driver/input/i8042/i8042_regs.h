/* SPDX-License-Identifier: MIT */
/* The 8042 and what is behind it (IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary
 * Device Controller"; Intel 8242 data sheet). */
#ifndef I8042_REGS_H
#define I8042_REGS_H

#include <stdint.h>

/* Offsets from port 0x60. */
enum : uint32_t {
	I8042_DATA = 0,	   /* RW 8 */
	I8042_STATUS = 4,  /* R  8 */
	I8042_COMMAND = 4, /* W  8 */
};
enum : uint8_t {
	STATUS_FULL = 1 << 0, /* a byte can be read */
	STATUS_BUSY = 1 << 1, /* what was written has not been taken */
	STATUS_AUX = 1 << 5,  /* the byte is the mouse's */
	STATUS_NONE = 0xff,   /* no controller is there */
};
/* Commands of the controller. */
enum : uint8_t {
	READ_CONFIG = 0x20,
	WRITE_CONFIG = 0x60,
	AUX_OFF = 0xa7,
	AUX_ON = 0xa8,
	TEST = 0xaa, /* answers TEST_GOOD */
	KEYS_OFF = 0xad,
	KEYS_ON = 0xae,
	TO_AUX = 0xd4, /* the next byte of data is for the mouse */
	TEST_GOOD = 0x55,
};
enum : uint8_t {
	CONFIG_KEYS_IRQ = 1 << 0,
	CONFIG_AUX_IRQ = 1 << 1,
	CONFIG_KEYS_OFF = 1 << 4,
	CONFIG_AUX_OFF = 1 << 5,
	CONFIG_TRANSLATE = 1 << 6, /* scan codes of set 2 to set 1 */
};
/* Of keyboards and mice, and what they answer. */
enum : uint8_t {
	SET_LEDS = 0xed,
	GET_ID = 0xf2,
	SET_RATE = 0xf3,
	ENABLE = 0xf4,
	DISABLE = 0xf5,
	RESET = 0xff,
	ACK = 0xfa,
	AGAIN = 0xfe,
	SELF_TEST_GOOD = 0xaa,
	ID_WHEEL = 3,
	ID_BUTTONS = 4,
};

#endif
