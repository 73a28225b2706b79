/* SPDX-License-Identifier: MIT */
/*
 * The vDSO in memory: its image (built by mk/vdso.mk from kernel/arch/ARCH/vdso) is copied into
 * user frames once, and every process maps the same frames: two data pages, then the image. The
 * frames live for ever and are not counted per mapping.
 */
#include "vm_internal.h"

#include <kernel/base/clock.h>
#include <kernel/base/random.h>
#include <kernel/base/vdso.h>
#include <lib/string.h>

static const unsigned char image[] = {
#embed "vdso.so"
};

#define IMAGE_PAGES ((sizeof(image) + PAGE_SIZE - 1) / PAGE_SIZE)

static uint64_t data_pfns[VDSO_DATA_PAGES];
static uint64_t image_pfns[IMAGE_PAGES];
static const struct vm_special data_special = {.label = "[vvar]", .pages = VDSO_DATA_PAGES, .pfns = data_pfns};
static const struct vm_special image_special = {.label = "[vdso]", .pages = IMAGE_PAGES, .pfns = image_pfns};
static struct vdso_data *data;

static void publish_clock(const struct vdso_clock *c)
{
	vdso_clock_write(data, c);
}

int vdso_init(uint64_t time_page_pfn)
{
	struct page *page = page_alloc_user(true);

	if (!page)
		return -ENOMEM;
	data_pfns[0] = time_page_pfn;
	data_pfns[1] = page_pfn(page);
	for (unsigned i = 0; i < IMAGE_PAGES; i++) {
		struct page *text = page_alloc_user(true);

		if (!text)
			return -ENOMEM;
		image_pfns[i] = page_pfn(text);
		memcpy(page_address(text), image + i * PAGE_SIZE,
		       MIN(sizeof(image) - i * PAGE_SIZE, (size_t)PAGE_SIZE));
	}
	data = page_address(page);
	clock_set_publisher(publish_clock);
	return 0;
}

int vm_map_vdso(struct vm_space *s, uint64_t *vdso_base)
{
	struct map_request vvar = {.length = VDSO_DATA_PAGES * PAGE_SIZE,
				   .prot = PROT_READ,
				   .area_flags = AREA_SPECIAL,
				   .special = &data_special};
	struct map_request vdso = {.length = IMAGE_PAGES * PAGE_SIZE,
				   .prot = PROT_READ | PROT_EXEC,
				   .area_flags = AREA_SPECIAL,
				   .special = &image_special};
	struct list dead = LIST_INIT(dead);
	long at = -ENOMEM;

	write_lock(&s->lock);
	vvar.address = map_find_place(s, 0, vvar.length + vdso.length, USER_END);
	vdso.address = vvar.address + vvar.length;
	vvar.map_flags = vdso.map_flags = MAP_FIXED_NOREPLACE;
	if (vvar.address)
		at = map_locked(s, &vvar, &dead);
	if (at > 0)
		at = map_locked(s, &vdso, &dead);
	write_unlock(&s->lock);
	areas_bury(&dead);
	if (at < 0)
		return (int)at;
	*vdso_base = vdso.address;
	return 0;
}
