/* SPDX-License-Identifier: MIT */
/*
 * Views on aarch64: the tables that process views share, address-space numbers (ASIDs), invalidation, and what
 * instruction caches need (DDI 0487, D8.3, D8.13, D8.14, B2.4.4). Lock: the nucleus lock.
 *
 * Number 0 belongs to the kernel view, 1 to the moment between two views. A space gets a number when it is first
 * switched to; when they have run out a new generation begins: those that CPUs have loaded keep theirs, all others are
 * forgotten, and every TLB is emptied before one is given again.
 *
 * A broadcast invalidation makes every CPU answer (and an emulator stop all of them), so each space knows which CPUs
 * may hold something under its number, and one that only this CPU had loaded is invalidated here alone. Why that is
 * right: TTBR0 of a space is handed out by view_ttbr0 only, under the nucleus lock, and notes the CPU before the CPU
 * can write the register; an entry is changed and invalidated under the same lock. So of a CPU and an invalidation
 * either the CPU was noted first, and is reached; or the lock, and with it the changed entry, came to the CPU first.
 * The DSB between the change and the release of the lock reaches all of the domain (ISHST) even where the TLBI does
 * not: it is what lets a later walk, which is no access that the lock would order, find the entry. A CPU has a space in
 * TTBR0 only while its current thread belongs to it: whoever switches loads another view before it releases the lock.
 */
#include "boot/boot.h"
#include "boot/limine.h"
#include "cpu.h"
#include "frame/frames.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "sched/sched.h"
#include "switch.h"
#include <lib/cmdline.h>
#include <lib/string.h>

enum : uint64_t {
	ASID_SHIFT = 48,
	NUMBER_MASK = 0xffff,
	NUMBER_BETWEEN = 1,
	FIRST_NUMBER = 2,
	GENERATION = NUMBER_MASK + 1, /* struct space, number: generation above, number below */
	FLUSH_PAGES_MAX = 64,	      /* beyond that everything of the space goes */
	BROADCAST_PAGES_MAX = 16,     /* the same where each page makes all CPUs answer */
	TLBI_VA_MASK = (1ull << 44) - 1,
};

uint64_t view_empty_ttbr0, view_process_ttbr1;
static uint64_t generation = GENERATION;
static uint64_t numbers_taken[(NUMBER_MASK + 1) / 64];
static uint32_t number_count = 256, number_hint = FIRST_NUMBER;

/* --- tables --- */

static void number_take(uint64_t n)
{
	numbers_taken[n / 64] |= 1ull << (n % 64);
}

static void choose_number_bits(void)
{
	char bits[8];
	bool given = cmdline_find(limine_cmdline(), "asid_bits", CMDLINE_LAST, bits, sizeof(bits));
	bool small = given && !strcmp(bits, "8");

	if (cpu_features.asid16 && !small)
		number_count = NUMBER_MASK + 1;
	if (given && !small && (strcmp(bits, "16") != 0 || !cpu_features.asid16))
		log_printf("boot: asid_bits=%s is none of %s; using %s\n", bits,
			   cpu_features.asid16 ? "8, 16" : "what this CPU has, 8", cpu_features.asid16 ? "16" : "8");
	cpu_features.asid16 = number_count > 256;
	number_take(0);
	number_take(NUMBER_BETWEEN);
}

/* The root of process views' upper half: the nucleus half of the image and the pool, and in modes with privileged
 * threads all the rest, closed to EL0. */
int arch_view_init(void)
{
	uint64_t root_phys = frame_boot_alloc(PAGE_SIZE), empty = frame_boot_alloc(PAGE_SIZE);
	pte_t image = kernel_view_share_image(), *kernel, *root;

	if (!root_phys || !empty || !image)
		return -1;
	choose_number_bits();
	view_empty_ttbr0 = empty;
	view_process_ttbr1 = root_phys;
	kernel = direct_map(kernel_root_phys);
	root = direct_map(root_phys);
	for (unsigned i = 0; i < 512; i++) {
		if (!pte_present(kernel[i]))
			continue;
		if (privilege_mode == MODE_OFF)
			kernel[i] = pte_supervisor_only(kernel[i]);
		if (privilege_mode != MODE_FULL)
			root[i] = pte_supervisor_only(kernel[i]);
	}
	if (privilege_mode != MODE_FULL)
		return 0;
	root[IMAGE_BASE >> 39 & 511] = image;
	root[POOL_BASE >> 39 & 511] = pte_supervisor_only(kernel[POOL_BASE >> 39 & 511]);
	return 0;
}

