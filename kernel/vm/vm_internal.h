/* SPDX-License-Identifier: MIT */
/*
 * What the files of kernel/vm share: the address space and its areas.
 *
 * space->lock: held for reading by what only adds pages where none are (faults, user copies); for
 * writing by what changes areas, takes pages away or replaces them (unmap, protect, copy-on-write,
 * fork). So under the read lock a page that was seen stays, and page tables stay. Objects are put
 * only after the lock is dropped (area lists called `dead`), because that may take inode locks. An
 * area's `sequence` fields are hints, written without exclusion.
 */
#ifndef KERNEL_VM_INTERNAL_H
#define KERNEL_VM_INTERNAL_H

#include <abi/errno.h>
#include <abi/mman.h>
#include <kernel/base/lock.h>
#include <kernel/base/subject.h>
#include <kernel/mem/page.h>
#include <kernel/thread/component.h>
#include <kernel/vm/object.h>
#include <kernel/vm/vm.h>
#include <lib/range_tree.h>
#include <lib/types.h>

DECLARE_COMPONENT(vm);

#define USER_MIN    0x10000ull		   /* nothing is mapped below (vm.mmap_min_addr) */
#define STACK_GAP   (256ull << PAGE_SHIFT) /* kept free below a growing stack */
#define CLUSTER_MAX 16
#define AREAS_MAX   65530 /* of one space: each costs kernel memory */

enum area_flags : uint32_t { /* besides those of kernel/vm/vm.h: 128, 1 << 16 */
			     AREA_SHARED = 1,
			     AREA_GROWS_DOWN = 2,
			     AREA_STACK = 4, /* the initial stack */
			     AREA_HEAP = 8,
			     AREA_LOCKED = 16,
			     AREA_NO_RESERVE = 32,
			     AREA_SPECIAL = 64, /* pages of the vDSO: fixed frames, no references, not inherited page by
						   page */
			     AREA_DONT_FORK = 256,
			     AREA_WIPE_ON_FORK = 512,
			     AREA_DONT_DUMP = 1024,
			     AREA_RANDOM = 2048,   /* madvise: no clusters */
			     AREA_PROMISED = 4096, /* its pages count as promised (commit.c) */
};

struct vm_special {
	const char *label;
	uint32_t pages;
	const uint64_t *pfns;
};

struct vm_area {
	struct range_node range;  /* page-aligned addresses */
	uint32_t prot;		  /* PROT_* */
	uint32_t flags;		  /* AREA_* */
	struct vm_object *object; /* with a reference; nullptr: anonymous */
	uint64_t page_offset;	  /* page of the object at range.start; special: index */
	const struct vm_special *special;
	uint64_t next_fault; /* where a sequential toucher faults next */
	uint32_t cluster;
	struct list dead; /* waits to be freed after the lock is dropped */
};

struct vm_space {
	struct rwlock lock;
	struct range_tree areas GUARDED_BY(&lock);
	uint32_t area_count GUARDED_BY(&lock);
	uint32_t refs; /* atomic */
	bool unsure;   /* pages may be mapped that are not counted: a copy is being made */
	uint32_t handle;
	uint64_t serial;				/* no other space has or had it */
	uint64_t root;					/* frame of the top-level table */
	uint64_t resident;				/* mapped pages (atomic) */
	uint64_t peak_resident, peak_total;		/* when they last went down (atomic) */
	uint64_t total_pages, locked_pages, data_pages; /* of areas; changed with the lock held for writing */
	uint64_t brk_start, brk;
	uint64_t mmap_top;
	uint32_t lock_future; /* MCL_FUTURE | MCL_ONFAULT */
	struct vm_exec_info exec;
	struct range_node *recent; /* area of the last fault; a hint, cleared when areas go */
	struct list all;	   /* in the list of all spaces */
};

/* Before pages go: how many there were at most. */
void vm_note_peaks(struct vm_space *s);

