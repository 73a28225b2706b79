/* SPDX-License-Identifier: MIT */
/*
 * System calls mmap, munmap, mprotect and brk (POSIX.1-2017 and the man pages of the same names).
 *
 * PROT_WRITE with PROT_EXEC is accepted, because just-in-time compilers ask for it; fault.c maps
 * such pages one way at a time. Anonymous shared memory is an unnamed file in memory, so fork
 * shares it like any file.
 */
#include "vm_internal.h"

#include <abi/fcntl.h>
#include <abi/stat.h>
#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>
#include <kernel/vfs/vfs.h>

enum : uint32_t {
	PROT_KNOWN = PROT_READ | PROT_WRITE | PROT_EXEC,
	PROT_GROWS = 0x03000000, /* down and up, which exclude each other */
	MAP_IGNORED = MAP_DENYWRITE | MAP_EXECUTABLE | MAP_STACK | MAP_NONBLOCK,
	MAP_KNOWN = MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE |
		    MAP_POPULATE | MAP_FIXED_NOREPLACE | MAP_IGNORED,
};

static bool on_noexec(const struct file *file)
{
	return file->path.mount && (file->path.mount->flags & MS_NOEXEC);
}

/* For old programs all that can be read can be executed (personality(2)). */
static bool read_implies_exec(uint32_t prot)
{
	return (prot & PROT_READ) && (subject_current()->personality & READ_IMPLIES_EXEC);
}

/* Checks that the file can be mapped like this; adds to the area's flags. */
static long check_file(const struct file *file, uint32_t prot, bool shared, uint32_t *area_flags)
{
	if (shared && (prot & PROT_WRITE) && !(file->mode & FILE_WRITE))
		return -EACCES;
	if (!(file->mode & FILE_READ))
		return -EACCES;
	if (on_noexec(file)) {
		if (prot & PROT_EXEC)
			return -EPERM;
		*area_flags |= AREA_NO_EXEC;
	}
	if (!file->ops->get_page)
		return -ENODEV;
	if (*area_flags & AREA_GROWS_DOWN)
		return -EINVAL;
	bool sealed = shared && file->inode && (file->inode->seals & F_SEALS_WRITE);
	if (sealed && (prot & PROT_WRITE))
		return -EPERM;
	if (!shared || ((file->mode & FILE_WRITE) && !sealed))
		*area_flags |= AREA_MAY_WRITE;
	return 0;
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

static long map_file(struct vm_space *s, struct map_request *r, uint32_t flags, bool shared)
{
	long at = check_file(r->file, r->prot, shared, &r->area_flags);

	if (at != 0)
		return at;
	struct inode *i = shared && (r->area_flags & AREA_MAY_WRITE) ? r->file->inode : nullptr;
	if (i && !inode_writable_get(i))
		return -EPERM; /* sealed since the check */
	at = map_and_populate(s, r, flags);
	if (i)
		inode_writable_put(i);
	return at;
}

static uint32_t area_flags_of(uint32_t map_flags, bool shared)
{
	return (shared ? AREA_SHARED : 0) | (map_flags & MAP_GROWSDOWN ? AREA_GROWS_DOWN : 0) |
	       ((map_flags & MAP_NORESERVE) && commit_believes() ? AREA_NO_RESERVE : 0);
}

/* The memory is the file's, which may be given to others: one that exceeds all memory is not made. */
static int commit_check_shared(struct vm_space *s, const struct map_request *r)
{
	if (r->area_flags & AREA_NO_RESERVE)
		return 0;
	read_lock(&s->lock);
	int error = commit_check(s, r->length >> PAGE_SHIFT, 0);
	read_unlock(&s->lock);
	return error;
}

static long map_anonymous(struct vm_space *s, struct map_request *r, uint32_t flags, bool shared)
{
	r->area_flags |= AREA_MAY_WRITE;
	r->page_offset = 0;
	if (!shared)
		return map_and_populate(s, r, flags);
	if (r->area_flags & AREA_GROWS_DOWN)
		return -EINVAL;
	int error = commit_check_shared(s, r);
	if (error)
		return error;
	error = file_create_memory("zero", r->length, &r->file);
	if (error)
		return error;
	long at = map_and_populate(s, r, flags);
	file_put(r->file);
	return at;
}

/* What is checked whatever is mapped. */
static long check_request(struct map_request *r, uint64_t length, uint64_t offset, unsigned long prot,
			  unsigned long flags)
{
	if (length == 0)
		return -EINVAL;
	if (r->length == 0 || length > USER_END - USER_MIN)
		return -ENOMEM;
	if (offset + r->length < offset)
		return -EOVERFLOW;
	if ((flags & ~(unsigned long)MAP_KNOWN) || (prot & ~(unsigned long)(PROT_KNOWN | PROT_SEM)))
		return syscall_refuse_flags(NR_mmap, (flags & ~(unsigned long)MAP_KNOWN) |
							     (prot & ~(unsigned long)(PROT_KNOWN | PROT_SEM)));
	if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		r->address = align_down(r->address, PAGE_SIZE);
		return 0;
	}
	if (!range_is_user(r->address, r->length))
		return -ENOMEM;
	if (r->address & (PAGE_SIZE - 1))
		return -EINVAL;
	return r->address < USER_MIN ? -EPERM : 0;
}

