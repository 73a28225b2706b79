/* SPDX-License-Identifier: MIT */
/* Pairing heap, see pairing_heap.h. */
#include <lib/pairing_heap.h>
#include <stddef.h>

/* Makes the larger root the first child of the smaller. Both are whole heaps without siblings. */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
	if (!a)
		return b;
	if (!b)
		return a;
	if (b->key < a->key) {
		struct heap_node *t = a;

		a = b;
		b = t;
	}
	b->next = a->child;
	b->prev = a;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	return a;
}

/* Melds a list of siblings into one heap: in pairs from the left, then the pairs from the right. */
static struct heap_node *merge_siblings(struct heap_node *first)
{
	struct heap_node *pairs = nullptr, *root = nullptr;

	while (first) {
		struct heap_node *a = first, *b = a->next;

		first = b ? b->next : nullptr;
		a->next = a->prev = nullptr;
		if (b)
			b->next = b->prev = nullptr;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct heap_node *next = pairs->next;

		pairs->next = nullptr;
		root = meld(root, pairs);
		pairs = next;
	}
	return root;
}

void heap_insert(struct heap *h, struct heap_node *n)
{
	n->child = n->next = n->prev = nullptr;
	h->root = meld(h->root, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	struct heap_node *rest = merge_siblings(n->child);

	if (h->root == n) {
		h->root = rest;
	} else {
		if (n->prev->child == n)
			n->prev->child = n->next;
		else
			n->prev->next = n->next;
		if (n->next)
			n->next->prev = n->prev;
		h->root = meld(h->root, rest);
	}
	n->child = n->next = n->prev = nullptr;
}