/* A process's own table has the lower half only. */
void arch_fill_process_root(pte_t *root)
{
	(void)root;
}

/* --- numbers --- */

static bool has_number(const struct space *s)
{
	return (s->number & ~(uint64_t)NUMBER_MASK) == generation;
}

static uint64_t this_cpu_bit(void)
{
	return 1ull << cpu_this()->id;
}

static uint32_t number_find(void)
{
	for (uint32_t n = number_hint; n < number_count; n++) {
		if (numbers_taken[n / 64] == UINT64_MAX) {
			n |= 63;
			continue;
		}
		if (!(numbers_taken[n / 64] >> (n % 64) & 1))
			return n;
	}
	return 0;
}

static void roll_over(void)
{
	struct cpu *me = cpu_this();

	/* What this CPU still has loaded belongs to a thread that it has left: nothing may be cached under that number
	 * any more. */
	view_load(view_empty_ttbr0, kernel_root_phys, true);
	memset(numbers_taken, 0, sizeof(numbers_taken));
	number_take(0);
	number_take(NUMBER_BETWEEN);
	for (uint32_t i = 0; i < cpu_count; i++) {
		const struct cpu *c = cpu_by_id(i);
		struct space *s = c->online && c->current ? c->current->space : nullptr;

		if (!s || !has_number(s))
			continue;
		number_take(s->number & NUMBER_MASK);
		s->number += GENERATION;
	}
	/* Two threads of a space on two CPUs: it has moved on at the first of them. */
	generation += GENERATION;
	number_hint = FIRST_NUMBER;
	me->counts.tlb_flush++;
	__asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" : : : "memory");
}

/*
 * The only thread of a space has come from another CPU: under a new number nothing of it is cached there, and its
 * invalidations are this CPU's business again. What the other CPU keeps under the old number nobody asks for any more,
 * and it goes with the generation.
 */
static bool has_moved_alone(const struct space *s)
{
	return s->threads == 1 && (s->cpus & ~this_cpu_bit());
}

uint64_t view_ttbr0(struct space *s)
{
	if (has_moved_alone(s))
		s->number = 0;
	if (!has_number(s)) {
		uint32_t n = number_find();

		if (!n) {
			roll_over();
			n = number_find();
		}
		number_take(n);
		number_hint = n + 1;
		s->number = generation | n;
		s->cpus = 0;
	}
	s->cpus |= this_cpu_bit();
	return s->root_phys | (s->number & NUMBER_MASK) << ASID_SHIFT;
}

/* --- loading and invalidating --- */

void view_load(uint64_t ttbr0, uint64_t ttbr1, bool kernel)
{
	if (sysreg_read(ttbr0_el1) == ttbr0 && sysreg_read(ttbr1_el1) == ttbr1)
		return;
	cpu_this()->counts.view_switch += cpu_this()->accounting;
	if (privilege_mode == MODE_DRIVERS) {
		/* Here process views show the kernel's memory too, closed to EL0, and lowered threads need it open: in
		 * either order of the two registers one kind could be cached under the number of the other. */
		sysreg_write(ttbr0_el1, view_empty_ttbr0 | NUMBER_BETWEEN << ASID_SHIFT);
		isb();
		sysreg_write(ttbr1_el1, ttbr1);
		isb();
		sysreg_write(ttbr0_el1, ttbr0);
	} else if (kernel) {
		sysreg_write(ttbr0_el1, ttbr0);
		isb();
		sysreg_write(ttbr1_el1, ttbr1);
	} else {
		sysreg_write(ttbr1_el1, ttbr1);
		isb();
		sysreg_write(ttbr0_el1, ttbr0);
	}
	isb();
}

