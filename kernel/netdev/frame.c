/* SPDX-License-Identifier: MIT */
/*
 * The pool of frames (kernel/netdev/frame.h). A part is a record and a page, which stay together while the part is
 * free; free ones are kept up to FREE_MAX, and given back when memory is short.
 */
#include "internal.h"

#include <kernel/base/log.h>
#include <lib/internet_checksum.h>
#include <lib/string.h>
#include <lib/types.h>

enum : uint32_t { FREE_MAX = 1024, PARTS_LEAST = 1024, PARTS_MOST = 65536, MEMORY_SHARE = 16 };
enum : uint32_t { KIND_FRAME = 0x6672616d };

static struct {
	struct spinlock lock;
	struct list free GUARDED_BY(&lock);
	uint32_t free_count GUARDED_BY(&lock);
	uint32_t parts; /* atomic: free or not */
	uint32_t parts_max;
	uint64_t refused; /* atomic */
} pool = {.lock = SPINLOCK_INIT(RANK_NET_FRAMES), .free = LIST_INIT(pool.free)};

static struct net_frame *take_free(void)
{
	struct net_frame *f = nullptr;

	spin_lock(&pool.lock);
	if (!list_empty(&pool.free)) {
		f = list_first(&pool.free, struct net_frame, link);
		list_remove(&f->link);
		pool.free_count--;
	}
	spin_unlock(&pool.lock);
	return f;
}

static void part_destroy(struct net_frame *f)
{
	__atomic_fetch_sub(&pool.parts, 1, __ATOMIC_RELAXED);
	f->kind = 0;
	page_put(f->page);
	kfree(f);
}

static struct net_frame *part_create(void)
{
	if (__atomic_add_fetch(&pool.parts, 1, __ATOMIC_RELAXED) > pool.parts_max) {
		__atomic_fetch_sub(&pool.parts, 1, __ATOMIC_RELAXED);
		return nullptr;
	}
	struct net_frame *f = kmalloc(sizeof(*f));
	if (f != nullptr && (f->page = page_alloc_user(false)) == nullptr) {
		kfree(f);
		f = nullptr;
	}
	if (f == nullptr) {
		__atomic_fetch_sub(&pool.parts, 1, __ATOMIC_RELAXED);
		return nullptr;
	}
	f->kind = KIND_FRAME;
	return f;
}

static void part_free(struct net_frame *f)
{
	/* What else holds the page, a device that does not come to rest for one, may write to it yet. */
	bool keep = __atomic_load_n(&f->page->refs, __ATOMIC_ACQUIRE) == 1;

	KASSERT(f->kind == KIND_FRAME);
	spin_lock(&pool.lock);
	keep = keep && pool.free_count < FREE_MAX;
	if (keep) {
		list_push_front(&pool.free, &f->link);
		pool.free_count++;
	}
	spin_unlock(&pool.lock);
	if (!keep)
		part_destroy(f);
}

/* A part that is as new, of n bytes. */
static struct net_frame *part_begin(struct net_frame *f, uint32_t n)
{
	list_init(&f->link);
	f->data = (unsigned char *)page_address(f->page) + NET_FRAME_HEADROOM;
	f->length = f->total = n;
	f->more = nullptr;
	f->flags = 0;
	f->gso = NET_GSO_NONE;
	f->gso_size = f->gso_headers = f->checksum_start = f->checksum_offset = 0;
	f->from = f->lent = nullptr;
	f->sender = nullptr;
	return f;
}

static struct net_frame *refuse(void)
{
	__atomic_fetch_add(&pool.refused, 1, __ATOMIC_RELAXED);
	return nullptr;
}

struct net_frame *net_frame_alloc_now(size_t bytes)
{
	struct net_frame *f = bytes <= NET_FRAME_PART_MAX ? take_free() : nullptr;

	return f != nullptr ? part_begin(f, (uint32_t)bytes) : refuse();
}

struct net_frame *net_frame_alloc(size_t bytes)
{
	struct net_frame *first = nullptr, **end = &first;
	size_t left = bytes;

	if (bytes > NET_FRAME_BYTES_MAX)
		return refuse();
	do {
		struct net_frame *f = take_free();
		uint32_t n = (uint32_t)MIN(left, NET_FRAME_PART_MAX);

		if (f == nullptr && (f = part_create()) == nullptr) {
			net_frame_free(first);
			return refuse();
		}
		*end = part_begin(f, n);
		end = &f->more;
		left -= n;
	} while (left > 0);
	first->total = (uint32_t)bytes;
	return first;
}

