/* SPDX-License-Identifier: MIT */
/*
 * Bringing up an x86_64 CPU: features, control registers, descriptor tables, gate registers, its area in the pool; the
 * tables that process views share; the other CPUs. Intel SDM vol. 3, chapters 2, 3, 6; AMD APM vol. 2, 6.1 for SYSCALL.
 */
#include "apic.h"
#include "boot/boot.h"
#include "cpu.h"
#include "frame/frames.h"
#include "gate/account.h"
#include "iommu/iommu.h"
#include "mmu/mmu.h"
#include "regs.h"
#include "report/log.h"
#include "report/report.h"
#include "sched/sched.h"
#include "time/clock.h"
#include <lib/string.h>

extern const char entry_template[], entry_template_end[], entry_compatibility[], trap_stubs[], interrupt_stubs[],
	idle_loop[];
extern const char entry_syscall_full[], entry_syscall_full_account[], entry_syscall_privileged[],
	entry_syscall_privileged_account[];
[[noreturn]] void view_and_stack_switch(uint64_t top, void (*entry)(void), uint64_t cr3);

struct cpu_features cpu_features;
static struct {
	uint16_t offset0, selector;
	uint8_t ist, type;
	uint16_t offset1;
	uint32_t offset2, reserved;
} idt[256];
static_assert(sizeof(idt[0]) == 16);
static uint64_t process_image_entry; /* top-level entry for the image in process views */

void arch_detect_cpu(void)
{
	struct cpu_features *f = &cpu_features;
	uint32_t max = cpuid(0, 0).a;
	struct cpuid_result one = cpuid(1, 0), seven = max >= 7 ? cpuid(7, 0) : (struct cpuid_result){};

	f->pcid = one.c >> 17 & 1;
	f->tsc_deadline = one.c >> 24 & 1;
	f->xsave = one.c >> 26 & 1;
	f->rdrand = one.c >> 30 & 1;
	f->fsgsbase = seven.b & 1;
	f->smep = seven.b >> 7 & 1;
	f->smap = seven.b >> 20 & 1;
	f->umip = seven.c >> 2 & 1;
	f->rdtscp = cpuid(0x80000000, 0).a >= 0x80000001 && (cpuid(0x80000001, 0).d >> 27 & 1);
	f->fpu_bytes = 512;
	f->mxcsr_mask = 0xffff;
	if (f->xsave) {
		struct cpuid_result d = cpuid(13, 0);

		/* x87, SSE, AVX, AVX-512; nothing that ring 3 could turn against the kernel (PKRU), nothing that
		 * outgrows the call area. */
		f->xcr0 = (((uint64_t)d.d << 32) | d.a) & 0xe7;
		if ((f->xcr0 & 0xe0) != 0xe0 || !(f->xcr0 & 4))
			f->xcr0 &= 7;
	}
}

/* Sizes that are known only after XCR0 is set. */
static void detect_fpu_size(void)
{
	if (cpu_features.xsave)
		cpu_features.fpu_bytes = cpuid(13, 0).b;
	if (cpu_features.fpu_bytes > CALL_AREA_BYTES) {
		cpu_features.xcr0 &= 3;
		xcr0_write(cpu_features.xcr0);
		cpu_features.fpu_bytes = cpuid(13, 0).b;
	}
}

static void control_registers(void)
{
	uint64_t cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cr0_write((cr0_read() & ~(CR0_EM | CR0_TS | CR0_AM)) | CR0_WP | CR0_NE | CR0_MP);
	cr4 |= cpu_features.umip ? CR4_UMIP : 0;
	cr4 |= cpu_features.fsgsbase ? CR4_FSGSBASE : 0;
	cr4 |= cpu_features.xsave ? CR4_OSXSAVE : 0;
	/* With lowered code, ring 0 runs brackets in ring-3 pages and the lowered data of the caller: only the
	 * all-privileged mode can have these. */
	if (privilege_mode == MODE_OFF)
		cr4 |= (cpu_features.smep ? CR4_SMEP : 0) | (cpu_features.smap ? CR4_SMAP : 0);
	cr4_write(cr4);
	if (cpu_features.pcid)
		cr4_write(cr4 | CR4_PCIDE);
	if (cpu_features.xsave)
		xcr0_write(cpu_features.xcr0);
	dr7_clear();
	dr6_clear();
}

