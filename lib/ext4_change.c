/* SPDX-License-Identifier: MIT */
/* Transactions and the operations of which they consist (lib/ext4_write.h, lib/ext4_change.h). */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

void ext4_abort(struct ext4_fs *fs, int error)
{
	if (fs->writer != nullptr && fs->writer->aborted == 0)
		fs->writer->aborted = error;
}

int ext4_aborted(const struct ext4_fs *fs)
{
	return fs->writer != nullptr ? fs->writer->aborted : 0;
}

bool ext4_is_changed(const struct ext4_fs *fs)
{
	return fs->writer != nullptr && fs->writer->changed > 0 && fs->writer->aborted == 0;
}

void ext4_use_reserved(struct ext4_fs *fs, bool use)
{
	if (fs->writer != nullptr)
		fs->writer->use_reserved = use;
}

struct ext4_free ext4_free_now(const struct ext4_fs *fs)
{
	return (struct ext4_free){fs->writer->free_blocks, fs->writer->free_inodes};
}

/* --- operations --- */

int ext4_begin(struct ext4_fs *fs)
{
	struct ext4_writer *w = fs->writer;

	if (w == nullptr || w->aborted != 0)
		return -EROFS;
	if (w->changed + OPERATION_BLOCKS > w->most || w->freed_count + FREED_PER_OPERATION > FREED_MAX) {
		int error = ext4_commit(fs);
		if (error != 0)
			return error;
	}
	w->running = true;
	w->full = false;
	w->undo_count = w->inode_count = 0;
	w->freed_before = w->freed_count;
	w->free_blocks_before = w->free_blocks;
	w->free_inodes_before = w->free_inodes;
	w->last_orphan_before = w->last_orphan;
	return 0;
}

bool ext4_is_long(const struct ext4_fs *fs)
{
	const struct ext4_writer *w = fs->writer;

	return w->undo_count + 16 > OPERATION_BLOCKS || w->freed_count - w->freed_before + 8 > FREED_PER_OPERATION;
}

static void undo(struct ext4_fs *fs)
{
	struct ext4_writer *w = fs->writer;

	for (uint32_t n = w->undo_count; n-- > 0;) {
		const struct ext4_undo *u = &w->undo[n];
		struct ext4_block *b = &fs->cache[u->slot];

		if (b->changed && !u->was_changed)
			w->changed--;
		b->changed = u->was_changed;
		if (u->fresh) {
			ext4_block_forget(fs, b);
			continue;
		}
		memcpy(b->data, u->copy, fs->block_bytes);
		b->verified = u->verified;
		b->verified_for = u->verified_for;
	}
	for (uint32_t n = 0; n < w->inode_count; n++)
		memcpy(w->inodes[n].at, w->inodes[n].before, sizeof(w->inodes[n].before));
	w->freed_count = w->freed_before;
	w->free_blocks = w->free_blocks_before;
	w->free_inodes = w->free_inodes_before;
	w->last_orphan = w->last_orphan_before;
}

/* What was in blocks that are free now is not to be written any more. */
static void forget_freed(struct ext4_fs *fs)
{
	struct ext4_writer *w = fs->writer;

	if (w->freed_count == w->freed_before)
		return;
	for (uint32_t n = 0; n < EXT4_CACHE_BLOCKS; n++) {
		struct ext4_block *b = &fs->cache[n];

		for (uint32_t k = w->freed_before; k < w->freed_count && b->data != nullptr; k++) {
			if (b->number - w->freed[k].first >= w->freed[k].count)
				continue;
			if (b->changed)
				w->changed--;
			ext4_block_forget(fs, b);
			break;
		}
	}
}

int ext4_end(struct ext4_fs *fs, int error)
{
	struct ext4_writer *w = fs->writer;

	if (error < 0)
		undo(fs);
	else
		forget_freed(fs);
	w->running = false;
	return error;
}

bool ext4_try_again(struct ext4_fs *fs, int *error)
{
	if (*error != -ENOSPC || fs->writer->freed_count == 0)
		return false;
	*error = ext4_commit(fs);
	return *error == 0;
}

void ext4_remember(struct ext4_fs *fs, struct ext4_inode *i)
{
	struct ext4_writer *w = fs->writer;

	for (uint32_t n = 0; n < w->inode_count; n++)
		if (w->inodes[n].at == i)
			return;
	w->inodes[w->inode_count].at = i;
	memcpy(w->inodes[w->inode_count++].before, i, sizeof(w->inodes[0].before));
}

