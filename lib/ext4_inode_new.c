/* SPDX-License-Identifier: MIT */
/* Inodes are taken, written and given up (lib/ext4_change.h; "Index Nodes"). */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr int64_t NS_PER_S = 1'000'000'000;

/* --- the bitmap --- */

/* "Orlov": directories of the root go where there is most room, those below near their parent. */
static uint32_t group_for(struct ext4_fs *fs, uint32_t parent, bool directory)
{
	uint32_t near = (parent - 1) / fs->inodes_per_group, best = near;
	uint64_t most = 0;

	if (!directory || parent != EXT4_ROOT_INODE)
		return near;
	for (uint32_t n = 0; n < fs->groups; n++) {
		uint32_t group = (fs->writer->last_group + 1 + n) % fs->groups;
		struct ext4_group g;

		if (ext4_read_group(fs, group, &g) != 0 || g.free_inodes == 0)
			continue;
		if (g.free_blocks > most) {
			most = g.free_blocks;
			best = group;
		}
	}
	fs->writer->last_group = best;
	return best;
}

/* The block bitmap of a group with inodes is one that was written. */
static int init_blocks(struct ext4_fs *fs, uint32_t number, struct ext4_group *g)
{
	struct ext4_block *b;

	if (!(g->flags & GROUP_BLOCK_UNINIT))
		return 0;
	int error = ext4_bitmap_get(fs, number, g, false, &b);
	if (error != 0)
		return error;
	ext4_bitmap_sum(fs, g, b, false);
	ext4_block_put(b);
	g->flags &= (uint16_t)~GROUP_BLOCK_UNINIT;
	return 0;
}

/* 1: there is none. */
static int take_in_group(struct ext4_fs *fs, uint32_t group, bool directory, uint32_t *number)
{
	uint32_t at = group == 0 ? fs->first_inode - 1 : 0;
	struct ext4_group g;
	struct ext4_block *b;

	int error = ext4_read_group(fs, group, &g);
	if (error != 0 || g.free_inodes == 0)
		return error != 0 ? error : 1;
	error = ext4_bitmap_get(fs, group, &g, true, &b);
	if (error != 0)
		return error;
	while (at < fs->inodes_per_group && b->data[at / 8] >> at % 8 & 1)
		at++;
	error = at < fs->inodes_per_group ? ext4_block_change(fs, b) : 1;
	if (error == 0) {
		b->data[at / 8] |= (unsigned char)(1u << at % 8);
		g.free_inodes--;
		g.used_dirs += directory;
		g.flags &= (uint16_t)~GROUP_INODE_UNINIT;
		if (at >= fs->inodes_per_group - g.unused_inodes)
			g.unused_inodes = fs->inodes_per_group - at - 1;
		ext4_bitmap_sum(fs, &g, b, true);
		error = init_blocks(fs, group, &g);
	}
	ext4_block_put(b);
	if (error == 0)
		error = ext4_write_group(fs, group, &g);
	if (error != 0)
		return error;
	fs->writer->free_inodes--;
	*number = group * fs->inodes_per_group + at + 1;
	return 0;
}

int ext4_take_inode(struct ext4_fs *fs, uint32_t parent, bool directory, uint32_t *number)
{
	uint32_t begin = group_for(fs, parent, directory);
	int result = 1;

	for (uint32_t n = 0; n < fs->groups && result > 0; n++)
		result = take_in_group(fs, (begin + n) % fs->groups, directory, number);
	return result > 0 ? -ENOSPC : result;
}

int ext4_free_inode(struct ext4_fs *fs, uint32_t number, bool directory)
{
	uint32_t group = (number - 1) / fs->inodes_per_group, at = (number - 1) % fs->inodes_per_group;
	struct ext4_group g;
	struct ext4_block *b;

	if (number < fs->first_inode)
		return -EUCLEAN;
	int error = ext4_read_group(fs, group, &g);
	if (error != 0)
		return error;
	error = g.flags & GROUP_INODE_UNINIT || (directory && g.used_dirs == 0)
			? -EUCLEAN
			: ext4_bitmap_get(fs, group, &g, true, &b);
	if (error != 0)
		return error;
	error = b->data[at / 8] >> at % 8 & 1 ? ext4_block_change(fs, b) : -EUCLEAN;
	if (error == 0) {
		b->data[at / 8] &= (unsigned char)~(1u << at % 8);
		g.free_inodes++;
		g.used_dirs -= directory;
		ext4_bitmap_sum(fs, &g, b, true);
		error = ext4_write_group(fs, group, &g);
	}
	ext4_block_put(b);
	if (error == 0)
		fs->writer->free_inodes++;
	return error;
}

uint64_t ext4_goal_of(const struct ext4_fs *fs, const struct ext4_inode *i)
{
	return fs->first_data_block + (uint64_t)((i->number - 1) / fs->inodes_per_group) * fs->blocks_per_group;
}

/* --- the inode itself --- */

/* "Inode Timestamps": what lies before the epoch counts seconds down and nanoseconds up. */
static void put_time(unsigned char *d, uint32_t seconds_at, uint32_t extra_at, uint32_t end, int64_t time)
{
	int64_t seconds = time / NS_PER_S, ns = time % NS_PER_S;

	if (ns < 0) {
		seconds--;
		ns += NS_PER_S;
	}
	ext4_set32(d, seconds_at, (uint32_t)seconds);
	/* The two bits are what the 32 with their sign lack. */
	if (extra_at + 4 <= end)
		ext4_set32(d, extra_at,
			   (uint32_t)((seconds - (int32_t)(uint32_t)seconds) >> 32 & 3) | (uint32_t)ns << 2);
}

