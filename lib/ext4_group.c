/* SPDX-License-Identifier: MIT */
/* Block groups (lib/ext4.h, lib/ext4_change.h; "Block Group Descriptors", "Block and Inode Bitmaps"). */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

static bool is_power_of(uint32_t n, uint32_t base)
{
	uint64_t power = base;

	while (power < n)
		power *= base;
	return power == n;
}

/* Whether the group begins with a copy of the superblock ("Block Groups", sparse_super). */
bool ext4_group_has_super(const struct ext4_fs *fs, uint32_t group)
{
	if (group != 0 && fs->compat & COMPAT_SPARSE_SUPER2)
		return group == fs->backup_groups[0] || group == fs->backup_groups[1];
	return group <= 1 || !(fs->ro_compat & RO_SPARSE_SUPER) || is_power_of(group, 3) || is_power_of(group, 5) ||
	       is_power_of(group, 7);
}

/* "Meta Block Groups": there a block of descriptors is in the first of the groups that it tells of. */
static uint64_t descriptor_block(const struct ext4_fs *fs, uint32_t index, uint32_t per_block)
{
	if (!(fs->incompat & INCOMPAT_META_BG) || index < fs->first_meta_bg)
		return (uint64_t)fs->first_data_block + 1 + index;
	uint32_t group = index * per_block;
	return fs->first_data_block + (uint64_t)group * fs->blocks_per_group + ext4_group_has_super(fs, group);
}

static uint16_t crc16_add(uint16_t crc, const void *bytes, size_t n)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < n; i++) {
		crc ^= at[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc >> 1 ^ ((crc & 1) != 0 ? 0xa001 : 0));
	}
	return crc;
}

static uint16_t checksum_of(const struct ext4_fs *fs, uint32_t number, const unsigned char *d)
{
	if (ext4_has_checksums(fs)) {
		uint32_t crc = crc32c_add(fs->checksum_seed, &number, sizeof(number));

		crc = crc32c_add(crc, d, GROUP_CHECKSUM);
		crc = crc32c_add(crc, &(uint16_t){0}, 2);
		crc = crc32c_add(crc, d + GROUP_CHECKSUM + 2, fs->descriptor_bytes - GROUP_CHECKSUM - 2);
		return (uint16_t)crc;
	}
	if (!(fs->ro_compat & RO_GDT_CSUM))
		return ext4_get16(d, GROUP_CHECKSUM);
	uint16_t crc = crc16_add(0xffff, fs->uuid, sizeof(fs->uuid));
	crc = crc16_add(crc, &number, sizeof(number));
	crc = crc16_add(crc, d, GROUP_CHECKSUM);
	/* What stands behind the checksum counts where descriptors are long. */
	if (fs->incompat & INCOMPAT_64BIT)
		crc = crc16_add(crc, d + GROUP_CHECKSUM + 2, fs->descriptor_bytes - GROUP_CHECKSUM - 2);
	return crc;
}

