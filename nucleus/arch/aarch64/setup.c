/* SPDX-License-Identifier: MIT */
/*
 * Bringing up an aarch64 CPU: features, control registers, its area in the pool, the first switch to the kernel view;
 * then the first CPU goes on to the devices and the other CPUs. DDI 0487, D17.2 for the registers.
 */
#include "boot/boot.h"
#include "cpu.h"
#include "device/pci.h"
#include "features.h"
#include "frame/frames.h"
#include "gate/account.h"
#include "gic.h"
#include "gic_its.h"
#include "iommu/iommu.h"
#include "mmu/mmu.h"
#include "platform.h"
#include "psci.h"
#include "regs.h"
#include "report/log.h"
#include "report/report.h"
#include "sched/sched.h"
#include "switch.h"
#include "time/clock.h"
#include "timer.h"
#include <lib/string.h>

extern const char vectors_full[], vectors_full_account[], vectors_privileged[], vectors_privileged_account[];
extern const char idle_loop[], view_first_switch_physical[];

/* What view_first_switch (entry.S) loads, in its order. */
struct first_switch {
	uint64_t identity_ttbr0, physical;
	uint64_t mair, tcr;
	uint64_t ttbr1, ttbr0;
	uint64_t stack, next;
};
[[noreturn]] void view_first_switch(const struct first_switch *s);

static uint64_t identity_root;

static uint64_t translation_control(void)
{
	/* Of this CPU itself: what one does by hardware another may leave to trap.c. */
	uint64_t range = sysreg_read(id_aa64mmfr0_el1) & 15, updates = sysreg_read(id_aa64mmfr1_el1) & 15;

	return TCR_T0SZ_48 | TCR_IRGN0_WB | TCR_ORGN0_WB | TCR_SH0_INNER | TCR_TG0_4K | TCR_T1SZ_48 | TCR_IRGN1_WB |
	       TCR_ORGN1_WB | TCR_SH1_INNER | TCR_TG1_4K | MIN(range, (uint64_t)5) << TCR_IPS_SHIFT | TCR_TBI0 |
	       (cpu_features.asid16 ? TCR_AS_16 : 0) | (updates >= 1 ? TCR_HA : 0) | (updates >= 2 ? TCR_HD : 0) |
	       /* Faults of EL0 in the upper half that take no time to tell what is there: only where no kernel code
		* runs at EL0. */
	       (cpu_features.e0pd && privilege_mode == MODE_OFF ? TCR_E0PD1 : 0);
}

/*
 * EL0 gets what programs expect of Linux: cache maintenance by address, DC ZVA, CTR_EL0, WFI and WFE. It does not get
 * to mask interrupts, AArch32, memory tags or pointer authentication keys (whose instructions then do nothing).
 * Writable memory is never executable (WXN).
 */
static void control_registers(void)
{
	uint64_t debug = sysreg_read(id_aa64dfr0_el1);

	sysreg_write(sctlr_el1, SCTLR_M | SCTLR_C | SCTLR_SA | SCTLR_SA0 | SCTLR_SED | SCTLR_EOS | SCTLR_I | SCTLR_DZE |
					(cpu_features.unequal_caches ? 0 : SCTLR_UCT) | SCTLR_NTWI | SCTLR_NTWE |
					SCTLR_WXN | SCTLR_TSCXT | SCTLR_EIS |
					/* Exceptions set PAN. Brackets and privileged threads, which use
					 * their caller's data, begin without it: the gates say so. */
					(cpu_features.pan ? 0 : SCTLR_SPAN) | SCTLR_UCI | SCTLR_NTLSMD | SCTLR_LSMAOE);
	if (cpu_features.pan)
		sysreg_write(SYS_PAN, PSTATE_PAN);
	sysreg_write(cpacr_el1, CPACR_FPEN);
	/* No breakpoints, no single step; the OS lock, which holds debug state through power-down, is open. */
	sysreg_write(mdscr_el1, MDSCR_TDCC);
	sysreg_write(osdlr_el1, 0);
	sysreg_write(oslar_el1, 0);
	if (debug >> 8 & 15 && (debug >> 8 & 15) != 15)
		sysreg_write(SYS_PMUSERENR, 0);
	if (sysreg_read(id_aa64pfr0_el1) >> 44 & 15)
		sysreg_write(SYS_AMUSERENR, 0);
	sysreg_write(contextidr_el1, 0);
	sysreg_write(tpidrro_el0, 0);
	isb();
}

void arch_select_entry(struct cpu *cpu, bool account)
{
	const char *vectors = privilege_mode == MODE_FULL ? (account ? vectors_full_account : vectors_full)
							  : (account ? vectors_privileged_account : vectors_privileged);

	cpu->stamp = counter_read();
	sysreg_write(vbar_el1, (uint64_t)vectors);
	isb();
}

/* --- the CPU's area and the first switch --- */

struct cpu *arch_cpu_create(uint32_t id)
{
	uint64_t area = cpu_area(id);

