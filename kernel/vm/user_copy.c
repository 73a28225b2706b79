/* SPDX-License-Identifier: MIT */
/*
 * Copies between the kernel and a process's memory, by software translation: walk the page table
 * under the space's read lock, copy through the window, and when a page is absent or may not be
 * written, drop the lock and call the fault code. The lock keeps the page: nothing is unmapped,
 * replaced or freed while it is held for reading. Interface: kernel/vm/user.h.
 */
#include "vm_internal.h"

#include <arch/page_ops.h>
#include <kernel/vm/page_table_walk.h>
#include <kernel/vm/user.h>
#include <lib/string.h>

enum direction { FROM_USER, TO_USER, CLEAR_USER };
enum : size_t { BULK = 256 }; /* from here on string instructions are cheaper than the loop of memcpy */

/* Whether the access can go on through this entry. */
ALWAYS_INLINE bool entry_allows(uint64_t entry, enum direction direction)
{
	return direction == FROM_USER ? page_entry_present(entry) : page_entry_writable(entry);
}

ALWAYS_INLINE void move(void *user, char *kernel, size_t n, enum direction direction)
{
	if (direction == FROM_USER && n < BULK)
		memcpy(kernel, user, n);
	else if (direction == FROM_USER)
		bulk_copy(kernel, user, n);
	else if (direction == TO_USER && n < BULK)
		memcpy(user, kernel, n);
	else if (direction == TO_USER)
		bulk_copy(user, kernel, n);
	else
		bulk_zero(user, n);
}

ALWAYS_INLINE void *entry_address(uint64_t entry, uint64_t va)
{
	return (char *)page_window(page_entry_pfn(entry)) + (va & (PAGE_SIZE - 1));
}

/* Copies as far as pages are there; *stopped_at is the entry that ended it. */
static size_t transfer_present(struct vm_space *s, uint64_t va, char *kernel, size_t n, enum direction direction,
			       uint64_t *stopped_at) REQUIRES_SHARED(s->lock)
{
	size_t done = 0;

	while (done < n) {
		uint64_t at = va + done;
		uint64_t entry = page_table_lookup(s->root, at);
		size_t chunk = MIN(n - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));

		if (unlikely(!entry_allows(entry, direction))) {
			*stopped_at = entry;
			break;
		}
		move(entry_address(entry, at), kernel + done, chunk, direction);
		done += chunk;
	}
	return done;
}

/* As transfer_present, on pages. */
static size_t transfer_present_pages(struct vm_space *s, uint64_t va, struct page *const *pages, size_t skip, size_t n,
				     enum direction direction, uint64_t *stopped_at) REQUIRES_SHARED(s->lock)
{
	const uint64_t *leaf = nullptr;
	size_t done = 0;

	while (done < n) {
		uint64_t at = va + done;
		size_t there = skip + done, within = at & (PAGE_SIZE - 1), of_page = there & (PAGE_SIZE - 1);
		size_t chunk = MIN(n - done, PAGE_SIZE - MAX(within, of_page));

		/* Of a leaf table the entries follow each other; a page may be looked at twice. */
		if (leaf == nullptr || (at & (PAGE_TABLE_SPAN - 1)) == 0)
			leaf = page_table_leaf(s->root, at);
		uint64_t entry = leaf != nullptr ? page_entry_load(leaf) : 0;
		if (unlikely(!entry_allows(entry, direction))) {
			*stopped_at = entry;
			break;
		}
		move(entry_address(entry, at), (char *)page_address(pages[there / PAGE_SIZE]) + of_page, chunk,
		     direction);
		done += chunk;
		leaf += within + chunk == PAGE_SIZE;
	}
	return done;
}

/*
 * Whether an access through an entry that refused it is to be tried again: the fault is mended. Another thread, or
 * another process in the same space, may take the page away as fast as faults bring it, so a thread that is to end
 * gives up after some; not at the first, because what it leaves behind (robust futexes, the word that its joiner waits
 * for) may need a fault or two.
 */