static void gate_registers(struct cpu *cpu)
{
	msr_write(MSR_EFER, (msr_read(MSR_EFER) | EFER_SCE | EFER_NXE));
	msr_write(MSR_STAR, (uint64_t)SELECTOR_SYSRET << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
	msr_write(MSR_CSTAR, (uint64_t)entry_compatibility);
	msr_write(MSR_FMASK, RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC);
	/* SYSENTER with a null selector faults. */
	msr_write(MSR_SYSENTER_CS, 0);
	arch_select_entry(cpu, false);
	if (cpu_features.rdtscp)
		msr_write(MSR_TSC_AUX, cpu->id);
}

void arch_select_entry(struct cpu *cpu, bool account)
{
	const char *entry = privilege_mode == MODE_FULL
				    ? (account ? entry_syscall_full_account : entry_syscall_full)
				    : (account ? entry_syscall_privileged_account : entry_syscall_privileged);

	cpu->stamp = counter_read();
	msr_write(MSR_LSTAR, cpu_area(cpu->id) + (uint64_t)(entry - entry_template));
}

static void fill_idt(void)
{
	for (unsigned v = 0; v < 256; v++) {
		uint64_t at = v < VECTOR_FIRST_INTERRUPT
				      ? (uint64_t)trap_stubs + v * TRAP_STUB_BYTES
				      : (uint64_t)interrupt_stubs + (v - VECTOR_FIRST_INTERRUPT) * INTERRUPT_STUB_BYTES;
		uint8_t ist = v == 1	? IST_DEBUG
			      : v == 2	? IST_NMI
			      : v == 8	? IST_DOUBLE_FAULT
			      : v == 18 ? IST_MACHINE_CHECK
					: IST_RECORD;
		/* Breakpoint and overflow are the two that programs may raise by INT. */
		uint8_t dpl = v == 3 || v == 4 ? 3 : 0;

		idt[v].offset0 = (uint16_t)at;
		idt[v].offset1 = (uint16_t)(at >> 16);
		idt[v].offset2 = (uint32_t)(at >> 32);
		idt[v].selector = SELECTOR_KERNEL_CODE;
		idt[v].ist = ist;
		idt[v].type = (uint8_t)(0x8e | dpl << 5);
	}
}

static void descriptor_tables(struct cpu *cpu)
{
	struct [[gnu::packed]] {
		uint16_t limit;
		uint64_t base;
	} gdtr = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt}, idtr = {sizeof(idt) - 1, (uint64_t)idt};
	uint64_t tss = (uint64_t)&cpu->tss;

	cpu->gdt[SELECTOR_KERNEL_CODE / 8] = 0x00209b0000000000; /* 64-bit code, DPL 0, accessed */
	cpu->gdt[SELECTOR_KERNEL_DATA / 8] = 0x0000930000000000;
	cpu->gdt[SELECTOR_USER_DATA / 8] = 0x0000f30000000000;
	cpu->gdt[SELECTOR_USER_CODE / 8] = 0x0020fb0000000000;
	cpu->gdt[SELECTOR_TSS / 8] =
		(sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
	cpu->gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;
	cpu->tss.io_bitmap = sizeof(struct tss); /* none: every port is forbidden to ring 3 */
	cpu->tss.ist[IST_DEBUG - 1] = cpu_area(cpu->id) + CPU_DB_STACK_END;
	cpu->tss.ist[IST_NMI - 1] = cpu_area(cpu->id) + CPU_NMI_STACK_END;
	cpu->tss.ist[IST_DOUBLE_FAULT - 1] = cpu_area(cpu->id) + CPU_DF_STACK_END;
	cpu->tss.ist[IST_MACHINE_CHECK - 1] = cpu_area(cpu->id) + CPU_MC_STACK_END;
	__asm__ volatile("lgdt %0" : : "m"(gdtr));
	__asm__ volatile("lidt %0" : : "m"(idtr));
	/* CS by a far return; the data segments are null but SS. */
	__asm__ volatile("pushq %0\n\tleaq 1f(%%rip), %%rax\n\tpushq %%rax\n\tlretq\n1:"
			 :
			 : "i"((uint64_t)SELECTOR_KERNEL_CODE)
			 : "rax", "memory");
	__asm__ volatile("movw %w0, %%ss\n\tmovw %w1, %%ds\n\tmovw %w1, %%es\n\tmovw %w1, %%fs\n\tmovw %w1, %%gs"
			 :
			 : "r"(SELECTOR_KERNEL_DATA), "r"(0)
			 : "memory");
	__asm__ volatile("lldt %w0" : : "r"(0));
	__asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS));
}

/* --- the CPU's area --- */

struct cpu *arch_cpu_create(uint32_t id)
{
	static const uint64_t pages_end[] = {CPU_DB_STACK_END, CPU_NMI_STACK_END, CPU_DF_STACK_END, CPU_MC_STACK_END};
	size_t code = (size_t)(entry_template_end - entry_template);
	void *entry = code <= PAGE_SIZE ? pool_alloc(1) : nullptr;
	uint64_t area = cpu_area(id);

