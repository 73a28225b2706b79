/* SPDX-License-Identifier: MIT */
/*
 * Reads ext2, ext3 and ext4 ("ext4 Data Structures and Algorithms", Linux's documentation): superblock, groups, inodes,
 * where a file's blocks are, directories, links, extended attributes, and the journal's recovery (lib/jbd2.h).
 *
 * Nothing that the disk says is believed before it was checked: checksums where the filesystem has them, numbers, sizes
 * and places always. Each walk ends: an extent tree's node is one level below who names it, an index of a directory
 * likewise, and no list is followed by its links alone. What is wrong comes out as -EUCLEAN (a number is impossible),
 * -EBADMSG (a checksum is wrong) or an error of `read`; fs->trouble has words for what made ext4_open refuse.
 *
 * What is read of the disk's own structures is kept in a cache of whole blocks (ext4_block.c). One thread at a time may
 * be in these functions for one filesystem: the caller's lock. If he left one of them by a fault, ext4_reset is the
 * next that he calls.
 */
#ifndef LIB_EXT4_H
#define LIB_EXT4_H

#include <stddef.h>
#include <stdint.h>

constexpr uint32_t EXT4_BLOCK_MIN = 1024, EXT4_BLOCK_MAX = 4096; /* larger ones are refused: a page is the most */
constexpr uint32_t EXT4_CACHE_BLOCKS = 256;

/* The disk, and memory. What is given back or freed may be nullptr. */
struct ext4_io {
	/* Whole sectors of 512 bytes, within `bytes`. 0 or a negative error. */
	int (*read)(void *context, uint64_t at, void *to, uint32_t bytes);
	int (*write)(void *context, uint64_t at, const void *from, uint32_t bytes); /* nullptr: it cannot be written */
	int (*flush)(void *context); /* what was written before is kept afterwards */
	/* The bytes of files for which ext4_written was called have arrived, or an error of one; nullptr: they have. */
	int (*drain)(void *context);
	void *(*alloc)(size_t bytes); /* zeroed; nullptr: there is none */
	void (*free)(void *memory);
	void *context;
	uint64_t bytes; /* of the disk */
};

/* One block of the disk in the cache. Who has one holds it by ext4_block_put, and changes nothing in it. */
struct ext4_block {
	uint64_t number;
	uint32_t users, next; /* next: of the hash chain */
	uint32_t age;
	uint8_t verified;      /* enum ext4_kind: its checksum was right, as that */
	uint32_t verified_for; /* for that inode, or group */
	bool changed;	       /* by the running transaction: it stays until that is committed */
	unsigned char *data;   /* nullptr: the slot is free */
};
enum ext4_kind : uint8_t { KIND_NONE, KIND_EXTENT, KIND_DIR, KIND_INDEX, KIND_XATTR, KIND_BITMAP };
struct ext4_writer; /* lib/ext4_write.h */

struct ext4_fs {
	struct ext4_io io;
	uint32_t block_bytes;
	uint64_t blocks, reserved_blocks;
	uint32_t first_data_block, blocks_per_group, groups;
	uint32_t inodes, inodes_per_group, inode_bytes, first_inode;
	uint32_t descriptor_bytes, first_meta_bg;
	uint32_t backup_groups[2]; /* with sparse_super2 those that have copies of the superblock; 0: none */
	uint32_t compat, incompat, ro_compat, state, errors;
	uint32_t journal_inode, last_orphan;
	uint32_t checksum_seed, hash_seed[4];
	uint8_t hash_version;
	bool unsigned_hash;
	uint8_t uuid[16];
	char label[17];
	char trouble[96]; /* why it is refused */
	struct ext4_block cache[EXT4_CACHE_BLOCKS];
	uint32_t chains[EXT4_CACHE_BLOCKS]; /* 1 + the slot */
	uint32_t clock;
	uint32_t reserved_descriptors; /* blocks behind the descriptors, for more of them */
	uint32_t extra_wanted;	       /* bytes of fields behind the first 128 of a new inode */
	struct ext4_writer *writer;    /* nullptr: it is read only */
};

