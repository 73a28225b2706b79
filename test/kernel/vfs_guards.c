/* SPDX-License-Identifier: MIT */
/*
 * Every operation of a file system or a device runs under its component's guard: one that faults fails with EFAULT,
 * the locks of the file system switch are free again, and the next operation works. The file system and the device here
 * do nothing but fault, those of devfs beside them work. A second file system does its work and then faults: the names
 * in the cache are afterwards what it has.
 */
#include "ktest.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <abi/poll.h>
#include <kernel/base/lock.h>
#include <kernel/mem/text.h>
#include <kernel/vfs/vfs.h>
#include <lib/string.h>

#include "../../kernel/fs/procfs/procfs.h"
#include "../../kernel/process/internal.h"
#include "../../kernel/vfs/internal.h"
#include <kernel/file/poll.h>

/* No constant, so that the compiler does not see what comes. */
static volatile uint64_t nowhere = 0x18;

static struct mutex inside = MUTEX_INIT(inside, RANK_NONE);
static bool armed; /* before it, what a test needs to get so far works */

static long stray(void) NO_THREAD_SAFETY
{
	mutex_lock(&inside);
	*(volatile uint64_t *)nowhere = 1;
	mutex_unlock(&inside);
	return 0;
}

static long bad_read(struct file *, struct io_buffer *, size_t, uint64_t *)
{
	return stray();
}
static long bad_seek(struct file *, int64_t, int)
{
	return stray();
}
static uint32_t bad_poll(struct file *, struct poll_table *)
{
	return (uint32_t)stray();
}
static long bad_ioctl(struct file *, uint32_t, uint64_t)
{
	return stray();
}
static int bad_open(struct file *)
{
	return armed ? (int)stray() : 0;
}
static void bad_release(struct file *)
{
	(void)stray();
}
static const struct file_ops bad_device = {.component = &component_ktest,
					   .open = bad_open,
					   .read = bad_read,
					   .write = bad_read,
					   .seek = bad_seek,
					   .poll = bad_poll,
					   .ioctl = bad_ioctl,
					   .release = bad_release};

static int bad_lookup(struct inode *, const struct name *, struct inode **)
{
	return (int)stray();
}
static int bad_make(struct inode *, const struct name *, const struct make_request *, struct inode **)
{
	return (int)stray();
}
static int bad_setattr(struct inode *, const struct attributes *)
{
	return (int)stray();
}
static void bad_refresh(struct inode *)
{
	(void)stray();
}
static int bad_statfs(struct superblock *, struct statfs *)
{
	return (int)stray();
}
static const struct inode_ops bad_inode = {
	.lookup = bad_lookup, .make = bad_make, .setattr = bad_setattr, .refresh = bad_refresh};
static const struct super_ops bad_super = {.statfs = bad_statfs};
static const struct file_ops bad_directory = {.component = &component_ktest};

static struct inode *root;

static int fill(struct superblock *sb, const struct mount_options *)
{
	if (armed)
		return (int)stray();
	sb->ops = &bad_super;
	root = inode_create(sb, S_IFDIR | 0755, &bad_inode, &bad_directory);
	sb->root = root;
	return root == nullptr ? -ENOMEM : 0;
}
static struct filesystem bad_filesystem = {.name = "guards", .component = &component_ktest, .fill = fill};

/* What a fault inside must not leave behind. */
static void nothing_held(uint32_t held)
{
	EXPECT_EQ(thread_current()->kept->held_count, held);
	EXPECT_EQ(inside.word, 0);
	sleep_ns(FAULT_PAUSE_NS);
}

