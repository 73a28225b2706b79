/* SPDX-License-Identifier: MIT */
/* The font of the text consoles, as tools/mkfont made it. */
#include "font.h"

alignas(uint32_t) const unsigned char font_data[] = {
#embed "console-font.bin"
};
