/* SPDX-License-Identifier: MIT */
/*
 * What programs map of a screen (mmap of /dev/fbN): ordinary pages, made and filled from the display as they are
 * touched. A page that may be written to is noted as dirty; a service copies dirty pages to the display at most
 * RATE times a second, after it took from all mappings the right to write to them, so that the next write is noted
 * again.
 */
#include "video_internal.h"

#include "kernel/thread/service.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <kernel/vfs/file_object.h>
#include <kernel/vm/vm.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint64_t PAUSE_NS = 1'000'000'000 / 60;
constexpr unsigned RUN_MAX = 64; /* pages copied with the lock held */

static uint32_t any_dirty; /* atomic */

static const struct fb_file *opened(const struct vm_object *o)
{
	return fb_file_of(container_of(o, const struct file, object));
}

static uint64_t page_count(const struct vm_object *o)
{
	struct video *v = opened(o)->video;

	mutex_lock(&v->lock);
	uint64_t count = (v->bytes + PAGE_SIZE - 1) / PAGE_SIZE;
	mutex_unlock(&v->lock);
	return count;
}

/* Room for what the screen has now. */
static int make_room(struct video *v) REQUIRES(v -> lock)
{
	struct fb_pages *p = &v->pages;
	uint64_t count = (v->bytes + PAGE_SIZE - 1) / PAGE_SIZE;

	if (p->page != nullptr)
		return 0;
	p->page = kmalloc(count * sizeof(struct page *));
	p->dirty = kmalloc(count);
	if (p->page == nullptr || p->dirty == nullptr) {
		kfree(p->page);
		kfree(p->dirty);
		*p = (struct fb_pages){};
		return -ENOMEM;
	}
	p->count = count;
	return 0;
}

static bool note_inode(struct fb_pages *p, uint64_t memory)
{
	for (unsigned i = 0; i < p->inodes; i++) {
		if (p->inode[i] == memory)
			return true;
	}
	if (p->inodes == FB_INODES)
		return false;
	p->inode[p->inodes++] = memory;
	return true;
}

static size_t bytes_of(const struct video *v, uint64_t index) REQUIRES(v -> lock)
{
	return MIN(v->bytes - index * PAGE_SIZE, PAGE_SIZE);
}

/* The index-th page takes `fresh`, if it is not there, with what the display shows. */
static long take_page(struct video *v, uint64_t memory, uint64_t index, bool for_write, struct page **fresh,
		      struct page **out) REQUIRES(v -> lock)
{
	struct fb_pages *p = &v->pages;

	if (make_room(v) < 0 || !note_inode(p, memory))
		return -ENOMEM;
	if (index >= p->count)
		return -ENXIO;
	if (p->page[index] == nullptr) {
		p->page[index] = *fresh;
		*fresh = nullptr;
		if (v->pixels != nullptr && index * PAGE_SIZE < v->bytes)
			video_load(page_address(p->page[index]), v->pixels + index * PAGE_SIZE, bytes_of(v, index));
	}
	if (for_write)
		p->dirty[index] = 1;
	page_get(p->page[index]);
	*out = p->page[index];
	return 0;
}

static long get_page(struct vm_object *o, uint64_t index, bool for_write, struct page **out)
{
	struct video *v = opened(o)->video;
	struct page *fresh = page_alloc_user(true);

	if (fresh == nullptr)
		return -ENOMEM;
	mutex_lock(&v->lock);
	long result = -ENXIO;
	if (fb_file_is_alive(opened(o)))
		result = take_page(v, o->memory, index, for_write, &fresh, out);
	mutex_unlock(&v->lock);
	if (fresh != nullptr)
		page_put(fresh);
	if (result == 0 && for_write)
		fb_pages_wake();
	return result;
}

const struct vm_object_ops fb_object_ops = {
	.component = &component_video,
	.get_page = get_page,
	.pages = page_count,
	.release = file_object_release,
};

