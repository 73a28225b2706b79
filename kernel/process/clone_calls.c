/* SPDX-License-Identifier: MIT */
/* clone3(2), whose request is a structure that may grow, and unshare(2). clone.c does the work. */
#include "internal.h"

#include <kernel/vfs/fs_context.h>
#include <kernel/vm/user.h>
#include <nucleus/layout.h>

struct abi_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
		cgroup;
};
enum : size_t { CLONE_ARGS_SIZE_VER0 = 64 };

static long sys_clone3(user_addr at, size_t size)
{
	struct abi_clone_args a;

	int error = copy_struct_from_user(&a, sizeof(a), CLONE_ARGS_SIZE_VER0, at, size);
	if (error != 0)
		return error;
	/* pidfd and cgroup count only with their flags; C libraries fill pidfd in always. */
	if ((a.set_tid == 0) != (a.set_tid_size == 0))
		return -EINVAL;
	if (a.set_tid_size != 0)
		return syscall_refuse_flags(NR_clone3, a.flags);
	if ((a.flags & 0xff) || (a.flags & CLONE_DETACHED) || a.exit_signal > SIGNAL_MAX ||
	    (a.stack == 0) != (a.stack_size == 0) || a.stack_size > USER_END || a.stack > USER_END - a.stack_size)
		return -EINVAL;
	if ((a.flags & (CLONE_THREAD | CLONE_PARENT)) && a.exit_signal != 0)
		return -EINVAL;
	struct clone_request r = {
		.flags = a.flags,
		.stack = a.stack + a.stack_size,
		.tls = a.tls,
		.exit_signal = (uint32_t)a.exit_signal,
		.parent_tid = USER_ADDR(a.parent_tid),
		.child_tid = USER_ADDR(a.child_tid),
		.pidfd = USER_ADDR(a.pidfd),
	};
	return process_clone(&r, NR_clone3);
}
SYSCALL(clone3);

/* With another process: after vfork, or clone with CLONE_VM alone. */
static bool shares_space(struct process *p)
{
	bool shared = false;
	struct process *other;

	mutex_lock(&process_tree_lock);
	list_for_each(other, &process_all, all)
		shared |= other != p && __atomic_load_n(&other->space, __ATOMIC_RELAXED) == p->space;
	mutex_unlock(&process_tree_lock);
	return shared;
}

/* What was shared by clone becomes the caller's process's own. There are no namespaces to leave. */
static long sys_unshare(uint64_t flags)
{
	struct process *p = process_current();
	constexpr uint64_t known = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM;
	struct fs_context *fs = nullptr;

	if (flags & ~known)
		return syscall_refuse_flags(NR_unshare, flags);
	/* The threads of a process share all of these. */
	if ((flags & ~(uint64_t)CLONE_SYSVSEM) && p->thread_count > 1)
		return syscall_refuse_flags(NR_unshare, flags);
	if ((flags & CLONE_SIGHAND) && p->signals->refs > 1)
		return -EINVAL;
	/* A copy of its own could be made only while nobody runs in the shared one. */
	if ((flags & CLONE_VM) && shares_space(p))
		return syscall_refuse_flags(NR_unshare, flags);
	int error = flags & CLONE_FS ? fs_context_clone(p->fs, &fs) : 0;
	if (error == 0 && (flags & CLONE_FILES))
		error = file_table_unshare_current();
	if (error == 0 && fs != nullptr) {
		mutex_lock(&p->lock);
		struct fs_context *old = p->fs;
		p->fs = fs;
		mutex_unlock(&p->lock);
		fs = old;
	}
	if (fs != nullptr)
		fs_context_leave(fs);
	return error;
}
SYSCALL(unshare);
