/* SPDX-License-Identifier: MIT */
/*
 * System calls about mappings that exist: madvise, mincore, msync, mlock and its kin, membarrier
 * (man pages of the same names). There is no swap, so locking means: counted against the limit and
 * brought in now.
 */
#include "vm_internal.h"

#include <kernel/base/syscall.h>
#include <kernel/thread/guard.h>
#include <kernel/vm/page_table_walk.h>
#include <kernel/vm/user.h>

static bool bad_range(uint64_t start, uint64_t *length)
{
	uint64_t rounded = align_up(*length, PAGE_SIZE);

	if ((start & (PAGE_SIZE - 1)) || rounded < *length || start + rounded < start)
		return true;
	*length = rounded;
	return false;
}

/* What an advice that changes flags sets and clears; false: it is another kind. */
static bool advice_flags(uint32_t advice, uint32_t *set, uint32_t *clear)
{
	*set = *clear = 0;
	switch (advice) {
	case MADV_NORMAL:
	case MADV_SEQUENTIAL: *clear = AREA_RANDOM; return true;
	case MADV_RANDOM: *set = AREA_RANDOM; return true;
	case MADV_DONTFORK: *set = AREA_DONT_FORK; return true;
	case MADV_DOFORK: *clear = AREA_DONT_FORK; return true;
	case MADV_WIPEONFORK: *set = AREA_WIPE_ON_FORK; return true;
	case MADV_KEEPONFORK: *clear = AREA_WIPE_ON_FORK; return true;
	case MADV_DONTDUMP: *set = AREA_DONT_DUMP; return true;
	case MADV_DODUMP: *clear = AREA_DONT_DUMP; return true;
	default: return false;
	}
}

static int check_advice(const struct vm_area *a, uint32_t advice)
{
	bool private_anonymous = !a->object && !a->special && !(a->flags & AREA_SHARED);

	if (a->special)
		return -EINVAL;
	if ((advice == MADV_WIPEONFORK || advice == MADV_FREE) && !private_anonymous)
		return -EINVAL;
	if ((advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_COLD || advice == MADV_PAGEOUT) &&
	    (a->flags & AREA_LOCKED))
		return -EINVAL;
	return 0;
}

static long advise_locked(struct vm_space *s, uint64_t start, uint64_t end, uint32_t advice, struct list *dead)
	REQUIRES(s -> lock)
{
	uint32_t set, clear;
	bool hole = false, flags = advice_flags(advice, &set, &clear);

	if (flags && areas_isolate(s, start, end))
		return -ENOMEM;
	for (uint64_t at = start; at < end;) {
		struct vm_area *a = area_find(s, at);

		if (!a || area_start(a) >= end)
			return -ENOMEM;
		hole |= area_start(a) > at;
		uint64_t from = MAX(at, area_start(a));
		at = MIN(end, area_end(a));
		int error = check_advice(a, advice);
		if (error)
			return error;
		if (flags) {
			area_set_flags(s, a, set, clear);
			area_merge(s, a, dead);
		} else if (advice == MADV_DONTNEED || advice == MADV_FREE) {
			pages_unmap(s, a, from, at);
			a->next_fault = 0;
		}
	}
	return hole ? -ENOMEM : 0;
}

/* The object behind the area at `at`, if what it holds there may be dropped, with a reference; *end becomes the area's,
 * *offset where in the object it is. 1: nothing is mapped before *end. */
static int removable_at(struct vm_space *s, uint64_t at, uint64_t *end, struct vm_object **object, uint64_t *offset)
	REQUIRES_SHARED(s->lock)
{
	struct vm_area *a = area_find(s, at);

	if (!a || area_start(a) > at) {
		*end = a ? MIN(*end, area_start(a)) : *end;
		return 1;
	}
	*end = MIN(*end, area_end(a));
	if ((a->flags & AREA_LOCKED) || !a->object || !a->object->ops->punch)
		return -EINVAL;
	if (!(a->flags & AREA_SHARED) || !(a->flags & AREA_MAY_WRITE))
		return -EACCES;
	*offset = area_index(a, at) << PAGE_SHIFT;
	*object = a->object;
	vm_object_get(a->object);
	return 0;
}

