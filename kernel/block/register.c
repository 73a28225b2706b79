/* SPDX-License-Identifier: MIT */
/*
 * Registration: what a driver says of its disk is checked, then it is found out which disk that is: one that was
 * suspended and goes on, or a new one, which gets a name. The device that it is on owns it through all its rounds.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/log.h>
#include <lib/string.h>

constexpr uint32_t DEPTH_DEFAULT = 64;

static struct mutex disks_lock = MUTEX_INIT(disks_lock, RANK_DISKS);
static struct list disks GUARDED_BY(&disks_lock) = LIST_INIT(disks);
static struct wait_queue names_changed = WAIT_QUEUE_INIT(names_changed);

/* A copy that is complete and can be believed; false: it describes no disk. */
static bool read_geometry(const struct disk_geometry *g, const struct device *dev, struct disk_geometry *out)
{
	*out = *g;
	out->serial[sizeof(out->serial) - 1] = '\0';
	out->address[sizeof(out->address) - 1] = '\0';
	if (out->address[0] == '\0' && dev != nullptr)
		strlcpy(out->address, device_name(dev), sizeof(out->address));
	uint32_t block = out->block_bytes;
	if (block < DISK_BLOCK_MIN || block > DISK_BLOCK_MAX || (block & (block - 1)) != 0)
		return false;
	if (out->blocks == 0 || out->blocks > INT64_MAX / block || (out->bytes_max != 0 && out->bytes_max < block))
		return false;
	if (out->physical_bytes < block || (out->physical_bytes & (out->physical_bytes - 1)) != 0)
		out->physical_bytes = block;
	out->pieces_max = out->pieces_max == 0 ? DISK_PIECES_MAX : MIN(out->pieces_max, DISK_PIECES_MAX);
	uint32_t most = out->pieces_max * (uint32_t)PAGE_SIZE;
	out->bytes_max = out->bytes_max == 0 ? most : MIN(out->bytes_max, most);
	if (out->discard_blocks_max == 0)
		out->discard_blocks_max = UINT32_MAX;
	if (out->zero_blocks_max == 0)
		out->zero_blocks_max = UINT32_MAX;
	out->queues = MAX(out->queues, 1u);
	out->depth = out->depth == 0 ? DEPTH_DEFAULT : MIN(out->depth, DEPTH_DEFAULT);
	return true;
}

static bool same_place(const struct disk *d, const char *prefix, const struct disk_geometry *g)
{
	return strcmp(d->prefix, prefix) == 0 && strcmp(d->geometry.address, g->address) == 0;
}

/* What tells disks apart, and what those who have it open rely on. One that had a cache and says that it has none any
 * more cannot bring to the medium what it took before; one that has a cache now is asked to from now on. Limits may be
 * others, and what the medium writes at once. */
static bool same_disk(const struct disk *d, const struct disk_geometry *g)
{
	const struct disk_geometry *before = &d->geometry;

	return strcmp(before->serial, g->serial) == 0 && before->blocks == g->blocks &&
	       before->block_bytes == g->block_bytes && before->read_only == g->read_only &&
	       (g->has_flush || !d->has_flush) && (g->has_discard || !before->has_discard) &&
	       (g->has_zero || !before->has_zero);
}

/* The disk that was at this place, or with the same serial number where places have no names; with a reference. */
static struct disk *find_disk(const char *prefix, const struct disk_geometry *g)
{
	struct disk *d, *found = nullptr;

	mutex_lock(&disks_lock);
	list_for_each(d, &disks, link) {
		if (disk_state(d) != DISK_GONE && same_place(d, prefix, g) &&
		    (g->address[0] != '\0' || same_disk(d, g))) {
			disk_get(d);
			found = d;
			break;
		}
	}
	mutex_unlock(&disks_lock);
	return found;
}

/* Until its nodes are gone, one that is gone has its name. */
static const struct disk *name_holder(const char *name) REQUIRES(&disks_lock)
{
	const struct disk *d;

	list_for_each(d, &disks, link) {
		if (strcmp(d->name, name) == 0)
			return d;
	}
	return nullptr;
}

static bool is_leaving(const char *name)
{
	mutex_lock(&disks_lock);
	const struct disk *d = name_holder(name);
	bool leaving = d != nullptr && disk_state(d) == DISK_GONE;
	mutex_unlock(&disks_lock);
	return leaving;
}

/* a … z, aa … zz and so on: the number-th such word behind the prefix. */
static void name_by_letters(char *out, size_t size, const char *prefix, uint32_t number)
{
	char letters[8];
	size_t at = sizeof(letters) - 1;

	letters[at] = '\0';
	do {
		letters[--at] = (char)('a' + number % 26);
		number /= 26;
	} while (number-- > 0 && at > 0);
	snprintf(out, size, "%s%s", prefix, &letters[at]);
}

