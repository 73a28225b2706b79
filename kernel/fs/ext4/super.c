/* SPDX-License-Identifier: MIT */
/*
 * ext2, ext3 and ext4, to be read (doc/filesystems.md). What is on the disk is lib/ext4.h's to understand, which is
 * tested and fuzzed on the host; here it gets its blocks from the device's page cache, and the VFS its inodes.
 *
 * The device is open with O_EXCL while it is mounted. A journal that is not empty is recovered at the mount, also at
 * one that is read-only, as Linux does; where the device cannot be written, the mount is refused unless it says
 * norecovery.
 */
#include "ext4.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/open.h>
#include <kernel/vfs/page_cache.h>
#include <lib/ext4_journal.h>
#include <lib/string.h>

constexpr uint32_t COMPLAINTS_MAX = 5; /* of a mount, in the log */
constexpr uint32_t STATE_CLEAN = 1, STATE_ERRORS = 2;

DEFINE_COMPONENT(ext4, .stage = STAGE_FS, .users = "the call is EFAULT",
		 .stays = "it has no thread; what it knows of a disk is read again after a fault");

/* --- the disk, as lib/ext4.h wants it --- */

static int read_device(void *context, uint64_t at, void *to, uint32_t bytes)
{
	struct ext4_mount *m = context;

	FAULT_POINT(ext4_block);
	long n = file_read_at(m->device, to, bytes, at);
	return n < 0 ? (int)n : n == (long)bytes ? 0 : -EIO;
}

static int write_device(void *context, uint64_t at, const void *from, uint32_t bytes)
{
	struct ext4_mount *m = context;
	long n = file_write_at(m->device, from, bytes, at);

	return n < 0 ? (int)n : n == (long)bytes ? 0 : -EIO;
}

static int flush_device(void *context)
{
	struct file *f = ((struct ext4_mount *)context)->device;

	return (int)f->ops->fsync(f, 0, UINT64_MAX / PAGE_SIZE, false);
}

static void *alloc(size_t bytes)
{
	return kmalloc(bytes);
}

static void give_back(void *memory)
{
	kfree(memory);
}

/* --- the tree's lock --- */

void ext4_enter(struct ext4_mount *m)
{
	mutex_lock(&m->lock);
	if (m->inside) {
		log_warn("ext4: %s: what is cached of it is forgotten after a fault", m->name);
		ext4_reset(&m->fs);
	}
	m->inside = true;
}

void ext4_leave(struct ext4_mount *m)
{
	m->inside = false;
	mutex_unlock(&m->lock);
}

int ext4_told(struct ext4_mount *m, int error, const char *what, uint64_t ino)
{
	if (error != -EUCLEAN && error != -EBADMSG && error != -EOPNOTSUPP)
		return error;
	if (__atomic_fetch_add(&m->complaints, 1, __ATOMIC_RELAXED) < COMPLAINTS_MAX)
		log_error("ext4: %s: inode %llu: %s: %s", m->name, (unsigned long long)ino, what,
			  error == -EBADMSG   ? "a checksum is wrong"
			  : error == -EUCLEAN ? "impossible numbers"
					      : "encrypted, verity or inline data, which is not supported");
	return error;
}

/* --- mounting --- */

/* Opens the device, to be written if that can be. */
static int open_device(struct ext4_mount *m, const char *source, struct blkdev_facts *facts)
{
	int error = file_open_path(source, O_RDWR | O_EXCL, 0, &m->device);

	if (error == -EACCES || error == -EROFS || error == -EPERM)
		error = file_open_path(source, O_RDONLY | O_EXCL, 0, &m->device);
	if (error != 0)
		return error;
	m->blkdev = blkdev_of_file(m->device);
	if (m->blkdev == nullptr)
		return -ENOTBLK;
	blkdev_facts(m->blkdev, facts);
	strlcpy(m->name, facts->name, sizeof(m->name));
	/* What programs wrote is on the device before it is read past its cache. */
	return facts->read_only ? 0 : flush_device(m);
}

/* Nobody else knows the mount yet, and writing to the device takes locks that the tree's is taken inside of. */
static int recover(struct ext4_mount *m) NO_THREAD_SAFETY
{
	struct ext4_recovery r;

	if (m->no_recovery)
		return 0;
	int error = ext4_recover(&m->fs, &r);
	if (error == 0 && r.needed)
		log_info("ext4: %s: recovered from its journal: %u transactions, %u blocks, %u revoked", m->name,
			 r.transactions, r.blocks, r.revoked);
	return error;
}

