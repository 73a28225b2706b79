/* SPDX-License-Identifier: MIT */
/*
 * Disks come, break, come back and go.
 *
 *	RUNS ──(a fault, or time is up: disk_break)──> BROKEN ──(disk_suspend)──> SUSPENDED ──(disk_register)──> RUNS
 *	RUNS ──(disk_suspend)──> SUSPENDED             any ──(disk_gone)──> GONE
 *
 * While a disk is broken or suspended its requests stay where they are: the device may still write into their memory.
 * They are taken back when it is resumed or gone, before which the device core has silenced the device.
 */
#include "block.h"

#include <abi/errno.h>
#include <kernel/base/clock.h>
#include <kernel/base/init.h>
#include <kernel/base/log.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>

constexpr uint32_t DEPTH_DEFAULT = 64, REQUESTS_MAX = 128;

static struct mutex disks_lock = MUTEX_INIT(disks_lock, RANK_DISKS);
static uint64_t last_sequence; /* atomic */
static struct list disks GUARDED_BY(&disks_lock) = LIST_INIT(disks);

const char *disk_name(const struct disk *d)
{
	return d->name;
}

const struct disk_geometry *disk_geometry(const struct disk *d)
{
	return &d->geometry;
}

enum disk_state disk_state(const struct disk *d)
{
	return (enum disk_state)__atomic_load_n(&d->state, __ATOMIC_ACQUIRE);
}

/* --- what a driver has is watched --- */

void disk_watch(struct disk *d, uint64_t given_ns)
{
	if (!__atomic_exchange_n(&d->timer_on, true, __ATOMIC_ACQ_REL))
		timer_arm(&d->timer, given_ns + __atomic_load_n(&d->timeout_ns, __ATOMIC_RELAXED));
}

/* When the oldest request that the driver has was given to it. */
static uint64_t oldest_given(struct block_queue *q)
{
	uint64_t given = UINT64_MAX;

	spin_lock(&q->lock);
	if (!list_empty(&q->flying))
		given = list_first(&q->flying, struct request, link)->given_ns;
	spin_unlock(&q->lock);
	return given;
}

/* The timer is off before the queues are looked at: a request that comes later switches it on again. */
static void look_at_requests(struct timer *t)
{
	struct disk *d = container_of(t, struct disk, timer);
	uint64_t first = UINT64_MAX, now = clock_monotonic_ns();

	__atomic_store_n(&d->timer_on, false, __ATOMIC_SEQ_CST);
	for (uint32_t n = 0; n < d->queue_count; n++)
		first = MIN(first, oldest_given(&d->queues[n]));
	if (first == UINT64_MAX || disk_state(d) != DISK_RUNS)
		return;
	if (first < now && now - first >= __atomic_load_n(&d->timeout_ns, __ATOMIC_RELAXED))
		disk_break(d, "a request was not finished in time");
	else
		disk_watch(d, first);
}

void disk_set_timeout(struct disk *d, uint64_t ns)
{
	__atomic_store_n(&d->timeout_ns, ns, __ATOMIC_RELAXED);
	/* A timer that is on for later would sleep through it. */
	__atomic_store_n(&d->timer_on, true, __ATOMIC_SEQ_CST);
	timer_arm(&d->timer, clock_monotonic_ns());
}

