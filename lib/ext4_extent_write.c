/* SPDX-License-Identifier: MIT */
/*
 * Extent trees are changed (lib/ext4_change.h; "Extent Tree"). An entry goes into its leaf; a leaf, or a node, without
 * room is split, and where there is none up to the root, the root's entries move into a block and the tree is one level
 * higher. Each step of that leaves a tree that is sound, and the way down is walked anew after it. A node whose last
 * entry goes is given up. An entry of a node names the first block of what it leads to.
 */
#include <abi/errno.h>
#include <lib/crc32c.h>
#include <lib/ext4_change.h>
#include <lib/ext4_layout.h>
#include <lib/string.h>
#include <lib/types.h>

constexpr uint32_t UNWRITTEN_MAX = EXTENT_LENGTH_MAX - 1;

/* One node of the way from the root (0) to the leaf (depth). */
struct step {
	struct ext4_block *block; /* nullptr: the root, which is in the inode */
	unsigned char *at;
	uint32_t count, most;
	int32_t index; /* of the last entry that begins at the block looked for or before; -1: none does */
};
struct way {
	struct ext4_fs *fs;
	struct ext4_inode *i;
	uint32_t depth;
	struct step steps[EXTENT_DEPTH_MAX + 1];
};

void ext4_extent_init(struct ext4_inode *i)
{
	memset(i->map, 0, sizeof(i->map));
	ext4_set16(i->map, 0, EXTENT_MAGIC);
	ext4_set16(i->map, EXTENT_MAX, (sizeof(i->map) - EXTENT_HEADER) / EXTENT_ENTRY);
}

static unsigned char *entry(const struct step *s, uint32_t index)
{
	return s->at + EXTENT_HEADER + index * EXTENT_ENTRY;
}

static uint32_t key(const struct step *s, uint32_t index)
{
	return ext4_get32(entry(s, index), LEAF_BLOCK);
}

static void way_put(struct way *w)
{
	for (uint32_t n = 0; n <= w->depth; n++)
		if (w->steps[n].block != nullptr)
			ext4_block_put(w->steps[n].block);
	w->depth = 0;
	w->steps[0].block = nullptr;
}

static void look_at(struct step *s, unsigned char *at, uint32_t logical)
{
	s->at = at;
	s->count = ext4_get16(at, EXTENT_COUNT);
	s->most = ext4_get16(at, EXTENT_MAX);
	s->index = -1;
	while ((uint32_t)(s->index + 1) < s->count && key(s, (uint32_t)(s->index + 1)) <= logical)
		s->index++;
}

/* Way_put is needed afterwards, also after an error. */
static int way_get(struct way *w, struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical)
{
	uint32_t depth;

	*w = (struct way){.fs = fs, .i = i};
	int error = ext4_extent_root(i, &depth);
	if (error != 0)
		return error;
	look_at(&w->steps[0], i->map, logical);
	for (uint32_t n = 0; n < depth; n++) {
		struct step *s = &w->steps[n];

		s->index = MAX(s->index, 0);
		const unsigned char *e = entry(s, (uint32_t)s->index);
		uint64_t place = ext4_get32(e, INDEX_CHILD_LOW) | (uint64_t)ext4_get16(e, INDEX_CHILD_HIGH) << 32;
		error = ext4_extent_node(fs, i, place, depth - n - 1, &s[1].block);
		if (error != 0)
			return error;
		w->depth = n + 1;
		look_at(&s[1], s[1].block->data, logical);
		/* Entries do not come before what names them. */
		if (s[1].count > 0 && key(&s[1], 0) < key(s, (uint32_t)s->index))
			return -EUCLEAN;
	}
	return 0;
}

/* --- nodes --- */

static int change(const struct way *w, uint32_t level)
{
	return level == 0 ? 0 : ext4_block_change(w->fs, w->steps[level].block);
}

