/* SPDX-License-Identifier: MIT */
/*
 * write, mmap and truncate of regular files over their page cache; bytes are copied in page_cache_read.c and
 * page_cache_write.c.
 *
 * No lock is held while bytes are copied from or to a process: a page is pinned by its reference, and what was copied
 * becomes part of the file (size) under the inode's lock afterwards. If the file was cut meanwhile, pages that were
 * copied to may have gone: the copy is made again, as if the write had come after the cut. Appending needs the size
 * before: its bytes are brought into the kernel first, then appended whole under the lock, so that appends of several
 * processes do not mix.
 */
#include "page_cache_internal.h"

#include <abi/signal.h>
#include <kernel/base/subject.h>
#include <kernel/thread/guard.h>
#include <kernel/vm/vm.h>

enum : size_t { APPEND_CHUNK = 65536, STORED_PIECE = 524288 };
enum : uint64_t { FILE_SIZE_MAX = INT64_MAX };

/* What a write of n bytes at pos may be: the limits of the process and of memory files. */
static long check_write(struct inode *i, uint64_t pos, size_t n)
{
	uint64_t limit = S_ISREG(i->mode) ? process_rlimit(RLIMIT_FSIZE) : RLIM_INFINITY;

	if (i->seals & F_SEALS_WRITE)
		return -EPERM;
	if ((i->seals & F_SEAL_GROW) && pos + n > i->size) {
		if (pos >= i->size)
			return -EPERM;
		n = i->size - pos;
	}
	if (pos >= FILE_SIZE_MAX)
		return -EFBIG;
	if (pos >= limit) {
		(void)subject_raise(SIGXFSZ);
		return -EFBIG;
	}
	return (long)MIN(MIN(n, limit - pos), FILE_SIZE_MAX - pos);
}

/*
 * Who copies bytes while they are cleared, or their pages go, copies them again: he notes before how often that has
 * been done, and the size. Behind the size that he has seen, what is cleared lies before tail_end, as long as the file
 * has only grown; where it was cut, at cut_from or after, the lowest place since nobody was writing.
 */
struct seen {
	uint64_t cuts, tails, size;
};

/* The size last: a cut that is seen has set it. */
static struct seen look(const struct inode *i)
{
	struct seen s;

	s.cuts = __atomic_load_n(&i->cache->cuts, __ATOMIC_ACQUIRE);
	s.tails = __atomic_load_n(&i->cache->tails, __ATOMIC_ACQUIRE);
	s.size = __atomic_load_n(&i->size, __ATOMIC_ACQUIRE);
	return s;
}

/* Whether what was copied to pos up to `end` since then may be gone. */
static bool is_gone(const struct inode *i, const struct seen *s, uint64_t pos, uint64_t end) REQUIRES(i -> lock)
{
	const struct page_cache *c = i->cache;

	return (c->cuts != s->cuts && end > c->cut_from) ||
	       (c->tails != s->tails && end > s->size && pos < c->tail_end);
}

/* The file is about to have bytes up to `from`: what mappings wrote beyond its end, in its last page, is none of them.
 * Nor is what another writer has copied there, and not yet made part of the file. The inode's lock is held. */
static int forget_tail(struct inode *i, uint64_t from)
{
	uint64_t offset = i->size % PAGE_SIZE, index = i->size / PAGE_SIZE;
	struct page *page;

	if (from <= i->size || offset == 0)
		return 0;
	if (i->cache->ops->fill != nullptr) {
		/* They may have got as far as the store. */
		int error = page_cache_get(i, index, &page);
		if (error != 0)
			return error;
		memset((char *)page_address(page) + offset, 0, MIN(from - index * PAGE_SIZE, PAGE_SIZE) - offset);
		page_cache_mark_dirty(i, index, page);
		page_put(page);
	} else {
		page_cache_zero(i, index, offset, MIN(from - index * PAGE_SIZE, PAGE_SIZE));
	}
	i->cache->tail_end = MIN(from, (index + 1) * PAGE_SIZE);
	__atomic_store_n(&i->cache->tails, i->cache->tails + 1, __ATOMIC_RELEASE);
	return 0;
}

/* Bytes from `from` to `end` have been written. */
static int extend_locked(struct inode *i, uint64_t from, uint64_t end) REQUIRES(i -> lock)
{
	int error = forget_tail(i, from);

	if (error != 0)
		return error;
	if (end > i->size)
		__atomic_store_n(&i->size, end, __ATOMIC_RELEASE);
	if (i->mode & (S_ISUID | S_ISGID))
		inode_drop_privilege(i);
	inode_touch(i, ATTR_MTIME);
	return 0;
}