static bool mend(struct vm_space *s, uint64_t va, uint64_t entry, enum direction direction, unsigned *faults)
{
	enum : unsigned { FAULTS_WHEN_DYING = 64 };
	uint32_t bits = FAULT_USER | (direction == FROM_USER ? 0 : FAULT_WRITE) |
			(page_entry_present(entry) ? FAULT_PRESENT : 0);

	return vm_fault(s, va, bits) == 0 && (++*faults < FAULTS_WHEN_DYING || !signal_fatal_current());
}

/* The kernel's side of a copy: bytes, or the pages that have them from byte `skip` of the first on. */
struct kernel_side {
	char *bytes;
	struct page *const *pages; /* nullptr: bytes */
	size_t skip;
};

static size_t transfer_side(struct vm_space *s, uint64_t va, const struct kernel_side *k, size_t n,
			    enum direction direction)
{
	unsigned faults = 0;
	uint64_t entry = 0;
	size_t done = 0;

	if (!s || va >= USER_END)
		return 0;
	size_t within = MIN(n, USER_END - va);
	for (;;) {
		read_lock(&s->lock);
		if (k->pages != nullptr)
			done += transfer_present_pages(s, va + done, k->pages, k->skip + done, within - done, direction,
						       &entry);
		else
			done += transfer_present(s, va + done, k->bytes + done, within - done, direction, &entry);
		read_unlock(&s->lock);
		if (done == within)
			return done;
		if (!mend(s, va + done, entry, direction, &faults))
			return done;
	}
}

static __attribute__((noinline)) size_t transfer_slow(struct vm_space *s, uint64_t va, char *kernel, size_t n,
						      enum direction direction)
{
	return transfer_side(s, va, &(struct kernel_side){.bytes = kernel}, n, direction);
}

/* The common case, all within one page that is there, by the shortest way. */
ALWAYS_INLINE size_t transfer(struct vm_space *s, uint64_t va, char *kernel, size_t n, enum direction direction)
{
	if (likely(s) && likely(va < USER_END) && likely(n <= PAGE_SIZE - (va & (PAGE_SIZE - 1)))) {
		read_lock(&s->lock);
		uint64_t entry = page_table_lookup(s->root, va);
		bool there = entry_allows(entry, direction);
		if (likely(there))
			move(entry_address(entry, va), kernel, n, direction);
		read_unlock(&s->lock);
		if (likely(there))
			return n;
	}
	return transfer_slow(s, va, kernel, n, direction);
}

static size_t transfer_pages(uint64_t va, struct page *const *pages, size_t skip, size_t n, enum direction direction)
{
	return transfer_side(vm_current(), va, &(struct kernel_side){.pages = pages, .skip = skip}, n, direction);
}

size_t copy_pages_from_user(struct page *const *pages, size_t skip, user_addr src, size_t n)
{
	return transfer_pages(src.value, pages, skip, n, FROM_USER);
}

size_t copy_pages_to_user(user_addr dst, struct page *const *pages, size_t skip, size_t n)
{
	return transfer_pages(dst.value, pages, skip, n, TO_USER);
}

size_t copy_from_user_partial(void *dst, user_addr src, size_t n)
{
	return transfer(vm_current(), src.value, dst, n, FROM_USER);
}

size_t copy_to_user_partial(user_addr dst, const void *src, size_t n)
{
	return transfer(vm_current(), dst.value, (char *)src, n, TO_USER);
}

int copy_from_user(void *dst, user_addr src, size_t n)
{
	return copy_from_user_partial(dst, src, n) == n ? 0 : -EFAULT;
}

int copy_to_user(user_addr dst, const void *src, size_t n)
{
	return copy_to_user_partial(dst, src, n) == n ? 0 : -EFAULT;
}

size_t clear_user_partial(user_addr dst, size_t n)
{
	return transfer(vm_current(), dst.value, nullptr, n, CLEAR_USER);
}

int clear_user(user_addr dst, size_t n)
{
	return clear_user_partial(dst, n) == n ? 0 : -EFAULT;
}

