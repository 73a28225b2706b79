/* SPDX-License-Identifier: MIT */
/*
 * Changes an ext4 (lib/ext4.h). An operation is a function of this header: it happens as a whole, or not at all, and
 * then the inodes that it was given are what they were. Operations gather in a transaction, in memory, until
 * ext4_commit, which they call themselves where there is no room for one more. What was committed is there after a
 * power cut; what was not has never been.
 *
 * A commit ("Journal (jbd2)", mode `ordered`): the files' own bytes and what the last transaction wrote are flushed;
 * the log's superblock, which names this transaction as the first to be recovered, descriptors and blocks are written
 * and flushed; the commit block is written and flushed; and then the blocks go where they belong. So the log has never
 * more than one transaction that is needed, and nothing has to be revoked: a block that was freed is used anew only
 * after the commit, when no transaction that is needed has it.
 *
 * An error of the disk in a commit ends all changes (-EROFS afterwards); the journal is recovered by the next mount.
 *
 * Who calls holds the caller's lock, as for lib/ext4.h. Errors of all: those of reading; -ENOSPC; -ENOMEM; -EROFS:
 * nothing may be changed, or not any more.
 */
#ifndef LIB_EXT4_WRITE_H
#define LIB_EXT4_WRITE_H

#include <lib/ext4.h>

/* Of ext4_open and ext4_recover; marks it as one that has to be recovered. -EINVAL: it has what is not written
 * (fs->trouble). now_s: seconds since 1970. */
[[nodiscard]] int ext4_write_open(struct ext4_fs *fs, uint32_t now_s);
/* Commits, and marks it as clean, unless it was ended. It is read only then; fs->writer is gone whatever comes of it.
 */
[[nodiscard]] int ext4_write_close(struct ext4_fs *fs);
/* All that was changed is kept by the disk when it returns. */
[[nodiscard]] int ext4_commit(struct ext4_fs *fs);
/* Whether there is something to commit. */
bool ext4_is_changed(const struct ext4_fs *fs);
/* Nothing is changed from now on, and nothing committed; `error` is why. */
void ext4_abort(struct ext4_fs *fs, int error);
/* Why; 0: it was not. */
int ext4_aborted(const struct ext4_fs *fs);
/* Deletes what had no name when the power went, and cuts what was being cut. now_s: as above; how many. */
[[nodiscard]] int ext4_orphans(struct ext4_fs *fs, uint32_t now_s, uint32_t *deleted);
/* Whether something has no name, or is being cut. */
bool ext4_has_orphans(const struct ext4_fs *fs);
/* What is free now, the blocks of which files may not have all among them. */
struct ext4_free {
	uint64_t blocks;
	uint32_t inodes;
};
struct ext4_free ext4_free_now(const struct ext4_fs *fs);
/* Whether operations from now on may take blocks that are reserved for the administrator. */
void ext4_use_reserved(struct ext4_fs *fs, bool use);

/* --- files --- */
/* Writes the inode's attributes: mode, owner, size, times, flags. */
[[nodiscard]] int ext4_keep_inode(struct ext4_fs *fs, struct ext4_inode *i);
/* Blocks from `logical` on have a place, where those that are new are read as zeros. */
[[nodiscard]] int ext4_allocate(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint32_t count);
/* The same blocks are about to get bytes: they are data, and the file is at least `size` bytes long. The next commit
 * must not come before the bytes are on their way (ext4_io.drain). */
[[nodiscard]] int ext4_written(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint32_t count,
			       uint64_t size);
/* Gives up the blocks from `logical` up to `end`, in as many operations as it takes. */
[[nodiscard]] int ext4_punch(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint64_t end);
/* The file is `size` bytes long, and has no blocks beyond; if the power goes in the middle, the mount goes on. */
[[nodiscard]] int ext4_cut(struct ext4_fs *fs, struct ext4_inode *i, uint64_t size);
/* Whether its blocks can be changed: not those of ext2's maps. */
bool ext4_can_write(const struct ext4_inode *i);

/* --- names --- */
struct ext4_new {
	uint16_t mode; /* with the type */
	uint32_t uid, gid, rdev_major, rdev_minor, generation;
	int64_t now_ns;
	const char *target; /* of a symbolic link: shorter than a block */
};
/* name nullptr: it has none, and is an orphan. */
[[nodiscard]] int ext4_make(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length,
			    const struct ext4_new *what, struct ext4_inode *out);
/* -EMLINK. One that has no name yet is no orphan any more. */
[[nodiscard]] int ext4_link(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length,
			    struct ext4_inode *i);
/* With its last name it becomes an orphan; so does a directory. -ENOTEMPTY. */
[[nodiscard]] int ext4_unlink(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length,
			      struct ext4_inode *i);
/* An orphan that nobody has any more: its blocks and its inode are free. now_s: when, by which e2fsck tells it from
 * orphans. */
[[nodiscard]] int ext4_delete(struct ext4_fs *fs, struct ext4_inode *i, uint32_t now_s);
struct ext4_renaming {
	struct ext4_inode *old_dir, *i, *new_dir, *replaced; /* replaced: nullptr if nothing has the new name */
	const char *old_name, *new_name;
	size_t old_length, new_length;
	bool exchange; /* the two change places */
};
[[nodiscard]] int ext4_rename(struct ext4_fs *fs, const struct ext4_renaming *r);

#endif
