/* SPDX-License-Identifier: MIT */
/*
 * The virtual filesystem: inodes, directory entries, mounts, path walks. Filesystems fill in inode_ops and file_ops.
 *
 * References: a dentry holds its parent and its inode; a path holds its mount and its dentry; a mount holds its
 * superblock's root and its parent mount. An inode lives while a dentry, a file or its filesystem (tmpfs: the directory
 * entry) holds it. Locks: inode->lock orders changes of a directory's entries and of a file's attributes and size;
 * several are taken in ascending address. Cached look-ups take only a hash chain's spinlock.
 */
#ifndef KERNEL_VFS_H
#define KERNEL_VFS_H

#include <abi/stat.h>
#include <kernel/file/file.h>
#include <kernel/vfs/file_object.h>
#include <kernel/vfs/fs_context.h>
#include <kernel/vfs/open.h>
#include <kernel/vfs/sync_job.h>
#include <lib/list.h>

struct page_cache;
struct page_cache_ops;
struct pipe;
struct file_lock_list;
struct text_buffer; /* kernel/mem/text.h */
struct watch;

/* --- device numbers, in the encoding of the user ABI --- */
static inline uint64_t make_dev(uint32_t major, uint32_t minor)
{
	return ((uint64_t)(major & 0xfff) << 8) | ((uint64_t)(major & ~0xfffu) << 32) | (minor & 0xff) |
	       ((uint64_t)(minor & ~0xffu) << 12);
}
static inline uint32_t dev_major(uint64_t dev)
{
	return (uint32_t)((dev >> 8) & 0xfff) | ((uint32_t)(dev >> 32) & ~0xfffu);
}
static inline uint32_t dev_minor(uint64_t dev)
{
	return (uint32_t)(dev & 0xff) | ((uint32_t)(dev >> 12) & ~0xffu);
}
#define MKDEV(major, minor) make_dev((major), (minor))

/* --- names --- */
struct name { /* one component; borrowed text, not terminated */
	const char *text;
	uint32_t length;
	uint32_t hash;
};
struct name name_make(const char *text, size_t length);

/* --- superblocks and filesystems --- */
struct superblock;
struct mount_options { /* decoded once by mount(2) */
	const char *source;
	const char *data; /* "size=1m,mode=755"; "" if none */
	uint32_t flags;	  /* MS_* that the superblock keeps */
};
struct super_ops {
	void (*evict)(struct inode *i);				  /* the last reference is gone; may sleep */
	void (*destroy)(struct superblock *sb);			  /* unmounted: no inode is in use */
	int (*statfs)(struct superblock *sb, struct statfs *out); /* type, bsize, blocks… ; zeroed before */
	/* Keeps what is not in dirty pages of its files, and has its disk keep it; waits. nullptr: there is nothing. */
	int (*sync)(struct superblock *sb);
	/* For one that has several stores, instead: begins to keep all that each of them has, dirty pages included, and
	 * waits for none; waits for all (-EINTR: the thread is to end). */
	void (*sync_begin)(struct superblock *sb);
	int (*sync_end)(struct superblock *sb);
	int (*remount)(struct superblock *sb, const struct mount_options *o);
	void (*show_options)(struct superblock *sb, struct text_buffer *b); /* ",size=1k"; nullptr: none */
};
enum : uint32_t {
	SB_NO_NEGATIVE = 1, /* names appear by themselves: a miss is not remembered */
	SB_VALIDATE = 2,    /* cached names are asked through inode_ops.valid */
	SB_NO_DEVICES = 4,
	SB_TRANSIENT = 8, /* names with inode_ops.valid are cached only while in use, and are never renamed */
};
/* What the files of one store have in common for the page cache, which alone uses it. */
struct page_store {
	uint32_t write_ranges; /* ranges for writing that it has (page_cache_dirty.c) */
	uint64_t unwritten;    /* pages that are dirty, and pages that are being written; atomic */
};
struct superblock {
	const struct filesystem *type;
	const struct super_ops *ops;
	struct inode *root; /* given by fill; one reference */
	struct dentry *root_dentry;
	uint64_t dev; /* st_dev */
	uint32_t block_size;
	uint32_t flags;		 /* MS_RDONLY, MS_SYNCHRONOUS… */
	uint32_t behaviour;	 /* SB_* */
	uint32_t mounts;	 /* mounts that show it; mount table lock */
	uint32_t writers;	 /* regular files that are open for writing; atomic */
	bool held;		 /* whoever opens for writing waits: it may become read-only; atomic */
	uint32_t walkers;	 /* who writes its dirty inodes back, each with a reference to one; atomic */
	uint64_t write_errors;	 /* ranges of pages that could not be written; atomic */
	struct page_store store; /* of its files, unless they go to a common one */
	struct sync_job sync_job;
	uint64_t next_ino; /* for filesystems that make up numbers; atomic */
	void *private_data;
	char source[64];
	struct list link; /* all superblocks */
};
struct filesystem {
	const char *name;
	struct component *component;					   /* its operations run under its guard */
	int (*fill)(struct superblock *sb, const struct mount_options *o); /* sets ops, root … */
	int (*init)(void);	/* once, at boot, before any mount; an error: there is no such type. May be nullptr */
	bool needs_device;	/* /proc/filesystems: no "nodev" */
	bool single;		/* every mount shows the one superblock */
	bool options_each_time; /* of a single one: remount is called with the options of each further mount */
	struct superblock *instance; /* of a single one */
	struct list link;
};
/* Puts a type into the image's table, from which boot registers it. */
#define FILESYSTEM(ident, ...)                                                                                         \
	static struct filesystem filesystem_##ident = {__VA_ARGS__};                                                   \
	static struct filesystem *const filesystem_record_##ident __attribute__((section(".filesystems"), used)) =     \
		&filesystem_##ident
