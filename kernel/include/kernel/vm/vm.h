/* SPDX-License-Identifier: MIT */
/*
 * Address spaces of processes: areas (what may be where) over the nucleus's page tables (what is
 * there). `space->lock` is held for reading by faults and copies, for writing by changes of areas.
 */
#ifndef KERNEL_VM_H
#define KERNEL_VM_H

#include <abi/mman.h>
#include <kernel/base/lock.h>
#include <lib/types.h>
#include <nucleus/upcall.h>

struct vm_object;
struct map_request;
struct vm_special;
struct vm_area;
struct vm_space;

/* Boot, first of all: page allocator (page_init), heap, vDSO. */
[[nodiscard]] int vm_init(const struct boot_info *boot);
[[nodiscard]] int vm_space_create(struct vm_space **out); /* one reference */
/* fork: all areas, copy-on-write. */
[[nodiscard]] int vm_space_clone(struct vm_space *src, struct vm_space **out);
void vm_space_get(struct vm_space *s);
/* Its processes, and who looks at it; the caller may be one. Maybe another number already. */
uint32_t vm_space_references(const struct vm_space *s);
bool vm_space_is_shared(struct vm_space *s); /* somebody besides the caller has a reference */
void vm_space_put(struct vm_space *s);	     /* the last one unmaps everything; may sleep */
uint32_t vm_space_handle(const struct vm_space *s);
uint64_t vm_space_serial(const struct vm_space *s); /* never 0; no other space has or had it */
void vm_space_set_name(struct vm_space *s, const char *name, uint32_t pid);
/* Makes the current thread's process context run in s (exec, vfork's end). */
void vm_space_use(struct vm_space *s);

/* For exec: maps [va, va+len) of object at offset (nullptr: demand-zero); private; fixed
 * address. -ENOMEM, -EINVAL, -EEXIST. */
[[nodiscard]] int vm_map_fixed(struct vm_space *s, uint64_t va, uint64_t len, uint32_t prot, struct vm_object *object,
			       uint64_t offset);
[[nodiscard]] int vm_map_stack(struct vm_space *s, uint64_t top, uint64_t max_bytes); /* grows down on demand */
[[nodiscard]] int vm_map_vdso(struct vm_space *s, uint64_t *vdso_base);
void vm_set_brk(struct vm_space *s, uint64_t start);
/* Copies into a space that is not the current one (arguments and environment at exec, tracing). */
[[nodiscard]] int vm_write(struct vm_space *s, uint64_t va, const void *data, size_t n);
[[nodiscard]] int vm_read(struct vm_space *s, uint64_t va, void *data, size_t n);
size_t vm_write_partial(struct vm_space *s, uint64_t va, const void *data, size_t n); /* bytes done */
size_t vm_read_partial(struct vm_space *s, uint64_t va, void *data, size_t n);

/* A process's fault: 0 = handled, retry; -EFAULT = no such area (SEGV_MAPERR), -EACCES = not
 * allowed (SEGV_ACCERR), -ENOMEM = out of memory, -EIO = beyond the object's end, or it cannot be read (SIGBUS), -EINTR
 * = the thread is to end. May sleep.
 */
[[nodiscard]] int vm_fault(struct vm_space *s, uint64_t address, uint32_t fault_bits);

/* What was promised to programs and how much may be (overcommit_memory 2), in pages; /proc/sys/vm. */
void vm_commit_stats(uint64_t *limit_pages, uint64_t *promised_pages);
/* Memory that is to be shared, made for this request, counts from now on to the end of its object, whoever maps it.
 * release takes it back. */
struct vm_object;
struct map_request;
void vm_promise(struct vm_object *o, const struct map_request *r);
void vm_promise_release(struct vm_object *o);

struct vm_stats {
	uint64_t virtual_bytes, resident_pages, data_bytes, stack_bytes, text_bytes, locked_pages;
	uint64_t peak_bytes, peak_pages;   /* the most that virtual_bytes and resident_pages were */
	uint64_t file_pages, shared_pages; /* resident ones of files, and of memory shared without one */
	uint64_t table_bytes;		   /* page tables that resident pages need at least */
};
void vm_stats(struct vm_space *s, struct vm_stats *out);
/* madvise(2) on any space; what changes more than one process sees, or brings pages in, is -EINVAL unless it is the
 * current one's. 0, -EINVAL, -ENOMEM. May sleep. */
