/* SPDX-License-Identifier: MIT */
/*
 * Screens (kernel/video/video.h): registration through the rounds of a driver, and drawing.
 *
 * v->lock is held by whoever touches the display's memory, or its registers through an operation. suspend takes it, so
 * that nobody is in there when the driver's mappings go; therefore nothing is waited for with it held.
 */
#include "video_internal.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint32_t SIDE_MAX = 16384;

struct video videos[VIDEO_MAX];
static struct mutex videos_lock = MUTEX_INIT(videos_lock, RANK_NONE); /* who has which */
static void (*user)(struct video *v, enum video_change what);

static void tell(struct video *v, enum video_change what)
{
	void (*changed)(struct video *v, enum video_change what) = __atomic_load_n(&user, __ATOMIC_ACQUIRE);

	if (changed != nullptr)
		changed(v, what);
}

void video_set_user(void (*changed)(struct video *v, enum video_change what))
{
	__atomic_store_n(&user, changed, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < VIDEO_MAX; i++) {
		if (__atomic_load_n(&videos[i].shown, __ATOMIC_ACQUIRE))
			changed(&videos[i], VIDEO_NEW);
	}
}

unsigned video_index(const struct video *v)
{
	return v->index;
}

void *video_driver_data(const struct video *v)
{
	return v->driver_data;
}

static bool field_is_sane(struct video_field f, uint32_t bits)
{
	return f.length >= 1 && f.length <= 8 && f.offset + f.length <= bits;
}

static bool mode_is_sane(const struct video_mode *m, size_t bytes)
{
	uint32_t pixel = m->bits / 8;

	return (m->bits == 16 || m->bits == 24 || m->bits == 32) && m->width >= 1 && m->width <= SIDE_MAX &&
	       m->height >= 1 && m->height <= SIDE_MAX && m->pitch >= m->width * pixel && m->pitch <= SIDE_MAX * 4 &&
	       m->pitch % pixel == 0 && (uint64_t)m->pitch * m->height <= bytes && field_is_sane(m->red, m->bits) &&
	       field_is_sane(m->green, m->bits) && field_is_sane(m->blue, m->bits);
}

uint32_t video_pixel(const struct video_mode *mode, uint32_t rgb)
{
	uint32_t red = rgb >> 16 & 0xff, green = rgb >> 8 & 0xff, blue = rgb & 0xff;

	return red >> (8 - mode->red.length) << mode->red.offset |
	       green >> (8 - mode->green.length) << mode->green.offset |
	       blue >> (8 - mode->blue.length) << mode->blue.offset;
}

void video_store(volatile unsigned char *to, const unsigned char *from, size_t n)
{
	for (; n > 0 && (uint64_t)to % sizeof(uint64_t) != 0; n--)
		*to++ = *from++;
	for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, from, sizeof(word));
		*(volatile uint64_t *)to = word;
		to += sizeof(word);
		from += sizeof(word);
	}
	for (; n > 0; n--)
		*to++ = *from++;
}

void video_load(unsigned char *to, volatile const unsigned char *from, size_t n)
{
	for (; n > 0 && (uint64_t)from % sizeof(uint64_t) != 0; n--)
		*to++ = *from++;
	for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t)) {
		uint64_t word = *(volatile const uint64_t *)from;

		memcpy(to, &word, sizeof(word));
		to += sizeof(word);
		from += sizeof(word);
	}
	for (; n > 0; n--)
		*to++ = *from++;
}

bool video_begin(struct video *v, struct video_surface *out) NO_THREAD_SAFETY
{
	mutex_lock(&v->lock);
	if (v->pixels == nullptr) {
		mutex_unlock(&v->lock);
		return false;
	}
	*out = (struct video_surface){.mode = v->mode, .at = v->pixels};
	return true;
}

void video_end(struct video *v, const struct video_rect *r) NO_THREAD_SAFETY
{
	if (r != nullptr && v->ops->flush != nullptr)
		v->ops->flush(v, r);
	mutex_unlock(&v->lock);
}

void video_flush_bytes(struct video *v, uint64_t first, uint64_t n)
{
	uint64_t top = first / v->mode.pitch, end = (first + n + v->mode.pitch - 1) / v->mode.pitch;
	struct video_rect r = {.y = (uint32_t)top, .width = v->mode.width};

	if (v->ops->flush == nullptr || top >= v->mode.height)
		return;
	r.height = (uint32_t)MIN(end, v->mode.height) - r.y;
	v->ops->flush(v, &r);
}

