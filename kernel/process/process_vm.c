/* SPDX-License-Identifier: MIT */
/* System calls process_vm_readv(2) and process_vm_writev(2): copies between the caller and another
 * process, through one kernel page. */
#include "kernel/vm/vm_internal.h"
#include <kernel/process/process.h>

#include <kernel/base/syscall.h>
#include <kernel/file/io_vector.h>
#include <kernel/mem/slab.h>
#include <kernel/process/signal.h>
#include <kernel/vm/user.h>

/* Where in a vector a transfer is. */
struct cursor {
	const struct io_vector *vector;
	size_t index;
	uint64_t done; /* of segment `index` */
};

/* The next piece, at most max bytes, not across a page: its address and length, 0 at the end. */
static size_t cursor_piece(struct cursor *c, size_t max, uint64_t *at)
{
	while (c->index < c->vector->count && c->done == c->vector->segments[c->index].length) {
		c->index++;
		c->done = 0;
	}
	if (c->index == c->vector->count)
		return 0;
	const struct io_segment *s = &c->vector->segments[c->index];
	*at = s->base.value + c->done;
	return MIN(MIN(s->length - c->done, max), PAGE_SIZE - (*at & (PAGE_SIZE - 1)));
}

/* Another process's memory is reached with the rights that it asked for, not those that come with them. */
static bool other_allows(struct vm_space *s, uint64_t at, uint32_t prot)
{
	read_lock(&s->lock);
	struct vm_area *a = at < USER_END ? area_find(s, at) : nullptr;
	bool allowed = a && at >= area_start(a) && (a->prot & prot);
	read_unlock(&s->lock);
	return allowed;
}

static long transfer(struct vm_space *other, struct cursor *local, struct cursor *remote, bool write, char *bounce)
{
	size_t left = local->vector->total;
	uint64_t here, there;
	long total = 0;

	while (left && !signal_fatal_current()) {
		size_t n = cursor_piece(local, left, &here);

		n = cursor_piece(remote, n, &there);
		if (!n)
			break;
		size_t got = 0, put;
		if (write) {
			got = copy_from_user_partial(bounce, USER_ADDR(here), n);
			put = other_allows(other, there, PROT_WRITE) ? vm_write_partial(other, there, bounce, got) : 0;
		} else {
			if (other_allows(other, there, PROT_READ))
				got = vm_read_partial(other, there, bounce, n);
			put = copy_to_user_partial(USER_ADDR(here), bounce, got);
		}
		total += (long)put;
		if (put < n)
			return total ? total : -EFAULT;
		left -= put;
		local->done += put;
		remote->done += put;
	}
	return total;
}

static long with_process(uint32_t pid, struct cursor *local, struct cursor *remote, bool write)
{
	struct process *p = process_find(pid);

	if (!p)
		return -ESRCH;
	long result = -EPERM;
	/* The space first: exec changes it and the credentials together, so the check is about this space or a later,
	 * stricter one. */
	struct vm_space *other = process_get_space(p);
	if (process_may_inspect_really(p)) {
		char *bounce = kmalloc(PAGE_SIZE);

		result = !other ? -ESRCH : !bounce ? -ENOMEM : transfer(other, local, remote, write, bounce);
		kfree(bounce);
	}
	if (other)
		vm_space_put(other);
	process_put(p);
	return result;
}

struct process_vm_call {
	uint32_t number, pid;
	user_addr local, remote;
	size_t local_count, remote_count;
	uint64_t flags;
	bool write;
};

static long process_vm(const struct process_vm_call *c)
{
	struct io_vector local, remote;

	if (c->flags)
		return syscall_refuse_flags(c->number, c->flags);
	long result = io_vector_get(&local, c->local, c->local_count, true);
	if (result)
		return result;
	if (!local.total)
		goto put_local;
	result = io_vector_get(&remote, c->remote, c->remote_count, false);
	if (result)
		goto put_local;
	if (remote.total)
		result = with_process(c->pid, &(struct cursor){.vector = &local}, &(struct cursor){.vector = &remote},
				      c->write);
	io_vector_free(&remote);
put_local:
	io_vector_free(&local);
	return result;
}

static long sys_process_vm_readv(uint32_t pid, user_addr local, size_t local_count, user_addr remote,
				 size_t remote_count, uint64_t flags)
{
	return process_vm(&(struct process_vm_call){NR_process_vm_readv, pid, local, remote, local_count, remote_count,
						    flags, false});
}
SYSCALL(process_vm_readv);

static long sys_process_vm_writev(uint32_t pid, user_addr local, size_t local_count, user_addr remote,
				  size_t remote_count, uint64_t flags)
{
	return process_vm(&(struct process_vm_call){NR_process_vm_writev, pid, local, remote, local_count, remote_count,
						    flags, true});
}
SYSCALL(process_vm_writev);
