/* SPDX-License-Identifier: MIT */
/*
 * What write puts into the pages of a page cache: where they are there, in runs, as page_cache_read.c reads them; else
 * page by page. No lock is held while bytes are copied; a page is marked dirty afterwards, before its reference goes.
 */
#include "page_cache_internal.h"

#include <kernel/base/subject.h>
#include <kernel/thread/guard.h>

/* The page that is about to be written to; its place in the store is there. */
static int get_to_write(struct inode *i, uint64_t index, struct page **out)
{
	const struct page_cache_ops *ops = i->cache->ops;
	int error = ops->prepare != nullptr ? (int)guard_run(inode_component(i), ops->prepare(i, index, 1)) : 0;

	return error != 0 ? error : page_cache_get(i, index, out);
}

/*
 * A page that is overwritten as a whole is not read first: its bytes are brought into a new page, which becomes the
 * cache's where that has none. Nobody sees it before it is full, so a copy that ends in the middle does no harm. 1: not
 * so; to be written to the usual way.
 */
static int replace_page(struct inode *i, struct io_buffer *buf, size_t from, uint64_t index)
{
	const struct page_cache_ops *ops = i->cache->ops;
	struct page *page = page_cache_find(i->cache, index);

	if (page != nullptr) {
		page_put(page);
		return 1;
	}
	int error = ops->prepare != nullptr ? (int)guard_run(inode_component(i), ops->prepare(i, index, 1)) : 0;
	if (error != 0)
		return error;
	page = page_alloc_user(false);
	if (page == nullptr)
		return -ENOMEM;
	error = 1;
	if (io_copy_in(page_address(page), buf, from, PAGE_SIZE) == PAGE_SIZE)
		error = slot_insert(i->cache, index, page, SLOT_RECENT, false);
	if (error == 0) {
		page_cache_account(i, 1);
		page_cache_mark_dirty(i, index, page);
	}
	page_put(page);
	return error;
}

/* Copies into the pages that are there from the first on; bytes done, or an error. 0, *wanted as before: the first is
 * not there. *wanted: bytes that should have been done. */
static long copy_into_run(struct inode *i, struct io_buffer *buf, size_t from, size_t *wanted, uint64_t pos)
{
	const struct page_cache_ops *ops = i->cache->ops;
	struct page *pages[PAGE_RANGE_MAX];
	uint64_t index = pos / PAGE_SIZE;
	size_t offset = pos % PAGE_SIZE, moved = 0;
	unsigned want = (unsigned)MIN((offset + *wanted + PAGE_SIZE - 1) / PAGE_SIZE, (size_t)PAGE_RANGE_MAX);

	unsigned found = page_cache_find_run(i->cache, index, want, pages);
	if (found == 0)
		return 0;
	*wanted = MIN(*wanted, found * PAGE_SIZE - offset);
	int error = ops->prepare != nullptr ? (int)guard_run(inode_component(i), ops->prepare(i, index, found)) : 0;
	if (error == 0 && found == 1)
		moved = io_copy_in((char *)page_address(pages[0]) + offset, buf, from, *wanted);
	else if (error == 0)
		moved = io_copy_in_pages(pages, offset, buf, from, *wanted);
	if (moved > 0)
		page_cache_mark_dirty_run(i, index, pages, (unsigned)((offset + moved + PAGE_SIZE - 1) / PAGE_SIZE));
	page_put_batch(pages, found);
	return error != 0 ? error : moved > 0 ? (long)moved : -EFAULT;
}

/* The same where the first page is not there, up to its end. */
static long copy_into_absent(struct inode *i, struct io_buffer *buf, size_t from, size_t *wanted, uint64_t pos)
{
	bool stored = i->cache->ops->fill != nullptr;
	uint64_t index = pos / PAGE_SIZE;
	size_t offset = pos % PAGE_SIZE;
	struct page *page;

	*wanted = MIN(*wanted, PAGE_SIZE - offset);
	int error = stored && *wanted == PAGE_SIZE ? replace_page(i, buf, from, index) : 1;
	if (error == 0)
		return PAGE_SIZE;
	if (error > 0)
		error = get_to_write(i, index, &page);
	if (error != 0)
		return error;
	size_t moved = io_copy_in((char *)page_address(page) + offset, buf, from, *wanted);
	if (moved > 0)
		page_cache_mark_dirty(i, index, page);
	page_put(page);
	return moved > 0 ? (long)moved : -EFAULT;
}

long page_cache_copy_in(struct inode *i, struct io_buffer *buf, size_t from, size_t n, uint64_t pos)
{
	size_t done = 0;

	while (done < n) {
		size_t wanted = n - done;

		if (signal_fatal_current())
			return done > 0 ? (long)done : -EINTR;
		long moved = copy_into_run(i, buf, from + done, &wanted, pos + done);
		if (moved == 0)
			moved = copy_into_absent(i, buf, from + done, &wanted, pos + done);
		if (moved < 0)
			return done > 0 ? (long)done : moved;
		done += (size_t)moved;
		if ((size_t)moved < wanted)
			break;
	}
	return (long)done;
}