/* MADV_REMOVE: a hole in the object, for all who map it. */
static long remove_range(struct vm_space *s, uint64_t start, uint64_t bytes)
{
	bool hole = false;

	if (!range_is_user(start, bytes))
		return -ENOMEM;
	for (uint64_t at = start, end = start + bytes; at < end; end = start + bytes) {
		struct vm_object *object;
		uint64_t offset;

		read_lock(&s->lock);
		int error = removable_at(s, at, &end, &object, &offset);
		read_unlock(&s->lock);
		if (error < 0)
			return error;
		hole |= error;
		if (error == 0) {
			error = object->ops->punch(object, offset, end - at);
			vm_object_put(object);
			if (error)
				return error;
		}
		at = end;
	}
	return hole ? -ENOMEM : 0;
}

/* MADV_POPULATE_*: area by area, with the rights that each asked for, not those that come with them. */
static long populate_range(struct vm_space *s, uint64_t start, uint64_t bytes, bool write)
{
	uint64_t end = start + bytes;

	if (!range_is_user(start, bytes))
		return -ENOMEM;
	for (uint64_t at = start, next; at < end; at = next) {
		read_lock(&s->lock);
		struct vm_area *a = area_find(s, at);
		bool there = a && area_start(a) <= at;
		bool allowed = there && !a->special && (a->prot & (write ? PROT_WRITE : PROT_READ));
		next = there ? MIN(area_end(a), end) : end;
		read_unlock(&s->lock);
		if (!allowed)
			return there ? -EINVAL : -ENOMEM;
		int error = vm_populate(s, at, next, write);
		if (error)
			return error == -EACCES	  ? -EINVAL
			       : error == -EFAULT ? -ENOMEM
			       : error == -EIO	  ? -EFAULT
						  : error;
	}
	return 0;
}

/* What is said of the calling process's own memory. */
static long advise_own(uint64_t start, uint64_t bytes, uint32_t advice)
{
	switch (advice) {
	case MADV_REMOVE: return bytes ? remove_range(vm_current(), start, bytes) : 0;
	default: return bytes ? populate_range(vm_current(), start, bytes, advice == MADV_POPULATE_WRITE) : 0;
	}
}

long vm_advise(struct vm_space *s, uint64_t start, uint64_t length, uint32_t advice)
{
	struct list dead = LIST_INIT(dead);
	uint32_t set, clear;
	uint64_t bytes = length;

	if (bad_range(start, &bytes))
		return -EINVAL;
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_WILLNEED: /* hints that change nothing without swap */
	case MADV_COLD:
	case MADV_PAGEOUT: break;
	case MADV_REMOVE:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE: return s == vm_current() ? advise_own(start, bytes, advice) : -EINVAL;
	default:
		if (!advice_flags(advice, &set, &clear))
			return syscall_refuse_flags(NR_madvise, advice);
	}
	if (!bytes)
		return 0;
	if (!range_is_user(start, bytes))
		return -ENOMEM;
	write_lock(&s->lock);
	long result = advise_locked(s, start, start + bytes, advice, &dead);
	write_unlock(&s->lock);
	areas_bury(&dead);
	return result;
}

static long sys_madvise(unsigned long start, unsigned long length, int advice)
{
	return vm_advise(vm_current(), start, length, (uint32_t)advice);
}
SYSCALL(madvise);

void vm_release_private(struct vm_space *s)
{
	struct vm_area *a;

	write_lock(&s->lock);
	for (uint64_t at = 0; at < USER_END && (a = area_find(s, at)) != nullptr; at = area_end(a)) {
		if (a->special || (a->flags & (AREA_SHARED | AREA_LOCKED)))
			continue;
		/* A call that has not ended yet must not find zeros where its data was. */
		area_set_prot(s, a, PROT_NONE);
		pages_unmap(s, a, area_start(a), area_end(a));
	}
	write_unlock(&s->lock);
}

static bool is_resident(struct vm_space *s, struct vm_area *a, uint64_t va) REQUIRES_SHARED(s->lock)
{
	struct page *page = nullptr;

	if (page_entry_used(page_table_lookup(s->root, va)))
		return true;
	if (!a->object || !object_find_cached(a->object, area_index(a, va), 1, &page))
		return false;
	page_put(page);
	return true;
}

