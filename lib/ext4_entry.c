/* SPDX-License-Identifier: MIT */
/*
 * Names in directories are added and removed (lib/ext4_change.h; "Directory Entries"). An entry has its name and the
 * room behind it, which the next name may get; who is removed leaves his to the entry before. What does not fit goes
 * into a new block at the end. Entries never move, so that positions in a list stay what they are.
 */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

static uint32_t name_length(const struct ext4_fs *fs, const unsigned char *e)
{
	return fs->incompat & INCOMPAT_FILETYPE ? e[ENTRY_NAME_LENGTH] : ext4_get16(e, ENTRY_NAME_LENGTH);
}

static uint32_t bytes_of(size_t name)
{
	return (uint32_t)align_up(ENTRY_HEADER + name, 4);
}

/* Where entries end: a checksum may stand behind them. */
static uint32_t entries_end(const struct ext4_fs *fs)
{
	return fs->block_bytes - (ext4_has_checksums(fs) ? DIR_TAIL_BYTES : 0);
}

static uint8_t type_of(const struct ext4_fs *fs, uint16_t mode)
{
	if (!(fs->incompat & INCOMPAT_FILETYPE))
		return 0;
	switch (mode & MODE_TYPE) {
	case MODE_FILE: return 1;
	case MODE_DIR: return 2;
	case MODE_CHAR: return 3;
	case MODE_BLOCK: return 4;
	case MODE_FIFO: return 5;
	case MODE_SOCKET: return 6;
	case MODE_LINK: return 7;
	default: return 0;
	}
}

static void sum(const struct ext4_fs *fs, const struct ext4_inode *dir, struct ext4_block *b)
{
	uint32_t at = entries_end(fs);

	if (!ext4_has_checksums(fs))
		return;
	memset(b->data + at, 0, DIR_TAIL_BYTES);
	ext4_set16(b->data, at + ENTRY_LENGTH, DIR_TAIL_BYTES);
	b->data[at + ENTRY_TYPE] = DIR_TAIL_TYPE;
	ext4_set32(b->data, at + DIR_TAIL_CHECKSUM, crc32c_add(dir->checksum_seed, b->data, at));
	b->verified = KIND_DIR;
	b->verified_for = dir->number;
}

static void put(const struct ext4_fs *fs, unsigned char *e, uint32_t room, const char *name, size_t length,
		uint32_t inode, uint16_t mode)
{
	ext4_set32(e, ENTRY_INODE, inode);
	ext4_set16(e, ENTRY_LENGTH, (uint16_t)room);
	ext4_set16(e, ENTRY_NAME_LENGTH, (uint16_t)length);
	if (fs->incompat & INCOMPAT_FILETYPE)
		e[ENTRY_TYPE] = type_of(fs, mode);
	memcpy(e + ENTRY_NAME, name, length);
}

/* An entry with room for `need` bytes behind its own name; fs->block_bytes: there is none. */
static uint32_t find_room(const struct ext4_fs *fs, const unsigned char *d, uint32_t need, uint32_t *used)
{
	for (uint32_t at = 0; at < entries_end(fs);) {
		uint32_t length = ext4_get16(d + at, ENTRY_LENGTH);

		*used = ext4_get32(d + at, ENTRY_INODE) != 0 ? bytes_of(name_length(fs, d + at)) : 0;
		if (at + length <= entries_end(fs) && length >= *used + need)
			return at;
		at += length;
	}
	return fs->block_bytes;
}

/* 1: there is no room in the block. */
static int add_in_block(struct ext4_fs *fs, const struct ext4_inode *dir, struct ext4_block *b, const char *name,
			size_t length, uint32_t inode, uint16_t mode)
{
	uint32_t used, at = find_room(fs, b->data, bytes_of(length), &used);

	if (at == fs->block_bytes)
		return 1;
	int error = ext4_block_change(fs, b);
	if (error != 0)
		return error;
	uint32_t room = ext4_get16(b->data + at, ENTRY_LENGTH);
	if (used > 0)
		ext4_set16(b->data + at, ENTRY_LENGTH, (uint16_t)used);
	put(fs, b->data + at + used, room - used, name, length, inode, mode);
	sum(fs, dir, b);
	return 0;
}

