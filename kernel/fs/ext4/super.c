/* SPDX-License-Identifier: MIT */
/*
 * ext2, ext3 and ext4 (doc/filesystems.md). What is on the disk is lib/ext4.h's to understand and lib/ext4_write.h's to
 * change, which are tested on the host; here they get their blocks (device.c), and the VFS its inodes.
 *
 * The device is open with O_EXCL while it is mounted. A journal that is not empty is recovered at the mount, also at
 * one that is read-only, as Linux does; where the device cannot be written, the mount is refused unless it says
 * norecovery.
 */
#include "ext4.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
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
		 .stays = "its threads are its mounts'; what it knows of a disk is read again after a fault");

/* --- the tree's lock --- */

void ext4_enter(struct ext4_mount *m)
{
	mutex_lock(&m->lock);
	if (m->inside) {
		log_warn("ext4: %s: what is cached of it is forgotten after a fault", m->name);
		ext4_reset(&m->fs);
	}
	m->inside = true;
	if (__atomic_load_n(&m->broken, __ATOMIC_ACQUIRE))
		ext4_abort(&m->fs, -EUCLEAN);
	ext4_end_left(m);
}

/* What was ended is read-only for all from here on. */
static void look_whether_ended(struct ext4_mount *m) REQUIRES(&m -> lock)
{
	if (ext4_aborted(&m->fs) == 0 || m->sb->flags & MS_RDONLY)
		return;
	__atomic_fetch_or(&m->sb->flags, (uint32_t)MS_RDONLY, __ATOMIC_RELEASE);
	log_error(
		"ext4: %s: read-only from now on: error %d; what was not committed is lost, and the next mount recovers "
		"the rest",
		m->name, -ext4_aborted(&m->fs));
}

void ext4_leave(struct ext4_mount *m)
{
	look_whether_ended(m);
	m->inside = false;
	mutex_unlock(&m->lock);
}

