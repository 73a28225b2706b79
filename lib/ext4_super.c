/* SPDX-License-Identifier: MIT */
/* The superblock and the block groups (lib/ext4.h; "Super Block", "Block Group Descriptors"). */
#include <abi/errno.h>
#include <lib/annotate.h>
#include <lib/crc32c.h>
#include <lib/ext4.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

/* What is understood; in the order of the names, for the message. */
static const struct feature {
	uint32_t bit;
	bool supported;
	const char *name; /* as dumpe2fs writes it */
} incompat_features[] =
	{
		{0x1, false, "compression"},
		{INCOMPAT_FILETYPE, true, "filetype"},
		{INCOMPAT_RECOVER, true, "needs_recovery"},
		{INCOMPAT_JOURNAL_DEV, false, "journal_dev"},
		{INCOMPAT_META_BG, true, "meta_bg"},
		{INCOMPAT_EXTENTS, true, "extent"},
		{INCOMPAT_64BIT, true, "64bit"},
		{0x100, false, "mmp"},
		{INCOMPAT_FLEX_BG, true, "flex_bg"},
		{0x400, false, "ea_inode"},
		{0x1000, false, "dirdata"},
		{INCOMPAT_CSUM_SEED, true, "metadata_csum_seed"},
		{INCOMPAT_LARGEDIR, true, "large_dir"},
		{INCOMPAT_INLINE_DATA, false, "inline_data"},
		{INCOMPAT_ENCRYPT, false, "encrypt"},
		{INCOMPAT_CASEFOLD, false, "casefold"},
},
  others[] = {
	  /* These may be read by who does not know them, but not by this code. */
	  {RO_BIGALLOC, false, "bigalloc"},
	  {RO_VERITY, false, "verity"},
};

static int refuse(struct ext4_fs *fs, int error, const char *why)
{
	strlcpy(fs->trouble, why, sizeof(fs->trouble));
	return error;
}

static int refuse_feature(struct ext4_fs *fs, const char *name)
{
	snprintf(fs->trouble, sizeof(fs->trouble), "feature %s is not supported", name);
	return -EINVAL;
}

static int check_features(struct ext4_fs *fs)
{
	uint32_t unknown = fs->incompat;

	for (size_t n = 0; n < ARRAY_LEN(incompat_features); n++) {
		if (!incompat_features[n].supported && fs->incompat & incompat_features[n].bit)
			return refuse_feature(fs, incompat_features[n].name);
		unknown &= ~incompat_features[n].bit;
	}
	for (size_t n = 0; n < ARRAY_LEN(others); n++)
		if (fs->ro_compat & others[n].bit)
			return refuse_feature(fs, others[n].name);
	if (fs->compat & COMPAT_FAST_COMMIT)
		return refuse_feature(fs, "fast_commit");
	if (unknown != 0) {
		/* As dumpe2fs names what it does not know: I for incompatible, and the number of the bit. */
		snprintf(fs->trouble, sizeof(fs->trouble), "feature FEATURE_I%d is not supported",
			 __builtin_ctz(unknown));
		return -EINVAL;
	}
	if (fs->ro_compat & RO_METADATA_CSUM && fs->ro_compat & RO_GDT_CSUM)
		return refuse(fs, -EUCLEAN, "features metadata_csum and uninit_bg exclude each other");
	return 0;
}

static bool is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int check_inodes(struct ext4_fs *fs, const unsigned char *s)
{
	bool old = ext4_get32(s, SUPER_REVISION) == 0;

	fs->inodes = ext4_get32(s, SUPER_INODES);
	fs->inodes_per_group = ext4_get32(s, SUPER_INODES_PER_GROUP);
	fs->inode_bytes = old ? EXT4_INODE_SMALL : ext4_get16(s, SUPER_INODE_SIZE);
	fs->first_inode = old ? 11 : ext4_get32(s, SUPER_FIRST_INODE);
	if (!is_power_of_two(fs->inode_bytes) || fs->inode_bytes < EXT4_INODE_SMALL ||
	    fs->inode_bytes > MIN(fs->block_bytes, 1024u))
		return refuse(fs, -EINVAL, "its inodes have a size that is not supported (128 to 1024 bytes are)");
	if (fs->inodes_per_group == 0 || fs->inodes_per_group > fs->block_bytes * 8 ||
	    fs->inodes_per_group % (fs->block_bytes / fs->inode_bytes) != 0 ||
	    fs->inodes != (uint64_t)fs->inodes_per_group * fs->groups)
		return refuse(fs, -EUCLEAN, "the numbers of its inodes do not agree");
	return 0;
}