static void put_checksum(const struct ext4_fs *fs, uint32_t seed, unsigned char *d, uint32_t end)
{
	bool high = end >= INODE_CHECKSUM_HIGH + 2;

	if (!ext4_has_checksums(fs))
		return;
	ext4_set16(d, INODE_CHECKSUM_LOW, 0);
	if (high)
		ext4_set16(d, INODE_CHECKSUM_HIGH, 0);
	uint32_t crc = crc32c_add(seed, d, fs->inode_bytes);
	ext4_set16(d, INODE_CHECKSUM_LOW, (uint16_t)crc);
	if (high)
		ext4_set16(d, INODE_CHECKSUM_HIGH, (uint16_t)(crc >> 16));
}

static void put_size(const struct ext4_fs *fs, const struct ext4_inode *i, unsigned char *d)
{
	uint16_t type = i->mode & MODE_TYPE;
	uint64_t blocks = i->flags & INODE_HUGE_FILE ? i->blocks / (fs->block_bytes / 512) : i->blocks;

	ext4_set32(d, INODE_SIZE_LOW, (uint32_t)i->size);
	if (type == MODE_FILE || (type == MODE_DIR && fs->incompat & INCOMPAT_LARGEDIR))
		ext4_set32(d, INODE_SIZE_HIGH, (uint32_t)(i->size >> 32));
	ext4_set32(d, INODE_BLOCKS_LOW, (uint32_t)blocks);
	if (fs->ro_compat & RO_HUGE_FILE)
		ext4_set16(d, INODE_BLOCKS_HIGH, (uint16_t)(blocks >> 32));
}

static void put_fields(const struct ext4_fs *fs, const struct ext4_inode *i, unsigned char *d, uint32_t end)
{
	ext4_set16(d, INODE_MODE, i->mode);
	ext4_set16(d, INODE_UID, (uint16_t)i->uid);
	ext4_set16(d, INODE_UID_HIGH, (uint16_t)(i->uid >> 16));
	ext4_set16(d, INODE_GID, (uint16_t)i->gid);
	ext4_set16(d, INODE_GID_HIGH, (uint16_t)(i->gid >> 16));
	ext4_set16(d, INODE_LINKS, (uint16_t)i->links);
	ext4_set32(d, INODE_FLAGS, i->flags);
	ext4_set32(d, INODE_GENERATION, i->generation);
	ext4_set32(d, INODE_FILE_ACL_LOW, (uint32_t)i->xattr_block);
	if (fs->incompat & INCOMPAT_64BIT)
		ext4_set16(d, INODE_FILE_ACL_HIGH, (uint16_t)(i->xattr_block >> 32));
	memcpy(d + INODE_BLOCK_MAP, i->map, sizeof(i->map));
	put_size(fs, i, d);
	put_time(d, INODE_ATIME, INODE_ATIME_EXTRA, end, i->atime_ns);
	put_time(d, INODE_MTIME, INODE_MTIME_EXTRA, end, i->mtime_ns);
	put_time(d, INODE_CTIME, INODE_CTIME_EXTRA, end, i->ctime_ns);
	if (end >= INODE_CRTIME + 4)
		put_time(d, INODE_CRTIME, INODE_CRTIME_EXTRA, end, i->btime_ns);
}

/* Where the inode is in its block. */
static int place_of(struct ext4_fs *fs, uint32_t number, struct ext4_block **b, unsigned char **d)
{
	uint32_t per_block = fs->block_bytes / fs->inode_bytes, index = (number - 1) % fs->inodes_per_group;
	struct ext4_group group;

	int error = ext4_read_group(fs, (number - 1) / fs->inodes_per_group, &group);
	if (error == 0)
		error = ext4_block_get(fs, group.inode_table + index / per_block, b);
	if (error != 0)
		return error;
	error = ext4_block_change(fs, *b);
	if (error != 0)
		ext4_block_put(*b);
	else
		*d = (*b)->data + index % per_block * fs->inode_bytes;
	return error;
}

/* Where its fields end. */
static uint32_t end_of(const struct ext4_fs *fs, const unsigned char *d)
{
	return EXT4_INODE_SMALL + (fs->inode_bytes > EXT4_INODE_SMALL ? ext4_get16(d, INODE_EXTRA_SIZE) : 0u);
}

int ext4_put_inode(struct ext4_fs *fs, const struct ext4_inode *i, bool fresh)
{
	struct ext4_block *b;
	unsigned char *d;

	int error = place_of(fs, i->number, &b, &d);
	if (error != 0)
		return error;
	if (fresh) {
		memset(d, 0, fs->inode_bytes);
		if (fs->inode_bytes > EXT4_INODE_SMALL)
			ext4_set16(d, INODE_EXTRA_SIZE,
				   (uint16_t)(fs->inode_bytes - EXT4_INODE_SMALL - i->extra_bytes));
	}
	put_fields(fs, i, d, end_of(fs, d));
	put_checksum(fs, i->checksum_seed, d, end_of(fs, d));
	ext4_block_put(b);
	return 0;
}

int ext4_put_deletion(struct ext4_fs *fs, uint32_t number, uint32_t dtime)
{
	struct ext4_block *b;
	unsigned char *d;

	int error = place_of(fs, number, &b, &d);
	if (error != 0)
		return error;
	uint32_t seed = crc32c_add(fs->checksum_seed, &number, sizeof(number));
	ext4_set32(d, INODE_DTIME, dtime);
	put_checksum(fs, crc32c_add(seed, d + INODE_GENERATION, 4), d, end_of(fs, d));
	ext4_block_put(b);
	return 0;
}

int ext4_keep_inode(struct ext4_fs *fs, struct ext4_inode *i)
{
	int error = ext4_begin(fs);

	if (error != 0)
		return error;
	return ext4_end(fs, ext4_put_inode(fs, i, false));
}
