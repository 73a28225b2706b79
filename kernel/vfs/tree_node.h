/* SPDX-License-Identifier: MIT */
/* Entries of trees (kernel/vfs/tree.h) from the inside: tree.c has their structure, tree_inode.c shows them. */
#ifndef VFS_TREE_NODE_H
#define VFS_TREE_NODE_H

#include <kernel/vfs/tree.h>

/* Refs: the tree's, each child's on its parent, each link's on its target, each inode's. */
struct tree_node {
	struct list link;     /* in the parent's children */
	struct list children; /* in the order of their numbers */
	struct tree_node *parent;
	uint32_t refs;	 /* atomic */
	uint32_t active; /* atomic: functions that run */
	bool gone;	 /* atomic */
	bool for_good;	 /* never removed */
	uint64_t number; /* position in the directory; never used again there */
	uint64_t next_number;
	uint64_t ino;
	bool attributes;	      /* sysfs's rules: a text is a page long, and a file opens for what it can do */
	const struct node_file *file; /* nullptr: no file */
	void *arg;
	struct tree_node *target; /* of a link */
	const char *target_text;
	const struct tree_more *more;
	char name[];
};

static inline bool tree_is_link(const struct tree_node *n)
{
	return n->target != nullptr || n->target_text != nullptr;
}
static inline bool tree_is_directory(const struct tree_node *n)
{
	return n->file == nullptr && !tree_is_link(n);
}
static inline bool tree_is_gone(const struct tree_node *n)
{
	return __atomic_load_n(&n->gone, __ATOMIC_ACQUIRE);
}

void tree_get(struct tree_node *n);
/* Around each function of n's file: false, and no leave, when n was removed. */
[[nodiscard]] bool tree_enter(struct tree_node *n);
void tree_leave(struct tree_node *n);
/* With a reference, or nullptr: the child of that name; the first at or after position `from`. */
struct tree_node *tree_find(struct tree_node *dir, const struct name *n);
struct tree_node *tree_next(struct tree_node *dir, uint64_t from);
/* The text of a link into out, not terminated; its length, at most size. */
long tree_link_text(struct tree_node *link, char *out, size_t size);

#endif