static int check_geometry(struct ext4_fs *fs, const unsigned char *s)
{
	uint32_t shift = ext4_get32(s, SUPER_LOG_BLOCK_SIZE);

	if (shift > 2)
		return refuse(fs, -EINVAL, "its blocks are larger than 4096 bytes, which is not supported");
	fs->block_bytes = EXT4_BLOCK_MIN << shift;
	fs->blocks = ext4_get32(s, SUPER_BLOCKS_LOW);
	fs->reserved_blocks = ext4_get32(s, SUPER_RESERVED_LOW);
	fs->descriptor_bytes = 32;
	if (fs->incompat & INCOMPAT_64BIT) {
		fs->blocks |= (uint64_t)ext4_get32(s, SUPER_BLOCKS_HIGH) << 32;
		fs->reserved_blocks |= (uint64_t)ext4_get32(s, SUPER_RESERVED_HIGH) << 32;
		fs->descriptor_bytes = ext4_get16(s, SUPER_DESCRIPTOR_SIZE);
		if (fs->descriptor_bytes < 64 || fs->descriptor_bytes > 1024 || !is_power_of_two(fs->descriptor_bytes))
			return refuse(fs, -EUCLEAN, "its group descriptors have an impossible size");
	}
	fs->first_data_block = ext4_get32(s, SUPER_FIRST_DATA_BLOCK);
	fs->blocks_per_group = ext4_get32(s, SUPER_BLOCKS_PER_GROUP);
	fs->first_meta_bg = ext4_get32(s, SUPER_FIRST_META_BG);
	for (uint32_t n = 0; n < 2; n++)
		fs->backup_groups[n] = ext4_get32(s, SUPER_BACKUP_GROUPS + 4 * n);
	if (fs->first_data_block != (shift == 0) || fs->blocks_per_group == 0 ||
	    fs->blocks_per_group > fs->block_bytes * 8 || fs->blocks_per_group % 8 != 0)
		return refuse(fs, -EUCLEAN, "its groups have an impossible size");
	if (fs->blocks <= fs->first_data_block + 1 || fs->blocks > fs->io.bytes / fs->block_bytes)
		return refuse(fs, -EUCLEAN, "it is larger than the device");
	uint64_t groups = (fs->blocks - fs->first_data_block + fs->blocks_per_group - 1) / fs->blocks_per_group;
	if (groups > UINT32_MAX / fs->descriptor_bytes)
		return refuse(fs, -EUCLEAN, "it has too many groups");
	fs->groups = (uint32_t)groups;
	return check_inodes(fs, s);
}

static int check_checksum(struct ext4_fs *fs, const unsigned char *s)
{
	fs->checksum_seed = fs->incompat & INCOMPAT_CSUM_SEED ? ext4_get32(s, SUPER_CHECKSUM_SEED)
							      : crc32c_add(~0u, fs->uuid, sizeof(fs->uuid));
	if (!ext4_has_checksums(fs))
		return 0;
	if (s[SUPER_CHECKSUM_TYPE] != 1)
		return refuse(fs, -EINVAL, "its checksums are of a kind that is not supported");
	if (crc32c_add(~0u, s, SUPER_CHECKSUM) != ext4_get32(s, SUPER_CHECKSUM))
		return refuse(fs, -EBADMSG, "the superblock's checksum is wrong");
	return 0;
}

static void read_rest(struct ext4_fs *fs, const unsigned char *s)
{
	fs->state = ext4_get16(s, SUPER_STATE);
	fs->errors = ext4_get16(s, SUPER_ERRORS);
	fs->journal_inode = ext4_get32(s, SUPER_JOURNAL_INODE);
	fs->last_orphan = ext4_get32(s, SUPER_LAST_ORPHAN);
	fs->hash_version = s[SUPER_HASH_VERSION];
	fs->unsigned_hash = ext4_get32(s, SUPER_FLAGS) & SUPER_FLAG_UNSIGNED_HASH;
	for (uint32_t n = 0; n < 4; n++)
		fs->hash_seed[n] = ext4_get32(s, SUPER_HASH_SEED + 4 * n);
	memcpy(fs->label, s + SUPER_LABEL, sizeof(fs->label) - 1);
	string_make_printable(fs->label, strlen(fs->label));
}

static int check_super(struct ext4_fs *fs, const unsigned char *s)
{
	if (ext4_get16(s, SUPER_MAGIC) != EXT4_MAGIC)
		return refuse(fs, -EINVAL, "there is no ext2, ext3 or ext4 on it");
	if (ext4_get32(s, SUPER_REVISION) > 1)
		return refuse(fs, -EINVAL, "it is of a revision that is not known");
	if (ext4_get32(s, SUPER_REVISION) == 1) {
		fs->compat = ext4_get32(s, SUPER_COMPAT);
		fs->incompat = ext4_get32(s, SUPER_INCOMPAT);
		fs->ro_compat = ext4_get32(s, SUPER_RO_COMPAT);
	}
	memcpy(fs->uuid, s + SUPER_UUID, sizeof(fs->uuid));
	/* The features first: one that is not known may be why the rest makes no sense. */
	int error = check_features(fs);
	if (error == 0)
		error = check_checksum(fs, s);
	if (error == 0)
		error = check_geometry(fs, s);
	if (error == 0)
		read_rest(fs, s);
	return error;
}