static inline struct vm_area *area_of(struct range_node *n)
{
	return container_of(n, struct vm_area, range);
}
static inline uint64_t area_start(const struct vm_area *a)
{
	return a->range.start;
}
static inline uint64_t area_end(const struct vm_area *a)
{
	return a->range.end;
}
static inline uint64_t area_index(const struct vm_area *a, uint64_t va)
{
	return a->page_offset + ((va - a->range.start) >> PAGE_SHIFT);
}
/* Private memory that can be written counts against RLIMIT_DATA. */
static inline bool area_is_data(const struct vm_area *a)
{
	return (a->prot & PROT_WRITE) && !(a->flags & (AREA_SHARED | AREA_GROWS_DOWN | AREA_STACK));
}
static inline struct vm_area *area_next(struct vm_space *s, struct vm_area *a) REQUIRES_SHARED(s->lock)
{
	struct range_node *n = range_next(&s->areas, &a->range);

	return n ? area_of(n) : nullptr;
}

/* --- area.c: areas without their pages --- */
/* The first area that ends above va, or nullptr. */
struct vm_area *area_find(struct vm_space *s, uint64_t va) REQUIRES_SHARED(s->lock);
struct vm_area *area_create(uint64_t start, uint64_t end, uint32_t prot, uint32_t flags);
void area_insert(struct vm_space *s, struct vm_area *a) REQUIRES(s -> lock);
void area_remove(struct vm_space *s, struct vm_area *a, struct list *dead) REQUIRES(s -> lock);
/* The part from `at` on becomes an area of its own, which is returned; nullptr: no memory. */
struct vm_area *area_split(struct vm_space *s, struct vm_area *a, uint64_t at) REQUIRES(s -> lock);
void area_resize(struct vm_space *s, struct vm_area *a, uint64_t start, uint64_t end) REQUIRES(s -> lock);
/* Joins a with equal neighbours; result: the area that now covers it. */
struct vm_area *area_merge(struct vm_space *s, struct vm_area *a, struct list *dead) REQUIRES(s -> lock);
void area_set_prot(struct vm_space *s, struct vm_area *a, uint32_t prot) REQUIRES(s -> lock);
void area_set_flags(struct vm_space *s, struct vm_area *a, uint32_t set, uint32_t clear) REQUIRES(s -> lock);
/* Frees areas and puts their objects; no lock held. */
void areas_bury(struct list *dead);
/* Splits at both ends so that whole areas cover [start, end) as far as anything does. -ENOMEM. */
[[nodiscard]] int areas_isolate(struct vm_space *s, uint64_t start, uint64_t end) REQUIRES(s -> lock);
/* Whether areas cover [start, end) without a hole. */
bool areas_cover(struct vm_space *s, uint64_t start, uint64_t end) REQUIRES_SHARED(s->lock);
/* Whether an area of this memory (struct vm_object) may exist anywhere; may say yes wrongly. */
bool area_memory_may_be_mapped(uint64_t memory);

/* --- pages.c: pages in the page tables --- */
/* Maps n user pages from va on (references are given away on success). 0, -EEXIST (nothing was
 * mapped), -ENOMEM. */
[[nodiscard]] int pages_map(struct vm_space *s, uint64_t va, struct page *const *pages, unsigned n, uint32_t prot)
	REQUIRES_SHARED(s->lock);
/* Takes all pages of an area in [start, end) out and drops their references. */
void pages_unmap(struct vm_space *s, const struct vm_area *a, uint64_t start, uint64_t end) REQUIRES(s -> lock);
/* Takes the page at va out if it is this one, and drops the mapping's reference. The call area stays as it is. */
void pages_unmap_this(struct vm_space *s, const struct vm_area *a, uint64_t va, const struct page *page)
	REQUIRES(s -> lock);
/* Applies prot to present pages as far as copy-on-write allows. */
void pages_protect(struct vm_space *s, const struct vm_area *a, uint64_t start, uint64_t end, uint32_t prot)
	REQUIRES(s -> lock);
