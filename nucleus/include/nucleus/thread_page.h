/* SPDX-License-Identifier: MIT */
/*
 * The page each kernel thread has, and the structures that pass through its call area.
 *
 * The page is a kernel frame, so lowered code may write all of it; the nucleus knows its frame and reads and
 * writes it through its own direct map. What the nucleus reads here is an argument to check or advice
 * (preempt_count), never a fact. In lowered code the thread register (GS, TPIDRRO_EL0) points to it.
 */
#ifndef NUCLEUS_THREAD_PAGE_H
#define NUCLEUS_THREAD_PAGE_H

#include <stdint.h>

#define CALL_AREA_BYTES	    3072
#define CALL_AREA_WORDS	    384
#define THREAD_PAGE_LOWERED 960 /* bytes of the page that belong to the lowered kernel (struct thread) */

struct thread_page {
	struct thread_page *self; /* offset 0: the thread register's load */
	uint32_t preempt_count;	  /* lowered writes: > 0 asks not to be preempted, for a short while */
	uint32_t resched;	  /* nucleus writes 1 when it held back a preemption; yield when the count drops to 0 */
	uint32_t handle;	  /* nucleus writes at creation */
	uint32_t cpu;		  /* nucleus writes whenever the thread is switched to */
	uint32_t home_elevated;	  /* nucleus writes at creation: this thread runs privileged in this mode */
	uint32_t reserved;
	uint64_t kernel_stack; /* nucleus writes: top of the stack that upcalls start on */
	uint64_t padding[2];
	_Alignas(64) unsigned char lowered[THREAD_PAGE_LOWERED];
	uint64_t call[CALL_AREA_WORDS];
};
static_assert(sizeof(struct thread_page) == 4096);

enum : uint32_t { PARK_INTERRUPTIBLE = 1 };
enum : uint64_t { PFN_LIST = UINT64_MAX };
/* Pages that one call maps into the kernel view or unmaps. */
enum : uint64_t { KMAP_PAGES_MAX = 512 };
enum : int32_t { PRIORITY_INTERRUPT = -100 };
enum : uint32_t { IRQ_LEVEL = 1, IRQ_ACTIVE_LOW = 2, IRQ_SHARED = 4 };
enum : uint32_t { POWER_OFF = 0, POWER_RESET = 1 };
enum : uint32_t { ACCOUNT_CPU = 0, ACCOUNT_COMPONENT = 1 };

/* Protection of a mapping; the numbers of mmap(2). MAP_USED, for pages of processes: noted at once as accessed and, if
 * writable, written to, as they will be the moment the fault that asked for them ends; a CPU that does not note use by
 * itself would fault for each. */
enum : uint32_t { MAP_PROT_READ = 1, MAP_PROT_WRITE = 2, MAP_PROT_EXEC = 4, MAP_USED = 8 };

/* One page that a range call touched. */
struct pte_entry {
	uint64_t bits; /* pfn << 12 | PTE_* below */
};
enum : uint64_t {
	PTE_WAS_PRESENT = 1,
	PTE_WAS_WRITABLE = 2,
	PTE_WAS_DIRTY = 4,
	PTE_WAS_ACCESSED = 8,
	PTE_WAS_EXEC = 16
};
#define PTE_LIST_MAX 382
struct pte_list {
	uint64_t count;
	uint64_t next;
	struct pte_entry entry[PTE_LIST_MAX];
};
static_assert(sizeof(struct pte_list) == CALL_AREA_BYTES);

struct thread_times {
	uint64_t user_ns, kernel_ns; /* process context; kernel context */
	uint64_t start_ns;
	uint32_t cpu;
	uint32_t running;
	uint32_t left, preempted; /* how often it stopped running by itself, and how often it had to */
};

/* Times in ticks of the counter (struct time_page), but for the last. */
struct account_cpu {
	uint64_t elevate, nucleus_call, syscall, exit, irq, fault, view_switch, tlb_flush;
	uint64_t lowered_ticks, elevated_ticks, nucleus_ticks, user_ticks;
	uint64_t idle_ns;
};
struct account_component {
	uint64_t elevate, nucleus_call, fault, lowered_ticks, elevated_ticks;
};

#endif
