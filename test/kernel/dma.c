/* SPDX-License-Identifier: MIT */
/* Memory for devices: buffers keep the device's rules and come back whole, lent pages stay whose they are, and what may
 * still be written to is lost and counted. */
#include "ktest.h"

#include <abi/errno.h>
#include <kernel/base/fail.h>
#include <kernel/mem/dma.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr unsigned SEGMENTS = 8, BUFFERS = 40;

static const struct dma_rules easy, blind = {.incoherent = true};

static uint64_t dma_frames(void)
{
	uint64_t n = 0;

	for (uint64_t pfn = 0; pfn < boot_info()->frame_count; pfn++)
		n += type_of(pfn) == FRAME_DMA;
	return n;
}

static void buffers_with(const struct dma_rules *rules)
{
	static struct dma_buffer b[BUFFERS];
	static const size_t sizes[] = {1, 4096, 4097, 65536, 3 * 4096, 1 << 20, DMA_BUFFER_MAX};
	struct dma_stats before, during, after;
	uint64_t frames = dma_frames(), pages = 0;

	dma_stats(&before);
	for (unsigned i = 0; i < BUFFERS; i++) {
		size_t bytes = sizes[i % ARRAY_LEN(sizes)];
		volatile unsigned char *at;

		if (!EXPECT_EQ(dma_take(rules, bytes, &b[i]), 0))
			return;
		at = b[i].at;
		EXPECT_EQ(b[i].bytes, align_up(bytes, PAGE_SIZE));
		EXPECT_EQ(b[i].address % PAGE_SIZE, 0);
		EXPECT_EQ((uint64_t)at % PAGE_SIZE, 0);
		pages += b[i].bytes / PAGE_SIZE;
		for (size_t k = 0; k < b[i].bytes; k += PAGE_SIZE) {
			EXPECT_EQ(type_of((b[i].address + k) >> PAGE_SHIFT), FRAME_DMA);
			EXPECT_EQ(at[k] | at[k + PAGE_SIZE - 1], 0);
			at[k] = (unsigned char)(i + 1);
			at[k + PAGE_SIZE - 1] = (unsigned char)(i + 1);
		}
	}
	dma_stats(&during);
	EXPECT_EQ(during.used, before.used + pages);
	EXPECT(during.pages >= during.used);
	EXPECT_EQ(dma_frames(), during.pages);
	/* Nobody has another's. */
	for (unsigned i = 0; i < BUFFERS; i++)
		for (size_t k = 0; k < b[i].bytes; k += PAGE_SIZE) {
			const volatile unsigned char *at = b[i].at;

			EXPECT_EQ(at[k], i + 1);
			EXPECT_EQ(at[k + PAGE_SIZE - 1], i + 1);
		}
	/* Holes are used: every second is given and taken once more. */
	for (unsigned i = 0; i < BUFFERS; i += 2)
		dma_give(&b[i]);
	for (unsigned i = 0; i < BUFFERS; i += 2)
		EXPECT_EQ(dma_take(rules, sizes[i % ARRAY_LEN(sizes)], &b[i]), 0);
	for (unsigned i = 0; i < BUFFERS; i++) {
		dma_give(&b[i]);
		EXPECT(b[i].at == nullptr);
	}
	dma_stats(&after);
	EXPECT_EQ(after.used, before.used);
	EXPECT_EQ(after.pages, before.pages);
	EXPECT_EQ(dma_frames(), frames);
}

static void buffers(void)
{
	buffers_with(&easy);
	buffers_with(&blind);
	buffers_with(&easy);
}

static void errors(void)
{
	struct dma_buffer b = {.at = &b};
	struct dma_rules none = {.bits = 12};

	EXPECT_EQ(dma_take(&easy, 0, &b), -EINVAL);
	EXPECT(b.at == nullptr);
	EXPECT_EQ(dma_take(&easy, DMA_BUFFER_MAX + 1, &b), -EINVAL);
	EXPECT_EQ(dma_take(&none, 1, &b), -ENOMEM);
	fail_arm(1);
	EXPECT_EQ(dma_take(&easy, 1, &b), -ENOMEM);
	EXPECT_EQ(fail_armed(), 0);
	EXPECT(b.at == nullptr);
	dma_give(&b);
}

