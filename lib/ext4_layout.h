/* SPDX-License-Identifier: MIT */
/*
 * Where things stand on a disk with ext2, ext3 or ext4: offsets, bits, magic numbers. The facts are of the Linux
 * kernel's documentation (Documentation/filesystems/ext4, "Data Structures and Algorithms"; its sections are named
 * below); of what that leaves open, e2fsprogs' programs are the judge (test/host/ext4_images_test.py).
 *
 * All numbers are little-endian but for the journal's, which are big-endian ("Journal (jbd2)"). Bytes of a disk are
 * read by the functions at the end, at any alignment.
 */
#ifndef LIB_EXT4_LAYOUT_H
#define LIB_EXT4_LAYOUT_H

#include <lib/string.h>
#include <stdint.h>

/* --- "Super Block": 1024 bytes at byte 1024 --- */
constexpr uint32_t EXT4_SUPER_AT = 1024, EXT4_SUPER_BYTES = 1024;
constexpr uint16_t EXT4_MAGIC = 0xef53;
enum ext4_super_offset : uint32_t {
	SUPER_INODES = 0x0,
	SUPER_BLOCKS_LOW = 0x4,
	SUPER_RESERVED_LOW = 0x8,
	SUPER_FREE_BLOCKS_LOW = 0xc,
	SUPER_FREE_INODES = 0x10,
	SUPER_FIRST_DATA_BLOCK = 0x14,
	SUPER_LOG_BLOCK_SIZE = 0x18,
	SUPER_LOG_CLUSTER_SIZE = 0x1c,
	SUPER_BLOCKS_PER_GROUP = 0x20,
	SUPER_INODES_PER_GROUP = 0x28,
	SUPER_MOUNT_TIME = 0x2c,
	SUPER_WRITE_TIME = 0x30,
	SUPER_MOUNT_COUNT = 0x34,
	SUPER_MAGIC = 0x38,
	SUPER_STATE = 0x3a,
	SUPER_ERRORS = 0x3c,
	SUPER_CREATOR = 0x48,
	SUPER_REVISION = 0x4c,
	SUPER_FIRST_INODE = 0x54,
	SUPER_INODE_SIZE = 0x58,
	SUPER_COMPAT = 0x5c,
	SUPER_INCOMPAT = 0x60,
	SUPER_RO_COMPAT = 0x64,
	SUPER_UUID = 0x68,
	SUPER_LABEL = 0x78,
	SUPER_RESERVED_GDT = 0xce,
	SUPER_JOURNAL_INODE = 0xe0,
	SUPER_JOURNAL_DEVICE = 0xe4,
	SUPER_LAST_ORPHAN = 0xe8,
	SUPER_HASH_SEED = 0xec,
	SUPER_HASH_VERSION = 0xfc,
	SUPER_DESCRIPTOR_SIZE = 0xfe,
	SUPER_FIRST_META_BG = 0x104,
	SUPER_BLOCKS_HIGH = 0x150,
	SUPER_RESERVED_HIGH = 0x154,
	SUPER_FREE_BLOCKS_HIGH = 0x158,
	SUPER_WANT_EXTRA = 0x15e,
	SUPER_FLAGS = 0x160,
	SUPER_CHECKSUM_TYPE = 0x175,
	SUPER_BACKUP_GROUPS = 0x24c,
	SUPER_CHECKSUM_SEED = 0x270,
	SUPER_CHECKSUM = 0x3fc,
};
enum : uint16_t { STATE_CLEAN = 1, STATE_ERRORS = 2 };
enum : uint32_t { SUPER_FLAG_SIGNED_HASH = 1, SUPER_FLAG_UNSIGNED_HASH = 2 };
enum ext4_compat : uint32_t {
	COMPAT_HAS_JOURNAL = 0x4,
	COMPAT_EXT_ATTR = 0x8,
	COMPAT_DIR_INDEX = 0x20,
	COMPAT_SPARSE_SUPER2 = 0x200,
	COMPAT_FAST_COMMIT = 0x400,
	COMPAT_ORPHAN_FILE = 0x1000,
};
enum ext4_incompat : uint32_t {
	INCOMPAT_FILETYPE = 0x2,
	INCOMPAT_RECOVER = 0x4,
	INCOMPAT_JOURNAL_DEV = 0x8,
	INCOMPAT_META_BG = 0x10,
	INCOMPAT_EXTENTS = 0x40,
	INCOMPAT_64BIT = 0x80,
	INCOMPAT_FLEX_BG = 0x200,
	INCOMPAT_CSUM_SEED = 0x2000,
	INCOMPAT_LARGEDIR = 0x4000,
	INCOMPAT_INLINE_DATA = 0x8000,
	INCOMPAT_ENCRYPT = 0x10000,
	INCOMPAT_CASEFOLD = 0x20000,
};
enum ext4_ro_compat : uint32_t {
	RO_SPARSE_SUPER = 0x1,
	RO_LARGE_FILE = 0x2,
	RO_HUGE_FILE = 0x8,
	RO_GDT_CSUM = 0x10,
	RO_DIR_NLINK = 0x20,
	RO_EXTRA_ISIZE = 0x40,
	RO_BIGALLOC = 0x200,
	RO_METADATA_CSUM = 0x400,
	RO_VERITY = 0x8000,
	RO_ORPHAN_PRESENT = 0x10000,
};

