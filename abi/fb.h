/* SPDX-License-Identifier: MIT */
/* Frame buffers, as in Linux's ABI of 64-bit machines (fbdev: linux/fb.h; Documentation/fb/api.rst). */
#ifndef ABI_FB_H
#define ABI_FB_H

#include <stdint.h>

constexpr uint32_t FB_MAJOR = 29;

enum : uint32_t {
	FBIOGET_VSCREENINFO = 0x4600,
	FBIOPUT_VSCREENINFO = 0x4601,
	FBIOGET_FSCREENINFO = 0x4602,
	FBIOGETCMAP = 0x4604,
	FBIOPUTCMAP = 0x4605,
	FBIOPAN_DISPLAY = 0x4606,
	FBIOBLANK = 0x4611,
};

enum : uint32_t { FB_TYPE_PACKED_PIXELS = 0, FB_VISUAL_TRUECOLOR = 2 };
enum : uint32_t { FB_ACTIVATE_NOW = 0, FB_ACTIVATE_TEST = 2, FB_ACTIVATE_MASK = 15, FB_ACTIVATE_FORCE = 128 };
enum : uint32_t { FB_BLANK_UNBLANK = 0, FB_BLANK_POWERDOWN = 4 };

struct fb_bitfield {
	uint32_t offset, length, msb_right;
};

struct fb_var_screeninfo {
	uint32_t xres, yres, xres_virtual, yres_virtual, xoffset, yoffset;
	uint32_t bits_per_pixel, grayscale;
	struct fb_bitfield red, green, blue, transp;
	uint32_t nonstd, activate;
	uint32_t height, width; /* of the picture, mm; UINT32_MAX: not known */
	uint32_t accel_flags;
	uint32_t pixclock, left_margin, right_margin, upper_margin, lower_margin, hsync_len, vsync_len;
	uint32_t sync, vmode, rotate, colorspace;
	uint32_t reserved[4];
};
static_assert(sizeof(struct fb_var_screeninfo) == 160);

struct fb_fix_screeninfo {
	char id[16];
	uint64_t smem_start;
	uint32_t smem_len, type, type_aux, visual;
	uint16_t xpanstep, ypanstep, ywrapstep;
	uint32_t line_length;
	uint64_t mmio_start;
	uint32_t mmio_len, accel;
	uint16_t capabilities, reserved[2];
};
static_assert(sizeof(struct fb_fix_screeninfo) == 80);

#endif