/* Moves pages of an area from `from` to `to` (no overlap; nothing is mapped there). -ENOMEM: some
 * are moved, refault finds the rest gone: the caller unmaps both. */
[[nodiscard]] int pages_move(struct vm_space *s, const struct vm_area *a, uint64_t from, uint64_t to, uint64_t bytes)
	REQUIRES(s -> lock);
/* Gives dst, which nobody else knows yet, the pages of src's area. -ENOMEM. */
[[nodiscard]] int pages_clone(struct vm_space *dst, struct vm_space *src, const struct vm_area *a)
	REQUIRES(src -> lock);
uint64_t pages_count(struct vm_space *s, uint64_t start, uint64_t end) REQUIRES_SHARED(s->lock);
/* Protection that the nucleus accepts for one mapping: never writable and executable at once. What may be accessed at
 * all may be read, as on the hardware. */
static inline uint32_t prot_of_page(uint32_t prot, bool want_exec)
{
	if ((prot & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC))
		prot &= want_exec ? ~(uint32_t)PROT_WRITE : ~(uint32_t)PROT_EXEC;
	return prot ? prot | PROT_READ : 0;
}
/* The same without the right to write: of PROT_WRITE alone the right to read stays. */
static inline uint32_t prot_without_write(uint32_t prot)
{
	return prot ? (prot & ~(uint32_t)PROT_WRITE) | PROT_READ : 0;
}

/* --- map.c --- */
/* Result: the address, or -ENOMEM, -EEXIST, -EINVAL. */
long map_locked(struct vm_space *s, const struct map_request *r, struct list *dead) REQUIRES(s -> lock);
/* Removes all of [start, end). -ENOMEM: nothing was done. */
[[nodiscard]] int unmap_locked(struct vm_space *s, uint64_t start, uint64_t end, struct list *dead) REQUIRES(s -> lock);
/* A free place, or 0. */
uint64_t map_find_place(struct vm_space *s, uint64_t hint, uint64_t length, uint64_t high) REQUIRES_SHARED(s->lock);
/* RLIMIT_DATA alone; and all that bounds a new mapping: RLIMIT_AS, RLIMIT_DATA, promises. -ENOMEM. */
[[nodiscard]] int map_check_data(struct vm_space *s, uint64_t pages, uint32_t prot, uint32_t area_flags)
	REQUIRES_SHARED(s->lock);
[[nodiscard]] int map_check_limits(struct vm_space *s, uint64_t pages, uint32_t prot, uint32_t area_flags)
	REQUIRES_SHARED(s->lock);
bool range_is_user(uint64_t start, uint64_t length);

/* --- commit.c: what was promised to programs --- */
/* Whether memory with these attributes is a promise: pages of its own that may be written. */
bool commit_counts(uint32_t prot, uint32_t area_flags);
/* Whether that many pages more may be promised to this space, besides those that the caller is about to promise
 * `before` them. -ENOMEM. */
[[nodiscard]] int commit_check(const struct vm_space *s, uint64_t pages, uint64_t before);
void commit_count(int64_t pages);
/* MAP_NORESERVE is believed. */
bool commit_believes(void);

/* --- fault.c --- */
/* Faults in all pages of [start, end) that their areas allow. First error. */
int vm_populate(struct vm_space *s, uint64_t start, uint64_t end, bool write);
/* The object's operation under its guard; 0 where it has none. */
unsigned object_find_cached(struct vm_object *o, uint64_t index, unsigned n, struct page **out);
extern struct page *vm_zero_page; /* one user page of zeros, mapped read-only; one reference is its own */

static inline struct vm_space *vm_current(void)
{
	struct subject *p = subject_current();

	return p ? p->space : nullptr;
}

/* Prepares the pages that vm_map_vdso maps; after page_init. -ENOMEM. */
[[nodiscard]] int vdso_init(uint64_t time_page_pfn);

#endif