/* --- the whole --- */
/* Reads the superblock of io, which is copied, and checks it; the journal is not looked at. -EINVAL: it is none, or has
 * something that is not supported; -EUCLEAN, -EBADMSG, or an error of io->read. fs needs no ext4_close then. */
[[nodiscard]] int ext4_open(struct ext4_fs *fs, const struct ext4_io *io);
void ext4_close(struct ext4_fs *fs); /* frees the cache */
/* Nobody is in a function of fs: all blocks are forgotten, whoever held them. What was changed and not committed is
 * lost, and nothing may be changed any more. */
void ext4_reset(struct ext4_fs *fs);
/* "ext4", "ext3" (no extents, a journal), "ext2". */
const char *ext4_type(const struct ext4_fs *fs);
/* What the groups say is free, and how many blocks are not for files. */
struct ext4_counts {
	uint64_t free_blocks, overhead;
	uint32_t free_inodes;
};
[[nodiscard]] int ext4_count(struct ext4_fs *fs, struct ext4_counts *out);

struct ext4_group {
	uint64_t block_bitmap, inode_bitmap, inode_table;
	uint32_t free_blocks, free_inodes, unused_inodes, used_dirs;
	uint32_t block_bitmap_sum, inode_bitmap_sum; /* checksums; of 16 bits where descriptors are short */
	uint16_t flags;
};
[[nodiscard]] int ext4_read_group(struct ext4_fs *fs, uint32_t number, struct ext4_group *out);

/* --- blocks (ext4_block.c) --- */
/* Block `number`, which lies on the disk, from the cache or read. -EUCLEAN: it does not; -ENOMEM. */
[[nodiscard]] int ext4_block_get(struct ext4_fs *fs, uint64_t number, struct ext4_block **out);
void ext4_block_put(struct ext4_block *b);
/* Whether `count` blocks from `first` on lie where files and their structures may. */
bool ext4_blocks_exist(const struct ext4_fs *fs, uint64_t first, uint64_t count);
static inline bool ext4_has_checksums(const struct ext4_fs *fs)
{
	return fs->ro_compat & 0x400;
}

/* --- inodes (ext4_inode.c) --- */
struct ext4_inode {
	uint32_t number, generation, flags, uid, gid, links, rdev_major, rdev_minor;
	uint16_t mode;
	uint64_t size, blocks; /* blocks: of 512 bytes */
	int64_t atime_ns, mtime_ns, ctime_ns, btime_ns, dtime;
	bool has_btime;
	bool orphan; /* it is in the list of orphans, by lib/ext4_write.h */
	uint64_t xattr_block;
	uint32_t checksum_seed; /* of its structures */
	unsigned char map[60];
	uint16_t extra_bytes; /* of attributes in the inode itself, which begin at `extra` */
	unsigned char extra[1024];
};
/* -ENOENT: it is free; -EUCLEAN, -EBADMSG; -EOPNOTSUPP: it has a feature that is refused. */
[[nodiscard]] int ext4_read_inode(struct ext4_fs *fs, uint32_t number, struct ext4_inode *out);
/* One without a name, which the list of orphans has: its time of deletion is the next one's number. */
[[nodiscard]] int ext4_read_orphan(struct ext4_fs *fs, uint32_t number, struct ext4_inode *out);

/* --- where a file's blocks are (ext4_extent.c, ext4_indirect.c) --- */
enum ext4_run_kind : uint8_t { RUN_HOLE, RUN_UNWRITTEN, RUN_DATA };
struct ext4_run {
	enum ext4_run_kind kind; /* the first two are read as zeros */
	uint64_t physical;	 /* of data and unwritten ones */
	uint32_t count;		 /* blocks for which that holds; not 0 */
};
/* What is at block `logical` of the file, and behind it as far as it is the same. */
[[nodiscard]] int ext4_map(struct ext4_fs *fs, const struct ext4_inode *i, uint32_t logical, struct ext4_run *out);
[[nodiscard]] int ext4_map_extents(struct ext4_fs *fs, const struct ext4_inode *i, uint32_t logical,
				   struct ext4_run *out);
