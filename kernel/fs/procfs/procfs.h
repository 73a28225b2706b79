/* SPDX-License-Identifier: MIT */
/*
 * procfs from the inside: what stands below the numbers of processes. All else is a tree (kernel/vfs/tree.h).
 *
 * An inode of procfs only says what it stands for (struct proc_inode); processes are found by number each time and
 * compared by their start, so that no inode keeps a process and a number that was used again is not mistaken.
 */
#ifndef KERNEL_FS_PROCFS_H
#define KERNEL_FS_PROCFS_H

#include <kernel/base/node.h>
#include <kernel/file/text_file.h>
#include <kernel/mem/text.h>
#include <kernel/process/process.h>
#include <kernel/thread/component.h>
#include <kernel/vfs/tree.h>
#include <kernel/vfs/vfs.h>

DECLARE_COMPONENT(procfs);

/* --- what an inode stands for --- */
enum proc_kind : uint8_t {
	PROC_SELF,
	PROC_THREAD_SELF,
	PROC_PID, /* /proc/N and /proc/N/task/T */
	PROC_TASK,
	PROC_FD,
	PROC_FDINFO, /* directories */
	PROC_FD_LINK,
	PROC_FDINFO_FILE,
	PROC_ENTRY, /* a file or link of the table */
};
struct pid_entry;
struct proc_inode {
	enum proc_kind kind;
	const struct pid_entry *entry;
	uint32_t pid, tid; /* tid 0: the process as a whole */
	uint64_t start_ns;
	int fd;
};
static inline struct proc_inode *proc_inode_of(const struct inode *i)
{
	return i->private_data;
}
/* An inode for what *p says. */
[[nodiscard]] int proc_inode_create(struct superblock *sb, const struct proc_inode *p, uint32_t mode,
				    struct inode **out);
/* The process with a reference; nullptr: it is no more. */
struct process *proc_inode_process(const struct proc_inode *p);

/* --- per-process entries (pid.c) --- */
struct pid_entry {
	const char *name;
	struct component *component; /* whose data it shows or changes: the functions run under its guard */
	uint32_t mode;		     /* with type */
	bool not_in_task;
	bool space;   /* shows its memory: opens for who may look into the process, and is about the memory of then */
	bool inspect; /* each read is for who may look into the process */
	bool never_fails;	    /* reads and writes are not failed on order (kernel/base/fail.h) */
	enum proc_kind kind;	    /* of directories */
	const struct file_ops *ops; /* nullptr: text */
	int (*show)(struct text_buffer *b, struct process *p, uint32_t tid);
	long (*write)(struct process *p, const char *text, size_t n);
	int (*follow)(struct process *p, struct path *out);
};
extern const struct pid_entry pid_entries[];
extern const uint32_t pid_entry_count;

[[nodiscard]] int proc_pid_lookup(struct inode *dir, const struct name *n, struct inode **out);
long proc_pid_readdir(struct file *f, readdir_emit emit, void *ctx);
[[nodiscard]] int proc_root_lookup_pid(struct inode *dir, const struct name *n, struct inode **out);
long proc_root_readdir_pids(struct file *f, readdir_emit emit, void *ctx);
long fd_readlink(struct inode *i, char *out, size_t size);
[[nodiscard]] int fd_follow(struct inode *i, struct path *out);
[[nodiscard]] int fdinfo_show(struct text_buffer *b, struct inode *i);
bool pid_valid(const struct proc_inode *p);
/* The serial number of the space that a file about a process's memory is being opened for (0: it has none any more).
 * -EACCES: the caller may not look into it; -ESRCH. */
[[nodiscard]] int proc_space_open(const struct proc_inode *p, uint64_t *serial);
/* The process's space with a reference if it is still that one, else nullptr. */
struct vm_space *proc_space_get(struct process *p, uint64_t serial);
extern const struct file_ops proc_mem_ops; /* mem.c */

/* Shows of the table: pid_text.c, pid_maps.c, mounts.c */
int pid_show_stat(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_statm(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_status(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_io(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_schedstat(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_personality(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_comm(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_limits(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_cmdline(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_environ(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_auxv(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_maps(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_smaps(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_timers(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_timer_slack(struct text_buffer *b, struct process *p, uint32_t tid);
long pid_write_timer_slack(struct process *p, const char *text, size_t n);
int pid_show_mounts(struct text_buffer *b, struct process *p, uint32_t tid);
int pid_show_mountinfo(struct text_buffer *b, struct process *p, uint32_t tid);

/* --- text files of processes (file.c) --- */
extern const struct file_ops proc_text_ops;
extern const struct file_ops proc_mounts_ops; /* and can be polled for changes of the mount table */

/* --- system-wide entries (system.c) --- */
void proc_system_init(void); /* what its files show that is found out once */

#endif
