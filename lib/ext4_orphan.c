/* SPDX-License-Identifier: MIT */
/*
 * Orphans (lib/ext4_write.h; "Orphan list"): inodes without a name that somebody has, and files that are being cut.
 * The superblock names the first; each names the next in its time of deletion.
 */
#include <abi/errno.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

int ext4_orphan_add(struct ext4_fs *fs, struct ext4_inode *i)
{
	int error = ext4_put_deletion(fs, i->number, fs->writer->last_orphan);

	fs->writer->last_orphan = i->number;
	i->orphan = true;
	return error != 0 ? error : ext4_put_inode(fs, i, false);
}

/* Who names `number` names `next`. */
static int skip(struct ext4_fs *fs, struct ext4_inode *o, uint32_t number, uint32_t next)
{
	uint32_t from = fs->writer->last_orphan;

	for (uint32_t n = 0; from != 0 && n < fs->inodes; n++) {
		int error = ext4_read_orphan(fs, from, o);
		if (error != 0)
			return error;
		if (o->dtime == number)
			return ext4_put_deletion(fs, from, next);
		from = (uint32_t)o->dtime;
	}
	return -EUCLEAN;
}

int ext4_orphan_remove(struct ext4_fs *fs, struct ext4_inode *i)
{
	struct ext4_inode *o = fs->io.alloc(sizeof(*o));

	if (o == nullptr)
		return -ENOMEM;
	int error = ext4_read_orphan(fs, i->number, o);
	uint32_t next = error == 0 ? (uint32_t)o->dtime : 0;
	if (error == 0 && fs->writer->last_orphan == i->number)
		fs->writer->last_orphan = next;
	else if (error == 0)
		error = skip(fs, o, i->number, next);
	fs->io.free(o);
	i->orphan = false;
	return error != 0 ? error : ext4_put_deletion(fs, i->number, 0);
}

bool ext4_has_orphans(const struct ext4_fs *fs)
{
	return fs->writer->last_orphan != 0;
}

int ext4_orphans(struct ext4_fs *fs, uint32_t now_s, uint32_t *deleted)
{
	struct ext4_inode *i = fs->io.alloc(sizeof(*i));
	int error = i != nullptr ? 0 : -ENOMEM;

	*deleted = 0;
	for (uint32_t n = 0; error == 0 && fs->writer->last_orphan != 0; n++) {
		uint32_t number = fs->writer->last_orphan;

		/* What is the filesystem's own is nobody's to delete: blocks of its journal would be given away. */
		if (n >= fs->inodes || number < fs->first_inode || number == fs->journal_inode)
			error = -EUCLEAN;
		else
			error = ext4_read_orphan(fs, number, i);
		if (error != 0)
			break;
		i->orphan = true;
		*deleted += i->links == 0;
		/* One with a name was being cut. */
		error = i->links == 0 ? ext4_delete(fs, i, now_s) : ext4_cut(fs, i, i->size);
	}
	fs->io.free(i);
	return error;
}
