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

/* A file that is fit to be overwritten: regular, without other names, one's own. */
static struct file *open_file(struct process *p, const char *name)
{
	struct file *f;

	if (file_open_path(name, O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0600, &f) < 0)
		return nullptr;
	if (f->inode == nullptr || !S_ISREG(f->inode->mode) || f->inode->nlink != 1 || f->inode->uid != p->cred.fsuid ||
	    inode_truncate(f->inode, 0) < 0) {
		file_put(f);
		return nullptr;
	}
	return f;
}

static bool write_file(struct process *p, struct core_dump *d)
{
	char name[256];

	if (!core_name(p, d, name, sizeof(name)))
		return false;
	struct file *f = open_file(p, name);
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

bool core_dump(struct process *p, const struct signal_info *info)
{
	struct core_dump d = {.leader = thread_current(), .info = *info, .limit = process_rlimit(RLIMIT_CORE)};

	list_init(&d.threads);
	if (!p->dumpable || d.limit < PAGE_SIZE || p->space == nullptr || !begin(p, &d))
		return false;
	/* The others wait for what is on this stack: a fault must not lead past the end of it. */
	bool dumped = guard_run(&component_process, make_dump(p, &d)) == true;
	spin_lock(&p->signal_lock);
	if (dumped && !p->group_exit)
		p->dump_signal |= STATUS_DUMPED;
	spin_unlock(&p->signal_lock);
	finish(p, &d);
	return dumped;
}
