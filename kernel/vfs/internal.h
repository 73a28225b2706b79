/* SPDX-License-Identifier: MIT */
/*
 * What the files of kernel/vfs share with each other and with nobody else: the dentry cache, the walk in progress,
 * opening.
 */
#ifndef KERNEL_VFS_INTERNAL_H
#define KERNEL_VFS_INTERNAL_H

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>
#include <kernel/vfs/vfs.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

DECLARE_COMPONENT(vfs);

/* --- dentry.c --- */
[[nodiscard]] int dentry_cache_init(void);
/* A dentry that is not in the cache; takes over the reference to inode (may be nullptr). nullptr: out of memory,
 * nothing taken. */
struct dentry *dentry_create(struct superblock *sb, struct dentry *parent, const struct name *n, struct inode *inode);
void dentry_insert(struct dentry *d);
void dentry_remove(struct dentry *d); /* from the cache; the caller holds a reference */
static inline bool dentry_hashed(const struct dentry *d)
{
	return __atomic_load_n(&d->refs, __ATOMIC_RELAXED) & DENTRY_HASHED;
}
/* The cached dentry with a reference, or nullptr. */
struct dentry *dentry_find(struct dentry *parent, const struct name *n);
/* From the cache or the filesystem; *out may be negative (inode nullptr). */
[[nodiscard]] int dentry_lookup(struct dentry *parent, const struct name *n, struct dentry **out);
/* The same with the directory's lock held. */
[[nodiscard]] int dentry_lookup_locked(struct dentry *parent, const struct name *n, struct dentry **out);
/* A negative dentry names inode now (its reference is taken over). */
/* After a fault inside d's directory's filesystem, which may have done its work or not: d stays in the cache only if
 * the filesystem still shows its inode there. The directory's lock is held. */
void dentry_doubt(struct dentry *d);
void dentry_instantiate(struct dentry *d, struct inode *inode);
/* Gives d a new place; both directories' locks are held. new_name is heap memory or nullptr when it fits inline. */
void dentry_move(struct dentry *d, struct dentry *new_parent, const struct name *n, char *new_name);
void dentry_exchange(struct dentry *a, struct dentry *b);
struct dentry *dentry_parent(struct dentry *d); /* with a reference */
void dentry_forget_superblock(struct superblock *sb);
/* Of a watched directory that was removed: the absent names that the cache has of it go, so that its own dentry goes
 * when nobody uses it any more, and who watches it hears so. No name comes back: its lock is held, and its nlink 0. */
void dentry_forget_children(const struct dentry *d);
static inline bool dentry_negative(const struct dentry *d)
{
	return __atomic_load_n(&d->inode, __ATOMIC_ACQUIRE) == nullptr;
}
/* Whether d is still what the cache shows for n in parent, whose lock is held: after a look-up without the lock another
 * thread may have removed it, moved it, or given it another name in the same directory. */
bool dentry_is_at(const struct dentry *d, const struct dentry *parent, const struct name *n);

/* --- inode.c --- */
/* Called when only the list of dirty caches has an inode still; set once, at boot, before a cache is in that list. */
void inode_set_deleted_hook(void (*hook)(void));
/* As inode_put, unless the reference is the last one, which stays (false). known: the caller has seen that the inode is
 * deleted, and the flusher needs not be told. Does not sleep. */
[[nodiscard]] bool inode_put_unless_last(struct inode *i, bool known);

/* --- mount.c --- */
/* Steps from a mount point to what is mounted there, as often as needed; p's references change hands. True: it stepped.
 */
bool mount_cross(struct path *p);
/* Steps from a mount's root to the mount point below it. False: nothing is below. */
bool mount_uncross(struct path *p);
[[nodiscard]] int mount_check_write(const struct mount *m); /* -EROFS */
void mount_root_path(struct path *out);			    /* of the whole tree, with references */

/* --- mount_flags.c --- */
/* Around the life of a file that is open for writing: what it is on cannot become read-only meanwhile. get counts in
 * any case; -EROFS: it is read-only already. */
[[nodiscard]] int mount_writer_get(struct mount *m);
void mount_writer_put(struct mount *m);

