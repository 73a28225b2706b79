/* SPDX-License-Identifier: MIT */
/*
 * Switching threads on x86_64: which contexts IST1 and the gates use, the CR3 values, FPU state, GS and FS bases.
 *
 * FPU state stays in the registers while kernel threads run, and is loaded again only if someone else used them or the
 * thread was on another CPU. PCID: each CPU gives its last few spaces a number; the kernel view has number 0. A
 * number that is taken over, or whose space was invalidated meanwhile, is flushed by loading it once without the
 * no-flush bit.
 */
#include "cpu.h"
#include "frame/frames.h"
#include "gate/policy.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/trace.h"
#include "sched/sched.h"
#include <lib/string.h>

static void cr3_load(struct cpu *cpu, uint64_t cr3)
{
	if (!((cr3_read() ^ cr3) & ~CR3_NO_FLUSH))
		return;
	cpu->counts.view_switch += cpu->accounting;
	cr3_write(cr3);
}

/* CR3 for a space on this CPU. */
static uint64_t space_cr3(struct cpu *cpu, struct space *s)
{
	uint32_t slot = PCID_SLOTS;

	if (!cpu_features.pcid)
		return s->root_phys;
	for (uint32_t i = 0; i < PCID_SLOTS; i++)
		if (cpu->pcid[i].space == s->index && cpu->pcid[i].birth == s->birth)
			slot = i;
	if (slot < PCID_SLOTS && cpu->pcid[slot].generation == s->flush_generation)
		return s->root_phys | (slot + 1) | CR3_NO_FLUSH;
	if (slot == PCID_SLOTS) {
		slot = cpu->pcid_next++ % PCID_SLOTS;
		cpu->pcid[slot].space = s->index;
		cpu->pcid[slot].birth = s->birth;
	}
	cpu->pcid[slot].generation = s->flush_generation;
	/* Flush this number now; the nucleus is in every view, so it may be loaded here. */
	uint64_t before = cr3_read();

	cr3_write(s->root_phys | (slot + 1));
	cpu->counts.tlb_flush++;
	cr3_write(before | CR3_NO_FLUSH);
	return s->root_phys | (slot + 1) | CR3_NO_FLUSH;
}

void arch_flush_local(struct space *s, uint64_t va, uint64_t end)
{
	struct cpu *cpu = cpu_this();
	uint64_t active = cr3_read(), pages = (end - va) >> PAGE_SHIFT;
	bool here = !s || (active & PTE_FRAME_MASK) == s->root_phys;

	cpu->counts.tlb_flush++;
	if (cpu_features.pcid) {
		/* INVLPG reaches only the active number. Kernel mappings are cached under 0, and in modes with
		 * privileged threads under every number. */
		struct record *r = cpu->current;
		bool in_process_view = r && r->space && (active & PTE_FRAME_MASK) == r->space->root_phys;

		if (!s) {
			for (uint32_t i = 0; i < PCID_SLOTS; i++)
				cpu->pcid[i].space = 0;
			cr3_write(kernel_root_phys);
		}
		/* The space's number may be another now; it was flushed when it was given. */
		if (r && r->space && (!s || r->space == s))
			cpu->process_cr3 = space_cr3(cpu, r->space);
		if (r && r->space && r->home_elevated)
			cpu->kernel_cr3 = cpu->process_cr3;
		cr3_write(in_process_view ? cpu->process_cr3 : active | CR3_NO_FLUSH);
		return;
	}
	/* Without PCID nothing is cached for a view that is not loaded: kernel mappings are not global. */
	if (!here)
		return;
	if (pages > 32) {
		cr3_write(active);
		return;
	}
	for (; va < end; va += PAGE_SIZE)
		tlb_flush_page(va);
}

void fpu_store(void *area)
{
	if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)"
				 :
				 : "r"(area), "a"((uint32_t)cpu_features.xcr0), "d"((uint32_t)(cpu_features.xcr0 >> 32))
				 : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