static void sum(const struct ext4_fs *fs, const struct ext4_inode *i, struct ext4_block *b)
{
	uint32_t tail = EXTENT_HEADER + ext4_get16(b->data, EXTENT_MAX) * EXTENT_ENTRY;

	if (!ext4_has_checksums(fs))
		return;
	ext4_set32(b->data, tail, crc32c_add(i->checksum_seed, b->data, tail));
	b->verified = KIND_EXTENT;
	b->verified_for = i->number;
}

static void changed(const struct way *w, uint32_t level)
{
	if (level > 0)
		sum(w->fs, w->i, w->steps[level].block);
}

static void put_count(struct step *s, uint32_t count)
{
	s->count = count;
	ext4_set16(s->at, EXTENT_COUNT, (uint16_t)count);
}

/* Makes room for an entry, of which the node has some. */
static unsigned char *open_entry(struct step *s, uint32_t index)
{
	memmove(entry(s, index + 1), entry(s, index), (size_t)(s->count - index) * EXTENT_ENTRY);
	put_count(s, s->count + 1);
	memset(entry(s, index), 0, EXTENT_ENTRY);
	return entry(s, index);
}

static void close_entry(struct step *s, uint32_t index)
{
	memmove(entry(s, index), entry(s, index + 1), (size_t)(s->count - index - 1) * EXTENT_ENTRY);
	put_count(s, s->count - 1);
	memset(entry(s, s->count), 0, EXTENT_ENTRY);
}

static void put_child(unsigned char *e, uint32_t first, uint64_t place)
{
	ext4_set32(e, INDEX_BLOCK, first);
	ext4_set32(e, INDEX_CHILD_LOW, (uint32_t)place);
	ext4_set16(e, INDEX_CHILD_HIGH, (uint16_t)(place >> 32));
}

/* The first entry of the node at `level` is another one: so it is called above. */
static int rename_above(const struct way *w, uint32_t level)
{
	uint32_t first = key(&w->steps[level], 0);

	for (uint32_t n = level; n-- > 0;) {
		const struct step *s = &w->steps[n];
		unsigned char *e = entry(s, (uint32_t)s->index);

		if (ext4_get32(e, INDEX_BLOCK) != first) {
			int error = change(w, n);
			if (error != 0)
				return error;
			ext4_set32(e, INDEX_BLOCK, first);
			changed(w, n);
		}
		if (s->index > 0)
			break;
	}
	return 0;
}

/* --- growing --- */

static int new_node(const struct way *w, uint32_t depth, struct step *out)
{
	struct ext4_fs *fs = w->fs;
	uint64_t place;
	uint32_t one;

	int error = ext4_take_blocks(fs, ext4_goal_of(fs, w->i), 1, &place, &one);
	if (error == 0)
		error = ext4_block_new(fs, place, &out->block);
	if (error != 0)
		return error;
	out->at = out->block->data;
	out->count = 0;
	out->most = (fs->block_bytes - EXTENT_HEADER) / EXTENT_ENTRY;
	ext4_set16(out->at, 0, EXTENT_MAGIC);
	ext4_set16(out->at, EXTENT_MAX, (uint16_t)out->most);
	ext4_set16(out->at, EXTENT_DEPTH, (uint16_t)depth);
	w->i->blocks += fs->block_bytes / 512;
	return 0;
}

static int grow(struct way *w)
{
	struct step *root = &w->steps[0];
	struct step below = {};

	if (w->depth == EXTENT_DEPTH_MAX)
		return -EFBIG;
	int error = new_node(w, w->depth, &below);
	if (error != 0)
		return error;
	memcpy(entry(&below, 0), entry(root, 0), root->count * EXTENT_ENTRY);
	put_count(&below, root->count);
	sum(w->fs, w->i, below.block);
	memset(entry(root, 0), 0, root->most * EXTENT_ENTRY);
	put_child(entry(root, 0), key(&below, 0), below.block->number);
	put_count(root, 1);
	ext4_set16(root->at, EXTENT_DEPTH, (uint16_t)(w->depth + 1));
	ext4_block_put(below.block);
	return 0;
}