/* --- "Block Group Descriptors" --- */
enum ext4_group_offset : uint32_t {
	GROUP_BLOCK_BITMAP = 0x0,
	GROUP_INODE_BITMAP = 0x4,
	GROUP_INODE_TABLE = 0x8,
	GROUP_FREE_BLOCKS = 0xc,
	GROUP_FREE_INODES = 0xe,
	GROUP_USED_DIRS = 0x10,
	GROUP_FLAGS = 0x12,
	GROUP_BLOCK_BITMAP_SUM = 0x18,
	GROUP_INODE_BITMAP_SUM = 0x1a,
	GROUP_UNUSED_INODES = 0x1c,
	GROUP_CHECKSUM = 0x1e,
	GROUP_HIGH = 0x20, /* the upper halves of the above begin */
	GROUP_INODE_TABLE_HIGH = 0x28,
	GROUP_FREE_BLOCKS_HIGH = 0x2c,
	GROUP_FREE_INODES_HIGH = 0x2e,
	GROUP_USED_DIRS_HIGH = 0x30,
	GROUP_UNUSED_INODES_HIGH = 0x32,
	GROUP_BLOCK_BITMAP_SUM_HIGH = 0x38,
	GROUP_INODE_BITMAP_SUM_HIGH = 0x3a,
};
enum : uint16_t { GROUP_INODE_UNINIT = 1, GROUP_BLOCK_UNINIT = 2, GROUP_INODE_ZEROED = 4 };

/* --- "Index Nodes" --- */
constexpr uint32_t EXT4_ROOT_INODE = 2, EXT4_INODE_SMALL = 128, EXT4_BLOCK_MAP_BYTES = 60;
enum ext4_inode_offset : uint32_t {
	INODE_MODE = 0x0,
	INODE_UID = 0x2,
	INODE_SIZE_LOW = 0x4,
	INODE_ATIME = 0x8,
	INODE_CTIME = 0xc,
	INODE_MTIME = 0x10,
	INODE_DTIME = 0x14,
	INODE_GID = 0x18,
	INODE_LINKS = 0x1a,
	INODE_BLOCKS_LOW = 0x1c,
	INODE_FLAGS = 0x20,
	INODE_BLOCK_MAP = 0x28,
	INODE_GENERATION = 0x64,
	INODE_FILE_ACL_LOW = 0x68,
	INODE_SIZE_HIGH = 0x6c,
	INODE_BLOCKS_HIGH = 0x74,
	INODE_FILE_ACL_HIGH = 0x76,
	INODE_UID_HIGH = 0x78,
	INODE_GID_HIGH = 0x7a,
	INODE_CHECKSUM_LOW = 0x7c,
	INODE_EXTRA_SIZE = 0x80,
	INODE_CHECKSUM_HIGH = 0x82,
	INODE_CTIME_EXTRA = 0x84,
	INODE_MTIME_EXTRA = 0x88,
	INODE_ATIME_EXTRA = 0x8c,
	INODE_CRTIME = 0x90,
	INODE_CRTIME_EXTRA = 0x94,
};
enum ext4_inode_flags : uint32_t {
	INODE_SYNC = 0x8,
	INODE_IMMUTABLE = 0x10,
	INODE_APPEND = 0x20,
	INODE_NOATIME = 0x80,
	INODE_ENCRYPT = 0x800,
	INODE_INDEX = 0x1000,
	INODE_HUGE_FILE = 0x40000,
	INODE_EXTENTS = 0x80000,
	INODE_VERITY = 0x100000,
	INODE_EA_INODE = 0x200000,
	INODE_INLINE_DATA = 0x10000000,
	INODE_CASEFOLD = 0x40000000,
};
enum : uint16_t { /* the type in a mode */
		  MODE_TYPE = 0xf000,
		  MODE_FIFO = 0x1000,
		  MODE_CHAR = 0x2000,
		  MODE_DIR = 0x4000,
		  MODE_BLOCK = 0x6000,
		  MODE_FILE = 0x8000,
		  MODE_LINK = 0xa000,
		  MODE_SOCKET = 0xc000,
};

