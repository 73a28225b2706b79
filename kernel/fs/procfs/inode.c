/* SPDX-License-Identifier: MIT */
/* Inodes, directories and superblocks of procfs. */
#include "procfs.h"

#include <abi/errno.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/component.h>
#include <kernel/thread/guard.h>
#include <lib/string.h>

DEFINE_COMPONENT(procfs, .stage = STAGE_FS, .users = "the call is EFAULT",
		 .stays = "it has no thread, and its data are made anew for each call");

enum : int64_t { PROC_MAGIC = 0x9fa0 };

extern const struct node_file __proc_files_start[], __proc_files_end[]; /* the linker script's */

static const struct inode_ops proc_self_ops;
static const struct inode_ops proc_inode_ops;
static const struct inode_ops proc_fd_link_ops;
static const struct inode_ops proc_entry_link_ops;
static const struct file_ops proc_dir_ops;

struct process *proc_inode_process(const struct proc_inode *p)
{
	struct process *found = process_find(p->pid);

	if (found != nullptr && found->start_ns != p->start_ns) {
		process_put(found);
		return nullptr;
	}
	return found;
}

static uint64_t number_of(const struct proc_inode *p)
{
	uint64_t of_process = ((uint64_t)p->pid << 32) + ((uint64_t)(p->tid & 0xffff) << 16);

	switch (p->kind) {
	case PROC_ENTRY:
	case PROC_TASK:
	case PROC_FD:
	case PROC_FDINFO: return of_process + 1 + (uint64_t)(p->entry - pid_entries);
	case PROC_FD_LINK: return of_process + 256 + (uint64_t)p->fd * 2;
	case PROC_FDINFO_FILE: return of_process + 257 + (uint64_t)p->fd * 2;
	case PROC_PID: return of_process;
	default: return UINT32_MAX - p->kind;
	}
}

int proc_inode_create(struct superblock *sb, const struct proc_inode *p, uint32_t mode, struct inode **out)
{
	const struct inode_ops *ops = &proc_inode_ops;
	struct proc_inode *copy = kmalloc(sizeof(*copy));

	if (copy == nullptr)
		return -ENOMEM;
	*copy = *p;
	if (p->kind <= PROC_THREAD_SELF)
		ops = &proc_self_ops;
	else if (p->kind == PROC_FD_LINK)
		ops = &proc_fd_link_ops;
	else if (p->kind == PROC_ENTRY && S_ISLNK(mode))
		ops = &proc_entry_link_ops;
	const struct file_ops *file_ops = S_ISDIR(mode) ? &proc_dir_ops : S_ISREG(mode) ? &proc_text_ops : nullptr;
	if (p->kind == PROC_ENTRY && p->entry->ops != nullptr)
		file_ops = p->entry->ops;
	struct inode *i = inode_create(sb, mode, ops, file_ops);
	if (i == nullptr) {
		kfree(copy);
		return -ENOMEM;
	}
	i->private_data = copy;
	i->ino = number_of(p);
	if (S_ISDIR(mode))
		i->nlink = 2;
	if (p->kind == PROC_FD_LINK)
		i->size = 64;
	if (i->ops->refresh != nullptr)
		i->ops->refresh(i);
	*out = i;
	return 0;
}

/* What the root has besides its tree. */
static int root_lookup(struct inode *dir, const struct name *n, struct inode **out)
{
	if (n->length == 4 && memcmp(n->text, "self", 4) == 0)
		return proc_inode_create(dir->sb, &(struct proc_inode){.kind = PROC_SELF}, S_IFLNK | S_IRWXUGO, out);
	if (n->length == 11 && memcmp(n->text, "thread-self", 11) == 0)
		return proc_inode_create(dir->sb, &(struct proc_inode){.kind = PROC_THREAD_SELF}, S_IFLNK | S_IRWXUGO,
					 out);
	return proc_root_lookup_pid(dir, n, out);
}

static long proc_readlink(struct inode *i, char *out, size_t size)
{
	const struct proc_inode *p = proc_inode_of(i);
	struct process *self = process_current();
	char text[48];

	if (self == nullptr)
		return -ENOENT;
	if (p->kind == PROC_SELF)
		snprintf(text, sizeof(text), "%u", self->pid);
	else
		snprintf(text, sizeof(text), "%u/task/%u", self->pid, thread_current()->tid);
	size_t n = MIN(strlen(text), size);
	memcpy(out, text, n);
	return (long)n;
}