/* The node at `level` becomes two; the one above has room. Who appends gets a node with a single entry, so that files
 * that grow have full ones. */
static int split(struct way *w, uint32_t level)
{
	struct step *s = &w->steps[level], *above = s - 1, more = {};
	uint32_t from = s->index + 1 == (int32_t)s->count ? s->count - 1 : s->count / 2;

	int error = change(w, level);
	if (error == 0)
		error = change(w, level - 1);
	if (error == 0)
		error = new_node(w, w->depth - level, &more);
	if (error != 0)
		return error;
	memcpy(entry(&more, 0), entry(s, from), (size_t)(s->count - from) * EXTENT_ENTRY);
	put_count(&more, s->count - from);
	memset(entry(s, from), 0, (size_t)(s->count - from) * EXTENT_ENTRY);
	put_count(s, from);
	put_child(open_entry(above, (uint32_t)above->index + 1), key(&more, 0), more.block->number);
	sum(w->fs, w->i, more.block);
	changed(w, level);
	changed(w, level - 1);
	ext4_block_put(more.block);
	return 0;
}

/* The way to a leaf that has room. */
static int way_with_room(struct way *w, struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical)
{
	while (true) {
		int error = way_get(w, fs, i, logical);
		if (error != 0)
			return error;
		uint32_t level = w->depth;
		while (level > 0 && w->steps[level].count >= w->steps[level].most)
			level--;
		bool room = w->steps[level].count < w->steps[level].most;
		if (room && level == w->depth)
			return 0;
		error = room ? split(w, level + 1) : grow(w);
		if (error != 0)
			return error;
		way_put(w);
	}
}

/* --- extents --- */

static struct ext4_extent parse(const unsigned char *e)
{
	uint32_t length = ext4_get16(e, LEAF_LENGTH);
	bool unwritten = length > EXTENT_LENGTH_MAX;

	return (struct ext4_extent){ext4_get32(e, LEAF_BLOCK), length - (unwritten ? EXTENT_LENGTH_MAX : 0),
				    ext4_get32(e, LEAF_START_LOW) | (uint64_t)ext4_get16(e, LEAF_START_HIGH) << 32,
				    unwritten};
}

static void put(unsigned char *e, const struct ext4_extent *x)
{
	ext4_set32(e, LEAF_BLOCK, x->logical);
	ext4_set16(e, LEAF_LENGTH, (uint16_t)(x->count + (x->unwritten ? EXTENT_LENGTH_MAX : 0)));
	ext4_set16(e, LEAF_START_HIGH, (uint16_t)(x->physical >> 32));
	ext4_set32(e, LEAF_START_LOW, (uint32_t)x->physical);
}

static bool follow(const struct ext4_extent *a, const struct ext4_extent *b)
{
	return a->unwritten == b->unwritten && a->logical + a->count == b->logical &&
	       a->physical + a->count == b->physical &&
	       a->count + b->count <= (a->unwritten ? UNWRITTEN_MAX : EXTENT_LENGTH_MAX);
}

/* Entry `index` of the leaf and the one behind it become one, if they can. */
static void join(struct step *leaf, uint32_t index)
{
	if (index + 1 >= leaf->count)
		return;
	struct ext4_extent a = parse(entry(leaf, index)), b = parse(entry(leaf, index + 1));
	if (!follow(&a, &b))
		return;
	a.count += b.count;
	put(entry(leaf, index), &a);
	close_entry(leaf, index + 1);
}

