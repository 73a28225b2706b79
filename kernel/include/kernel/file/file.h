/* SPDX-License-Identifier: MIT */
/*
 * Open files and per-process file tables. A struct file is an open file description (POSIX): shared by dup and fork.
 */
#ifndef KERNEL_FILE_H
#define KERNEL_FILE_H

#include <kernel/base/lock.h>
#include <kernel/base/wait.h>
#include <kernel/vm/object.h>
#include <lib/types.h>

struct async_list;
struct component;
struct file;
struct file_owner;
struct file_table;
struct inode;
struct dentry;
struct mount;
struct page;
struct text_buffer;

struct path { /* a name, as the floor above knows it (kernel/vfs/open.h) */
	struct mount *mount;
	struct dentry *dentry;
};

/* Called by poll for each queue that wakes this file (kernel/file/poll.h). */
struct shared_wait;
struct poll_table;
void poll_watch(struct poll_table *table, struct wait_queue *q); /* table may be nullptr */
/* The same for a queue that is not the file's own and may go before it: who watches on keeps it. */
void poll_watch_shared(struct poll_table *table, struct shared_wait *w);

/* The buffer of a read or write: user memory of the current process (in one piece or in segments), or kernel memory.
 * Reach it through io_copy_* only. */
struct io_segment {
	user_addr base;
	uint64_t length;
};
/* What preadv2(2), pwritev2(2) and splice(2) ask of one read or write, whatever the file's flags say. */
enum : uint32_t { IO_NOWAIT = 1, IO_APPEND = 2, IO_NO_APPEND = 4, IO_NO_MERGE = 8 };
struct io_buffer {
	bool is_user;
	uint32_t how; /* IO_* */
	user_addr user;
	void *kernel;
	const struct io_segment *segments; /* user memory: not nullptr, then `user` is not used */
	uint32_t segment_count;
	size_t skip; /* added to each offset */
};
/* Copy n bytes at `offset` of the buffer; bytes done (short = fault). */
size_t io_copy_in(void *dst, const struct io_buffer *src, size_t offset, size_t n);
size_t io_copy_out(const struct io_buffer *dst, size_t offset, const void *src, size_t n);
/* The same from or to pages that stand one behind the other, from byte `skip` of the first on. */
size_t io_copy_in_pages(struct page *const *pages, size_t skip, const struct io_buffer *src, size_t offset, size_t n);
size_t io_copy_out_pages(const struct io_buffer *dst, size_t offset, struct page *const *pages, size_t skip, size_t n);
/* Whether a read or write of f by this buffer may wait; whether it goes to the end. */
#define io_may_wait(f, buf)  (!((f)->flags & O_NONBLOCK) && !((buf)->how & IO_NOWAIT))
#define io_is_append(f, buf) (((f)->flags & O_APPEND && !((buf)->how & IO_NO_APPEND)) || ((buf)->how & IO_APPEND))
size_t io_clear_out(const struct io_buffer *dst, size_t offset, size_t n);

/* name is not terminated; next is the offset that continues after this entry; false from it: stop, the entry was not
 * taken. */
typedef bool (*readdir_emit)(void *ctx, const char *name, size_t len, uint64_t ino, uint8_t type, uint64_t next);

