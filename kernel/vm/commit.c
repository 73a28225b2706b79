/* SPDX-License-Identifier: MIT */
/*
 * Promises: pages that programs may still come to need, which is what private writable memory counts for from the
 * moment it may be written, and shared memory without a name from its making to its end. /proc/sys/vm/overcommit_memory
 * says how many are made (proc_sys_vm(5)): 0, none that exceeds all memory by itself; 1, any; 2, no more in sum than
 * overcommit_ratio per cent of memory (or overcommit_kbytes: setting one makes the other 0), of which a process without
 * CAP_SYS_ADMIN leaves admin_reserve_kbytes, and each leaves 1/32 of its own size or user_reserve_kbytes. The count is
 * exact; two checks at once may together go a little over the limit.
 */
#include "vm_internal.h"

#include <kernel/base/node.h>
#include <kernel/thread/component.h>

DECLARE_COMPONENT(vm);

static uint64_t promised; /* pages; atomic */
static int32_t mode = 0, ratio = 50, limit_kbytes = 0, admin_kbytes = 8192, user_kbytes = 131072;

enum : int32_t { HEURISTIC, ALWAYS, NEVER };
enum : unsigned { KIB_SHIFT = PAGE_SHIFT - 10 };

static uint64_t ram_pages(void)
{
	static uint64_t known;

	if (!known) {
		struct memory_stats stats;

		page_stats(&stats);
		known = stats.total_pages;
	}
	return known;
}

bool commit_counts(uint32_t prot, uint32_t area_flags)
{
	return (prot & PROT_WRITE) && !(area_flags & (AREA_SHARED | AREA_NO_RESERVE | AREA_SPECIAL));
}

bool commit_believes(void)
{
	return __atomic_load_n(&mode, __ATOMIC_RELAXED) != NEVER;
}

static uint64_t limit(void)
{
	return limit_kbytes ? (uint64_t)limit_kbytes >> KIB_SHIFT : ram_pages() * (uint64_t)ratio / 100;
}

void vm_commit_stats(uint64_t *limit_pages, uint64_t *promised_pages)
{
	*limit_pages = limit();
	*promised_pages = __atomic_load_n(&promised, __ATOMIC_RELAXED);
}

int commit_check(const struct vm_space *s, uint64_t pages, uint64_t before)
{
	switch (__atomic_load_n(&mode, __ATOMIC_RELAXED)) {
	case ALWAYS: return 0;
	case HEURISTIC: return pages > ram_pages() ? -ENOMEM : 0;
	default: break;
	}
	uint64_t kept = MIN(s->total_pages / 32, (uint64_t)user_kbytes >> KIB_SHIFT), allowed = limit();
	if (!capable(CAP_SYS_ADMIN))
		kept += (uint64_t)admin_kbytes >> KIB_SHIFT;
	return pages > allowed || __atomic_load_n(&promised, __ATOMIC_RELAXED) + before + pages + kept > allowed
		       ? -ENOMEM
		       : 0;
}

void commit_count(int64_t pages)
{
	__atomic_fetch_add(&promised, (uint64_t)pages, __ATOMIC_RELAXED);
}

void vm_promise(struct vm_object *o, const struct map_request *r)
{
	if (r->area_flags & AREA_NO_RESERVE)
		return;
	o->promised = r->length >> PAGE_SHIFT;
	commit_count((int64_t)o->promised);
}

void vm_promise_release(struct vm_object *o)
{
	commit_count(-(int64_t)o->promised);
	o->promised = 0;
}

PROC_KNOB(overcommit_memory, component_vm, "sys/vm/overcommit_memory", 0644, &mode, HEURISTIC, NEVER, 0);
PROC_KNOB(overcommit_ratio, component_vm, "sys/vm/overcommit_ratio", 0644, &ratio, 0, INT32_MAX, 0,
	  .excludes = &limit_kbytes);
PROC_KNOB(overcommit_kbytes, component_vm, "sys/vm/overcommit_kbytes", 0644, &limit_kbytes, 0, INT32_MAX, 0, &ratio);
PROC_KNOB(admin_kbytes, component_vm, "sys/vm/admin_reserve_kbytes", 0644, &admin_kbytes, 0, INT32_MAX, 0);
PROC_KNOB(user_kbytes, component_vm, "sys/vm/user_reserve_kbytes", 0644, &user_kbytes, 0, INT32_MAX, 0);
