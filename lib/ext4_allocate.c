/* SPDX-License-Identifier: MIT */
/*
 * Blocks are taken and given up (lib/ext4_change.h; "Block and Inode Bitmaps"). What the running transaction has given
 * up is free in the bitmaps and not yet to be had: until the commit the disk's own state still has it.
 */
#include <abi/errno.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/types.h>

constexpr uint32_t RUN_MOST = 2048; /* blocks that are looked for in one piece */

static uint64_t base_of(const struct ext4_fs *fs, uint32_t group)
{
	return fs->first_data_block + (uint64_t)group * fs->blocks_per_group;
}

/* How many blocks from `block` on were not given up by the running transaction, up to `most`; 0: *skip of them were. */
static uint32_t usable(const struct ext4_fs *fs, uint64_t block, uint32_t most, uint32_t *skip)
{
	const struct ext4_writer *w = fs->writer;

	for (uint32_t n = 0; n < w->freed_count; n++) {
		const struct ext4_freed *f = &w->freed[n];

		if (block - f->first < f->count) {
			*skip = (uint32_t)(f->count - (block - f->first));
			return 0;
		}
		if (f->first > block && f->first - block < most)
			most = (uint32_t)(f->first - block);
	}
	return most;
}

static bool is_taken(const unsigned char *bits, uint32_t n)
{
	return bits[n / 8] >> n % 8 & 1;
}

/* A run of free blocks in from … end - 1, the first of at least `least`; up to `want`. 0: there is none. */
static uint32_t find_run(const struct ext4_fs *fs, const unsigned char *bits, uint32_t group, uint32_t from,
			 uint32_t end, uint32_t least, uint32_t want, uint32_t *at)
{
	for (uint32_t n = from; n < end;) {
		uint32_t length = 0, skip = 1;

		if (n % 8 == 0 && bits[n / 8] == 0xff) {
			n += 8;
			continue;
		}
		while (n + length < end && length < want && !is_taken(bits, n + length))
			length++;
		uint32_t whole = length;
		if (length > 0)
			length = usable(fs, base_of(fs, group) + n, length, &skip);
		if (length >= least) {
			*at = n;
			return length;
		}
		n += length > 0 ? MIN(length, whole) : whole > 0 ? MIN(skip, whole) : 1;
	}
	return 0;
}

/* From bit `from` of the group. 1: there is none. */
static int take_in_group(struct ext4_fs *fs, uint32_t group, uint32_t from, uint32_t least, uint32_t want,
			 uint64_t *first, uint32_t *count)
{
	struct ext4_group g;
	struct ext4_block *b;
	uint32_t at;

	int error = ext4_read_group(fs, group, &g);
	if (error != 0 || g.free_blocks < least)
		return error != 0 ? error : 1;
	error = ext4_bitmap_get(fs, group, &g, false, &b);
	if (error != 0)
		return error;
	uint32_t n = find_run(fs, b->data, group, from, ext4_group_blocks(fs, group), least, want, &at);
	if (n > 0)
		error = ext4_block_change(fs, b);
	for (uint32_t k = 0; error == 0 && k < n; k++)
		b->data[(at + k) / 8] |= (unsigned char)(1u << (at + k) % 8);
	/* A bitmap that was made just now is kept, even if it is of no use. */
	if (error == 0 && (n > 0 || g.flags & GROUP_BLOCK_UNINIT)) {
		g.free_blocks -= n;
		g.flags &= (uint16_t)~GROUP_BLOCK_UNINIT;
		ext4_bitmap_sum(fs, &g, b, false);
		error = ext4_write_group(fs, group, &g);
	}
	ext4_block_put(b);
	if (error != 0 || n == 0)
		return error != 0 ? error : 1;
	fs->writer->free_blocks -= n;
	*first = base_of(fs, group) + at;
	*count = n;
	return 0;
}

int ext4_take_blocks(struct ext4_fs *fs, uint64_t goal, uint32_t want, uint64_t *first, uint32_t *count)
{
	const struct ext4_writer *w = fs->writer;
	uint64_t kept = w->use_reserved ? 0 : fs->reserved_blocks;

	want = MIN(want, RUN_MOST);
	if (w->free_blocks <= kept)
		return -ENOSPC;
	want = (uint32_t)MIN((uint64_t)want, w->free_blocks - kept);
	if (goal <= fs->first_data_block || goal >= fs->blocks)
		goal = fs->first_data_block;
	uint32_t begin = (uint32_t)((goal - fs->first_data_block) / fs->blocks_per_group);
	uint32_t from = (uint32_t)((goal - fs->first_data_block) % fs->blocks_per_group);
	/* What follows the goal; then a piece of good length anywhere; then whatever there is. */
	int result = take_in_group(fs, begin, from, 1, want, first, count);
	for (uint32_t least = MIN(want, 8u); result > 0; least = 1) {
		for (uint32_t n = 0; n < fs->groups && result > 0; n++)
			result = take_in_group(fs, (begin + n) % fs->groups, 0, least, want, first, count);
		if (least == 1)
			break;
	}
	return result > 0 ? -ENOSPC : result;
}

static int free_in_group(struct ext4_fs *fs, uint32_t group, uint32_t from, uint32_t count)
{
	struct ext4_group g;
	struct ext4_block *b;

	int error = ext4_read_group(fs, group, &g);
	if (error != 0)
		return error;
	if (g.flags & GROUP_BLOCK_UNINIT)
		return -EUCLEAN;
	error = ext4_bitmap_get(fs, group, &g, false, &b);
	if (error != 0)
		return error;
	error = ext4_block_change(fs, b);
	for (uint32_t n = from; error == 0 && n < from + count; n++) {
		if (!is_taken(b->data, n))
			error = -EUCLEAN;
		b->data[n / 8] &= (unsigned char)~(1u << n % 8);
	}
	if (error == 0) {
		g.free_blocks += count;
		ext4_bitmap_sum(fs, &g, b, false);
		error = ext4_write_group(fs, group, &g);
	}
	ext4_block_put(b);
	return error;
}

int ext4_free_blocks(struct ext4_fs *fs, uint64_t first, uint64_t count)
{
	struct ext4_writer *w = fs->writer;

	if (!ext4_blocks_exist(fs, first, count))
		return -EUCLEAN;
	if (w->freed_count == FREED_MAX)
		return -ENOSPC;
	w->freed[w->freed_count++] = (struct ext4_freed){first, count};
	w->free_blocks += count;
	while (count > 0) {
		uint32_t group = (uint32_t)((first - fs->first_data_block) / fs->blocks_per_group);
		uint32_t from = (uint32_t)((first - fs->first_data_block) % fs->blocks_per_group);
		uint32_t n = (uint32_t)MIN(count, (uint64_t)fs->blocks_per_group - from);

		int error = free_in_group(fs, group, from, n);
		if (error != 0)
			return error;
		first += n;
		count -= n;
	}
	return 0;
}
