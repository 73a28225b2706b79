/* SPDX-License-Identifier: MIT */
/*
 * The kernel heap: slabs of equal objects per size class, with a small per-CPU stack of free
 * objects in front; larger requests are whole page runs.
 *
 * Each object has a tag byte: its state and the component that owns (or last owned) it. So
 * allocations are charged to components, a second free is caught and names the object, and a fault
 * report can say whose object an address belongs to. Tags stand at the end of the slab, or in
 * struct page.private when a slab has at most eight objects. struct page of a slab's first page:
 * tag = class, refs = objects taken, link = list of slabs with room; the others' link.prev leads to
 * it. Debug builds fill free objects with a pattern and check it. Locks: slab_class.lock
 * (RANK_SLAB); page allocation is outside.
 */
#include <arch/page_ops.h>
#include <kernel/base/component.h>
#include <kernel/base/fail.h>
#include <kernel/base/log.h>
#include <kernel/mem/page.h>
#include <kernel/mem/slab.h>
#include <lib/string.h>
#include <lib/types.h>

#include "page_pool.h"

struct slab_class {
	struct spinlock lock;
	struct list partial GUARDED_BY(&lock); /* slabs with a free object */
	uint16_t size, count;
	uint8_t order;
	uint32_t reciprocal; /* of size, in units of 2^-RECIPROCAL_SHIFT, rounded up */
};

enum : uint8_t {
	TAG_LIVE = 0x80,
	TAG_CACHED = 0x40, /* free, in some CPU's stack */
	TAG_STATE = 0xc0,  /* neither: free in its slab */
	TAG_COMPONENT = 0x3f,
	POISON = 0x6b,
};
enum : unsigned { RECIPROCAL_SHIFT = 26, TAGS_IN_PAGE = 8, LARGEST = 2048, REFILL = SLAB_CACHE_SIZE / 2, BULK = 256 };

#define COUNT_IN(bytes, size) ((bytes) / (size) > TAGS_IN_PAGE ? (bytes) / ((size) + 1) : (bytes) / (size))
#define CLASS(n, size_, order_)                                                                                        \
	[n] = {.lock = SPINLOCK_INIT(RANK_SLAB),                                                                       \
	       .partial = LIST_INIT(classes[n].partial),                                                               \
	       .size = (size_),                                                                                        \
	       .order = (order_),                                                                                      \
	       .count = COUNT_IN(PAGE_SIZE << (order_), size_),                                                        \
	       .reciprocal = (1u << RECIPROCAL_SHIFT) / (size_) + 1}
static struct slab_class classes[SLAB_CLASSES] = {
	CLASS(0, 16, 0),   CLASS(1, 32, 0),    CLASS(2, 48, 0),	   CLASS(3, 64, 0),    CLASS(4, 96, 0),
	CLASS(5, 128, 0),  CLASS(6, 192, 0),   CLASS(7, 256, 0),   CLASS(8, 384, 0),   CLASS(9, 512, 0),
	CLASS(10, 768, 1), CLASS(11, 1024, 1), CLASS(12, 1536, 2), CLASS(13, 2048, 2),
};

/* By id; set when a component first allocates. */
static struct component *owners[TAG_COMPONENT + 1];

static unsigned class_of(size_t bytes)
{
	if (bytes <= 64)
		return bytes <= 16 ? 0 : (unsigned)((bytes - 1) / 16);
	/* From here on two classes for each doubling: 96, 128, 192, 256 … */
	unsigned top = 63 - (unsigned)__builtin_clzll(bytes - 1);
	return 2 * top - 8 + (unsigned)((bytes - 1) >> (top - 1) & 1);
}

static uint8_t *tags_of(struct page *slab, const struct slab_class *class)
{
	if (class->count <= TAGS_IN_PAGE)
		return (uint8_t *)&slab->private;
	return (uint8_t *)page_address(slab) + (PAGE_SIZE << class->order) - class->count;
}

static struct page *slab_of(const void *object)
{
	struct page *page = page_of(page_window_pfn(object));

	return page->flags & PAGE_SLAB_FIRST ? page : (struct page *)(void *)page->link.prev;
}

static unsigned index_in(const struct page *slab, const struct slab_class *class, const void *object)
{
	uint64_t offset = (uint64_t)object - (uint64_t)page_address(slab);

	return (unsigned)(offset * class->reciprocal >> RECIPROCAL_SHIFT);
}

static void account(unsigned id, int64_t bytes, int64_t allocations)
{
	struct component *c = owners[id];

	if (!c)
		return;
	__atomic_fetch_add(&c->bytes, (uint64_t)bytes, __ATOMIC_RELAXED);
	__atomic_fetch_add(&c->allocations, (uint64_t)allocations, __ATOMIC_RELAXED);
}

static unsigned current_owner(void)
{
	struct component *c = thread_current()->component;

	if (!c)
		return 0;
	unsigned id = c->id & TAG_COMPONENT;
	owners[id] = c;
	return id;
}

static void poison(void *object, size_t size)
{
	if (STELLUX_DEBUG)
		memset(object, POISON, size);
}

