/* SPDX-License-Identifier: MIT */
/* process_madvise(2), process_mrelease(2): what a process says of another one's memory, by a descriptor of it. */
#include "internal.h"

#include <abi/mman.h>
#include <kernel/file/io_vector.h>

/* Advice that changes nothing its owner could see. */
static bool is_harmless(uint32_t advice)
{
	return advice == MADV_COLD || advice == MADV_PAGEOUT || advice == MADV_WILLNEED;
}

/* Bytes that were advised of; the error, if it is the first piece's. */
static long advise_all(struct vm_space *s, const struct io_vector *v, uint32_t advice)
{
	long done = 0;

	for (size_t n = 0; n < v->count && !signal_fatal_current(); n++) {
		const struct io_segment *piece = &v->segments[n];
		long error = vm_advise(s, piece->base.value, piece->length, advice);

		if (error != 0)
			return done != 0 ? done : error;
		done += (long)piece->length;
	}
	return done;
}

static long advise_process(struct process *p, const struct io_vector *v, uint32_t advice)
{
	struct vm_space *s = process_get_space(p);
	long result;

	if (s == nullptr)
		return -ESRCH;
	bool own = s == process_current()->space;
	if (!process_may_inspect(p))
		result = -EACCES;
	else if (!own && !is_harmless(advice))
		result = syscall_refuse_flags(NR_process_madvise, advice);
	else if (!own && !capable(CAP_SYS_NICE))
		result = -EPERM;
	else
		result = advise_all(s, v, advice);
	vm_space_put(s);
	return result;
}

static long sys_process_madvise(int fd, user_addr vector, size_t count, uint32_t advice, uint32_t flags)
{
	struct io_vector v;
	struct process *p;
	uint32_t file_flags;

	if (flags != 0)
		return syscall_refuse_flags(NR_process_madvise, flags);
	long result = io_vector_get(&v, vector, count, true);
	if (result != 0)
		return result;
	result = pidfd_process(fd, &p, &file_flags);
	if (result == 0) {
		result = advise_process(p, &v, advice);
		process_put(p);
	}
	io_vector_free(&v);
	return result;
}
SYSCALL(process_madvise);

/* Its threads run no more, or will not go back to the program: memory that only they have may go before them. */
static long release(struct process *p)
{
	struct vm_space *s = process_get_space(p);
	long result = 0;

	if (s == nullptr)
		return -ESRCH;
	spin_lock(&p->signal_lock);
	bool ends = p->group_exit && p->dump == nullptr;
	spin_unlock(&p->signal_lock);
	/* The process's own reference, and ours. */
	if (!ends || s == process_current()->space || vm_space_references(s) > 2)
		result = -EINVAL;
	else
		vm_release_private(s);
	vm_space_put(s);
	return result;
}

static long sys_process_mrelease(int fd, uint32_t flags)
{
	struct process *p;
	uint32_t file_flags;

	if (flags != 0)
		return syscall_refuse_flags(NR_process_mrelease, flags);
	long result = pidfd_process(fd, &p, &file_flags);
	if (result != 0)
		return result;
	result = release(p);
	process_put(p);
	return result;
}
SYSCALL(process_mrelease);
