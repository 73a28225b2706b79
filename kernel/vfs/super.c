/* SPDX-License-Identifier: MIT */
/*
 * Filesystem types and superblocks. A type registers once and for all; a superblock is one filesystem's state, shown by
 * one or more mounts, and ends with the last of them. Both lists change under `super_lock`.
 */
#include "super.h"
#include "page_cache_internal.h"
#include <kernel/base/log.h>
#include <kernel/thread/component.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/watch.h>

static struct mutex super_lock = MUTEX_INIT(super_lock, RANK_MOUNT + 1);
static struct list filesystems GUARDED_BY(&super_lock) = LIST_INIT(filesystems);
static struct list superblocks GUARDED_BY(&super_lock) = LIST_INIT(superblocks);
extern struct filesystem *const __filesystems_start[], *const __filesystems_end[]; /* the linker script's */
static uint32_t next_device; /* atomic; minor numbers of filesystems without a device */

void filesystem_register(struct filesystem *fs)
{
	KASSERT(fs->component != nullptr);
	mutex_lock(&super_lock);
	list_push_back(&filesystems, &fs->link);
	mutex_unlock(&super_lock);
}

void filesystems_init(void)
{
	for (struct filesystem *const *f = __filesystems_start; f < __filesystems_end; f++) {
		struct filesystem *fs = *f;
		long error = fs->init != nullptr ? guard_run(fs->component, fs->init()) : 0;

		if (error == 0)
			filesystem_register(fs);
		else
			log_error("%s: there is none: error %ld", fs->name, -error);
	}
}

struct filesystem *filesystem_at(uint32_t index)
{
	struct filesystem *fs, *found = nullptr;

	mutex_lock(&super_lock);
	list_for_each(fs, &filesystems, link) {
		if (index-- == 0) {
			found = fs;
			break;
		}
	}
	mutex_unlock(&super_lock);
	return found;
}

struct filesystem *filesystem_find(const char *name)
{
	struct filesystem *fs;

	for (uint32_t n = 0; (fs = filesystem_at(n)) != nullptr; n++) {
		if (strcmp(fs->name, name) == 0)
			return fs;
	}
	return nullptr;
}

static void superblock_free(struct superblock *sb)
{
	if (sb->ops != nullptr && sb->ops->destroy != nullptr)
		(void)guard_run_void(sb->type->component, sb->ops->destroy(sb));
	kfree(sb);
}

/* --- sync(2) --- */

static int run_sync(void *arg)
{
	struct superblock *sb = arg;
	int error = dirty_sync(sb, true);

	return error == 0 && sb->ops->sync != nullptr ? guard_run(sb->type->component, sb->ops->sync(sb)) : error;
}

/* As the flusher, and not with a share: who was told that all is written, and unmounts it, unmounts it then. */
static void keep(void *arg)
{
	struct superblock *sb = arg;

	__atomic_fetch_add(&sb->walkers, 1, __ATOMIC_RELAXED);
}

static void let_go(void *arg)
{
	dirty_walked(arg);
}

static const struct sync_work sync_work = {.component = &component_vfs, .run = run_sync, .get = keep, .put = let_go};

/* False: there is nothing to keep. */
static bool sync_begin(struct superblock *sb)
{
	if (sb->ops->sync_begin != nullptr)
		(void)guard_run_void(sb->type->component, sb->ops->sync_begin(sb));
	else if (sb->ops->sync != nullptr || __atomic_load_n(&sb->store.unwritten, __ATOMIC_ACQUIRE) != 0)
		sync_job_begin(&sb->sync_job);
	else
		return false;
	return true;
}

static int sync_end(struct superblock *sb)
{
	return sb->ops->sync_end != nullptr ? guard_run(sb->type->component, sb->ops->sync_end(sb))
					    : sync_job_wait(&sb->sync_job);
}

int superblock_sync(struct superblock *sb)
{
	/* What came of a job that others began is theirs. */
	return sync_begin(sb) ? sync_end(sb) : 0;
}

static int superblock_fill(struct superblock *sb, const struct mount_options *o)
{
	int error = guard_run(sb->type->component, sb->type->fill(sb, o));
	if (error != 0)
		return error;
	sb->root_dentry = dentry_create(sb, nullptr, &(struct name){"/", 1, 0}, sb->root);
	if (sb->root_dentry == nullptr) {
		inode_put(sb->root);
		return -ENOMEM;
	}
	return 0;
}

