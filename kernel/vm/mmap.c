/* SPDX-License-Identifier: MIT */
/*
 * mmap without its descriptors (kernel/vfs/mmap.c has them), and system calls munmap, mprotect and brk (POSIX.1-2017
 * and the man pages of the same names).
 *
 * PROT_WRITE with PROT_EXEC is accepted, because just-in-time compilers ask for it; fault.c maps
 * such pages one way at a time.
 */
#include "vm_internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>

enum : uint32_t {
	PROT_KNOWN = PROT_READ | PROT_WRITE | PROT_EXEC,
	PROT_GROWS = 0x03000000, /* down and up, which exclude each other */
	MAP_IGNORED = MAP_DENYWRITE | MAP_EXECUTABLE | MAP_STACK | MAP_NONBLOCK,
	MAP_KNOWN = MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE |
		    MAP_POPULATE | MAP_FIXED_NOREPLACE | MAP_IGNORED,
};

/* For old programs all that can be read can be executed (personality(2)). */
static bool read_implies_exec(uint32_t prot)
{
	return (prot & PROT_READ) && (subject_current()->personality & READ_IMPLIES_EXEC);
}

static int check_lock_limit(struct vm_space *s, uint64_t pages) REQUIRES_SHARED(s->lock)
{
	if (s->locked_pages + pages <= process_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT && process_rlimit(RLIMIT_MEMLOCK))
		return 0;
	if (capable(CAP_IPC_LOCK))
		return 0;
	return process_rlimit(RLIMIT_MEMLOCK) ? -EAGAIN : -EPERM;
}

/* Maps, then brings pages in if that was asked for. */
static long map_and_populate(struct vm_space *s, struct map_request *r, uint32_t flags)
{
	struct list dead = LIST_INIT(dead);
	long at = 0;

	write_lock(&s->lock);
	if ((flags & MAP_LOCKED) || (s->lock_future & MCL_FUTURE)) {
		r->area_flags |= AREA_LOCKED;
		at = check_lock_limit(s, r->length >> PAGE_SHIFT);
	}
	bool populate = (flags & MAP_POPULATE) || ((r->area_flags & AREA_LOCKED) && !(s->lock_future & MCL_ONFAULT));
	if (at == 0)
		at = map_locked(s, r, &dead);
	write_unlock(&s->lock);
	areas_bury(&dead);
	if (at > 0 && populate && !(flags & MAP_NONBLOCK))
		vm_populate(s, (uint64_t)at, (uint64_t)at + r->length, true); /* as far as it goes: mmap(2) */
	return at;
}

static uint32_t area_flags_of(uint32_t map_flags, bool shared)
{
	return (shared ? AREA_SHARED : 0) | (map_flags & MAP_GROWSDOWN ? AREA_GROWS_DOWN : 0) |
	       ((map_flags & MAP_NORESERVE) && commit_believes() ? AREA_NO_RESERVE : 0);
}

/* The memory may be given to others: a piece that exceeds all memory is not made. */
static int commit_check_shared(struct vm_space *s, uint64_t length, uint32_t area_flags)
{
	if (area_flags & AREA_NO_RESERVE)
		return 0;
	read_lock(&s->lock);
	int error = commit_check(s, length >> PAGE_SHIFT, 0);
	read_unlock(&s->lock);
	return error;
}

/* Of a fixed address; others are hints. */
static long check_address(uint64_t address, uint64_t length)
{
	if (!range_is_user(address, length))
		return -ENOMEM;
	if (address & (PAGE_SIZE - 1))
		return -EINVAL;
	return address < USER_MIN ? -EPERM : 0;
}

long vm_mmap_check(struct map_request *r, uint64_t length, uint64_t offset, unsigned long prot, unsigned long flags,
		   bool is_file)
{
	unsigned long unknown_flags = flags & ~(unsigned long)MAP_KNOWN;
	unsigned long unknown_prot = prot & ~(unsigned long)(PROT_KNOWN | PROT_SEM);
	uint32_t type = flags & MAP_TYPE;
	bool shared = type == MAP_SHARED || type == MAP_SHARED_VALIDATE;

	if (length == 0)
		return -EINVAL;
	if (r->length == 0 || length > USER_END - USER_MIN)
		return -ENOMEM;
	if (offset + r->length < offset)
		return -EOVERFLOW;
	if (unknown_flags || unknown_prot)
		return syscall_refuse_flags(NR_mmap, unknown_flags | unknown_prot);
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		long error = check_address(r->address, r->length);
		if (error != 0)
			return error;
	} else {
		r->address = align_down(r->address, PAGE_SIZE);
	}
	if (!shared && type != MAP_PRIVATE)
		return -EINVAL;
	if (is_file && (r->length > INT64_MAX || offset > INT64_MAX - r->length))
		return -EOVERFLOW;
	r->area_flags |= area_flags_of((uint32_t)flags, shared);
	if (read_implies_exec(r->prot) && !(r->area_flags & AREA_NO_EXEC))
		r->prot |= PROT_EXEC;
	if (!shared || !(flags & MAP_ANONYMOUS))
		return 0;
	return flags & MAP_GROWSDOWN ? -EINVAL : commit_check_shared(vm_current(), r->length, r->area_flags);
}

long vm_mmap(struct map_request *r)
{
	return map_and_populate(vm_current(), r, r->map_flags);
}