/* Pages beyond the end go. The inode's lock is held. */
static void drop_beyond(struct inode *i)
{
	struct page_cache *c = i->cache;

	page_cache_drop(i, pages_of_size(i->size), UINT64_MAX);
	bool alone = __atomic_load_n(&i->writes, __ATOMIC_SEQ_CST) == 0;
	c->cut_from = alone ? i->size : MIN(c->cut_from, i->size);
	__atomic_store_n(&c->cuts, c->cuts + 1, __ATOMIC_RELEASE);
}

/* n bytes that were copied to pos become part of the file; how many, or an error. */
static long add_locked(struct inode *i, uint64_t pos, long n) REQUIRES(i -> lock)
{
	/* Its size may have been sealed since the check. */
	if ((i->seals & F_SEAL_GROW) && pos + (uint64_t)n > i->size)
		n = pos < i->size ? (long)(i->size - pos) : -EPERM;
	int error = n > 0 ? extend_locked(i, pos, pos + (uint64_t)n) : 0;
	return error != 0 ? error : n;
}

static long write_at(struct inode *i, struct io_buffer *buf, size_t from, size_t n, uint64_t pos)
{
	/* No lock is held while pages change, but what has been sealed must not: who seals waits for the end. */
	if (!inode_write_begin(i))
		return -EPERM;
	long wanted = check_write(i, pos, n), done = wanted, most = 0;
	bool again = wanted > 0;
	while (again) {
		struct seen seen = look(i);

		done = page_cache_copy_in(i, buf, from, (size_t)wanted, pos);
		most = MAX(most, done);
		mutex_lock(&i->lock);
		again = done > 0 && is_gone(i, &seen, pos, pos + (uint64_t)done);
		if (!again && done > 0)
			done = add_locked(i, pos, done);
		/* What was copied beyond the end, now or before, and is no part of the file, would be dirty for ever.
		 */
		if (!again && done < most && most > 0 && pos + (uint64_t)most > i->size)
			drop_beyond(i);
		mutex_unlock(&i->lock);
	}
	inode_write_end(i);
	return done;
}

/* In pieces, of which each becomes part of the file before the writer is held back: what lies beyond its end is not
 * written, and could not make room. */
static long write_stored(struct inode *i, struct io_buffer *buf, size_t n, uint64_t pos)
{
	size_t done = 0;

	while (done < n) {
		size_t piece = MIN(n - done, STORED_PIECE);
		long moved = dirty_throttle(i->cache);
		if (moved == 0)
			moved = write_at(i, buf, done, piece, pos + done);
		if (moved < 0)
			return done > 0 ? (long)done : moved;
		done += (size_t)moved;
		if ((size_t)moved < piece)
			break;
	}
	return (long)done;
}

static long append_chunk(struct inode *i, void *bounce, size_t n, uint64_t *pos)
{
	struct io_buffer chunk = {.kernel = bounce};

	mutex_lock(&i->lock);
	*pos = i->size;
	long done = check_write(i, *pos, n);
	if (done > 0)
		done = page_cache_copy_in(i, &chunk, 0, (size_t)done, *pos);
	if (done > 0) {
		int error = extend_locked(i, *pos, *pos + (uint64_t)done);
		if (error != 0) {
			drop_beyond(i);
			done = error;
		} else {
			*pos += (uint64_t)done;
		}
	}
	mutex_unlock(&i->lock);
	return done;
}

static long append(struct inode *i, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	size_t done = 0;
	long result = 0;
	void *bounce = kmalloc(MIN(n, APPEND_CHUNK));

	if (bounce == nullptr)
		return -ENOMEM;
	while (done < n && !(done > 0 && signal_fatal_current())) {
		size_t part = MIN(n - done, APPEND_CHUNK);

		result = i->cache->recent != 0 ? dirty_throttle(i->cache) : 0;
		if (result < 0)
			break;
		size_t got = io_copy_in(bounce, buf, done, part);
		result = got > 0 ? append_chunk(i, bounce, got, pos) : -EFAULT;
		if (result > 0)
			done += (size_t)result;
		if (result < (long)part)
			break;
	}
	kfree(bounce);
	return done > 0 ? (long)done : result;
}

long page_cache_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	if (n == 0)
		return 0;
	if (io_is_append(f, buf))
		return append(f->inode, buf, n, pos);
	long done = f->inode->cache->recent != 0 ? write_stored(f->inode, buf, n, *pos)
						 : write_at(f->inode, buf, 0, n, *pos);
	if (done > 0)
		*pos += (uint64_t)done;
	return done;
}

