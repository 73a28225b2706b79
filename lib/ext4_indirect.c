/* SPDX-License-Identifier: MIT */
/*
 * The block maps of ext2 and ext3 (lib/ext4.h; "Direct/Indirect Block Addressing"): twelve blocks, then one each of
 * blocks of numbers, of blocks of those, and of those again. The depth of a walk is where it began.
 */
#include <abi/errno.h>
#include <lib/ext4.h>
#include <lib/ext4_layout.h>
#include <lib/types.h>

constexpr uint32_t DIRECT = 12, LEVELS_MAX = 3;

/* As many numbers as follow each other on the disk as they do in the file, or are all 0. */
static int run_of(const struct ext4_fs *fs, const unsigned char *numbers, uint32_t index, uint32_t count,
		  struct ext4_run *out)
{
	uint32_t first = ext4_get32(numbers, index * 4), n = 1;

	while (index + n < count && ext4_get32(numbers, (index + n) * 4) == (first != 0 ? first + n : 0))
		n++;
	if (first != 0 && !ext4_blocks_exist(fs, first, n))
		return -EUCLEAN;
	*out = (struct ext4_run){.kind = first != 0 ? RUN_DATA : RUN_HOLE, .physical = first, .count = n};
	return 0;
}

/* `rest` is the block looked for among those below `place`, a block of numbers of that many levels. */
static int walk(struct ext4_fs *fs, uint32_t place, uint32_t levels, uint64_t rest, struct ext4_run *out)
{
	uint32_t per_block = fs->block_bytes / 4;
	uint64_t below = 1;

	for (uint32_t n = 0; n < levels; n++)
		below *= per_block;
	while (place != 0) {
		struct ext4_block *b;

		int error = ext4_blocks_exist(fs, place, 1) ? ext4_block_get(fs, place, &b) : -EUCLEAN;
		if (error != 0)
			return error;
		below /= per_block;
		if (below == 1)
			error = run_of(fs, b->data, (uint32_t)rest, per_block, out);
		else
			place = ext4_get32(b->data, (uint32_t)(rest / below) * 4);
		ext4_block_put(b);
		if (below == 1)
			return error;
		rest %= below;
	}
	*out = (struct ext4_run){.kind = RUN_HOLE, .count = (uint32_t)(below - rest)};
	return 0;
}

int ext4_map_indirect(struct ext4_fs *fs, const struct ext4_inode *i, uint32_t logical, struct ext4_run *out)
{
	uint64_t rest = logical, below = 1;

	if (logical < DIRECT)
		return run_of(fs, i->map, logical, DIRECT, out);
	rest -= DIRECT;
	for (uint32_t levels = 1; levels <= LEVELS_MAX; levels++) {
		below *= fs->block_bytes / 4;
		if (rest < below)
			return walk(fs, ext4_get32(i->map, (DIRECT + levels - 1) * 4), levels, rest, out);
		rest -= below;
	}
	return -EUCLEAN;
}
