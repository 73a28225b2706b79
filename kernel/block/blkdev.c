/* SPDX-License-Identifier: MIT */
/*
 * Block devices: the list of disks and partitions, their numbers, and who has them open.
 *
 * An open file's inode is the device's own, on which the page cache hangs, so that all nodes of one number show the
 * same bytes; its path goes on naming the node. The last close writes back what is dirty and gives back the cache:
 * until it has, the device counts as open. A device that leaves lives on for those who have it open; nobody finds it
 * any more, but its name and number are taken until its node and its directory in /sys are gone.
 */
#include "block.h"

#include <abi/errno.h>
#include <abi/fcntl.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/page_cache.h>
#include <lib/string.h>

constexpr uint32_t MAJOR_EXTENDED = 259;		  /* for all else, numbered as they come */
constexpr uint32_t INDEX_MAX = (1u << 20) / BLOCK_MINORS; /* minors have 20 bits */
constexpr uint32_t READ_AHEAD = 256;

/* In the order of the numbers; 254 is the first that Linux gives to a driver that asks for any. */
static const struct {
	const char *prefix, *name;
	uint32_t major;
} majors[] = {{"sd", "sd", 8}, {"vd", "virtblk", 254}, {"", "blkext", MAJOR_EXTENDED}};

static struct mutex devices_lock = MUTEX_INIT(devices_lock, RANK_DISKS);
static struct list devices GUARDED_BY(&devices_lock) = LIST_INIT(devices);
static uint64_t last_serial GUARDED_BY(&devices_lock);
static struct wait_queue device_shown = WAIT_QUEUE_INIT(device_shown);
static blkdev_change *change_node; /* devfs's */

blkdev_change *blkdev_set_nodes(blkdev_change *change)
{
	blkdev_change *before = change_node;

	change_node = change;
	return before;
}

bool blkdev_major_at(uint32_t index, uint32_t *major, const char **name)
{
	if (index >= ARRAY_LEN(majors))
		return false;
	*major = majors[index].major;
	*name = majors[index].name;
	return true;
}

bool blkdev_at(uint32_t index, struct blkdev_info *out)
{
	const struct blkdev *b;
	bool found = false;

	mutex_lock(&devices_lock);
	list_for_each(b, &devices, link) {
		if (!b->leaving && index-- == 0) {
			*out = b->info;
			found = true;
			break;
		}
	}
	mutex_unlock(&devices_lock);
	return found;
}

/* By the order in which they came, since `after` may have left the list. */
struct blkdev *blkdev_each(struct blkdev *after)
{
	struct blkdev *b, *found = nullptr;

	mutex_lock(&devices_lock);
	list_for_each(b, &devices, link) {
		if (!b->leaving && (after == nullptr || b->serial > after->serial) &&
		    (found == nullptr || b->serial < found->serial))
			found = b;
	}
	if (found != nullptr)
		__atomic_fetch_add(&found->refs, 1, __ATOMIC_RELAXED);
	mutex_unlock(&devices_lock);
	if (after != nullptr)
		blkdev_put(after);
	return found;
}

/* Also one that is leaving. */
static struct blkdev *find_locked(uint32_t major, uint32_t minor) REQUIRES(&devices_lock)
{
	struct blkdev *b;

	list_for_each(b, &devices, link) {
		if (b->info.major == major && b->info.minor == minor)
			return b;
	}
	return nullptr;
}

void blkdev_free(struct blkdev *b)
{
	if (b->whole != nullptr)
		blkdev_put(b->whole);
	disk_put(b->disk);
	kfree(b);
}

