/* SPDX-License-Identifier: MIT */
/*
 * The structure of trees (kernel/vfs/tree.h): what is added, found and removed. An entry that was removed stays as long
 * as somebody knows it, and only says that it is gone.
 */
#include "tree_node.h"

#include "internal.h"

#include <kernel/base/log.h>
#include <kernel/base/wait.h>
#include <kernel/mem/text.h>

struct tree_node *proc_tree;
struct tree_node sys_tree = {.children = LIST_INIT(sys_tree.children),
			     .parent = &sys_tree,
			     .refs = 1,
			     .for_good = true,
			     .ino = 1,
			     .attributes = true};

/* Guards all trees. */
static struct mutex tree_lock = MUTEX_INIT(tree_lock, RANK_FS);
static uint64_t last_ino GUARDED_BY(&tree_lock) = 1;
/* Woken when the last function of an entry that was removed has ended. */
static struct wait_queue idle = WAIT_QUEUE_INIT(idle);

void tree_get(struct tree_node *n)
{
	__atomic_fetch_add(&n->refs, 1, __ATOMIC_RELAXED);
}

void tree_put(struct tree_node *n)
{
	while (n != nullptr && __atomic_sub_fetch(&n->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		struct tree_node *parent = n->parent, *target = n->target;

		kfree(n);
		/* What is gone is linked by nothing that is there: this ends. */
		if (target != nullptr)
			tree_put(target);
		n = parent;
	}
}

bool tree_enter(struct tree_node *n)
{
	if (n->for_good)
		return true;
	__atomic_fetch_add(&n->active, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&n->gone, __ATOMIC_SEQ_CST))
		return true;
	tree_leave(n);
	return false;
}

void tree_leave(struct tree_node *n)
{
	/* n is kept by the inode of whoever entered. */
	if (!n->for_good && __atomic_sub_fetch(&n->active, 1, __ATOMIC_SEQ_CST) == 0 &&
	    __atomic_load_n(&n->gone, __ATOMIC_SEQ_CST))
		wait_wake_all(&idle);
}

static struct tree_node *find_locked(const struct tree_node *dir, const char *name, size_t length) REQUIRES(tree_lock)
{
	struct tree_node *n;

	list_for_each(n, &dir->children, link) {
		if (strlen(n->name) == length && memcmp(n->name, name, length) == 0)
			return n;
	}
	return nullptr;
}

struct tree_node *tree_find(struct tree_node *dir, const struct name *name)
{
	mutex_lock(&tree_lock);
	struct tree_node *n = find_locked(dir, name->text, name->length);
	if (n != nullptr)
		tree_get(n);
	mutex_unlock(&tree_lock);
	return n;
}

struct tree_node *tree_next(struct tree_node *dir, uint64_t from)
{
	struct tree_node *n, *found = nullptr;

	mutex_lock(&tree_lock);
	list_for_each(n, &dir->children, link) {
		if (n->number >= from) {
			tree_get(n);
			found = n;
			break;
		}
	}
	mutex_unlock(&tree_lock);
	return found;
}

static struct tree_node *create(const char *name, size_t length)
{
	struct tree_node *n = kmalloc(sizeof(*n) + length + 1);

	if (n == nullptr)
		return nullptr;
	*n = (struct tree_node){.refs = 1};
	list_init(&n->children);
	memcpy(n->name, name, length);
	n->name[length] = '\0';
	return n;
}

struct tree_node *tree_create(const struct tree_more *more)
{
	struct tree_node *n = create("", 0);

	if (n == nullptr)
		return nullptr;
	n->parent = n;
	n->for_good = true;
	n->ino = 1;
	n->more = more;
	return n;
}

/* n becomes dir's. Its reference is the tree's; it holds one on dir. */
static int add_locked(struct tree_node *dir, struct tree_node *n) REQUIRES(tree_lock)
{
	if (dir->gone || !tree_is_directory(dir))
		return -ENODEV;
	if (find_locked(dir, n->name, strlen(n->name)) != nullptr)
		return -EEXIST;
	tree_get(dir);
	n->parent = dir;
	n->attributes = dir->attributes;
	n->number = dir->next_number++;
	n->ino = ++last_ino;
	list_push_back(&dir->children, &n->link);
	return 0;
}

