/* SPDX-License-Identifier: MIT */
/*
 * Every operation of a file system or a device runs under its component's guard: one that faults fails with EFAULT,
 * the locks of the file system switch are free again, and the next operation works. The file system and the device here
 * do nothing but fault, those of devfs beside them work.
 */
#include "ktest.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <abi/poll.h>
#include <kernel/lock.h>
#include <kernel/vfs.h>
#include <lib/string.h>

#include "../../kernel/vfs/poll.h"

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
	EXPECT_EQ(thread_current()->held_count, held);
	EXPECT_EQ(inside.word, 0);
	sleep_ns(FAULT_PAUSE_NS);
}

static void files(void)
{
	uint32_t held = thread_current()->held_count;
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
	uint32_t held = thread_current()->held_count;
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

KTEST_SUITE(vfs_guards, KTEST("operations of a device", files), KTEST("operations of a file system", names));
