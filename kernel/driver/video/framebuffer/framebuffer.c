/* SPDX-License-Identifier: MIT */
/*
 * The screen as the boot loader left it (Limine boot protocol, "Framebuffer Feature"): memory that firmware's graphics
 * output shows, of which nothing but its place and layout is known. One mode, no interrupts, nothing to silence.
 */
#include <abi/errno.h>
#include <kernel/base/init.h>
#include <kernel/bus/platform.h>
#include <kernel/device/mmio.h>
#include <kernel/thread/component.h>
#include <kernel/video/video.h>

DEFINE_COMPONENT(framebuffer, .asks_devices = true, .stage = STAGE_DRIVER,
		 .users = "/dev/fb0 is ENODEV until the screen is back; what is mapped stays, and is shown again");

static int start(void)
{
	platform_add_screen();
	return 0;
}
COMPONENT_START(framebuffer, start);

static const struct video_ops ops = {.name = "framebuffer"};

static struct video_field field_of(struct boot_colour c)
{
	return (struct video_field){.offset = c.offset, .length = c.length};
}

static int attach(struct device *dev)
{
	const struct boot_screen *s = &boot_info()->screen;
	struct mmio memory;
	struct video *v;
	int error = mmio_map(dev, 0, &memory);

	if (error < 0)
		return error;
	if (s->pitch > UINT32_MAX || s->bits > UINT8_MAX)
		return -ENODEV;
	struct video_mode mode = {
		.width = s->width,
		.height = s->height,
		.pitch = (uint32_t)s->pitch,
		.bits = s->bits,
		.red = field_of(s->red),
		.green = field_of(s->green),
		.blue = field_of(s->blue),
	};
	error = video_register(dev, &ops, nullptr, &mode, memory.at, memory.bytes, &v);
	return error == -EINVAL ? -ENODEV : error; /* a layout that nobody can draw in stays one */
}

static const char *const names[] = {"loader,framebuffer", nullptr};

DRIVER(framebuffer, .component = &component_framebuffer, .bus = &platform_bus, .match = names, .wants = WANTS_MMIO,
       .attach = attach);