[[nodiscard]] int ext4_map_indirect(struct ext4_fs *fs, const struct ext4_inode *i, uint32_t logical,
				    struct ext4_run *out);
/* Bytes of a file, past the cache; how many: fewer than n at its end alone. */
long ext4_read(struct ext4_fs *fs, const struct ext4_inode *i, uint64_t at, void *to, uint32_t n);
/* Where a symbolic link leads: its length, at most `size`, not terminated. */
long ext4_readlink(struct ext4_fs *fs, const struct ext4_inode *i, char *out, size_t size);

/* --- directories (ext4_dir.c, ext4_index.c) --- */
struct ext4_entry {
	uint32_t inode;
	uint8_t type;	  /* as in the disk's entries: 0 unknown, 1 file, 2 directory … */
	uint8_t length;	  /* of the name */
	const char *name; /* borrowed, not terminated; never empty, no '/' and no NUL in it */
	uint64_t next;	  /* the position behind it */
};
/* Calls emit for each entry from *position on (0: the first), `.` and `..` too; false from it: the entry was not taken,
 * and *position stays before it. Positions stay what they are while names come and go. */
[[nodiscard]] int ext4_dir_list(struct ext4_fs *fs, const struct ext4_inode *dir, uint64_t *position,
				bool (*emit)(void *context, const struct ext4_entry *e), void *context);
/* The inode of a name, by the directory's index if it has one. -ENOENT. */
[[nodiscard]] int ext4_dir_find(struct ext4_fs *fs, const struct ext4_inode *dir, const char *name, size_t length,
				uint32_t *inode);
/* For both: a block of entries, checked. -ENOENT: a hole, which has none. */
[[nodiscard]] int ext4_dir_block(struct ext4_fs *fs, const struct ext4_inode *dir, uint32_t logical,
				 enum ext4_kind kind, struct ext4_block **out);
/* -ENOENT: it is not in this block. */
[[nodiscard]] int ext4_dir_search(struct ext4_fs *fs, const struct ext4_block *b, const char *name, size_t length,
				  uint32_t *inode);
/* By the index. -EOPNOTSUPP: it is of a kind that is not known, and all blocks have to be looked at. */
[[nodiscard]] int ext4_index_find(struct ext4_fs *fs, const struct ext4_inode *dir, const char *name, size_t length,
				  uint32_t *inode);
/* The hash of a name, whose lowest bit is 0. version: enum ext4_hash, with HASH_UNSIGNED added for bytes without a
 * sign. -EOPNOTSUPP: there is no such version. */
[[nodiscard]] int ext4_name_hash(const char *name, size_t length, uint8_t version, const uint32_t seed[4],
				 uint32_t *hash);

/* --- extended attributes (ext4_xattr.c) --- */
struct ext4_xattr {
	char name[272]; /* with its prefix: "user.x"; terminated */
	uint32_t name_length, size;
	bool is_acl;	   /* the disk's form of an ACL; see ext4_acl_export */
	const void *value; /* borrowed, until emit returns */
};
/* Calls emit for each until it returns nonzero, which is the result then. */
[[nodiscard]] int ext4_xattr_each(struct ext4_fs *fs, const struct ext4_inode *i,
				  int (*emit)(void *context, const struct ext4_xattr *x), void *context);
/* The ACL as programs know it (acl(5), xattr's version 2), of a value of the disk; how long it is, at most `size` of it
 * are written. -EUCLEAN. */
long ext4_acl_export(const void *value, uint32_t bytes, void *out, size_t size);

#endif
