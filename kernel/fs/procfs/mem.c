/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/mem: a process's memory at its addresses (proc(5)). Who may look into the process may open it; from then on
 * the file is about the memory that the process had, and ends when that is gone. What the process itself may not write
 * cannot be written here.
 */
#include "procfs.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/mem/slab.h>
#include <kernel/process/signal.h>
#include <nucleus/layout.h>

struct open_mem {
	uint64_t serial;
};

static int mem_open(struct file *f)
{
	struct open_mem *m = kmalloc(sizeof(*m));

	if (m == nullptr)
		return -ENOMEM;
	int error = proc_space_open(proc_inode_of(f->inode), &m->serial);
	if (error != 0)
		kfree(m);
	else
		f->private_data = m;
	return error;
}

static void mem_release(struct file *f)
{
	kfree(f->private_data);
}

static struct vm_space *space_of(const struct file *f)
{
	const struct open_mem *m = f->private_data;
	struct process *p = proc_inode_process(proc_inode_of(f->inode));

	if (p == nullptr)
		return nullptr;
	struct vm_space *space = proc_space_get(p, m->serial);
	process_put(p);
	return space;
}

/* One page at most: bytes done, 0 where nothing is mapped, or an error. */
static long move_piece(struct vm_space *space, char *piece, struct io_buffer *buf, size_t done, size_t n, uint64_t at,
		       bool write)
{
	if (write && io_copy_in(piece, buf, done, n) != n)
		return -EFAULT;
	size_t moved = write ? vm_write_partial(space, at, piece, n) : vm_read_partial(space, at, piece, n);
	if (!write && moved > 0 && io_copy_out(buf, done, piece, moved) != moved)
		return -EFAULT;
	return (long)moved;
}

static long transfer(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos, bool write)
{
	struct vm_space *space = space_of(f);
	size_t done = 0;
	long moved = 1;

	if (space == nullptr)
		return 0;
	char *piece = kmalloc(PAGE_SIZE);
	if (piece == nullptr) {
		vm_space_put(space);
		return -ENOMEM;
	}
	while (done < n && moved > 0 && !(done > 0 && signal_fatal_current())) {
		uint64_t at = *pos + done;
		size_t part = MIN(n - done, (size_t)(PAGE_SIZE - at % PAGE_SIZE));

		moved = at < USER_END ? move_piece(space, piece, buf, done, part, at, write) : 0;
		if (moved > 0)
			done += (size_t)moved;
	}
	kfree(piece);
	vm_space_put(space);
	if (done == 0 && n > 0)
		return moved < 0 ? moved : -EIO;
	*pos += done;
	return (long)done;
}

static long mem_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	return transfer(f, buf, n, pos, false);
}

static long mem_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	return transfer(f, buf, n, pos, true);
}

const struct file_ops proc_mem_ops = {
	.component = &component_procfs,
	.open = mem_open,
	.release = mem_release,
	.read = mem_read,
	.write = mem_write,
	.seek = file_seek_generic,
};