static void files(void)
{
	uint32_t held = thread_current()->kept->held_count;
	struct file *f = nullptr;
	char byte = 0;

	EXPECT_EQ(chrdev_register("guards/device", 240, 1, 0666, &bad_device, nullptr), 0);
	armed = true;
	EXPECT_EQ(file_open_path("/dev/guards/device", O_RDWR, 0, &f), -EFAULT);
	nothing_held(held);
	armed = false;
	if (!EXPECT_EQ(file_open_path("/dev/guards/device", O_RDWR, 0, &f), 0))
		return;
	EXPECT_EQ(file_read_at(f, &byte, 1, 0), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(file_write_at(f, &byte, 1, 0), -EFAULT);
	nothing_held(held);
	/* Whoever waits for such a file does not wait for ever. */
	EXPECT(file_poll(f, nullptr) & POLLERR);
	nothing_held(held);
	file_put(f); /* release faults */
	nothing_held(held);
	/* Its neighbour works. */
	if (EXPECT_EQ(file_open_path("/dev/zero", O_RDONLY, 0, &f), 0)) {
		byte = 1;
		EXPECT_EQ(file_read_at(f, &byte, 1, 0), 1);
		EXPECT_EQ(byte, 0);
		file_put(f);
	}
	chrdev_unregister(240, 1);
}

static void names(void)
{
	uint32_t held = thread_current()->kept->held_count;
	struct attributes change = {.mask = ATTR_MODE, .mode = 0700};
	struct file *f = nullptr;
	struct stat s;

	filesystem_register(&bad_filesystem);
	armed = true;
	EXPECT_EQ(mount_filesystem("guards", "none", "/dev/guards", 0, ""), -EFAULT);
	nothing_held(held);
	armed = false;
	if (!EXPECT_EQ(mount_filesystem("guards", "none", "/dev/guards", 0, ""), 0))
		return;
	/* Twice: the first fault has left the directory's lock free. */
	EXPECT_EQ(file_open_path("/dev/guards/name", O_RDONLY, 0, &f), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(file_open_path("/dev/guards/name", O_RDWR | O_CREAT, 0600, &f), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(inode_setattr(root, &change), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(root->mode, S_IFDIR | 0755);
	inode_fill_stat(root, &s); /* refresh faults, what is known is told */
	EXPECT_EQ(s.st_mode, S_IFDIR | 0755);
	nothing_held(held);
}

/* A directory of a file and a directory under up to four names, which faults whenever it has changed something. */
static struct inode *late_file, *late_dir, *late_root;
static struct inode *late_at[4]; /* "a" to "d" */
static bool late_idle;		 /* it faults before it does anything */
static const struct file_ops late_ops = {.component = &component_ktest};

static struct inode **late_name(const struct name *n)
{
	return n->length == 1 && *n->text >= 'a' && *n->text <= 'd' ? &late_at[*n->text - 'a'] : nullptr;
}
static int late_lookup(struct inode *, const struct name *n, struct inode **out)
{
	struct inode **at = late_name(n);

	if (at == nullptr || *at == nullptr)
		return -ENOENT;
	inode_get(*at);
	*out = *at;
	return 0;
}
static int late_make(struct inode *, const struct name *n, const struct make_request *, struct inode **)
{
	*late_name(n) = late_file;
	return (int)stray();
}
static int late_link(struct inode *, const struct name *n, struct inode *i)
{
	*late_name(n) = i;
	return (int)stray();
}
static int late_unlink(struct inode *, const struct name *n, struct inode *)
{
	*late_name(n) = nullptr;
	return (int)stray();
}
static int late_rename(struct inode *, const struct name *from, struct inode *i, struct inode *, const struct name *to,
		       struct inode *replaced, bool exchange)
{
	if (late_idle)
		return (int)stray();
	*late_name(from) = exchange ? replaced : nullptr;
	*late_name(to) = i;
	return (int)stray();
}
static const struct inode_ops late_inode = {
	.lookup = late_lookup, .make = late_make, .link = late_link, .unlink = late_unlink, .rename = late_rename};
static const struct super_ops late_super = {};

static int late_fill(struct superblock *sb, const struct mount_options *)
{
	sb->ops = &late_super;
	late_root = inode_create(sb, S_IFDIR | 0755, &late_inode, &late_ops);
	late_file = inode_create(sb, S_IFREG | 0644, &late_inode, &late_ops);
	late_dir = inode_create(sb, S_IFDIR | 0755, &late_inode, &late_ops);
	sb->root = late_root;
	return late_root == nullptr || late_file == nullptr || late_dir == nullptr ? -ENOMEM : 0;
}
static struct filesystem late_filesystem = {.name = "late", .component = &component_ktest, .fill = late_fill};

static int found(const char *path)
{
	struct path p;
	int error = path_lookup(AT_FDCWD, path, 0, &p);

	if (error == 0)
		path_put(&p);
	return error;
}

static void names_after_a_fault(void)
{
	static const char a[] = "/guards_late/a", b[] = "/guards_late/b";
	uint32_t held = thread_current()->kept->held_count;

	filesystem_register(&late_filesystem);
	if (!EXPECT_EQ(vfs_make_at("/guards_late", S_IFDIR | 0755, 0, nullptr), 0) ||
	    !EXPECT_EQ(mount_filesystem("late", "none", "/guards_late", 0, ""), 0))
		return;
	EXPECT_EQ(found(a), -ENOENT);
	EXPECT_EQ(vfs_make_at(a, S_IFREG | 0644, 0, nullptr), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(found(a), 0);
	EXPECT_EQ(found(b), -ENOENT);
	EXPECT_EQ(vfs_link_at(a, b), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(found(b), 0);
	EXPECT_EQ(vfs_remove_at(AT_FDCWD, b, false), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(found(b), -ENOENT);
	EXPECT_EQ(vfs_rename_at(AT_FDCWD, a, AT_FDCWD, b, 0), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(found(a), -ENOENT);
	EXPECT_EQ(found(b), 0);
}

static void *dentry_at(const char *path)
{
	struct path p;

	if (!EXPECT_EQ(path_lookup(AT_FDCWD, path, 0, &p), 0))
		return nullptr;
	path_put(&p);
	return p.dentry; /* for comparing only */
}

/* A directory that somebody is in has one dentry, wherever the rename that faulted has left it. */
static void directories_after_a_fault(void)
{
	static const char b[] = "/guards_late/b", c[] = "/guards_late/c", d[] = "/guards_late/d";
	uint32_t held = thread_current()->kept->held_count;
	struct path inside;

	/* The file that the case before left is b. */
	late_at[2] = late_dir;
	if (!EXPECT_EQ(path_lookup(AT_FDCWD, c, 0, &inside), 0))
		return;
	EXPECT_EQ(found(d), -ENOENT);
	late_idle = true;
	EXPECT_EQ(vfs_rename_at(AT_FDCWD, c, AT_FDCWD, d, 0), -EFAULT);
	nothing_held(held);
	EXPECT(dentry_at(c) == inside.dentry);
	EXPECT_EQ(found(d), -ENOENT);
	late_idle = false;
	EXPECT_EQ(vfs_rename_at(AT_FDCWD, c, AT_FDCWD, d, 0), -EFAULT);
	nothing_held(held);
	EXPECT(dentry_at(d) == inside.dentry);
	EXPECT_EQ(found(c), -ENOENT);
	void *file = dentry_at(b);
	EXPECT_EQ(vfs_rename_at(AT_FDCWD, d, AT_FDCWD, b, RENAME_EXCHANGE), -EFAULT);
	nothing_held(held);
	EXPECT(dentry_at(b) == inside.dentry);
	EXPECT(dentry_at(d) == file);
	path_put(&inside);
}

static int bad_show(struct text_buffer *b, void *)
{
	text_printf(b, "half a line");
	return (int)stray();
}
static long bad_text_write(const char *, size_t, void *)
{
	return stray();
}

/* A text that another component registered: the fault is counted there, and procfs goes on. */
static void texts(void)
{
	static const struct node_file bad_text = {.component = &component_ktest,
						  .name = "guards",
						  .mode = 0666,
						  .show = bad_show,
						  .write = bad_text_write};
	uint32_t held = thread_current()->kept->held_count;
	uint32_t here = component_ktest.faults, procfs = component_procfs.faults;
	struct file *f = nullptr;
	char byte = 0;

	EXPECT_EQ(tree_add_file(proc_tree, &bad_text, nullptr), 0);
	if (!EXPECT_EQ(vfs_make_at("/guards_proc", S_IFDIR | 0755, 0, nullptr), 0) ||
	    !EXPECT_EQ(mount_filesystem("proc", "none", "/guards_proc", 0, ""), 0) ||
	    !EXPECT_EQ(file_open_path("/guards_proc/guards", O_RDWR, 0, &f), 0))
		return;
	EXPECT_EQ(file_read_at(f, &byte, 1, 0), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(file_write_at(f, &byte, 1, 0), -EFAULT);
	nothing_held(held);
	EXPECT_EQ(component_ktest.faults, here + 2);
	EXPECT_EQ(component_procfs.faults, procfs);
	file_put(f);
	if (EXPECT_EQ(file_open_path("/guards_proc/version", O_RDONLY, 0, &f), 0)) {
		EXPECT_EQ(file_read_at(f, &byte, 1, 0), 1);
		file_put(f);
	}
}

static int bad_pid_show(struct text_buffer *, struct process *, uint32_t)
{
	return (int)stray();
}
static long bad_pid_write(struct process *, const char *, size_t)
{
	return stray();
}

/* A process that is only an entry of the table. */
static struct process *named_process(void)
{
	struct process *p = process_create();
	struct pid *pid = kmalloc(sizeof(*pid));

	if (!EXPECT(p != nullptr && pid != nullptr))
		return nullptr;
	mutex_lock(&process_tree_lock);
	int error = pid_allocate(pid);
	pid->process = p;
	p->pid = pid->id;
	mutex_unlock(&process_tree_lock);
	return EXPECT_EQ(error, 0) ? p : nullptr;
}

static void forget_process(struct process *p)
{
	mutex_lock(&process_tree_lock);
	struct pid *pid = pid_lookup(p->pid);
	pid->process = nullptr;
	pid_release(pid);
	mutex_unlock(&process_tree_lock);
	process_put(p);
}

/* The same for the texts of /proc/PID; and the process that was asked for is let go. */
static void texts_of_processes(void)
{
	static const struct pid_entry bad_entry = {.name = "guards",
						   .component = &component_ktest,
						   .mode = S_IFREG | 0666,
						   .show = bad_pid_show,
						   .write = bad_pid_write};
	uint32_t held = thread_current()->kept->held_count;
	uint32_t here = component_ktest.faults, procfs = component_procfs.faults;
	struct process *p = named_process();
	struct inode *i = nullptr;
	struct file *f = nullptr;
	struct path at;
	char byte = 0;

	if (p == nullptr || !EXPECT_EQ(path_lookup(AT_FDCWD, "/guards_proc", 0, &at), 0))
		return;
	struct proc_inode what = {.kind = PROC_ENTRY, .entry = &bad_entry, .pid = p->pid, .start_ns = p->start_ns};
	struct name n = name_make("guards", 6);

	EXPECT_EQ(proc_inode_create(at.mount->sb, &what, bad_entry.mode, &i), 0);
	struct path file = {at.mount, dentry_create(at.mount->sb, at.dentry, &n, i)};
	if (EXPECT_EQ(file_open_inode(&file, O_RDWR, true, &f), 0)) {
		uint32_t refs = p->refs;

		EXPECT_EQ(file_read_at(f, &byte, 1, 0), -EFAULT);
		nothing_held(held);
		EXPECT_EQ(file_write_at(f, &byte, 1, 0), -EFAULT);
		nothing_held(held);
		EXPECT_EQ(component_ktest.faults, here + 2);
		EXPECT_EQ(component_procfs.faults, procfs);
		EXPECT_EQ(p->refs, refs);
		file_put(f);
	}
	dentry_put(file.dentry);
	path_put(&at);
	forget_process(p);
	/* Every text and link of the real table names somebody. */
	for (uint32_t k = 0; k < pid_entry_count; k++) {
		const struct pid_entry *e = &pid_entries[k];

		EXPECT(e->component != nullptr || (!e->show && !e->write && !e->follow));
	}
}

KTEST_SUITE(vfs_guards, KTEST("operations of a device", files), KTEST("operations of a file system", names),
	    KTEST("what the cache knows after a fault", names_after_a_fault),
	    KTEST("where a directory is after a fault", directories_after_a_fault),
	    KTEST("texts of other components", texts), KTEST("texts of processes", texts_of_processes));