/* Gives it a name that no other disk has, and a place in the list. */
static int disk_list(struct disk *d)
{
	size_t length = strlen(d->prefix);
	bool whole = length > 0 && d->prefix[length - 1] >= '0' && d->prefix[length - 1] <= '9';
	uint32_t number = 0;
	int error = 0;

	if (whole) {
		strlcpy(d->name, d->prefix, sizeof(d->name));
		wait_event(&names_changed, !is_leaving(d->name));
	}
	mutex_lock(&disks_lock);
	if (whole) {
		error = name_holder(d->name) == nullptr ? 0 : -EEXIST;
	} else {
		do
			name_by_letters(d->name, sizeof(d->name), d->prefix, number++);
		while (name_holder(d->name) != nullptr);
		d->index = number - 1;
	}
	if (error == 0)
		list_push_back(&disks, &d->link);
	mutex_unlock(&disks_lock);
	return error;
}

/* By the order in which they came, since `after` may have left the list. */
struct disk *disk_each(struct disk *after)
{
	struct disk *d, *found = nullptr;

	mutex_lock(&disks_lock);
	list_for_each(d, &disks, link) {
		if ((after == nullptr || d->sequence > after->sequence) &&
		    (found == nullptr || d->sequence < found->sequence))
			found = d;
	}
	if (found != nullptr)
		disk_get(found);
	mutex_unlock(&disks_lock);
	if (after != nullptr)
		disk_put(after);
	return found;
}

void disk_unlist(struct disk *d)
{
	mutex_lock(&disks_lock);
	list_remove(&d->link);
	mutex_unlock(&disks_lock);
	wait_wake_all(&names_changed);
}

static struct disk *disk_of(struct resource *r)
{
	return container_of(r, struct disk, resource);
}

static void suspend_resource(struct resource *r)
{
	disk_suspend(disk_of(r));
}

static void end_resource(struct resource *r)
{
	disk_gone(disk_of(r));
}

/* Kept from one round of the device to the next; gone when there is none. */
static const struct resource_ops disk_resource = {.name = "disk",
						  .component = &component_block,
						  .suspend = suspend_resource,
						  .release = end_resource,
						  .gone = end_resource};

static int own(struct disk *d, struct device *dev)
{
	d->dev = device_get(dev);
	return device_own(dev, &d->resource, &disk_resource);
}

static void disown(struct disk *d)
{
	if (d->dev != nullptr)
		(void)device_disown(&d->resource);
}

static int resume(struct disk *d, const struct device *dev, const struct disk_ops *ops, const struct disk_geometry *g,
		  struct disk **out)
{
	if (disk_state(d) != DISK_SUSPENDED || d->dev != dev)
		return -EEXIST;
	log_info("%s: resumed", d->name);
	/* What is given again may be finished, in another thread, before this returns. */
	*out = d;
	disk_resume(d, ops, g);
	return 0;
}

/* A disk of the device that is not there any more, with a reference. */
static struct disk *find_missing(const struct device *dev)
{
	struct disk *d, *found = nullptr;

	mutex_lock(&disks_lock);
	list_for_each(d, &disks, link) {
		if (d->dev == dev && disk_state(d) == DISK_SUSPENDED) {
			disk_get(d);
			found = d;
			break;
		}
	}
	mutex_unlock(&disks_lock);
	return found;
}

void disk_drop_missing(struct device *dev)
{
	for (struct disk *d; (d = find_missing(dev)) != nullptr; disk_put(d)) {
		log_warn("%s: its device has it no more", d->name);
		disown(d);
		disk_gone(d);
	}
}

void disk_drop(struct disk *d)
{
	disk_suspend(d);
	disown(d);
	disk_gone(d);
}

int disk_register(struct device *dev, const char *name_prefix, const struct disk_ops *ops,
		  const struct disk_geometry *given, struct disk **out)
{
	struct disk_geometry g;

	if (!read_geometry(given, dev, &g) || strlen(name_prefix) >= sizeof((*out)->prefix))
		return -EINVAL;
	struct disk *d = find_disk(name_prefix, &g);
	if (d != nullptr && same_disk(d, &g)) {
		int error = resume(d, dev, ops, &g, out);
		disk_put(d); /* its first registration has a reference */
		return error;
	}
	if (d != nullptr) {
		bool runs = disk_state(d) == DISK_RUNS;

		if (!runs) {
			log_warn("%s: another disk is in its place", d->name);
			disown(d);
			disk_gone(d);
		}
		disk_put(d);
		if (runs)
			return -EEXIST;
	}
	d = disk_create(name_prefix, &g);
	if (d == nullptr)
		return -ENOMEM;
	disk_take_driver(d, ops, &g);
	int error = dev != nullptr ? own(d, dev) : 0;
	if (error == 0)
		error = disk_list(d);
	if (error != 0) {
		disown(d);
		disk_put(d);
		return error;
	}
	/* Before anybody can ask it for something: the driver may finish a request within its submit. */
	*out = d;
	error = blkdev_add(d, 0, 0, g.blocks, 0);
	if (error != 0) {
		*out = nullptr;
		disown(d);
		disk_gone(d);
		return error;
	}
	log_info("%s: %llu blocks of %u bytes%s", d->name, (unsigned long long)g.blocks, g.block_bytes,
		 g.read_only ? ", read-only" : "");
	if (!g.no_partitions)
		scan_start(d);
	return 0;
}