static void check_poison(const void *object, size_t size)
{
	const uint64_t *word = object;

	if (!STELLUX_DEBUG)
		return;
	for (size_t i = 0; i < size / sizeof(*word); i++) {
		if (unlikely(word[i] != 0x0101010101010101ull * POISON)) {
			char name[96];

			vm_describe_address((uint64_t)object, name, sizeof(name));
			log_error("vm: written after it was freed, at offset %zu: %s", i * sizeof(*word), name);
			KASSERT(!"heap object written after free");
		}
	}
}

/* A new slab, counted as having no object taken; on no list yet. */
static struct page *slab_create(struct slab_class *class)
{
	void *memory = page_alloc_kernel(class->order);

	if (!memory)
		return nullptr;
	struct page *slab = page_of(page_window_pfn(memory));
	if (STELLUX_DEBUG)
		memset(memory, POISON, PAGE_SIZE << class->order);
	slab->flags = PAGE_SLAB | PAGE_SLAB_FIRST;
	slab->tag = (uint16_t)(class - classes);
	slab->refs = 0;
	for (unsigned i = 1; i < 1u << class->order; i++) {
		slab[i].flags = PAGE_SLAB;
		slab[i].link.prev = (struct list *)(void *)slab;
	}
	memset(tags_of(slab, class), 0, class->count);
	__atomic_fetch_add(&page_slab_count, 1ull << class->order, __ATOMIC_RELAXED);
	return slab;
}

static void slab_destroy(struct slab_class *class, struct page *slab)
{
	for (unsigned i = 1; i < 1u << class->order; i++)
		slab[i].flags = 0;
	slab->flags = PAGE_KERNEL;
	page_free_kernel(page_address(slab), class->order);
	__atomic_fetch_sub(&page_slab_count, 1ull << class->order, __ATOMIC_RELAXED);
}

/* Moves up to `want` objects out of slabs with room. */
static unsigned take_objects(struct slab_class *class, void **out, unsigned want)
{
	unsigned got = 0;

	spin_lock(&class->lock);
	while (got < want && !list_empty(&class->partial)) {
		struct page *slab = list_first(&class->partial, struct page, link);
		uint8_t *tags = tags_of(slab, class);

		for (unsigned i = 0; i < class->count && got < want; i++) {
			if (tags[i] & TAG_STATE)
				continue;
			tags[i] |= TAG_CACHED;
			slab->refs++;
			out[got++] = (char *)page_address(slab) + (size_t)i * class->size;
		}
		if (slab->refs == class->count)
			list_remove(&slab->link);
	}
	spin_unlock(&class->lock);
	return got;
}

static unsigned refill(struct slab_class *class, void **out, unsigned want)
{
	unsigned got = take_objects(class, out, want);

	if (got)
		return got;
	struct page *slab = slab_create(class);
	if (!slab)
		return 0;
	spin_lock(&class->lock);
	list_push_front(&class->partial, &slab->link);
	spin_unlock(&class->lock);
	return take_objects(class, out, want);
}

/* Objects go back to their slabs; a slab that is empty then, while another has room, goes back to
 * the page allocator. */
static void return_objects(struct slab_class *class, void *const *objects, unsigned count)
{
	struct list empty = LIST_INIT(empty);
	struct page *slab, *next;

	spin_lock(&class->lock);
	for (unsigned i = 0; i < count; i++) {
		slab = slab_of(objects[i]);
		tags_of(slab, class)[index_in(slab, class, objects[i])] &= TAG_COMPONENT;
		if (slab->refs-- == class->count)
			list_push_back(&class->partial, &slab->link);
		if (slab->refs == 0 && class->partial.next != class->partial.prev) {
			list_remove(&slab->link);
			list_push_back(&empty, &slab->link);
		}
	}
	spin_unlock(&class->lock);
	list_for_each_safe(slab, next, &empty, link) {
		list_remove(&slab->link);
		slab_destroy(class, slab);
	}
}

static struct page_cpu *claim(void)
{
	struct page_cpu *c = page_cpus[thread_page_current()->cpu % PAGE_MAX_CPUS];

	if (unlikely(!c) || unlikely(__atomic_exchange_n(&c->slab_claimed, 1, __ATOMIC_ACQUIRE)))
		return nullptr;
	return c;
}

static void unclaim(struct page_cpu *c)
{
	__atomic_store_n(&c->slab_claimed, 0, __ATOMIC_RELEASE);
}

static void *take_object(unsigned n)
{
	struct page_cpu *c = claim();
	void *objects[REFILL];

	if (c) {
		struct slab_stack *stack = &c->slab[n];
		void *object = stack->count ? stack->object[--stack->count] : nullptr;

		unclaim(c);
		if (likely(object))
			return object;
	}
	unsigned got = refill(&classes[n], objects, REFILL);
	if (got == 0)
		return nullptr;
	void *object = objects[--got];
	c = claim();
	if (c) {
		struct slab_stack *stack = &c->slab[n];

		while (got && stack->count < SLAB_CACHE_SIZE)
			stack->object[stack->count++] = objects[--got];
		unclaim(c);
	}
	if (got)
		return_objects(&classes[n], objects, got);
	return object;
}

