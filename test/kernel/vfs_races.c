/* SPDX-License-Identifier: MIT */
/*
 * Two who change one name at the same time. The file system here is slow where the test says so: the one who removes a
 * directory is held in it until the other has begun to mount something there.
 */
#include "ktest.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/vfs/vfs.h>

#include "../../kernel/vfs/internal.h"

static const struct file_ops no_file_ops = {.component = &component_ktest};
static struct inode *slow_root, *slow_dir;
static bool slow_has; /* "d" */
static uint32_t placed, removing, mounting, over;
static long mounted, removed;

static uint32_t load(uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
static void store(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_SEQ_CST);
}

static int slow_lookup(struct inode *, const struct name *, struct inode **out)
{
	if (!slow_has)
		return -ENOENT;
	inode_get(slow_dir);
	*out = slow_dir;
	return 0;
}

/* Nobody may mount there while this is under way; who tries gets a while for it. */
static int slow_rmdir(struct inode *, const struct name *, struct inode *i)
{
	store(&removing, 1);
	EXPECT(WAIT_UNTIL(load(&mounting)));
	for (int n = 0; n < 40 && !load(&over); n++)
		sleep_ns(MS);
	i->nlink = 0;
	slow_has = false;
	return 0;
}
static const struct inode_ops slow_inode = {.lookup = slow_lookup, .rmdir = slow_rmdir};
static const struct super_ops slow_super = {};

static int slow_fill(struct superblock *sb, const struct mount_options *)
{
	sb->ops = &slow_super;
	slow_root = inode_create(sb, S_IFDIR | 0755, &slow_inode, &no_file_ops);
	slow_dir = inode_create(sb, S_IFDIR | 0755, &slow_inode, &no_file_ops);
	slow_has = true;
	sb->root = slow_root;
	return slow_root == nullptr || slow_dir == nullptr ? -ENOMEM : 0;
}
static struct filesystem slow_filesystem = {.name = "slow", .component = &component_ktest, .fill = slow_fill};

/* What is mounted: by the time that it is made, the place has been looked up. */
static int late_fill(struct superblock *sb, const struct mount_options *)
{
	static const struct inode_ops ops = {.lookup = slow_lookup};

	sb->ops = &slow_super;
	sb->root = inode_create(sb, S_IFDIR | 0755, &ops, &no_file_ops);
	store(&placed, 1);
	EXPECT(WAIT_UNTIL(load(&removing)));
	store(&mounting, 1);
	return sb->root == nullptr ? -ENOMEM : 0;
}
static struct filesystem late_filesystem = {.name = "late mount", .component = &component_ktest, .fill = late_fill};

static void mount_there(void *)
{
	mounted = mount_filesystem("late mount", "none", "/races/d", 0, "");
	store(&over, 1);
}

static void mount_against_rmdir(void)
{
	filesystem_register(&slow_filesystem);
	filesystem_register(&late_filesystem);
	if (!EXPECT_EQ(vfs_make_at("/races", S_IFDIR | 0755, 0, nullptr), 0) ||
	    !EXPECT_EQ(mount_filesystem("slow", "none", "/races", 0, ""), 0) || !start_thread(mount_there, nullptr, -1))
		return;
	/* The removal keeps the parent's lock, which the look-up needs. */
	EXPECT(WAIT_UNTIL(load(&placed)));
	removed = vfs_remove_at(AT_FDCWD, "/races/d", true);
	EXPECT(WAIT_UNTIL(load(&over)));
	/* The removal was first. */
	EXPECT_EQ(removed, 0);
	EXPECT_EQ(mounted, -ENOENT);
}

KTEST_SUITE(vfs_races, KTEST("a mount on a directory that is being removed", mount_against_rmdir));
