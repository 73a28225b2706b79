/* SPDX-License-Identifier: MIT */
/*
 * The static part of /proc (and all of /sys): a tree of named entries that only grows. It is made once, of the records
 * that PROC_FILE (kernel/base/node.h) left in a section; directories come to be by the names below them.
 */
#include "procfs.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

extern const struct proc_file __proc_files_start[], __proc_files_end[]; /* the linker script's */

struct proc_node proc_root = {.children = LIST_INIT(proc_root.children), .parent = &proc_root, .ino = 1};
struct proc_node sysfs_root = {.children = LIST_INIT(sysfs_root.children), .parent = &sysfs_root, .ino = 1};

/* Guards all trees. */
static struct mutex tree_lock = MUTEX_INIT(tree_lock, RANK_FS);
static uint32_t next_ino GUARDED_BY(&tree_lock) = 1;

static struct proc_node *find_locked(const struct proc_node *dir, const char *name, size_t length) REQUIRES(tree_lock)
{
	struct proc_node *node;

	list_for_each(node, &dir->children, link) {
		if (node->length == length && memcmp(node->name, name, length) == 0)
			return node;
	}
	return nullptr;
}

const struct proc_node *proc_node_find(const struct proc_node *dir, const struct name *n)
{
	mutex_lock(&tree_lock);
	const struct proc_node *node = find_locked(dir, n->text, n->length);
	mutex_unlock(&tree_lock);
	return node;
}

const struct proc_node *proc_node_next(const struct proc_node *dir, uint32_t from)
{
	struct proc_node *node;
	const struct proc_node *found = nullptr;

	mutex_lock(&tree_lock);
	list_for_each(node, &dir->children, link) {
		if (node->number >= from) {
			found = node;
			break;
		}
	}
	mutex_unlock(&tree_lock);
	return found;
}

static struct proc_node *add_locked(struct proc_node *dir, const char *name, size_t length) REQUIRES(tree_lock)
{
	struct proc_node *node = kmalloc(sizeof(*node));

	if (node == nullptr)
		return nullptr;
	list_init(&node->children);
	node->parent = dir;
	node->name = name;
	node->length = (uint32_t)length;
	node->number =
		list_empty(&dir->children) ? 0 : list_entry(dir->children.prev, struct proc_node, link)->number + 1;
	node->ino = ++next_ino;
	list_push_back(&dir->children, &node->link);
	return node;
}

/* The node of a path, made with the directories above it. -EEXIST when it is there and fresh was asked for. */
static int add_path(struct proc_node *root, const char *name, bool fresh, struct proc_node **out)
{
	struct proc_node *dir = root;
	const char *slash;
	int error = 0;

	mutex_lock(&tree_lock);
	while (error == 0) {
		slash = strchr(name, '/');
		size_t length = slash != nullptr ? (size_t)(slash - name) : strlen(name);
		struct proc_node *node = find_locked(dir, name, length);

		if (node != nullptr && slash == nullptr && fresh)
			error = -EEXIST;
		if (node == nullptr)
			node = add_locked(dir, name, length);
		if (node == nullptr)
			error = -ENOMEM;
		dir = node;
		if (slash == nullptr)
			break;
		name = slash + 1;
	}
	mutex_unlock(&tree_lock);
	*out = dir;
	return error;
}

void proc_register(const struct proc_file *p)
{
	struct proc_node *node;

	KASSERT(p->component != nullptr);
	int error = add_path(&proc_root, p->name, true, &node);
	if (error != 0)
		log_error("procfs: cannot add %s: error %d", p->name, -error);
	else
		node->file = p;
}

void proc_tree_init(void)
{
	for (const struct proc_file *p = __proc_files_start; p < __proc_files_end; p++)
		proc_register(p);
}

int proc_node_add_directory(struct proc_node *root, const char *name)
{
	struct proc_node *node;

	return add_path(root, name, false, &node);
}

int proc_node_add_link(struct proc_node *root, const char *name, const char *target)
{
	struct proc_node *node;

	int error = add_path(root, name, true, &node);
	if (error == 0)
		node->target = target;
	return error;
}
