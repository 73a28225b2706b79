/* SPDX-License-Identifier: MIT */
/*
 * Entries of trees as inodes and files (kernel/vfs/tree.h). An inode holds its entry; the names of entries that may be
 * removed are valid while they are there.
 */
#include "tree_node.h"

#include "internal.h"

#include <kernel/file/text_file.h>
#include <kernel/mem/page.h>
#include <kernel/mem/text.h>
#include <kernel/thread/guard.h>

enum : uint64_t { FIRST = 2 }; /* position of the first entry of a directory */

static struct tree_node *node_of(const struct inode *i)
{
	return i->private_data;
}

/* --- files --- */

static int make_text(struct text_buffer *b, struct file *f)
{
	struct tree_node *n = node_of(f->inode);

	if (!tree_enter(n))
		return -ENODEV;
	int error = node_file_show(n->file, n->arg, b);
	tree_leave(n);
	return error;
}

static long take_text(const char *text, size_t bytes, struct file *f)
{
	struct tree_node *n = node_of(f->inode);

	if (!tree_enter(n))
		return -ENODEV;
	long result = node_file_write(n->file, n->arg, text, bytes);
	tree_leave(n);
	return result;
}

static int check_open(const struct file *f)
{
	const struct tree_node *n = node_of(f->inode);
	const struct node_file *file = n->file;
	bool reads = file->show != nullptr || file->read_at != nullptr || file->knob != nullptr;
	bool writes = file->write != nullptr || file->write_at != nullptr || file->knob != nullptr;

	if (!n->attributes)
		return 0;
	return ((f->mode & FILE_READ) && !reads) || ((f->mode & FILE_WRITE) && !writes) ? -EACCES : 0;
}

static int text_open(struct file *f)
{
	int error = check_open(f);
	if (error != 0)
		return error;
	struct text_file *t = kmalloc(sizeof(*t));
	if (t == nullptr)
		return -ENOMEM;
	text_file_init(t);
	f->private_data = t;
	return 0;
}

static void text_release(struct file *f)
{
	text_file_end(f->private_data);
	kfree(f->private_data);
}

static long text_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	return text_file_read(f->private_data, make_text, f, buf, n, pos);
}

static long text_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	return text_file_write(take_text, f, buf, n, pos);
}

static const struct file_ops text_ops = {
	.component = &component_vfs,
	.open = text_open,
	.release = text_release,
	.read = text_read,
	.write = text_write,
	.seek = file_seek_generic,
};

/* At most a page at a time: a short read or write, which programs go on from. */
static size_t piece_of(const struct node_file *file, size_t n, uint64_t pos)
{
	return pos < file->size ? MIN(MIN(n, (size_t)PAGE_SIZE), file->size - pos) : 0;
}

static int bytes_open(struct file *f)
{
	return check_open(f);
}

static long bytes_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	struct tree_node *node = node_of(f->inode);
	const struct node_file *file = node->file;
	long result = -ENODEV;

	n = piece_of(file, n, *pos);
	if (n == 0)
		return 0;
	char *bytes = kmalloc(n);
	if (bytes == nullptr)
		return -ENOMEM;
	if (tree_enter(node)) {
		result = guard_run(file->component, file->read_at(bytes, n, *pos, node->arg));
		tree_leave(node);
	}
	if (result > 0 && io_copy_out(buf, 0, bytes, MIN((size_t)result, n)) < MIN((size_t)result, n))
		result = -EFAULT;
	kfree(bytes);
	if (result > 0)
		*pos += (uint64_t)result;
	return result;
}

static long bytes_write(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	struct tree_node *node = node_of(f->inode);
	const struct node_file *file = node->file;
	long result = -ENODEV;

	if (file->write_at == nullptr)
		return -EINVAL;
	n = piece_of(file, n, *pos);
	if (n == 0)
		return -EFBIG;
	char *bytes = kmalloc(n);
	if (bytes == nullptr)
		return -ENOMEM;
	if (io_copy_in(bytes, buf, 0, n) < n) {
		result = -EFAULT;
	} else if (tree_enter(node)) {
		result = guard_run(file->component, file->write_at(bytes, n, *pos, node->arg));
		tree_leave(node);
	}
	kfree(bytes);
	if (result > 0)
		*pos += (uint64_t)result;
	return result;
}