static int parse_group(const struct ext4_fs *fs, uint32_t number, const unsigned char *d, struct ext4_group *out)
{
	if (checksum_of(fs, number, d) != ext4_get16(d, GROUP_CHECKSUM))
		return -EBADMSG;
	*out = (struct ext4_group){
		.block_bitmap = ext4_get32(d, GROUP_BLOCK_BITMAP),
		.inode_bitmap = ext4_get32(d, GROUP_INODE_BITMAP),
		.inode_table = ext4_get32(d, GROUP_INODE_TABLE),
		.free_blocks = ext4_get16(d, GROUP_FREE_BLOCKS),
		.free_inodes = ext4_get16(d, GROUP_FREE_INODES),
		.flags = ext4_get16(d, GROUP_FLAGS),
		.unused_inodes = ext4_get16(d, GROUP_UNUSED_INODES),
		.used_dirs = ext4_get16(d, GROUP_USED_DIRS),
		.block_bitmap_sum = ext4_get16(d, GROUP_BLOCK_BITMAP_SUM),
		.inode_bitmap_sum = ext4_get16(d, GROUP_INODE_BITMAP_SUM),
	};
	if (fs->descriptor_bytes > GROUP_HIGH) {
		out->block_bitmap |= (uint64_t)ext4_get32(d, GROUP_HIGH + GROUP_BLOCK_BITMAP) << 32;
		out->inode_bitmap |= (uint64_t)ext4_get32(d, GROUP_HIGH + GROUP_INODE_BITMAP) << 32;
		out->inode_table |= (uint64_t)ext4_get32(d, GROUP_INODE_TABLE_HIGH) << 32;
		out->free_blocks |= (uint32_t)ext4_get16(d, GROUP_FREE_BLOCKS_HIGH) << 16;
		out->free_inodes |= (uint32_t)ext4_get16(d, GROUP_FREE_INODES_HIGH) << 16;
		out->unused_inodes |= (uint32_t)ext4_get16(d, GROUP_UNUSED_INODES_HIGH) << 16;
		out->used_dirs |= (uint32_t)ext4_get16(d, GROUP_USED_DIRS_HIGH) << 16;
		out->block_bitmap_sum |= (uint32_t)ext4_get16(d, GROUP_BLOCK_BITMAP_SUM_HIGH) << 16;
		out->inode_bitmap_sum |= (uint32_t)ext4_get16(d, GROUP_INODE_BITMAP_SUM_HIGH) << 16;
	}
	/* The two fields mean something only where a checksum stands for them. */
	if (!(fs->ro_compat & (RO_GDT_CSUM | RO_METADATA_CSUM)))
		out->flags = 0, out->unused_inodes = 0;
	uint64_t table = (uint64_t)fs->inodes_per_group * fs->inode_bytes / fs->block_bytes;
	if (!ext4_blocks_exist(fs, out->inode_table, table) || !ext4_blocks_exist(fs, out->block_bitmap, 1) ||
	    !ext4_blocks_exist(fs, out->inode_bitmap, 1) || out->unused_inodes > fs->inodes_per_group ||
	    out->free_blocks > fs->blocks_per_group || out->free_inodes > fs->inodes_per_group)
		return -EUCLEAN;
	return 0;
}

int ext4_read_group(struct ext4_fs *fs, uint32_t number, struct ext4_group *out)
{
	uint32_t per_block = fs->block_bytes / fs->descriptor_bytes;
	struct ext4_block *b;

	if (number >= fs->groups)
		return -EUCLEAN;
	int error = ext4_block_get(fs, descriptor_block(fs, number / per_block, per_block), &b);
	if (error != 0)
		return error;
	error = parse_group(fs, number, b->data + number % per_block * fs->descriptor_bytes, out);
	ext4_block_put(b);
	return error;
}

int ext4_count(struct ext4_fs *fs, struct ext4_counts *out)
{
	uint64_t table = (uint64_t)fs->inodes_per_group * fs->inode_bytes / fs->block_bytes;
	uint32_t per_block = fs->block_bytes / fs->descriptor_bytes;

	*out = (struct ext4_counts){.overhead = fs->first_data_block};
	for (uint32_t n = 0; n < fs->groups; n++) {
		struct ext4_group g;

		int error = ext4_read_group(fs, n, &g);
		if (error != 0)
			return error;
		out->free_blocks += g.free_blocks;
		out->free_inodes += g.free_inodes;
		out->overhead += table + 2;
		if (ext4_group_has_super(fs, n))
			out->overhead +=
				1 + (fs->incompat & INCOMPAT_META_BG ? fs->first_meta_bg
								     : (fs->groups + per_block - 1) / per_block);
	}
	return 0;
}

/* --- changes --- */

