/* SPDX-License-Identifier: MIT */
/* Blocks of files get a place, become data, and are given up (lib/ext4_write.h). */
#include <abi/errno.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/types.h>

constexpr uint32_t PIECE = 2048;

bool ext4_can_write(const struct ext4_inode *i)
{
	return i->flags & INODE_EXTENTS;
}

static int allocate_run(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint32_t want)
{
	struct ext4_extent x = {.logical = logical, .unwritten = true};
	uint64_t goal = ext4_goal_of(fs, i);
	struct ext4_run before;

	/* Behind what is there, or where the file would have it if it had begun there. */
	if (logical > 0 && ext4_map(fs, i, logical - 1, &before) == 0 && before.kind != RUN_HOLE)
		goal = before.physical + 1;
	int error = ext4_take_blocks(fs, goal, want, &x.physical, &x.count);
	if (error == 0)
		error = ext4_extent_add(fs, i, &x);
	if (error == 0)
		i->blocks += (uint64_t)x.count * (fs->block_bytes / 512);
	return error;
}

static int allocate(struct ext4_fs *fs, struct ext4_inode *i, uint32_t *logical, uint64_t end)
{
	int error = 0;

	while (error == 0 && *logical < end && !ext4_is_long(fs)) {
		struct ext4_run run;

		error = ext4_map(fs, i, *logical, &run);
		if (error != 0)
			break;
		uint32_t n = (uint32_t)MIN((uint64_t)run.count, end - *logical);
		if (run.kind == RUN_HOLE)
			error = allocate_run(fs, i, *logical, MIN(n, PIECE));
		else
			*logical += n;
	}
	return error != 0 ? error : ext4_put_inode(fs, i, false);
}

static bool has_hole(struct ext4_fs *fs, const struct ext4_inode *i, uint32_t logical, uint64_t end, int *error)
{
	*error = 0;
	while (logical < end && *error == 0) {
		struct ext4_run run;

		*error = ext4_map(fs, i, logical, &run);
		if (*error == 0 && run.kind == RUN_HOLE)
			return true;
		if (*error == 0)
			logical += (uint32_t)MIN((uint64_t)run.count, end - logical);
	}
	return false;
}

int ext4_allocate(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint32_t count)
{
	uint64_t end = (uint64_t)logical + count;
	int error;

	if (!ext4_can_write(i))
		return -EOPNOTSUPP;
	if (end > UINT32_MAX)
		return -EFBIG;
	while (has_hole(fs, i, logical, end, &error)) {
		uint32_t first = logical;

		error = ext4_begin(fs);
		if (error != 0)
			return error;
		ext4_remember(fs, i);
		error = ext4_end(fs, allocate(fs, i, &logical, end));
		if (error != 0)
			logical = first; /* what it had is a hole again */
		if (error != 0 && !ext4_try_again(fs, &error))
			return error;
	}
	return error;
}

static int convert(struct ext4_fs *fs, struct ext4_inode *i, uint32_t *logical, uint64_t end, uint64_t size)
{
	int error = 0;

	while (error == 0 && *logical < end && !ext4_is_long(fs)) {
		struct ext4_run run;

		error = ext4_map(fs, i, *logical, &run);
		if (error != 0)
			break;
		uint32_t n = (uint32_t)MIN((uint64_t)run.count, end - *logical);
		if (run.kind == RUN_HOLE)
			error = -EUCLEAN;
		else if (run.kind == RUN_UNWRITTEN)
			error = ext4_extent_convert(fs, i, *logical, n);
		*logical += n;
	}
	if (error == 0 && *logical >= end)
		i->size = MAX(i->size, size);
	return error != 0 ? error : ext4_put_inode(fs, i, false);
}

int ext4_written(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint32_t count, uint64_t size)
{
	uint64_t end = (uint64_t)logical + count;
	struct ext4_run run;

	/* As a rule it is data already. */
	int error = ext4_map(fs, i, logical, &run);
	if (error == 0 && run.kind == RUN_DATA && run.count >= count && size <= i->size)
		return 0;
	while (error == 0 && logical < end) {
		error = ext4_begin(fs);
		if (error != 0)
			return error;
		ext4_remember(fs, i);
		error = ext4_end(fs, convert(fs, i, &logical, end, size));
	}
	return error;
}

/* 1: there is more. */
static int cut_some(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint64_t end)
{
	int result = 1;

	while (result == 1 && !ext4_is_long(fs))
		result = ext4_extent_cut(fs, i, logical, end);
	return result;
}

int ext4_punch(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint64_t end)
{
	int result = 1;

	if (!ext4_can_write(i))
		return -EOPNOTSUPP;
	while (result == 1 && logical < end) {
		int error = ext4_begin(fs);
		if (error != 0)
			return error;
		ext4_remember(fs, i);
		result = cut_some(fs, i, logical, end);
		error = result >= 0 ? ext4_put_inode(fs, i, false) : result;
		error = ext4_end(fs, error);
		result = error != 0 ? error : result;
	}
	return MIN(result, 0);
}

/* Is in the list while there is more. */
static int cut_step(struct ext4_fs *fs, struct ext4_inode *i, uint32_t first)
{
	int result = cut_some(fs, i, first, 1ull << 32), error = 0;

	if (result < 0)
		return result;
	if (result == 1 && !i->orphan)
		error = ext4_orphan_add(fs, i);
	else if (result == 0 && i->orphan && i->links > 0)
		error = ext4_orphan_remove(fs, i);
	if (error == 0)
		error = ext4_put_inode(fs, i, false);
	return error != 0 ? error : result;
}

int ext4_cut(struct ext4_fs *fs, struct ext4_inode *i, uint64_t size)
{
	uint64_t first = (size + fs->block_bytes - 1) / fs->block_bytes;
	int result = 1;

	if (!ext4_can_write(i))
		return -EOPNOTSUPP;
	if (first > UINT32_MAX)
		return -EFBIG;
	while (result == 1) {
		int error = ext4_begin(fs);
		if (error != 0)
			return error;
		ext4_remember(fs, i);
		i->size = size;
		result = ext4_end(fs, cut_step(fs, i, (uint32_t)first));
	}
	/* Half of it is cut, and the list has it: the next mount goes on. */
	if (result < 0 && i->orphan && i->links > 0)
		ext4_abort(fs, result);
	return result;
}
