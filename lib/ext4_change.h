/* SPDX-License-Identifier: MIT */
/*
 * What the files of lib/ext4_write.h share: the running transaction and the operation in it.
 *
 *	error = ext4_begin(fs);		commits before, if there is no room for OPERATION_BLOCKS more
 *	ext4_remember(fs, inode);	before an inode in memory changes
 *	ext4_block_change(fs, block);	before a block does
 *	return ext4_end(fs, error);	an error: all is as it was
 *
 * An operation keeps what the blocks were in memory that is taken when writing is opened.
 */
#ifndef LIB_EXT4_CHANGE_H
#define LIB_EXT4_CHANGE_H

#include <lib/ext4_write.h>

constexpr uint32_t OPERATION_BLOCKS = 48, OPERATION_INODES = 5, FREED_MAX = 384, FREED_PER_OPERATION = 64;
/* Blocks of a transaction; what is left of the cache is for reading. */
constexpr uint32_t TRANSACTION_BLOCKS = EXT4_CACHE_BLOCKS - 72;

struct ext4_undo {
	uint32_t slot;
	bool was_changed, fresh; /* fresh: there is nothing to go back to */
	enum ext4_kind verified;
	uint32_t verified_for;
	unsigned char *copy;
};
struct ext4_freed {
	uint64_t first;
	uint64_t count;
};
struct ext4_log {
	struct ext4_inode inode;
	uint32_t first, blocks, head, sequence;
	uint32_t incompat, seed;
	unsigned char *super, *block; /* of the log's superblock; what is being made */
};
struct ext4_writer {
	int aborted;
	bool journal, use_reserved;
	struct ext4_log log;
	uint32_t changed, most;	 /* blocks of the running transaction */
	uint32_t operation_most; /* that an operation may change: OPERATION_BLOCKS, or fewer */
	uint64_t free_blocks;
	uint32_t free_inodes;
	uint32_t last_orphan;
	uint32_t last_group; /* where a directory was put last */
	uint32_t freed_count;
	struct ext4_freed freed[FREED_MAX]; /* by the running transaction: not to be used before its commit */
	/* the operation */
	bool running, full;
	uint32_t undo_count, inode_count, freed_before;
	uint64_t free_blocks_before;
	uint32_t free_inodes_before, last_orphan_before;
	struct ext4_undo undo[OPERATION_BLOCKS];
	struct {
		struct ext4_inode *at;
		unsigned char before[offsetof(struct ext4_inode, extra)];
	} inodes[OPERATION_INODES];
};

/* --- ext4_change.c --- */
[[nodiscard]] int ext4_begin(struct ext4_fs *fs);
int ext4_end(struct ext4_fs *fs, int error); /* `error` */
/* Behind an operation that ended with *error: whether it is worth beginning anew, since what was given up since the
 * last commit is to be had now. *error: of that commit, if there was one. */
bool ext4_try_again(struct ext4_fs *fs, int *error);
void ext4_remember(struct ext4_fs *fs, struct ext4_inode *i);
[[nodiscard]] int ext4_block_change(struct ext4_fs *fs, struct ext4_block *b);
/* A block of zeros in the cache, changed, whatever the disk has there. */
[[nodiscard]] int ext4_block_new(struct ext4_fs *fs, uint64_t number, struct ext4_block **out);
/* Whether the operation has changed so much that it had better end. */
bool ext4_is_long(const struct ext4_fs *fs);
/* The superblock, which is in a block of the cache; ext4_super_sum after a change. */
[[nodiscard]] int ext4_super_get(struct ext4_fs *fs, struct ext4_block **b, unsigned char **super);
void ext4_super_sum(unsigned char *super);
/* Without a transaction: written where it belongs, and flushed. */
[[nodiscard]] int ext4_super_write(struct ext4_fs *fs, struct ext4_block *b);

/* --- ext4_block.c --- */
/* A slot for the block, which is not in the cache, with memory of any content; one user. nullptr: there is none. */
struct ext4_block *ext4_block_slot(struct ext4_fs *fs, uint64_t number);
struct ext4_block *ext4_block_find(struct ext4_fs *fs, uint64_t number); /* one user more; nullptr: it is not there */
void ext4_block_forget(struct ext4_fs *fs, struct ext4_block *b);	 /* which has no user */

/* --- ext4_log.c --- */
[[nodiscard]] int ext4_log_open(struct ext4_fs *fs);
void ext4_log_close(struct ext4_fs *fs);
/* Writes the changed blocks into the log; they are committed when it returns. */
[[nodiscard]] int ext4_log_write(struct ext4_fs *fs);
/* All is in its place: nothing is to be recovered. */
[[nodiscard]] int ext4_log_empty(struct ext4_fs *fs);

