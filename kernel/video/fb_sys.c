/* SPDX-License-Identifier: MIT */
/* Screens in /sys/class/graphics (Linux, Documentation/ABI/testing/sysfs-class-graphics, and drivers/video's files). */
#include "video_internal.h"

#include <kernel/mem/text.h>
#include <lib/string.h>

/* What a file shows, taken with the lock held. */
static struct video_mode mode_of(struct video *v)
{
	mutex_lock(&v->lock);
	struct video_mode mode = v->mode;
	mutex_unlock(&v->lock);
	return mode;
}

static int show_name(struct text_buffer *b, void *arg)
{
	struct video *v = arg;

	mutex_lock(&v->lock);
	const char *name = v->ops->name;
	mutex_unlock(&v->lock);
	text_printf(b, "%s\n", name);
	return 0;
}

static int show_bits(struct text_buffer *b, void *arg)
{
	text_printf(b, "%u\n", mode_of(arg).bits);
	return 0;
}

static int show_size(struct text_buffer *b, void *arg)
{
	struct video_mode mode = mode_of(arg);

	text_printf(b, "%u,%u\n", mode.width, mode.height);
	return 0;
}

static int show_stride(struct text_buffer *b, void *arg)
{
	text_printf(b, "%u\n", mode_of(arg).pitch);
	return 0;
}

static int show_modes(struct text_buffer *b, void *arg)
{
	struct video_mode mode = mode_of(arg);

	text_printf(b, "U:%ux%up-0\n", mode.width, mode.height);
	return 0;
}

static int show_blank(struct text_buffer *b, void *arg)
{
	struct video *v = arg;

	mutex_lock(&v->lock);
	bool off = v->blank;
	mutex_unlock(&v->lock);
	text_printf(b, "%u\n", off ? FB_BLANK_POWERDOWN : FB_BLANK_UNBLANK);
	return 0;
}

static const struct node_file files[] = {
	{.component = &component_video, .name = "name", .mode = 0444, .show = show_name},
	{.component = &component_video, .name = "bits_per_pixel", .mode = 0444, .show = show_bits},
	{.component = &component_video, .name = "virtual_size", .mode = 0444, .show = show_size},
	{.component = &component_video, .name = "stride", .mode = 0444, .show = show_stride},
	{.component = &component_video, .name = "modes", .mode = 0444, .show = show_modes},
	{.component = &component_video, .name = "blank", .mode = 0444, .show = show_blank},
	{},
};

void fb_show(struct video *v, struct device *dev)
{
	v->entry = (struct class_entry){
		.class = "graphics", .device = dev, .has_number = true, .major = FB_MAJOR, .minor = v->index};
	snprintf(v->entry.name, sizeof(v->entry.name), "fb%u", v->index);
	class_add(&v->entry, files, v);
}
