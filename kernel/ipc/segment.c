/* SPDX-License-Identifier: MIT */
/*
 * Shared memory of System V: shmget(2), shmop(2). A segment is a file in memory without a name, and what areas show is
 * the segment itself (kernel/vm/object.h): so the references to it are the number of attaches, as fork and munmap move
 * it, and one of its own until it is removed. A removed one goes with its last area.
 */
#include "segment.h"

#include <kernel/base/component.h>
#include <kernel/base/log.h>
#include <kernel/base/subject.h>
#include <kernel/mem/page.h>
#include <kernel/thread/guard.h>
#include <kernel/vfs/open.h>
#include <kernel/vfs/vfs.h>

enum : int32_t { SEGMENTS_MOST = 4096 };
enum : uint32_t { READ_RIGHT = 0444, WRITE_RIGHT = 0222, EXECUTE_RIGHT = 0111 };

static uint64_t all_pages; /* atomic: of all segments */

static void segment_free(struct ipc_object *o);
IPC_KIND(segments, "segments", segment_free);

PROC_KNOB(shmmni, component_ipc, "sys/kernel/shmmni", 0644, &segments.limit, 0, (int32_t)IPC_PLACES - 1, 0);

static int start(void)
{
	segments.limit = SEGMENTS_MOST;
	message_start();
	semaphore_start();
	return 0;
}

DEFINE_COMPONENT(ipc, .stage = STAGE_FS, .start = start,
		 .stays = "it has no thread, and its data are the queues, semaphores and memory of processes",
		 .users = "the call is EFAULT, or its process ends; other queues, sets and segments go on");

uint64_t segments_pages(void)
{
	return __atomic_load_n(&all_pages, __ATOMIC_RELAXED);
}

static struct segment *shown(struct vm_object *o)
{
	return container_of(o, struct segment, memory);
}

static struct vm_object *below(struct vm_object *o)
{
	return &shown(o)->file->object;
}

static long get_page(struct vm_object *o, uint64_t index, bool for_write, struct page **out)
{
	struct vm_object *f = below(o);

	return guard_run(f->ops->component, f->ops->get_page(f, index, for_write, out));
}

static long bring_in(struct vm_object *o, uint64_t index, bool for_write, struct page **out)
{
	struct vm_object *f = below(o);

	return guard_run(f->ops->component, f->ops->bring_in(f, index, for_write, out));
}

static unsigned find_cached(struct vm_object *o, uint64_t index, unsigned n, struct page **out)
{
	struct vm_object *f = below(o);
	long found = f->ops->find_cached != nullptr
			     ? guard_run(f->ops->component, f->ops->find_cached(f, index, n, out))
			     : 0;

	return found > 0 ? (unsigned)found : 0;
}

static uint64_t page_count(const struct vm_object *o)
{
	return container_of(o, const struct segment, memory)->bytes / PAGE_SIZE;
}

static int punch(struct vm_object *o, uint64_t offset, uint64_t bytes)
{
	struct vm_object *f = below(o);

	return f->ops->punch != nullptr ? f->ops->punch(f, offset, bytes) : -EOPNOTSUPP;
}

/* The last area of a removed segment went. */
static void release(struct vm_object *o)
{
	ipc_remove(&shown(o)->object);
}

static const struct vm_object_ops segment_ops = {
	.component = &component_ipc,
	.get_page = get_page,
	.bring_in = bring_in,
	.find_cached = find_cached,
	.pages = page_count,
	.punch = punch,
	.release = release,
};

static void segment_free(struct ipc_object *o)
{
	struct segment *s = segment_of(o);

	vm_promise_release(&s->memory);
	file_put(s->file);
	__atomic_fetch_sub(&all_pages, s->bytes / PAGE_SIZE, __ATOMIC_RELAXED);
	kfree(s);
}

/* What is promised of memory, as for memory that is mapped shared without a file. */
static long check_promise(struct map_request *r, const struct ipc_get *g)
{
	uint32_t flags = MAP_SHARED | MAP_ANONYMOUS | (g->flags & SHM_NORESERVE ? MAP_NORESERVE : 0);

	*r = (struct map_request){
		.length = align_up(g->size, PAGE_SIZE), .prot = PROT_READ | PROT_WRITE, .map_flags = flags};
	return vm_mmap_check(r, g->size, 0, PROT_READ | PROT_WRITE, flags, false);
}

static int segment_make(const struct ipc_get *g, struct ipc_object **out)
{
	struct map_request r;
	char label[24];

	if (g->size == 0 || g->size > SEGMENT_MOST)
		return -EINVAL;
	if (g->flags & SHM_HUGETLB)
		return -ENOMEM; /* no page of that size is set aside */
	long refused = check_promise(&r, g);
	if (refused != 0)
		return (int)refused;
	struct segment *s = kmalloc(sizeof(*s));
	if (s == nullptr)
		return -ENOMEM;
	scnprintf(label, sizeof(label), "SYSV%08x", (uint32_t)g->key);
	int error = file_create_memory(label, r.length, &s->file);
	if (error != 0) {
		kfree(s);
		return error;
	}
	ipc_object_init(&s->object, g);
	s->size = g->size;
	s->bytes = r.length;
	s->creator = ipc_pid();
	s->memory =
		(struct vm_object){.ops = &segment_ops, .memory = s->file->object.memory, .refs = 1, .unnamed = true};
	vm_promise(&s->memory, &r);
	__atomic_fetch_add(&all_pages, s->bytes / PAGE_SIZE, __ATOMIC_RELAXED);
	*out = &s->object;
	return 0;
}

