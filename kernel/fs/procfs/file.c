/* SPDX-License-Identifier: MIT */
/*
 * Text files of processes. Each makes its text when it is read (kernel/file/text_file.h). The functions of an entry run
 * under the guard of the component whose data they show: their faults are its, not procfs's.
 */
#include "procfs.h"

#include <abi/errno.h>
#include <abi/poll.h>
#include <kernel/base/fail.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

struct open_text {
	struct text_file text;
	uint64_t changes_seen; /* of the mount table */
	uint64_t space_serial; /* whose memory is shown; see proc_space_open */
};

/* Shows the memory that was there when the file was opened; of a program executed since, or of a process that ended,
 * nothing. */
static int show_space(struct text_buffer *b, const struct proc_inode *p, struct process *process, uint64_t serial)
{
	struct vm_space *space = proc_space_get(process, serial);

	if (space == nullptr)
		return 0;
	vm_space_put(space);
	int error = (int)guard_run(p->entry->component, p->entry->show(b, process, p->tid));
	/* A space that is the process's again has been it all the time. */
	space = proc_space_get(process, serial);
	if (space == nullptr)
		b->length = 0;
	else
		vm_space_put(space);
	return error;
}

static int show_entry(struct text_buffer *b, const struct proc_inode *p, uint64_t serial)
{
	struct process *process = proc_inode_process(p);

	if (process == nullptr)
		return -ESRCH;
	bool guarded = p->entry->inspect;
	int error = -EACCES;
	if (p->entry->space)
		error = show_space(b, p, process, serial);
	else if (!guarded || process_may_inspect(process))
		error = (int)guard_run(p->entry->component, p->entry->show(b, process, p->tid));
	/* A set-id program may have been executed in between: what was read is then not shown. */
	if (error >= 0 && guarded && !process_may_inspect(process))
		error = -EACCES;
	process_put(process);
	return error;
}

static int show(struct text_buffer *b, struct file *f)
{
	const struct proc_inode *p = proc_inode_of(f->inode);
	const struct open_text *o = f->private_data;

	if (p->kind == PROC_FDINFO_FILE)
		return fdinfo_show(b, f->inode);
	return p->entry->show != nullptr ? show_entry(b, p, o->space_serial) : -EINVAL;
}

/* What is asked once, beyond the file's mode. */
static int check_open(const struct proc_inode *p, uint64_t *serial)
{
	if (p->kind == PROC_ENTRY && p->entry->space)
		return proc_space_open(p, serial);
	if (p->kind != PROC_FDINFO_FILE)
		return 0;
	struct process *process = proc_inode_process(p);
	if (process == nullptr)
		return -ENOENT;
	int error = process_may_inspect(process) ? 0 : -EACCES;
	process_put(process);
	return error;
}

static int text_open(struct file *f)
{
	struct open_text *o = kmalloc(sizeof(*o));

	if (o == nullptr)
		return -ENOMEM;
	o->changes_seen = mount_changes();
	text_file_init(&o->text);
	int error = check_open(proc_inode_of(f->inode), &o->space_serial);
	if (error != 0)
		kfree(o);
	else
		f->private_data = o;
	return error;
}

static void text_release(struct file *f)
{
	struct open_text *o = f->private_data;

	text_file_end(&o->text);
	kfree(o);
}

/* The file that orders failures must not fail by them. */
static bool never_fails(const struct file *f)
{
	const struct proc_inode *p = proc_inode_of(f->inode);

	return p->kind == PROC_ENTRY && p->entry->never_fails;
}

static long read_text(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	struct open_text *o = f->private_data;

	return text_file_read(&o->text, show, f, buf, n, pos);
}

static long text_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	if (!never_fails(f))
		return read_text(f, buf, n, pos);
	bool paused = fail_pause();
	long result = read_text(f, buf, n, pos);
	fail_resume(paused);
	return result;
}

static long write_entry(const struct proc_inode *p, const char *text, size_t n)
{
	struct process *process = proc_inode_process(p);

	if (process == nullptr)
		return -ESRCH;
	long result = -EINVAL;
	if (p->entry->write != nullptr)
		result = guard_run(p->entry->component, p->entry->write(process, text, n));
	process_put(process);
	return result;
}

static long take(const char *text, size_t n, struct file *f)
{
	const struct proc_inode *p = proc_inode_of(f->inode);

	return p->kind == PROC_ENTRY ? write_entry(p, text, n) : -EINVAL;
}

static long text_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	if (!never_fails(f))
		return text_file_write(take, f, buf, n, pos);
	bool paused = fail_pause();
	long result = text_file_write(take, f, buf, n, pos);
	fail_resume(paused);
	return result;
}

const struct file_ops proc_text_ops = {
	.component = &component_procfs,
	.open = text_open,
	.release = text_release,
	.read = text_read,
	.write = text_write,
	.seek = file_seek_generic,
};

/* Always readable; that mounts have changed since the last look is an exceptional condition (proc(5)). */
static uint32_t mounts_poll(struct file *f, struct poll_table *table)
{
	struct open_text *o = f->private_data;

	poll_watch(table, &mount_changed);
	uint64_t now = mount_changes();
	uint64_t seen = __atomic_exchange_n(&o->changes_seen, now, __ATOMIC_RELAXED);
	return POLLIN | POLLRDNORM | (seen != now ? POLLERR | POLLPRI : 0);
}

const struct file_ops proc_mounts_ops = {
	.component = &component_procfs,
	.open = text_open,
	.release = text_release,
	.read = text_read,
	.write = text_write,
	.seek = file_seek_generic,
	.poll = mounts_poll,
};
