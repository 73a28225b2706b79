/* SPDX-License-Identifier: MIT */
/*
 * Where a process is: root, working directory, umask; shared between processes with CLONE_FS. And the way back from
 * a path to text, for getcwd, /proc and exec.
 */
#include "internal.h"

#include <kernel/base/subject.h>
#include <kernel/base/syscall.h>

extern uint32_t rename_count; /* dentry.c */

struct fs_context {
	uint32_t refs; /* of processes, of who holds it, of readers of /proc */
	struct spinlock lock;
	uint32_t processes GUARDED_BY(&lock), holds GUARDED_BY(&lock);
	struct path root GUARDED_BY(&lock);
	struct path cwd GUARDED_BY(&lock);
	uint32_t umask; /* one word: read and written whole */
};

static struct fs_context *context_new(struct path root, struct path cwd, uint32_t umask)
{
	struct fs_context *c = kmalloc(sizeof(*c));

	if (c == nullptr)
		return nullptr;
	c->refs = 1;
	spin_init(&c->lock, RANK_FS_CONTEXT);
	spin_lock(&c->lock);
	c->processes = 1;
	c->root = root;
	c->cwd = cwd;
	spin_unlock(&c->lock);
	c->umask = umask;
	return c;
}

int fs_context_create(struct fs_context **out)
{
	struct path root;

	mount_root_path(&root);
	path_get(&root);
	*out = context_new(root, root, 022);
	if (*out == nullptr) {
		path_put(&root);
		path_put(&root);
	}
	return *out != nullptr ? 0 : -ENOMEM;
}

int fs_context_clone(struct fs_context *src, struct fs_context **out)
{
	struct path root, cwd;

	fs_context_paths(src, &root, &cwd);
	*out = context_new(root, cwd, fs_context_umask(src));
	if (*out == nullptr) {
		path_put(&root);
		path_put(&cwd);
	}
	return *out != nullptr ? 0 : -ENOMEM;
}

void fs_context_get(struct fs_context *c)
{
	__atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
}

