/* SPDX-License-Identifier: MIT */
/* Open files as what areas of address spaces show (kernel/vm/object.h). */
#include "internal.h"

#include <kernel/mem/page.h>
#include <kernel/thread/guard.h>

static struct file *owner(struct vm_object *o)
{
	return container_of(o, struct file, object);
}

uint64_t file_object_pages(const struct vm_object *o)
{
	const struct inode *i = container_of(o, const struct file, object)->inode;

	if (i == nullptr || (!S_ISREG(i->mode) && !S_ISBLK(i->mode)))
		return UINT64_MAX;
	return (__atomic_load_n(&i->size, __ATOMIC_ACQUIRE) + PAGE_SIZE - 1) / PAGE_SIZE;
}

bool file_object_writer_get(struct vm_object *o)
{
	struct inode *i = owner(o)->inode;

	return i == nullptr || inode_writable_get(i);
}

void file_object_writer_put(struct vm_object *o)
{
	struct inode *i = owner(o)->inode;

	if (i != nullptr)
		inode_writable_put(i);
}

long file_object_sync(struct vm_object *o, uint64_t first, uint64_t last)
{
	struct file *f = owner(o);

	return f->ops->fsync != nullptr ? guard_run(f->ops->component, f->ops->fsync(f, first, last, true)) : 0;
}

void file_object_release(struct vm_object *o)
{
	file_release(owner(o));
}

struct file *file_of_object(struct vm_object *o)
{
	return o != nullptr && o->ops->release == file_object_release ? owner(o) : nullptr;
}