static long sys_mincore(unsigned long start, unsigned long length, user_addr vector)
{
	struct vm_space *s = vm_current();
	uint64_t bytes = align_up(length, PAGE_SIZE);
	unsigned char out[128];

	if (start & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!range_is_user(start, length) || !range_is_user(start, bytes))
		return -ENOMEM;
	if (!range_is_user(vector.value, bytes >> PAGE_SHIFT))
		return -EFAULT;
	for (uint64_t done = 0; done < bytes >> PAGE_SHIFT;) {
		if (signal_fatal_current())
			return -EINTR;
		unsigned n = (unsigned)MIN((bytes >> PAGE_SHIFT) - done, sizeof(out));
		uint64_t va = start + (done << PAGE_SHIFT);

		read_lock(&s->lock);
		/* As far as there is memory: a vector that is too short shows before a hole behind it. */
		const struct vm_area *a = area_find(s, va);
		bool covered = a && area_start(a) <= va;
		if (covered)
			n = (unsigned)MIN((uint64_t)n, (area_end(a) - va) >> PAGE_SHIFT);
		for (unsigned i = 0; covered && i < n; i++)
			out[i] = is_resident(s, area_find(s, va + ((uint64_t)i << PAGE_SHIFT)),
					     va + ((uint64_t)i << PAGE_SHIFT));
		read_unlock(&s->lock);
		if (!covered)
			return -ENOMEM;
		if (copy_to_user(user_addr_add(vector, done), out, n))
			return -EFAULT;
		done += n;
	}
	return 0;
}
SYSCALL(mincore);

static long sys_msync(unsigned long start, unsigned long length, int flags)
{
	struct vm_space *s = vm_current();
	uint64_t bytes = align_up(length, PAGE_SIZE);
	bool hole = false;

	if ((uint32_t)flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC))
		return syscall_refuse_flags(NR_msync, (uint32_t)flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC));
	if ((start & (PAGE_SIZE - 1)) || ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (start + bytes < start)
		return -ENOMEM;
	for (uint64_t at = start, end = start + bytes; at < end;) {
		struct vm_object *object = nullptr;
		uint64_t first = 0, last = 0;
		long error = 0;

		read_lock(&s->lock);
		struct vm_area *a = area_find(s, at);
		if (!a || area_start(a) >= end) {
			read_unlock(&s->lock);
			return -ENOMEM;
		}
		hole |= area_start(a) > at;
		at = MAX(at, area_start(a));
		if ((flags & MS_INVALIDATE) && (a->flags & AREA_LOCKED))
			error = -EBUSY;
		if ((flags & MS_SYNC) && (a->flags & AREA_SHARED) && a->object && a->object->ops->sync) {
			object = a->object;
			first = area_index(a, at);
			last = area_index(a, MIN(area_end(a), end) - 1);
			vm_object_get(object);
		}
		at = area_end(a);
		read_unlock(&s->lock);
		if (object) {
			if (!error)
				error = object->ops->sync(object, first, last);
			vm_object_put(object);
		}
		if (error)
			return error;
	}
	return hole ? -ENOMEM : 0;
}
SYSCALL(msync);

/* Pages of [start, end) that are locked already. */
static uint64_t count_locked(struct vm_space *s, uint64_t start, uint64_t end) REQUIRES_SHARED(s->lock)
{
	uint64_t pages = 0;

	for (struct vm_area *a = area_find(s, start); a && area_start(a) < end; a = area_next(s, a))
		if (a->flags & AREA_LOCKED)
			pages += (MIN(area_end(a), end) - MAX(area_start(a), start)) >> PAGE_SHIFT;
	return pages;
}

static long check_lock_limit(struct vm_space *s, uint64_t start, uint64_t end) REQUIRES_SHARED(s->lock)
{
	uint64_t limit = process_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (capable(CAP_IPC_LOCK))
		return 0;
	if (!process_rlimit(RLIMIT_MEMLOCK))
		return -EPERM;
	return s->locked_pages + ((end - start) >> PAGE_SHIFT) - count_locked(s, start, end) > limit ? -ENOMEM : 0;
}

/* Sets or clears AREA_LOCKED on [start, end), up to the first hole. */
static long lock_range(struct vm_space *s, uint64_t start, uint64_t end, bool lock, struct list *dead)
	REQUIRES(s -> lock)
{
	long error = lock ? check_lock_limit(s, start, end) : 0;

	if (error)
		return error;
	if (areas_isolate(s, start, end))
		return -ENOMEM;
	for (uint64_t at = start; at < end;) {
		struct vm_area *a = area_find(s, at);

		if (!a || area_start(a) > at)
			return -ENOMEM;
		at = area_end(a);
		if (a->special)
			continue;
		area_set_flags(s, a, lock ? AREA_LOCKED : 0, lock ? 0 : AREA_LOCKED);
		area_merge(s, a, dead);
	}
	return 0;
}