static const struct file_ops bytes_ops = {
	.component = &component_vfs,
	.open = bytes_open,
	.read = bytes_read,
	.write = bytes_write,
	.seek = file_seek_generic,
};

/* --- inodes --- */

static const struct inode_ops for_good_ops, ops;
static const struct file_ops dir_ops;

static int create(struct superblock *sb, struct tree_node *n, struct inode **out)
{
	const struct node_file *file = n->file;
	uint32_t mode = file != nullptr ? S_IFREG | file->mode : tree_is_link(n) ? S_IFLNK | S_IRWXUGO : S_IFDIR | 0555;
	const struct file_ops *file_ops = file == nullptr	     ? S_ISDIR(mode) ? &dir_ops : nullptr
					  : file->read_at != nullptr ? &bytes_ops
								     : &text_ops;
	struct inode *i = inode_create(sb, mode, n->for_good ? &for_good_ops : &ops, file_ops);

	if (i == nullptr)
		return -ENOMEM;
	tree_get(n);
	i->private_data = n;
	i->ino = n->ino;
	if (S_ISDIR(mode))
		i->nlink = 2;
	if (file != nullptr)
		i->size = file->read_at != nullptr ? file->size : n->attributes ? PAGE_SIZE : 0;
	*out = i;
	return 0;
}

int tree_root_inode(struct superblock *sb, struct tree_node *root, struct inode **out)
{
	return create(sb, root, out);
}

static int dir_lookup(struct inode *dir, const struct name *name, struct inode **out)
{
	struct tree_node *parent = node_of(dir), *n = tree_find(parent, name);

	if (n == nullptr)
		return parent->more != nullptr ? parent->more->lookup(dir, name, out) : -ENOENT;
	int error = create(dir->sb, n, out);
	tree_put(n);
	return error;
}

static long link_readlink(struct inode *i, char *out, size_t size)
{
	return tree_link_text(node_of(i), out, size);
}

static bool is_there(struct inode *i)
{
	return !tree_is_gone(node_of(i));
}

/* What has a length only because programs expect one (a page) may be cut, as shells do before they write: nothing comes
 * of it. */
static int cut(struct inode *i, uint64_t)
{
	return node_of(i)->attributes ? 0 : -EINVAL;
}

static const struct inode_ops for_good_ops = {.lookup = dir_lookup, .readlink = link_readlink, .truncate = cut};
static const struct inode_ops ops = {
	.lookup = dir_lookup, .readlink = link_readlink, .truncate = cut, .valid = is_there};

bool tree_owns(const struct inode *i)
{
	return i->ops == &for_good_ops || i->ops == &ops;
}

void tree_evict(struct inode *i)
{
	tree_put(node_of(i));
}

/* --- directories --- */

bool tree_emit_dots(struct file *f, readdir_emit emit, void *ctx)
{
	if (f->position == 0) {
		if (!emit(ctx, ".", 1, f->inode->ino, DT_DIR, 1))
			return false;
		f->position = 1;
	}
	if (f->position == 1) {
		if (!emit(ctx, "..", 2, f->path.dentry->parent->inode->ino, DT_DIR, FIRST))
			return false;
		f->position = FIRST;
	}
	return true;
}

static bool emit_entries(struct file *f, readdir_emit emit, void *ctx)
{
	struct tree_node *dir = node_of(f->inode), *n;

	while ((n = tree_next(dir, f->position - FIRST)) != nullptr) {
		uint64_t next = FIRST + n->number + 1;
		uint8_t type = tree_is_link(n) ? DT_LNK : n->file != nullptr ? DT_REG : DT_DIR;
		bool more = emit(ctx, n->name, strlen(n->name), n->ino, type, next);

		tree_put(n);
		if (!more)
			return false;
		f->position = next;
	}
	return true;
}

static long dir_readdir(struct file *f, readdir_emit emit, void *ctx)
{
	const struct tree_more *more = node_of(f->inode)->more;

	if (!tree_emit_dots(f, emit, ctx))
		return 0;
	if ((more == nullptr || f->position < TREE_MORE) && !emit_entries(f, emit, ctx))
		return 0;
	if (more == nullptr)
		return 0;
	f->position = MAX(f->position, (uint64_t)TREE_MORE);
	return more->readdir(f, emit, ctx);
}

static const struct file_ops dir_ops = {.component = &component_vfs, .readdir = dir_readdir, .seek = file_seek_generic};