/* Gives the reference back if it fails. */
static int apply_options(struct superblock *sb, const struct mount_options *o)
{
	int error = guard_run(sb->type->component, sb->ops->remount(sb, o));

	if (error != 0)
		superblock_put(sb);
	return error;
}

int superblock_get(struct filesystem *fs, const struct mount_options *o, struct superblock **out)
{
	mutex_lock(&super_lock);
	if (fs->single && fs->instance != nullptr) {
		*out = fs->instance;
		(*out)->mounts++;
		mutex_unlock(&super_lock);
		return fs->options_each_time ? apply_options(*out, o) : 0;
	}
	mutex_unlock(&super_lock);

	struct superblock *sb = kmalloc(sizeof(*sb));
	if (sb == nullptr)
		return -ENOMEM;
	sb->type = fs;
	sb->block_size = 4096;
	sb->flags = o->flags;
	sb->mounts = 1;
	sync_job_init(&sb->sync_job, &sync_work, sb);
	sb->dev = make_dev(0, __atomic_add_fetch(&next_device, 1, __ATOMIC_RELAXED));
	strlcpy(sb->source, o->source, sizeof(sb->source));
	int error = superblock_fill(sb, o);
	if (error != 0) {
		superblock_free(sb);
		return error;
	}
	mutex_lock(&super_lock);
	list_push_back(&superblocks, &sb->link);
	struct superblock *shown = sb;
	if (fs->single && fs->instance == nullptr) {
		fs->instance = sb;
		sb->mounts++;	 /* a single filesystem is never given up */
	} else if (fs->single) { /* two first mounts at once: the other one was earlier */
		shown = fs->instance;
		shown->mounts++;
	}
	mutex_unlock(&super_lock);
	if (shown != sb)
		superblock_put(sb);
	*out = shown;
	return 0;
}

void superblock_share(struct superblock *sb)
{
	mutex_lock(&super_lock);
	sb->mounts++;
	mutex_unlock(&super_lock);
}

struct superblock *superblock_of_device(uint64_t dev)
{
	struct superblock *sb, *found = nullptr;

	mutex_lock(&super_lock);
	list_for_each(sb, &superblocks, link) {
		if (sb->dev == dev) {
			sb->mounts++;
			found = sb;
			break;
		}
	}
	mutex_unlock(&super_lock);
	return found;
}

void superblock_put(struct superblock *sb)
{
	mutex_lock(&super_lock);
	bool last = --sb->mounts == 0;
	if (last)
		list_remove(&sb->link);
	mutex_unlock(&super_lock);
	if (!last)
		return;
	watch_tell_unmounted(sb);
	/* Files that nobody has open any more are kept by the list of those that are dirty. */
	(void)dirty_sync(sb, true);
	dentry_forget_superblock(sb);
	dentry_put(sb->root_dentry);
	if (dirty_leave(sb))
		superblock_free(sb);
	else
		log_error("vfs: a filesystem of type %s is lost: who writes its files does not let go", sb->type->name);
}

/* The one after `after` (whose reference it takes), or the first for nullptr, with a reference; nullptr: the last was
 * had. */
static struct superblock *superblock_each(struct superblock *after)
{
	struct superblock *found = nullptr;

	mutex_lock(&super_lock);
	const struct list *at = after != nullptr ? after->link.next : superblocks.next;
	if (at != &superblocks) {
		found = list_entry(at, struct superblock, link);
		found->mounts++;
	}
	mutex_unlock(&super_lock);
	if (after != nullptr)
		superblock_put(after);
	return found;
}

int superblock_fill_nameless(struct superblock *sb, const struct super_ops *ops)
{
	static const struct inode_ops no_ops = {};

	sb->ops = ops;
	sb->root = inode_create(sb, S_IFDIR | 0555, &no_ops, nullptr);
	return sb->root != nullptr ? 0 : -ENOMEM;
}

/* Without the lock: who mounts something does not wait for a disk. */
int superblocks_sync(void)
{
	int result = 0;

	for (struct superblock *sb = superblock_each(nullptr); sb != nullptr; sb = superblock_each(sb))
		(void)sync_begin(sb);
	for (struct superblock *sb = superblock_each(nullptr); sb != nullptr; sb = superblock_each(sb)) {
		int error = sync_end(sb);

		if (error == -EINTR) {
			superblock_put(sb);
			return error;
		}
		result = result != 0 ? result : error;
	}
	return result;
}
