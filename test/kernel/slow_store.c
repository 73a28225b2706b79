/* SPDX-License-Identifier: MIT */
#include "slow_store.h"

#include <kernel/base/subject.h>

#include "../../kernel/vfs/page_cache_internal.h"

unsigned char slow_bytes[SLOW_PAGES][PAGE_SIZE];
bool slow_hold_fills, slow_hold_writes, slow_stray, slow_stray_late, slow_refuse;
uint64_t slow_bad_page = NO_PAGE, slow_held_page = NO_PAGE;
uint32_t slow_waiting, slow_ended, slow_fills, slow_writes, slow_longest, slow_prepared;

static struct spinlock held_lock = SPINLOCK_INIT(RANK_NONE);
static struct list held GUARDED_BY(&held_lock) = LIST_INIT(held);
static struct mount *mounted, *second;
static struct inode *file;
static uint64_t first_size;
static volatile uint64_t nowhere = 0x18;

static void carry_out(struct page_range *r)
{
	bool bad = slow_bad_page - r->first < r->count;

	for (uint32_t k = 0; k < r->count && !bad; k++) {
		unsigned char *bytes = slow_bytes[r->first + k];

		if (r->write)
			memcpy(bytes, page_address(r->pages[k]), PAGE_SIZE);
		else
			memcpy(page_address(r->pages[k]), bytes, PAGE_SIZE);
	}
	if (r->write)
		page_cache_written(r, bad ? -EIO : 0);
	else
		page_cache_filled(r, bad ? -EIO : 0);
}

static int begin(struct page_range *r, const bool *hold)
{
	if (slow_stray)
		*(volatile uint64_t *)nowhere = 1;
	if (slow_refuse)
		return -EBUSY;
	/* Looked at with the lock held: whoever holds nothing any more, and then lets go what is held, lets go all. */
	spin_lock(&held_lock);
	bool held_now = __atomic_load_n(hold, __ATOMIC_RELAXED) && (second == nullptr || r->inode->sb != second->sb);
	if (held_now)
		list_push_back(&held, &r->link);
	spin_unlock(&held_lock);
	if (held_now)
		return 0;
	carry_out(r);
	if (slow_stray_late)
		*(volatile uint64_t *)nowhere = 1;
	return 0;
}

static int fill(struct page_range *r)
{
	__atomic_fetch_add(&slow_fills, 1, __ATOMIC_SEQ_CST);
	if (r->count > slow_longest)
		slow_longest = r->count;
	return begin(r, &slow_hold_fills);
}

static int write(struct page_range *r)
{
	__atomic_fetch_add(&slow_writes, 1, __ATOMIC_SEQ_CST);
	return begin(r, &slow_hold_writes);
}

static int prepare(struct inode *, uint64_t first, uint64_t pages)
{
	__atomic_fetch_add(&slow_prepared, 1, __ATOMIC_SEQ_CST);
	if (first == __atomic_load_n(&slow_held_page, __ATOMIC_ACQUIRE)) {
		__atomic_fetch_add(&slow_waiting, 1, __ATOMIC_SEQ_CST);
		while (first == __atomic_load_n(&slow_held_page, __ATOMIC_ACQUIRE))
			sleep_ns(MS);
	}
	return first + pages > SLOW_PAGES ? -ENOSPC : 0;
}

uint32_t slow_held(void)
{
	uint32_t n = 0;

	spin_lock(&held_lock);
	for (struct list *at = held.next; at != &held; at = at->next)
		n++;
	spin_unlock(&held_lock);
	return n;
}

void slow_release(bool writes)
{
	struct list now = LIST_INIT(now);
	struct page_range *r, *next;

	spin_lock(&held_lock);
	list_for_each_safe(r, next, &held, link) {
		if (r->write == writes) {
			list_remove(&r->link);
			list_push_back(&now, &r->link);
		}
	}
	spin_unlock(&held_lock);
	list_for_each_safe(r, next, &now, link) {
		list_remove(&r->link);
		carry_out(r);
	}
}

static const struct page_cache_ops cache_ops = {.fill = fill, .write = write, .prepare = prepare};
static const struct inode_ops file_inode_ops = {.truncate = page_cache_truncate};
static const struct file_ops file_ops = {.component = &component_ktest,
					 .read = page_cache_read,
					 .write = page_cache_write,
					 .seek = page_cache_seek_file,
					 .object = &page_cache_object,
					 .fsync = page_cache_fsync};

static int lookup(struct inode *dir, const struct name *, struct inode **out)
{
	struct inode *i = inode_create(dir->sb, S_IFREG | 0644, &file_inode_ops, &file_ops);

	if (i == nullptr)
		return -ENOMEM;
	i->cache = kmalloc(sizeof(*i->cache));
	if (i->cache == nullptr) {
		inode_put(i);
		return -ENOMEM;
	}
	i->size = first_size;
	page_cache_init(i, &cache_ops);
	file = *out = i;
	return 0;
}

static void evict(struct inode *i)
{
	if (i->cache == nullptr)
		return;
	page_cache_end(i);
	EXPECT_EQ(i->cache->pages, 0);
	EXPECT_EQ(i->cache->dirty, 0);
	kfree(i->cache);
	if (file == i)
		file = nullptr;
	__atomic_fetch_add(&slow_ended, 1, __ATOMIC_SEQ_CST);
}

static const struct inode_ops root_ops = {.lookup = lookup};
static const struct file_ops root_file_ops = {.component = &component_ktest};
static const struct super_ops super_ops = {.evict = evict};

