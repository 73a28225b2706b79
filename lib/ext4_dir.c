/* SPDX-License-Identifier: MIT */
/*
 * Directories as lists of entries (lib/ext4.h; "Directory Entries"). A block of them is checked as a whole when it is
 * read: each entry ends in the block, its name in the entry, and the last one with the block. The blocks of a hashed
 * directory's index look like entries without an inode, so that a list shows none of them.
 */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

/* "Directory Entry Tail", "Hash Tree Directories": the checksum stands behind the entries, or behind the place that the
 * index has for its own. 0, -EBADMSG, -EUCLEAN. */
static int verify_list(const struct ext4_fs *fs, const struct ext4_inode *dir, const unsigned char *d)
{
	uint32_t at = fs->block_bytes - DIR_TAIL_BYTES;

	if (ext4_get32(d, at) != 0 || ext4_get16(d, at + ENTRY_LENGTH) != DIR_TAIL_BYTES ||
	    d[at + ENTRY_NAME_LENGTH] != 0 || d[at + ENTRY_TYPE] != DIR_TAIL_TYPE)
		return -EUCLEAN;
	return crc32c_add(dir->checksum_seed, d, at) == ext4_get32(d, at + DIR_TAIL_CHECKSUM) ? 0 : -EBADMSG;
}

/* Where the entries of an index begin; 0: it is none. */
static uint32_t index_entries(const struct ext4_fs *fs, const unsigned char *d, uint32_t logical)
{
	if (logical != 0)
		return ext4_get32(d, 0) == 0 && ext4_get16(d, ENTRY_LENGTH) == fs->block_bytes ? NODE_ENTRIES : 0;
	return ext4_get16(d, ENTRY_LENGTH) == 12 && ext4_get16(d, 12 + ENTRY_LENGTH) == fs->block_bytes - 12 &&
			       ext4_get32(d, 0x18) == 0 && d[ROOT_INFO_LENGTH] == 8
		       ? ROOT_ENTRIES
		       : 0;
}

/* Where its checksum stands, and what that is to be. -EUCLEAN: it has no place for one. */
static int index_sum(const struct ext4_fs *fs, const struct ext4_inode *dir, const unsigned char *d, uint32_t logical,
		     uint32_t *place, uint32_t *sum)
{
	uint32_t at = index_entries(fs, d, logical);

	if (at == 0)
		return -EUCLEAN;
	uint32_t limit = ext4_get16(d, at + DX_LIMIT), count = ext4_get16(d, at + DX_COUNT),
		 tail = at + limit * DX_ENTRY;
	if (count > limit || tail + DX_TAIL_BYTES > fs->block_bytes)
		return -EUCLEAN;
	uint32_t crc = crc32c_add(dir->checksum_seed, d, at + count * DX_ENTRY);
	crc = crc32c_add(crc, d + tail, 4);
	*sum = crc32c_add(crc, &(uint32_t){0}, 4);
	*place = tail + 4;
	return 0;
}

static int verify_index(const struct ext4_fs *fs, const struct ext4_inode *dir, const unsigned char *d,
			uint32_t logical)
{
	uint32_t place, sum;

	int error = index_sum(fs, dir, d, logical, &place, &sum);
	if (error != 0)
		return error;
	return sum == ext4_get32(d, place) ? 0 : -EBADMSG;
}

int ext4_dir_root_sum(const struct ext4_fs *fs, const struct ext4_inode *dir, unsigned char *d)
{
	uint32_t place, sum;

	int error = index_sum(fs, dir, d, 0, &place, &sum);
	if (error == 0)
		ext4_set32(d, place, sum);
	return error;
}

/* In a directory with an index, block 0 is of the index, and so are those that look like it. */
static int verify(const struct ext4_fs *fs, const struct ext4_inode *dir, struct ext4_block *b, uint32_t logical,
		  enum ext4_kind kind)
{
	if (!ext4_has_checksums(fs) || (b->verified == kind && b->verified_for == dir->number))
		return 0;
	bool of_index = kind == KIND_INDEX || (dir->flags & INODE_INDEX && index_entries(fs, b->data, logical) != 0);
	int error = of_index ? verify_index(fs, dir, b->data, logical) : verify_list(fs, dir, b->data);
	if (error == 0) {
		b->verified = kind;
		b->verified_for = dir->number;
	}
	return error;
}

static uint32_t name_length(const struct ext4_fs *fs, const unsigned char *e)
{
	return fs->incompat & INCOMPAT_FILETYPE ? e[ENTRY_NAME_LENGTH] : ext4_get16(e, ENTRY_NAME_LENGTH);
}

static bool entry_is_sane(const struct ext4_fs *fs, const unsigned char *d, uint32_t at)
{
	if (fs->block_bytes - at < ENTRY_HEADER)
		return false;
	uint32_t length = ext4_get16(d + at, ENTRY_LENGTH), name = name_length(fs, d + at);
	uint32_t inode = ext4_get32(d + at, ENTRY_INODE);
	if (length < ENTRY_HEADER || length % 4 != 0 || length > fs->block_bytes - at || name > length - ENTRY_HEADER)
		return false;
	if (inode == 0)
		return true;
	return inode <= fs->inodes && name > 0 && name <= ENTRY_NAME_MAX &&
	       memchr(d + at + ENTRY_NAME, '/', name) == nullptr && memchr(d + at + ENTRY_NAME, 0, name) == nullptr;
}

