/* SPDX-License-Identifier: MIT */
/*
 * The mqueue filesystem (mq_overview(7)): one directory, whose files are queues. All mounts show the one there is,
 * which is there without any. Reading a file tells what waits in the queue and who is told of it; creating one makes a
 * queue of the default size. Names stand in a list in the order of their making, with cookies as tmpfs has them: the
 * VFS's cache finds what is in use, so that few look at the list.
 */
#include "mqueue.h"

#include <abi/fcntl.h>
#include <abi/poll.h>
#include <kernel/base/log.h>
#include <kernel/mem/page.h>
#include <kernel/process/process.h>
#include <kernel/vfs/vfs.h>

enum : uint32_t { MQUEUE_MAGIC = 0x19800202, ENTRY_SIZE = 20, TEXT_SIZE = 80, FIRST_COOKIE = 2 };

struct entry {
	struct list link;
	struct inode *inode; /* a reference */
	uint64_t cookie;
	uint32_t length;
	char name[];
};
struct directory { /* the directory's lock */
	struct list entries;
	uint64_t next_cookie;
};

static const struct file_ops queue_file_ops;

struct mqueue *mqueue_of_file(const struct file *f)
{
	return f->ops == &queue_file_ops ? f->inode->private_data : nullptr;
}

/* --- a queue's file --- */

static long queue_read(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos)
{
	struct mqueue *q = f->inode->private_data;
	char text[TEXT_SIZE + 1];

	mutex_lock(&q->lock);
	const struct mqueue_notice *t = &q->notice;
	bool told = t->owner != nullptr;
	int length = scnprintf(text, sizeof(text), "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6u\n",
			       (unsigned long)q->bytes, told ? t->how : 0, told && t->how == 0 ? t->signo : 0,
			       told ? t->owner->pid : 0);
	mutex_unlock(&q->lock);
	size_t left = *pos < (uint64_t)length ? (size_t)length - (size_t)*pos : 0, wanted = MIN(n, left);
	size_t done = io_copy_out(buf, 0, text + *pos, wanted);
	*pos += done;
	return done == 0 && wanted > 0 ? -EFAULT : (long)done;
}

static uint32_t queue_poll(struct file *f, struct poll_table *table)
{
	struct mqueue *q = f->inode->private_data;
	uint32_t mask = 0;

	poll_watch(table, &q->changed);
	mutex_lock(&q->lock);
	if (q->count > 0)
		mask |= POLLIN | POLLRDNORM;
	if (q->count < q->most.messages)
		mask |= POLLOUT | POLLWRNORM;
	mutex_unlock(&q->lock);
	return mask;
}

static void queue_closed(struct file *f)
{
	mqueue_forget_notice(f->inode->private_data);
}

static const struct file_ops queue_file_ops = {
	.component = &component_ipc,
	.read = queue_read,
	.seek = file_seek_generic,
	.poll = queue_poll,
	.closed = queue_closed,
};

/* What is said to be its size has no meaning. */
static int queue_truncate(struct inode *i, uint64_t size)
{
	i->size = size;
	return 0;
}

static const struct inode_ops queue_inode_ops = {.truncate = queue_truncate};

static int queue_inode(struct superblock *sb, const struct make_request *r, struct inode **out)
{
	struct mqueue_size size = r->wanted != nullptr ? *(const struct mqueue_size *)r->wanted : mqueue_default();
	struct mqueue *q;

	int error = mqueue_size_allowed(&size);
	if (error == 0)
		error = mqueue_create(&size, &q);
	if (error != 0)
		return error;
	struct inode *i = inode_create(sb, r->mode, &queue_inode_ops, &queue_file_ops);
	if (i == nullptr) {
		mqueue_free(q);
		return -ENOMEM;
	}
	i->uid = r->uid;
	i->gid = r->gid;
	i->size = TEXT_SIZE;
	i->private_data = q;
	*out = i;
	return 0;
}

/* --- the directory --- */

static struct entry *find(const struct inode *dir, const struct name *n)
{
	const struct directory *d = dir->private_data;
	struct entry *e;