/* One more; fs stays the caller's and must live on. */
void filesystem_register(struct filesystem *fs);
struct filesystem *filesystem_at(uint32_t index); /* nullptr past the last */
uint64_t superblock_new_ino(struct superblock *sb);
/* sync(2): all that filesystems and disks have is kept afterwards, by threads of their own, at the same time. The first
 * error; -EINTR: the thread is to end, and waits no more. Process context. */
int superblocks_sync(void);

/* --- inodes --- */
struct attributes {    /* change of attributes; mask says which */
	uint32_t mask; /* ATTR_* */
	uint32_t mode, uid, gid;
	uint64_t size;
	int64_t atime_ns, mtime_ns;
};
enum : uint32_t {
	ATTR_MODE = 1,
	ATTR_UID = 2,
	ATTR_GID = 4,
	ATTR_SIZE = 8,
	ATTR_ATIME = 16,
	ATTR_MTIME = 32,
	ATTR_OWNERSHIP = 64 /* chown, even to what it is: set-id bits go */
};

struct make_request {  /* a new directory entry */
	uint32_t mode; /* with type; ownership and setgid rules applied */
	uint32_t uid, gid;
	uint64_t rdev;
	const char *target; /* symbolic link */
	const void *wanted; /* what a call that is the filesystem's own says besides (file_open_below) */
};

/* Of directory operations the directory's lock is held (both directories', and the victim's). */
struct inode_ops {
	int (*lookup)(struct inode *dir, const struct name *n, struct inode **out); /* -ENOENT; *out with a reference */
	int (*make)(struct inode *dir, const struct name *n, const struct make_request *r, struct inode **out);
	int (*link)(struct inode *dir, const struct name *n, struct inode *i);
	int (*unlink)(struct inode *dir, const struct name *n, struct inode *i); /* not a directory */
	int (*rmdir)(struct inode *dir, const struct name *n, struct inode *i);	 /* -ENOTEMPTY */
	/* replaced: what new_name names (nullptr: nothing); exchange: the two change places. */
	int (*rename)(struct inode *old_dir, const struct name *old_name, struct inode *i, struct inode *new_dir,
		      const struct name *new_name, struct inode *replaced, bool exchange);
	/* An inode without a name (O_TMPFILE). */
	int (*make_unnamed)(struct inode *dir, const struct make_request *r, struct inode **out);
	long (*readlink)(struct inode *i, char *out, size_t size); /* length, not terminated */
	int (*follow)(struct inode *i, struct path *out); /* a link that is no path (/proc/PID/cwd): references */
	/* Checked already, lock held; the generic part changes the inode afterwards. nullptr: only that. */
	int (*setattr)(struct inode *i, const struct attributes *a);
	void (*refresh)(struct inode *i);		 /* before stat and permission checks */
	bool (*allowed)(struct inode *i);		 /* whether the current process may although the mode refuses */
	bool (*valid)(struct inode *i);			 /* SB_VALIDATE: a cached name still holds */
	int (*truncate)(struct inode *i, uint64_t size); /* regular files; lock held; sets size */
	int (*allocate)(struct inode *i, uint32_t mode, uint64_t offset, uint64_t length); /* fallocate */
	/* Extended attributes, to be read; who asks may. How long the value is, of which no more than `size` bytes are
	 * written, and nothing where it is longer; -ENODATA. nullptr: there are none. */
	long (*attribute_get)(struct inode *i, const char *name, void *out, size_t size);
	/* The same for the names, each with its end; those of trusted. only if it is said. */
	long (*attribute_list)(struct inode *i, char *out, size_t size, bool trusted);
};

