/* SPDX-License-Identifier: MIT */
/*
 * What PS/2 keyboards and mice send (IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller"; Microsoft, Keyboard Scan Code Specification 1.3a, appendix A). Keyboards: scan codes of
 * set 1, as the controller translates them.
 */
#ifndef LIB_PS2_H
#define LIB_PS2_H

#include <stddef.h>
#include <stdint.h>

struct ps2_keys {
	uint8_t prefix;	 /* 0xe0, 0xe1, or 0 */
	uint8_t skipped; /* of the bytes behind 0xe1 */
};
/* Takes a byte. True: a key (KEY_*) goes down or comes up. */
[[nodiscard]] bool ps2_take_key(struct ps2_keys *k, uint8_t byte, uint16_t *code, bool *down);
/* The n-th key (from 0) that such a keyboard may have; 0: there are no more. */
uint16_t ps2_key_at(size_t n);

struct ps2_mouse {
	uint8_t id; /* 0: three buttons, 3: and a wheel, 4: and two buttons more */
	uint8_t bytes[4], count;
};
struct ps2_motion {
	int16_t x, y;	 /* right and down */
	int8_t wheel;	 /* away from the user */
	uint8_t buttons; /* left, right, middle, side, extra: bits 0 to 4 */
};
/* Takes a byte. True: a packet is whole. One that does not begin as packets do is passed over. */
[[nodiscard]] bool ps2_take_motion(struct ps2_mouse *m, uint8_t byte, struct ps2_motion *out);

#endif
