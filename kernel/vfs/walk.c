/* SPDX-License-Identifier: MIT */
/*
 * Path resolution (POSIX.1-2017 XBD 4.13, path_resolution(7)).
 *
 * A walk holds references to its root and to where it is. The text is consumed component by component; a symbolic
 * link's target is pushed as a further text, and a link at the end of a text takes its place, so memory in use does not
 * grow with chains of links. After 40 links: ELOOP. With `want_parent` the walk stops before the last component of all,
 * which is left in `last`.
 */
#include "internal.h"
#include <kernel/thread/guard.h>

enum : uint32_t { LINKS_MAX = 40 };

struct link_text {
	struct link_text *outer;
	const char *resume; /* what follows in the outer text; nullptr: nothing */
	char text[];
};

int path_text_get(struct path_text *t, user_addr at)
{
	long n = copy_string_from_user(t->small, at, sizeof(t->small));

	t->text = t->small;
	if (n != -ENAMETOOLONG)
		return n < 0 ? (int)n : 0;
	t->text = kmalloc(PATH_MAX);
	if (t->text == nullptr)
		return -ENOMEM;
	n = copy_string_from_user(t->text, at, PATH_MAX);
	if (n < 0)
		path_text_free(t);
	return n < 0 ? (int)n : 0;
}

void path_text_free(struct path_text *t)
{
	if (t->text != t->small)
		kfree(t->text);
	t->text = t->small;
}

static int begin_at_descriptor(struct walk *w, int dirfd)
{
	struct file_ref r;

	int error = file_ref_get_any(dirfd, &r);
	if (error != 0)
		return error;
	if (r.file->path.dentry == nullptr) {
		/* A pipe or the like: only AT_EMPTY_PATH can name it, and those callers look at the file themselves. */
		error = -ENOTDIR;
	} else {
		w->at = r.file->path;
		path_get(&w->at);
	}
	file_ref_put(r);
	return error;
}

int walk_begin(struct walk *w, int dirfd, const char *text, uint32_t flags)
{
	int error = 0;

	*w = (struct walk){.flags = flags, .rest = text};
	if (*text == '\0' && !(flags & WALK_EMPTY))
		return -ENOENT;
	bool absolute = *text == '/';
	if (absolute && (flags & WALK_BENEATH))
		return -EXDEV;
	if (absolute && !(flags & WALK_IN_ROOT)) {
		fs_context_current_paths(&w->root, nullptr);
		w->at = w->root;
		path_get(&w->at);
		return 0;
	}
	if (dirfd == AT_FDCWD)
		fs_context_current_paths(nullptr, &w->at);
	else
		error = begin_at_descriptor(w, dirfd);
	if (error != 0)
		return error;
	if (flags & (WALK_BENEATH | WALK_IN_ROOT)) {
		w->root = w->at;
		path_get(&w->root);
	}
	return 0;
}

void walk_end(struct walk *w)
{
	while (w->top != nullptr) {
		struct link_text *t = w->top;
		w->top = t->outer;
		kfree(t);
	}
	if (w->at.mount != nullptr)
		path_put(&w->at);
	if (w->root.mount != nullptr)
		path_put(&w->root);
	w->at = w->root = (struct path){};
}

static void need_root(struct walk *w)
{
	if (w->root.mount == nullptr)
		fs_context_current_paths(&w->root, nullptr);
}

static int walk_up(struct walk *w)
{
	need_root(w);
	while (true) {
		if (w->at.dentry == w->root.dentry && w->at.mount == w->root.mount)
			return w->flags & WALK_BENEATH ? -EXDEV : 0;
		if (w->at.dentry != w->at.mount->root)
			break;
		if (w->flags & WALK_NO_MOUNTS)
			return -EXDEV;
		if (!mount_uncross(&w->at))
			return 0;
	}
	struct dentry *parent = dentry_parent(w->at.dentry);
	dentry_put(w->at.dentry);
	w->at.dentry = parent;
	if ((parent->flags & DENTRY_MOUNTED) && mount_cross(&w->at) && (w->flags & WALK_NO_MOUNTS))
		return -EXDEV;
	return 0;
}

/* Pushes the link's target. The walk's position must be the directory that the target is relative to. */
static int push_target(struct walk *w, struct inode *link)
{
	size_t room = link->size != 0 ? MIN(link->size, (uint64_t)PATH_MAX) : 255;

	if (link->ops->readlink == nullptr)
		return -EINVAL;
	struct link_text *t = kmalloc(sizeof(*t) + room + 1);
	if (t == nullptr)
		return -ENOMEM;
	long n = guard_run(inode_component(link), link->ops->readlink(link, t->text, room));
	if (n <= 0) {
		kfree(t);
		return n < 0 ? (int)n : -ENOENT;
	}
	t->text[n] = '\0';
	if (*w->rest == '\0' && w->top != nullptr) {
		struct link_text *done = w->top;
		t->outer = done->outer;
		t->resume = done->resume;
		kfree(done);
	} else {
		t->outer = w->top;
		t->resume = *w->rest != '\0' ? w->rest : nullptr;
	}
	w->top = t;
	w->rest = t->text;
	if (t->text[0] != '/')
		return 0;
	if (w->flags & WALK_BENEATH)
		return -EXDEV;
	need_root(w);
	if ((w->flags & WALK_NO_MOUNTS) && w->at.mount != w->root.mount)
		return -EXDEV;
	path_put(&w->at);
	w->at = w->root;
	path_get(&w->at);
	return 0;
}