/* As part of a neighbour. 1: it is none. */
static int add_to_neighbour(struct way *w, const struct ext4_extent *x)
{
	struct step *leaf = &w->steps[w->depth];
	uint32_t next = (uint32_t)(leaf->index + 1);
	struct ext4_extent before = {}, behind = {};

	if (leaf->index >= 0)
		before = parse(entry(leaf, (uint32_t)leaf->index));
	if (next < leaf->count)
		behind = parse(entry(leaf, next));
	if (leaf->index >= 0 && (uint64_t)before.logical + before.count > x->logical)
		return -EUCLEAN;
	if (next < leaf->count && (uint64_t)x->logical + x->count > behind.logical)
		return -EUCLEAN;
	bool left = leaf->index >= 0 && follow(&before, x), right = next < leaf->count && follow(x, &behind);
	if (!left && !right)
		return 1;
	int error = change(w, w->depth);
	if (error != 0)
		return error;
	if (left) {
		before.count += x->count;
		put(entry(leaf, (uint32_t)leaf->index), &before);
		join(leaf, (uint32_t)leaf->index);
	} else {
		behind = (struct ext4_extent){x->logical, x->count + behind.count, x->physical, x->unwritten};
		put(entry(leaf, next), &behind);
	}
	changed(w, w->depth);
	return !left && next == 0 ? rename_above(w, w->depth) : 0;
}

static int add_entry(struct way *w, const struct ext4_extent *x)
{
	struct step *leaf = &w->steps[w->depth];
	uint32_t index = (uint32_t)(leaf->index + 1);

	int error = change(w, w->depth);
	if (error != 0)
		return error;
	put(open_entry(leaf, index), x);
	changed(w, w->depth);
	return index == 0 ? rename_above(w, w->depth) : 0;
}

int ext4_extent_add(struct ext4_fs *fs, struct ext4_inode *i, const struct ext4_extent *x)
{
	struct way w;

	int result = way_get(&w, fs, i, x->logical);
	if (result == 0)
		result = add_to_neighbour(&w, x);
	way_put(&w);
	if (result <= 0)
		return result;
	result = way_with_room(&w, fs, i, x->logical);
	if (result == 0)
		result = add_entry(&w, x);
	way_put(&w);
	return result;
}

/* --- shrinking --- */

/* Entry `index` at `level` goes; nodes that have none any more go with it. */
static int remove_entry(struct way *w, uint32_t level, uint32_t index)
{
	while (true) {
		struct step *s = &w->steps[level];

		int error = change(w, level);
		if (error != 0)
			return error;
		close_entry(s, index);
		changed(w, level);
		if (s->count > 0)
			return index == 0 ? rename_above(w, level) : 0;
		if (level == 0) {
			ext4_set16(s->at, EXTENT_DEPTH, 0);
			return 0;
		}
		error = ext4_free_blocks(w->fs, s->block->number, 1);
		if (error != 0)
			return error;
		w->i->blocks -= MIN(w->i->blocks, (uint64_t)w->fs->block_bytes / 512);
		level--;
		index = (uint32_t)w->steps[level].index;
	}
}

/* A tree of one leaf whose entries fit into the root is that root. */
static int collapse(struct ext4_fs *fs, struct ext4_inode *i)
{
	struct way w;

	int error = ext4_get16(i->map, EXTENT_DEPTH) == 1 ? way_get(&w, fs, i, 0) : 1;
	if (error > 0)
		return 0;
	struct step *root = &w.steps[0];
	const struct step *leaf = &w.steps[1];
	bool fits = error == 0 && root->count == 1 && leaf->count <= root->most;
	uint64_t place = fits ? leaf->block->number : 0;
	if (fits) {
		memcpy(entry(root, 0), entry(leaf, 0), leaf->count * EXTENT_ENTRY);
		put_count(root, leaf->count);
		ext4_set16(root->at, EXTENT_DEPTH, 0);
		i->blocks -= MIN(i->blocks, (uint64_t)fs->block_bytes / 512);
	}
	way_put(&w);
	return fits ? ext4_free_blocks(fs, place, 1) : error;
}

