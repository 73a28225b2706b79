/* SPDX-License-Identifier: MIT */
/*
 * File tables: descriptors of a process, shared between threads and with CLONE_FILES.
 *
 * Changes are made under the table's spinlock. While only one thread can use the table (refs == 1 and nobody else may
 * raise it: the holder of a reference is the only one who clones), its look-ups need no lock, and for the length of a
 * system call no reference to the file either (file_ref_get): nobody could close it meanwhile. A reader of /proc holds
 * a table reference of its own, which only makes the owner take the lock.
 */
#include "table_slots.h"

#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/file/table.h>
#include <kernel/thread/guard.h>

int32_t descriptor_ceiling = TABLE_MAX;

static int slots_create(uint32_t capacity, struct slots *out)
{
	size_t words = bitmap_words(capacity);
	char *memory = kmalloc(capacity / CHUNK * sizeof(struct file **) + 2 * words * sizeof(uint64_t));

	if (memory == nullptr)
		return -ENOMEM;
	out->capacity = capacity;
	out->chunks = (struct file ***)memory;
	out->used = (uint64_t *)(out->chunks + capacity / CHUNK);
	out->cloexec = out->used + words;
	return 0;
}

static void slots_copy(struct slots *to, const struct slots *from)
{
	memcpy(to->chunks, from->chunks, from->capacity / CHUNK * sizeof(struct file **));
	memcpy(to->used, from->used, bitmap_words(from->capacity) * sizeof(uint64_t));
	memcpy(to->cloexec, from->cloexec, bitmap_words(from->capacity) * sizeof(uint64_t));
}

int table_new(uint32_t capacity, struct file_table **out)
{
	struct file_table *t = kmalloc(sizeof(*t));

	if (t == nullptr)
		return -ENOMEM;
	int error = slots_create(capacity, &t->slots);
	if (error != 0) {
		kfree(t);
		return error;
	}
	t->slots.chunks[0] = t->first;
	t->refs = 1;
	spin_init(&t->lock, RANK_FILE_TABLE);
	*out = t;
	return 0;
}

void table_free(struct file_table *t)
{
	for (uint32_t n = 1; n < t->slots.capacity / CHUNK; n++)
		kfree(t->slots.chunks[n]);
	kfree(t->slots.chunks);
	kfree(t);
}

int file_table_create(struct file_table **out)
{
	return table_new(CHUNK, out);
}

void file_table_get(struct file_table *t)
{
	__atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
}

static void close_file(struct file_table *t, struct file *f)
{
	FAULT_POINT(exit_close);
	/* POSIX: closing any descriptor of a file drops the process's record locks on it. */
	file_note_closed(f, t);
	file_put(f);
}