/* --- walk.c --- */
struct link_text;
enum last_kind : uint8_t { LAST_NAME, LAST_DOT, LAST_DOT_DOT, LAST_ROOT };
struct walk {
	struct path root, at; /* references */
	uint32_t flags;
	uint32_t links;
	bool want_parent; /* stop before the last component */
	bool trailing_slash;
	enum last_kind last_kind;
	struct name last; /* points into text or a link's text */
	const char *rest;
	struct link_text *top;
};
/* Begins at dirfd or the root; text must live until walk_end. */
[[nodiscard]] int walk_begin(struct walk *w, int dirfd, const char *text, uint32_t flags);
[[nodiscard]] int walk_run(struct walk *w);
/* Goes on through the symbolic link; takes over link's references. Then walk_run again. */
[[nodiscard]] int walk_follow(struct walk *w, struct path *link);
void walk_end(struct walk *w); /* drops what the walk still holds */

/* A path copied from the process. */
struct path_text {
	char *text;
	char small[160];
};
[[nodiscard]] int path_text_get(struct path_text *t, user_addr at);
void path_text_free(struct path_text *t);

/* The directory and last component for creating, removing, renaming: -EEXIST/-EBUSY… are the caller's business. */
[[nodiscard]] int walk_parent(struct walk *w, int dirfd, const char *text);

/* --- fs_context.c --- */
/* Takes over p's references. which_root: else the working directory. */
void fs_context_set(struct fs_context *c, struct path p, bool which_root);
void fs_context_current_paths(struct path *root, struct path *cwd); /* either may be nullptr */
void fs_context_replace(struct fs_context *c, const struct path *from, const struct path *to); /* pivot_root */

/* --- open_inode.c, open.c --- */
/* checked: permission was given when the file was created just now. */
[[nodiscard]] int file_open_inode(const struct path *p, uint32_t flags, bool checked, struct file **out);
[[nodiscard]] int file_open_flags(int dirfd, const char *text, uint32_t flags, uint32_t mode, uint32_t walk_flags,
				  struct file **out);

/* --- protect.c: 0, or the error that /proc/sys/fs/protected_* asks for --- */
[[nodiscard]] int protect_follow(const struct inode *dir, const struct inode *link); /* a link at the end of a path */
[[nodiscard]] int protect_link(struct inode *i);				     /* i gets a further name */
[[nodiscard]] int protect_create(const struct inode *dir, const struct inode *i);    /* O_CREAT found i in dir */

/* --- dir.c --- */
/* Mode (type and permissions in `mode`), owner and group of something new in dir. */
void vfs_fill_request(struct make_request *r, const struct inode *dir, uint32_t mode);
/* What the last component of w names from now on. type and permissions in mode, before the umask. */
[[nodiscard]] int vfs_make(struct walk *w, uint32_t mode, uint64_t rdev, const char *target);
[[nodiscard]] int vfs_make_at(const char *path, uint32_t mode, uint64_t rdev, const char *target);
[[nodiscard]] int vfs_link_at(const char *old_path, const char *new_path);
[[nodiscard]] int vfs_remove_at(int dirfd, const char *path, bool directory);
[[nodiscard]] int vfs_rename_at(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path,
				uint32_t flags);
/* 0 if the current process may take victim's name out of dir. */
[[nodiscard]] int vfs_check_delete(const struct path *dir, const struct inode *victim);
/* dir's lock is held; wanted: as in struct make_request. */
[[nodiscard]] int vfs_create_file(struct path *dir, struct dentry *d, uint32_t mode, const void *wanted);
/* Removes the last component of w, which has come to its directory. */
[[nodiscard]] int vfs_remove_last(struct walk *w, bool directory);

/* --- lock_table.c: what closing a file must undo --- */
void file_locks_release_file(struct file *f);
void file_locks_release_owner(struct inode *i, const void *owner);
void file_locks_free(struct inode *i);

/* --- file_hooks.c --- */
extern const struct file_hooks vfs_file_hooks;

/* --- pipe_open.c --- */
[[nodiscard]] int pipe_init(void); /* once, at boot. -ENOMEM */

#define CAP_CHECK(cap) (capable(cap) ? 0 : -EPERM)

#endif