static void put_group(const struct ext4_fs *fs, unsigned char *d, const struct ext4_group *g)
{
	ext4_set16(d, GROUP_FREE_BLOCKS, (uint16_t)g->free_blocks);
	ext4_set16(d, GROUP_FREE_INODES, (uint16_t)g->free_inodes);
	ext4_set16(d, GROUP_USED_DIRS, (uint16_t)g->used_dirs);
	if (fs->ro_compat & (RO_GDT_CSUM | RO_METADATA_CSUM)) {
		ext4_set16(d, GROUP_FLAGS, g->flags);
		ext4_set16(d, GROUP_UNUSED_INODES, (uint16_t)g->unused_inodes);
	}
	if (ext4_has_checksums(fs)) {
		ext4_set16(d, GROUP_BLOCK_BITMAP_SUM, (uint16_t)g->block_bitmap_sum);
		ext4_set16(d, GROUP_INODE_BITMAP_SUM, (uint16_t)g->inode_bitmap_sum);
	}
	if (fs->descriptor_bytes <= GROUP_HIGH)
		return;
	ext4_set16(d, GROUP_FREE_BLOCKS_HIGH, (uint16_t)(g->free_blocks >> 16));
	ext4_set16(d, GROUP_FREE_INODES_HIGH, (uint16_t)(g->free_inodes >> 16));
	ext4_set16(d, GROUP_USED_DIRS_HIGH, (uint16_t)(g->used_dirs >> 16));
	ext4_set16(d, GROUP_UNUSED_INODES_HIGH, (uint16_t)(g->unused_inodes >> 16));
	if (ext4_has_checksums(fs)) {
		ext4_set16(d, GROUP_BLOCK_BITMAP_SUM_HIGH, (uint16_t)(g->block_bitmap_sum >> 16));
		ext4_set16(d, GROUP_INODE_BITMAP_SUM_HIGH, (uint16_t)(g->inode_bitmap_sum >> 16));
	}
}

int ext4_write_group(struct ext4_fs *fs, uint32_t number, const struct ext4_group *g)
{
	uint32_t per_block = fs->block_bytes / fs->descriptor_bytes;
	struct ext4_block *b;

	int error = ext4_block_get(fs, descriptor_block(fs, number / per_block, per_block), &b);
	if (error != 0)
		return error;
	error = ext4_block_change(fs, b);
	if (error == 0) {
		unsigned char *d = b->data + number % per_block * fs->descriptor_bytes;

		put_group(fs, d, g);
		ext4_set16(d, GROUP_CHECKSUM, checksum_of(fs, number, d));
	}
	ext4_block_put(b);
	return error;
}

/* --- bitmaps --- */

uint32_t ext4_group_blocks(const struct ext4_fs *fs, uint32_t number)
{
	uint64_t first = fs->first_data_block + (uint64_t)number * fs->blocks_per_group;

	return (uint32_t)MIN((uint64_t)fs->blocks_per_group, fs->blocks - first);
}

static uint32_t sum_of(const struct ext4_fs *fs, const unsigned char *bits, uint32_t bytes)
{
	uint32_t crc = crc32c_add(fs->checksum_seed, bits, bytes);

	return fs->descriptor_bytes > GROUP_HIGH ? crc : (uint16_t)crc;
}

void ext4_bitmap_sum(const struct ext4_fs *fs, struct ext4_group *g, const struct ext4_block *b, bool inodes)
{
	if (inodes)
		g->inode_bitmap_sum = sum_of(fs, b->data, fs->inodes_per_group / 8);
	else
		g->block_bitmap_sum = sum_of(fs, b->data, fs->blocks_per_group / 8);
}

static void set_bits(unsigned char *bits, uint32_t from, uint32_t end)
{
	for (; from < end; from++)
		bits[from / 8] |= (unsigned char)(1u << from % 8);
}

/* Those of `count` blocks from `first` on that are the group's. */
static void mark(const struct ext4_fs *fs, unsigned char *bits, uint32_t number, uint64_t first, uint64_t count)
{
	uint64_t base = fs->first_data_block + (uint64_t)number * fs->blocks_per_group;
	uint64_t end = MIN(first + count, base + ext4_group_blocks(fs, number));

	if (end > base && first < end)
		set_bits(bits, (uint32_t)(MAX(first, base) - base), (uint32_t)(end - base));
}

/* "Flexible Block Groups", "Meta Block Groups": copies of the superblock and descriptors at the group's beginning. */
static uint32_t leading_blocks(const struct ext4_fs *fs, uint32_t number)
{
	uint32_t per_block = fs->block_bytes / fs->descriptor_bytes, super = ext4_group_has_super(fs, number);

	if (fs->incompat & INCOMPAT_META_BG && number >= fs->first_meta_bg * per_block) {
		uint32_t within = number % per_block;

		return super + (within == 0 || within == 1 || within == per_block - 1);
	}
	if (!super)
		return 0;
	return 1 + fs->reserved_descriptors +
	       (fs->incompat & INCOMPAT_META_BG ? fs->first_meta_bg : (fs->groups + per_block - 1) / per_block);
}