static int check_entries(const struct ext4_fs *fs, const unsigned char *d)
{
	for (uint32_t at = 0; at < fs->block_bytes; at += ext4_get16(d + at, ENTRY_LENGTH))
		if (!entry_is_sane(fs, d, at))
			return -EUCLEAN;
	return 0;
}

int ext4_dir_block(struct ext4_fs *fs, const struct ext4_inode *dir, uint32_t logical, enum ext4_kind kind,
		   struct ext4_block **out)
{
	struct ext4_run run;

	int error = ext4_map(fs, dir, logical, &run);
	if (error != 0)
		return error;
	if (run.kind != RUN_DATA)
		return -ENOENT;
	error = ext4_block_get(fs, run.physical, out);
	if (error != 0)
		return error;
	error = verify(fs, dir, *out, logical, kind);
	if (error == 0 && kind == KIND_DIR)
		error = check_entries(fs, (*out)->data);
	if (error != 0)
		ext4_block_put(*out);
	return error;
}

/* True: all of the block from *position on was taken. */
static bool list_block(const struct ext4_fs *fs, const unsigned char *d, uint64_t *position,
		       bool (*emit)(void *context, const struct ext4_entry *e), void *context)
{
	uint64_t base = align_down(*position, fs->block_bytes);

	for (uint32_t at = 0; at < fs->block_bytes;) {
		uint32_t length = ext4_get16(d + at, ENTRY_LENGTH);

		if (base + at >= *position && ext4_get32(d + at, ENTRY_INODE) != 0) {
			struct ext4_entry e = {
				.inode = ext4_get32(d + at, ENTRY_INODE),
				.type = fs->incompat & INCOMPAT_FILETYPE ? d[at + ENTRY_TYPE] & 7 : 0,
				.length = (uint8_t)name_length(fs, d + at),
				.name = (const char *)d + at + ENTRY_NAME,
				.next = base + at + length,
			};
			if (!emit(context, &e))
				return false;
			*position = e.next;
		}
		at += length;
	}
	*position = base + fs->block_bytes;
	return true;
}

/* Behind the hole at byte `at`, which may be most of what a directory says it has. */
static int skip_hole(struct ext4_fs *fs, const struct ext4_inode *dir, uint64_t *at)
{
	struct ext4_run run;

	int error = ext4_map(fs, dir, (uint32_t)(*at / fs->block_bytes), &run);
	if (error != 0)
		return error;
	*at = MIN(align_down(*at, fs->block_bytes) + (uint64_t)run.count * fs->block_bytes, dir->size);
	return 0;
}

int ext4_dir_list(struct ext4_fs *fs, const struct ext4_inode *dir, uint64_t *position,
		  bool (*emit)(void *context, const struct ext4_entry *e), void *context)
{
	while (*position < dir->size) {
		struct ext4_block *b;

		int error = ext4_dir_block(fs, dir, (uint32_t)(*position / fs->block_bytes), KIND_DIR, &b);
		if (error == -ENOENT) {
			error = skip_hole(fs, dir, position);
			if (error != 0)
				return error;
			continue;
		}
		if (error != 0)
			return error;
		bool all = list_block(fs, b->data, position, emit, context);
		ext4_block_put(b);
		if (!all)
			break;
	}
	return 0;
}

int ext4_dir_search(struct ext4_fs *fs, const struct ext4_block *b, const char *name, size_t length, uint32_t *inode)
{
	const unsigned char *d = b->data;

	for (uint32_t at = 0; at < fs->block_bytes; at += ext4_get16(d + at, ENTRY_LENGTH)) {
		uint32_t number = ext4_get32(d + at, ENTRY_INODE);

		if (number != 0 && name_length(fs, d + at) == length &&
		    memcmp(d + at + ENTRY_NAME, name, length) == 0) {
			*inode = number;
			return 0;
		}
	}
	return -ENOENT;
}

static int find_in_all(struct ext4_fs *fs, const struct ext4_inode *dir, const char *name, size_t length,
		       uint32_t *inode)
{
	for (uint64_t at = 0; at < dir->size;) {
		struct ext4_block *b;

		int error = ext4_dir_block(fs, dir, (uint32_t)(at / fs->block_bytes), KIND_DIR, &b);
		if (error == -ENOENT) {
			error = skip_hole(fs, dir, &at);
			if (error != 0)
				return error;
			continue;
		}
		if (error == 0) {
			error = ext4_dir_search(fs, b, name, length, inode);
			ext4_block_put(b);
		}
		if (error != -ENOENT)
			return error;
		at += fs->block_bytes;
	}
	return -ENOENT;
}

int ext4_dir_find(struct ext4_fs *fs, const struct ext4_inode *dir, const char *name, size_t length, uint32_t *inode)
{
	if (length == 0 || length > ENTRY_NAME_MAX)
		return -ENOENT;
	/* `.` and `..` are in no index. */
	bool dots = name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
	if (dir->flags & INODE_INDEX && fs->compat & COMPAT_DIR_INDEX && !dots) {
		int error = ext4_index_find(fs, dir, name, length, inode);
		if (error != -EOPNOTSUPP)
			return error;
	}
	return find_in_all(fs, dir, name, length, inode);
}