long vm_munmap(uint64_t address, uint64_t length)
{
	struct vm_space *s = vm_current();
	struct list dead = LIST_INIT(dead);

	if ((address & (PAGE_SIZE - 1)) || !length || !range_is_user(address, length) ||
	    !range_is_user(address, align_up(length, PAGE_SIZE)))
		return -EINVAL;
	write_lock(&s->lock);
	int error = unmap_locked(s, address, address + align_up(length, PAGE_SIZE), &dead);
	write_unlock(&s->lock);
	areas_bury(&dead);
	return error;
}
static long sys_munmap(unsigned long address, unsigned long length)
{
	return vm_munmap(address, length);
}
SYSCALL(munmap);

static void protect_area(struct vm_space *s, struct vm_area *a, uint32_t prot) REQUIRES(s -> lock)
{
	uint32_t old = a->prot;

	area_set_prot(s, a, prot);
	/* Once promised, always: what was written stays. */
	if (commit_counts(prot, a->flags))
		area_set_flags(s, a, AREA_PROMISED, 0);
	/* Private pages that become writable do so when they are written (copy-on-write): nothing
	 * to change now. */
	bool only_adds_write =
		(old & ~PROT_WRITE) == (prot & ~PROT_WRITE) && (prot & PROT_WRITE) && !(a->flags & AREA_SHARED);
	if (old != prot && !only_adds_write)
		pages_protect(s, a, area_start(a), area_end(a), prot);
}

static long protect_locked(struct vm_space *s, uint64_t start, uint64_t end, uint32_t prot, struct list *dead)
	REQUIRES(s -> lock)
{
	uint64_t more_data = 0, more_promised = 0;
	struct vm_area *a;

	if (!areas_cover(s, start, end))
		return -ENOMEM;
	for (a = area_find(s, start); a && area_start(a) < end; a = area_next(s, a)) {
		uint64_t pages = (MIN(area_end(a), end) - MAX(area_start(a), start)) >> PAGE_SHIFT;

		if ((prot & PROT_WRITE) && !(a->flags & AREA_MAY_WRITE))
			return -EACCES;
		if ((prot & PROT_EXEC) && (a->flags & AREA_NO_EXEC))
			return -EACCES;
		/* In sum, since none is changed before all are checked. */
		if (!area_is_data(a) && (prot & PROT_WRITE))
			more_data += pages;
		if (map_check_data(s, more_data, prot, a->flags))
			return -ENOMEM;
		if (!(a->flags & AREA_PROMISED) && commit_counts(prot, a->flags)) {
			if (commit_check(s, pages, more_promised))
				return -ENOMEM;
			more_promised += pages;
		}
	}
	if (areas_isolate(s, start, end))
		return -ENOMEM;
	for (uint64_t at = start; at < end;) {
		a = area_find(s, at);
		at = area_end(a);
		bool exec = read_implies_exec(prot) && !(a->flags & AREA_NO_EXEC);
		protect_area(s, a, exec ? prot | PROT_EXEC : prot);
		area_merge(s, a, dead);
	}
	return 0;
}

static long sys_mprotect(unsigned long address, unsigned long length, unsigned long prot)
{
	struct vm_space *s = vm_current();
	struct list dead = LIST_INIT(dead);

	if ((address & (PAGE_SIZE - 1)) || (prot & PROT_GROWS) == PROT_GROWS)
		return -EINVAL;
	if (!length)
		return 0;
	uint64_t pages = align_up(length, PAGE_SIZE);
	if (address + pages <= address)
		return -ENOMEM;
	if (prot & ~(unsigned long)(PROT_KNOWN | PROT_SEM))
		return syscall_refuse_flags(NR_mprotect, prot & ~(unsigned long)(PROT_KNOWN | PROT_SEM));
	if (!range_is_user(address, pages))
		return -ENOMEM;
	write_lock(&s->lock);
	long result = protect_locked(s, address, address + pages, prot & PROT_KNOWN, &dead);
	write_unlock(&s->lock);
	areas_bury(&dead);
	return result;
}
SYSCALL(mprotect);

static int grow_brk(struct vm_space *s, uint64_t from, uint64_t to, struct list *dead) REQUIRES(s -> lock)
{
	struct map_request r = {
		.address = from,
		.length = to - from,
		.prot = PROT_READ | PROT_WRITE,
		.map_flags = MAP_FIXED_NOREPLACE,
		.area_flags = AREA_HEAP | AREA_MAY_WRITE | (s->lock_future & MCL_FUTURE ? AREA_LOCKED : 0),
	};
	struct vm_area *above = area_find(s, from);

	/* One free page above, so that the heap does not touch another mapping. */
	if (above && area_start(above) < to + PAGE_SIZE)
		return -ENOMEM;
	long at = map_locked(s, &r, dead);
	return at < 0 ? (int)at : 0;
}

static long sys_brk(unsigned long address)
{
	struct vm_space *s = vm_current();
	struct list dead = LIST_INIT(dead);
	int error = 0;

	write_lock(&s->lock);
	uint64_t old_end = align_up(s->brk, PAGE_SIZE), new_end = align_up(address, PAGE_SIZE);
	if (address < s->brk_start || !range_is_user(address, PAGE_SIZE))
		error = -EINVAL;
	else if (new_end > old_end && address - s->brk_start > process_rlimit(RLIMIT_DATA))
		error = -ENOMEM;
	else if (new_end > old_end)
		error = grow_brk(s, old_end, new_end, &dead);
	else if (new_end < old_end)
		error = unmap_locked(s, new_end, old_end, &dead);
	if (!error)
		s->brk = address;
	uint64_t now = s->brk;
	bool populate = !error && new_end > old_end && (s->lock_future & (MCL_FUTURE | MCL_ONFAULT)) == MCL_FUTURE;
	write_unlock(&s->lock);
	areas_bury(&dead);
	if (populate)
		vm_populate(s, old_end, new_end, true);
	return (long)now;
}
SYSCALL(brk);