/* Of a store: only what is there already, and may be written to without asking it. */
static long get_stored(struct inode *i, uint64_t index, bool for_write, struct page **out)
{
	uint64_t slot = slot_get(i->cache, index);

	if (slot == 0)
		return OBJECT_WAIT;
	if ((slot & SLOT_FILLING) ||
	    (for_write && !(slot & SLOT_DIRTY) && (i->cache->ops->prepare != nullptr || dirty_is_full(i->cache)))) {
		page_put(slot_page(slot));
		return OBJECT_WAIT;
	}
	*out = slot_page(slot);
	/* Who writes pages back takes the right to write away from this mapping afterwards, and waits for the space's
	 * lock. */
	if (for_write)
		page_cache_mark_dirty(i, index, *out);
	return 0;
}

static long get_page(struct vm_object *o, uint64_t index, bool for_write, struct page **out)
{
	struct inode *i = container_of(o, struct file, object)->inode;

	if (index >= inode_pages(i))
		return -ENXIO;
	long error = i->cache->recent != 0 ? get_stored(i, index, for_write, out) : page_cache_get(i, index, out);
	if (error == 0 && for_write)
		inode_touch(i, ATTR_MTIME);
	return error;
}

static long bring_in(struct vm_object *o, uint64_t index, bool for_write, struct page **out)
{
	struct file *f = container_of(o, struct file, object);
	struct inode *i = f->inode;
	const struct page_cache_ops *ops = i->cache->ops;

	int error = for_write ? dirty_throttle(i->cache) : 0;
	if (error == 0)
		error = page_cache_read_page(f, i, index, 1, out);
	if (error != 0 || !for_write)
		return error;
	error = ops->prepare != nullptr ? (int)guard_run(inode_component(i), ops->prepare(i, index, 1)) : 0;
	if (error != 0) {
		page_put(*out);
		*out = nullptr;
		return error;
	}
	page_cache_mark_dirty(i, index, *out);
	return 0;
}

static unsigned find_cached(struct vm_object *o, uint64_t index, unsigned n, struct page **out)
{
	return page_cache_find_some(container_of(o, struct file, object)->inode, index, n, out);
}

const struct vm_object_ops page_cache_object = {.component = &component_vfs,
						.get_page = get_page,
						.bring_in = bring_in,
						.find_cached = find_cached,
						FILE_OBJECT_OPS};

long page_cache_seek_file(struct file *f, int64_t offset, int whence)
{
	struct inode *i = f->inode;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return file_seek_generic(f, offset, whence);
	if (offset < 0 || (uint64_t)offset >= i->size)
		return -ENXIO;
	/* Which parts a store has, only it knows: as if it had all (lseek(2)). */
	if (i->cache->ops->fill != nullptr) {
		f->position = whence == SEEK_DATA ? (uint64_t)offset : i->size;
		return (long)f->position;
	}
	uint64_t end = (i->size + PAGE_SIZE - 1) / PAGE_SIZE, first = (uint64_t)offset / PAGE_SIZE;
	uint64_t found = page_cache_seek(i->cache, first, end, whence == SEEK_DATA);
	if (found == end && whence == SEEK_DATA)
		return -ENXIO;
	f->position = found == first ? (uint64_t)offset : MIN(found * PAGE_SIZE, i->size);
	return (long)f->position;
}

long page_cache_fsync(struct file *f, uint64_t first, uint64_t last, bool)
{
	int error = page_cache_write_back(f->inode, first, last);

	return error != 0 ? error : page_cache_take_error(f);
}

/* The part of the last page that is cut off becomes zeros in the store, too. */
static int clear_end(struct inode *i, uint64_t size)
{
	size_t offset = size % PAGE_SIZE;
	struct page *page;

	if (offset == 0)
		return 0;
	if (i->cache->ops->fill == nullptr) {
		page_cache_zero(i, size / PAGE_SIZE, offset, PAGE_SIZE);
		return 0;
	}
	int error = page_cache_get(i, size / PAGE_SIZE, &page);
	if (error != 0)
		return error;
	memset((char *)page_address(page) + offset, 0, PAGE_SIZE - offset);
	page_cache_mark_dirty(i, size / PAGE_SIZE, page);
	page_put(page);
	return 0;
}

int page_cache_truncate(struct inode *i, uint64_t size)
{
	uint64_t old = i->size;

	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	int error = forget_tail(i, size);
	/* What has to be read for it is, while the old size can stay. */
	if (error == 0 && size < old && i->cache->ops->fill != nullptr)
		error = clear_end(i, size);
	if (error != 0)
		return error;
	__atomic_store_n(&i->size, size, __ATOMIC_RELEASE);
	if (size < old) {
		/* Faults that saw the old size end before the pages are unmapped and what they brought in is dropped.
		 */
		vm_unmap_memory(i->serial, pages_of_size(size));
		if (i->cache->ops->fill == nullptr)
			(void)clear_end(i, size);
		drop_beyond(i);
	}
	return 0;
}