void fb_pages_store(struct video *v, uint64_t at, const unsigned char *from, size_t n)
{
	const struct fb_pages *p = &v->pages;

	while (n > 0 && p->page != nullptr && at / PAGE_SIZE < p->count) {
		size_t skip = at % PAGE_SIZE, part = MIN(n, PAGE_SIZE - skip);

		if (p->page[at / PAGE_SIZE] != nullptr)
			memcpy((char *)page_address(p->page[at / PAGE_SIZE]) + skip, from, part);
		at += part;
		from += part;
		n -= part;
	}
}

void fb_pages_all_dirty(struct video *v)
{
	for (uint64_t i = 0; v->pages.page != nullptr && i < v->pages.count; i++)
		v->pages.dirty[i] = v->pages.page[i] != nullptr;
}

void fb_pages_free(struct fb_pages *p)
{
	for (uint64_t i = 0; p->page != nullptr && i < p->count; i++) {
		if (p->page[i] != nullptr)
			page_put(p->page[i]);
	}
	kfree(p->page);
	kfree(p->dirty);
}

/* The first run of dirty pages from *first on, which are dirty no more. False: there is none. */
static bool take_dirty(struct video *v, uint64_t *first, unsigned *count)
{
	struct fb_pages *p = &v->pages;
	bool found;

	*count = 0;
	mutex_lock(&v->lock);
	while (p->page != nullptr && *first < p->count && !p->dirty[*first])
		++*first;
	found = p->page != nullptr && *first < p->count;
	for (uint64_t i = *first; found && i < p->count && p->dirty[i] && *count < RUN_MAX; i++, ++*count)
		p->dirty[i] = 0;
	mutex_unlock(&v->lock);
	return found;
}

static void protect(struct video *v, uint64_t first, unsigned count)
{
	uint64_t inode[FB_INODES];
	unsigned inodes;

	mutex_lock(&v->lock);
	inodes = v->pages.inodes;
	memcpy(inode, v->pages.inode, sizeof(inode));
	mutex_unlock(&v->lock);
	for (unsigned i = 0; i < inodes; i++)
		vm_protect_memory(inode[i], first, first + count - 1);
}

static void copy(struct video *v, uint64_t first, unsigned count)
{
	const struct fb_pages *p = &v->pages;

	mutex_lock(&v->lock);
	for (uint64_t i = first; v->pixels != nullptr && p->page != nullptr && i < MIN(first + count, p->count); i++) {
		if (p->page[i] != nullptr && i * PAGE_SIZE < v->bytes)
			video_store(v->pixels + i * PAGE_SIZE, page_address(p->page[i]), bytes_of(v, i));
	}
	if (v->pixels != nullptr)
		video_flush_bytes(v, first * PAGE_SIZE, (uint64_t)count * PAGE_SIZE);
	mutex_unlock(&v->lock);
}

static void copy_dirty(struct video *v)
{
	uint64_t first = 0;
	unsigned count;

	for (; take_dirty(v, &first, &count); first += count) {
		protect(v, first, count);
		copy(v, first, count);
	}
}

static void loop(void)
{
	uint64_t next_ns = 0;

	for (;;) {
		if (clock_monotonic_ns() >= next_ns && __atomic_exchange_n(&any_dirty, 0, __ATOMIC_ACQ_REL) != 0) {
			for (unsigned i = 0; i < VIDEO_MAX; i++)
				copy_dirty(&videos[i]);
			next_ns = clock_monotonic_ns() + PAUSE_NS;
		}
		if (service_park(__atomic_load_n(&any_dirty, __ATOMIC_ACQUIRE) != 0 ? next_ns : 0))
			return;
	}
}

/* What a fault left taken and not copied is copied again. */
static void mend(void)
{
	for (unsigned i = 0; i < VIDEO_MAX; i++) {
		mutex_lock(&videos[i].lock);
		fb_pages_all_dirty(&videos[i]);
		mutex_unlock(&videos[i].lock);
	}
	__atomic_store_n(&any_dirty, 1, __ATOMIC_RELEASE);
}

static struct service copier = {.name = "fb", .component = &component_video, .loop = loop, .mend = mend};

void fb_pages_wake(void)
{
	if (__atomic_exchange_n(&any_dirty, 1, __ATOMIC_ACQ_REL) == 0)
		service_wake(&copier);
}

int fb_pages_start(void)
{
	return service_start(&copier);
}