static long change_lock(unsigned long start, unsigned long length, bool lock, bool populate)
{
	struct vm_space *s = vm_current();
	struct list dead = LIST_INIT(dead);
	/* Whole pages from the one that start is in; a length that wraps to none is none. */
	uint64_t from = align_down(start, PAGE_SIZE), end = from + align_up(length + (start - from), PAGE_SIZE);

	if (lock && !process_rlimit(RLIMIT_MEMLOCK) && !capable(CAP_IPC_LOCK))
		return -EPERM;
	if (end < from)
		return -EINVAL;
	if (end == from)
		return 0;
	if (!range_is_user(from, end - from))
		return -ENOMEM;
	write_lock(&s->lock);
	long result = lock_range(s, from, end, lock, &dead);
	write_unlock(&s->lock);
	areas_bury(&dead);
	if (result || !populate)
		return result;
	int error = vm_populate(s, from, end, true);
	return !error || error == -EINTR ? error : error == -ENOMEM ? -EAGAIN : -ENOMEM;
}

static long sys_mlock(unsigned long start, unsigned long length)
{
	return change_lock(start, length, true, true);
}
SYSCALL(mlock);

static long sys_mlock2(unsigned long start, unsigned long length, unsigned flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return syscall_refuse_flags(NR_mlock2, flags & ~MLOCK_ONFAULT);
	return change_lock(start, length, true, !(flags & MLOCK_ONFAULT));
}
SYSCALL(mlock2);

static long sys_munlock(unsigned long start, unsigned long length)
{
	return change_lock(start, length, false, false);
}
SYSCALL(munlock);

static void lock_all(struct vm_space *s, uint32_t set, uint32_t clear) REQUIRES(s -> lock)
{
	for (struct range_node *n = range_first(&s->areas); n; n = range_next(&s->areas, n))
		if (!area_of(n)->special)
			area_set_flags(s, area_of(n), set, clear);
}

static long sys_mlockall(int flags)
{
	struct vm_space *s = vm_current();
	uint32_t unknown = (uint32_t)flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);

	if (unknown)
		return syscall_refuse_flags(NR_mlockall, unknown);
	if (!(flags & (MCL_CURRENT | MCL_FUTURE)))
		return -EINVAL;
	write_lock(&s->lock);
	uint64_t pages = flags & MCL_CURRENT ? s->total_pages : 0;
	if ((pages > process_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT || !process_rlimit(RLIMIT_MEMLOCK)) &&
	    !capable(CAP_IPC_LOCK)) {
		write_unlock(&s->lock);
		return process_rlimit(RLIMIT_MEMLOCK) ? -ENOMEM : -EPERM;
	}
	s->lock_future = (uint32_t)flags & (MCL_FUTURE | MCL_ONFAULT);
	if (flags & MCL_CURRENT)
		lock_all(s, AREA_LOCKED, 0);
	write_unlock(&s->lock);
	if ((flags & (MCL_CURRENT | MCL_ONFAULT)) != MCL_CURRENT)
		return 0;
	/* Area by area; those that cannot be brought in (PROT_NONE, beyond an object's end) are left.
	 */
	for (uint64_t at = 0;;) {
		read_lock(&s->lock);
		struct vm_area *a = area_find(s, at);
		uint64_t start = a ? area_start(a) : 0, end = a ? area_end(a) : 0;
		read_unlock(&s->lock);
		if (!a)
			return 0;
		vm_populate(s, start, end, true);
		at = end;
	}
}
SYSCALL(mlockall);

static long sys_munlockall(void)
{
	struct vm_space *s = vm_current();

	write_lock(&s->lock);
	s->lock_future = 0;
	lock_all(s, 0, AREA_LOCKED);
	write_unlock(&s->lock);
	return 0;
}
SYSCALL(munlockall);

/* Only the query: no command is supported, which callers must expect (membarrier(2)). */
static long sys_membarrier(int command, unsigned flags)
{
	if (flags || command)
		return syscall_refuse_flags(NR_membarrier, flags ? flags : (unsigned)command);
	return 0;
}
SYSCALL(membarrier);