static int open_tree(struct ext4_mount *m, const struct blkdev_facts *facts) NO_THREAD_SAFETY
{
	const struct ext4_io io = {.read = read_device,
				   .write = facts->read_only ? nullptr : write_device,
				   .flush = flush_device,
				   .alloc = alloc,
				   .free = give_back,
				   .context = m,
				   .bytes = facts->bytes};

	int error = ext4_open(&m->fs, &io);
	if (error == 0)
		error = recover(m);
	if (error == 0 && m->fs.block_bytes < facts->block_bytes) {
		strlcpy(m->fs.trouble, "its blocks are smaller than the device's", sizeof(m->fs.trouble));
		error = -EINVAL;
	}
	if (error != 0) {
		log_error("ext4: %s: not mounted: %s", m->name,
			  m->fs.trouble[0] != '\0' ? m->fs.trouble : "the device or memory fails");
		return error;
	}
	m->block_bytes = m->fs.block_bytes;
	m->blocks = m->fs.blocks;
	m->reserved_blocks = m->fs.reserved_blocks;
	m->inode_count = m->fs.inodes;
	if ((m->fs.state & (STATE_CLEAN | STATE_ERRORS)) != STATE_CLEAN)
		log_warn("ext4: %s: it was not unmounted cleanly or has errors: e2fsck is advised", m->name);
	return 0;
}

static void ext4_destroy(struct superblock *sb)
{
	struct ext4_mount *m = mount_of(sb);

	if (m == nullptr)
		return;
	mutex_lock(&m->lock);
	ext4_close(&m->fs);
	mutex_unlock(&m->lock);
	if (m->device != nullptr)
		file_put(m->device);
	kfree(m);
}

static int ext4_statfs(struct superblock *sb, struct statfs *out)
{
	struct ext4_mount *m = mount_of(sb);
	struct ext4_counts c;

	ext4_enter(m);
	int error = ext4_count(&m->fs, &c);
	ext4_leave(m);
	if (error != 0)
		return ext4_told(m, error, "groups", 0);
	out->type = 0xef53;
	out->bsize = out->frsize = m->block_bytes;
	out->blocks = m->blocks - MIN(c.overhead, m->blocks);
	out->bfree = c.free_blocks;
	out->bavail = c.free_blocks - MIN(m->reserved_blocks, c.free_blocks);
	out->files = m->inode_count;
	out->ffree = c.free_inodes;
	return 0;
}

/* Nothing but the options may change: it cannot be written. */
static int ext4_remount(struct superblock *sb, const struct mount_options *o)
{
	if (!(o->flags & MS_RDONLY))
		return -EROFS;
	return ext4_parse_options(mount_of(sb), o->data);
}

static void ext4_show_options(struct superblock *sb, struct text_buffer *b)
{
	const struct ext4_mount *m = mount_of(sb);

	text_printf(b, "%s%s", m->no_recovery ? ",norecovery" : "", m->continue_on_errors ? ",errors=continue" : "");
}

static const struct super_ops super_ops = {
	.evict = ext4_evict,
	.destroy = ext4_destroy,
	.statfs = ext4_statfs,
	.remount = ext4_remount,
	.show_options = ext4_show_options,
};

static int ext4_fill(struct superblock *sb, const struct mount_options *o)
{
	struct ext4_mount *m = kmalloc(sizeof(*m));
	struct blkdev_facts facts;

	if (m == nullptr)
		return -ENOMEM;
	mutex_init(&m->lock, RANK_FS_TREE);
	strlcpy(m->name, o->source, sizeof(m->name));
	sb->private_data = m;
	sb->ops = &super_ops;
	int error = ext4_parse_options(m, o->data);
	if (error == 0 && !(o->flags & MS_RDONLY)) {
		log_error("ext4: %s: it can be mounted read-only (-o ro) and not otherwise", m->name);
		error = -EROFS;
	}
	if (error == 0)
		error = open_device(m, o->source, &facts);
	if (error != 0)
		return error;
	error = open_tree(m, &facts);
	if (error != 0)
		return error;
	sb->dev = facts.dev;
	sb->block_size = m->block_bytes;
	return ext4_inode_get(sb, 2, &sb->root);
}

FILESYSTEM(ext4, .name = "ext4", .component = &component_ext4, .fill = ext4_fill, .needs_device = true);
FILESYSTEM(ext3, .name = "ext3", .component = &component_ext4, .fill = ext4_fill, .needs_device = true);
FILESYSTEM(ext2, .name = "ext2", .component = &component_ext4, .fill = ext4_fill, .needs_device = true);
