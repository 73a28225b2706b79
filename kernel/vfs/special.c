/* SPDX-License-Identifier: MIT */
/* What opening a device node or socket does, whatever filesystem it is on: the operations come from elsewhere. */
#include "internal.h"

static int special_open(struct file *f)
{
	if (S_ISCHR(f->inode->mode))
		return chrdev_open(f);
	return -ENXIO;
}

const struct file_ops special_ops = {.component = &component_vfs, .open = special_open};

const struct file_ops *inode_special_ops(uint32_t mode)
{
	if (S_ISFIFO(mode))
		return &fifo_ops;
	if (S_ISCHR(mode) || S_ISBLK(mode) || S_ISSOCK(mode))
		return &special_ops;
	return nullptr;
}
