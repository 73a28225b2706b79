/* SPDX-License-Identifier: MIT */
/*
 * Screens: the class between drivers of displays and who draws, which are programs by /dev/fbN (abi/fb.h) and the text
 * consoles. A driver registers a screen in attach, with memory that the display shows. The screen outlives the driver's
 * rounds (kernel/device/device.h): files and mappings stay, and what programs have mapped is shown again by the next
 * round. When the device is gone for good its node goes, and what is still open is ENODEV.
 *
 * What programs map is memory of its own, which a thread of the class copies to the display where it was written to:
 * a mapping cannot outlive the display's memory, whose claim may end at any time.
 */
#ifndef KERNEL_VIDEO_H
#define KERNEL_VIDEO_H

#include <kernel/device/device.h>
#include <stdint.h>

struct video; /* never freed: one whose device is gone serves the next */

constexpr unsigned VIDEO_MAX = 8;

/* Of a pixel: `length` bits (1 to 8) from bit `offset` on. */
struct video_field {
	uint8_t offset, length;
};
struct video_mode {
	uint32_t width, height; /* pixels */
	uint32_t pitch;		/* bytes from one line to the next, a multiple of a pixel's */
	uint32_t bits;		/* of a pixel: 16, 24 or 32 */
	struct video_field red, green, blue;
};
struct video_rect {
	uint32_t x, y, width, height;
};

/* Called with the screen's lock held, between register and the end of the round only; none may park. All may be
 * nullptr. */
struct video_ops {
	const char *name; /* of the kind, at most 15 bytes */
	/* These pixels were written to: for a display that does not look at its memory all the time. */
	void (*flush)(struct video *v, const struct video_rect *r);
	/* Another mode: *mode says width, height and bits, and then what it came to. -EINVAL: it cannot be; nothing
	 * has changed. nullptr: there is one mode only. */
	int (*set_mode)(struct video *v, struct video_mode *mode);
	/* The picture goes off, or on again. */
	void (*blank)(struct video *v, bool off);
};

/*
 * In attach. pixels: `bytes` of mapped memory of the device, of which the mode shows the first; as long as the round
 * lasts. ops and *driver_data as well. In later rounds the device's screen of before is taken. *out is borrowed.
 * -EINVAL: the mode makes no sense, or does not fit into the memory; -ENOSPC: there are VIDEO_MAX; -ENOMEM; -ENODEV: no
 * round is under way. May sleep.
 */
[[nodiscard]] int video_register(struct device *dev, const struct video_ops *ops, void *driver_data,
				 const struct video_mode *mode, volatile void *pixels, size_t bytes,
				 struct video **out) NOT_ELEVATED;
void *video_driver_data(const struct video *v);

/* --- for who draws --- */

/* The screen as it is: pixels from `at` on. */
struct video_surface {
	struct video_mode mode;
	volatile unsigned char *at;
};
/* Takes the screen's lock (RANK_VIDEO). False: the driver is not there now, nothing is locked. Until video_end, in the
 * same thread, the surface may be written to. */
[[nodiscard]] bool video_begin(struct video *v, struct video_surface *out);
/* What was written to; nullptr: nothing. */
void video_end(struct video *v, const struct video_rect *r);
/* The pixel of a colour 0xRRGGBB in that mode. */
uint32_t video_pixel(const struct video_mode *mode, uint32_t rgb);

/* What a user of screens is told; functions may sleep, but not draw: they are called without locks, in the thread of
 * the driver or of who changed the mode. */
enum video_change : uint32_t {
	VIDEO_NEW,  /* it is there, or there again, and shows anything */
	VIDEO_MODE, /* it has another mode */
	VIDEO_GONE, /* for good */
};
/* The one who draws text; once, at boot. He hears of the screens that are there already, too. */
void video_set_user(void (*changed)(struct video *v, enum video_change what));
/* Number of /dev/fbN. */
unsigned video_index(const struct video *v);

#endif