static int segment_may_use(const struct ipc_object *o, const struct ipc_get *g)
{
	return g->size > container_of(o, const struct segment, object)->size ? -EINVAL : 0;
}

static long sys_shmget(int32_t key, uint64_t size, uint32_t flags)
{
	struct ipc_get g = {.kind = &segments,
			    .key = key,
			    .flags = flags,
			    .size = size,
			    .make = segment_make,
			    .may_use = segment_may_use};

	return ipc_get(&g);
}
SYSCALL(shmget);

/* shmop(2): where it is to be, and how. */
static long place(struct map_request *r, uint64_t address, uint32_t flags)
{
	if (address % PAGE_SIZE != 0) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		address = align_down(address, PAGE_SIZE);
	}
	if ((flags & SHM_REMAP) && address == 0)
		return -EINVAL;
	r->address = address;
	r->prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	r->map_flags = MAP_SHARED | (address == 0 ? 0 : flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE);
	r->area_flags = flags & SHM_RDONLY ? 0 : AREA_MAY_WRITE;
	return 0;
}

static uint32_t rights_for(uint32_t flags)
{
	return READ_RIGHT | (flags & SHM_RDONLY ? 0 : WRITE_RIGHT) | (flags & SHM_EXEC ? EXECUTE_RIGHT : 0);
}

/* A reference for the time that it takes to map it: a removed segment may go while nobody has it. */
static bool memory_get(struct vm_object *o)
{
	uint32_t refs = __atomic_load_n(&o->refs, __ATOMIC_RELAXED);

	while (refs != 0)
		if (__atomic_compare_exchange_n(&o->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

static long attach(struct segment *s, struct map_request *r)
{
	r->object = &s->memory;
	r->length = s->bytes;
	long at = vm_mmap_check(r, s->bytes, 0, r->prot, r->map_flags, false);
	if (at == 0)
		at = vm_mmap(r);
	if (at >= 0) {
		ipc_lock(&s->object);
		s->attached_s = ipc_seconds();
		s->last = ipc_pid();
		ipc_unlock(&s->object);
	}
	return at == -EEXIST ? -EINVAL : at;
}

static long sys_shmat(int32_t id, uint64_t address, uint32_t flags)
{
	struct map_request r = {};

	if (id < 0)
		return -EINVAL;
	long at = place(&r, address, flags);
	if (at != 0)
		return at;
	struct ipc_object *o = ipc_find(&segments, id);
	if (o == nullptr)
		return -EINVAL;
	struct segment *s = segment_of(o);
	at = ipc_permitted(o, rights_for(flags));
	if (at == 0 && !memory_get(&s->memory))
		at = -EIDRM;
	ipc_unlock(o);
	if (at == 0) {
		at = attach(s, &r);
		vm_object_put(&s->memory);
	}
	ipc_object_put(o);
	return at;
}
SYSCALL(shmat);

/* The first area at or above `from` of the segment that begins at `base`; of any segment where it is not known yet. */
struct search {
	uint64_t base, from, start, end;
	const struct segment *of; /* compared only: it may be gone */
	int32_t id;
};

static int look(void *ctx, const struct vm_area_info *a)
{
	struct search *s = ctx;

	if (a->start < s->from || a->object == nullptr || a->object->ops != &segment_ops ||
	    a->start - s->base != a->offset)
		return 0;
	if (s->of != nullptr && shown(a->object) != s->of)
		return 0;
	s->of = shown(a->object);
	s->id = s->of->object.id;
	s->start = a->start;
	s->end = a->end;
	return 1;
}

static void note_detached(struct segment *s)
{
	ipc_lock(&s->object);
	s->detached_s = ipc_seconds();
	s->last = ipc_pid();
	ipc_unlock(&s->object);
}

/* Whatever mprotect(2) and munmap(2) left of the attach. */
static long sys_shmdt(uint64_t address)
{
	struct search s = {.base = address, .from = address};
	struct vm_space *space = subject_current()->space;
	long error = 0;

	if (address % PAGE_SIZE != 0)
		return -EINVAL;
	if (vm_for_each_area(space, look, &s) != 1)
		return -EINVAL;
	struct ipc_object *o = ipc_find(&segments, s.id);
	if (o == nullptr)
		return -EINVAL;
	ipc_unlock(o);
	do {
		error = vm_munmap(s.start, s.end - s.start);
		s.from = s.end;
	} while (error == 0 && vm_for_each_area(space, look, &s) == 1);
	if (error == 0)
		note_detached(segment_of(o));
	ipc_object_put(o);
	return error;
}
SYSCALL(shmdt);