static long map_request(struct map_request *r, uint64_t length, uint64_t offset, unsigned long prot,
			unsigned long flags)
{
	uint32_t type = flags & MAP_TYPE;
	bool shared = type == MAP_SHARED || type == MAP_SHARED_VALIDATE;

	long error = check_request(r, length, offset, prot, flags);
	if (error != 0)
		return error;
	if (!shared && type != MAP_PRIVATE)
		return -EINVAL;
	bool regular = r->file != nullptr && r->file->inode != nullptr && S_ISREG(r->file->inode->mode);
	if (regular && (r->length > INT64_MAX || offset > INT64_MAX - r->length))
		return -EOVERFLOW;
	r->area_flags = area_flags_of((uint32_t)flags, shared);
	if (read_implies_exec(r->prot) && (r->file == nullptr || !on_noexec(r->file)))
		r->prot |= PROT_EXEC;
	return r->file != nullptr ? map_file(vm_current(), r, (uint32_t)flags, shared)
				  : map_anonymous(vm_current(), r, (uint32_t)flags, shared);
}

/* A descriptor is looked at before the rest. */
static long sys_mmap(unsigned long address, unsigned long length, unsigned long prot, unsigned long flags, int fd,
		     unsigned long offset)
{
	struct map_request r = {
		.address = address,
		.length = align_up(length, PAGE_SIZE),
		.prot = prot & PROT_KNOWN,
		.map_flags = (uint32_t)flags,
		.page_offset = offset >> PAGE_SHIFT,
	};
	struct file_ref file;

	if (offset & (PAGE_SIZE - 1))
		return -EINVAL;
	if (flags & MAP_ANONYMOUS)
		return map_request(&r, length, offset, prot, flags);
	int error = file_ref_get(fd, &file);
	if (error)
		return error;
	r.file = file.file;
	long at = map_request(&r, length, offset, prot, flags);
	file_ref_put(file);
	return at;
}
SYSCALL(mmap);

static long sys_munmap(unsigned long address, unsigned long length)
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
	if (!range_is_user(address, length) || !range_is_user(address, align_up(length, PAGE_SIZE)))
		return -ENOMEM;
	if (prot & ~(unsigned long)(PROT_KNOWN | PROT_SEM))
		return syscall_refuse_flags(NR_mprotect, prot & ~(unsigned long)(PROT_KNOWN | PROT_SEM));
	write_lock(&s->lock);
	long result = protect_locked(s, address, address + align_up(length, PAGE_SIZE), prot & PROT_KNOWN, &dead);
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