void net_frame_free(struct net_frame *f)
{
	while (f != nullptr) {
		struct net_frame *more = f->more;

		part_free(f);
		f = more;
	}
}

/* Copies between the frame and memory, one way or the other. */
static size_t transfer(struct net_frame *f, size_t offset, void *to, const void *from, size_t n)
{
	size_t done = 0;

	for (; f != nullptr && done < n; f = f->more) {
		if (offset >= f->length) {
			offset -= f->length;
			continue;
		}
		size_t part = MIN(n - done, f->length - offset);

		if (to != nullptr)
			memcpy((char *)to + done, f->data + offset, part);
		else
			memcpy(f->data + offset, (const char *)from + done, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t net_frame_read(const struct net_frame *f, size_t offset, void *to, size_t n)
{
	return transfer((struct net_frame *)f, offset, to, nullptr, n);
}

size_t net_frame_write(struct net_frame *f, size_t offset, const void *from, size_t n)
{
	return transfer(f, offset, nullptr, from, n);
}

struct net_frame *net_frame_copy(const struct net_frame *f)
{
	struct net_frame *copy = net_frame_alloc(f->total);
	size_t at = 0;

	if (copy == nullptr)
		return nullptr;
	for (const struct net_frame *part = f; part != nullptr; part = part->more) {
		(void)net_frame_write(copy, at, part->data, part->length);
		at += part->length;
	}
	copy->flags = f->flags;
	copy->gso = f->gso;
	copy->gso_size = f->gso_size;
	copy->gso_headers = f->gso_headers;
	copy->checksum_start = f->checksum_start;
	copy->checksum_offset = f->checksum_offset;
	copy->from = f->from;
	return copy;
}

void net_frame_trim(struct net_frame *f, size_t total)
{
	if (total >= f->total)
		return;
	f->total = (uint32_t)total;
	while (total > f->length) {
		total -= f->length;
		f = f->more;
	}
	f->length = (uint32_t)total;
	net_frame_free(f->more);
	f->more = nullptr;
}

bool net_frame_push(struct net_frame *f, uint32_t n)
{
	size_t room = (size_t)(f->data - (unsigned char *)page_address(f->page));

	if (n > room)
		return false;
	f->data -= n;
	f->length += n;
	f->total += n;
	return true;
}

bool net_frame_pull(struct net_frame *f, uint32_t n)
{
	if (n > f->length)
		return false;
	f->data += n;
	f->length -= n;
	f->total -= n;
	return true;
}

bool net_frame_fill_checksum(struct net_frame *f)
{
	uint32_t place = (uint32_t)f->checksum_start + f->checksum_offset, skip = f->checksum_start;
	struct internet_sum sum = {};

	if (!(f->flags & NET_FRAME_CHECKSUM))
		return true;
	if (place + sizeof(uint16_t) > f->total)
		return false;
	for (const struct net_frame *part = f; part != nullptr; part = part->more) {
		uint32_t before = MIN(skip, part->length);

		internet_sum_add(&sum, part->data + before, part->length - before);
		skip -= before;
	}
	uint16_t checksum = internet_sum_checksum(&sum);
	(void)net_frame_write(f, place, &checksum, sizeof(checksum));
	f->flags &= (uint8_t)~NET_FRAME_CHECKSUM;
	return true;
}

void net_frame_stats(struct net_frame_stats *out)
{
	spin_lock(&pool.lock);
	out->free = pool.free_count;
	spin_unlock(&pool.lock);
	out->parts = __atomic_load_n(&pool.parts, __ATOMIC_RELAXED);
	out->parts_max = pool.parts_max;
	out->refused = __atomic_load_n(&pool.refused, __ATOMIC_RELAXED);
}

/* Memory is short: free parts go. A lock that is held just now is left alone. */
static size_t shrink(size_t want)
{
	size_t done = 0;

	while (done < want && spin_try_lock(&pool.lock)) {
		struct net_frame *f = nullptr;

		if (!list_empty(&pool.free)) {
			f = list_first(&pool.free, struct net_frame, link);
			list_remove(&f->link);
			pool.free_count--;
		}
		spin_unlock(&pool.lock);
		if (f == nullptr)
			break;
		part_destroy(f);
		done++;
	}
	return done;
}

void frames_start(void)
{
	static struct shrinker shrinker = {.name = "net frames", .shrink = shrink};
	struct memory_stats memory;

	page_stats(&memory);
	pool.parts_max = (uint32_t)MAX(MIN(memory.total_pages / MEMORY_SHARE, PARTS_MOST), PARTS_LEAST);
	page_register_shrinker(&shrinker);
}
