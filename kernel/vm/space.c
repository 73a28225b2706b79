/* SPDX-License-Identifier: MIT */
/*
 * Address spaces as a whole: create, copy (fork), destroy, describe. Interface: kernel/vm/vm.h; locks:
 * vm_internal.h.
 *
 * All spaces stand in one list so that cutting memory can find its mappings; the list holds no
 * references, so whoever walks it takes one that is refused once the last is gone.
 */
#include "vm_internal.h"

#include <kernel/base/fail.h>
#include <kernel/base/fault_point.h>
#include <kernel/base/log.h>
#include <kernel/base/random.h>
#include <kernel/base/vdso.h>
#include <kernel/mem/slab.h>
#include <kernel/thread/guard.h>
#include <kernel/vm/page_table_walk.h>
#include <lib/string.h>
#include <nucleus/calls.h>

constexpr uint64_t MMAP_TOP = 0x00007ff000000000;  /* the space above is for stacks and the vDSO */
constexpr uint64_t MMAP_RANDOM_PAGES = 1ull << 26; /* 256 GiB of places */

static uint64_t last_serial;				    /* atomic */
static struct spinlock all_lock = SPINLOCK_INIT(RANK_NONE); /* leaf */
static struct list all_spaces GUARDED_BY(&all_lock) = LIST_INIT(all_spaces);
static struct list zombies GUARDED_BY(&all_lock) = LIST_INIT(zombies); /* unmapped, but a thread was still leaving */

int vm_init(const struct boot_info *boot)
{
	int error = page_init(boot->frame_count);

	if (error)
		return error;
	vm_zero_page = page_alloc_user(true);
	return vm_zero_page ? vdso_init(boot->time_page_pfn) : -ENOMEM;
}

static int create(struct vm_space **out)
{
	struct vm_space *s = kmalloc(sizeof(*s));
	long handle;

	if (!s)
		return -ENOMEM;
	if (fail_injected()) {
		kfree(s);
		return -ENOMEM;
	}
	do {
		handle = nucleus_space_create();
	} while (handle == -ENOMEM && page_relieve_nucleus());
	if (handle < 0) {
		kfree(s);
		return (int)handle;
	}
	rwlock_init(&s->lock, RANK_SPACE);
	s->refs = 1;
	s->handle = (uint32_t)handle;
	s->serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
	s->root = (uint64_t)nucleus_space_root(s->handle);
	list_init(&s->all);
	*out = s;
	return 0;
}

static void publish(struct vm_space *s)
{
	spin_lock(&all_lock);
	list_push_back(&all_spaces, &s->all);
	spin_unlock(&all_lock);
}

int vm_space_create(struct vm_space **out) NO_THREAD_SAFETY
{
	uint64_t random;
	int error = create(out);

	if (error)
		return error;
	random_bytes(&random, sizeof(random));
	(*out)->mmap_top = MMAP_TOP - (random % MMAP_RANDOM_PAGES << PAGE_SHIFT);
	range_tree_init(&(*out)->areas, USER_MIN);
	publish(*out);
	return 0;
}

static int clone_area(struct vm_space *d, struct vm_space *s, struct vm_area *a) REQUIRES(s -> lock) NO_THREAD_SAFETY
{
	if (a->flags & AREA_DONT_FORK)
		return 0;
	if ((a->flags & AREA_PROMISED) && commit_check(d, (area_end(a) - area_start(a)) >> PAGE_SHIFT, 0))
		return -ENOMEM;
	/* Locks on memory are not inherited (mlock(2)). */
	struct vm_area *copy = area_create(area_start(a), area_end(a), a->prot, a->flags & ~(uint32_t)AREA_LOCKED);
	if (!copy)
		return -ENOMEM;
	copy->object = a->object;
	copy->page_offset = a->page_offset;
	copy->special = a->special;
	if (copy->object)
		vm_object_get(copy->object);
	area_insert(d, copy);
	if (a->flags & (AREA_SPECIAL | AREA_WIPE_ON_FORK))
		return 0;
	/* Pages may be mapped that are not yet counted. */
	d->unsure = true;
	int error = pages_clone(d, s, a);
	d->unsure = false;
	FAULT_POINT(clone_area);
	return error;
}

int vm_space_clone(struct vm_space *src, struct vm_space **out) NO_THREAD_SAFETY
{
	struct vm_space *d;
	int error = create(&d);

	if (error)
		return error;
	range_tree_init(&d->areas, USER_MIN);
	/* From here on whoever made it can give it back, whatever happens. */
	*out = d;
	write_lock(&src->lock);
	d->brk_start = src->brk_start;
	d->brk = src->brk;
	d->mmap_top = src->mmap_top;
	d->exec = src->exec;
	for (struct range_node *n = range_first(&src->areas); n && !error; n = range_next(&src->areas, n))
		error = clone_area(d, src, area_of(n));
	/*
	 * Nobody may find the areas before they are whole, and a truncate must find either what is copied or the copy:
	 * it goes through the list in order, and waits at src until the copy is behind it.
	 */
	if (!error)
		publish(d);
	write_unlock(&src->lock);
	if (error) {
		*out = nullptr;
		vm_space_put(d);
	}
	return error;
}