static int fill_super(struct superblock *sb, const struct mount_options *)
{
	sb->ops = &super_ops;
	sb->root = inode_create(sb, S_IFDIR | 0755, &root_ops, &root_file_ops);
	return sb->root == nullptr ? -ENOMEM : 0;
}
static struct filesystem slow_filesystem = {.name = "slow store", .component = &component_ktest, .fill = fill_super};

unsigned char slow_byte(uint64_t index, size_t n)
{
	return (unsigned char)(index * 37 + n * 11 + n / 256 + 1);
}

static struct file *open_at(struct mount *m)
{
	struct name n = name_make("f", 1);
	struct path at = {m, nullptr};
	struct file *f = nullptr;

	if (EXPECT_EQ(dentry_lookup(m->root, &n, &at.dentry), 0)) {
		EXPECT_EQ(file_open_inode(&at, O_RDWR, true, &f), 0);
		dentry_put(at.dentry);
	}
	return f;
}

struct file *slow_open(void)
{
	return open_at(mounted);
}

struct inode *slow_nameless(void)
{
	struct inode *first = file, *i = nullptr;

	EXPECT_EQ(lookup(first->sb->root, nullptr, &i), 0);
	file = first;
	return i;
}

bool slow_begin_second(struct file **f)
{
	struct inode *first = file;

	second = mount_internal(&slow_filesystem);
	*f = EXPECT(second != nullptr) ? open_at(second) : nullptr;
	file = first;
	return *f != nullptr;
}

void slow_end_second(struct file *f)
{
	struct inode *first = file;

	file_put(f);
	mount_put(second);
	second = nullptr;
	file = first;
}

bool slow_set_knob(const char *name, const char *value)
{
	static bool shown;
	char path[64];
	struct file *f;

	shown = shown || (EXPECT_EQ(vfs_make_at("/slow_store_proc", S_IFDIR | 0755, 0, nullptr), 0) &&
			  EXPECT_EQ(mount_filesystem("proc", "none", "/slow_store_proc", 0, ""), 0));
	snprintf(path, sizeof(path), "/slow_store_proc/sys/vm/%s", name);
	if (!EXPECT_EQ(file_open_path(path, O_WRONLY, 0, &f), 0))
		return false;
	bool done = EXPECT_EQ(file_write_at(f, value, strlen(value), 0), (long)strlen(value));
	file_put(f);
	return done;
}

void slow_flusher_settles(void)
{
	uint32_t before = __atomic_load_n(&flusher_rounds, __ATOMIC_ACQUIRE);

	EXPECT(WAIT_UNTIL((flusher_wake(), __atomic_load_n(&flusher_rounds, __ATOMIC_ACQUIRE) - before >= 2)));
}

bool slow_flusher_rests(void)
{
	uint32_t before = __atomic_load_n(&flusher_rounds, __ATOMIC_ACQUIRE);

	for (unsigned n = 0; n < 20; n++) {
		sleep_ns(MS);
		if (__atomic_load_n(&flusher_rounds, __ATOMIC_ACQUIRE) != before)
			return false;
	}
	return true;
}

bool slow_begin(uint32_t pages, struct file **f)
{
	for (uint32_t p = 0; p < SLOW_PAGES; p++)
		for (size_t n = 0; n < PAGE_SIZE; n++)
			slow_bytes[p][n] = slow_byte(p, n);
	slow_hold_fills = slow_hold_writes = slow_stray = slow_stray_late = slow_refuse = false;
	slow_bad_page = slow_held_page = NO_PAGE;
	slow_waiting = slow_ended = slow_fills = slow_writes = slow_longest = slow_prepared = 0;
	first_size = (uint64_t)pages * PAGE_SIZE;
	mounted = mount_internal(&slow_filesystem);
	*f = EXPECT(mounted != nullptr) ? slow_open() : nullptr;
	return *f != nullptr;
}

void slow_unmount(void)
{
	mount_put(mounted);
	mounted = nullptr;
	EXPECT(file == nullptr);
}

void slow_end(struct file *f)
{
	slow_hold_fills = slow_hold_writes = slow_stray = slow_stray_late = slow_refuse = false;
	slow_bad_page = NO_PAGE;
	__atomic_store_n(&slow_held_page, NO_PAGE, __ATOMIC_RELEASE);
	slow_release(false);
	slow_release(true);
	file_put(f);
	slow_unmount();
	EXPECT_EQ(slow_held(), 0);
}

static void read_one(void *arg)
{
	struct reader *r = arg;

	__atomic_store_n(&r->handle, own_handle(), __ATOMIC_RELEASE);
	if (r->killable)
		thread_current()->process = (struct process *)r->process;
	r->result = file_read_at(r->f, &r->byte, 1, r->index * PAGE_SIZE);
	thread_current()->process = nullptr;
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE);
}

bool reader_start(struct reader *r, struct file *f, uint64_t index, bool killable)
{
	static_assert(sizeof(struct subject) <= sizeof(r->process));
	*r = (struct reader){.f = f, .index = index, .killable = killable};
	r->thread = start_thread(read_one, r, -1);
	return r->thread != nullptr;
}

void reader_kill(struct reader *r)
{
	__atomic_store_n(&((struct subject *)r->process)->group_exit, true, __ATOMIC_SEQ_CST);
	thread_unpark(r->thread);
}

bool reader_waits(const struct reader *r)
{
	/* Parked alone it may be for a lock, on its way there. */
	return EXPECT(WAIT_UNTIL(__atomic_load_n(&r->handle, __ATOMIC_ACQUIRE) != 0 && slow_held() > 0 &&
				 is_parked(r->handle)));
}

bool reader_ends(struct reader *r)
{
	return EXPECT(WAIT_UNTIL(__atomic_load_n(&r->done, __ATOMIC_ACQUIRE) != 0));
}