static void limits(void)
{
	uint64_t highest = boot_info()->frame_count << PAGE_SHIFT;

	for (uint8_t bits = 63; bits > 20; bits--) {
		struct dma_rules rules = {.bits = bits};
		struct dma_buffer b;

		if (dma_take(&rules, 3 * PAGE_SIZE, &b) != 0) {
			/* On machines whose memory begins that high. */
			EXPECT(1ull << bits < highest);
			break;
		}
		EXPECT(b.address + b.bytes <= 1ull << bits);
		dma_give(&b);
	}
}

static bool is_among(struct page *const *pages, unsigned n, const struct page *page)
{
	for (unsigned i = 0; i < n; i++) {
		if (pages[i] == page)
			return true;
	}
	return false;
}

/* Three pages that follow one another in memory. How many were found: 3 or none. CPUs keep pages of their own, so they
 * are looked for among many. */
static unsigned row_of_pages(struct page **out)
{
	enum : unsigned { MANY = 1024, BATCH = 32, ROW = 3 };
	static struct page *pages[MANY];
	unsigned n = 0, got, found = 0;

	while (n < MANY && (got = page_alloc_user_batch(pages + n, MIN(BATCH, MANY - n), true)) > 0)
		n += got;
	for (unsigned i = 0; i < n && found == 0; i++) {
		if (is_among(pages, n, pages[i] + 1) && is_among(pages, n, pages[i] + 2)) {
			for (; found < ROW; found++)
				out[found] = pages[i] + found;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		if (!is_among(out, found, pages[i]))
			page_put(pages[i]);
	}
	return found;
}

static void lists_join(void)
{
	struct dma_segment segments[SEGMENTS];
	struct dma_list list;
	struct dma_stats before, during;
	struct page *p[3];

	if (!EXPECT_EQ(row_of_pages(p), 3))
		return;
	dma_stats(&before);
	dma_list_begin(&list, &easy, DMA_FROM_DEVICE, segments, SEGMENTS, 0);
	EXPECT_EQ(dma_list_add(&list, p[0], 512, 512), 0);
	EXPECT_EQ(dma_list_add(&list, p[0], 1024, 3072), 0);
	EXPECT_EQ(dma_list_add(&list, p[1], 0, 4096), 0);
	EXPECT_EQ(dma_list_add(&list, p[2], 0, 512), 0);
	EXPECT_EQ(list.count, 1);
	EXPECT_EQ(segments[0].address, (page_pfn(p[0]) << PAGE_SHIFT) + 512);
	EXPECT_EQ(segments[0].length, 3584 + 4096 + 512);
	EXPECT_EQ(dma_list_add(&list, p[2], 1024, 512), 0);
	EXPECT_EQ(list.count, 2);
	EXPECT_EQ(p[0]->refs, 2);
	EXPECT_EQ(p[1]->refs, 2);
	EXPECT_EQ(p[2]->refs, 3);
	dma_stats(&during);
	EXPECT_EQ(during.lent, before.lent + 4);
	EXPECT_EQ(dma_list_ready(&list), 0);
	dma_list_end(&list, true);
	EXPECT_EQ(list.count, 0);
	for (unsigned i = 0; i < 3; i++)
		EXPECT_EQ(p[i]->refs, 1);
	/* No segment is longer than the device takes. */
	dma_list_begin(&list, &easy, DMA_TO_DEVICE, segments, 2, 4096);
	EXPECT_EQ(dma_list_add(&list, p[0], 2048, 2048), 0);
	EXPECT_EQ(dma_list_add(&list, p[1], 0, 2048), 0);
	EXPECT_EQ(list.count, 1);
	EXPECT_EQ(dma_list_add(&list, p[1], 2048, 1), 0);
	EXPECT_EQ(list.count, 2);
	EXPECT_EQ(dma_list_add(&list, p[0], 0, 1), -E2BIG);
	EXPECT_EQ(p[0]->refs, 2);
	dma_list_end(&list, true);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EQ(p[i]->refs, 1);
		page_put(p[i]);
	}
}

