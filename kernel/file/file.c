/* SPDX-License-Identifier: MIT */
/*
 * Open file descriptions: creation and the last put. What a file has of an inode or a name is the business of the floor
 * above, which is asked through hooks.
 *
 * A file's reference count is atomic. The last put may sleep and takes locks from RANK_PAGE_CACHE on, so it must not
 * run under a filesystem's or a directory's lock.
 */
#include "internal.h"

#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/file/async.h>
#include <kernel/thread/guard.h>
#include <kernel/vm/vm.h>

DEFINE_COMPONENT(
	vfs, .stage = STAGE_FS,
	.users = "a call that faulted in it is EFAULT or ends its process; what is written back waits a pause longer");

static const struct file_hooks *hooks;

void file_set_hooks(const struct file_hooks *h)
{
	hooks = h;
}

int32_t file_total;
int32_t file_ceiling = INT32_MAX;

static void file_free(struct file *f)
{
	kfree(f);
	__atomic_fetch_sub(&file_total, 1, __ATOMIC_RELAXED);
}

int file_new(uint32_t flags, struct file **out)
{
	if (__atomic_add_fetch(&file_total, 1, __ATOMIC_RELAXED) > __atomic_load_n(&file_ceiling, __ATOMIC_RELAXED) &&
	    !capable(CAP_SYS_ADMIN)) {
		__atomic_fetch_sub(&file_total, 1, __ATOMIC_RELAXED);
		return -ENFILE;
	}
	struct file *f = kmalloc(sizeof(*f));
	if (f == nullptr) {
		__atomic_fetch_sub(&file_total, 1, __ATOMIC_RELAXED);
		return -ENOMEM;
	}
	f->object.refs = 1;
	f->flags = flags;
	if (flags & O_PATH)
		f->mode = FILE_PATH;
	else
		f->mode = ((flags & O_ACCMODE) != O_WRONLY ? FILE_READ : 0) |
			  ((flags & O_ACCMODE) != O_RDONLY ? FILE_WRITE : 0);
	mutex_init(&f->position_lock, RANK_FILE);
	list_init(&f->watches);
	*out = f;
	return 0;
}

int file_create(const struct file_ops *ops, void *private_data, uint32_t flags, const char *label, struct file **out)
{
	KASSERT(ops->component != nullptr);
	struct file *f;
	int error = file_new(flags, &f);
	if (error != 0)
		return error;
	f->ops = ops;
	f->private_data = private_data;
	f->label = label;
	f->object.ops = ops->object;
	f->object.unnamed = label != nullptr;
	*out = f;
	return 0;
}

long file_seek_nowhere(struct file *, int64_t, int)
{
	return 0;
}

void file_get(struct file *f)
{
	vm_object_get(&f->object);
}

void file_note_closed(struct file *f, const struct file_table *t)
{
	if (f->inode != nullptr)
		hooks->closed(f, t);
	if (f->ops->closed != nullptr)
		(void)guard_run_void(f->ops->component, f->ops->closed(f));
}

void file_release(struct file *f)
{
	if (!list_empty(&f->watches))
		f->unwatch(f);
	async_forget(f);
	if (f->locked)
		hooks->unlock(f);
	if (f->ops->release != nullptr)
		(void)guard_run_void(f->ops->component, f->ops->release(f));
	if (f->inode != nullptr || f->path.dentry != nullptr)
		hooks->forget(f);
	if (f->object.promised != 0)
		vm_promise_release(&f->object);
	file_free(f);
}

void file_put(struct file *f)
{
	if (f != nullptr && __atomic_fetch_sub(&f->object.refs, 1, __ATOMIC_ACQ_REL) == 1)
		file_release(f);
}