size_t vm_read_partial(struct vm_space *s, uint64_t va, void *data, size_t n)
{
	return transfer(s, va, data, n, FROM_USER);
}

size_t vm_write_partial(struct vm_space *s, uint64_t va, const void *data, size_t n)
{
	return transfer(s, va, (char *)data, n, TO_USER);
}

int vm_read(struct vm_space *s, uint64_t va, void *data, size_t n)
{
	return vm_read_partial(s, va, data, n) == n ? 0 : -EFAULT;
}

int vm_write(struct vm_space *s, uint64_t va, const void *data, size_t n)
{
	return vm_write_partial(s, va, data, n) == n ? 0 : -EFAULT;
}

long copy_string_from_user(char *dst, user_addr src, size_t size)
{
	size_t done = 0;

	while (done < size) {
		uint64_t at = src.value + done;
		size_t chunk = MIN(size - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));

		/* To the end of the page: what follows the string there may be read, the next page
		 * perhaps not. */
		chunk = MIN(chunk, (size_t)128);
		if (copy_from_user(dst + done, USER_ADDR(at), chunk))
			return -EFAULT;
		const char *end = memchr(dst + done, 0, chunk);
		if (end)
			return end - dst;
		done += chunk;
	}
	return -ENAMETOOLONG;
}

/* Window address of a user word whose page is present (and writable), with the space locked for
 * reading; nullptr: lock dropped, error set. */
static uint32_t *word_lock(struct vm_space *s, uint64_t at, enum direction direction, int *error) NO_THREAD_SAFETY
{
	unsigned faults = 0;

	*error = -EFAULT;
	if (!s || at >= USER_END || at % sizeof(uint32_t))
		return nullptr;
	for (;;) {
		read_lock(&s->lock);
		uint64_t entry = page_table_lookup(s->root, at);
		if (likely(entry_allows(entry, direction)))
			return entry_address(entry, at);
		read_unlock(&s->lock);
		if (!mend(s, at, entry, direction, &faults))
			return nullptr;
	}
}

int user_load_u32(user_addr at, uint32_t *out) NO_THREAD_SAFETY
{
	struct vm_space *s = vm_current();
	int error;
	uint32_t *word = word_lock(s, at.value, FROM_USER, &error);

	if (!word)
		return error;
	*out = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	read_unlock(&s->lock);
	return 0;
}

int user_cmpxchg_u32(user_addr at, uint32_t expected, uint32_t desired, uint32_t *seen) NO_THREAD_SAFETY
{
	struct vm_space *s = vm_current();
	int error;
	uint32_t *word = word_lock(s, at.value, TO_USER, &error);

	if (!word)
		return error;
	*seen = expected;
	__atomic_compare_exchange_n(word, seen, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	read_unlock(&s->lock);
	return 0;
}

int user_word_key(user_addr at, bool private_mapping, struct user_key *out)
{
	struct vm_space *s = vm_current();
	uint32_t unused;
	int error;

	if (!s || at.value >= USER_END || at.value % sizeof(uint32_t))
		return -EFAULT;
	*out = (struct user_key){(uint64_t)s, at.value};
	if (private_mapping)
		return 0;
	/* A word that cannot be reached (PROT_NONE, beyond the object's end) names no memory. */
	error = user_load_u32(at, &unused);
	if (error)
		return error;
	read_lock(&s->lock);
	struct vm_area *a = area_find(s, at.value);
	if (!a || at.value < area_start(a) || !(a->prot & (PROT_READ | PROT_WRITE)))
		error = -EFAULT;
	else if (!a->object && !a->special && !(a->prot & PROT_WRITE))
		error = -EFAULT; /* whose it will be when somebody writes is not known yet */
	else if ((a->flags & AREA_SHARED) && a->object && a->object->memory)
		/* Not its address: the key may outlive the mapping and the object. */
		*out = (struct user_key){a->object->memory,
					 (area_index(a, at.value) << PAGE_SHIFT) + (at.value & (PAGE_SIZE - 1))};
	read_unlock(&s->lock);
	return error;
}