struct file_ops {
	struct component *component; /* whose operations these are: they run under its guard */
	long (*read)(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
	long (*write)(struct file *f, struct io_buffer *buf, size_t n, uint64_t *pos);
	long (*seek)(struct file *f, int64_t offset, int whence); /* nullptr: ESPIPE; file_seek_* */
	uint32_t (*poll)(struct file *f,
			 struct poll_table *table); /* POLL* mask; nullptr: always readable and writable */
	long (*ioctl)(struct file *f, uint32_t command, uint64_t arg); /* nullptr: ENOTTY */
	long (*readdir)(struct file *f, readdir_emit emit, void *ctx); /* from f->position, which it advances */
	const struct vm_object_ops *object; /* what mmap shows (kernel/vfs/file_object.h); nullptr: cannot be mapped */
	int (*open)(struct file *f);
	void (*release)(struct file *f);
	/* The current process has closed a descriptor of it, maybe not the last; nullptr: nothing comes of that. */
	void (*closed)(struct file *f);
	/* What was written to pages first … last is kept by what it is stored on afterwards. data: of what the file is
	 * besides its bytes, only what is needed to read them. nullptr: EINVAL. */
	long (*fsync)(struct file *f, uint64_t first, uint64_t last, bool data);
	/* Before it is mapped so that a shared mapping may write to it, now or later: 0 or an error. nullptr: 0. */
	int (*map_shared)(struct file *f);
	/* Who wants a signal when the file becomes ready (kernel/file/async.h); nullptr: O_ASYNC has no effect. */
	struct async_list *(*async)(struct file *f);
	bool async_owner;					  /* with O_ASYNC comes an owner, if there is none */
	void (*show_info)(struct file *f, struct text_buffer *b); /* further lines of /proc/PID/fdinfo/N */
};

enum : uint32_t {
	FILE_READ = 1, /* opened for reading */
	FILE_WRITE = 2,
	FILE_PATH = 4,	   /* O_PATH: names a file, does nothing */
	FILE_POSITION = 8, /* has a position that read and write move */
	FILE_OPENED = 16,  /* by a name, wholly: closing it is an event */
};

/* What a file's reader does, for reading ahead of him; hints, written without exclusion. */
struct read_ahead {
	uint64_t next; /* the page behind what was read */
	uint64_t mark; /* who comes to it wants more */
	uint32_t pages;
	uint8_t advice; /* enum read_advice */
};
/* posix_fadvise(2): as he reads; nothing is read ahead; as far ahead as may be, from the start. */
enum read_advice : uint8_t { READ_NORMAL, READ_RANDOM, READ_SEQUENTIAL };

struct file {
	struct vm_object object; /* its count of references is the file's */
	const struct file_ops *ops;
	struct path path;    /* dentry nullptr for pipes and the like */
	struct inode *inode; /* borrowed from the dentry, or a reference of its own */
	void *private_data;
	uint32_t flags;		  /* O_*; O_APPEND, O_NONBLOCK may change */
	uint32_t mode;		  /* FILE_* */
	struct file_owner *owner; /* F_SETOWN, F_SETSIG, O_ASYNC; made when it is first asked for */
	struct mutex position_lock;
	uint64_t position;
	struct list watches; /* epoll instances that watch it */
	/* Takes it out of all of them; set by who puts something into `watches`. */
	void (*unwatch)(struct file *f);
	bool locked; /* flock or open-file-description locks may be held */
	struct read_ahead ahead;
	uint64_t error_seen, super_errors_seen; /* of writing, up to which it was told (page_cache.h, syncfs(2)) */
	const char *label; /* /proc/PID/fd of a file without a path: "pipe", "anon_inode:[eventpoll]" */
};

/* An operation `seek` of what has no position: lseek(2) succeeds and moves nothing (eventfd(2), timerfd, epoll). */
long file_seek_nowhere(struct file *f, int64_t offset, int whence);
void file_get(struct file *f);
void file_put(struct file *f); /* the last one releases; may sleep; no spinlock held */
/* As the last put does, for who counts references himself (the object's release): nobody has f any more. */
void file_release(struct file *f);
/* A file of those flags (O_*) without operations, with one reference, for who then gives it some. -ENOMEM, -ENFILE. */
[[nodiscard]] int file_new(uint32_t flags, struct file **out);
/* A file without a path: ops, private_data; inode may be nullptr. One reference. -ENOMEM, -ENFILE. */
[[nodiscard]] int file_create(const struct file_ops *ops, void *private_data, uint32_t flags, const char *label,
			      struct file **out);
/* What the floor of inodes and names has to do for a file that has one; set once, at boot, before there is such a file.
 * All may sleep. */
struct file_hooks {
	/* A descriptor in t of f, which has an inode, is closed: the record locks of t's process on it go (POSIX). */
	void (*closed)(struct file *f, const struct file_table *t);
	/* The last reference is gone, f's own release not yet called: the locks go that f has (f->locked). */
	void (*unlock)(struct file *f);
	/* f's own release was called: what it has of the inode and the path is given back. */
	void (*forget)(struct file *f);
};
void file_set_hooks(const struct file_hooks *h);

/* File tables: one per process, shared with CLONE_FILES. */
[[nodiscard]] int file_table_create(struct file_table **out);
[[nodiscard]] int file_table_clone(struct file_table *src, struct file_table **out);
void file_table_get(struct file_table *t);
void file_table_put(struct file_table *t);
/* The current process's table is its own afterwards. It must have one thread. */
[[nodiscard]] int file_table_unshare_current(void);
void file_table_close_on_exec(struct file_table *t);
/* The current process's file, with a reference. -EBADF. */
[[nodiscard]] int file_lookup(int fd, struct file **out);

/* The same for the length of a system call: without touching the count when nobody shares the table. -EBADF also for
 * O_PATH files. */
struct file_ref {
	struct file *file;
	bool counted;
};
[[nodiscard]] int file_ref_get(int fd, struct file_ref *out);
[[nodiscard]] int file_ref_get_any(int fd, struct file_ref *out); /* O_PATH files too */
static inline void file_ref_put(struct file_ref r)
{
	if (r.counted)
		file_put(r.file);
}

/* Installs a file (takes over the caller's reference on success). Result: descriptor or -EMFILE. */
int file_install(struct file *f, bool close_on_exec);
int file_install_from(struct file *f, int lowest, bool close_on_exec);
/* The lowest free descriptor, which nobody can use, close or replace until it is filled (nullptr: it is free again).
 * -EMFILE, -ENOMEM. */
[[nodiscard]] int file_reserve(bool close_on_exec);
void file_fill_reserved(int fd, struct file *f);
int file_install_at(struct file *f, int fd); /* boot: 0, 1, 2 */
/* Takes a descriptor out of the table; its reference is the caller's. -EBADF. */
[[nodiscard]] int file_remove(int fd, struct file **out);

/* For /proc/PID/fd: the file at fd of a table with a reference, or nullptr; and the next fd in use from `from` (-1:
 * none). */
struct file *file_table_at(struct file_table *t, int fd);
int file_table_next(struct file_table *t, int from);
uint32_t file_table_capacity(struct file_table *t);
bool file_table_cloexec(struct file_table *t, int fd);

/* --- limits, for /proc/sys/fs and setrlimit(2); atomic --- */
extern int32_t descriptor_ceiling; /* nr_open: RLIMIT_NOFILE cannot be raised above */
extern int32_t file_ceiling;	   /* file-max: open files of all processes; beyond it ENFILE without CAP_SYS_ADMIN */
extern int32_t file_total;	   /* open files now */

#endif
