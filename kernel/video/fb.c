/* SPDX-License-Identifier: MIT */
/*
 * /dev/fbN: the screen's memory by read, write and mmap, and its mode (abi/fb.h; Linux, Documentation/fb/api.rst). One
 * picture, as large as the screen: nothing to pan to, and no palette. A request for a mode says in return what it came
 * to, or is EINVAL.
 */
#include "video_internal.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/vfs.h>
#include <kernel/vm/user.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr size_t PIECE = 4096; /* copied with the lock held */

static struct video *screen_of(const struct file *f)
{
	return fb_file_of(f)->video;
}

static int fb_open(struct file *f)
{
	struct video *v = f->private_data;
	struct fb_file *own = kmalloc(sizeof(*own));

	if (own == nullptr)
		return -ENOMEM;
	mutex_lock(&v->lock);
	*own = (struct fb_file){.video = v, .generation = v->generation};
	v->opens++;
	mutex_unlock(&v->lock);
	f->private_data = own;
	return 0;
}

static void fb_release(struct file *f)
{
	struct fb_file *own = fb_file_of(f);
	struct video *v = own->video;
	struct fb_pages unused = {};

	mutex_lock(&v->lock);
	if (fb_file_is_alive(own) && --v->opens == 0) {
		unused = v->pages;
		v->pages = (struct fb_pages){};
	}
	mutex_unlock(&v->lock);
	fb_pages_free(&unused);
	kfree(own);
}

/* How much of n bytes from pos on there is. -ENODEV: the screen is gone, or its driver not there now. */
static long clip(struct video *v, const struct fb_file *own, uint64_t pos, size_t n) REQUIRES(v -> lock)
{
	if (!fb_file_is_alive(own) || v->pixels == nullptr)
		return -ENODEV;
	return pos >= v->bytes ? 0 : (long)MIN(n, v->bytes - pos);
}

static long fb_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	unsigned char *piece = kmalloc(PIECE);
	struct video *v = screen_of(f);
	long done = 0, part = 0;

	if (piece == nullptr)
		return -ENOMEM;
	while ((size_t)done < n) {
		mutex_lock(&v->lock);
		part = clip(v, fb_file_of(f), *pos, MIN(n - (size_t)done, PIECE));
		if (part > 0)
			video_load(piece, v->pixels + *pos, (size_t)part);
		mutex_unlock(&v->lock);
		if (part <= 0)
			break;
		size_t copied = io_copy_out(buf, (size_t)done, piece, (size_t)part);
		*pos += copied;
		done += (long)copied;
		if (copied < (size_t)part) {
			part = -EFAULT;
			break;
		}
	}
	kfree(piece);
	return done > 0 ? done : part;
}

static long write_piece(struct video *v, const struct fb_file *own, uint64_t pos, const unsigned char *from, size_t n)
{
	mutex_lock(&v->lock);
	long part = clip(v, own, pos, n);
	if (part > 0) {
		video_store(v->pixels + pos, from, (size_t)part);
		fb_pages_store(v, pos, from, (size_t)part);
		video_flush_bytes(v, pos, (uint64_t)part);
	}
	mutex_unlock(&v->lock);
	return part == 0 ? -ENOSPC : part;
}

static long fb_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	unsigned char *piece = kmalloc(PIECE);
	long done = 0, part = 0;

	if (piece == nullptr)
		return -ENOMEM;
	while ((size_t)done < n) {
		size_t copied = io_copy_in(piece, buf, (size_t)done, MIN(n - (size_t)done, PIECE));

		part = copied > 0 ? write_piece(screen_of(f), fb_file_of(f), *pos, piece, copied) : -EFAULT;
		if (part <= 0)
			break;
		*pos += (uint64_t)part;
		done += part;
	}
	kfree(piece);
	return done > 0 ? done : part;
}

static struct fb_bitfield field_of(struct video_field f)
{
	return (struct fb_bitfield){.offset = f.offset, .length = f.length};
}

