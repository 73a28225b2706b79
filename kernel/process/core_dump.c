/* SPDX-License-Identifier: MIT */
/*
 * Whether a process is dumped, and how its threads come to rest for it (core.h). The others are told to end as for an
 * exec, but wait on their way out, in core_thread_ends (core_thread.c), with their registers noted, until the file is
 * written. SIGKILL ends the dump; no other signal is taken meanwhile.
 */
#include "core.h"

#include <abi/fcntl.h>
#include <abi/stat.h>
#include <kernel/base/fault_point.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>
#include <nucleus/calls.h>

/* False: the process ends already, without a dump. */
static bool begin(struct process *p, struct core_dump *d)
{
	struct thread *t;

	spin_lock(&p->signal_lock);
	bool begins = !p->group_exit && p->exec_thread == nullptr && p->dump == nullptr;
	if (begins) {
		p->dump_signal = d->info.signo;
		__atomic_store_n(&p->dump, d, __ATOMIC_RELEASE);
		__atomic_store_n(&p->exec_thread, d->leader, __ATOMIC_RELEASE);
		for_each_thread(t, p) {
			if (t == d->leader)
				continue;
			signal_wake(p, t);
			if (process_thread_of(t)->stopped)
				thread_unpark(t);
		}
	}
	spin_unlock(&p->signal_lock);
	return begins;
}

static bool all_rest(struct process *p, struct core_dump *d)
{
	/* Or more, where one that had arrived faulted and is gone. */
	return __atomic_load_n(&d->arrived, __ATOMIC_ACQUIRE) + 1 >=
		       __atomic_load_n(&p->thread_count, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&p->group_exit, __ATOMIC_ACQUIRE);
}

static void finish(struct process *p, struct core_dump *d)
{
	struct core_thread *r, *next;

	spin_lock(&p->signal_lock);
	/* From here on the others end by themselves, and none of them may take it for an exec that is over. */
	process_group_exit_begin(p, p->dump_signal);
	__atomic_store_n(&p->dump, nullptr, __ATOMIC_RELEASE);
	__atomic_store_n(&p->exec_thread, nullptr, __ATOMIC_RELEASE);
	spin_unlock(&p->signal_lock);
	wait_wake_all(&p->thread_wait);
	list_for_each_safe(r, next, &d->threads, link) {
		list_remove(&r->link);
		kfree(r);
	}
}

/* A file that is fit to be overwritten: regular, without other names, one's own, none of these bits in its mode. */
static struct file *open_file(struct process *p, const char *name, uint32_t forbidden)
{
	struct file *f;

	if (file_open_path(name, O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0600, &f) < 0)
		return nullptr;
	if (f->inode == nullptr || !S_ISREG(f->inode->mode) || f->inode->nlink != 1 || f->inode->uid != p->cred.fsuid ||
	    (f->inode->mode & forbidden) || inode_truncate(f->inode, 0) < 0) {
		file_put(f);
		return nullptr;
	}
	return f;
}

/* What only root may have goes where a path says that does not depend on the process, into a file that is root's alone
 * (proc_sys_fs(5), suid_dumpable). The process, whose only thread this is, does nothing more than that. */
static struct file *open_as_root(struct process *p, const char *name)
{
	struct credentials own = p->cred;

	if (name[0] != '/')
		return nullptr;
	p->cred.fsuid = p->cred.fsgid = 0;
	p->cred.cap_effective |= CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER);
	struct file *f = open_file(p, name, 077);
	p->cred = own;
	return f;
}

static struct file *open_named(struct process *p, const struct core_dump *d)
{
	char *name = kmalloc(CORE_NAME_BYTES);
	struct file *f = nullptr;

	if (name != nullptr && core_name(p, d, name, CORE_NAME_BYTES))
		f = p->dumpable == DUMPABLE_BY_ROOT ? open_as_root(p, name) : open_file(p, name, 0);
	kfree(name);
	return f;
}

static bool write_file(struct process *p, struct core_dump *d)
{
	struct file *f = core_is_piped(d) ? core_pipe_open(p, d) : open_named(p, d);

	if (f == nullptr)
		return false;
	bool written = core_write(p, d, f);
	file_put(f);
	return written;
}

static bool make_dump(struct process *p, struct core_dump *d)
{
	struct core_thread *own = core_note_current();

	FAULT_POINT(core_threads);
	wait_event(&p->thread_wait, all_rest(p, d));
	if (own == nullptr)
		return false;
	spin_lock(&p->signal_lock);
	list_push_front(&d->threads, &own->link);
	spin_unlock(&p->signal_lock);
	FAULT_POINT(core_write);
	return !p->group_exit && write_file(p, d);
}

static bool may_dump(const struct process *p)
{
	return p->dumpable != DUMPABLE_NOT && p->space != nullptr;
}

/* False: the limit leaves no room. */
static bool set_limit(struct core_dump *d)
{
	uint64_t limit = process_rlimit(RLIMIT_CORE);

	d->limit = core_is_piped(d) ? UINT64_MAX : limit;
	return core_is_piped(d) ? limit != CORE_LIMIT_OF_PROGRAMS : limit >= PAGE_SIZE;
}

/* The thread's page was lost meanwhile: the others are not to wait for ever. */
static void undo_work(struct process_work *w)
{
	struct core_dump *d = container_of(w, struct core_dump, work);

	finish(process_current(), d);
	kfree(d);
}

bool core_dump(struct process *p, const struct signal_info *info)
{
	struct core_dump *d = may_dump(p) ? kmalloc(sizeof(*d)) : nullptr;

	if (d == nullptr)
		return false;
	*d = (struct core_dump){.leader = thread_current(), .info = *info};
	core_pattern_read(d->pattern);
	list_init(&d->threads);
	if (!set_limit(d) || !begin(p, d)) {
		kfree(d);
		return false;
	}
	process_work_begin(&d->work, undo_work);
	bool dumped = guard_run(&component_process, make_dump(p, d)) == true;
	spin_lock(&p->signal_lock);
	if (dumped && !p->group_exit)
		p->dump_signal |= STATUS_DUMPED;
	spin_unlock(&p->signal_lock);
	finish(p, d);
	process_work_end(&d->work);
	kfree(d);
	return dumped;
}