struct inode {
	struct superblock *sb;
	const struct inode_ops *ops;
	const struct file_ops *file_ops;
	uint32_t refs;
	uint32_t mode, uid, gid;
	uint32_t nlink;
	uint32_t writers;		  /* files open for writing: executing it is ETXTBSY; atomic */
	uint32_t runners;		  /* processes that execute it: opening it for writing is ETXTBSY; atomic */
	uint64_t serial;		  /* no other inode has or had it */
	uint64_t ino, rdev, size, blocks; /* blocks: 512-byte units */
	int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
	struct mutex lock;
	struct page_cache *cache;
	struct pipe *pipe;	      /* fifo while open */
	struct file_lock_list *locks; /* nullptr: never locked */
	struct watch *watches;	      /* watch.h's; nullptr: nobody watches it */
	uint32_t seals;		      /* memfd */
	bool linkable;		      /* has no name yet and may get one (O_TMPFILE); under lock */
	int32_t changers;	      /* shared areas that may be written; -1: sealed against them; atomic */
	uint32_t writes;	      /* that are under way without the lock; atomic */
	void *private_data;
};

/* A fresh inode: refs 1, nlink 1, times now, a number of its own. nullptr: out of memory. */
struct inode *inode_create(struct superblock *sb, uint32_t mode, const struct inode_ops *ops,
			   const struct file_ops *file_ops);
/* Whose operations those of the inode and its page cache are. */
static inline struct component *inode_component(const struct inode *i)
{
	return i->sb->type->component;
}
void inode_get(struct inode *i);
void inode_put(struct inode *i);		   /* may sleep */
void inode_touch(struct inode *i, uint32_t which); /* ATTR_ATIME, ATTR_MTIME (with ctime), 0: ctime */
int64_t inode_now(void);
/* mask: R_OK | W_OK | X_OK for the current process's filesystem ids (real: its real ids). 0, -EACCES, -EROFS. */
[[nodiscard]] int inode_permission(struct inode *i, uint32_t mask, bool real);
bool inode_owner_or_capable(const struct inode *i);
/* Whether the current process is of the group, or may set set-group-id bits of any. */
bool inode_group_or_capable(uint32_t gid);
/* A file was changed: its set-id bits go, unless the current process has CAP_FSETID. */
void inode_drop_privilege(struct inode *i);
/* Applies changed attributes after the checks of chmod, chown, utimes. The inode's lock is taken. */
[[nodiscard]] int inode_setattr(struct inode *i, const struct attributes *a);
[[nodiscard]] int inode_truncate(struct inode *i, uint64_t size);
void inode_fill_stat(struct inode *i, struct stat *out);
#define F_SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
/* One more shared mapping that may write; false: sealed. Each has its put. Never sealed while there is one. */
bool inode_writable_get(struct inode *i);
void inode_writable_put(struct inode *i);
/* Around a write that does not hold the inode's lock; false: sealed, and there is no end to it. */
[[nodiscard]] bool inode_write_begin(struct inode *i);
void inode_write_end(struct inode *i);
/* Adds seals (fcntl(2), F_ADD_SEALS) and waits until no write that began before is under way. -EPERM: nothing may be
 * added any more; -EBUSY: a shared mapping may write; -ERESTARTSYS. */
[[nodiscard]] int inode_add_seals(struct inode *i, uint32_t seals);
/* Lock and unlock several, nullptr and repeats allowed, in ascending address. */
void inodes_lock(struct inode **list, uint32_t count);
void inodes_unlock(struct inode **list, uint32_t count);
/* Operations that inodes of these types share. */
extern const struct file_ops special_ops;
const struct file_ops *inode_special_ops(uint32_t mode); /* devices, fifos, sockets; nullptr for others */

/* --- directory entries --- */
enum : uint32_t { DENTRY_MOUNTED = 1, DENTRY_RECENT = 2, DENTRY_TRANSIENT = 4 };
enum : uint32_t { DENTRY_HASHED = 1, DENTRY_REF = 2 }; /* in refs: bit 0 says that the cache shows it */
#define DENTRY_INLINE_NAME 40
struct dentry {
	struct list hash_link;
	struct dentry *parent; /* itself: a root */
	struct inode *inode;   /* nullptr: known not to exist; set once */
	struct superblock *sb;
	uint32_t refs;	/* atomic; count * DENTRY_REF | DENTRY_HASHED */
	uint32_t flags; /* atomic */
	uint32_t hash, length;
	char *name;
	char inline_name[DENTRY_INLINE_NAME];
	struct spinlock lock; /* parent and name, which change in a rename */
};
/* Whose attributes an open file has: the inode that its path names. f->inode is what it reads and writes, which of a
 * block device is another one. nullptr: none. */
static inline struct inode *file_node(const struct file *f)
{
	return f->path.dentry != nullptr ? f->path.dentry->inode : f->inode;
}
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d); /* may sleep */
size_t dentry_cache_bytes(void);   /* what all dentries take, those in use too */
void dentry_cache_drop(void);	   /* frees those that are not in use */