/* Takes n over; it is freed on an error. */
static int add(struct tree_node *dir, struct tree_node *n)
{
	mutex_lock(&tree_lock);
	int error = add_locked(dir, n);
	mutex_unlock(&tree_lock);
	if (error != 0)
		tree_put(n);
	return error;
}

/* The directory of that name below dir. -ENOENT; -ENOTDIR: something else has it, or what does not stay as long as dir.
 */
static int find_directory_locked(struct tree_node *dir, const char *name, size_t length, struct tree_node **out)
	REQUIRES(tree_lock)
{
	*out = find_locked(dir, name, length);
	if (*out == nullptr)
		return -ENOENT;
	return (*out)->for_good == dir->for_good && tree_is_directory(*out) ? 0 : -ENOTDIR;
}

/* The same, made if need be. What is there needs no memory. */
static int directory_of(struct tree_node *dir, const char *name, size_t length, struct tree_node **out)
{
	mutex_lock(&tree_lock);
	int error = find_directory_locked(dir, name, length, out);
	mutex_unlock(&tree_lock);
	if (error != -ENOENT)
		return error;
	struct tree_node *fresh = create(name, length);
	if (fresh == nullptr)
		return -ENOMEM;
	fresh->for_good = dir->for_good;
	mutex_lock(&tree_lock);
	error = find_directory_locked(dir, name, length, out);
	if (error == -ENOENT) {
		*out = fresh;
		error = add_locked(dir, fresh);
		fresh = error == 0 ? nullptr : fresh;
	}
	mutex_unlock(&tree_lock);
	tree_put(fresh);
	return error;
}

/* The directory that the last component of a path is in; *last is that component. */
static int parent_of(struct tree_node *from, const char *path, struct tree_node **dir, const char **last)
{
	const char *slash;
	int error = 0;

	while (error == 0 && (slash = strchr(path, '/')) != nullptr) {
		error = directory_of(from, path, (size_t)(slash - path), &from);
		path = slash + 1;
	}
	*dir = from;
	*last = path;
	return error;
}

struct tree_node *tree_path(struct tree_node *from, const char *path)
{
	struct tree_node *dir;

	int error = parent_of(from, path, &dir, &path);
	if (error == 0)
		error = directory_of(dir, path, strlen(path), &dir);
	return error == 0 ? dir : nullptr;
}

int tree_add_directory(struct tree_node *parent, const char *name, struct tree_node **out)
{
	struct tree_node *n = create(name, strlen(name));

	if (n == nullptr)
		return -ENOMEM;
	tree_get(n);
	int error = add(parent, n);
	if (error != 0)
		tree_put(n);
	else
		*out = n;
	return error;
}

static int add_file(struct tree_node *dir, const struct node_file *f, void *arg, bool for_good)
{
	const char *name;

	KASSERT(f->component != nullptr);
	int error = parent_of(dir, f->name, &dir, &name);
	if (error != 0)
		return error;
	struct tree_node *n = create(name, strlen(name));
	if (n == nullptr)
		return -ENOMEM;
	n->file = f;
	n->arg = arg;
	n->for_good = for_good;
	return add(dir, n);
}

int tree_add_file(struct tree_node *dir, const struct node_file *f, void *arg)
{
	return add_file(dir, f, arg, false);
}

void tree_add_records(struct tree_node *root, const struct node_file *first, const struct node_file *end)
{
	for (const struct node_file *f = first; f < end; f++) {
		int error = add_file(root, f, f->arg, true);
		if (error != 0)
			log_error("%s: cannot show %s: error %d", f->component->name, f->name, -error);
	}
}

int tree_add_files(struct tree_node *dir, const struct node_file *files, void *arg)
{
	int error = 0;

	for (const struct node_file *f = files; error == 0 && f->name != nullptr; f++)
		error = tree_add_file(dir, f, arg);
	return error;
}

int tree_add_link(struct tree_node *dir, const char *name, struct tree_node *target)
{
	struct tree_node *n = create(name, strlen(name));

	if (n == nullptr)
		return -ENOMEM;
	tree_get(target);
	n->target = target;
	return add(dir, n);
}