static void lists_refuse(void)
{
	struct dma_segment segments[SEGMENTS];
	struct dma_list list;
	struct page *page = page_alloc_user(true);
	void *heap = page_alloc_kernel(0);

	if (!EXPECT(page != nullptr && heap != nullptr))
		return;
	dma_list_begin(&list, &easy, DMA_BOTH, segments, SEGMENTS, 0);
	EXPECT_EQ(dma_list_add(&list, page, 0, 0), -EINVAL);
	EXPECT_EQ(dma_list_add(&list, page, 1, 4096), -EINVAL);
	EXPECT_EQ(dma_list_add(&list, page, 4096, 1), -EINVAL);
	EXPECT_EQ(dma_list_add(&list, page, UINT32_MAX, 2), -EINVAL);
	EXPECT_EQ(dma_list_add(&list, page_of(page_window_pfn(heap)), 0, 512), -EINVAL);
	EXPECT_EQ(list.count, 0);
	EXPECT_EQ(page->refs, 1);
	page_put(page);
	page_free_kernel(heap, 0);
}

/* A device that does not look into caches and a piece that shares a line with others: it gets a copy. */
static void copies(void)
{
	struct dma_segment segments[SEGMENTS];
	struct dma_list list;
	struct dma_buffer warm;
	struct page *page = page_alloc_user(true);
	unsigned char *at = page_address(page);

	dma_list_begin(&list, &blind, DMA_BOTH, segments, SEGMENTS, 0);
	EXPECT_EQ(dma_list_add(&list, page, 1, 100), -EAGAIN);
	EXPECT_EQ(page->refs, 1);
	if (!EXPECT_EQ(dma_take(&blind, PAGE_SIZE, &warm), 0))
		return;
	memset(at, 7, PAGE_SIZE);
	EXPECT_EQ(dma_list_add(&list, page, 1, 100), 0);
	EXPECT_EQ(dma_list_add(&list, page, 2048, 2048), 0);
	EXPECT_EQ(list.count, 2);
	EXPECT_EQ(type_of(segments[0].address >> PAGE_SHIFT), FRAME_DMA);
	EXPECT_EQ(segments[1].address, (page_pfn(page) << PAGE_SHIFT) + 2048);
	EXPECT_EQ(page->refs, 3);
	EXPECT_EQ(dma_list_ready(&list), 0);
	/* The device reads what was there, and writes. */
	EXPECT_EQ(((unsigned char *)segments[0].copy)[99], 7);
	/* It is where in its page the piece is in its own. */
	EXPECT_EQ(segments[0].address % PAGE_SIZE, 1);
	EXPECT_EQ((uint64_t)segments[0].copy % PAGE_SIZE, 1);
	memset(segments[0].copy, 9, 100);
	dma_list_end(&list, true);
	EXPECT_EQ(at[0], 7);
	EXPECT_EQ(at[1], 9);
	EXPECT_EQ(at[100], 9);
	EXPECT_EQ(at[101], 7);
	EXPECT_EQ(page->refs, 1);
	/* Nothing is copied back from a device that only reads. */
	dma_list_begin(&list, &blind, DMA_TO_DEVICE, segments, SEGMENTS, 0);
	EXPECT_EQ(dma_list_add(&list, page, 1, 100), 0);
	EXPECT_EQ(segments[0].address, (page_pfn(page) << PAGE_SHIFT) + 1);
	EXPECT_EQ(dma_list_ready(&list), 0);
	dma_list_end(&list, true);
	page_put(page);
	dma_give(&warm);
}

/* What a device was to write into a copy, and did not, or not all of it. */
static void copies_of_failed_reads(void)
{
	struct dma_segment segments[SEGMENTS];
	struct dma_list list;
	struct dma_stats before, after;
	struct dma_buffer warm;
	struct page *page = page_alloc_user(true);
	unsigned char *at = page_address(page);

	if (!EXPECT_EQ(dma_take(&blind, PAGE_SIZE, &warm), 0))
		return;
	dma_stats(&before);
	memset(at, 7, PAGE_SIZE);
	for (unsigned failed = 0; failed < 2; failed++) {
		dma_list_begin(&list, &blind, DMA_FROM_DEVICE, segments, SEGMENTS, 0);
		EXPECT_EQ(dma_list_add(&list, page, 512, 516), 0);
		EXPECT_EQ(dma_list_ready(&list), 0);
		memset(segments[0].copy, 9, 500);
		/* Somebody writes there meanwhile. */
		at[512] = 8;
		dma_list_end(&list, failed == 0);
		EXPECT_EQ(at[511], 7);
		EXPECT_EQ(at[512], failed == 0 ? 9 : 8);
		EXPECT_EQ(at[512 + 499], 9);
		EXPECT_EQ(at[512 + 500], 7);
		EXPECT_EQ(at[512 + 515], 7);
		EXPECT_EQ(page->refs, 1);
	}
	dma_stats(&after);
	EXPECT_EQ(after.used, before.used);
	page_put(page);
	dma_give(&warm);
}