/* --- "Extent Tree": a header, then entries of 12 bytes; a checksum behind the last possible entry --- */
constexpr uint16_t EXTENT_MAGIC = 0xf30a;
constexpr uint32_t EXTENT_HEADER = 12, EXTENT_ENTRY = 12, EXTENT_DEPTH_MAX = 5, EXTENT_LENGTH_MAX = 32768;
enum : uint32_t { EXTENT_COUNT = 2, EXTENT_MAX = 4, EXTENT_DEPTH = 6 };
enum : uint32_t { LEAF_BLOCK = 0, LEAF_LENGTH = 4, LEAF_START_HIGH = 6, LEAF_START_LOW = 8 };
enum : uint32_t { INDEX_BLOCK = 0, INDEX_CHILD_LOW = 4, INDEX_CHILD_HIGH = 8 };

/* --- "Directory Entries": linear entries, and the index of a hashed directory in the guise of empty ones --- */
constexpr uint32_t ENTRY_HEADER = 8, ENTRY_NAME_MAX = 255;
enum : uint32_t { ENTRY_INODE = 0, ENTRY_LENGTH = 4, ENTRY_NAME_LENGTH = 6, ENTRY_TYPE = 7, ENTRY_NAME = 8 };
constexpr uint32_t DIR_TAIL_BYTES = 12, DIR_TAIL_CHECKSUM = 8;
constexpr uint8_t DIR_TAIL_TYPE = 0xde;
enum : uint32_t {
	ROOT_HASH_VERSION = 0x1c,
	ROOT_INFO_LENGTH = 0x1d,
	ROOT_LEVELS = 0x1e,
	ROOT_ENTRIES = 0x20,
	NODE_ENTRIES = 0x8,
	DX_ENTRY = 8,
	DX_LIMIT = 0,
	DX_COUNT = 2,
	DX_TAIL_BYTES = 8,
};
enum ext4_hash : uint8_t { HASH_LEGACY, HASH_HALF_MD4, HASH_TEA, HASH_UNSIGNED = 3 };

/* --- "Extended Attributes" --- */
constexpr uint32_t XATTR_MAGIC = 0xea020000, XATTR_BLOCK_HEADER = 32, XATTR_ENTRY = 16;
enum : uint32_t { XATTR_CHECKSUM = 0x10 };
enum : uint32_t {
	XATTR_NAME_LENGTH = 0,
	XATTR_NAME_INDEX = 1,
	XATTR_VALUE_OFFSET = 2,
	XATTR_VALUE_INODE = 4,
	XATTR_VALUE_SIZE = 8,
	XATTR_NAME = 16,
};

static inline uint16_t ext4_get16(const void *at, uint32_t offset)
{
	uint16_t value;

	memcpy(&value, (const unsigned char *)at + offset, sizeof(value));
	return value;
}
static inline uint32_t ext4_get32(const void *at, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, (const unsigned char *)at + offset, sizeof(value));
	return value;
}
static inline void ext4_set16(void *at, uint32_t offset, uint16_t value)
{
	memcpy((unsigned char *)at + offset, &value, sizeof(value));
}
static inline void ext4_set32(void *at, uint32_t offset, uint32_t value)
{
	memcpy((unsigned char *)at + offset, &value, sizeof(value));
}
static inline uint32_t jbd2_get32(const void *at, uint32_t offset)
{
	return __builtin_bswap32(ext4_get32(at, offset));
}
static inline void jbd2_set32(void *at, uint32_t offset, uint32_t value)
{
	ext4_set32(at, offset, __builtin_bswap32(value));
}

#endif
