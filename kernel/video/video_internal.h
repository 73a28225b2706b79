/* SPDX-License-Identifier: MIT */
/* What the files of kernel/video share: video.c (registration, drawing), fb.c (/dev/fbN), fb_pages.c (what programs
 * map), fb_sys.c (/sys/class/graphics). */
#ifndef VIDEO_INTERNAL_H
#define VIDEO_INTERNAL_H

#include <abi/fb.h>
#include <kernel/base/lock.h>
#include <kernel/device/class.h>
#include <kernel/file/file.h>
#include <kernel/thread/component.h>
#include <kernel/video/video.h>

DECLARE_COMPONENT(video);

constexpr unsigned FB_INODES = 4;

/* What programs have mapped of a screen: pages by number, made as they are touched. */
struct fb_pages {
	struct page **page;   /* count of them; nullptr: nobody has mapped it */
	unsigned char *dirty; /* of each: it was written to since it was copied */
	uint64_t count;
	uint64_t inode[FB_INODES]; /* numbers of memory (kernel/vm/object.h) by which it is mapped: one for each node */
	unsigned inodes;
};

struct video {
	struct resource resource;
	unsigned index;
	const struct video_ops *ops;
	void *driver_data;
	struct mutex lock;
	struct video_mode mode GUARDED_BY(&lock);
	volatile unsigned char *pixels GUARDED_BY(&lock); /* nullptr: the driver is not there */
	size_t bytes GUARDED_BY(&lock);
	bool blank GUARDED_BY(&lock);
	uint32_t opens GUARDED_BY(&lock); /* open files */
	struct fb_pages pages GUARDED_BY(&lock);
	uint32_t generation; /* atomic: devices that it was of; files of older ones are dead */
	bool taken, shown;   /* a device has it; its node and directory are there */
	struct class_entry entry;
};

/* private_data of an open file. */
struct fb_file {
	struct video *video;
	uint32_t generation;
};
static inline struct fb_file *fb_file_of(const struct file *f)
{
	return f->private_data;
}
/* Whether its screen is of the device that it was of when it was opened. */
static inline bool fb_file_is_alive(const struct fb_file *own)
{
	return own->generation == __atomic_load_n(&own->video->generation, __ATOMIC_ACQUIRE);
}

/* video.c */
extern struct video videos[VIDEO_MAX];
/* Copies between memory and pixels, by accesses as wide as the place allows: device memory takes no others. */
void video_store(volatile unsigned char *to, const unsigned char *from, size_t n);
void video_load(unsigned char *to, volatile const unsigned char *from, size_t n);
/* The bytes first … first + n - 1 of the memory were written to. */
void video_flush_bytes(struct video *v, uint64_t first, uint64_t n) REQUIRES(v -> lock);
/* The mode that comes nearest to a request, which changes nothing. -EINVAL: it cannot be. */
int video_set_mode(struct video *v, const struct video_mode *wanted);
void video_set_blank(struct video *v, bool off);

/* fb.c */
extern const struct file_ops fb_ops;

/* fb_pages.c */
extern const struct vm_object_ops fb_object_ops;
/* A write(2) came: the mapped pages show it, too. */
void fb_pages_store(struct video *v, uint64_t at, const unsigned char *from, size_t n) REQUIRES(v -> lock);
/* The display has forgotten all: what is mapped is copied again. */
void fb_pages_all_dirty(struct video *v) REQUIRES(v -> lock);
/* Nobody has it open any more. The caller frees what is returned without the lock. */
void fb_pages_free(struct fb_pages *p);
/* Any context: there are dirty pages. */
void fb_pages_wake(void);
[[nodiscard]] int fb_pages_start(void);

/* fb_sys.c */
void fb_show(struct video *v, struct device *dev);

#endif