/* Of one number, all or the pages of a range; not only the last level: tables may have gone too. */
static void invalidate_here(uint64_t number, uint64_t va, uint64_t end)
{
	if ((end - va) >> PAGE_SHIFT > FLUSH_PAGES_MAX) {
		__asm__ volatile("tlbi aside1, %0" : : "r"(number) : "memory");
		return;
	}
	for (; va < end; va += PAGE_SIZE)
		__asm__ volatile("tlbi vae1, %0" : : "r"(number | (va >> PAGE_SHIFT & TLBI_VA_MASK)) : "memory");
}

static void invalidate_everywhere(uint64_t number, uint64_t va, uint64_t end)
{
	if ((end - va) >> PAGE_SHIFT > BROADCAST_PAGES_MAX) {
		__asm__ volatile("tlbi aside1is, %0" : : "r"(number) : "memory");
		return;
	}
	for (; va < end; va += PAGE_SIZE)
		__asm__ volatile("tlbi vae1is, %0" : : "r"(number | (va >> PAGE_SHIFT & TLBI_VA_MASK)) : "memory");
}

static void invalidate_space(struct space *s, uint64_t va, uint64_t end)
{
	uint64_t number = (s->number & NUMBER_MASK) << ASID_SHIFT;

	/* Without a number of this generation nothing of it is cached anywhere. */
	if (!has_number(s))
		return;
	/* No thread, so no CPU has it loaded: the end of a process, most of the time. The next one gets a new number.
	 */
	if (!s->threads) {
		s->number = 0;
		return;
	}
	if (s->cpus == this_cpu_bit()) {
		invalidate_here(number, va, end);
		__asm__ volatile("dsb nsh" : : : "memory");
	} else {
		invalidate_everywhere(number, va, end);
		dsb_ish();
	}
}

/* Under every number: privileged threads have these in their process's view. */
static void invalidate_kernel(uint64_t va, uint64_t end)
{
	if ((end - va) >> PAGE_SHIFT > FLUSH_PAGES_MAX)
		__asm__ volatile("tlbi vmalle1is" : : : "memory");
	else
		for (; va < end; va += PAGE_SIZE)
			__asm__ volatile("tlbi vaae1is, %0" : : "r"(va >> PAGE_SHIFT & TLBI_VA_MASK) : "memory");
	dsb_ish();
}

void arch_flush_local(struct space *s, uint64_t va, uint64_t end)
{
	cpu_this()->counts.tlb_flush++;
	/* For all CPUs, whatever follows: see above. */
	dsb_ishst();
	if (s)
		invalidate_space(s, va, end);
	else
		invalidate_kernel(va, end);
	isb();
}

void view_forget_local(uint64_t ttbr0, uint64_t va)
{
	uint64_t number = ttbr0 >> ASID_SHIFT << ASID_SHIFT;

	__asm__ volatile("tlbi vale1, %0\n\tdsb nsh\n\tisb"
			 :
			 : "r"(number | (va >> PAGE_SHIFT & TLBI_VA_MASK))
			 : "memory");
}

void view_forget_kernel_local(uint64_t va)
{
	__asm__ volatile("tlbi vaae1, %0\n\tdsb nsh\n\tisb" : : "r"(va >> PAGE_SHIFT & TLBI_VA_MASK) : "memory");
}

/* Where a line may be cached under several virtual addresses all of the instruction caches is forgotten, once for a
 * whole call: pte_prepare_code_end. */
void pte_prepare_code(uint64_t phys)
{
	uint64_t start = (uint64_t)direct_map(phys), end = start + PAGE_SIZE;

	if (!cpu_features.idc)
		for (uint64_t at = start; at < end; at += cpu_features.dcache_line)
			__asm__ volatile("dc cvau, %0" : : "r"(at) : "memory");
	if (cpu_features.dic || cpu_features.icache_aliases)
		return;
	dsb_ish();
	for (uint64_t at = start; at < end; at += cpu_features.icache_line)
		__asm__ volatile("ic ivau, %0" : : "r"(at) : "memory");
}

void pte_prepare_code_end(void)
{
	dsb_ish();
	if (cpu_features.dic)
		return;
	if (cpu_features.icache_aliases) {
		__asm__ volatile("ic ialluis" : : : "memory");
		dsb_ish();
	}
	isb();
}
