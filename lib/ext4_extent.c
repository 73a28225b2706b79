/* SPDX-License-Identifier: MIT */
/*
 * Extent trees (lib/ext4.h; "Extent Tree"). The root stands in the inode; each node below must be of one level less
 * than who names it, and of blocks from where that one says on, so that a walk takes at most EXTENT_DEPTH_MAX steps,
 * whatever the disk says.
 */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/types.h>

/* A node, and which blocks of the file are its. */
struct node {
	const unsigned char *at;
	uint32_t bytes, count, depth;
	uint64_t first, end;
};

static const unsigned char *entry_of(const struct node *n, uint32_t index)
{
	return n->at + EXTENT_HEADER + index * EXTENT_ENTRY;
}

/* Entries begin with their first block, in both kinds of nodes. */
static uint32_t first_of(const struct node *n, uint32_t index)
{
	return ext4_get32(entry_of(n, index), LEAF_BLOCK);
}

static int check_node(struct node *n)
{
	uint32_t most = ext4_get16(n->at, EXTENT_MAX), possible = (n->bytes - EXTENT_HEADER) / EXTENT_ENTRY;

	n->count = ext4_get16(n->at, EXTENT_COUNT);
	if (ext4_get16(n->at, 0) != EXTENT_MAGIC || most == 0 || most > possible || n->count > most ||
	    ext4_get16(n->at, EXTENT_DEPTH) != n->depth || (n->depth > 0 && n->count == 0))
		return -EUCLEAN;
	return 0;
}

/* The last entry that begins at `logical` or before; n->count: none does. */
static uint32_t search(const struct node *n, uint32_t logical)
{
	uint32_t low = 0, high = n->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (first_of(n, middle) <= logical)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? n->count : low - 1;
}

static int verify(const struct ext4_fs *fs, const struct ext4_inode *i, struct ext4_block *b)
{
	uint32_t tail = EXTENT_HEADER + ext4_get16(b->data, EXTENT_MAX) * EXTENT_ENTRY;

	if (!ext4_has_checksums(fs) || (b->verified == KIND_EXTENT && b->verified_for == i->number))
		return 0;
	if (tail + 4 > fs->block_bytes)
		return -EUCLEAN;
	if (crc32c_add(i->checksum_seed, b->data, tail) != ext4_get32(b->data, tail))
		return -EBADMSG;
	b->verified = KIND_EXTENT;
	b->verified_for = i->number;
	return 0;
}

/* A hole up to where the next entry begins. */
static int hole(uint32_t logical, uint64_t end, struct ext4_run *out)
{
	*out = (struct ext4_run){.kind = RUN_HOLE, .count = (uint32_t)MIN(end - logical, (uint64_t)UINT32_MAX)};
	return 0;
}

static int read_leaf(const struct ext4_fs *fs, const struct node *n, uint32_t logical, struct ext4_run *out)
{
	uint32_t index = search(n, logical);

	if (index == n->count)
		return hole(logical, n->count > 0 ? first_of(n, 0) : n->end, out);
	const unsigned char *e = entry_of(n, index);
	uint32_t first = first_of(n, index), length = ext4_get16(e, LEAF_LENGTH);
	uint64_t next = index + 1 < n->count ? first_of(n, index + 1) : n->end;
	/* Longer ones are not written yet, and are as long as is left ("ee_len"). */
	bool unwritten = length > EXTENT_LENGTH_MAX;

	length -= unwritten ? EXTENT_LENGTH_MAX : 0;
	uint64_t start = ext4_get32(e, LEAF_START_LOW) | (uint64_t)ext4_get16(e, LEAF_START_HIGH) << 32;
	if (length == 0 || first < n->first || (uint64_t)first + length > next || next > n->end ||
	    !ext4_blocks_exist(fs, start, length))
		return -EUCLEAN;
	if (logical - first >= length)
		return hole(logical, next, out);
	*out = (struct ext4_run){.kind = unwritten ? RUN_UNWRITTEN : RUN_DATA,
				 .physical = start + (logical - first),
				 .count = length - (logical - first)};
	return 0;
}

/* n becomes the child in which `logical` is, and *b the block that it stands in. 0; 1: no child has it, and out is a
 * hole. */
static int descend(struct ext4_fs *fs, const struct ext4_inode *i, struct node *n, uint32_t logical,
		   struct ext4_block **b, struct ext4_run *out)
{
	uint32_t index = search(n, logical);
	struct ext4_block *child;

	if (index == n->count) {
		(void)hole(logical, first_of(n, 0), out);
		return 1;
	}
	const unsigned char *e = entry_of(n, index);
	uint64_t place = ext4_get32(e, INDEX_CHILD_LOW) | (uint64_t)ext4_get16(e, INDEX_CHILD_HIGH) << 32;
	struct node below = {.bytes = fs->block_bytes,
			     .depth = n->depth - 1,
			     .first = first_of(n, index),
			     .end = index + 1 < n->count ? first_of(n, index + 1) : n->end};
	if (below.first < n->first || below.end > n->end || below.first >= below.end ||
	    !ext4_blocks_exist(fs, place, 1))
		return -EUCLEAN;
	int error = ext4_block_get(fs, place, &child);
	if (error != 0)
		return error;
	if (*b != nullptr)
		ext4_block_put(*b);
	*b = child;
	below.at = child->data;
	*n = below;
	error = check_node(n);
	return error != 0 ? error : verify(fs, i, child);
}

int ext4_map_extents(struct ext4_fs *fs, const struct ext4_inode *i, uint32_t logical, struct ext4_run *out)
{
	struct node n = {.at = i->map, .bytes = sizeof(i->map), .end = 1ull << 32};
	struct ext4_block *b = nullptr;

	n.depth = ext4_get16(i->map, EXTENT_DEPTH);
	int result = n.depth > EXTENT_DEPTH_MAX ? -EUCLEAN : check_node(&n);
	while (result == 0 && n.depth > 0)
		result = descend(fs, i, &n, logical, &b, out);
	if (result == 0)
		result = read_leaf(fs, &n, logical, out);
	if (b != nullptr)
		ext4_block_put(b);
	return MIN(result, 0);
}

int ext4_extent_node(struct ext4_fs *fs, const struct ext4_inode *i, uint64_t place, uint32_t depth,
		     struct ext4_block **out)
{
	if (!ext4_blocks_exist(fs, place, 1))
		return -EUCLEAN;
	int error = ext4_block_get(fs, place, out);
	if (error != 0)
		return error;
	struct node n = {.at = (*out)->data, .bytes = fs->block_bytes, .depth = depth};
	error = check_node(&n);
	if (error == 0)
		error = verify(fs, i, *out);
	if (error != 0)
		ext4_block_put(*out);
	return error;
}

int ext4_extent_root(const struct ext4_inode *i, uint32_t *depth)
{
	struct node n = {.at = i->map, .bytes = sizeof(i->map)};

	*depth = n.depth = ext4_get16(i->map, EXTENT_DEPTH);
	return n.depth > EXTENT_DEPTH_MAX ? -EUCLEAN : check_node(&n);
}