static void make_bitmap(const struct ext4_fs *fs, unsigned char *bits, uint32_t number, const struct ext4_group *g,
			bool inodes)
{
	uint32_t most = fs->block_bytes * 8;

	memset(bits, 0, fs->block_bytes);
	if (inodes) {
		set_bits(bits, fs->inodes_per_group, most);
		return;
	}
	set_bits(bits, 0, MIN(leading_blocks(fs, number), most));
	mark(fs, bits, number, g->block_bitmap, 1);
	mark(fs, bits, number, g->inode_bitmap, 1);
	mark(fs, bits, number, g->inode_table, (uint64_t)fs->inodes_per_group * fs->inode_bytes / fs->block_bytes);
	set_bits(bits, ext4_group_blocks(fs, number), most);
}

static uint32_t count_free(const unsigned char *bits, uint32_t count)
{
	uint32_t free = 0;

	for (uint32_t n = 0; n < count; n++)
		free += !(bits[n / 8] >> n % 8 & 1);
	return free;
}

/* The group's own blocks are in use, or files would be written over them. */
static bool own_blocks_taken(const struct ext4_fs *fs, const unsigned char *bits, uint32_t number,
			     const struct ext4_group *g)
{
	uint64_t base = fs->first_data_block + (uint64_t)number * fs->blocks_per_group;
	uint64_t end = base + ext4_group_blocks(fs, number);
	uint64_t table = (uint64_t)fs->inodes_per_group * fs->inode_bytes / fs->block_bytes;
	const uint64_t places[][2] = {{g->block_bitmap, 1}, {g->inode_bitmap, 1}, {g->inode_table, table}};

	for (uint32_t k = 0; k < 3; k++)
		for (uint64_t at = places[k][0]; at < places[k][0] + places[k][1]; at++)
			if (at >= base && at < end && !(bits[(at - base) / 8] >> (at - base) % 8 & 1))
				return false;
	return true;
}

static int verify_bitmap(const struct ext4_fs *fs, struct ext4_block *b, uint32_t number, const struct ext4_group *g,
			 bool inodes)
{
	struct ext4_group own = *g;

	if (b->verified == KIND_BITMAP && b->verified_for == number)
		return 0;
	ext4_bitmap_sum(fs, &own, b, inodes);
	if (ext4_has_checksums(fs) &&
	    (own.block_bitmap_sum != g->block_bitmap_sum || own.inode_bitmap_sum != g->inode_bitmap_sum))
		return -EBADMSG;
	uint32_t count = inodes ? fs->inodes_per_group : ext4_group_blocks(fs, number);
	if (count_free(b->data, count) != (inodes ? g->free_inodes : g->free_blocks))
		return -EUCLEAN;
	if (!inodes && !own_blocks_taken(fs, b->data, number, g))
		return -EUCLEAN;
	b->verified = KIND_BITMAP;
	b->verified_for = number;
	return 0;
}

int ext4_bitmap_get(struct ext4_fs *fs, uint32_t number, const struct ext4_group *g, bool inodes,
		    struct ext4_block **out)
{
	bool fresh = g->flags & (inodes ? GROUP_INODE_UNINIT : GROUP_BLOCK_UNINIT);
	uint64_t place = inodes ? g->inode_bitmap : g->block_bitmap;

	int error = fresh ? ext4_block_new(fs, place, out) : ext4_block_get(fs, place, out);
	if (error != 0)
		return error;
	if (fresh) {
		struct ext4_group own = *g;

		make_bitmap(fs, (*out)->data, number, g, inodes);
		(*out)->verified = KIND_NONE;
		/* Its checksum comes with the first change; the numbers have to agree now. */
		ext4_bitmap_sum(fs, &own, *out, inodes);
		error = verify_bitmap(fs, *out, number, &own, inodes);
	} else {
		error = verify_bitmap(fs, *out, number, g, inodes);
	}
	if (error != 0)
		ext4_block_put(*out);
	return error;
}