void blkdev_put(struct blkdev *b)
{
	if (__atomic_fetch_sub(&b->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	if (b->inode != nullptr)
		inode_put(b->inode);
	else
		blkdev_free(b);
}

/* --- they come and go --- */

static void choose_number(struct blkdev *b) REQUIRES(&devices_lock)
{
	const struct disk *d = b->disk;

	b->info.minor = 0;
	for (size_t n = 0; n < ARRAY_LEN(majors); n++) {
		b->info.major = majors[n].major;
		if (strcmp(d->prefix, majors[n].prefix) == 0 && b->number < BLOCK_MINORS && d->index < INDEX_MAX) {
			b->info.minor = d->index * BLOCK_MINORS + b->number;
			return;
		}
	}
	while (find_locked(b->info.major, b->info.minor) != nullptr)
		b->info.minor++;
}

static void choose_name(struct blkdev *b)
{
	const char *disk = b->disk->name;
	char last = disk[strlen(disk) - 1];

	if (b->number == 0)
		strlcpy(b->info.name, disk, sizeof(b->info.name));
	else
		snprintf(b->info.name, sizeof(b->info.name), "%s%s%u", disk, last >= '0' && last <= '9' ? "p" : "",
			 b->number);
}

static bool overlap(const struct blkdev *a, const struct blkdev *b)
{
	return a->first < b->first + b->blocks && b->first < a->first + a->blocks;
}

/* A partition goes behind the others of its disk. False: its number is taken, it is to be apart from all others and is
 * not, or its disk goes. */
static bool list_device(struct blkdev *b, bool apart)
{
	struct blkdev *other;
	bool refused = false;

	mutex_lock(&devices_lock);
	struct list *at = devices.prev;
	list_for_each(other, &devices, link) {
		if (other->disk != b->disk)
			continue;
		refused |= other->number == b->number || (other->number == 0 && other->leaving);
		refused |= apart && other->number != 0 && !other->leaving && overlap(other, b);
		at = &other->link;
	}
	/* What comes after blkdev_remove_all would stay. */
	refused |= disk_state(b->disk) == DISK_GONE;
	if (!refused) {
		choose_number(b);
		b->serial = ++last_serial;
		list_insert_after(at, &b->link);
	}
	mutex_unlock(&devices_lock);
	return !refused;
}

/* A fault in it, which is whoever keeps nodes, is this device's trouble alone. */
static void show_node(const struct blkdev *b, bool there)
{
	int error = change_node != nullptr ? (int)guard_run(&component_block, change_node(&b->info, there)) : 0;

	if (error != 0)
		log_error("%s: its node cannot be %s: error %d", b->info.name, there ? "made" : "removed", -error);
}

/* Whoever has the device leave meanwhile waits until it is there to be hidden. */
static void show_device(struct blkdev *b)
{
	show_node(b, true);
	if (!guard_run_void(&component_block, block_show(b)))
		log_error("%s: it is not in /sys: a fault", b->info.name);
	__atomic_store_n(&b->shown, true, __ATOMIC_RELEASE);
	wait_wake_all(&device_shown);
}

static void hide_device(struct blkdev *b)
{
	wait_event(&device_shown, __atomic_load_n(&b->shown, __ATOMIC_ACQUIRE));
	if (!guard_run_void(&component_block, class_remove(&b->entry)))
		log_error("%s: it stays in /sys: a fault", b->info.name);
	show_node(b, false);
}

/* The device of a disk as a whole, with a reference; nullptr: it has gone. */
static struct blkdev *whole_of(const struct disk *d)
{
	struct blkdev *b, *found = nullptr;

	mutex_lock(&devices_lock);
	list_for_each(b, &devices, link) {
		if (b->disk == d && b->number == 0 && !b->leaving)
			found = b;
	}
	if (found != nullptr)
		__atomic_fetch_add(&found->refs, 1, __ATOMIC_RELAXED);
	mutex_unlock(&devices_lock);
	return found;
}

int blkdev_add(struct disk *d, uint32_t number, uint64_t first, uint64_t blocks, uint32_t how)
{
	struct blkdev *whole = number != 0 ? whole_of(d) : nullptr, *b;

	if (number != 0 && whole == nullptr)
		return -EBUSY;
	b = kmalloc(sizeof(*b));
	if (b == nullptr) {
		if (whole != nullptr)
			blkdev_put(whole);
		return -ENOMEM;
	}
	b->refs = 2; /* the list's and this function's */
	b->whole = whole;
	b->disk = d;
	disk_get(d);
	b->number = number;
	b->first = first;
	b->blocks = blocks;
	b->info.sectors = blocks * (d->geometry.block_bytes / DISK_SECTOR);
	b->fixed_read_only = (how & BLKDEV_READ_ONLY) || d->geometry.read_only;
	b->read_ahead = READ_AHEAD;
	choose_name(b);
	list_init(&b->link);
	list_init(&b->leaving_link);
	b->inode = cache_create(b);
	bool listed = b->inode != nullptr && list_device(b, how & BLKDEV_APART);
	if (listed)
		show_device(b);
	int error = b->inode == nullptr ? -ENOMEM : listed ? 0 : -EBUSY;
	if (!listed)
		blkdev_put(b);
	blkdev_put(b);
	return error;
}

/* Nobody finds what of d has these numbers any more; it goes into `out`. */
static void leave(struct list *out, const struct disk *d, uint32_t from, uint32_t to) REQUIRES(&devices_lock)
{
	struct blkdev *b;

	list_for_each(b, &devices, link) {
		if (b->disk == d && b->number >= from && b->number <= to && !b->leaving) {
			b->leaving = true;
			list_push_back(out, &b->leaving_link);
		}
	}
}

static void end_leaving(struct list *out)
{
	while (!list_empty(out)) {
		/* Partitions before the disk that they are on. */
		struct blkdev *b = list_entry(out->prev, struct blkdev, leaving_link);

		list_remove(&b->leaving_link);
		hide_device(b);
		mutex_lock(&devices_lock);
		list_remove(&b->link);
		mutex_unlock(&devices_lock);
		blkdev_put(b);
	}
}

int blkdev_remove_partitions(struct disk *d, uint32_t number)
{
	uint32_t from = number == 0 ? 1 : number, to = number == 0 ? UINT32_MAX : number;
	struct list removed = LIST_INIT(removed);
	const struct blkdev *b;
	bool busy = false, found = number == 0;

	mutex_lock(&devices_lock);
	list_for_each(b, &devices, link) {
		if (b->disk == d && b->number >= from && b->number <= to && !b->leaving) {
			found = true;
			busy |= b->opens > 0;
		}
	}
	if (!busy)
		leave(&removed, d, from, to);
	mutex_unlock(&devices_lock);
	end_leaving(&removed);
	return busy ? -EBUSY : found ? 0 : -ENXIO;
}

void blkdev_remove_all(struct disk *d)
{
	struct list removed = LIST_INIT(removed);

	mutex_lock(&devices_lock);
	leave(&removed, d, 0, UINT32_MAX);
	mutex_unlock(&devices_lock);
	end_leaving(&removed);
}

/* --- open and close --- */

/* O_EXCL: nobody else who says so has it, the disk it is on, or a partition of it. */
static bool can_claim(const struct blkdev *b) REQUIRES(&devices_lock)
{
	const struct blkdev *other;

	list_for_each(other, &devices, link) {
		bool related = other == b || (other->disk == b->disk && (b->number == 0 || other->number == 0));
		if (related && other->holder != nullptr)
			return false;
	}
	return true;
}

/* One step: what is found and not yet counted as open could be removed. */
static int open_locked(struct file *f, struct blkdev **out) REQUIRES(&devices_lock)
{
	uint64_t dev = f->inode->rdev;
	struct blkdev *b = find_locked(dev_major(dev), dev_minor(dev));

	if (b == nullptr || b->leaving || disk_state(b->disk) == DISK_GONE)
		return -ENXIO;
	if ((f->flags & O_EXCL) && !can_claim(b))
		return -EBUSY;
	if (f->flags & O_EXCL)
		b->holder = f;
	b->opens++;
	__atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
	*out = b;
	return 0;
}

int blkdev_open(struct file *f)
{
	struct blkdev *b;

	mutex_lock(&devices_lock);
	int error = open_locked(f, &b);
	mutex_unlock(&devices_lock);
	if (error != 0)
		return error;
	f->private_data = b;
	f->inode = b->inode;
	f->ops = &blkdev_file_ops;
	return 0;
}

void blkdev_close(struct file *f)
{
	struct blkdev *b = blkdev_of(f);

	f->inode = f->path.dentry->inode;
	mutex_lock(&devices_lock);
	/* Who was here in between may have left something dirty again; what cannot be written does not stay dirty. */
	while (b->opens == 1 && __atomic_load_n(&b->inode->cache->dirty, __ATOMIC_RELAXED) > 0) {
		mutex_unlock(&devices_lock);
		int error = (int)guard_run(&component_block, cache_write_back(b, 0, blkdev_bytes(b), true));
		if (error != 0 && error != -ENODEV)
			log_error("%s: what was written last is lost: error %d", b->info.name, -error);
		mutex_lock(&devices_lock);
		if (error == -EFAULT || error == -ENOMEM)
			break;
	}
	if (b->holder == f)
		b->holder = nullptr;
	bool last = --b->opens == 0;
	mutex_unlock(&devices_lock);
	/* Somebody may open it meanwhile: nothing of his is lost by that. */
	if (last)
		(void)guard_run_void(&component_block, cache_shed(b, 0, blkdev_bytes(b)));
	blkdev_put(b);
}