	list_for_each(e, &d->entries, link) {
		if (e->length == n->length && memcmp(e->name, n->text, n->length) == 0)
			return e;
	}
	return nullptr;
}

static int dir_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	const struct entry *e = find(dir, n);

	if (e == nullptr)
		return -ENOENT;
	inode_get(e->inode);
	*out = e->inode;
	return 0;
}

static int dir_make(struct inode *dir, const struct name *n, const struct make_request *r, struct inode **out)
{
	struct directory *d = dir->private_data;

	if (!S_ISREG(r->mode))
		return -EPERM;
	struct entry *e = kmalloc(sizeof(*e) + n->length + 1);
	if (e == nullptr)
		return -ENOMEM;
	int error = queue_inode(dir->sb, r, &e->inode);
	if (error != 0) {
		kfree(e);
		return error;
	}
	e->length = n->length;
	memcpy(e->name, n->text, n->length);
	e->cookie = d->next_cookie++;
	list_push_back(&d->entries, &e->link);
	dir->size += ENTRY_SIZE;
	inode_get(e->inode);
	*out = e->inode;
	return 0;
}

static int dir_unlink(struct inode *dir, const struct name *n, struct inode *i)
{
	struct entry *e = find(dir, n);

	if (e == nullptr)
		return -ENOENT;
	KASSERT(e->inode == i);
	i->nlink--;
	list_remove(&e->link);
	dir->size -= ENTRY_SIZE;
	inode_put(e->inode);
	kfree(e);
	return 0;
}

static long dir_readdir(struct file *f, readdir_emit emit, void *ctx)
{
	struct inode *dir = f->inode;
	const struct directory *d = dir->private_data;
	struct entry *e;
	bool room = true;

	mutex_lock(&dir->lock);
	if (f->position == 0 && (room = emit(ctx, ".", 1, dir->ino, DT_DIR, 1)))
		f->position = 1;
	if (room && f->position == 1 &&
	    (room = emit(ctx, "..", 2, f->path.dentry->parent->inode->ino, DT_DIR, FIRST_COOKIE)))
		f->position = FIRST_COOKIE;
	list_for_each(e, &d->entries, link) {
		if (!room)
			break;
		if (e->cookie < f->position)
			continue;
		room = emit(ctx, e->name, e->length, e->inode->ino, DT_REG, e->cookie + 1);
		if (room)
			f->position = e->cookie + 1;
	}
	mutex_unlock(&dir->lock);
	return 0;
}

static const struct inode_ops dir_inode_ops = {.lookup = dir_lookup, .make = dir_make, .unlink = dir_unlink};
static const struct file_ops dir_file_ops = {
	.component = &component_ipc, .readdir = dir_readdir, .seek = file_seek_generic};

/* --- the filesystem --- */

static void evict(struct inode *i)
{
	if (S_ISREG(i->mode))
		mqueue_free(i->private_data);
	else
		kfree(i->private_data);
}

static int statfs(struct superblock *, struct statfs *out)
{
	out->type = MQUEUE_MAGIC;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = NAME_MAX;
	return 0;
}

static const struct super_ops super_ops = {.evict = evict, .statfs = statfs};

static int fill(struct superblock *sb, const struct mount_options *o)
{
	if (o->data[0] != '\0')
		return -EINVAL;
	struct directory *d = kmalloc(sizeof(*d));
	if (d == nullptr)
		return -ENOMEM;
	list_init(&d->entries);
	d->next_cookie = FIRST_COOKIE;
	sb->ops = &super_ops;
	sb->root = inode_create(sb, S_IFDIR | S_ISVTX | 0777, &dir_inode_ops, &dir_file_ops);
	if (sb->root == nullptr) {
		kfree(d);
		return -ENOMEM;
	}
	sb->root->private_data = d;
	sb->root->nlink = 2;
	sb->root->size = 2ull * ENTRY_SIZE;
	return 0;
}

FILESYSTEM(mqueue, .name = "mqueue", .component = &component_ipc, .fill = fill, .single = true);
