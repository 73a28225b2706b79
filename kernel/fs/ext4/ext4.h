/* SPDX-License-Identifier: MIT */
/*
 * What the files of ext4 share: a mount's state. All that lib/ext4.h does for a mount is done between ext4_enter and
 * ext4_leave, by one thread at a time; he may wait for the disk in between. A fault in between leaves the tree's lock
 * to the next, who finds that nobody left and forgets all blocks: they are read again.
 */
#ifndef KERNEL_FS_EXT4_H
#define KERNEL_FS_EXT4_H

#include <kernel/base/lock.h>
#include <kernel/block/blkdev.h>
#include <kernel/thread/component.h>
#include <kernel/vfs/inode_table.h>
#include <lib/ext4_write.h>

DECLARE_COMPONENT(ext4);

constexpr uint32_t EXT4_COMMIT_S = 5; /* seconds between commits, unless the mount says otherwise */

struct page_range;
struct ext4_node;
struct ext4_mount {
	struct mutex lock; /* RANK_FS_TREE */
	struct ext4_fs fs GUARDED_BY(&lock);
	bool inside GUARDED_BY(&lock);
	struct inode_table inodes; /* `lock` is held from where an inode is not found until it is added */
	uint32_t complaints;	   /* atomic */
	/* From the mount on: */
	struct file *device; /* open, with O_EXCL */
	struct blkdev *blkdev;
	char name[40]; /* of the device, for the log */
	uint32_t block_bytes, inode_count;
	uint64_t blocks, reserved_blocks;
	bool no_recovery, continue_on_errors, can_write;
	uint32_t commit_s; /* seconds between commits */
	uint32_t device_block;
	struct superblock *sb;
	/* Of one that is written, or was: */
	struct page *bounce; /* nullptr: the device's page cache is gone through; used under `lock` */
	uint32_t under_way;  /* atomic: ranges of files that are being written */
	int data_error;	     /* atomic: of one of them */
	bool broken;	     /* atomic: the filesystem's own structures are wrong, and nothing may be changed */
	bool ends, ended_well, has_thread;	       /* of its thread; the first and the last atomic */
	struct spinlock left_lock;		       /* no rank: nothing is taken inside */
	struct ext4_node *left GUARDED_BY(&left_lock); /* inodes that have ended, to be written or deleted */
};

/* What hangs on an inode; its last part is as long as it has to be. */
struct ext4_node {
	struct inode_link link;
	/* When the inode has ended: */
	struct ext4_node *next_left;
	bool is_deleted; /* else it is to be written */
	bool is_out;	 /* atomic: it is not known by its number any more */
	bool is_unkept;	 /* the tree's lock: `disk` has what the disk may not have; an operation that failed left it so
			  */
	struct ext4_inode disk;
};
static inline struct ext4_mount *mount_of(const struct superblock *sb)
{
	return sb->private_data;
}
static inline struct ext4_node *node_of(const struct inode *i)
{
	return i->private_data;
}

/* super.c */
void ext4_enter(struct ext4_mount *m) ACQUIRE(m -> lock);
void ext4_leave(struct ext4_mount *m) RELEASE(m -> lock);
/* An error of lib/ext4.h is told in the log if it is the filesystem's, and given back as programs know it. */
int ext4_told(struct ext4_mount *m, int error, const char *what, uint64_t ino);

/* device.c */
struct ext4_io ext4_device_io(struct ext4_mount *m, uint64_t bytes, bool read_only);
/* What programs wrote to the device's cache is on the device. */
[[nodiscard]] int ext4_flush_cached(struct ext4_mount *m);
/* From now on the device's page cache is gone past; until the mount's end, after which it has nothing stale. */
[[nodiscard]] int ext4_go_past(struct ext4_mount *m);
void ext4_end_past(struct ext4_mount *m);
/* A range of a file is on its way to the disk, before the tree's lock is free; it has arrived: any thread. */
void ext4_data_begins(struct ext4_mount *m);
void ext4_data_arrived(struct ext4_mount *m, int error);

/* keep.c */
uint32_t ext4_now_s(void);
/* What the VFS changed of an inode comes into what is known of the disk's; whether something did, now or at an earlier
 * time, that was not written since by ext4_keep. */
bool ext4_take_attributes(const struct inode *i);
/* Writes it, in an operation of its own. */
[[nodiscard]] int ext4_keep(const struct inode *i);
/* The other way: what an operation changed. */
void ext4_show_attributes(struct inode *i);
void ext4_evict(struct inode *i);
/* What inodes left behind that have ended. */
void ext4_end_left(struct ext4_mount *m) REQUIRES(m -> lock);
/* Writes all inodes that have changed, and commits. */
[[nodiscard]] int ext4_keep_all(struct ext4_mount *m);
int ext4_sync(struct superblock *sb);
long ext4_fsync(struct file *f, uint64_t first, uint64_t last, bool data);
/* The thread that commits every m->commit_s seconds. */
[[nodiscard]] int ext4_start_thread(struct ext4_mount *m);
void ext4_stop_thread(struct ext4_mount *m);

/* change.c */
int ext4_dir_make(struct inode *dir, const struct name *n, const struct make_request *r, struct inode **out);
int ext4_dir_make_unnamed(struct inode *dir, const struct make_request *r, struct inode **out);
int ext4_dir_link(struct inode *dir, const struct name *n, struct inode *i);
int ext4_dir_unlink(struct inode *dir, const struct name *n, struct inode *i);
int ext4_dir_rename(struct inode *old_dir, const struct name *old_name, struct inode *i, struct inode *new_dir,
		    const struct name *new_name, struct inode *replaced, bool exchange);

/* write.c */
int ext4_prepare(struct inode *i, uint64_t first, uint64_t pages);
int ext4_write_range(struct page_range *r);
long ext4_file_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
int ext4_file_truncate(struct inode *i, uint64_t size);
int ext4_file_allocate(struct inode *i, uint32_t mode, uint64_t offset, uint64_t length);

/* options.c */
/* -EINVAL: one is not known, which the log has. */
[[nodiscard]] int ext4_parse_options(struct ext4_mount *m, const char *data);

/* inode.c */
/* The inode with a reference. */
[[nodiscard]] int ext4_inode_get(struct superblock *sb, uint32_t number, struct inode **out);
/* The inode of what was made just now, known by its number. nullptr: out of memory. */
struct inode *ext4_inode_make(struct superblock *sb, const struct ext4_inode *d);

/* file.c, dir.c, attribute.c */
extern const struct inode_ops ext4_file_inode_ops, ext4_dir_inode_ops, ext4_link_ops, ext4_special_inode_ops;
extern const struct file_ops ext4_file_ops, ext4_dir_ops;
extern const struct page_cache_ops ext4_cache_ops;
long ext4_attribute_get(struct inode *i, const char *name, void *out, size_t size);
long ext4_attribute_list(struct inode *i, char *out, size_t size, bool trusted);

#endif