/* --- ext4_group.c --- */
bool ext4_group_has_super(const struct ext4_fs *fs, uint32_t group);
uint32_t ext4_group_blocks(const struct ext4_fs *fs, uint32_t number);
[[nodiscard]] int ext4_write_group(struct ext4_fs *fs, uint32_t number, const struct ext4_group *g);
/* The group's bitmap, checked; made, if it never was written (the operation's flag of that is the caller's to clear).
 */
[[nodiscard]] int ext4_bitmap_get(struct ext4_fs *fs, uint32_t number, const struct ext4_group *g, bool inodes,
				  struct ext4_block **out);
void ext4_bitmap_sum(const struct ext4_fs *fs, struct ext4_group *g, const struct ext4_block *b, bool inodes);

/* --- ext4_allocate.c --- */
/* 1 to `want` blocks that follow each other, near `goal`. -ENOSPC. */
[[nodiscard]] int ext4_take_blocks(struct ext4_fs *fs, uint64_t goal, uint32_t want, uint64_t *first, uint32_t *count);
[[nodiscard]] int ext4_free_blocks(struct ext4_fs *fs, uint64_t first, uint64_t count);

/* --- ext4_inode_new.c --- */
[[nodiscard]] int ext4_take_inode(struct ext4_fs *fs, uint32_t parent, bool directory, uint32_t *number);
[[nodiscard]] int ext4_free_inode(struct ext4_fs *fs, uint32_t number, bool directory);
/* The time of deletion on the disk, by which orphans are a list: ext4_put_inode leaves it alone. */
[[nodiscard]] int ext4_put_deletion(struct ext4_fs *fs, uint32_t number, uint32_t dtime);
/* The inode in its place, all of which is zeros before if it is a new one. */
[[nodiscard]] int ext4_put_inode(struct ext4_fs *fs, const struct ext4_inode *i, bool fresh);
uint64_t ext4_goal_of(const struct ext4_fs *fs, const struct ext4_inode *i);

/* --- ext4_extent.c --- */
/* A node below the root, checked. */
[[nodiscard]] int ext4_extent_node(struct ext4_fs *fs, const struct ext4_inode *i, uint64_t place, uint32_t depth,
				   struct ext4_block **out);
[[nodiscard]] int ext4_extent_root(const struct ext4_inode *i, uint32_t *depth);

/* --- ext4_extent_write.c --- */
struct ext4_extent {
	uint32_t logical, count;
	uint64_t physical;
	bool unwritten;
};
void ext4_extent_init(struct ext4_inode *i); /* a tree without extents */
/* Where there is a hole. */
[[nodiscard]] int ext4_extent_add(struct ext4_fs *fs, struct ext4_inode *i, const struct ext4_extent *e);
/* Blocks of one extent that is not written are data from now on. */
[[nodiscard]] int ext4_extent_convert(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint32_t count);
/* Gives up the last extent, or part of one, between the two. 1: there may be more; 0: there was none. */
[[nodiscard]] int ext4_extent_cut(struct ext4_fs *fs, struct ext4_inode *i, uint32_t from, uint64_t end);

/* --- ext4_dir.c --- */
/* The checksum of block 0 of a hashed directory, which is its index's root. -EUCLEAN: it is none. */
[[nodiscard]] int ext4_dir_root_sum(const struct ext4_fs *fs, const struct ext4_inode *dir, unsigned char *d);

/* --- ext4_entry.c --- */
[[nodiscard]] int ext4_entry_add(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length,
				 uint32_t inode, uint16_t mode);
[[nodiscard]] int ext4_entry_remove(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length);
/* It names another inode. */
[[nodiscard]] int ext4_entry_set(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length,
				 uint32_t inode, uint16_t mode);
/* The first block of a new directory. */
[[nodiscard]] int ext4_entries_init(struct ext4_fs *fs, struct ext4_inode *dir, uint32_t parent);
/* 0, -ENOTEMPTY. */
[[nodiscard]] int ext4_entries_none(struct ext4_fs *fs, const struct ext4_inode *dir);
/* One block more at the directory's end. */
[[nodiscard]] int ext4_entries_grow(struct ext4_fs *fs, struct ext4_inode *dir, struct ext4_block **out);

/* --- ext4_orphan.c --- */
[[nodiscard]] int ext4_orphan_add(struct ext4_fs *fs, struct ext4_inode *i);
[[nodiscard]] int ext4_orphan_remove(struct ext4_fs *fs, struct ext4_inode *i);

#endif
