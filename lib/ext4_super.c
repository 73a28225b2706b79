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
	fs->reserved_descriptors = ext4_get16(s, SUPER_RESERVED_GDT);
	fs->extra_wanted = ext4_get16(s, SUPER_WANT_EXTRA);
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
