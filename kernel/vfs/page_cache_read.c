/* SPDX-License-Identifier: MIT */
/*
 * read of files over their page cache: pages that are there one after the other are found in one look at the tree and
 * copied in one look at the process's page table. No lock is held meanwhile; references keep the pages.
 */
#include "page_cache_internal.h"

#include <kernel/base/subject.h>

/* The pages that a reader comes to, with references: those that are there one after the other, at most PAGE_RANGE_MAX
 * and `more`. The first is waited for. 0: a hole; or an error. */
static int find_to_read(struct file *f, uint64_t index, uint64_t more, struct page **out)
{
	struct inode *i = f->inode;
	unsigned found = page_cache_find_run(i->cache, index, (unsigned)MIN(more, (uint64_t)PAGE_RANGE_MAX), out);

	if (i->cache->recent == 0)
		return (int)found;
	if (found > 0) {
		page_cache_read_on(f, i, index, found);
		return (int)found;
	}
	int error = page_cache_read_page(f, i, index, more, out);
	return error != 0 ? error : 1;
}

long page_cache_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	struct inode *i = f->inode;
	uint64_t size = __atomic_load_n(&i->size, __ATOMIC_ACQUIRE);
	struct page *pages[PAGE_RANGE_MAX];
	size_t done = 0;

	if (*pos >= size)
		return 0;
	n = MIN(n, size - *pos);
	while (done < n && !(done > 0 && signal_fatal_current())) {
		uint64_t at = *pos + done;
		size_t offset = at % PAGE_SIZE, part, moved;

		int found = find_to_read(f, at / PAGE_SIZE, (offset + n - done + PAGE_SIZE - 1) / PAGE_SIZE, pages);
		if (found < 0) {
			/* It was cut meanwhile. */
			if (done == 0 && found != -ENXIO)
				return found;
			break;
		}
		part = MIN(n - done, (size_t)MAX(found, 1) * PAGE_SIZE - offset);
		if (found == 1) {
			moved = io_copy_out(buf, done, (char *)page_address(pages[0]) + offset, part);
			page_put(pages[0]);
		} else if (found > 0) {
			moved = io_copy_out_pages(buf, done, pages, offset, part);
			page_put_batch(pages, (unsigned)found);
		} else {
			moved = io_clear_out(buf, done, part);
		}
		done += moved;
		if (moved < part) {
			if (done == 0)
				return -EFAULT;
			break;
		}
	}
	*pos += done;
	if (!(f->flags & O_NOATIME) && (f->path.mount == nullptr || !(f->path.mount->flags & (MS_NOATIME | MS_RDONLY))))
		inode_touch(i, ATTR_ATIME);
	return (long)done;
}