int ext4_open(struct ext4_fs *fs, const struct ext4_io *io)
{
	unsigned char super[EXT4_SUPER_BYTES];

	memset(fs, 0, sizeof(*fs));
	fs->io = *io;
	if (io->bytes < EXT4_SUPER_AT + EXT4_SUPER_BYTES)
		return refuse(fs, -EINVAL, "the device is too small for a superblock");
	int error = io->read(io->context, EXT4_SUPER_AT, super, sizeof(super));
	return error != 0 ? refuse(fs, error, "the superblock cannot be read") : check_super(fs, super);
}

void ext4_close(struct ext4_fs *fs)
{
	ext4_reset(fs);
}

const char *ext4_type(const struct ext4_fs *fs)
{
	if (fs->incompat & (INCOMPAT_EXTENTS | INCOMPAT_64BIT | INCOMPAT_FLEX_BG | INCOMPAT_CSUM_SEED) ||
	    fs->ro_compat & (RO_HUGE_FILE | RO_GDT_CSUM | RO_DIR_NLINK | RO_EXTRA_ISIZE | RO_METADATA_CSUM))
		return "ext4";
	return fs->compat & COMPAT_HAS_JOURNAL ? "ext3" : "ext2";
}

/* --- groups --- */

static bool is_power_of(uint32_t n, uint32_t base)
{
	uint64_t power = base;

	while (power < n)
		power *= base;
	return power == n;
}

/* Whether the group begins with a copy of the superblock ("Block Groups", sparse_super). */
static bool has_super(const struct ext4_fs *fs, uint32_t group)
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
	return fs->first_data_block + (uint64_t)group * fs->blocks_per_group + has_super(fs, group);
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

static bool group_checksum_right(const struct ext4_fs *fs, uint32_t number, const unsigned char *d)
{
	uint16_t there = ext4_get16(d, GROUP_CHECKSUM);

	if (ext4_has_checksums(fs)) {
		uint32_t crc = crc32c_add(fs->checksum_seed, &number, sizeof(number));

		crc = crc32c_add(crc, d, GROUP_CHECKSUM);
		crc = crc32c_add(crc, &(uint16_t){0}, 2);
		crc = crc32c_add(crc, d + GROUP_CHECKSUM + 2, fs->descriptor_bytes - GROUP_CHECKSUM - 2);
		return (uint16_t)crc == there;
	}
	if (!(fs->ro_compat & RO_GDT_CSUM))
		return true;
	uint16_t crc = crc16_add(0xffff, fs->uuid, sizeof(fs->uuid));
	crc = crc16_add(crc, &number, sizeof(number));
	crc = crc16_add(crc, d, GROUP_CHECKSUM);
	/* What stands behind the checksum counts where descriptors are long. */
	if (fs->incompat & INCOMPAT_64BIT)
		crc = crc16_add(crc, d + GROUP_CHECKSUM + 2, fs->descriptor_bytes - GROUP_CHECKSUM - 2);
	return crc == there;
}

static int parse_group(const struct ext4_fs *fs, uint32_t number, const unsigned char *d, struct ext4_group *out)
{
	if (!group_checksum_right(fs, number, d))
		return -EBADMSG;
	*out = (struct ext4_group){
		.block_bitmap = ext4_get32(d, GROUP_BLOCK_BITMAP),
		.inode_bitmap = ext4_get32(d, GROUP_INODE_BITMAP),
		.inode_table = ext4_get32(d, GROUP_INODE_TABLE),
		.free_blocks = ext4_get16(d, GROUP_FREE_BLOCKS),
		.free_inodes = ext4_get16(d, GROUP_FREE_INODES),
		.flags = ext4_get16(d, GROUP_FLAGS),
		.unused_inodes = ext4_get16(d, GROUP_UNUSED_INODES),
	};
	if (fs->descriptor_bytes > GROUP_HIGH) {
		out->block_bitmap |= (uint64_t)ext4_get32(d, GROUP_HIGH + GROUP_BLOCK_BITMAP) << 32;
		out->inode_bitmap |= (uint64_t)ext4_get32(d, GROUP_HIGH + GROUP_INODE_BITMAP) << 32;
		out->inode_table |= (uint64_t)ext4_get32(d, GROUP_INODE_TABLE_HIGH) << 32;
		out->free_blocks |= (uint32_t)ext4_get16(d, GROUP_FREE_BLOCKS_HIGH) << 16;
		out->free_inodes |= (uint32_t)ext4_get16(d, GROUP_FREE_INODES_HIGH) << 16;
		out->unused_inodes |= (uint32_t)ext4_get16(d, GROUP_UNUSED_INODES_HIGH) << 16;
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
		if (has_super(fs, n))
			out->overhead +=
				1 + (fs->incompat & INCOMPAT_META_BG ? fs->first_meta_bg
								     : (fs->groups + per_block - 1) / per_block);
	}
	return 0;
}