void disk_break(struct disk *d, const char *why)
{
	uint32_t runs = DISK_RUNS;

	if (!__atomic_compare_exchange_n(&d->state, &runs, DISK_BROKEN, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return;
	log_error("%s: %s: its driver is broken, requests are kept", d->name, why);
}

/* --- memory --- */

void disk_get(struct disk *d)
{
	__atomic_fetch_add(&d->refs, 1, __ATOMIC_RELAXED);
}

static void disk_free(struct disk *d)
{
	for (uint32_t n = 0; d->queues != nullptr && n < d->queue_count; n++)
		kfree(d->queues[n].requests);
	kfree(d->queues);
	kfree(d);
}

void disk_put(struct disk *d)
{
	if (__atomic_fetch_sub(&d->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	(void)timer_cancel(&d->timer);
	disk_free(d);
}

static bool queue_init(struct disk *d, uint32_t number, uint32_t depth) NO_THREAD_SAFETY
{
	struct block_queue *q = &d->queues[number];

	q->disk = d;
	q->number = number;
	spin_init(&q->lock, RANK_BLOCK);
	list_init(&q->waiting);
	list_init(&q->flying);
	list_init(&q->idle);
	q->requests = kmalloc(depth * sizeof(*q->requests));
	if (q->requests == nullptr)
		return false;
	q->request_count = depth;
	for (uint32_t n = 0; n < depth; n++) {
		q->requests[n].queue = q;
		list_push_back(&q->idle, &q->requests[n].link);
	}
	return true;
}

static struct disk *disk_create(const char *prefix, const struct disk_geometry *g)
{
	struct disk *d = kmalloc(sizeof(*d));

	if (d == nullptr)
		return nullptr;
	d->refs = 1;
	d->geometry = *g;
	d->timeout_ns = DISK_TIMEOUT_NS;
	d->sequence = __atomic_add_fetch(&last_sequence, 1, __ATOMIC_RELAXED);
	strlcpy(d->prefix, prefix, sizeof(d->prefix));
	list_init(&d->link);
	wait_queue_init(&d->quiet);
	timer_init(&d->timer, look_at_requests);
	d->queue_count = MIN(MIN(g->queues, boot_info()->cpu_count), DISK_QUEUES_MAX);
	d->queues = kmalloc(d->queue_count * sizeof(*d->queues));
	bool made = d->queues != nullptr;
	for (uint32_t n = 0; made && n < d->queue_count; n++)
		made = queue_init(d, n, MIN(g->depth, REQUESTS_MAX / d->queue_count));
	if (!made) {
		disk_free(d);
		return nullptr;
	}
	return d;
}

/* --- who is who --- */

/* A copy that is complete and can be believed; false: it describes no disk. */
static bool read_geometry(const struct disk_geometry *g, struct disk_geometry *out)
{
	*out = *g;
	out->serial[sizeof(out->serial) - 1] = '\0';
	out->address[sizeof(out->address) - 1] = '\0';
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
	out->queues = MAX(out->queues, 1u);
	out->depth = out->depth == 0 ? DEPTH_DEFAULT : MIN(out->depth, DEPTH_DEFAULT);
	return true;
}

static bool same_place(const struct disk *d, const char *prefix, const struct disk_geometry *g)
{
	return strcmp(d->prefix, prefix) == 0 && strcmp(d->geometry.address, g->address) == 0;
}

static bool same_disk(const struct disk *d, const struct disk_geometry *g)
{
	return strcmp(d->geometry.serial, g->serial) == 0 && d->geometry.blocks == g->blocks &&
	       d->geometry.block_bytes == g->block_bytes && d->geometry.read_only == g->read_only;
}

/* The disk that was at this place, or with the same serial number where places have no names; with a reference. */
static struct disk *find_disk(const char *prefix, const struct disk_geometry *g)
{
	struct disk *d, *found = nullptr;

	mutex_lock(&disks_lock);
	list_for_each(d, &disks, link) {
		if (same_place(d, prefix, g) && (g->address[0] != '\0' || same_disk(d, g))) {
			disk_get(d);
			found = d;
			break;
		}
	}
	mutex_unlock(&disks_lock);
	return found;
}

static bool name_is_free(const char *name) REQUIRES(&disks_lock)
{
	const struct disk *d;

	list_for_each(d, &disks, link) {
		if (strcmp(d->name, name) == 0)
			return false;
	}
	return true;
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

	mutex_lock(&disks_lock);
	if (whole) {
		strlcpy(d->name, d->prefix, sizeof(d->name));
		error = name_is_free(d->name) ? 0 : -EEXIST;
	} else {
		do
			name_by_letters(d->name, sizeof(d->name), d->prefix, number++);
		while (!name_is_free(d->name));
		d->index = number - 1;
	}
	if (error == 0)
		list_push_back(&disks, &d->link);
	mutex_unlock(&disks_lock);
	return error;
}

/* --- the driver's calls, and the device core's --- */

static void take_driver(struct disk *d, struct device *dev, const struct disk_ops *ops, const struct disk_geometry *g)
{
	d->dev = dev;
	d->ops = ops;
	d->pieces_max = g->pieces_max;
	d->bytes_max = g->bytes_max;
	d->discard_blocks_max = g->discard_blocks_max;
	d->driver_queues = g->queues;
}

static void run(struct disk *d)
{
	__atomic_store_n(&d->state, DISK_RUNS, __ATOMIC_RELEASE);
	for (uint32_t n = 0; n < d->queue_count; n++)
		queue_dispatch(&d->queues[n]);
}

static bool is_quiet(struct disk *d)
{
	for (uint32_t n = 0; n < d->queue_count; n++)
		if (!queue_is_quiet(&d->queues[n]))
			return false;
	return true;
}

/* The driver has none of the disk's requests any more: its device is silent. */
static void take_back(struct disk *d, int error)
{
	for (uint32_t n = 0; n < d->queue_count; n++)
		queue_take_back(&d->queues[n], error);
}

static int resume(struct disk *d, struct device *dev, const struct disk_ops *ops, const struct disk_geometry *g)
{
	if (disk_state(d) != DISK_SUSPENDED)
		return -EEXIST;
	take_back(d, 0);
	take_driver(d, dev, ops, g);
	log_info("%s: resumed", d->name);
	run(d);
	return 0;
}

int disk_register(struct device *dev, const char *name_prefix, const struct disk_ops *ops,
		  const struct disk_geometry *given, struct disk **out)
{
	struct disk_geometry g;

	if (!read_geometry(given, &g) || strlen(name_prefix) >= sizeof((*out)->prefix))
		return -EINVAL;
	struct disk *d = find_disk(name_prefix, &g);
	if (d != nullptr && same_disk(d, &g)) {
		int error = resume(d, dev, ops, &g);
		disk_put(d); /* its first registration has a reference */
		if (error == 0)
			*out = d;
		return error;
	}
	if (d != nullptr) {
		bool runs = disk_state(d) == DISK_RUNS;

		if (!runs) {
			log_warn("%s: another disk is in its place", d->name);
			disk_gone(d);
		}
		disk_put(d);
		if (runs)
			return -EEXIST;
	}
	d = disk_create(name_prefix, &g);
	if (d == nullptr)
		return -ENOMEM;
	take_driver(d, dev, ops, &g);
	int error = disk_list(d);
	if (error != 0) {
		disk_put(d);
		return error;
	}
	error = blkdev_add(d, 0, 0, g.blocks, false);
	if (error != 0) {
		disk_gone(d);
		return error;
	}
	log_info("%s: %llu blocks of %u bytes%s", d->name, (unsigned long long)g.blocks, g.block_bytes,
		 g.read_only ? ", read-only" : "");
	if (!g.no_partitions)
		scan_start(d);
	*out = d;
	return 0;
}

void disk_suspend(struct disk *d)
{
	uint32_t state = __atomic_load_n(&d->state, __ATOMIC_ACQUIRE);

	do {
		if (state != DISK_RUNS && state != DISK_BROKEN)
			return;
	} while (!__atomic_compare_exchange_n(&d->state, &state, DISK_SUSPENDED, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	wait_event(&d->quiet, is_quiet(d));
	log_info("%s: suspended", d->name);
}

void disk_gone(struct disk *d)
{
	if (__atomic_exchange_n(&d->state, DISK_GONE, __ATOMIC_ACQ_REL) == DISK_GONE)
		return;
	mutex_lock(&disks_lock);
	list_remove(&d->link);
	mutex_unlock(&disks_lock);
	wait_event(&d->quiet, is_quiet(d));
	take_back(d, -ENODEV);
	blkdev_remove_all(d);
	log_info("%s: gone", d->name);
	disk_put(d);
}