void file_table_put(struct file_table *t)
{
	if (t == nullptr || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	struct slots *s = &t->slots;
	for (size_t n = 0; (n = bitmap_find_set(s->used, s->capacity, n)) < s->capacity; n++) {
		if (slot_get(s, (uint32_t)n) == nullptr)
			continue;
		/* A fault in one must not keep the others open: somebody may wait for the end of a pipe. */
		if (!guard_run_void(&component_vfs, close_file(t, slot_get(s, (uint32_t)n))))
			log_error("vfs: descriptor %u of a table that ends cannot be closed", (unsigned)n);
	}
	table_free(t);
}

void file_table_close_on_exec(struct file_table *t)
{
	struct slots *s = &t->slots;

	for (size_t n = 0;; n++) {
		spin_lock(&t->lock);
		n = bitmap_find_set(s->cloexec, s->capacity, n);
		struct file *f = nullptr;
		if (n < s->capacity) {
			f = s->chunks[n / CHUNK][n % CHUNK];
			s->chunks[n / CHUNK][n % CHUNK] = nullptr;
			bitmap_clear(s->cloexec, n);
			bitmap_clear(s->used, n);
			t->lowest = MIN(t->lowest, (uint32_t)n);
		}
		bool done = n >= s->capacity;
		spin_unlock(&t->lock);
		if (f != nullptr)
			close_file(t, f);
		if (done)
			return;
	}
}

static struct file_table *table_current(void)
{
	struct subject *p = subject_current();

	return p != nullptr ? p->files : nullptr;
}

static inline bool table_private(const struct file_table *t)
{
	return __atomic_load_n(&t->refs, __ATOMIC_RELAXED) == 1 && subject_current()->thread_count == 1;
}

int file_ref_get_any(int fd, struct file_ref *out)
{
	struct file_table *t = table_current();

	if (unlikely(t == nullptr))
		return -EBADF;
	if (likely(table_private(t))) {
		struct file *f = slot_get(&t->slots, (uint32_t)fd);
		if (f == nullptr)
			return -EBADF;
		*out = (struct file_ref){f, false};
		return 0;
	}
	struct file *f = file_table_at(t, fd);
	if (f == nullptr)
		return -EBADF;
	*out = (struct file_ref){f, true};
	return 0;
}

int file_ref_get(int fd, struct file_ref *out)
{
	int error = file_ref_get_any(fd, out);

	if (likely(error == 0) && unlikely(out->file->mode & FILE_PATH)) {
		file_ref_put(*out);
		error = -EBADF;
	}
	return error;
}

int file_lookup(int fd, struct file **out)
{
	struct file_ref r;

	int error = file_ref_get(fd, &r);
	if (error != 0)
		return error;
	if (!r.counted)
		file_get(r.file);
	*out = r.file;
	return 0;
}

struct file *file_table_at(struct file_table *t, int fd)
{
	spin_lock(&t->lock);
	struct file *f = slot_get(&t->slots, (uint32_t)fd);
	if (f != nullptr)
		file_get(f);
	spin_unlock(&t->lock);
	return f;
}

int file_table_next(struct file_table *t, int from)
{
	spin_lock(&t->lock);
	size_t n = from < 0 ? t->slots.capacity : bitmap_find_set(t->slots.used, t->slots.capacity, (size_t)from);
	while (n < t->slots.capacity && slot_get(&t->slots, (uint32_t)n) == nullptr)
		n = bitmap_find_set(t->slots.used, t->slots.capacity, n + 1);
	bool found = n < t->slots.capacity;
	spin_unlock(&t->lock);
	return found ? (int)n : -1;
}

uint32_t file_table_capacity(struct file_table *t)
{
	return __atomic_load_n(&t->slots.capacity, __ATOMIC_RELAXED);
}

bool file_table_cloexec(struct file_table *t, int fd)
{
	spin_lock(&t->lock);
	bool set = (uint32_t)fd < t->slots.capacity && bitmap_test(t->slots.cloexec, (size_t)fd);
	spin_unlock(&t->lock);
	return set;
}

static bool has_slot(const struct file_table *t, uint32_t fd)
{
	return fd < t->slots.capacity && t->slots.chunks[fd / CHUNK] != nullptr;
}

static int capacity_grow(struct file_table *t, uint32_t fd)
{
	struct slots bigger, old;
	uint32_t capacity = CHUNK;

	while (capacity <= fd)
		capacity *= 2;
	int error = slots_create(capacity, &bigger);
	if (error != 0)
		return error;
	spin_lock(&t->lock);
	old = t->slots;
	if (old.capacity < capacity) {
		slots_copy(&bigger, &old);
		t->slots = bigger;
	} else {
		old = bigger;
	}
	spin_unlock(&t->lock);
	kfree(old.chunks);
	return 0;
}

/* Makes room for descriptor fd. No lock is held. */
static int table_grow(struct file_table *t, uint32_t fd)
{
	if (fd >= TABLE_MAX)
		return -EMFILE;
	if (fd >= __atomic_load_n(&t->slots.capacity, __ATOMIC_RELAXED)) {
		int error = capacity_grow(t, fd);
		if (error != 0)
			return error;
	}
	struct file **chunk = kmalloc(CHUNK * sizeof(struct file *));
	if (chunk == nullptr)
		return -ENOMEM;
	spin_lock(&t->lock);
	if (!has_slot(t, fd)) {
		t->slots.chunks[fd / CHUNK] = chunk;
		chunk = nullptr;
	}
	spin_unlock(&t->lock);
	kfree(chunk);
	return 0;
}

static uint32_t descriptor_limit(void)
{
	return (uint32_t)MIN(process_rlimit(RLIMIT_NOFILE), (uint64_t)TABLE_MAX);
}

static void slot_fill(struct file_table *t, uint32_t fd, struct file *f, bool close_on_exec) REQUIRES(t -> lock)
{
	t->slots.chunks[fd / CHUNK][fd % CHUNK] = f;
	bitmap_set(t->slots.used, fd);
	if (close_on_exec)
		bitmap_set(t->slots.cloexec, fd);
	else
		bitmap_clear(t->slots.cloexec, fd);
}

int file_install_from(struct file *f, int lowest, bool close_on_exec)
{
	struct file_table *t = table_current();
	uint32_t limit = descriptor_limit();

	while (true) {
		spin_lock(&t->lock);
		uint32_t from = MAX((uint32_t)lowest, t->lowest);
		uint32_t fd =
			(uint32_t)bitmap_find_clear(t->slots.used, t->slots.capacity, MIN(from, t->slots.capacity));
		fd = MAX(fd, from);
		if (fd < limit && has_slot(t, fd)) {
			slot_fill(t, fd, f, close_on_exec);
			if ((uint32_t)lowest <= t->lowest)
				t->lowest = fd + 1;
			spin_unlock(&t->lock);
			return (int)fd;
		}
		spin_unlock(&t->lock);
		if (fd >= limit)
			return -EMFILE;
		int error = table_grow(t, fd);
		if (error != 0)
			return error;
	}
}

int file_install(struct file *f, bool close_on_exec)
{
	return file_install_from(f, 0, close_on_exec);
}

int file_reserve(bool close_on_exec)
{
	return file_install_from(nullptr, 0, close_on_exec);
}

void file_fill_reserved(int fd, struct file *f)
{
	struct file_table *t = table_current();

	spin_lock(&t->lock);
	if (f != nullptr) {
		t->slots.chunks[fd / (int)CHUNK][fd % (int)CHUNK] = f;
	} else {
		bitmap_clear(t->slots.used, (size_t)fd);
		bitmap_clear(t->slots.cloexec, (size_t)fd);
		t->lowest = MIN(t->lowest, (uint32_t)fd);
	}
	spin_unlock(&t->lock);
}

/* dup2: what was there is closed; its reference comes out in *replaced. */
int file_replace(struct file *f, uint32_t fd, bool close_on_exec, struct file **replaced)
{
	struct file_table *t = table_current();

	if (fd >= descriptor_limit())
		return -EBADF;
	spin_lock(&t->lock);
	while (!has_slot(t, fd)) {
		spin_unlock(&t->lock);
		int error = table_grow(t, fd);
		if (error != 0)
			return error;
		spin_lock(&t->lock);
	}
	*replaced = slot_get(&t->slots, fd);
	bool reserved = *replaced == nullptr && bitmap_test(t->slots.used, fd);
	if (!reserved)
		slot_fill(t, fd, f, close_on_exec);
	spin_unlock(&t->lock);
	return reserved ? -EBUSY : (int)fd;
}

int file_install_at(struct file *f, int fd)
{
	struct file *replaced = nullptr;
	int result = file_replace(f, (uint32_t)fd, false, &replaced);

	if (result >= 0 && replaced != nullptr)
		close_file(table_current(), replaced);
	return result;
}

int file_remove(int fd, struct file **out)
{
	struct file_table *t = table_current();

	spin_lock(&t->lock);
	struct file *f = slot_get(&t->slots, (uint32_t)fd);
	if (f != nullptr) {
		t->slots.chunks[fd / (int)CHUNK][fd % (int)CHUNK] = nullptr;
		bitmap_clear(t->slots.used, (size_t)fd);
		bitmap_clear(t->slots.cloexec, (size_t)fd);
		t->lowest = MIN(t->lowest, (uint32_t)fd);
	}
	spin_unlock(&t->lock);
	*out = f;
	return f != nullptr ? 0 : -EBADF;
}

int file_close(int fd)
{
	struct file *f;

	int error = file_remove(fd, &f);
	if (error == 0)
		close_file(table_current(), f);
	return error;
}

void file_close_replaced(struct file *f)
{
	close_file(table_current(), f);
}

bool file_get_cloexec(int fd)
{
	return file_table_cloexec(table_current(), fd);
}

void file_set_cloexec(int fd, bool on)
{
	struct file_table *t = table_current();

	spin_lock(&t->lock);
	if (slot_get(&t->slots, (uint32_t)fd) != nullptr) {
		if (on)
			bitmap_set(t->slots.cloexec, (size_t)fd);
		else
			bitmap_clear(t->slots.cloexec, (size_t)fd);
	}
	spin_unlock(&t->lock);
}

bool file_is_at(const struct file *f, int fd)
{
	struct file *now = file_table_at(table_current(), fd);

	file_put(now);
	return now == f;
}

const void *file_lock_owner(void)
{
	return table_current();
}
