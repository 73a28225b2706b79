/* SPDX-License-Identifier: MIT */
/*
 * What becomes of inodes that have changed in memory. The VFS changes times, owners and modes by itself; they are
 * compared with what the disk has whenever a transaction is about to be committed (sync, fsync, every few seconds by a
 * thread of the mount), and when an inode ends. Then it may be a thread that has the tree already (memory that is short
 * is taken from unused names): so what is left of the inode goes into a list, and whoever enters next writes or deletes
 * it before he does anything else.
 */
#include "ext4.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/log.h>
#include <kernel/base/wait.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/thread.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

constexpr int64_t NS_PER_S = 1'000'000'000;

static struct wait_queue changes = WAIT_QUEUE_INIT(changes); /* of the threads of all mounts */

uint32_t ext4_now_s(void)
{
	return (uint32_t)(clock_realtime_ns() / NS_PER_S);
}

bool ext4_take_attributes(const struct inode *i)
{
	struct ext4_node *n = node_of(i);
	struct ext4_inode *d = &n->disk;
	struct ext4_inode before;

	memcpy(&before, d, offsetof(struct ext4_inode, extra));
	d->mode = (uint16_t)i->mode;
	d->uid = i->uid;
	d->gid = i->gid;
	d->atime_ns = i->atime_ns;
	d->mtime_ns = i->mtime_ns;
	d->ctime_ns = i->ctime_ns;
	/* Of a file that has pages to be written, the size comes with them. */
	if (i->cache != nullptr && __atomic_load_n(&i->cache->dirty, __ATOMIC_ACQUIRE) == 0 &&
	    __atomic_load_n(&i->cache->under_way, __ATOMIC_ACQUIRE) == 0)
		d->size = __atomic_load_n(&i->size, __ATOMIC_ACQUIRE);
	if (memcmp(&before, d, offsetof(struct ext4_inode, extra)) != 0)
		n->is_unkept = true;
	return n->is_unkept;
}

int ext4_keep(const struct inode *i)
{
	int error = ext4_keep_inode(&mount_of(i->sb)->fs, &node_of(i)->disk);

	if (error == 0)
		node_of(i)->is_unkept = false;
	return error;
}

void ext4_show_attributes(struct inode *i)
{
	const struct ext4_inode *d = &node_of(i)->disk;

	i->nlink = d->links;
	i->blocks = d->blocks;
	if (S_ISDIR(i->mode))
		i->size = d->size;
}

/* --- inodes that have ended --- */

void ext4_evict(struct inode *i)
{
	struct ext4_mount *m = mount_of(i->sb);
	struct ext4_node *n = node_of(i);

	if (i->cache != nullptr)
		page_cache_end(i);
	bool known = n != nullptr && n->link.inode != nullptr;
	bool is_changed = known && ext4_take_attributes(i), is_deleted = known && n->disk.links == 0;
	if (i->cache != nullptr)
		kfree(i->cache);
	if (n == nullptr)
		return;
	if (!is_changed && !is_deleted) {
		inode_table_remove(&m->inodes, &n->link);
		kfree(n);
		return;
	}
	n->is_deleted = is_deleted;
	/* Into the list before it is out of the table: who finds it in neither reads the disk. */
	spin_lock(&m->left_lock);
	n->next_left = m->left;
	m->left = n;
	spin_unlock(&m->left_lock);
	inode_table_remove(&m->inodes, &n->link);
	__atomic_store_n(&n->is_out, true, __ATOMIC_RELEASE);
}

static struct ext4_node *take_left(struct ext4_mount *m)
{
	spin_lock(&m->left_lock);
	struct ext4_node *n = m->left;
	m->left = nullptr;
	spin_unlock(&m->left_lock);
	return n;
}

void ext4_end_left(struct ext4_mount *m)
{
	for (struct ext4_node *n = take_left(m), *next; n != nullptr; n = next) {
		int error = 0;

		next = n->next_left;
		/* Whoever put it there is about to be done with it. */
		while (!__atomic_load_n(&n->is_out, __ATOMIC_ACQUIRE))
			thread_yield();
		if (m->fs.writer != nullptr && ext4_aborted(&m->fs) == 0) {
			error = n->is_deleted ? ext4_delete(&m->fs, &n->disk, ext4_now_s())
					      : ext4_keep_inode(&m->fs, &n->disk);
		}
		if (error != 0)
			(void)ext4_told(m, error, "it could not be written or deleted", n->disk.number);
		kfree(n);
	}
}