int ext4_entries_grow(struct ext4_fs *fs, struct ext4_inode *dir, struct ext4_block **out)
{
	uint32_t logical = (uint32_t)(dir->size / fs->block_bytes), one;
	uint64_t goal = ext4_goal_of(fs, dir), place;
	struct ext4_run run;

	if (!ext4_can_write(dir))
		return -EOPNOTSUPP;
	if (dir->size + fs->block_bytes > INT32_MAX)
		return -ENOSPC;
	if (logical > 0 && ext4_map(fs, dir, logical - 1, &run) == 0 && run.kind == RUN_DATA)
		goal = run.physical + 1;
	int error = ext4_take_blocks(fs, goal, 1, &place, &one);
	if (error == 0)
		error = ext4_extent_add(fs, dir, &(struct ext4_extent){logical, 1, place, false});
	if (error == 0)
		error = ext4_block_new(fs, place, out);
	if (error != 0)
		return error;
	dir->blocks += fs->block_bytes / 512;
	dir->size += fs->block_bytes;
	ext4_set16((*out)->data, ENTRY_LENGTH, (uint16_t)entries_end(fs));
	sum(fs, dir, *out);
	return 0;
}

int ext4_entries_init(struct ext4_fs *fs, struct ext4_inode *dir, uint32_t parent)
{
	struct ext4_block *b;

	int error = ext4_entries_grow(fs, dir, &b);
	if (error != 0)
		return error;
	put(fs, b->data, bytes_of(1), ".", 1, dir->number, dir->mode);
	put(fs, b->data + bytes_of(1), entries_end(fs) - bytes_of(1), "..", 2, parent, MODE_DIR);
	sum(fs, dir, b);
	ext4_block_put(b);
	return 0;
}

/* Calls act for each block of entries until it returns something else than 1, which is the result. */
struct search {
	const char *name;
	size_t length;
	uint32_t inode;
	uint16_t mode;
};
typedef int act(struct ext4_fs *fs, const struct ext4_inode *dir, struct ext4_block *b, const struct search *s);

static int each_block(struct ext4_fs *fs, const struct ext4_inode *dir, act *act, const struct search *s)
{
	uint32_t count = (uint32_t)(dir->size / fs->block_bytes);

	for (uint32_t logical = 0; logical < count;) {
		struct ext4_block *b;

		int error = ext4_dir_block(fs, dir, logical, KIND_DIR, &b);
		if (error == -ENOENT) {
			struct ext4_run run;

			error = ext4_map(fs, dir, logical, &run);
			if (error != 0)
				return error;
			logical += MIN(run.count, count - logical);
			continue;
		}
		if (error != 0)
			return error;
		error = act(fs, dir, b, s);
		ext4_block_put(b);
		if (error != 1)
			return error;
		logical++;
	}
	return 1;
}

static int try_add(struct ext4_fs *fs, const struct ext4_inode *dir, struct ext4_block *b, const struct search *s)
{
	return add_in_block(fs, dir, b, s->name, s->length, s->inode, s->mode);
}

/* "Hash Tree Directories": blocks of an index look like empty ones; those with checksums have no tail of a list. */
static int drop_index(struct ext4_fs *fs, const struct ext4_inode *dir, struct ext4_block *b, const struct search *)
{
	bool root = ext4_get32(b->data, 0) == dir->number &&
		    ext4_get16(b->data, bytes_of(1) + ENTRY_LENGTH) == fs->block_bytes - bytes_of(1);
	bool node = ext4_get32(b->data, 0) == 0 && ext4_get16(b->data, ENTRY_LENGTH) == fs->block_bytes;
	uint32_t last = root ? bytes_of(1) : 0, used = root ? last + bytes_of(2) : ENTRY_HEADER;

	if (!root && !node)
		return 1;
	int error = ext4_block_change(fs, b);
	if (error != 0)
		return error;
	memset(b->data + used, 0, fs->block_bytes - used);
	ext4_set16(b->data, last + ENTRY_LENGTH, (uint16_t)(entries_end(fs) - last));
	sum(fs, dir, b);
	return 1;
}

/* A hashed directory becomes a list before it gets a name: its entries stay where they are, and so do positions. */
static int become_list(struct ext4_fs *fs, struct ext4_inode *dir)
{
	int result = ext4_has_checksums(fs) ? each_block(fs, dir, drop_index, nullptr) : 1;

	/* An index of more blocks than an operation may change stays. */
	if (result == -ENOSPC)
		return -EOPNOTSUPP;
	if (result == 1)
		dir->flags &= ~(uint32_t)INODE_INDEX;
	return result == 1 ? 0 : result;
}