static int note(struct ext4_fs *fs, struct ext4_block *b, bool fresh)
{
	struct ext4_writer *w = fs->writer;
	uint32_t slot = (uint32_t)(b - fs->cache);

	for (uint32_t n = 0; n < w->undo_count; n++)
		if (w->undo[n].slot == slot)
			return 0;
	if (w->undo_count >= w->operation_most)
		return -ENOSPC;
	struct ext4_undo *u = &w->undo[w->undo_count++];
	u->slot = slot;
	u->was_changed = b->changed;
	u->fresh = fresh;
	u->verified = b->verified;
	u->verified_for = b->verified_for;
	if (!fresh)
		memcpy(u->copy, b->data, fs->block_bytes);
	if (!b->changed)
		w->changed++;
	b->changed = true;
	return 0;
}

int ext4_block_change(struct ext4_fs *fs, struct ext4_block *b)
{
	return fs->writer->running ? note(fs, b, false) : -EROFS;
}

int ext4_block_new(struct ext4_fs *fs, uint64_t number, struct ext4_block **out)
{
	struct ext4_block *b = ext4_block_find(fs, number);
	bool fresh = b == nullptr;

	if (fresh)
		b = ext4_block_slot(fs, number);
	if (b == nullptr)
		return -ENOMEM;
	int error = note(fs, b, fresh);
	if (error != 0) {
		ext4_block_put(b);
		if (fresh)
			ext4_block_forget(fs, b);
		return error;
	}
	memset(b->data, 0, fs->block_bytes);
	b->verified = KIND_NONE;
	*out = b;
	return 0;
}

/* --- the superblock --- */

int ext4_super_get(struct ext4_fs *fs, struct ext4_block **b, unsigned char **super)
{
	int error = ext4_block_get(fs, fs->first_data_block, b);

	if (error == 0)
		*super = (*b)->data + EXT4_SUPER_AT % fs->block_bytes;
	return error;
}

void ext4_super_sum(unsigned char *super)
{
	if (ext4_get32(super, SUPER_RO_COMPAT) & RO_METADATA_CSUM)
		ext4_set32(super, SUPER_CHECKSUM, crc32c_add(~0u, super, SUPER_CHECKSUM));
}

int ext4_super_write(struct ext4_fs *fs, struct ext4_block *b)
{
	int error = fs->io.write(fs->io.context, b->number * fs->block_bytes, b->data, fs->block_bytes);

	return error != 0 ? error : fs->io.flush(fs->io.context);
}

/* --- commits --- */

/* What is counted for the whole filesystem is part of each transaction. */
static int put_counts(struct ext4_fs *fs)
{
	struct ext4_writer *w = fs->writer;
	struct ext4_block *b;
	unsigned char *s;

	int error = ext4_super_get(fs, &b, &s);
	if (error != 0)
		return error;
	ext4_set32(s, SUPER_FREE_BLOCKS_LOW, (uint32_t)w->free_blocks);
	if (fs->incompat & INCOMPAT_64BIT)
		ext4_set32(s, SUPER_FREE_BLOCKS_HIGH, (uint32_t)(w->free_blocks >> 32));
	ext4_set32(s, SUPER_FREE_INODES, w->free_inodes);
	ext4_set32(s, SUPER_LAST_ORPHAN, w->last_orphan);
	ext4_super_sum(s);
	if (!b->changed)
		w->changed++;
	b->changed = true;
	ext4_block_put(b);
	return 0;
}

static int write_in_place(struct ext4_fs *fs)
{
	for (uint32_t n = 0; n < EXT4_CACHE_BLOCKS; n++) {
		struct ext4_block *b = &fs->cache[n];

		if (!b->changed)
			continue;
		int error = fs->io.write(fs->io.context, b->number * fs->block_bytes, b->data, fs->block_bytes);
		if (error != 0)
			return error;
		b->changed = false;
		fs->writer->changed--;
	}
	fs->writer->freed_count = 0;
	return 0;
}

int ext4_commit(struct ext4_fs *fs)
{
	struct ext4_writer *w = fs->writer;

	if (w == nullptr || w->aborted != 0)
		return -EROFS;
	int error = fs->io.drain != nullptr ? fs->io.drain(fs->io.context) : 0;
	if (error == 0 && w->changed == 0) {
		error = fs->io.flush(fs->io.context);
	} else if (error == 0) {
		error = put_counts(fs);
		if (error == 0)
			error = ext4_log_write(fs);
		if (error == 0)
			error = write_in_place(fs);
	}
	if (error != 0)
		ext4_abort(fs, error);
	return error;
}
