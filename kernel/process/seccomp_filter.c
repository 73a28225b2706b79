/* SPDX-License-Identifier: MIT */
/* Filters of system calls: read from the process, shared by threads, given back. */
#include "dispatch.h"
#include "internal.h"
#include "seccomp.h"

#include <kernel/mem/slab.h>
#include <kernel/vm/user.h>
#include <lib/seccomp.h>

/* The checks of dispatch.c are in its table while any thread has something to check. */
static struct spinlock users_lock = SPINLOCK_INIT(RANK_SIGNAL + 1);
static uint32_t users GUARDED_BY(&users_lock);

void seccomp_count(bool more)
{
	spin_lock(&users_lock);
	users += more ? 1 : -1u;
	if (users == (more ? 1 : 0))
		syscall_check(more);
	spin_unlock(&users_lock);
}

static int allowed_to_install(void)
{
	return process_current()->cred.no_new_privs || capable(CAP_SYS_ADMIN) ? 0 : -EACCES;
}

static int copy_program(struct seccomp_filter *f, user_addr at)
{
	uint16_t *scratch = kmalloc(f->count * sizeof(*scratch));

	if (scratch == nullptr)
		return -ENOMEM;
	int error = copy_from_user(f->program, at, f->count * sizeof(f->program[0])) != 0 ? -EFAULT : 0;
	if (error == 0 && !seccomp_check(f->program, f->count, scratch, &f->looks_at_pc))
		error = -EINVAL;
	kfree(scratch);
	return error;
}

int seccomp_filter_read(user_addr program, struct seccomp_filter **out)
{
	struct sock_fprog p;

	if (get_user(p, program) != 0)
		return -EFAULT;
	if (p.count == 0 || p.count > FILTER_MAX)
		return -EINVAL;
	int error = allowed_to_install();
	if (error != 0)
		return error;
	struct seccomp_filter *f = kmalloc(sizeof(*f) + p.count * sizeof(f->program[0]));
	if (f == nullptr)
		return -ENOMEM;
	f->refs = 1;
	f->count = p.count;
	error = copy_program(f, USER_ADDR(p.at));
	if (error != 0)
		kfree(f);
	else
		*out = f;
	return error;
}

void seccomp_filter_put(struct seccomp_filter *f)
{
	while (f != nullptr && __atomic_fetch_sub(&f->refs, 1, __ATOMIC_ACQ_REL) == 1) {
		struct seccomp_filter *before = f->before;

		kfree(f);
		f = before;
	}
}

void seccomp_share(struct process_thread *to, const struct process_thread *from)
{
	if (from->seccomp_mode == SECCOMP_MODE_DISABLED)
		return;
	to->filters = from->filters;
	if (to->filters != nullptr)
		__atomic_fetch_add(&to->filters->refs, 1, __ATOMIC_RELAXED);
	seccomp_count(true);
	to->seccomp_mode = from->seccomp_mode;
}

void seccomp_leave(struct process_thread *s)
{
	struct seccomp_filter *f = s->filters;

	if (s->seccomp_mode == SECCOMP_MODE_DISABLED)
		return;
	s->seccomp_mode = SECCOMP_MODE_DISABLED;
	s->filters = nullptr;
	seccomp_count(false);
	seccomp_filter_put(f);
}
