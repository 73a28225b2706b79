/* SPDX-License-Identifier: MIT */
/* What opening a device node, fifo or socket does, whatever filesystem it is on: the operations come from elsewhere. */
#include "internal.h"

static int (*open_block)(struct file *f); /* the block floor's; set once, at boot */

void special_set_block_open(int (*open)(struct file *f))
{
	open_block = open;
}

static int (*open_fifo)(struct file *f); /* pipe_open.c's */

void special_set_fifo_open(int (*open)(struct file *f))
{
	open_fifo = open;
}

static int special_open(struct file *f)
{
	if (S_ISCHR(f->inode->mode))
		return chrdev_open(f);
	if (S_ISBLK(f->inode->mode) && open_block != nullptr)
		return open_block(f);
	if (S_ISFIFO(f->inode->mode))
		return open_fifo(f);
	return -ENXIO;
}

const struct file_ops special_ops = {.component = &component_vfs, .open = special_open};

const struct file_ops *inode_special_ops(uint32_t mode)
{
	if (S_ISFIFO(mode) || S_ISCHR(mode) || S_ISBLK(mode) || S_ISSOCK(mode))
		return &special_ops;
	return nullptr;
}