bool vm_space_is_shared(struct vm_space *s)
{
	return __atomic_load_n(&s->refs, __ATOMIC_ACQUIRE) > 1;
}

uint32_t vm_space_references(const struct vm_space *s)
{
	return __atomic_load_n(&s->refs, __ATOMIC_ACQUIRE);
}

void vm_space_get(struct vm_space *s)
{
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
}

static bool try_get(struct vm_space *s)
{
	uint32_t refs = __atomic_load_n(&s->refs, __ATOMIC_RELAXED);

	while (refs)
		if (__atomic_compare_exchange_n(&s->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* Frees the page tables; false while some thread is still about to leave them. */
static bool destroy_tables(struct vm_space *s)
{
	return nucleus_space_destroy(s->handle) != -EBUSY;
}

/* Spaces whose last user ended while a holder of locks looked at them (vm_unmap_memory); ended by
 * whoever comes next without. */
static struct list orphans GUARDED_BY(&all_lock) = LIST_INIT(orphans);

static bool is_last(struct vm_space *s)
{
	return __atomic_fetch_sub(&s->refs, 1, __ATOMIC_ACQ_REL) == 1;
}

static void retry_zombies(void)
{
	struct list later = LIST_INIT(later);

	for (;;) {
		struct vm_space *s = nullptr;

		spin_lock(&all_lock);
		if (!list_empty(&zombies)) {
			s = list_first(&zombies, struct vm_space, all);
			list_remove(&s->all);
		}
		spin_unlock(&all_lock);
		if (!s)
			break;
		if (destroy_tables(s))
			kfree(s);
		else
			list_push_back(&later, &s->all);
	}
	spin_lock(&all_lock);
	while (!list_empty(&later)) {
		struct list *node = later.next;

		list_remove(node);
		list_push_back(&zombies, node);
	}
	spin_unlock(&all_lock);
}

/* Nobody refers to it any more. After a fault in it it is called again. True: all is gone but the structure itself. */
static bool destroy_steps(struct vm_space *s)
{
	struct list dead = LIST_INIT(dead);
	struct range_node *n;

	spin_lock(&all_lock);
	list_remove(&s->all);
	spin_unlock(&all_lock);
	do {
		write_lock(&s->lock);
		n = range_last(&s->areas);
		if (n) {
			struct vm_area *a = area_of(n);

			pages_unmap(s, a, area_start(a), area_end(a));
			FAULT_POINT(exit_space_pages);
			area_remove(s, a, &dead);
		}
		write_unlock(&s->lock);
		/* One by one, so that a fault on the way loses one at the most. */
		areas_bury(&dead);
	} while (n);
	/* An exiting thread gives its space up from inside. */
	if (!vm_current() || vm_current() == s)
		nucleus_space_use(0);
	if (destroy_tables(s))
		return true;
	spin_lock(&all_lock);
	list_push_back(&zombies, &s->all);
	spin_unlock(&all_lock);
	return false;
}

static void destroy(struct vm_space *s)
{
	/* Counts that may be wrong are not given back. */
	long gone = s->unsure ? -EFAULT : guard_run(&component_vm, destroy_steps(s));

	if (gone == -EFAULT && !s->unsure)
		gone = guard_run(&component_vm, destroy_steps(s));
	if (gone == -EFAULT)
		log_error("vm: an address space is lost with %lu resident pages", s->resident);
	else if (gone != 0)
		kfree(s);
}

static struct vm_space *take_orphan(void)
{
	struct vm_space *s = nullptr;

	spin_lock(&all_lock);
	if (!list_empty(&orphans)) {
		s = list_first(&orphans, struct vm_space, all);
		list_remove(&s->all);
	}
	spin_unlock(&all_lock);
	return s;
}

void vm_space_put(struct vm_space *s)
{
	struct vm_space *orphan;

	if (!is_last(s))
		return;
	destroy(s);
	while ((orphan = take_orphan()))
		destroy(orphan);
	retry_zombies();
}

/* For holders of locks that the end of a space may want. */
static void put_later(struct vm_space *s)
{
	if (!is_last(s))
		return;
	spin_lock(&all_lock);
	list_remove(&s->all);
	list_push_back(&orphans, &s->all);
	spin_unlock(&all_lock);
}

uint64_t vm_space_serial(const struct vm_space *s)
{
	return s->serial;
}

uint32_t vm_space_handle(const struct vm_space *s)
{
	return s->handle;
}

void vm_space_set_name(struct vm_space *s, const char *name, uint32_t pid)
{
	uint64_t words[2] = {0, 0};

	memcpy(words, name, strnlen(name, sizeof(words) - 1));
	string_make_printable((char *)words, sizeof(words));
	nucleus_space_set_name(s->handle, words[0], words[1], pid);
}

void vm_space_use(struct vm_space *s)
{
	nucleus_space_use(s->handle);
}

static const char *label_of(const struct vm_area *a)
{
	if (a->special)
		return a->special->label;
	if (a->flags & AREA_HEAP)
		return "[heap]";
	return a->flags & AREA_STACK ? "[stack]" : nullptr;
}

int vm_for_each_area(struct vm_space *s, int (*emit)(void *ctx, const struct vm_area_info *a), void *ctx)
{
	int result = 0;

	read_lock(&s->lock);
	for (struct range_node *n = range_first(&s->areas); n && !result; n = range_next(&s->areas, n)) {
		const struct vm_area *a = area_of(n);
		struct vm_area_info info = {
			.start = n->start,
			.end = n->end,
			.offset = a->object ? a->page_offset << PAGE_SHIFT : 0,
			.prot = a->prot,
			.shared = a->flags & AREA_SHARED,
			.locked = a->flags & AREA_LOCKED,
			.resident_pages = pages_count(s, n->start, n->end),
			.dont_dump = a->flags & AREA_DONT_DUMP,
			.special = a->special != nullptr,
			.object = a->object,
			.label = label_of(a),
		};

		result = emit(ctx, &info);
	}
	read_unlock(&s->lock);
	return result;
}

/* The top-level table, and a leaf table for each span that an area reaches into. */
static uint64_t table_bytes(struct vm_space *s) REQUIRES_SHARED(s->lock)
{
	uint64_t tables = 1, done = 0;

	for (struct range_node *n = range_first(&s->areas); n; n = range_next(&s->areas, n)) {
		uint64_t end = align_up(n->end, PAGE_TABLE_SPAN), at = MAX(align_down(n->start, PAGE_TABLE_SPAN), done);

		/* Where upper tables are missing it goes on behind them, however large the area is. */
		while ((at = page_table_skip(s->root, at, end)) < end) {
			tables++;
			at = align_down(at, PAGE_TABLE_SPAN) + PAGE_TABLE_SPAN;
		}
		done = end;
	}
	return tables * PAGE_SIZE;
}

static void raise_to(uint64_t *peak, uint64_t value)
{
	uint64_t old = __atomic_load_n(peak, __ATOMIC_RELAXED);

	while (value > old && !__atomic_compare_exchange_n(peak, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void vm_note_peaks(struct vm_space *s)
{
	raise_to(&s->peak_resident, __atomic_load_n(&s->resident, __ATOMIC_RELAXED));
	raise_to(&s->peak_total, s->total_pages);
}

static void add_area_stats(struct vm_space *s, const struct vm_area *a, uint64_t start, uint64_t end,
			   struct vm_stats *out) REQUIRES_SHARED(s->lock)
{
	uint64_t bytes = end - start;

	if (a->flags & AREA_STACK)
		out->stack_bytes += bytes;
	else if (area_is_data(a))
		out->data_bytes += bytes;
	if ((a->prot & PROT_EXEC) && a->object)
		out->text_bytes += bytes;
	if (!a->object)
		return;
	if ((a->flags & AREA_SHARED) && a->object->unnamed)
		out->shared_pages += pages_count(s, start, end);
	else
		out->file_pages += pages_count(s, start, end);
}

void vm_stats(struct vm_space *s, struct vm_stats *out)
{
	*out = (struct vm_stats){0};
	read_lock(&s->lock);
	for (struct range_node *n = range_first(&s->areas); n; n = range_next(&s->areas, n))
		add_area_stats(s, area_of(n), n->start, n->end, out);
	vm_note_peaks(s);
	out->virtual_bytes = s->total_pages << PAGE_SHIFT;
	out->peak_bytes = s->peak_total << PAGE_SHIFT;
	out->locked_pages = s->locked_pages;
	out->resident_pages = s->resident;
	out->peak_pages = s->peak_resident;
	out->table_bytes = table_bytes(s);
	read_unlock(&s->lock);
}

uint64_t vm_resident_pages(const struct vm_space *s)
{
	return __atomic_load_n(&s->resident, __ATOMIC_RELAXED);
}

void vm_set_exec_info(struct vm_space *s, const struct vm_exec_info *info)
{
	write_lock(&s->lock);
	s->exec = *info;
	write_unlock(&s->lock);
}

void vm_get_exec_info(struct vm_space *s, struct vm_exec_info *info)
{
	read_lock(&s->lock);
	*info = s->exec;
	read_unlock(&s->lock);
}

static uint64_t locked_in(struct vm_space *s)
{
	uint64_t count = 0;

	read_lock(&s->lock);
	for (struct range_node *n = range_first(&s->areas); n && s->locked_pages; n = range_next(&s->areas, n))
		if (area_of(n)->flags & AREA_LOCKED)
			count += pages_count(s, n->start, n->end);
	read_unlock(&s->lock);
	return count;
}

/* The space after `previous` in the list of all, with a reference; that on `previous` keeps its place meanwhile, and is
 * given back. */
static struct vm_space *next_space(struct vm_space *previous)
{
	struct vm_space *s = nullptr;

	spin_lock(&all_lock);
	struct list *at = previous ? previous->all.next : all_spaces.next;
	for (; at != &all_spaces && !s; at = at->next)
		if (try_get(list_entry(at, struct vm_space, all)))
			s = list_entry(at, struct vm_space, all);
	spin_unlock(&all_lock);
	if (previous)
		put_later(previous);
	return s;
}

uint64_t vm_locked_pages(void)
{
	uint64_t count = 0;

	for (struct vm_space *s = next_space(nullptr); s; s = next_space(s))
		count += locked_in(s);
	return count;
}

static void unmap_memory_in(struct vm_space *s, uint64_t memory, uint64_t first_page)
{
	write_lock(&s->lock);
	for (struct range_node *n = range_first(&s->areas); n; n = range_next(&s->areas, n)) {
		struct vm_area *a = area_of(n);
		uint64_t pages = (n->end - n->start) >> PAGE_SHIFT;

		if (!a->object || a->object->memory != memory || a->page_offset + pages <= first_page)
			continue;
		uint64_t skip = first_page > a->page_offset ? first_page - a->page_offset : 0;
		pages_unmap(s, a, n->start + (skip << PAGE_SHIFT), n->end);
	}
	write_unlock(&s->lock);
}

void vm_unmap_memory(uint64_t memory, uint64_t first_page)
{
	if (!area_memory_may_be_mapped(memory))
		return;
	for (struct vm_space *s = next_space(nullptr); s; s = next_space(s))
		unmap_memory_in(s, memory, first_page);
}

static void protect_memory_in(struct vm_space *s, uint64_t memory, uint64_t first, uint64_t last)
{
	write_lock(&s->lock);
	for (struct range_node *n = range_first(&s->areas); n; n = range_next(&s->areas, n)) {
		struct vm_area *a = area_of(n);
		uint64_t pages = (n->end - n->start) >> PAGE_SHIFT;

		if (!a->object || a->object->memory != memory || !(a->flags & AREA_SHARED) || !(a->prot & PROT_WRITE) ||
		    a->page_offset > last || a->page_offset + pages <= first)
			continue;
		uint64_t from = MAX(first, a->page_offset) - a->page_offset;
		uint64_t end = MIN(last - a->page_offset + 1, pages);

		pages_protect(s, a, n->start + (from << PAGE_SHIFT), n->start + (end << PAGE_SHIFT),
			      prot_without_write(a->prot));
	}
	write_unlock(&s->lock);
}

void vm_protect_memory(uint64_t memory, uint64_t first, uint64_t last)
{
	if (!area_memory_may_be_mapped(memory))
		return;
	for (struct vm_space *s = next_space(nullptr); s; s = next_space(s))
		protect_memory_in(s, memory, first, last);
}

/* Without the lock of the space there is no harm: the pages stay. */
static void let_go_in(struct vm_space *s, uint64_t memory, const uint64_t *index, struct page *const *pages, unsigned n)
{
	if (!write_try_lock(&s->lock))
		return;
	for (struct range_node *r = range_first(&s->areas); r; r = range_next(&s->areas, r)) {
		struct vm_area *a = area_of(r);
		uint64_t count = (r->end - r->start) >> PAGE_SHIFT;

		if (!a->object || a->object->memory != memory || (a->flags & (AREA_LOCKED | AREA_SPECIAL)))
			continue;
		for (unsigned k = 0; k < n; k++)
			if (index[k] - a->page_offset < count)
				pages_unmap_this(s, a, r->start + ((index[k] - a->page_offset) << PAGE_SHIFT),
						 pages[k]);
	}
	write_unlock(&s->lock);
}

void vm_let_go(uint64_t memory, const uint64_t *index, struct page *const *pages, unsigned n)
{
	if (!area_memory_may_be_mapped(memory))
		return;
	for (struct vm_space *s = next_space(nullptr); s; s = next_space(s))
		let_go_in(s, memory, index, pages, n);
}