int video_set_mode(struct video *v, const struct video_mode *wanted)
{
	struct video_mode mode = *wanted;
	int error = -ENODEV;

	mutex_lock(&v->lock);
	if (v->pixels != nullptr)
		error = v->ops->set_mode != nullptr ? v->ops->set_mode(v, &mode) : -EINVAL;
	if (error == 0)
		v->mode = mode;
	mutex_unlock(&v->lock);
	if (error == 0)
		tell(v, VIDEO_MODE);
	return error;
}

void video_set_blank(struct video *v, bool off)
{
	mutex_lock(&v->lock);
	if (v->pixels != nullptr && v->ops->blank != nullptr)
		v->ops->blank(v, off);
	v->blank = off;
	mutex_unlock(&v->lock);
}

static void suspend(struct resource *r)
{
	struct video *v = container_of(r, struct video, resource);

	mutex_lock(&v->lock);
	v->pixels = nullptr;
	mutex_unlock(&v->lock);
}

static void make_free(struct video *v)
{
	mutex_lock(&videos_lock);
	v->taken = false;
	mutex_unlock(&videos_lock);
}

static void gone(struct resource *r)
{
	struct video *v = container_of(r, struct video, resource);
	struct fb_pages unused;

	mutex_lock(&v->lock);
	v->pixels = nullptr;
	v->opens = 0;
	v->blank = false;
	unused = v->pages;
	v->pages = (struct fb_pages){};
	__atomic_fetch_add(&v->generation, 1, __ATOMIC_RELEASE);
	mutex_unlock(&v->lock);
	fb_pages_free(&unused);
	if (__atomic_exchange_n(&v->shown, false, __ATOMIC_ACQ_REL)) {
		tell(v, VIDEO_GONE);
		chrdev_unregister(FB_MAJOR, v->index);
		class_remove(&v->entry);
	}
	make_free(v);
}

static const struct resource_ops screen_ops = {
	.name = "screen", .component = &component_video, .suspend = suspend, .gone = gone};

static struct video *take_free(void)
{
	struct video *v = nullptr;

	mutex_lock(&videos_lock);
	for (unsigned i = 0; i < VIDEO_MAX && v == nullptr; i++) {
		if (!videos[i].taken) {
			v = &videos[i];
			v->taken = true;
		}
	}
	mutex_unlock(&videos_lock);
	return v;
}

/* The device's screen of the round before, or one that no device has, which is the device's then. */
static int find_screen(struct device *dev, struct video **out)
{
	struct resource *kept = device_kept(dev, &screen_ops, nullptr);
	struct video *v;

	if (kept != nullptr) {
		*out = container_of(kept, struct video, resource);
		return 0;
	}
	v = take_free();
	if (v == nullptr)
		return -ENOSPC;
	v->resource = (struct resource){};
	int error = device_own(dev, &v->resource, &screen_ops);
	if (error < 0)
		make_free(v);
	*out = v;
	return error;
}

static int show(struct video *v, struct device *dev, const struct video_mode *mode)
{
	char name[8];

	if (v->shown)
		return 0;
	snprintf(name, sizeof(name), "fb%u", v->index);
	int error = chrdev_register(name, FB_MAJOR, v->index, 0600, &fb_ops, v);
	if (error < 0)
		return error;
	fb_show(v, dev);
	__atomic_store_n(&v->shown, true, __ATOMIC_RELEASE);
	log_info("video: %s is the screen of %s, %u x %u pixels of %u bits (%s)", name, device_name(dev), mode->width,
		 mode->height, mode->bits, v->ops->name);
	return 0;
}

int video_register(struct device *dev, const struct video_ops *ops, void *driver_data, const struct video_mode *mode,
		   volatile void *pixels, size_t bytes, struct video **out)
{
	struct video *v;

	if (!mode_is_sane(mode, bytes))
		return -EINVAL;
	int error = find_screen(dev, &v);
	if (error < 0)
		return error;
	mutex_lock(&v->lock);
	v->ops = ops;
	v->driver_data = driver_data;
	v->mode = *mode;
	v->bytes = bytes;
	v->pixels = pixels;
	if (v->blank && ops->blank != nullptr)
		ops->blank(v, true);
	fb_pages_all_dirty(v);
	mutex_unlock(&v->lock);
	error = show(v, dev, mode);
	if (error < 0)
		return error;
	fb_pages_wake();
	tell(v, VIDEO_NEW);
	*out = v;
	return 0;
}

static int start(void)
{
	for (unsigned i = 0; i < VIDEO_MAX; i++) {
		videos[i].index = i;
		mutex_init(&videos[i].lock, RANK_VIDEO);
	}
	return fb_pages_start();
}
COMPONENT_START(video, start);

DEFINE_COMPONENT(
	video, .stage = STAGE_BUS,
	.users = "the call of /dev/fb0 fails with EFAULT; what is mapped stays, and is copied to the display again");
