/* SPDX-License-Identifier: MIT */
/*
 * Text files of procfs. A read at position 0 makes the text anew; later reads continue in the same text, so that what a
 * program reads in pieces fits together. The text is shared by reference: no lock is held while it is made or copied.
 * The functions of a registered file, and those of an entry of a process, run under the guard of the component whose
 * data they show: their faults are its, not procfs's.
 */
#include "procfs.h"

#include <abi/errno.h>
#include <abi/poll.h>
#include <kernel/base/fail.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

enum : size_t { WRITE_MAX = 4096 };

struct snapshot {
	uint32_t refs;
	struct text_buffer text;
};
struct open_text {
	uint64_t changes_seen; /* of the mount table */
	struct mutex lock;
	struct snapshot *current; /* under lock */
	uint64_t space_serial;	  /* whose memory is shown; see proc_space_open */
};

static void snapshot_put(struct snapshot *s)
{
	if (s == nullptr || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	text_free(&s->text);
	kfree(s);
}

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

static int show_node(struct text_buffer *b, const struct proc_file *file)
{
	if (file->knob != nullptr)
		return (int)guard_run(file->component, proc_knob_show(b, file->knob));
	return file->show != nullptr ? (int)guard_run(file->component, file->show(b, file->arg)) : -EINVAL;
}

static int show(struct text_buffer *b, struct inode *i, uint64_t serial)
{
	const struct proc_inode *p = proc_inode_of(i);

	switch (p->kind) {
	case PROC_NODE: return show_node(b, p->node->file);
	case PROC_ENTRY: return p->entry->show != nullptr ? show_entry(b, p, serial) : -EINVAL;
	case PROC_FDINFO_FILE: return fdinfo_show(b, i);
	default: return -EINVAL;
	}
}

/* A new text with one reference. */
static int make_snapshot(const struct file *f, struct snapshot **out)
{
	const struct open_text *o = f->private_data;
	struct snapshot *s = kmalloc(sizeof(*s));

	if (s == nullptr)
		return -ENOMEM;
	s->refs = 1;
	int error = show(&s->text, f->inode, o->space_serial);
	if (error == 0 && s->text.failed)
		error = -ENOMEM;
	if (error != 0) {
		snapshot_put(s);
		return error;
	}
	*out = s;
	return 0;
}

/* Takes over the reference to s; gives one on what is current. */
static struct snapshot *snapshot_exchange(struct open_text *o, struct snapshot *s)
{
	struct snapshot *old = nullptr;

	mutex_lock(&o->lock);
	if (s != nullptr) {
		old = o->current;
		o->current = s;
	}
	struct snapshot *now = o->current;
	if (now != nullptr)
		__atomic_fetch_add(&now->refs, 1, __ATOMIC_RELAXED);
	mutex_unlock(&o->lock);
	snapshot_put(old);
	return now;
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
	mutex_init(&o->lock, RANK_FS);
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

	snapshot_put(o->current);
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
	struct snapshot *s = nullptr;
	size_t done = 0;

	if (*pos == 0) {
		int error = make_snapshot(f, &s);
		if (error != 0)
			return error;
	}
	s = snapshot_exchange(f->private_data, s);
	if (s == nullptr) {
		/* pread in the middle of a file nobody has begun to read */
		int error = make_snapshot(f, &s);
		if (error != 0)
			return error;
	}
	bool fault = false;
	if (*pos < s->text.length) {
		n = MIN(n, s->text.length - *pos);
		done = io_copy_out(buf, 0, s->text.data + *pos, n);
		fault = done == 0 && n > 0;
		*pos += done;
	}
	snapshot_put(s);
	return fault ? -EFAULT : (long)done;
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

static long write_node(const struct proc_file *file, const char *text, size_t n)
{
	if (file->knob != nullptr)
		return guard_run(file->component, proc_knob_write(text, n, file->knob));
	return file->write != nullptr ? guard_run(file->component, file->write(text, n, file->arg)) : -EINVAL;
}

static long write_text(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	const struct proc_inode *p = proc_inode_of(f->inode);
	long result = -EINVAL;

	if (n > WRITE_MAX)
		return -EINVAL;
	char *text = kmalloc(n + 1);
	if (text == nullptr)
		return -ENOMEM;
	if (io_copy_in(text, buf, 0, n) != n)
		result = -EFAULT;
	else if (p->kind == PROC_NODE)
		result = write_node(p->node->file, text, n);
	else if (p->kind == PROC_ENTRY)
		result = write_entry(p, text, n);
	kfree(text);
	if (result > 0)
		*pos += (uint64_t)result;
	return result;
}

static long text_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	if (!never_fails(f))
		return write_text(f, buf, n, pos);
	bool paused = fail_pause();
	long result = write_text(f, buf, n, pos);
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
