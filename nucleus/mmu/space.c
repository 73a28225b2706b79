/* SPDX-License-Identifier: MIT */
/*
 * Address-space records: making, naming, choosing and destroying process views. What is mapped in them: mmu/range.c.
 * Lock: the nucleus lock. A handle is index | birth << 16, so that a stale one is noticed.
 */
#include "frame/frames.h"
#include "gate/calls.h"
#include "mmu/mmu.h"
#include "sched/sched.h"
#include <abi/errno.h>
#include <lib/string.h>

enum { SPACES_PER_PAGE = PAGE_SIZE / sizeof(struct space), SPACE_PAGES_MAX = 512 };
static struct space *space_pages[SPACE_PAGES_MAX]; /* index / SPACES_PER_PAGE; index 0 is never used */
static uint32_t space_limit = 1;		   /* one past the highest index ever used */
static uint32_t space_hint = 1;

struct space *space_at(uint32_t index)
{
	if (!index || index >= space_limit)
		return nullptr;
	struct space *s = &space_pages[index / SPACES_PER_PAGE][index % SPACES_PER_PAGE];

	return s->used ? s : nullptr;
}

struct space *space_from_handle(uint64_t handle)
{
	struct space *s = space_at(handle & 0xffff);

	return s && space_handle(s) == handle ? s : nullptr;
}

uint32_t space_handle(const struct space *s)
{
	return s->index | (s->birth & 0x7fff) << 16;
}

static struct space *space_slot(void)
{
	for (uint32_t n = 1; n <= space_limit; n++) {
		uint32_t i = (space_hint + n) % space_limit;
		struct space *s = i ? &space_pages[i / SPACES_PER_PAGE][i % SPACES_PER_PAGE] : nullptr;

		if (s && !s->used) {
			space_hint = i;
			return s;
		}
	}
	if (space_limit / SPACES_PER_PAGE >= SPACE_PAGES_MAX || space_limit > 0xffff)
		return nullptr;
	struct space **page = &space_pages[space_limit / SPACES_PER_PAGE];

	if (!*page && !(*page = pool_alloc(1)))
		return nullptr;
	struct space *s = *page + space_limit % SPACES_PER_PAGE;

	s->index = space_limit++;
	return s;
}

long call_space_create(void)
{
	struct space *s;

	NUCLEUS_LOCKED;
	s = space_slot();
	if (!s || !(s->root_phys = frame_table_alloc(4, s->index)))
		return -ENOMEM;
	arch_fill_process_root(direct_map(s->root_phys));
	s->used = true;
	s->birth++;
	s->threads = 0;
	s->pages = 0;
	s->number = s->cpus = s->replaced = 0;
	s->id = 0;
	strlcpy(s->name, "?", sizeof(s->name));
	return space_handle(s);
}

long call_space_destroy(uint32_t handle)
{
	struct space *s;
	pte_t *root;

	NUCLEUS_LOCKED;
	s = space_from_handle(handle);
	if (!s)
		return -EBADF;
	if (s->threads || s->pages)
		return -EBUSY;
	root = direct_map(s->root_phys);
	/* No thread, so no CPU has it loaded; CPUs that cache it by PCID or ASID see the new birth. */
	/* Unmapping has pruned; only a map that ran out of tables can have left some. */
	for (uint64_t i = 0; i <= (USER_END - 1) >> 39; i++)
		if (pte_present(pte_load(&root[i]))) {
			uint64_t end = MIN((i + 1) << 39, (uint64_t)USER_END);
			uint64_t chain = table_unlink_empty(s->root_phys, i << 39, end);

			shootdown(s, i << 39, end);
			table_free_chain(chain);
		}
	memset(root, 0, PAGE_SIZE);
	frame_table_free(s->root_phys);
	frame_table_trim();
	s->flush_generation++;
	s->used = false;
	return 0;
}

long call_space_set_name(uint32_t handle, uint64_t low, uint64_t high, uint32_t id)
{
	struct space *s;

	NUCLEUS_LOCKED;
	s = space_from_handle(handle);
	if (!s)
		return -EBADF;
	record_name(s->name, low, high);
	s->id = id;
	return 0;
}

long call_space_use(uint32_t handle)
{
	struct cpu *cpu = cpu_this();
	struct record *r = cpu->current;
	struct space *s = nullptr;

	NUCLEUS_LOCKED;
	if (handle && !(s = space_from_handle(handle)))
		return -EBADF;
	arch_switch_from(cpu, r); /* keeps the bases and FPU state that the process has set */
	if (r->space)
		r->space->threads--;
	r->space = s;
	/* In mode drivers, whoever has a process is privileged: the gate returns accordingly. */
	if (privilege_mode == MODE_DRIVERS)
		current_thread_page()->home_elevated = r->home_elevated = s != nullptr;
	r->full_restore = true; /* no short way into what is not there any more */
	if (s)
		s->threads++;
	r->in_process = false;
	sched_switch_to(cpu, r);
	return 0;
}

long call_space_root(uint32_t handle)
{
	const struct space *s;

	NUCLEUS_LOCKED;
	s = space_from_handle(handle);
	return s ? (long)(s->root_phys >> PAGE_SHIFT) : -EBADF;
}
