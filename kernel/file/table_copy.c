/* SPDX-License-Identifier: MIT */
/*
 * The copy of a file table, for fork and whoever stops sharing one. Memory is allocated without the lock, so what is
 * there is compared again under it: other threads may open files meanwhile.
 */
#include "table_slots.h"

#include <kernel/base/subject.h>

/* What a copy needs: room for the highest descriptor. */
static uint32_t capacity_needed(struct file_table *t)
{
	uint32_t capacity = CHUNK;

	spin_lock(&t->lock);
	size_t words = bitmap_words(t->slots.capacity);
	while (words > 1 && t->slots.used[words - 1] == 0)
		words--;
	while (capacity < words * 64)
		capacity *= 2;
	spin_unlock(&t->lock);
	return capacity;
}

/* The first chunk from `from` on that has a file in src and is missing in t; the end: none. */
static uint32_t chunk_missing(const struct file_table *src, const struct file_table *t, uint32_t from)
{
	uint32_t end = MIN(src->slots.capacity, t->slots.capacity) / CHUNK;

	while (from < end && (src->slots.used[from] == 0 || t->slots.chunks[from] != nullptr))
		from++;
	return from < end ? from : UINT32_MAX;
}
static_assert(CHUNK == 64); /* one word of the bitmaps */

static void copy_files(struct file_table *t, const struct file_table *src)
{
	uint32_t capacity = MIN(src->slots.capacity, t->slots.capacity);

	memcpy(t->slots.used, src->slots.used, bitmap_words(capacity) * sizeof(uint64_t));
	memcpy(t->slots.cloexec, src->slots.cloexec, bitmap_words(capacity) * sizeof(uint64_t));
	t->lowest = src->lowest;
	for (size_t n = 0; (n = bitmap_find_set(t->slots.used, capacity, n)) < capacity; n++) {
		struct file *f = slot_get(&src->slots, (uint32_t)n);

		if (f == nullptr) { /* reserved: not for the copy */
			bitmap_clear(t->slots.used, n);
			bitmap_clear(t->slots.cloexec, n);
			t->lowest = MIN(t->lowest, (uint32_t)n);
			continue;
		}
		t->slots.chunks[n / CHUNK][n % CHUNK] = f;
		file_get(f);
	}
}

/* Brings t's chunks up to src's, whose lock is held at the end if the result is 0. -EAGAIN: src has outgrown t. */
static int match_chunks(struct file_table *t, struct file_table *src) NO_THREAD_SAFETY
{
	uint32_t missing = 0;

	while (true) {
		spin_lock(&src->lock);
		missing = chunk_missing(src, t, missing);
		if (missing == UINT32_MAX)
			missing = chunk_missing(src, t, 0); /* another thread may have opened files below */
		bool outgrown =
			bitmap_find_set(src->slots.used, src->slots.capacity, t->slots.capacity) < src->slots.capacity;
		if (missing == UINT32_MAX && !outgrown)
			return 0;
		spin_unlock(&src->lock);
		if (outgrown)
			return -EAGAIN;
		t->slots.chunks[missing] = kmalloc(CHUNK * sizeof(struct file *));
		if (t->slots.chunks[missing] == nullptr)
			return -ENOMEM;
	}
}

int file_table_clone(struct file_table *src, struct file_table **out) NO_THREAD_SAFETY
{
	struct file_table *t;
	int error;

	do {
		error = table_new(capacity_needed(src), &t);
		if (error != 0)
			return error;
		error = match_chunks(t, src);
		if (error != 0)
			table_free(t);
	} while (error == -EAGAIN);
	if (error != 0)
		return error;
	copy_files(t, src);
	spin_unlock(&src->lock);
	*out = t;
	return 0;
}

int file_table_unshare_current(void)
{
	struct subject *p = subject_current();
	struct file_table *mine;

	if (__atomic_load_n(&p->files->refs, __ATOMIC_RELAXED) == 1)
		return 0;
	int error = file_table_clone(p->files, &mine);
	if (error != 0)
		return error;
	mutex_lock(&p->lock);
	struct file_table *old = p->files;
	p->files = mine;
	mutex_unlock(&p->lock);
	file_table_put(old);
	return 0;
}
