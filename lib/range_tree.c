/* SPDX-License-Identifier: MIT */
/* Disjoint ranges in an AVL tree augmented with gaps; see lib/range_tree.h. */
#include <lib/range_tree.h>
#include <lib/types.h>

void range_tree_init(struct range_tree *t, uint64_t low)
{
	t->root = nullptr;
	list_init(&t->list);
	t->low = low;
}

struct range_node *range_first(const struct range_tree *t)
{
	return list_empty(&t->list) ? nullptr : list_entry(t->list.next, struct range_node, link);
}

struct range_node *range_last(const struct range_tree *t)
{
	return list_empty(&t->list) ? nullptr : list_entry(t->list.prev, struct range_node, link);
}

struct range_node *range_next(const struct range_tree *t, const struct range_node *n)
{
	return n->link.next == &t->list ? nullptr : list_entry(n->link.next, struct range_node, link);
}

struct range_node *range_prev(const struct range_tree *t, const struct range_node *n)
{
	return n->link.prev == &t->list ? nullptr : list_entry(n->link.prev, struct range_node, link);
}

struct range_node *range_find(const struct range_tree *t, uint64_t address)
{
	struct range_node *best = nullptr;

	for (struct range_node *n = t->root; n;) {
		if (n->end > address) {
			best = n;
			if (n->start <= address)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

static int32_t height_of(const struct range_node *n)
{
	return n ? n->height : 0;
}

static void update(struct range_node *n)
{
	uint64_t gap = n->gap;

	if (n->left)
		gap = MAX(gap, n->left->max_gap);
	if (n->right)
		gap = MAX(gap, n->right->max_gap);
	n->max_gap = gap;
	n->height = 1 + MAX(height_of(n->left), height_of(n->right));
}

/* Puts `with` where n hangs. */
static void replace_child(struct range_tree *t, struct range_node *n, struct range_node *with)
{
	struct range_node *parent = n->parent;

	if (!parent)
		t->root = with;
	else if (parent->left == n)
		parent->left = with;
	else
		parent->right = with;
	if (with)
		with->parent = parent;
}

/* n's right child takes its place. */
static struct range_node *rotate_left(struct range_tree *t, struct range_node *n)
{
	struct range_node *up = n->right;

	replace_child(t, n, up);
	n->right = up->left;
	if (n->right)
		n->right->parent = n;
	up->left = n;
	n->parent = up;
	update(n);
	update(up);
	return up;
}

static struct range_node *rotate_right(struct range_tree *t, struct range_node *n)
{
	struct range_node *up = n->left;

	replace_child(t, n, up);
	n->left = up->right;
	if (n->left)
		n->left->parent = n;
	up->right = n;
	n->parent = up;
	update(n);
	update(up);
	return up;
}

/*
 * Restores balance, heights and gaps from n upwards, at least up to `through` (nullptr: no such
 * need), then until a subtree looks to its parent as it did before: n->height and n->max_gap are
 * what the parent saw last.
 */
static void fix_up(struct range_tree *t, struct range_node *n, const struct range_node *through)
{
	for (; n; n = n->parent) {
		int32_t height = n->height;
		uint64_t max_gap = n->max_gap;

		if (n == through)
			through = nullptr;

		update(n);
		int32_t balance = height_of(n->left) - height_of(n->right);

		if (balance > 1) {
			if (height_of(n->left->left) < height_of(n->left->right))
				rotate_left(t, n->left);
			n = rotate_right(t, n);
		} else if (balance < -1) {
			if (height_of(n->right->right) < height_of(n->right->left))
				rotate_right(t, n->right);
			n = rotate_left(t, n);
		}
		if (n->height == height && n->max_gap == max_gap && !through)
			return;
	}
}

static void set_gap(const struct range_tree *t, struct range_node *n)
{
	const struct range_node *prev = range_prev(t, n);
	uint64_t from = prev ? prev->end : t->low;

	n->gap = n->start > from ? n->start - from : 0;
}

static void fix_next_gap(struct range_tree *t, const struct range_node *n)
{
	struct range_node *next = range_next(t, n);

	if (!next)
		return;
	set_gap(t, next);
	fix_up(t, next, nullptr);
}

void range_insert(struct range_tree *t, struct range_node *n)
{
	struct range_node *parent = nullptr, **at = &t->root;
	struct list *before = &t->list; /* the node after which n comes in the list */

	while (*at) {
		parent = *at;
		if (n->start < parent->start) {
			at = &parent->left;
		} else {
			before = &parent->link;
			at = &parent->right;
		}
	}
	*at = n;
	n->parent = parent;
	n->left = n->right = nullptr;
	n->height = 0;
	n->max_gap = 0;
	list_insert_after(before, &n->link);
	set_gap(t, n);
	/* A leaf's successor is above it: one way up serves both. */
	struct range_node *next = range_next(t, n);
	if (next)
		set_gap(t, next);
	fix_up(t, n, next);
}

void range_remove(struct range_tree *t, struct range_node *n)
{
	struct range_node *next = range_next(t, n);
	struct range_node *from; /* lowest node whose subtree changed */

	if (n->left && n->right) {
		/* The successor has no left child and takes n's place. */
		from = next->parent == n ? next : next->parent;
		replace_child(t, next, next->right);
		next->left = n->left;
		next->right = n->right;
		next->height = n->height;
		next->max_gap = n->max_gap;
		next->left->parent = next;
		if (next->right)
			next->right->parent = next;
		replace_child(t, n, next);
	} else {
		/* A right child is the successor and has no children (AVL); without one the
		 * successor is above. */
		from = n->right ? next : n->parent;
		replace_child(t, n, n->left ? n->left : n->right);
	}
	list_remove(&n->link);
	if (next)
		set_gap(t, next);
	fix_up(t, from, next && from == next ? next->parent : next);
}

void range_resize(struct range_tree *t, struct range_node *n, uint64_t start, uint64_t end)
{
	bool end_moved = end != n->end;

	n->start = start;
	n->end = end;
	set_gap(t, n);
	fix_up(t, n, nullptr);
	if (end_moved)
		fix_next_gap(t, n);
}

/* Whether the gap [from, to), cut to [low, high), has room; then the highest place in it. */
static bool fits(uint64_t from, uint64_t to, uint64_t length, uint64_t low, uint64_t high, uint64_t *start)
{
	from = MAX(from, low);
	to = MIN(to, high);
	if (to < from || to - from < length)
		return false;
	*start = to - length;
	return true;
}

/* Depth is at most the tree's height: 1.44 log2(n). */
static bool search(const struct range_node *n, uint64_t length, uint64_t low, uint64_t high, uint64_t *start)
{
	if (!n || n->max_gap < length)
		return false;
	if (n->end < high && search(n->right, length, low, high, start))
		return true;
	if (fits(n->start - n->gap, n->start, length, low, high, start))
		return true;
	return n->start - n->gap > low && search(n->left, length, low, high, start);
}

bool range_find_gap(const struct range_tree *t, uint64_t length, uint64_t low, uint64_t high, uint64_t *start)
{
	const struct range_node *last = range_last(t);

	if (fits(last ? last->end : t->low, UINT64_MAX, length, low, high, start))
		return true;
	return search(t->root, length, low, high, start);
}
