/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes (lib/ext4.h; "Extended Attributes"): entries behind the inode's fields, whose values stand from
 * the first entry on, and those of a block, whose values stand from the block's beginning on. ACLs have a form of their
 * own on the disk ("POSIX ACLs").
 */
#include <abi/errno.h>
#include <lib/annotate.h>
#include <lib/crc32c.h>
#include <lib/ext4.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

static const struct prefix {
	const char *text;
	bool is_acl; /* there is no name behind it */
} prefixes[] = {
	[1] = {"user.", false},
	[2] = {"system.posix_acl_access", true},
	[3] = {"system.posix_acl_default", true},
	[4] = {"trusted.", false},
	[6] = {"security.", false},
	[7] = {"system.", false},
};

/* 0: told, or left out, since its kind is not known; -EUCLEAN; what emit said. */
static int tell(const unsigned char *e, const unsigned char *base, uint32_t room,
		int (*emit)(void *context, const struct ext4_xattr *x), void *context)
{
	uint32_t length = e[XATTR_NAME_LENGTH], index = e[XATTR_NAME_INDEX];
	uint32_t at = ext4_get16(e, XATTR_VALUE_OFFSET), size = ext4_get32(e, XATTR_VALUE_SIZE);
	struct ext4_xattr x = {.size = size, .value = base + at};

	if (ext4_get32(e, XATTR_VALUE_INODE) != 0 || (size > 0 && (at > room || size > room - at)))
		return -EUCLEAN;
	if (index >= ARRAY_LEN(prefixes) || prefixes[index].text == nullptr)
		return 0;
	if (prefixes[index].is_acl ? length != 0 : length == 0 || memchr(e + XATTR_NAME, 0, length) != nullptr)
		return -EUCLEAN;
	x.is_acl = prefixes[index].is_acl;
	x.name_length = (uint32_t)strlcpy(x.name, prefixes[index].text, sizeof(x.name));
	memcpy(x.name + x.name_length, e + XATTR_NAME, length);
	x.name_length += length;
	x.name[x.name_length] = '\0';
	return emit(context, &x);
}

/* Entries from `first` on, up to four bytes of zeros. Offsets count from base, which has `room` bytes. */
static int each(const unsigned char *base, uint32_t room, uint32_t first,
		int (*emit)(void *context, const struct ext4_xattr *x), void *context)
{
	for (uint32_t at = first; room - at >= 4 && ext4_get32(base, at) != 0;) {
		if (room - at < XATTR_ENTRY)
			return -EUCLEAN;
		uint32_t bytes = (uint32_t)align_up(XATTR_ENTRY + base[at + XATTR_NAME_LENGTH], 4);
		if (bytes > room - at)
			return -EUCLEAN;
		int error = tell(base + at, base, room, emit, context);
		if (error != 0)
			return error;
		at += bytes;
	}
	return 0;
}

/* The block's number counts, since several inodes may share one. */
static int verify(const struct ext4_fs *fs, struct ext4_block *b)
{
	uint32_t rest = XATTR_CHECKSUM + 4;

	if (ext4_get32(b->data, 0) != XATTR_MAGIC || ext4_get32(b->data, 8) != 1)
		return -EUCLEAN;
	if (!ext4_has_checksums(fs) || b->verified == KIND_XATTR)
		return 0;
	uint32_t crc = crc32c_add(fs->checksum_seed, &b->number, sizeof(b->number));
	crc = crc32c_add(crc, b->data, XATTR_CHECKSUM);
	crc = crc32c_add(crc, &(uint32_t){0}, 4);
	crc = crc32c_add(crc, b->data + rest, fs->block_bytes - rest);
	if (crc != ext4_get32(b->data, XATTR_CHECKSUM))
		return -EBADMSG;
	b->verified = KIND_XATTR;
	return 0;
}

int ext4_xattr_each(struct ext4_fs *fs, const struct ext4_inode *i,
		    int (*emit)(void *context, const struct ext4_xattr *x), void *context)
{
	struct ext4_block *b;
	int error = 0;

	if (i->extra_bytes > 4 && ext4_get32(i->extra, 0) == XATTR_MAGIC)
		error = each(i->extra + 4, i->extra_bytes - 4u, 0, emit, context);
	if (error != 0 || i->xattr_block == 0)
		return error;
	if (!ext4_blocks_exist(fs, i->xattr_block, 1))
		return -EUCLEAN;
	error = ext4_block_get(fs, i->xattr_block, &b);
	if (error != 0)
		return error;
	error = verify(fs, b);
	if (error == 0)
		error = each(b->data, fs->block_bytes, XATTR_BLOCK_HEADER, emit, context);
	ext4_block_put(b);
	return error;
}

/* A version, then entries of a tag and permissions, with an id where the tag is of a named user (2) or group (8). */
long ext4_acl_export(const void *value, uint32_t bytes, void *out, size_t size)
{
	constexpr uint32_t DISK_VERSION = 1, PROGRAM_VERSION = 2, NO_ID = 0xffffffff;
	unsigned char *to = out;
	size_t made = 4;

	if (bytes < 4 || ext4_get32(value, 0) != DISK_VERSION)
		return -EUCLEAN;
	if (size >= 4)
		ext4_set32(to, 0, PROGRAM_VERSION);
	for (uint32_t at = 4; at < bytes; made += 8) {
		if (bytes - at < 4)
			return -EUCLEAN;
		uint16_t tag = ext4_get16(value, at);
		bool named = tag == 2 || tag == 8;
		if (named && bytes - at < 8)
			return -EUCLEAN;
		if (size >= made + 8) {
			ext4_set32(to, (uint32_t)made, ext4_get32(value, at));
			ext4_set32(to, (uint32_t)made + 4, named ? ext4_get32(value, at + 4) : NO_ID);
		}
		at += named ? 8 : 4;
	}
	return (long)made;
}