/* --- all that there are --- */

static int keep_inodes(struct ext4_mount *m) REQUIRES(&m -> lock)
{
	struct inode *i = nullptr;
	int result = 0;

	while (true) {
		struct inode *next = inode_table_next(&m->inodes, i != nullptr ? &node_of(i)->link : nullptr);

		if (i != nullptr)
			inode_put(i);
		i = next;
		if (i == nullptr)
			return result;
		if (!ext4_take_attributes(i))
			continue;
		int error = ext4_keep(i);
		result = result != 0 ? result : error;
	}
}

int ext4_keep_all(struct ext4_mount *m)
{
	ext4_enter(m);
	int error = 0;
	if (m->fs.writer != nullptr) {
		error = keep_inodes(m);
		int committed = ext4_commit(&m->fs);
		error = committed != 0 ? committed : error;
	}
	ext4_leave(m);
	return error;
}

int ext4_sync(struct superblock *sb)
{
	struct ext4_mount *m = mount_of(sb);

	return ext4_told(m, ext4_keep_all(m), "it cannot be kept", 0);
}

long ext4_fsync(struct file *f, uint64_t first, uint64_t last, bool data)
{
	struct inode *i = f->inode;
	struct ext4_mount *m = mount_of(i->sb);
	long error = i->cache != nullptr ? page_cache_fsync(f, first, last, data) : 0;

	if (error == -EINTR)
		return error;
	ext4_enter(m);
	int kept = 0;
	if (m->fs.writer != nullptr) {
		if (ext4_take_attributes(i))
			kept = ext4_keep(i);
		if (kept == 0)
			kept = ext4_commit(&m->fs);
	}
	ext4_leave(m);
	return error != 0 ? error : ext4_told(m, kept == -EROFS ? -EIO : kept, "it cannot be kept", i->ino);
}

/* --- the mount's thread --- */

static bool is_to_end(const struct ext4_mount *m)
{
	return __atomic_load_n(&m->ends, __ATOMIC_ACQUIRE);
}

static void commit_now_and_then(void *arg)
{
	struct ext4_mount *m = arg;

	while (!is_to_end(m)) {
		uint64_t until = clock_monotonic_ns() + (uint64_t)m->commit_s * NS_PER_S;

		(void)wait_event_deadline(&changes, is_to_end(m), until);
		if (is_to_end(m))
			break;
		/* A mode or an owner that changed is in no operation yet. */
		ext4_enter(m);
		int error = m->fs.writer != nullptr ? keep_inodes(m) : 0;
		bool due = ext4_is_changed(&m->fs);
		ext4_leave(m);
		if (error == 0 && due)
			error = ext4_keep_all(m);
		(void)ext4_told(m, error, "it cannot be committed", 0);
	}
	m->ended_well = true;
}

static void over(void *arg)
{
	struct ext4_mount *m = arg;

	if (!m->ended_well)
		log_error("ext4: %s: its thread is lost: only sync and fsync commit from now on", m->name);
	thread_told();
	/* The mount may end as soon as this is seen. */
	__atomic_store_n(&m->has_thread, false, __ATOMIC_RELEASE);
	wait_wake_all(&changes);
}

int ext4_start_thread(struct ext4_mount *m)
{
	if (m->has_thread)
		return 0;
	m->ends = m->ended_well = false;
	m->has_thread = true;
	int error = kthread_start_told(&component_ext4, "ext4", commit_now_and_then, over, m);
	if (error != 0)
		m->has_thread = false;
	return error;
}

void ext4_stop_thread(struct ext4_mount *m)
{
	__atomic_store_n(&m->ends, true, __ATOMIC_RELEASE);
	wait_wake_all(&changes);
	wait_event(&changes, !__atomic_load_n(&m->has_thread, __ATOMIC_ACQUIRE));
}