	if (!kernel_view_map_pool(area + CPU_DATA_OFFSET, 2) ||
	    !kernel_view_map_pool(area + CPU_STACK_END - 0x4000, 4) ||
	    !kernel_view_map_pool(area + CPU_FATAL_STACK_END - 0x2000, 2))
		return nullptr;
	return cpu_by_id(id);
}

/* The page of view_first_switch at its physical address, for TTBR0. */
static uint64_t identity_map(void)
{
	uint64_t phys = image_phys((uint64_t)view_first_switch_physical);
	uint64_t root = frame_boot_alloc(PAGE_SIZE);
	/* Two pages: the code may cross a boundary. */
	for (uint64_t at = align_down(phys, PAGE_SIZE), i = 0; root && i < 2; i++, at += PAGE_SIZE) {
		pte_t *e = table_make(root, at, 1, 0);

		if (!e)
			return 0;
		pte_store(e, pte_leaf(at, PTE_NUCLEUS_TEXT, false));
	}
	return root;
}

[[noreturn]] void arch_enter_kernel_view(struct cpu *cpu, void (*next)(void))
{
	struct first_switch s = {
		.physical = image_phys((uint64_t)view_first_switch_physical),
		.mair = MAIR_NORMAL | MAIR_DEVICE | MAIR_NORMAL_UNCACHED,
		.tcr = translation_control(),
		.ttbr1 = kernel_root_phys,
		.ttbr0 = view_empty_ttbr0,
		.stack = (uint64_t)cpu - CPU_DATA_OFFSET + CPU_STACK_END,
		.next = (uint64_t)next,
	};

	/* T1SZ and TG1 in force until then: ours must be the same. */
	if (((sysreg_read(tcr_el1) ^ s.tcr) & (0x3full << 16 | 3ull << 30)) != 0) {
		log_printf("stellux: cannot boot: the loader's translation (TCR_EL1 0x%lx) is not 48 bits by 4 KiB\n",
			   sysreg_read(tcr_el1));
		cpu_halt_forever();
	}
	if (!identity_root)
		identity_root = identity_map();
	if (!identity_root)
		boot_stop("no memory for the first tables");
	s.identity_ttbr0 = identity_root;
	sysreg_write(tpidr_el1, (uint64_t)cpu);
	view_first_switch(&s);
}

/* What a CPU can say of itself as soon as it is on its own stack. */
static struct cpu *cpu_introduce(void)
{
	struct cpu *cpu = cpu_this();

	cpu->id = (uint32_t)(((uint64_t)cpu - CPU_AREAS_BASE) / CPU_AREA_STRIDE);
	cpu->stack_top = cpu_area(cpu->id) + CPU_STACK_END;
	cpu->process_context = cpu->kernel_context = &cpu->fatal;
	arch_select_entry(cpu, false);
	control_registers();
	return cpu;
}

/*
 * An aligned word is exchanged at once, and NOP and B are instructions that may change while another CPU runs them: it
 * does the one or the other, both of which are right at any time (DDI 0487, B2.2.5).
 */
void arch_patch_site(void *at, uint64_t address, uint64_t target)
{
	enum : uint32_t { NOP = 0xd503201f, BRANCH = 0x14000000, OFFSET_MASK = 0x03ffffff };
	uint32_t branch = BRANCH | (uint32_t)((int64_t)(target - address) >> 2 & OFFSET_MASK);

	__atomic_store_n((uint32_t *)at, target ? branch : (uint32_t)NOP, __ATOMIC_SEQ_CST);
	pte_prepare_code(align_down((uint64_t)at - direct_base, PAGE_SIZE));
	pte_prepare_code_end();
}

/* --- bring-up --- */

/* What was done before it was known that other CPUs need more care with caches. */
static void use_common_caches(void)
{
	log_printf("boot: the CPUs' caches are not alike: programs are told of %u and %u bytes a line\n",
		   cpu_features.dcache_line, cpu_features.icache_line);
	control_registers();
	account_patch_lower_sites(false);
}

[[noreturn]] void arch_boot(void)
{
	struct cpu *cpu = cpu_introduce();

	if (platform_init() < 0)
		panic(nullptr, "the firmware's description of the machine is missing or not usable");
	psci_init();
	clock_init(timer_frequency());
	mp_admit_cpus();
	if (cpu_features.unequal_caches)
		use_common_caches();
	if (gic_init() < 0)
		panic(nullptr, "no usable interrupt controller");
	gic_init_cpu();
	timer_init_cpu();
	features_tell(boot_state.info);
	pci_init(platform.ecam, platform.ecam_count);
	gic_its_init();
	iommu_init();
	log_printf("boot: address-space numbers have %d bits\n", cpu_features.asid16 ? 16 : 8);
	boot_finish(cpu);
}

[[noreturn]] void arch_join(void)
{
	struct cpu *cpu = cpu_introduce();

	gic_init_cpu();
	timer_init_cpu();
	boot_join(cpu);
}