/* Memory that the device cannot name: where RAM begins low enough for some of it to be named. */
static bool has_low_memory(void)
{
	return boot_info()->frame_count > 1 << 16 && type_of(1 << 14) != FRAME_NONE;
}

static void far_pages_are_copied(void)
{
	const struct dma_rules low = {.bits = 27};
	struct dma_segment segment;
	struct dma_list list;
	struct dma_buffer warm;
	static struct page *pages[1 << 16];
	unsigned n = 0;

	if (!EXPECT_EQ(dma_take(&low, PAGE_SIZE, &warm), 0))
		return;
	while (n < ARRAY_LEN(pages) && (pages[n] = page_alloc_user(false)) != nullptr)
		if (page_pfn(pages[n++]) >= 1 << (27 - PAGE_SHIFT))
			break;
	struct page *far = pages[n - 1];
	EXPECT(page_pfn(far) >= 1 << (27 - PAGE_SHIFT));
	memset(page_address(far), 5, PAGE_SIZE);
	dma_list_begin(&list, &low, DMA_BOTH, &segment, 1, 0);
	EXPECT_EQ(dma_list_add(&list, far, 0, PAGE_SIZE), 0);
	EXPECT_EQ(dma_list_ready(&list), 0);
	EXPECT(segment.address + segment.length <= 1 << 27);
	EXPECT_EQ(((unsigned char *)segment.copy)[4095], 5);
	((unsigned char *)segment.copy)[4095] = 6;
	dma_list_end(&list, true);
	EXPECT_EQ(((unsigned char *)page_address(far))[4095], 6);
	while (n > 0)
		page_put(pages[--n]);
	dma_give(&warm);
}

static void quarantine(void)
{
	struct dma_segment segments[SEGMENTS];
	struct dma_list list;
	struct dma_stats before, after;
	struct dma_buffer b, next;
	struct page *page = page_alloc_user(true);

	if (!EXPECT(page != nullptr) || !EXPECT_EQ(dma_take(&easy, 2 * PAGE_SIZE, &b), 0))
		return;
	uint64_t lost = b.address;
	dma_stats(&before);
	dma_quarantine(&b);
	EXPECT(b.at == nullptr);
	dma_list_begin(&list, &easy, DMA_FROM_DEVICE, segments, SEGMENTS, 0);
	EXPECT_EQ(dma_list_add(&list, page, 0, 512), 0);
	EXPECT_EQ(dma_list_ready(&list), 0);
	dma_list_quarantine(&list);
	dma_stats(&after);
	EXPECT_EQ(after.quarantined, before.quarantined + 3);
	EXPECT_EQ(after.lent, before.lent);
	EXPECT_EQ(after.used, before.used);
	/* Whoever had the page may let it go: it is never given out again. */
	EXPECT_EQ(page->refs, 2);
	page_put(page);
	EXPECT_EQ(page->flags, PAGE_USER);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EQ(dma_take(&easy, PAGE_SIZE, &next), 0);
		EXPECT(next.address != lost && next.address != lost + PAGE_SIZE);
		EXPECT_EQ(type_of(lost >> PAGE_SHIFT), FRAME_DMA);
		dma_give(&next);
	}
}

KTEST_SUITE(dma, KTEST("buffers are whole, apart, zeroed, and come back", buffers),
	    KTEST("what cannot be had is an error", errors),
	    KTEST("buffers lie where the device can name them", limits),
	    KTEST("lent pieces join, and each page is held", lists_join),
	    KTEST("only whole pieces of user pages are lent", lists_refuse),
	    KTEST("pieces that share a cache line are copied for devices that do not look into caches", copies),
	    KTEST("a copy of which nothing came back is forgotten", copies_of_failed_reads),
	    KTEST("pages that a device cannot name are copied", far_pages_are_copied, .fits = has_low_memory),
	    KTEST("what may still be written to is never used again", quarantine));
