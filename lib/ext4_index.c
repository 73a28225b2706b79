/* SPDX-License-Identifier: MIT */
/*
 * The index of a hashed directory (lib/ext4.h; "Hash Tree Directories"): a root in block 0, at most three levels of
 * nodes, whose entries are hashes, in order, each with the block of the names from that hash on. A walk goes down as
 * many levels as the root says, and along the leaves only while their hashes do not descend, and at most as many as
 * there are blocks.
 */
#include <abi/errno.h>
#include <lib/ext4.h>
#include <lib/ext4_layout.h>

constexpr uint32_t LEVELS_MAX = 3;

/* Where a walk is on each level: the entry of a node. */
struct place {
	uint32_t block, index;
};
struct walk {
	struct ext4_fs *fs;
	const struct ext4_inode *dir;
	uint32_t levels; /* below the root */
	uint32_t hash;
	struct place at[LEVELS_MAX + 1];
};

static uint32_t entries_at(uint32_t level)
{
	return level == 0 ? ROOT_ENTRIES : NODE_ENTRIES;
}

/* How many entries the node has, checked. */
static int count_of(const struct walk *w, const struct ext4_block *b, uint32_t level, uint32_t *count)
{
	uint32_t at = entries_at(level), limit = ext4_get16(b->data, at + DX_LIMIT);

	*count = ext4_get16(b->data, at + DX_COUNT);
	return *count == 0 || *count > limit || limit > (w->fs->block_bytes - at) / DX_ENTRY ? -EUCLEAN : 0;
}

/* The first entry has no hash of its own: it begins with 0. Bit 0 says that the last name before has it too. */
static uint32_t hash_at(const unsigned char *entries, uint32_t index)
{
	return index == 0 ? 0 : ext4_get32(entries, index * DX_ENTRY);
}

static uint32_t search(const unsigned char *entries, uint32_t count, uint32_t hash)
{
	uint32_t low = 1, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (hash_at(entries, middle) <= hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

/* What the entry at this level names, which is of the directory. */
static int child_of(const struct walk *w, uint32_t level, struct ext4_block *b, uint32_t *child)
{
	uint32_t bits = w->fs->incompat & INCOMPAT_LARGEDIR ? 0xffffffff : 0x00ffffff;

	*child = ext4_get32(b->data, entries_at(level) + w->at[level].index * DX_ENTRY + 4) & bits;
	return *child == 0 || *child >= w->dir->size / w->fs->block_bytes ? -EUCLEAN : 0;
}

/* An index that has a hole is broken. */
static int node_get(const struct walk *w, uint32_t block, struct ext4_block **out)
{
	int error = ext4_dir_block(w->fs, w->dir, block, KIND_INDEX, out);

	return error == -ENOENT ? -EUCLEAN : error;
}

/* From `level`, whose node is known, down to the leaf. first: the first entry of each node below, else that of the
 * hash. */
static int go_down(struct walk *w, uint32_t level, bool first, uint32_t *leaf)
{
	while (true) {
		struct ext4_block *b;
		uint32_t count;

		int error = node_get(w, w->at[level].block, &b);
		if (error != 0)
			return error;
		error = count_of(w, b, level, &count);
		if (error == 0 && !first)
			w->at[level].index = search(b->data + entries_at(level), count, w->hash);
		if (error == 0)
			error = w->at[level].index < count ? child_of(w, level, b, leaf) : -EUCLEAN;
		ext4_block_put(b);
		if (error != 0 || level == w->levels)
			return error;
		w->at[++level] = (struct place){*leaf, 0};
	}
}

/* The leaf behind, if it begins with names of the same hash. 1: it does not, or there is none. */
static int go_on(struct walk *w, uint32_t *leaf)
{
	for (uint32_t level = w->levels + 1; level-- > 0;) {
		struct ext4_block *b;
		uint32_t count;

		int error = node_get(w, w->at[level].block, &b);
		if (error != 0)
			return error;
		error = count_of(w, b, level, &count);
		uint32_t index = w->at[level].index + 1;
		bool there = error == 0 && index < count;
		uint32_t hash = there ? hash_at(b->data + entries_at(level), index) : 0;
		ext4_block_put(b);
		if (error != 0)
			return error;
		if (!there)
			continue;
		if (!(hash & 1) || (hash & ~1u) != w->hash)
			return 1;
		w->at[level].index = index;
		return go_down(w, level, true, leaf);
	}
	return 1;
}

static int read_root(struct walk *w, const char *name, size_t length)
{
	struct ext4_block *b;

	int error = node_get(w, 0, &b);
	if (error != 0)
		return error;
	uint8_t version = b->data[ROOT_HASH_VERSION];
	w->levels = b->data[ROOT_LEVELS];
	if (b->data[ROOT_INFO_LENGTH] != 8 || w->levels > (w->fs->incompat & INCOMPAT_LARGEDIR ? LEVELS_MAX - 1 : 1))
		error = -EUCLEAN;
	ext4_block_put(b);
	if (error != 0)
		return error;
	if (version <= HASH_TEA && w->fs->unsigned_hash)
		version += HASH_UNSIGNED;
	return ext4_name_hash(name, length, version, w->fs->hash_seed, &w->hash);
}

int ext4_index_find(struct ext4_fs *fs, const struct ext4_inode *dir, const char *name, size_t length, uint32_t *inode)
{
	struct walk w = {.fs = fs, .dir = dir};
	uint64_t blocks = dir->size / fs->block_bytes;
	uint32_t leaf;

	int error = read_root(&w, name, length);
	if (error == 0)
		error = go_down(&w, 0, false, &leaf);
	for (uint64_t seen = 0; error == 0 && seen < blocks; seen++) {
		struct ext4_block *b;

		error = ext4_dir_block(fs, dir, leaf, KIND_DIR, &b);
		if (error != 0)
			return error == -ENOENT ? -EUCLEAN : error;
		error = ext4_dir_search(fs, b, name, length, inode);
		ext4_block_put(b);
		if (error != -ENOENT)
			return error;
		error = go_on(&w, &leaf);
	}
	return error < 0 ? error : -ENOENT;
}
