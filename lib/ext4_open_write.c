/* SPDX-License-Identifier: MIT */
/* Writing begins and ends (lib/ext4_write.h). */
#include <abi/errno.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

static int refuse(struct ext4_fs *fs, const char *why)
{
	strlcpy(fs->trouble, why, sizeof(fs->trouble));
	return -EINVAL;
}

static int check_features(struct ext4_fs *fs)
{
	constexpr uint32_t KNOWN = RO_SPARSE_SUPER | RO_LARGE_FILE | RO_HUGE_FILE | RO_GDT_CSUM | RO_DIR_NLINK |
				   RO_EXTRA_ISIZE | RO_METADATA_CSUM | 0x4 /* btree_dir, which is unused */;

	if (fs->ro_compat & RO_ORPHAN_PRESENT)
		return refuse(fs, "its file of orphans has some: e2fsck is needed before it can be written");
	if (fs->ro_compat & ~KNOWN) {
		snprintf(fs->trouble, sizeof(fs->trouble), "feature FEATURE_R%d is not written",
			 __builtin_ctz(fs->ro_compat & ~KNOWN));
		return -EINVAL;
	}
	if (!(fs->incompat & INCOMPAT_EXTENTS))
		return refuse(fs, "without extents (ext2, ext3) it is not written");
	if (!(fs->ro_compat & RO_LARGE_FILE))
		return refuse(fs, "without large_file it is not written");
	if (!(fs->compat & COMPAT_HAS_JOURNAL) || fs->journal_inode == 0)
		return refuse(fs, "without a journal it is not written");
	if (fs->incompat & INCOMPAT_RECOVER)
		return refuse(fs, "it was not recovered from its journal");
	if (fs->state & STATE_ERRORS)
		return refuse(fs, "it has errors: e2fsck is needed before it can be written");
	return 0;
}

/* Memory that a change cannot be without is taken now: pages wait to be written where memory is short. */
static int take_memory(struct ext4_fs *fs)
{
	for (uint32_t n = 0; n < OPERATION_BLOCKS; n++) {
		fs->writer->undo[n].copy = fs->io.alloc(fs->block_bytes);
		if (fs->writer->undo[n].copy == nullptr)
			return -ENOMEM;
	}
	for (uint32_t n = 0; n < EXT4_CACHE_BLOCKS; n++) {
		struct ext4_block *b = &fs->cache[n];

		if (b->data != nullptr)
			continue;
		b->data = fs->io.alloc(fs->block_bytes);
		if (b->data == nullptr)
			return -ENOMEM;
		/* As one that was forgotten. */
		uint32_t *chain = &fs->chains[UINT64_MAX % EXT4_CACHE_BLOCKS];
		b->number = UINT64_MAX;
		b->age = fs->clock - UINT32_MAX / 2;
		b->next = *chain;
		*chain = n + 1;
	}
	return 0;
}

static void give_back(struct ext4_fs *fs)
{
	struct ext4_writer *w = fs->writer;

	ext4_log_close(fs);
	for (uint32_t n = 0; n < OPERATION_BLOCKS; n++)
		fs->io.free(w->undo[n].copy);
	/* What was not committed was never there. */
	for (uint32_t n = 0; n < EXT4_CACHE_BLOCKS; n++)
		if (fs->cache[n].data != nullptr && fs->cache[n].changed)
			ext4_block_forget(fs, &fs->cache[n]);
	fs->writer = nullptr;
	fs->io.free(w);
}

static int mark_open(struct ext4_fs *fs, uint32_t now_s)
{
	struct ext4_block *b;
	unsigned char *s;

	int error = ext4_super_get(fs, &b, &s);
	if (error != 0)
		return error;
	ext4_set32(s, SUPER_INCOMPAT, ext4_get32(s, SUPER_INCOMPAT) | INCOMPAT_RECOVER);
	ext4_set16(s, SUPER_MOUNT_COUNT, (uint16_t)(ext4_get16(s, SUPER_MOUNT_COUNT) + 1));
	ext4_set32(s, SUPER_MOUNT_TIME, now_s);
	ext4_set32(s, SUPER_WRITE_TIME, now_s);
	ext4_super_sum(s);
	error = ext4_super_write(fs, b);
	ext4_block_put(b);
	return error;
}

static int mark_closed(struct ext4_fs *fs)
{
	struct ext4_block *b;
	unsigned char *s;

	int error = ext4_super_get(fs, &b, &s);
	if (error != 0)
		return error;
	ext4_set32(s, SUPER_INCOMPAT, ext4_get32(s, SUPER_INCOMPAT) & ~(uint32_t)INCOMPAT_RECOVER);
	ext4_super_sum(s);
	error = ext4_super_write(fs, b);
	ext4_block_put(b);
	return error;
}

static int open_all(struct ext4_fs *fs, uint32_t now_s)
{
	struct ext4_counts c;

	int error = take_memory(fs);
	if (error == 0)
		error = ext4_log_open(fs);
	if (error == 0)
		error = ext4_count(fs, &c);
	if (error != 0)
		return error;
	fs->writer->free_blocks = c.free_blocks;
	fs->writer->free_inodes = c.free_inodes;
	fs->writer->last_orphan = fs->last_orphan;
	/* The log is empty, and says so in the form that it will have, before anything depends on it. */
	error = ext4_log_empty(fs);
	return error != 0 ? error : mark_open(fs, now_s);
}

int ext4_write_open(struct ext4_fs *fs, uint32_t now_s)
{
	int error = check_features(fs);

	if (error != 0)
		return error;
	if (fs->io.write == nullptr)
		return -EROFS;
	fs->writer = fs->io.alloc(sizeof(*fs->writer));
	if (fs->writer == nullptr)
		return -ENOMEM;
	fs->writer->journal = true;
	fs->writer->operation_most = OPERATION_BLOCKS;
	error = open_all(fs, now_s);
	if (error != 0)
		give_back(fs);
	return error;
}

int ext4_write_close(struct ext4_fs *fs)
{
	if (fs->writer == nullptr)
		return 0;
	/* What was ended stays as it is, to be recovered. */
	int error = ext4_commit(fs);
	if (error == 0)
		error = ext4_log_empty(fs);
	if (error == 0)
		error = mark_closed(fs);
	give_back(fs);
	return error;
}