long vm_advise(struct vm_space *s, uint64_t start, uint64_t length, uint32_t advice);
/* Frees the pages of private areas, of a process that will never run again: nobody reaches them from then on, its own
 * calls that have not ended neither (-EFAULT). May sleep. */
void vm_release_private(struct vm_space *s);
uint64_t vm_resident_pages(const struct vm_space *s); /* no lock is taken: for the out-of-memory killer */
/* For /proc/PID/maps: calls emit for each area in order. */
struct vm_area_info {
	uint64_t start, end, offset;
	uint32_t prot;
	bool shared, locked;
	uint64_t resident_pages;
	bool dont_dump; /* MADV_DONTDUMP */
	bool special;	/* the vDSO and its like */
	struct vm_object *object;
	const char *label;
};
int vm_for_each_area(struct vm_space *s, int (*emit)(void *ctx, const struct vm_area_info *a), void *ctx);
/* Pages of all spaces that are locked in memory (mlock(2)) and there. */
uint64_t vm_locked_pages(void);

/* For a core dump: the first page from va on that has content, copied to `to`; its address, or end when there is none.
 * Pages that nobody has touched have none, but in areas of objects. May sleep. */
uint64_t vm_dump_next(struct vm_space *s, uint64_t va, uint64_t end, void *to);

/* Memory (struct vm_object) was cut: pages from first_page on leave every space that maps them; the next access is
 * SIGBUS. Call after the size changed, with the lock that its operations take held or not. May sleep. */
void vm_unmap_memory(uint64_t memory, uint64_t first_page);
/* Pages first to last of memory are about to be written to what they are stored on: no shared mapping may write to them
 * until it has asked its object again. May sleep; no lock of a space is held. */
void vm_protect_memory(uint64_t memory, uint64_t first, uint64_t last);
/* Memory is short: the n pages at index[] of memory leave the spaces that map them, where that can be without waiting
 * and nobody has locked them (mlock(2)); the next access asks the object again. Copies that a space has made of them
 * stay. The caller has references to the pages. Any lock may be held. */
void vm_let_go(uint64_t memory, const uint64_t *index, struct page *const *pages, unsigned n);

/*
 * mmap(2) in two steps, for who knows what descriptors are: what holds for all memory is checked, and the request
 * completed (personality(2)); then who called says what the object allows; then it is mapped. length, offset, prot and
 * flags are as the program gave them; is_file: offsets are at most INT64_MAX. Result of the second: the address or an
 * error.
 */
enum : uint32_t {
	AREA_MAY_WRITE = 128,	/* mprotect may add PROT_WRITE; always where it is private */
	AREA_NO_EXEC = 1 << 16, /* nothing of it may be executed: mprotect may not add PROT_EXEC */
};
struct map_request {
	uint64_t address, length; /* page-aligned; address 0: anywhere */
	uint32_t prot;
	uint32_t map_flags;	  /* MAP_* */
	uint32_t area_flags;	  /* the above; kernel/vm knows more */
	struct vm_object *object; /* borrowed; nullptr: memory of its own */
	uint64_t page_offset;
	const struct vm_special *special; /* kernel/vm's own */
};
[[nodiscard]] long vm_mmap_check(struct map_request *r, uint64_t length, uint64_t offset, unsigned long prot,
				 unsigned long flags, bool is_file);
[[nodiscard]] long vm_mmap(struct map_request *r);
/* munmap(2) in the current space: 0, -EINVAL, -ENOMEM (an area would have to be split). May sleep. */
[[nodiscard]] long vm_munmap(uint64_t address, uint64_t length);
static inline bool map_request_is_shared(const struct map_request *r)
{
	return (r->map_flags & MAP_TYPE) != MAP_PRIVATE;
}

/* What exec laid out, for /proc/PID/{cmdline,environ,auxv,stat} and for signal frames. */
struct vm_exec_info {
	uint64_t arg_start, arg_end, env_start, env_end, stack_start, code_start, code_end, vdso;
};
void vm_set_exec_info(struct vm_space *s, const struct vm_exec_info *info);
void vm_get_exec_info(struct vm_space *s, struct vm_exec_info *info);

#endif