int ext4_extent_convert(struct ext4_fs *fs, struct ext4_inode *i, uint32_t logical, uint32_t count)
{
	struct way w;

	int error = way_get(&w, fs, i, logical);
	struct step *leaf = &w.steps[w.depth];
	struct ext4_extent x = {};
	if (error == 0 && leaf->index >= 0)
		x = parse(entry(leaf, (uint32_t)leaf->index));
	if (error == 0 && (!x.unwritten || logical - x.logical >= x.count || count > x.count - (logical - x.logical)))
		error = -EUCLEAN;
	if (error == 0)
		error = change(&w, w.depth);
	if (error != 0) {
		way_put(&w);
		return error;
	}
	uint32_t head = logical - x.logical;
	struct ext4_extent part = {logical, count, x.physical + head, false};
	struct ext4_extent rest = {logical + count, x.count - head - count, part.physical + count, true};
	if (head == 0 && rest.count == 0) {
		uint32_t index = (uint32_t)leaf->index;

		put(entry(leaf, index), &part);
		join(leaf, index);
		if (index > 0)
			join(leaf, index - 1);
		changed(&w, w.depth);
		way_put(&w);
		return collapse(fs, i);
	}
	/* What is left of it stands first; the names above are right again when the part is in. */
	bool rest_alone = head == 0;
	x.count = head;
	put(entry(leaf, (uint32_t)leaf->index), rest_alone ? &rest : &x);
	changed(&w, w.depth);
	way_put(&w);
	error = ext4_extent_add(fs, i, &part);
	if (error == 0 && !rest_alone && rest.count > 0)
		error = ext4_extent_add(fs, i, &rest);
	return error != 0 ? error : collapse(fs, i);
}

/* Blocks first … first + n - 1 of x go, which is the leaf's entry on the way. */
static int cut_entry(struct way *w, struct ext4_extent x, uint32_t first, uint32_t n, struct ext4_extent *rest)
{
	struct step *leaf = &w->steps[w->depth];
	uint32_t index = (uint32_t)leaf->index, head = first - x.logical;

	if (n == x.count)
		return remove_entry(w, w->depth, index);
	int error = change(w, w->depth);
	if (error != 0)
		return error;
	if (head == 0) {
		x = (struct ext4_extent){x.logical + n, x.count - n, x.physical + n, x.unwritten};
	} else {
		*rest = (struct ext4_extent){first + n, x.count - head - n, x.physical + head + n, x.unwritten};
		x.count = head;
	}
	put(entry(leaf, index), &x);
	changed(w, w->depth);
	return head == 0 && index == 0 ? rename_above(w, w->depth) : 0;
}

int ext4_extent_cut(struct ext4_fs *fs, struct ext4_inode *i, uint32_t from, uint64_t end)
{
	struct ext4_extent x, rest = {};
	struct way w;

	int error = way_get(&w, fs, i, (uint32_t)MIN(end - 1, (uint64_t)UINT32_MAX));
	const struct step *leaf = &w.steps[w.depth];
	if (error != 0 || leaf->index < 0) {
		way_put(&w);
		return error;
	}
	x = parse(entry(leaf, (uint32_t)leaf->index));
	uint64_t x_end = (uint64_t)x.logical + x.count;
	if (x.count == 0 || x_end <= from) {
		way_put(&w);
		return x.count == 0 ? -EUCLEAN : 0;
	}
	uint32_t first = MAX(from, x.logical), n = (uint32_t)(MIN(end, x_end) - first);
	error = cut_entry(&w, x, first, n, &rest);
	way_put(&w);
	if (error == 0)
		error = ext4_free_blocks(fs, x.physical + (first - x.logical), n);
	if (error == 0 && rest.count > 0)
		error = ext4_extent_add(fs, i, &rest);
	else if (error == 0)
		error = collapse(fs, i);
	i->blocks -= MIN(i->blocks, (uint64_t)n * (fs->block_bytes / 512));
	return error != 0 ? error : 1;
}