	if (!entry || kernel_view_map(area, pool_phys(entry), 1, PTE_NUCLEUS_TEXT) < 0 ||
	    !kernel_view_map_pool(area + CPU_DATA_OFFSET, 2) || !kernel_view_map_pool(area + CPU_STACK_END - 0x4000, 4))
		return nullptr;
	memcpy(direct_map(pool_phys(entry)), entry_template, code);
	for (unsigned i = 0; i < ARRAY_LEN(pages_end); i++)
		if (!kernel_view_map_pool(area + pages_end[i] - PAGE_SIZE, 1))
			return nullptr;
	return cpu_by_id(id);
}

[[noreturn]] void arch_enter_kernel_view(struct cpu *cpu, void (*next)(void))
{
	uint64_t area = (uint64_t)cpu - CPU_DATA_OFFSET;

	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
	view_and_stack_switch(area + CPU_STACK_END, next, kernel_root_phys);
}

/* What a CPU can say of itself as soon as it is on its own stack. */
static struct cpu *cpu_introduce(void)
{
	struct cpu *cpu = cpu_this();

	cpu->self = cpu;
	cpu->id = (uint32_t)(((uint64_t)cpu - CPU_AREAS_BASE) / CPU_AREA_STRIDE);
	cpu->stack_top = cpu_area(cpu->id) + CPU_STACK_END;
	return cpu;
}

/* --- views --- */

/* Process views show the nucleus half of the image and the pool. The image's tables below the top are the process
 * views' own. */
int arch_view_init(void)
{
	pte_t *root = direct_map(kernel_root_phys);

	process_image_entry = kernel_view_share_image();
	if (!process_image_entry)
		return -1;
	/* The nucleus's own regions are closed to ring 3 from the top as well; in mode off, everything is. */
	for (unsigned i = 256; i < 512; i++) {
		bool nucleus = i == (DIRECT_BASE >> 39 & 511) || i == (POOL_BASE >> 39 & 511);

		if (pte_present(root[i]) && (nucleus || privilege_mode == MODE_OFF))
			root[i] = pte_supervisor_only(root[i]);
	}
	return 0;
}

void arch_fill_process_root(pte_t *root)
{
	const pte_t *kernel = direct_map(kernel_root_phys);

	if (privilege_mode == MODE_FULL) {
		root[POOL_BASE >> 39 & 511] = kernel[POOL_BASE >> 39 & 511];
		root[IMAGE_BASE >> 39 & 511] = process_image_entry;
		return;
	}
	for (unsigned i = 256; i < 512; i++)
		root[i] = pte_supervisor_only(kernel[i]);
}

/*
 * The five bytes to patch begin an aligned word, so that one store exchanges the whole instruction and a CPU that runs
 * there sees the old or the new one. Both are right at any time; interrupts and IRET make the others see it soon (Intel
 * SDM vol. 3, 9.1.3).
 */
void arch_patch_site(void *at, uint64_t address, uint64_t target)
{
	unsigned char code[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00}; /* no-operation */
	int32_t distance = (int32_t)(target - (address + sizeof(code)));
	uint64_t word = *(uint64_t *)at;

	if (target) {
		code[0] = 0xe9; /* jmp rel32 */
		memcpy(code + 1, &distance, sizeof(distance));
	}
	memcpy(&word, code, sizeof(code));
	__atomic_store_n((uint64_t *)at, word, __ATOMIC_SEQ_CST);
}

/* --- bring-up --- */

static void cpu_setup(struct cpu *cpu)
{
	control_registers();
	/* Entries 0 to 3: write-back, write-through, uncached-, uncached (Intel SDM vol. 3, 12.12.4: the reset value);
	 * 4: write-combining; 5 to 7 as 1 to 3. */
	msr_write(MSR_PAT, 0x0007040100070406);
	descriptor_tables(cpu);
	gate_registers(cpu);
	apic_init_cpu();
}

[[noreturn]] void arch_boot(void)
{
	struct cpu *cpu = cpu_introduce();

	fill_idt();
	if (!boot_state.rsdp_phys)
		panic(nullptr,
		      "the loader gave no ACPI root pointer (RSDP), without which no interrupt controller is found");
	control_registers();
	detect_fpu_size();
	descriptor_tables(cpu);
	if (apic_init(boot_state.rsdp_phys) < 0)
		panic(nullptr, "no usable interrupt controllers");
	cpu_setup(cpu);
	clock_init(apic_calibrate());
	boot_state.info->cpu_has_random = cpu_features.rdrand;
	boot_state.info->fpu_state_bytes = cpu_features.fpu_bytes;
	boot_state.info->hwcap = cpuid(1, 0).d;
	boot_state.info->hwcap2 = cpu_features.fsgsbase ? 2 : 0;
	apic_init_pci(boot_state.rsdp_phys);
	iommu_init();
	mp_admit_cpus();
	boot_finish(cpu);
}

[[noreturn]] void arch_join(void)
{
	struct cpu *cpu = cpu_introduce();

	cpu_setup(cpu);
	boot_join(cpu);
}
