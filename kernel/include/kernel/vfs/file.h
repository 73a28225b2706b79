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
struct inode;
struct dentry;
struct mount;
struct page;
struct text_buffer;

struct path {
	struct mount *mount;
	struct dentry *dentry;
};

/* Called by poll for each queue that wakes this file; defined with poll(2). */
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
	long (*seek)(struct file *f, int64_t offset, int whence); /* nullptr: ESPIPE; file_seek_generic */
	uint32_t (*poll)(struct file *f,
			 struct poll_table *table); /* POLL* mask; nullptr: always readable and writable */
	long (*ioctl)(struct file *f, uint32_t command, uint64_t arg); /* nullptr: ENOTTY */
	long (*readdir)(struct file *f, readdir_emit emit, void *ctx); /* from f->position, which it advances */
	const struct vm_object_ops *object; /* what mmap shows (FILE_OBJECT_OPS below); nullptr: cannot be mapped */
	int (*open)(struct file *f);
	void (*release)(struct file *f);
	/* What was written to pages first … last is kept by what it is stored on afterwards. data: of what the file is
	 * besides its bytes, only what is needed to read them. nullptr: EINVAL. */
	long (*fsync)(struct file *f, uint64_t first, uint64_t last, bool data);
	/* Before it is mapped so that a shared mapping may write to it, now or later: 0 or an error. nullptr: 0. */
	int (*map_shared)(struct file *f);
	/* Who wants a signal when the file becomes ready (kernel/vfs/async.h); nullptr: O_ASYNC has no effect. */
	struct async_list *(*async)(struct file *f);
	bool async_owner;					  /* with O_ASYNC comes an owner, if there is none */
	void (*show_info)(struct file *f, struct text_buffer *b); /* further lines of /proc/PID/fdinfo/N */
};

enum : uint32_t {
	FILE_READ = 1, /* opened for reading */
	FILE_WRITE = 2,
	FILE_PATH = 4,	   /* O_PATH: names a file, does nothing */
	FILE_POSITION = 8, /* has a position that read and write move */
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
	bool locked;	     /* flock or open-file-description locks may be held */
	struct read_ahead ahead;
	uint64_t error_seen, super_errors_seen; /* of writing, up to which it was told (page_cache.h, syncfs(2)) */
	const char *label; /* /proc/PID/fd of a file without a path: "pipe", "anon_inode:[eventpoll]" */
};

/* What is the same for the objects of all files; get_page and find_cached are the file's own. */
#define FILE_OBJECT_OPS                                                                                                \
	.pages = file_object_pages, .writer_get = file_object_writer_get, .writer_put = file_object_writer_put,        \
	.sync = file_object_sync, .punch = file_object_punch, .release = file_object_release
uint64_t file_object_pages(const struct vm_object *o);
bool file_object_writer_get(struct vm_object *o);
void file_object_writer_put(struct vm_object *o);
long file_object_sync(struct vm_object *o, uint64_t first, uint64_t last);
int file_object_punch(struct vm_object *o, uint64_t offset, uint64_t bytes);
void file_object_release(struct vm_object *o);
/* The file whose object it is, borrowed; nullptr: it is not one of a file. */
struct file *file_of_object(struct vm_object *o);

void file_get(struct file *f);
void file_put(struct file *f); /* the last one releases; may sleep; no spinlock held */
/* A file without a path: ops, private_data; inode may be nullptr. One reference. -ENOMEM, -ENFILE. */
[[nodiscard]] int file_create(const struct file_ops *ops, void *private_data, uint32_t flags, const char *label,
			      struct file **out);
/* A regular file in memory without a name (shared anonymous memory, memfd), O_RDWR, of that size. One reference.
 * kernel/fs/tmpfs. */
[[nodiscard]] int file_create_memory(const char *label, uint64_t size, struct file **out);
/* Opens by path for the kernel itself (exec). */
/* An anonymous pipe: the end to read and the one to write, of which O_NONBLOCK and O_DIRECT are in flags. -ENOMEM,
 * -ENFILE. */
[[nodiscard]] int file_create_pipe(uint32_t flags, struct file *ends[2]);
/* Writes all of it to a pipe's end, whatever signals there are but the thread's end. -EPIPE, -EINTR, -ENOMEM. */
[[nodiscard]] int pipe_write_all(struct file *f, const void *bytes, size_t n);
/* Opens a file in the root of a type of filesystem that has one instance, wherever it is mounted. -ENODEV: there is no
 * such type. */
[[nodiscard]] int file_open_single(const char *type, const char *name, uint32_t flags, struct file **out);
[[nodiscard]] int file_open_path(const char *path, uint32_t flags, uint32_t mode, struct file **out);
/* Opens what path names, following no more links; permissions as the current process's. */
[[nodiscard]] int file_open_at(const struct path *path, uint32_t flags, struct file **out);
/* Reads at a position into kernel memory; bytes or error. */
long file_read_at(struct file *f, void *dst, size_t n, uint64_t pos);
long file_write_at(struct file *f, const void *src, size_t n, uint64_t pos);
/* lseek for files whose size is inode->size. */
long file_seek_generic(struct file *f, int64_t offset, int whence);
/* For reading by the kernel on behalf of a process that may execute it, whether or not it may read it. -EACCES,
 * -ETXTBSY. */
[[nodiscard]] int file_open_exec(const struct path *path, struct file **out);
/* 0 if the current process may execute it. */
[[nodiscard]] int file_check_exec(struct file *f);
/* Absolute path within the process's root; length or -ENAMETOOLONG. */
long path_format(const struct path *p, char *out, size_t size);
void path_get(const struct path *p);
void path_put(const struct path *p);
/* What /proc/PID/fd/N and maps show: a path, or pipe:[17]. Length or -ENAMETOOLONG. */
long file_describe(struct file *f, char *out, size_t size);

/* File tables: one per process, shared with CLONE_FILES. */
struct file_table;
struct fs_context; /* cwd, root, umask; shared with CLONE_FS */
[[nodiscard]] int file_table_create(struct file_table **out);
[[nodiscard]] int file_table_clone(struct file_table *src, struct file_table **out);
void file_table_get(struct file_table *t);
void file_table_put(struct file_table *t);
/* The current process's table is its own afterwards. It must have one thread. */
[[nodiscard]] int file_table_unshare_current(void);
void file_table_close_on_exec(struct file_table *t);
[[nodiscard]] int fs_context_create(struct fs_context **out); /* cwd and root: the root filesystem */
[[nodiscard]] int fs_context_clone(struct fs_context *src, struct fs_context **out);
void fs_context_get(struct fs_context *c);
void fs_context_put(struct fs_context *c);
/* One more process has it (CLONE_FS), or one less; create and clone count their process. Each brings a reference.
 * -EAGAIN: who holds it wants to be alone with it. */
[[nodiscard]] int fs_context_join(struct fs_context *c);
void fs_context_leave(struct fs_context *c);
/* True: one process has it, and none joins until the release; with a reference, until then too. */
[[nodiscard]] bool fs_context_hold(struct fs_context *c);
void fs_context_release(struct fs_context *c);
/* With references. */
void fs_context_paths(struct fs_context *c, struct path *root, struct path *cwd);
uint32_t fs_context_umask(struct fs_context *c);
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