int ext4_told(struct ext4_mount *m, int error, const char *what, uint64_t ino)
{
	if (error != -EUCLEAN && error != -EBADMSG && error != -EOPNOTSUPP)
		return error;
	if (error != -EOPNOTSUPP && !m->continue_on_errors)
		__atomic_store_n(&m->broken, true, __ATOMIC_RELEASE);
	if (__atomic_fetch_add(&m->complaints, 1, __ATOMIC_RELAXED) < COMPLAINTS_MAX)
		log_error("ext4: %s: inode %llu: %s: %s", m->name, (unsigned long long)ino, what,
			  error == -EBADMSG   ? "a checksum is wrong"
			  : error == -EUCLEAN ? "impossible numbers"
					      : "it has something that is not supported");
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
	m->device_block = facts->block_bytes;
	m->can_write = !facts->read_only;
	/* What programs wrote is on the device before it is read past its cache. */
	return facts->read_only ? 0 : ext4_flush_cached(m);
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
	const struct ext4_io io = ext4_device_io(m, facts->bytes, facts->read_only);

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

/* --- writing --- */

/* The mount is known to its caller alone, or all of its locks are (remount). */
static int begin_writing(struct ext4_mount *m) NO_THREAD_SAFETY
{
	uint32_t deleted = 0;

	if (!m->can_write) {
		log_error("ext4: %s: not mounted to be written: the device is read-only", m->name);
		return -EACCES;
	}
	m->fs.trouble[0] = '\0';
	int error = ext4_write_open(&m->fs, ext4_now_s());
	if (error != 0) {
		log_error("ext4: %s: not mounted to be written (-o ro reads it): %s", m->name,
			  m->fs.trouble[0] != '\0' ? m->fs.trouble : "the device or memory fails");
		return error == -EINVAL ? -EROFS : error;
	}
	error = ext4_orphans(&m->fs, ext4_now_s(), &deleted);
	if (deleted > 0)
		log_info("ext4: %s: %u files without a name were deleted", m->name, deleted);
	if (error == 0)
		error = ext4_start_thread(m);
	if (error != 0)
		(void)!ext4_write_close(&m->fs);
	return error;
}

/* After all pages of its files were written. */
static int end_writing(struct ext4_mount *m)
{
	ext4_stop_thread(m);
	int kept = ext4_keep_all(m);
	ext4_enter(m);
	int error = m->fs.writer != nullptr ? ext4_write_close(&m->fs) : 0;
	ext4_leave(m);
	error = error != 0 ? error : kept;
	if (error != 0)
		log_error("ext4: %s: it could not be left as a clean one: error %d; the next mount recovers it",
			  m->name, -error);
	return error;
}

static void ext4_destroy(struct superblock *sb)
{
	struct ext4_mount *m = mount_of(sb);

	if (m == nullptr)
		return;
	ext4_enter(m);
	bool written = m->fs.writer != nullptr;
	ext4_leave(m);
	if (written)
		(void)end_writing(m);
	mutex_lock(&m->lock);
	ext4_end_left(m);
	ext4_close(&m->fs);
	mutex_unlock(&m->lock);
	if (m->device != nullptr) {
		ext4_end_past(m);
		file_put(m->device);
	}
	kfree(m);
}

static int ext4_statfs(struct superblock *sb, struct statfs *out)
{
	struct ext4_mount *m = mount_of(sb);
	struct ext4_counts c;

	ext4_enter(m);
	int error = ext4_count(&m->fs, &c);
	if (error == 0 && m->fs.writer != nullptr) {
		c.free_blocks = ext4_free_now(&m->fs).blocks;
		c.free_inodes = ext4_free_now(&m->fs).inodes;
	}
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

/* All pages of its files are in their places. */
static int write_pages(struct ext4_mount *m)
{
	struct inode *i = nullptr, *next;
	int result = 0;

	while ((next = inode_table_next(&m->inodes, i != nullptr ? &node_of(i)->link : nullptr)) != nullptr) {
		if (i != nullptr)
			inode_put(i);
		i = next;
		int error = i->cache != nullptr ? page_cache_write_all(i, 0, UINT64_MAX, true) : 0;
		result = result != 0 ? result : error;
	}
	if (i != nullptr)
		inode_put(i);
	return result;
}

/* mount(8) asks for the same again where only options change. */
static int ext4_remount(struct superblock *sb, const struct mount_options *o)
{
	struct ext4_mount *m = mount_of(sb);
	int error = ext4_parse_options(m, o->data);

	ext4_enter(m);
	bool written = m->fs.writer != nullptr, ended = ext4_aborted(&m->fs) != 0;
	ext4_leave(m);
	if (error != 0 || written == !(o->flags & MS_RDONLY))
		return error == 0 && written && ended ? -EROFS : error;
	if (written) {
		/* Files without a name that are open would be left as what the next mount deletes. */
		error = write_pages(m);
		ext4_enter(m);
		if (error == 0 && !ended && ext4_has_orphans(&m->fs))
			error = -EBUSY;
		ext4_leave(m);
		return error != 0 || ended ? error : end_writing(m);
	}
	/* Nobody changes anything yet, and a thread that reads waits for the lock. */
	ext4_enter(m);
	error = ext4_go_past(m);
	if (error == 0)
		error = begin_writing(m);
	ext4_leave(m);
	return error;
}

static void ext4_show_options(struct superblock *sb, struct text_buffer *b)
{
	const struct ext4_mount *m = mount_of(sb);

	text_printf(b, "%s%s", m->no_recovery ? ",norecovery" : "", m->continue_on_errors ? ",errors=continue" : "");
	if (m->commit_s != EXT4_COMMIT_S)
		text_printf(b, ",commit=%u", m->commit_s);
}

static const struct super_ops super_ops = {
	.evict = ext4_evict,
	.destroy = ext4_destroy,
	.statfs = ext4_statfs,
	.sync = ext4_sync,
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
	spin_init(&m->left_lock, RANK_NONE);
	m->sb = sb;
	m->commit_s = EXT4_COMMIT_S;
	strlcpy(m->name, o->source, sizeof(m->name));
	sb->private_data = m;
	sb->ops = &super_ops;
	int error = ext4_parse_options(m, o->data);
	if (error == 0)
		error = open_device(m, o->source, &facts);
	if (error == 0 && !(o->flags & MS_RDONLY) && !facts.read_only)
		error = ext4_go_past(m);
	if (error == 0)
		error = open_tree(m, &facts);
	if (error == 0 && !(o->flags & MS_RDONLY))
		error = begin_writing(m);
	if (error != 0)
		return error;
	sb->dev = facts.dev;
	sb->block_size = m->block_bytes;
	return ext4_inode_get(sb, 2, &sb->root);
}

FILESYSTEM(ext4, .name = "ext4", .component = &component_ext4, .fill = ext4_fill, .needs_device = true);
FILESYSTEM(ext3, .name = "ext3", .component = &component_ext4, .fill = ext4_fill, .needs_device = true);
FILESYSTEM(ext2, .name = "ext2", .component = &component_ext4, .fill = ext4_fill, .needs_device = true);