void fs_context_put(struct fs_context *c)
{
	if (c == nullptr || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	spin_lock(&c->lock);
	struct path root = c->root, cwd = c->cwd;
	spin_unlock(&c->lock);
	path_put(&root);
	path_put(&cwd);
	kfree(c);
}

int fs_context_join(struct fs_context *c)
{
	spin_lock(&c->lock);
	bool held = c->holds > 0;
	if (!held)
		c->processes++;
	spin_unlock(&c->lock);
	if (held)
		return -EAGAIN;
	fs_context_get(c);
	return 0;
}

void fs_context_leave(struct fs_context *c)
{
	spin_lock(&c->lock);
	c->processes--;
	spin_unlock(&c->lock);
	fs_context_put(c);
}

bool fs_context_hold(struct fs_context *c)
{
	spin_lock(&c->lock);
	bool alone = c->processes == 1;
	if (alone)
		c->holds++;
	spin_unlock(&c->lock);
	if (alone)
		fs_context_get(c);
	return alone;
}

void fs_context_release(struct fs_context *c)
{
	spin_lock(&c->lock);
	c->holds--;
	spin_unlock(&c->lock);
	fs_context_put(c);
}

void fs_context_paths(struct fs_context *c, struct path *root, struct path *cwd)
{
	spin_lock(&c->lock);
	if (root != nullptr) {
		*root = c->root;
		path_get(root);
	}
	if (cwd != nullptr) {
		*cwd = c->cwd;
		path_get(cwd);
	}
	spin_unlock(&c->lock);
}

uint32_t fs_context_umask(struct fs_context *c)
{
	return __atomic_load_n(&c->umask, __ATOMIC_RELAXED);
}

void fs_context_current_paths(struct path *root, struct path *cwd)
{
	struct subject *p = subject_current();

	if (p != nullptr && p->fs != nullptr) {
		fs_context_paths(p->fs, root, cwd);
		return;
	}
	if (root != nullptr)
		mount_root_path(root);
	if (cwd != nullptr)
		mount_root_path(cwd);
}

void fs_context_set(struct fs_context *c, struct path p, bool which_root)
{
	spin_lock(&c->lock);
	struct path *place = which_root ? &c->root : &c->cwd;
	struct path old = *place;
	*place = p;
	spin_unlock(&c->lock);
	path_put(&old);
}

/* After pivot_root: whoever had the old root as root or working directory gets the new one. */
void fs_context_replace(struct fs_context *c, const struct path *from, const struct path *to)
{
	for (int which = 0; which < 2; which++) {
		struct path now;

		fs_context_paths(c, which ? &now : nullptr, which ? nullptr : &now);
		if (now.mount == from->mount && now.dentry == from->dentry) {
			path_get(to);
			fs_context_set(c, *to, which);
		}
		path_put(&now);
	}
}

static long sys_umask(uint32_t mask)
{
	return __atomic_exchange_n(&subject_current()->fs->umask, mask & 0777, __ATOMIC_RELAXED);
}
SYSCALL(umask);

/* Puts "/name" before what stands at *at already. */
static int prepend_name(struct dentry *d, char *out, size_t *at)
{
	spin_lock(&d->lock);
	int error = *at < d->length + 1u ? -ENAMETOOLONG : 0;
	if (error == 0) {
		*at -= d->length + 1;
		out[*at] = '/';
		memcpy(out + *at + 1, d->name, d->length);
	}
	spin_unlock(&d->lock);
	return error;
}

/* Writes the path to the end of out; its start in *at. *reached: it ends at root. */
static int format_backwards(struct path here, const struct path *root, char *out, size_t *at, bool *reached)
{
	int error = 0;

	path_get(&here);
	*reached = false;
	while (error == 0) {
		if (here.dentry == root->dentry && here.mount == root->mount) {
			*reached = true;
			break;
		}
		if (here.dentry == here.mount->root) {
			if (!mount_uncross(&here))
				break;
			continue;
		}
		struct dentry *parent = dentry_parent(here.dentry);
		if (parent == here.dentry) {
			dentry_put(parent);
			break;
		}
		error = prepend_name(here.dentry, out, at);
		dentry_put(here.dentry);
		here.dentry = parent;
	}
	path_put(&here);
	return error;
}

static bool path_deleted(const struct path *p)
{
	return p->dentry != p->mount->root && !dentry_hashed(p->dentry) && p->dentry->parent != p->dentry &&
	       !(p->dentry->sb->behaviour & SB_NO_NEGATIVE);
}

static long path_format_from(const struct path *p, const struct path *root, char *out, size_t size, bool *reached)
{
	static const char deleted[] = " (deleted)";
	uint32_t before;
	size_t at;
	int error;

	if (size < sizeof(deleted) + 2)
		return -ENAMETOOLONG;
	do {
		before = __atomic_load_n(&rename_count, __ATOMIC_ACQUIRE);
		at = size - 1;
		out[at] = '\0';
		if (path_deleted(p)) {
			at -= sizeof(deleted) - 1;
			memcpy(out + at, deleted, sizeof(deleted) - 1);
		}
		error = format_backwards(*p, root, out, &at, reached);
	} while ((before & 1) || before != __atomic_load_n(&rename_count, __ATOMIC_ACQUIRE));
	if (error != 0)
		return error;
	if (out[at] != '/') {
		if (at == 0)
			return -ENAMETOOLONG;
		out[--at] = '/';
	}
	memmove(out, out + at, size - at);
	return (long)(size - 1 - at);
}

long path_format(const struct path *p, char *out, size_t size)
{
	struct path root;
	bool reached;

	fs_context_current_paths(&root, nullptr);
	long n = path_format_from(p, &root, out, size, &reached);
	path_put(&root);
	return n;
}

static long sys_getcwd(user_addr buffer, size_t size)
{
	static const char unreachable[] = "(unreachable)";
	struct path root, cwd;
	bool reached;

	char *text = kmalloc(PATH_MAX);
	if (text == nullptr)
		return -ENOMEM;
	fs_context_current_paths(&root, &cwd);
	long n = path_deleted(&cwd) ? -ENOENT : path_format_from(&cwd, &root, text, PATH_MAX, &reached);
	path_put(&root);
	path_put(&cwd);
	if (n >= 0) {
		size_t prefix = reached ? 0 : sizeof(unreachable) - 1;

		if (prefix + (size_t)n + 1 > size)
			n = -ERANGE;
		else if (copy_to_user(buffer, unreachable, prefix) != 0 ||
			 copy_to_user(user_addr_add(buffer, prefix), text, (size_t)n + 1) != 0)
			n = -EFAULT;
		else
			n += (long)prefix + 1;
	}
	kfree(text);
	return n;
}
SYSCALL(getcwd);