int ext4_entry_add(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length, uint32_t inode,
		   uint16_t mode)
{
	struct search s = {name, length, inode, mode};
	struct ext4_block *b;
	int result = dir->flags & INODE_INDEX ? become_list(fs, dir) : 0;

	if (result != 0)
		return result;
	result = each_block(fs, dir, try_add, &s);
	if (result <= 0)
		return result;
	result = ext4_entries_grow(fs, dir, &b);
	if (result != 0)
		return result;
	result = try_add(fs, dir, b, &s);
	ext4_block_put(b);
	return result > 0 ? -EUCLEAN : result;
}

/* Where the name is in the block, and what stands before it; fs->block_bytes: it is not there. */
static uint32_t find_name(const struct ext4_fs *fs, const unsigned char *d, const struct search *s, uint32_t *before)
{
	*before = fs->block_bytes;
	for (uint32_t at = 0; at < fs->block_bytes; at += ext4_get16(d + at, ENTRY_LENGTH)) {
		if (ext4_get32(d + at, ENTRY_INODE) != 0 && name_length(fs, d + at) == s->length &&
		    memcmp(d + at + ENTRY_NAME, s->name, s->length) == 0)
			return at;
		*before = at;
	}
	return fs->block_bytes;
}

static int try_remove(struct ext4_fs *fs, const struct ext4_inode *dir, struct ext4_block *b, const struct search *s)
{
	uint32_t before, at = find_name(fs, b->data, s, &before);

	if (at == fs->block_bytes)
		return 1;
	int error = ext4_block_change(fs, b);
	if (error != 0)
		return error;
	uint32_t length = ext4_get16(b->data + at, ENTRY_LENGTH);
	if (before < fs->block_bytes)
		ext4_set16(b->data + before, ENTRY_LENGTH,
			   (uint16_t)(ext4_get16(b->data + before, ENTRY_LENGTH) + length));
	else
		ext4_set32(b->data + at, ENTRY_INODE, 0);
	sum(fs, dir, b);
	return 0;
}

static int try_set(struct ext4_fs *fs, const struct ext4_inode *dir, struct ext4_block *b, const struct search *s)
{
	uint32_t before, at = find_name(fs, b->data, s, &before);

	if (at == fs->block_bytes)
		return 1;
	int error = ext4_block_change(fs, b);
	if (error != 0)
		return error;
	ext4_set32(b->data + at, ENTRY_INODE, s->inode);
	if (fs->incompat & INCOMPAT_FILETYPE)
		b->data[at + ENTRY_TYPE] = type_of(fs, s->mode);
	/* `..` of a hashed directory stands in the index's root, which has a checksum of its own kind; all other names
	 * stand in blocks that are lists. */
	if (dir->flags & INODE_INDEX && ext4_has_checksums(fs) && s->length == 2 && memcmp(s->name, "..", 2) == 0 &&
	    ext4_dir_root_sum(fs, dir, b->data) == 0)
		return 0;
	sum(fs, dir, b);
	return 0;
}

int ext4_entry_remove(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length)
{
	int result = each_block(fs, dir, try_remove, &(struct search){name, length, 0, 0});

	return result > 0 ? -ENOENT : result;
}

int ext4_entry_set(struct ext4_fs *fs, struct ext4_inode *dir, const char *name, size_t length, uint32_t inode,
		   uint16_t mode)
{
	int result = each_block(fs, dir, try_set, &(struct search){name, length, inode, mode});

	return result > 0 ? -ENOENT : result;
}

static int see_none(struct ext4_fs *fs, const struct ext4_inode *, struct ext4_block *b, const struct search *)
{
	for (uint32_t at = 0; at < fs->block_bytes; at += ext4_get16(b->data + at, ENTRY_LENGTH)) {
		const unsigned char *e = b->data + at;
		uint32_t length = name_length(fs, e);

		if (ext4_get32(e, ENTRY_INODE) != 0 &&
		    !(e[ENTRY_NAME] == '.' && (length == 1 || (length == 2 && e[ENTRY_NAME + 1] == '.'))))
			return -ENOTEMPTY;
	}
	return 1;
}

int ext4_entries_none(struct ext4_fs *fs, const struct ext4_inode *dir)
{
	int result = each_block(fs, dir, see_none, nullptr);

	return result > 0 ? 0 : result;
}
