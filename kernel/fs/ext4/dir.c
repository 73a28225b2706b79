/* SPDX-License-Identifier: MIT */
/* Directories and symbolic links of ext4. The VFS holds the directory's lock, but for readdir, which takes it. */
#include "ext4.h"

#include <abi/errno.h>
#include <kernel/base/fault_point.h>
#include <lib/string.h>

/* A directory has one name, in the one that its `..` names: or there were ways round in a circle, and a walk would wait
 * for a lock that it has. */
static int check_parent(struct ext4_mount *m, struct inode *dir, struct inode *below)
{
	uint32_t up = 0;

	ext4_enter(m);
	int error = ext4_dir_find(&m->fs, &node_of(below)->disk, "..", 2, &up);
	ext4_leave(m);
	return error == -ENOENT || (error == 0 && (up != dir->ino || below == dir)) ? -EUCLEAN : error;
}

static int dir_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	struct ext4_mount *m = mount_of(dir->sb);
	uint32_t number;

	ext4_enter(m);
	int error = ext4_dir_find(&m->fs, &node_of(dir)->disk, n->text, n->length, &number);
	ext4_leave(m);
	if (error != 0)
		return ext4_told(m, error, "the directory cannot be read", dir->ino);
	error = ext4_inode_get(dir->sb, number, out);
	if (error != 0 || !S_ISDIR((*out)->mode))
		return error;
	error = check_parent(m, dir, *out);
	if (error != 0)
		inode_put(*out);
	return ext4_told(m, error, "it is no directory of the one that names it", number);
}

struct listing {
	struct file *file;
	readdir_emit emit;
	void *context;
};

static bool tell(void *context, const struct ext4_entry *e)
{
	static const uint8_t types[8] = {DT_UNKNOWN, DT_REG, DT_DIR, DT_CHR, DT_BLK, DT_FIFO, DT_SOCK, DT_LNK};
	const struct listing *l = context;

	FAULT_POINT(ext4_entry);
	return l->emit(l->context, e->name, e->length, e->inode, types[e->type & 7], e->next);
}

static long dir_readdir(struct file *f, readdir_emit emit, void *context)
{
	struct ext4_mount *m = mount_of(f->inode->sb);
	struct listing l = {f, emit, context};

	mutex_lock(&f->inode->lock);
	ext4_enter(m);
	int error = ext4_dir_list(&m->fs, &node_of(f->inode)->disk, &f->position, tell, &l);
	ext4_leave(m);
	mutex_unlock(&f->inode->lock);
	return ext4_told(m, error, "the directory cannot be read", f->inode->ino);
}

static long link_readlink(struct inode *i, char *out, size_t size)
{
	struct ext4_mount *m = mount_of(i->sb);

	ext4_enter(m);
	long n = ext4_readlink(&m->fs, &node_of(i)->disk, out, size);
	ext4_leave(m);
	return n < 0 ? ext4_told(m, (int)n, "the link cannot be read", i->ino) : n;
}

const struct inode_ops ext4_dir_inode_ops = {.lookup = dir_lookup,
					     .make = ext4_dir_make,
					     .make_unnamed = ext4_dir_make_unnamed,
					     .link = ext4_dir_link,
					     .unlink = ext4_dir_unlink,
					     .rmdir = ext4_dir_unlink,
					     .rename = ext4_dir_rename,
					     .attribute_get = ext4_attribute_get,
					     .attribute_list = ext4_attribute_list};
const struct inode_ops ext4_link_ops = {
	.readlink = link_readlink, .attribute_get = ext4_attribute_get, .attribute_list = ext4_attribute_list};
const struct inode_ops ext4_special_inode_ops = {.attribute_get = ext4_attribute_get,
						 .attribute_list = ext4_attribute_list};
const struct file_ops ext4_dir_ops = {
	.component = &component_ext4, .readdir = dir_readdir, .seek = file_seek_generic, .fsync = ext4_fsync};