/* --- mounts --- */
struct mount {
	struct superblock *sb;
	struct dentry *root;
	struct mount *parent; /* nullptr: the root of all, or detached */
	struct dentry *point;
	uint32_t refs;	/* atomic */
	uint32_t flags; /* MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME… */
	uint32_t id;
	uint32_t children;
	uint32_t writers; /* as the superblock's, through this mount */
	bool held;
	struct list link; /* mount table, in mount order */
	char *source;
};
void mount_get(struct mount *m);
void mount_put(struct mount *m);
/* Mounts a filesystem on a path that exists. For boot and mount(2). */
[[nodiscard]] int mount_filesystem(const char *type, const char *source, const char *target, uint32_t flags,
				   const char *data);
/* Calls emit for each mount in order with a reference and no lock; nonzero stops. */
int mount_for_each(int (*emit)(void *ctx, struct mount *m), void *ctx);
void mount_show_options(struct mount *m, struct text_buffer *b); /* "rw,nosuid,size=1k" */
void mount_show_flags(struct mount *m, struct text_buffer *b);	 /* "rw,nosuid": the mount's own */
uint32_t mount_parent_id(struct mount *m);
/* Counts changes of the mount table and of mounts' flags; who watches the queue is woken at each. */
uint64_t mount_changes(void);
extern struct wait_queue mount_changed;
/* A mount of a filesystem that no path leads to (memfd, pipes). */
struct mount *mount_internal(struct filesystem *fs);
/* What `fill` of such a filesystem does, if its inodes have no names: a root that has nothing in it. -ENOMEM. */
[[nodiscard]] int superblock_fill_nameless(struct superblock *sb, const struct super_ops *ops);

/* --- path walks --- */
enum : uint32_t {
	WALK_FOLLOW = 1,     /* follow a symbolic link at the end */
	WALK_DIRECTORY = 2,  /* the end must be a directory */
	WALK_EMPTY = 4,	     /* "" names dirfd itself (AT_EMPTY_PATH) */
	WALK_REAL_IDS = 8,   /* access(2) */
	WALK_NO_LINKS = 16,  /* openat2: RESOLVE_NO_SYMLINKS */
	WALK_BENEATH = 32,   /* RESOLVE_BENEATH */
	WALK_NO_MOUNTS = 64, /* RESOLVE_NO_XDEV */
	WALK_NO_MAGIC = 128, /* RESOLVE_NO_MAGICLINKS */
	WALK_IN_ROOT = 256,  /* RESOLVE_IN_ROOT */
};
/* What a path names, with references. dirfd: AT_FDCWD or a descriptor. */
[[nodiscard]] int path_lookup(int dirfd, const char *text, uint32_t flags, struct path *out);
[[nodiscard]] int path_lookup_user(int dirfd, user_addr text, uint32_t flags, struct path *out);

/* --- page cache --- see kernel/vfs/page_cache.h */

/* Boot: mounts the root tmpfs, unpacks the cpio archive into it, makes /dev, mounts devfs on /dev. */
[[nodiscard]] int vfs_init(void);
[[nodiscard]] int initramfs_unpack(const void *archive, size_t bytes);

/* Character devices: a driver registers a number and operations; devfs shows it under name ("pts/0" makes the
 * directory). */
[[nodiscard]] int chrdev_register(const char *name, uint32_t major, uint32_t minor, uint32_t mode,
				  const struct file_ops *ops, void *private_data);
/* The same, with a symbolic link to it of that name below /dev, unless something has the name; it goes with the node.
 */
[[nodiscard]] int chrdev_register_linked(const char *name, const char *link, uint32_t major, uint32_t minor,
					 uint32_t mode, const struct file_ops *ops, void *private_data);
void chrdev_unregister(uint32_t major, uint32_t minor);
int chrdev_open(struct file *f); /* file_ops.open of every character device node */
struct chrdev_info {
	const char *name;
	uint32_t major, minor, mode;
	const char *link; /* nullptr: none */
};
bool chrdev_at(uint32_t index, struct chrdev_info *out); /* for /proc/devices */
/* Who keeps nodes is called for each device that comes and goes; one, at boot. */
void chrdev_set_nodes(int (*change)(const struct chrdev_info *d, bool there));
/* What opening a block device's node calls; it may give the file other operations and another inode (what is cached of
 * the device), and puts the node's back in release. Once, at boot. */
void special_set_block_open(int (*open)(struct file *f));
/* The same for fifos: gives the file its operations. */
void special_set_fifo_open(int (*open)(struct file *f));
/* Symbolic link or directory in devfs, made at boot. */
[[nodiscard]] int devfs_add_link(const char *name, const char *target);

/* /proc/PID entries are made by procfs from kernel/process/process.h. */

#endif