static void describe_mode(const struct video_mode *m, struct fb_var_screeninfo *out)
{
	*out = (struct fb_var_screeninfo){
		.xres = m->width,
		.yres = m->height,
		.xres_virtual = m->width,
		.yres_virtual = m->height,
		.bits_per_pixel = m->bits,
		.red = field_of(m->red),
		.green = field_of(m->green),
		.blue = field_of(m->blue),
		.height = UINT32_MAX,
		.width = UINT32_MAX,
	};
}

static long get_mode(struct video *v, user_addr at)
{
	struct fb_var_screeninfo info;

	mutex_lock(&v->lock);
	describe_mode(&v->mode, &info);
	mutex_unlock(&v->lock);
	return put_user(at, info);
}

static bool is_same(const struct video_mode *a, const struct video_mode *b)
{
	return a->width == b->width && a->height == b->height && a->bits == b->bits;
}

static long put_mode(struct video *v, user_addr at)
{
	struct fb_var_screeninfo info;
	struct video_mode wanted, now;
	int error = get_user(info, at);

	if (error != 0)
		return error;
	wanted = (struct video_mode){.width = info.xres, .height = info.yres, .bits = info.bits_per_pixel};
	mutex_lock(&v->lock);
	now = v->mode;
	bool can_change = v->ops->set_mode != nullptr;
	mutex_unlock(&v->lock);
	if (info.xoffset != 0 || info.yoffset != 0 || info.xres_virtual > info.xres || info.yres_virtual > info.yres ||
	    (!is_same(&wanted, &now) && !can_change))
		return -EINVAL;
	if (!is_same(&wanted, &now) && (info.activate & FB_ACTIVATE_MASK) == FB_ACTIVATE_NOW)
		error = video_set_mode(v, &wanted);
	return error != 0 ? error : get_mode(v, at);
}

static long get_fixed(struct video *v, user_addr at)
{
	struct fb_fix_screeninfo info = {.type = FB_TYPE_PACKED_PIXELS, .visual = FB_VISUAL_TRUECOLOR};

	mutex_lock(&v->lock);
	strlcpy(info.id, v->ops->name, sizeof(info.id));
	info.smem_len = (uint32_t)v->bytes;
	info.line_length = v->mode.pitch;
	mutex_unlock(&v->lock);
	return put_user(at, info);
}

static long pan(struct video *v, user_addr at)
{
	struct fb_var_screeninfo info;
	int error = get_user(info, at);

	if (error != 0)
		return error;
	return info.xoffset == 0 && info.yoffset == 0 ? get_mode(v, at) : -EINVAL;
}

static long blank(struct video *v, uint64_t how)
{
	if (how > FB_BLANK_POWERDOWN)
		return -EINVAL;
	video_set_blank(v, how != FB_BLANK_UNBLANK);
	return 0;
}

static long fb_ioctl(struct file *f, uint32_t command, uint64_t arg)
{
	struct video *v = screen_of(f);
	user_addr at = {arg};

	if (!fb_file_is_alive(fb_file_of(f)))
		return -ENODEV;
	switch (command) {
	case FBIOGET_VSCREENINFO: return get_mode(v, at);
	case FBIOPUT_VSCREENINFO: return put_mode(v, at);
	case FBIOGET_FSCREENINFO: return get_fixed(v, at);
	case FBIOPAN_DISPLAY: return pan(v, at);
	case FBIOBLANK: return blank(v, arg);
	case FBIOGETCMAP:
	case FBIOPUTCMAP: return -EINVAL; /* pixels have their colours */
	default: return -ENOTTY;
	}
}

const struct file_ops fb_ops = {
	.component = &component_video,
	.open = fb_open,
	.release = fb_release,
	.read = fb_read,
	.write = fb_write,
	.seek = file_seek_generic,
	.ioctl = fb_ioctl,
	.object = &fb_object_ops,
};
