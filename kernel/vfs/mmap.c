/* SPDX-License-Identifier: MIT */
/*
 * System call mmap (POSIX.1-2017, mmap(2)): what a descriptor allows; the rest is kernel/vm/mmap.c's. Shared memory
 * without a descriptor is an unnamed file in memory, so fork shares it like any file.
 */
#include "internal.h"

#include <kernel/base/syscall.h>
#include <kernel/mem/page.h>
#include <kernel/thread/guard.h>
#include <kernel/vm/vm.h>

/* Checks that the file can be mapped like this; says whether it may be written. */
static long check_file(struct file *file, struct map_request *r)
{
	bool shared = map_request_is_shared(r);

	if (shared && (r->prot & PROT_WRITE) && !(file->mode & FILE_WRITE))
		return -EACCES;
	if (!(file->mode & FILE_READ))
		return -EACCES;
	if ((r->area_flags & AREA_NO_EXEC) && (r->prot & PROT_EXEC))
		return -EPERM;
	if (file->object.ops == nullptr)
		return -ENODEV;
	if (r->map_flags & MAP_GROWSDOWN)
		return -EINVAL;
	bool sealed = shared && file->inode != nullptr && (file->inode->seals & F_SEALS_WRITE);
	if (sealed && (r->prot & PROT_WRITE))
		return -EPERM;
	if (shared && (file->mode & FILE_WRITE) && file->ops->map_shared != nullptr) {
		long error = guard_run(file->ops->component, file->ops->map_shared(file));
		if (error != 0)
			return error;
	}
	if (!shared || ((file->mode & FILE_WRITE) && !sealed))
		r->area_flags |= AREA_MAY_WRITE;
	return 0;
}

static long map_file(struct file *file, struct map_request *r)
{
	struct inode *i = map_request_is_shared(r) && (r->area_flags & AREA_MAY_WRITE) ? file->inode : nullptr;

	if (i != nullptr && !inode_writable_get(i))
		return -EPERM; /* sealed since the check */
	r->object = &file->object;
	long at = vm_mmap(r);
	if (i != nullptr)
		inode_writable_put(i);
	return at;
}

static long map_shared_memory(struct map_request *r)
{
	struct file *file;

	int error = file_create_memory("zero", r->length, &file);
	if (error != 0)
		return error;
	vm_promise(&file->object, r);
	r->object = &file->object;
	long at = vm_mmap(r);
	file_put(file);
	return at;
}

/* A descriptor is looked at before the rest. */
static long sys_mmap(unsigned long address, unsigned long length, unsigned long prot, unsigned long flags, int fd,
		     unsigned long offset)
{
	struct map_request r = {
		.address = address,
		.length = align_up(length, PAGE_SIZE),
		.prot = prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
		.map_flags = (uint32_t)flags,
	};
	struct file_ref ref;

	if (offset & (PAGE_SIZE - 1))
		return -EINVAL;
	if (flags & MAP_ANONYMOUS) {
		r.area_flags = AREA_MAY_WRITE;
		long error = vm_mmap_check(&r, length, offset, prot, flags, false);
		if (error != 0)
			return error;
		return map_request_is_shared(&r) ? map_shared_memory(&r) : vm_mmap(&r);
	}
	int error = file_ref_get(fd, &ref);
	if (error != 0)
		return error;
	struct file *f = ref.file;
	if (f->path.mount != nullptr && (f->path.mount->flags & MS_NOEXEC))
		r.area_flags = AREA_NO_EXEC;
	r.page_offset = offset >> PAGE_SHIFT;
	long at = vm_mmap_check(&r, length, offset, prot, flags, f->inode != nullptr && S_ISREG(f->inode->mode));
	if (at == 0)
		at = check_file(f, &r);
	if (at == 0)
		at = map_file(ref.file, &r);
	file_ref_put(ref);
	return at;
}
SYSCALL(mmap);