static void give_object(unsigned n, void *object)
{
	struct page_cpu *c = claim();
	void *objects[REFILL];

	if (!c) {
		return_objects(&classes[n], &object, 1);
		return;
	}
	struct slab_stack *stack = &c->slab[n];
	unsigned out = 0;
	if (unlikely(stack->count == SLAB_CACHE_SIZE))
		while (out < REFILL)
			objects[out++] = stack->object[--stack->count];
	stack->object[stack->count++] = object;
	unclaim(c);
	if (out)
		return_objects(&classes[n], objects, out);
}

static void *large_alloc(size_t bytes)
{
	unsigned order = 64 - (unsigned)__builtin_clzll((bytes - 1) >> PAGE_SHIFT);
	void *p;

	if (bytes <= PAGE_SIZE)
		order = 0;
	p = page_alloc_kernel(order);
	if (!p)
		return nullptr;
	bulk_zero(p, PAGE_SIZE << order);
	unsigned owner = current_owner();
	page_of(page_window_pfn(p))->tag = (uint16_t)owner;
	account(owner, PAGE_SIZE << order, 1);
	return p;
}

void *kmalloc(size_t bytes)
{
	if (fail_injected())
		return nullptr;
	if (bytes > LARGEST)
		return bytes > (PAGE_SIZE << (BUDDY_ORDERS - 1)) ? nullptr : large_alloc(bytes);
	unsigned n = class_of(bytes);
	struct slab_class *class = &classes[n];
	void *object = take_object(n);
	if (unlikely(!object))
		return nullptr;
	struct page *slab = slab_of(object);
	unsigned owner = current_owner();
	check_poison(object, class->size);
	tags_of(slab, class)[index_in(slab, class, object)] = (uint8_t)(TAG_LIVE | owner);
	account(owner, class->size, 1);
	if (class->size < BULK)
		memset(object, 0, class->size);
	else
		bulk_zero(object, class->size);
	return object;
}

static void refuse_free(const void *p)
{
	char name[96];

	vm_describe_address((uint64_t)p, name, sizeof(name));
	log_error("vm: kfree(%p) of what is not allocated: %s", p, name);
	KASSERT(!"bad kfree");
}

void kfree(void *p)
{
	if (!p)
		return;
	struct page *page = page_of(page_window_pfn(p));
	if (!(page->flags & PAGE_SLAB)) {
		if (unlikely(page->flags != PAGE_KERNEL || ((uint64_t)p & (PAGE_SIZE - 1)))) {
			refuse_free(p);
			return;
		}
		account(page->tag & TAG_COMPONENT, -(int64_t)(PAGE_SIZE << page->order), -1);
		page_free_kernel(p, page->order);
		return;
	}
	struct page *slab = slab_of(p);
	struct slab_class *class = &classes[slab->tag];
	unsigned index = index_in(slab, class, p);
	uint8_t *tag = &tags_of(slab, class)[index];
	if (unlikely((char *)page_address(slab) + (size_t)index * class->size != p || index >= class->count ||
		     (*tag & TAG_STATE) != TAG_LIVE)) {
		refuse_free(p);
		return;
	}
	account(*tag & TAG_COMPONENT, -(int64_t)class->size, -1);
	*tag = (*tag & TAG_COMPONENT) | TAG_CACHED;
	poison(p, class->size);
	give_object(slab->tag, p);
}

static size_t allocated_size(const void *p)
{
	struct page *page = page_of(page_window_pfn(p));

	return page->flags & PAGE_SLAB ? classes[slab_of(p)->tag].size : PAGE_SIZE << page->order;
}

void *krealloc(void *p, size_t bytes)
{
	if (!p)
		return kmalloc(bytes);
	size_t have = allocated_size(p);
	if (bytes <= have && bytes > have / 4)
		return p;
	void *fresh = kmalloc(bytes);
	if (!fresh)
		return nullptr;
	memcpy(fresh, p, MIN(have, bytes));
	kfree(p);
	return fresh;
}

char *kstrdup(const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = kmalloc(size);

	if (copy)
		memcpy(copy, s, size);
	return copy;
}

bool slab_describe(uint64_t address, struct slab_object *out)
{
	struct page *slab = slab_of((const void *)address);
	const struct slab_class *class = &classes[slab->tag];
	unsigned index = index_in(slab, class, (const void *)address);

	if (index >= class->count)
		return false;
	uint8_t tag = tags_of(slab, class)[index];
	struct component *owner = owners[tag & TAG_COMPONENT];
	*out = (struct slab_object){
		.base = (uint64_t)page_address(slab) + (uint64_t)index * class->size,
		.size = class->size,
		.live = (tag & TAG_STATE) == TAG_LIVE,
		.owner = owner ? owner->name : nullptr,
	};
	return true;
}

const char *slab_owner_name(unsigned id)
{
	struct component *owner = owners[id & TAG_COMPONENT];

	return owner ? owner->name : nullptr;
}
