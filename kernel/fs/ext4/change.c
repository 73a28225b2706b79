/* SPDX-License-Identifier: MIT */
/* Directories of ext4 are changed. The VFS holds the locks of the directories and of what they name. */
#include "ext4.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/random.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

static struct ext4_inode *disk_of(struct inode *i)
{
	/* What is written of it is what the VFS has. */
	(void)ext4_take_attributes(i);
	return &node_of(i)->disk;
}

/* What was made and cannot be known is not there. */
static void take_back(struct ext4_mount *m, struct ext4_inode *dir, const struct name *n, struct ext4_inode *d)
	REQUIRES(&m -> lock)
{
	int error = n != nullptr ? ext4_unlink(&m->fs, dir, n->text, n->length, d) : 0;

	if (error == 0)
		(void)ext4_delete(&m->fs, d, ext4_now_s());
}

static int make(struct inode *dir, const struct name *n, const struct make_request *r, struct inode **out)
{
	struct ext4_mount *m = mount_of(dir->sb);
	struct ext4_inode *d = kmalloc(sizeof(*d));
	struct ext4_new what = {.mode = (uint16_t)r->mode,
				.uid = r->uid,
				.gid = r->gid,
				.rdev_major = dev_major(r->rdev),
				.rdev_minor = dev_minor(r->rdev),
				.now_ns = clock_realtime_ns(),
				.target = r->target};

	if (d == nullptr)
		return -ENOMEM;
	random_bytes(&what.generation, sizeof(what.generation));
	ext4_enter(m);
	struct ext4_inode *parent = disk_of(dir);
	int error = ext4_make(&m->fs, parent, n != nullptr ? n->text : nullptr, n != nullptr ? n->length : 0, &what, d);
	if (error == 0) {
		*out = ext4_inode_make(dir->sb, d);
		if (*out == nullptr) {
			take_back(m, parent, n, d);
			error = -ENOMEM;
		}
	}
	ext4_show_attributes(dir);
	ext4_leave(m);
	kfree(d);
	return ext4_told(m, error, "nothing can be made in it", dir->ino);
}

int ext4_dir_make(struct inode *dir, const struct name *n, const struct make_request *r, struct inode **out)
{
	return make(dir, n, r, out);
}

int ext4_dir_make_unnamed(struct inode *dir, const struct make_request *r, struct inode **out)
{
	return make(dir, nullptr, r, out);
}

int ext4_dir_link(struct inode *dir, const struct name *n, struct inode *i)
{
	struct ext4_mount *m = mount_of(dir->sb);

	ext4_enter(m);
	int error = ext4_link(&m->fs, disk_of(dir), n->text, n->length, disk_of(i));
	ext4_show_attributes(dir);
	ext4_show_attributes(i);
	ext4_leave(m);
	return ext4_told(m, error, "no name can be added", dir->ino);
}

int ext4_dir_unlink(struct inode *dir, const struct name *n, struct inode *i)
{
	struct ext4_mount *m = mount_of(dir->sb);

	ext4_enter(m);
	int error = ext4_unlink(&m->fs, disk_of(dir), n->text, n->length, disk_of(i));
	ext4_show_attributes(dir);
	ext4_show_attributes(i);
	ext4_leave(m);
	return ext4_told(m, error, "no name can be removed", dir->ino);
}

int ext4_dir_rename(struct inode *old_dir, const struct name *old_name, struct inode *i, struct inode *new_dir,
		    const struct name *new_name, struct inode *replaced, bool exchange)
{
	struct ext4_mount *m = mount_of(old_dir->sb);

	ext4_enter(m);
	struct ext4_renaming r = {.old_dir = disk_of(old_dir),
				  .i = disk_of(i),
				  .new_dir = disk_of(new_dir),
				  .replaced = replaced != nullptr ? disk_of(replaced) : nullptr,
				  .old_name = old_name->text,
				  .old_length = old_name->length,
				  .new_name = new_name->text,
				  .new_length = new_name->length,
				  .exchange = exchange};
	int error = ext4_rename(&m->fs, &r);
	ext4_show_attributes(old_dir);
	ext4_show_attributes(new_dir);
	ext4_show_attributes(i);
	if (replaced != nullptr)
		ext4_show_attributes(replaced);
	ext4_leave(m);
	return ext4_told(m, error, "no name can be changed", old_dir->ino);
}
