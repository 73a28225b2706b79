/* SPDX-License-Identifier: MIT */
/* System calls process_vm_readv(2) and process_vm_writev(2): copies between the caller and another
 * process, through one kernel page. */
#include "vm_internal.h"

#include <kernel/slab.h>
#include <kernel/syscall.h>
#include <kernel/user.h>

enum : unsigned { VECTOR_MAX = 1024 };

struct io_vector {
	uint64_t base, length;
};

struct cursor {
	user_addr vector;
	unsigned long count, index;
	struct io_vector now; /* what is left of entry `index` */
};

/* The next piece, at most max bytes: its length, 0 at the end, -EFAULT. */
static long cursor_piece(struct cursor *c, uint64_t max)
{
	while (c->now.length == 0) {
		if (c->index == c->count)
			return 0;
		if (copy_from_user(&c->now, user_addr_add(c->vector, c->index * sizeof(c->now)), sizeof(c->now)))
			return -EFAULT;
		c->index++;
	}
	return (long)MIN(c->now.length, max);
}

static void cursor_advance(struct cursor *c, uint64_t bytes)
{
	c->now.base += bytes;
	c->now.length -= bytes;
}

static long transfer(struct vm_space *other, struct cursor *local, struct cursor *remote, bool write, char *bounce)
{
	long total = 0, n;

	for (;;) {
		n = cursor_piece(local, PAGE_SIZE);
		if (n > 0)
			n = cursor_piece(remote, (uint64_t)n);
		if (n <= 0)
			break;
		size_t got = write ? copy_from_user_partial(bounce, USER_ADDR(local->now.base), (size_t)n)
				   : vm_read_partial(other, remote->now.base, bounce, (size_t)n);
		size_t put = write ? vm_write_partial(other, remote->now.base, bounce, got)
				   : copy_to_user_partial(USER_ADDR(local->now.base), bounce, got);
		total += (long)put;
		if (put < (size_t)n) {
			n = -EFAULT;
			break;
		}
		cursor_advance(local, put);
		cursor_advance(remote, put);
	}
	return total ? total : n;
}

static long process_vm(uint32_t number, unsigned long pid, struct cursor *local, struct cursor *remote,
		       unsigned long flags, bool write)
{
	if (flags)
		return syscall_refuse_flags(number, flags);
	if (local->count > VECTOR_MAX || remote->count > VECTOR_MAX)
		return -EINVAL;
	struct process *p = process_find((uint32_t)pid);
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

static long sys_process_vm_readv(unsigned long pid, user_addr local, unsigned long local_count, user_addr remote,
				 unsigned long remote_count, unsigned long flags)
{
	struct cursor l = {.vector = local, .count = local_count}, r = {.vector = remote, .count = remote_count};

	return process_vm(NR_process_vm_readv, pid, &l, &r, flags, false);
}
SYSCALL(process_vm_readv);

static long sys_process_vm_writev(unsigned long pid, user_addr local, unsigned long local_count, user_addr remote,
				  unsigned long remote_count, unsigned long flags)
{
	struct cursor l = {.vector = local, .count = local_count}, r = {.vector = remote, .count = remote_count};

	return process_vm(NR_process_vm_writev, pid, &l, &r, flags, true);
}
SYSCALL(process_vm_writev);