static bool proc_valid(struct inode *i)
{
	return pid_valid(proc_inode_of(i));
}

/* Entries of a process belong to its user. */
static void proc_refresh(struct inode *i)
{
	const struct proc_inode *p = proc_inode_of(i);
	struct process *process = proc_inode_process(p);

	if (process == nullptr)
		return;
	/* What all may enter stays its user's even when its memory is not for him. */
	bool owned = process->dumpable == DUMPABLE_BY_OWNER || (S_ISDIR(i->mode) && (i->mode & S_IRWXUGO) == 0555);
	i->uid = owned ? process->cred.euid : 0;
	i->gid = owned ? process->cred.egid : 0;
	if (p->kind == PROC_TASK)
		i->nlink = 2 + __atomic_load_n(&process->thread_count, __ATOMIC_RELAXED);
	process_put(process);
}

/* A process that became somebody else still finds its own descriptors. */
static bool proc_allowed(struct inode *i)
{
	const struct proc_inode *p = proc_inode_of(i);
	struct process *self = process_current();

	return p->kind == PROC_FD && self->pid == p->pid && self->start_ns == p->start_ns;
}

static int entry_follow(struct inode *i, struct path *out)
{
	const struct proc_inode *p = proc_inode_of(i);
	struct process *process = proc_inode_process(p);

	if (process == nullptr)
		return -ENOENT;
	int error = -EACCES;
	if (process_may_inspect(process))
		error = (int)guard_run(p->entry->component, p->entry->follow(process, out));
	/* A set-id program may have been executed in between. */
	if (error == 0 && !process_may_inspect(process)) {
		path_put(out);
		error = -EACCES;
	}
	process_put(process);
	return error;
}

/* self and thread-self, which are always there. */
static const struct inode_ops proc_self_ops = {.readlink = proc_readlink};
static const struct inode_ops proc_inode_ops = {
	.lookup = proc_pid_lookup,
	.valid = proc_valid,
	.refresh = proc_refresh,
	.allowed = proc_allowed,
};
static const struct inode_ops proc_entry_link_ops = {
	.follow = entry_follow,
	.valid = proc_valid,
	.refresh = proc_refresh,
};
static const struct inode_ops proc_fd_link_ops = {
	.follow = fd_follow,
	.readlink = fd_readlink,
	.valid = proc_valid,
	.refresh = proc_refresh,
};

static long proc_readdir(struct file *f, readdir_emit emit, void *ctx)
{
	return tree_emit_dots(f, emit, ctx) ? proc_pid_readdir(f, emit, ctx) : 0;
}

static int dir_open(struct file *f)
{
	const struct proc_inode *p = proc_inode_of(f->inode);

	if (p->kind != PROC_FDINFO)
		return 0;
	struct process *process = proc_inode_process(p);
	if (process == nullptr)
		return -ENOENT;
	int error = process_may_inspect(process) ? 0 : -EACCES;
	process_put(process);
	return error;
}

static const struct file_ops proc_dir_ops = {
	.component = &component_procfs, .open = dir_open, .readdir = proc_readdir, .seek = file_seek_generic};

static void proc_evict(struct inode *i)
{
	if (tree_owns(i))
		tree_evict(i);
	else
		kfree(i->private_data);
}

static int proc_statfs(struct superblock *, struct statfs *out)
{
	out->type = PROC_MAGIC;
	return 0;
}

static const struct super_ops proc_super_ops = {.evict = proc_evict, .statfs = proc_statfs};

static int proc_fill(struct superblock *sb, const struct mount_options *)
{
	sb->ops = &proc_super_ops;
	sb->behaviour = TREE_BEHAVIOUR;
	return tree_root_inode(sb, proc_tree, &sb->root);
}

static int procfs_init(void)
{
	static const struct tree_more processes = {.lookup = root_lookup, .readdir = proc_root_readdir_pids};

	proc_tree = tree_create(&processes);
	if (proc_tree == nullptr)
		return -ENOMEM;
	tree_add_records(proc_tree, __proc_files_start, __proc_files_end);
	proc_system_init();
	return tree_add_text_link(proc_tree, "mounts", "self/mounts");
}

FILESYSTEM(proc, .name = "proc", .component = &component_procfs, .init = procfs_init, .fill = proc_fill,
	   .single = true);
