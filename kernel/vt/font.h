/* SPDX-License-Identifier: MIT */
/* What tools/mkfont made: count, height; code points, ascending; glyphs, and bold ones. */
#ifndef VT_FONT_H
#define VT_FONT_H

#include <stdint.h>

extern const unsigned char font_data[];

#endif
