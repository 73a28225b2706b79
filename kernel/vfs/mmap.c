/* SPDX-License-Identifier: MIT */
/*
 * System call mmap (POSIX.1-2017, mmap(2)): what a descriptor allows; the rest is kernel/vm/mmap.c's. Shared memory
 * without a descriptor is an unnamed file in memory, so fork shares it like any file.
 */
#include "internal.h"

#include <kernel/base/syscall.h>
#include <kernel/mem/page.h>
#include <kernel/vm/vm.h>

/* Checks that the file can be mapped like this; says whether it may be written. */
static long check_file(const struct file *file, struct vm_mmap *m)
{
	bool shared = vm_mmap_is_shared(m);

	if (shared && (m->prot & PROT_WRITE) && !(file->mode & FILE_WRITE))
		return -EACCES;
	if (!(file->mode & FILE_READ))
		return -EACCES;
	if (m->no_exec && (m->prot & PROT_EXEC))
		return -EPERM;
	if (file->object.ops == nullptr)
		return -ENODEV;
	if (m->flags & MAP_GROWSDOWN)
		return -EINVAL;
	bool sealed = shared && file->inode != nullptr && (file->inode->seals & F_SEALS_WRITE);
	if (sealed && (m->prot & PROT_WRITE))
		return -EPERM;
	m->may_write = !shared || ((file->mode & FILE_WRITE) && !sealed);
	return 0;
}

static long map_file(struct file *file, struct vm_mmap *m)
{
	m->object = &file->object;
	m->is_file = file->inode != nullptr && S_ISREG(file->inode->mode);
	m->no_exec = file->path.mount != nullptr && (file->path.mount->flags & MS_NOEXEC);
	long at = vm_mmap_check(m);
	if (at == 0)
		at = check_file(file, m);
	if (at != 0)
		return at;
	struct inode *i = vm_mmap_is_shared(m) && m->may_write ? file->inode : nullptr;
	if (i != nullptr && !inode_writable_get(i))
		return -EPERM; /* sealed since the check */
	at = vm_mmap(m);
	if (i != nullptr)
		inode_writable_put(i);
	return at;
}

static long map_anonymous(struct vm_mmap *m)
{
	struct file *file;

	long at = vm_mmap_check(m);
	if (at != 0)
		return at;
	m->may_write = true;
	if (!vm_mmap_is_shared(m))
		return vm_mmap(m);
	int error = file_create_memory("zero", align_up(m->length, PAGE_SIZE), &file);
	if (error != 0)
		return error;
	m->object = &file->object;
	at = vm_mmap(m);
	file_put(file);
	return at;
}

/* A descriptor is looked at before the rest. */
static long sys_mmap(unsigned long address, unsigned long length, unsigned long prot, unsigned long flags, int fd,
		     unsigned long offset)
{
	struct vm_mmap m = {.address = address, .length = length, .prot = prot, .flags = flags, .offset = offset};
	struct file_ref file;

	if (offset & (PAGE_SIZE - 1))
		return -EINVAL;
	if (flags & MAP_ANONYMOUS)
		return map_anonymous(&m);
	int error = file_ref_get(fd, &file);
	if (error != 0)
		return error;
	long at = map_file(file.file, &m);
	file_ref_put(file);
	return at;
}
SYSCALL(mmap);
