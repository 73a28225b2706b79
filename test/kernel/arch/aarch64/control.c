/* SPDX-License-Identifier: MIT */
/*
 * How each CPU is set up: what EL0 must not be able to do, and what the nucleus relies on. Most of it has no effect
 * that could be seen before it is too late, so the registers are read (DDI 0487, D17.2).
 */
#include "registers.h"

#include <test/kernel/ktest.h>

#include <kernel/vm/page_table_walk.h>

enum : uint64_t {
	SCTLR_UMA = 1 << 9,   /* EL0 masks interrupts */
	SCTLR_ENDB = 1 << 13, /* pointer authentication: keys are not switched */
	SCTLR_UCT = 1 << 15,  /* EL0 reads CTR_EL0 */
	SCTLR_WXN = 1 << 19,  /* writable is not executable */
	SCTLR_SPAN = 1 << 23, /* an exception leaves PAN alone */
	SCTLR_E0E = 1 << 24,
	SCTLR_EE = 1 << 25,
	SCTLR_UCI = 1 << 26, /* EL0 cleans caches */
	SCTLR_ENDA = 1 << 27,
	SCTLR_ENIB = 1 << 30,
	SCTLR_ENIA = 1ull << 31,
	SCTLR_TAGS_EL0 = 1ull << 42,
	SCTLR_M_C_I = 1 << 0 | 1 << 2 | 1 << 12,
	SCTLR_STACKS = 1 << 3 | 1 << 4,
	SCTLR_CLOSED =
		SCTLR_UMA | SCTLR_ENDB | SCTLR_ENDA | SCTLR_ENIB | SCTLR_ENIA | SCTLR_E0E | SCTLR_EE | SCTLR_TAGS_EL0,
	TCR_EPD = 1 << 7 | 1 << 23,
	TCR_A1 = 1 << 22,
	TCR_TBI1 = 1ull << 38,
	TCR_E0PD1 = 1ull << 56,
	CPACR_SVE = 3 << 16,
	CPACR_FPU = 3 << 20,
	CPACR_SME = 3 << 24,
	CPACR_TRACE = 1 << 28,
	MDSCR_STEP = 1 << 0,
	MDSCR_TDCC = 1 << 12, /* EL0 does not reach the debugger's channel */
	MDSCR_KDE_MDE = 1 << 13 | 1 << 15,
	CNTKCTL_EL0_VIRTUAL = 1 << 1,
	CNTKCTL_EL0 = 0x303,
	PAGE_PXN = 1ull << 53,
};

static bool has(uint64_t value, uint64_t bits)
{
	return (value & bits) == bits;
}

static void control_bits(void)
{
	for (uint32_t cpu = 0; cpu < boot_info()->cpu_count; cpu++) {
		run_on(cpu);
		struct control_registers r = read_control_registers();
		struct feature_registers f = read_feature_registers();
		bool pan = f.mmfr1 >> 20 & 15, e0pd = f.mmfr2 >> 60 & 15;

		EXPECT(has(r.sctlr, SCTLR_M_C_I | SCTLR_STACKS | SCTLR_WXN | SCTLR_UCI | SCTLR_UCT));
		EXPECT_EQ(r.sctlr & SCTLR_CLOSED, 0);
		/* An exception sets PAN, so what EL0 can access the nucleus cannot, but by its own map. */
		EXPECT_EQ(has(r.sctlr, SCTLR_SPAN), !pan);
		EXPECT_EQ(r.tcr & (TCR_EPD | TCR_A1 | TCR_TBI1), 0);
		/* Brackets and lowered code are EL0's in the upper half: only a kernel that is privileged throughout
		 * can close it. */
		EXPECT_EQ(has(r.tcr, TCR_E0PD1), e0pd && boot_info()->mode == MODE_OFF);
		EXPECT_EQ(r.cpacr & (CPACR_SVE | CPACR_FPU | CPACR_SME | CPACR_TRACE), CPACR_FPU);
		EXPECT_EQ(r.mdscr & (MDSCR_STEP | MDSCR_TDCC | MDSCR_KDE_MDE), MDSCR_TDCC);
		EXPECT_EQ(r.cntkctl & CNTKCTL_EL0, CNTKCTL_EL0_VIRTUAL);
	}
}

static bool has_pan(void)
{
	return read_feature_registers().mmfr1 >> 20 & 15;
}

/* Privileged kernel code reaches programs' memory by the copy functions only. */
static void privileged_threads_have_pan(void)
{
	EXPECT_EQ(read_pan() >> 22 & 1, 1);
}

static bool has_counters(void)
{
	uint64_t version = read_feature_registers().dfr0 >> 8 & 15;

	return version && version != 15;
}

static void counters_are_closed(void)
{
	for (uint32_t cpu = 0; cpu < boot_info()->cpu_count; cpu++) {
		run_on(cpu);
		EXPECT_EQ(read_counter_access() & 15, 0);
	}
}

/* Whatever a program may do with its page, privileged code never executes it. */
static void pages_of_programs(void)
{
	static const uint32_t prots[] = {MAP_PROT_READ, MAP_PROT_READ | MAP_PROT_WRITE, MAP_PROT_READ | MAP_PROT_EXEC};
	uint32_t s = (uint32_t)nucleus_space_create();
	uint64_t pfn = user_frame(), va = 0x40000000;

	for (unsigned i = 0; i < sizeof(prots) / sizeof(prots[0]); i++) {
		EXPECT_EQ(nucleus_space_map(s, va, pfn, 1, prots[i]), 0);
		EXPECT(has(page_table_lookup((uint64_t)nucleus_space_root(s), va), PAGE_PXN));
		EXPECT_EQ(nucleus_space_unmap(s, va, va + PAGE_SIZE), 0);
	}
	EXPECT_EQ(nucleus_space_destroy(s), 0);
	give_user_frame(pfn);
}

KTEST_SUITE(control, KTEST("control registers", control_bits),
	    KTEST("privileged threads do not reach programs' memory", privileged_threads_have_pan, .modes = IN_OFF,
		  .fits = has_pan),
	    KTEST("performance counters are closed", counters_are_closed, .fits = has_counters),
	    KTEST("programs' pages are not executed with privilege", pages_of_programs));