/* A link that is no path (/proc/PID/fd/N): the walk goes on where it leads. */
static int follow_magic(struct walk *w, struct inode *i)
{
	struct path to;

	if (w->flags & WALK_NO_MAGIC)
		return -ELOOP;
	if (w->flags & (WALK_BENEATH | WALK_IN_ROOT))
		return -EXDEV;
	int error = guard_run(inode_component(i), i->ops->follow(i, &to));
	if (error != 0)
		return error;
	if ((w->flags & WALK_NO_MOUNTS) && to.mount != w->at.mount) {
		path_put(&to);
		return -EXDEV;
	}
	path_put(&w->at);
	w->at = to;
	return 0;
}

int walk_follow(struct walk *w, struct path *link)
{
	struct inode *i = link->dentry->inode;
	int error = 0;

	if (w->links++ >= LINKS_MAX || (w->flags & WALK_NO_LINKS) || (link->mount->flags & MS_NOSYMFOLLOW)) {
		error = -ELOOP;
	} else if (i->ops->follow != nullptr) {
		error = follow_magic(w, i);
	} else {
		inode_touch(i, ATTR_ATIME);
		error = push_target(w, i);
	}
	path_put(link);
	return error;
}

/* Takes the next component of the text, past it and the slashes behind it. */
static struct name next_name(struct walk *w, bool *slash)
{
	const char *start = w->rest, *at = start;
	uint32_t hash = 0x811c9dc5; /* as name_make */

	for (; *at != '\0' && *at != '/'; at++)
		hash = (hash ^ (uint8_t)*at) * 0x01000193;
	struct name n = {start, (uint32_t)(at - start), hash};
	*slash = *at == '/';
	while (*at == '/')
		at++;
	w->rest = at;
	return n;
}

static enum last_kind kind_of(const struct name *n)
{
	if (n->text[0] != '.' || n->length > 2)
		return LAST_NAME;
	if (n->length == 1)
		return LAST_DOT;
	return n->text[1] == '.' ? LAST_DOT_DOT : LAST_NAME;
}

/* One step down. The link at the end stays unfollowed if the flags say so. */
static int walk_down(struct walk *w, const struct name *n, bool last, bool slash)
{
	struct dentry *d;

	if (n->length > NAME_MAX)
		return -ENAMETOOLONG;
	int error = dentry_lookup(w->at.dentry, n, &d);
	if (error != 0)
		return error;
	struct inode *i = __atomic_load_n(&d->inode, __ATOMIC_ACQUIRE);
	if (i == nullptr) {
		dentry_put(d);
		return -ENOENT;
	}
	if (S_ISLNK(i->mode) && (!last || slash || (w->flags & WALK_FOLLOW))) {
		struct path link = {w->at.mount, d};

		if (last && (error = protect_follow(w->at.dentry->inode, i)) != 0) {
			dentry_put(d);
			return error;
		}
		mount_get(link.mount);
		return walk_follow(w, &link);
	}
	/* The walk's mount reference passes on to the child. */
	dentry_put(w->at.dentry);
	w->at.dentry = d;
	if ((d->flags & DENTRY_MOUNTED) && mount_cross(&w->at) && (w->flags & WALK_NO_MOUNTS))
		return -EXDEV;
	return 0;
}

/* Skips slashes and ends exhausted texts. False: nothing is left at all. */
static bool more_text(struct walk *w)
{
	while (true) {
		while (*w->rest == '/')
			w->rest++;
		if (*w->rest != '\0')
			return true;
		if (w->top == nullptr || w->top->resume == nullptr)
			return false;
		struct link_text *done = w->top;
		w->rest = done->resume;
		w->top = done->outer;
		kfree(done);
	}
}

static int walk_step(struct walk *w, bool *stop)
{
	struct inode *here = w->at.dentry->inode;
	bool slash;
	struct name n = next_name(w, &slash);
	bool last = *w->rest == '\0' && (w->top == nullptr || w->top->resume == nullptr);

	if (!S_ISDIR(here->mode) || here->ops->lookup == nullptr)
		return -ENOTDIR;
	int error = inode_permission(here, X_OK, w->flags & WALK_REAL_IDS);
	if (error != 0)
		return error;
	enum last_kind kind = kind_of(&n);
	if (last) {
		w->last = n;
		w->last_kind = kind;
		w->trailing_slash |= slash;
		slash = w->trailing_slash;
		if (w->want_parent) {
			*stop = true;
			return 0;
		}
	}
	if (kind == LAST_DOT)
		return 0;
	if (kind == LAST_DOT_DOT)
		return walk_up(w);
	return walk_down(w, &n, last, slash);
}

int walk_run(struct walk *w)
{
	bool stop = false;

	w->last_kind = LAST_ROOT;
	while (!stop && more_text(w)) {
		int error = walk_step(w, &stop);
		if (error != 0)
			return error;
	}
	if (w->want_parent)
		return 0;
	if ((w->trailing_slash || (w->flags & WALK_DIRECTORY)) && !S_ISDIR(w->at.dentry->inode->mode))
		return -ENOTDIR;
	return 0;
}

int walk_parent(struct walk *w, int dirfd, const char *text)
{
	int error = walk_begin(w, dirfd, text, 0);

	w->want_parent = true;
	if (error == 0)
		error = walk_run(w);
	if (error != 0)
		walk_end(w);
	return error;
}

int path_lookup(int dirfd, const char *text, uint32_t flags, struct path *out)
{
	struct walk w;

	int error = walk_begin(&w, dirfd, text, flags);
	if (error == 0)
		error = walk_run(&w);
	if (error == 0) {
		*out = w.at;
		w.at = (struct path){};
	}
	walk_end(&w);
	return error;
}

int path_lookup_user(int dirfd, user_addr text, uint32_t flags, struct path *out)
{
	struct path_text t;

	int error = path_text_get(&t, text);
	if (error != 0)
		return error;
	error = path_lookup(dirfd, t.text, flags, out);
	path_text_free(&t);
	return error;
}