/* The debugger's stub calls it when its breakpoints are in the text already, so none may be set here. */
[[gnu::section(".text.debug_fpu_load")]] void fpu_load(const void *area)
{
	if (cpu_features.xsave)
		__asm__ volatile("xrstor64 (%0)"
				 :
				 : "r"(area), "a"((uint32_t)cpu_features.xcr0), "d"((uint32_t)(cpu_features.xcr0 >> 32))
				 : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/* Initial state: x87 control word 0x37f, MXCSR 0x1f80 (Intel SDM vol. 1, 13.6), everything else zero, XSTATE_BV empty.
 */
void fpu_reset(struct record *r)
{
	memset(r->fpu, 0, cpu_features.fpu_bytes);
	*(uint16_t *)(r->fpu + 0) = 0x37f;
	*(uint32_t *)(r->fpu + 24) = 0x1f80;
}

void arch_thread_init(struct record *r)
{
	r->process.cs = SELECTOR_USER_CODE;
	r->process.ss = SELECTOR_USER_DATA;
	r->process.rflags = RFLAGS_IF | 2;
	r->full_restore = true;
	fpu_reset(r);
}

void arch_set_upcall(struct record *r, uint64_t entry, uint64_t stack, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct context *k = &r->kernel;

	k->rip = entry;
	/* As after a call: the calling convention wants the stack 8 off 16 at entry; lowered entries in gates.S
	 * realign. */
	k->rsp = stack;
	k->rbp = 0;
	k->rdi = a;
	k->rsi = b;
	k->rdx = c;
	k->rcx = d;
	k->rflags = RFLAGS_IF | 2;
	k->cs = r->home_elevated ? SELECTOR_KERNEL_CODE : SELECTOR_USER_CODE;
	k->ss = r->home_elevated ? SELECTOR_KERNEL_DATA : SELECTOR_USER_DATA;
}

/* With FSGSBASE a process changes its bases without telling. The nucleus runs after SWAPGS. */
void arch_tls_store(struct record *r)
{
	if (!cpu_features.fsgsbase || !r->space)
		return;
	r->tls.fs_base = msr_read(MSR_FS_BASE);
	r->tls.gs_base = msr_read(MSR_KERNEL_GS_BASE);
}

void arch_tls_load(const struct record *r)
{
	if (!r->space)
		return;
	msr_write(MSR_KERNEL_GS_BASE, r->tls.gs_base);
	msr_write(MSR_FS_BASE, r->tls.fs_base);
}

void arch_switch_from(struct cpu *cpu, struct record *r)
{
	if (!r->space && cpu->fpu_owner != r)
		return;
	if (cpu->fpu_owner == r)
		fpu_store(r->fpu);
	arch_tls_store(r);
}

void arch_enter(struct cpu *cpu, bool process)
{
	cpu->tss.ist[0] = process ? cpu->process_top : cpu->kernel_top;
	cr3_load(cpu, process ? cpu->process_cr3 : cpu->kernel_cr3);
}

void arch_switch_to(struct cpu *cpu, struct record *r)
{
	uint64_t kernel_cr3 = kernel_root_phys | (cpu_features.pcid ? CR3_NO_FLUSH : 0);

	cpu->process_top = (uint64_t)&r->process + CONTEXT_TOP;
	cpu->kernel_top = (uint64_t)&r->kernel + CONTEXT_TOP;
	cpu->home_elevated = r->home_elevated;
	cpu->may_elevate = r->home_elevated || policy_allows(MAY_ELEVATE, r->component);
	cpu->process_cr3 = r->space ? space_cr3(cpu, r->space) : kernel_cr3;
	cpu->kernel_cr3 = r->home_elevated ? cpu->process_cr3 : kernel_cr3;
	if (r != cpu->idle)
		msr_write(MSR_GS_BASE, WINDOW_BASE + (r->page_pfn << PAGE_SHIFT));
}