int tree_add_text_link(struct tree_node *dir, const char *name, const char *text)
{
	struct tree_node *n = create(name, strlen(name));

	if (n == nullptr)
		return -ENOMEM;
	n->target_text = text;
	return add(dir, n);
}

/* Takes n and all below it out of the tree and into a list. */
static void take_out_locked(struct tree_node *n, struct list *taken) REQUIRES(tree_lock)
{
	list_remove(&n->link);
	list_push_back(taken, &n->link);
	list_for_each(n, taken, link) {
		/* Whoever entered before is counted, whoever comes later sees this. */
		__atomic_store_n(&n->gone, true, __ATOMIC_SEQ_CST);
		while (!list_empty(&n->children)) {
			struct list *child = n->children.next;

			list_remove(child);
			list_push_back(taken, child);
		}
	}
}

static void wait_and_forget(struct list *taken)
{
	while (!list_empty(taken)) {
		struct tree_node *n = list_first(taken, struct tree_node, link);

		wait_event(&idle, __atomic_load_n(&n->active, __ATOMIC_SEQ_CST) == 0);
		list_remove(&n->link);
		tree_put(n);
	}
}

void tree_remove(struct tree_node *dir)
{
	struct list taken = LIST_INIT(taken);

	if (dir == nullptr)
		return;
	KASSERT(!dir->for_good);
	mutex_lock(&tree_lock);
	/* It may have gone with the one that it was in. */
	if (!dir->gone)
		take_out_locked(dir, &taken);
	mutex_unlock(&tree_lock);
	wait_and_forget(&taken);
}

void tree_remove_name(struct tree_node *dir, const char *name)
{
	struct list taken = LIST_INIT(taken);

	mutex_lock(&tree_lock);
	struct tree_node *n = find_locked(dir, name, strlen(name));
	if (n != nullptr && !n->for_good)
		take_out_locked(n, &taken);
	mutex_unlock(&tree_lock);
	wait_and_forget(&taken);
}

static uint32_t depth_of(const struct tree_node *n)
{
	uint32_t depth = 0;

	for (; n->parent != n; n = n->parent)
		depth++;
	return depth;
}

/* The way from a directory to `to`: up to what is above both, then down. Parents never change. */
static void way_between(struct text_buffer *b, const struct tree_node *from, const struct tree_node *to)
{
	uint32_t depth = depth_of(to), common = MIN(depth_of(from), depth);
	const struct tree_node *at = to;

	for (uint32_t n = depth_of(from); n > common; n--, from = from->parent)
		text_printf(b, "../");
	for (uint32_t n = depth; n > common; n--)
		at = at->parent;
	for (; from != at; from = from->parent, at = at->parent, common--)
		text_printf(b, "../");
	for (uint32_t n = common + 1; n <= depth; n++) {
		at = to;
		for (uint32_t up = depth - n; up > 0; up--)
			at = at->parent;
		text_printf(b, "%s%s", at->name, n < depth ? "/" : "");
	}
	if (b->length > 0 && b->data[b->length - 1] == '/')
		b->length--;
}

long tree_link_text(struct tree_node *link, char *out, size_t size)
{
	struct text_buffer b = {};
	const char *text = link->target_text;
	size_t n;

	if (text == nullptr) {
		way_between(&b, link->parent, link->target);
		if (b.failed) {
			text_free(&b);
			return -ENOMEM;
		}
		text = b.data;
	}
	n = MIN(text == link->target_text ? strlen(text) : b.length, size);
	memcpy(out, text, n);
	text_free(&b);
	return (long)n;
}

void tree_way(const struct tree_node *from, const struct tree_node *to, char *out, size_t size)
{
	struct text_buffer b = {};

	out[0] = '\0';
	if (from == nullptr || to == nullptr)
		return;
	if (from->parent == from)
		text_append(&b, "/", 1);
	way_between(&b, from, to);
	if (!b.failed && b.length < size) {
		memcpy(out, b.data, b.length);
		out[b.length] = '\0';
	}
	text_free(&b);
}
