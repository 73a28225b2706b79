/* SPDX-License-Identifier: MIT */
/*
 * How each CPU is set up: what ring 3 must not be able to do, and what the gates rely on. Most of it has no effect that
 * could be seen before it is too late, so the registers are read (Intel SDM vol. 3, 2.5; vol. 4, 2.1).
 */
#include "registers.h"

#include <test/kernel/ktest.h>

#include <cpuid.h>

enum : uint64_t {
	CR0_EMULATION = 1 << 2,
	CR0_SWITCHED = 1 << 3,
	CR0_WRITE_PROTECT = 1 << 16,
	CR0_ALIGNMENT = 1 << 18,
	CR0_CACHE_DISABLE = 1 << 30,
	CR4_GLOBAL = 1 << 7,
	CR4_COUNTERS = 1 << 8,
	CR4_UMIP = 1 << 11,
	CR4_SMEP = 1 << 20,
	CR4_SMAP = 1 << 21,
	CR4_KEYS = 1 << 22,
	CR4_CET = 1 << 23,
	CR4_SUPERVISOR_KEYS = 1 << 24,
	EFER_SYSCALL = 1 << 0,
	EFER_NO_EXECUTE = 1 << 11,
	DR7_ENABLED = 0xff,
	FLAGS_CLEARED = 1 << 8 | 1 << 9 | 1 << 10 | 3 << 12 | 1 << 14 | 1 << 18, /* TF, IF, DF, IOPL, NT, AC */
};
enum : uint32_t {
	MSR_SYSENTER_CS = 0x174,
	MSR_PAT = 0x277,
	MSR_EFER = 0xc0000080,
	MSR_CSTAR = 0xc0000083,
	MSR_FMASK = 0xc0000084
};

extern const char nucleus_text_start[], nucleus_data_start[];

static bool has(uint64_t value, uint64_t bits)
{
	return (value & bits) == bits;
}

static void control_bits(void)
{
	uint32_t a, b = 0, c = 0, d;

	(void)__get_cpuid_count(7, 0, &a, &b, &c, &d);
	for (uint32_t cpu = 0; cpu < boot_info()->cpu_count; cpu++) {
		run_on(cpu);
		struct control_registers r = read_control_registers();
		bool off = boot_info()->mode == MODE_OFF;

		EXPECT(has(r.cr0, CR0_WRITE_PROTECT));
		EXPECT_EQ(r.cr0 & (CR0_EMULATION | CR0_SWITCHED | CR0_ALIGNMENT | CR0_CACHE_DISABLE), 0);
		/* No page is global, no counter is open, no key or shadow stack that ring 3 could turn against us. */
		EXPECT_EQ(r.cr4 & (CR4_GLOBAL | CR4_COUNTERS | CR4_KEYS | CR4_CET | CR4_SUPERVISOR_KEYS), 0);
		EXPECT_EQ(has(r.cr4, CR4_UMIP), c >> 2 & 1);
		/* Brackets are ring 3's pages: only a kernel that is privileged throughout can have these. */
		EXPECT_EQ(has(r.cr4, CR4_SMEP), off && b >> 7 & 1);
		EXPECT_EQ(has(r.cr4, CR4_SMAP), off && b >> 20 & 1);
		EXPECT_EQ(r.dr7 & DR7_ENABLED, 0);
	}
}

static void gate_registers(void)
{
	for (uint32_t cpu = 0; cpu < boot_info()->cpu_count; cpu++) {
		run_on(cpu);
		uint64_t compatibility = read_model_specific(MSR_CSTAR);

		EXPECT(has(read_model_specific(MSR_EFER), EFER_SYSCALL | EFER_NO_EXECUTE));
		EXPECT_EQ(read_model_specific(MSR_FMASK) & FLAGS_CLEARED, FLAGS_CLEARED);
		/* SYSENTER faults; 32-bit SYSCALL, which cannot be, ends in the nucleus. */
		EXPECT_EQ(read_model_specific(MSR_SYSENTER_CS) & 0xfffc, 0);
		EXPECT(compatibility >= (uint64_t)nucleus_text_start && compatibility < (uint64_t)nucleus_data_start);
		EXPECT_EQ(read_model_specific(MSR_PAT), 0x0007040100070406);
	}
}

/* Lowered code may set these; the nucleus runs and returns without them. */
[[gnu::noinline]] static uint64_t ktest_park_with_flags(uint64_t flags)
{
	uint64_t deadline = ktest_now() + MS, after;

	__asm__ volatile("pushfq\n\torq %2, (%%rsp)\n\tpopfq\n\tcall nucleus_call_gate\n\tpushfq\n\tpopq %0\n\tcld\n\t"
			 "pushq %0\n\tandq %3, (%%rsp)\n\tpopfq"
			 : "=&r"(after), "+D"(deadline)
			 : "r"(flags), "r"(~flags), "a"((uint64_t)NUCLEUS_CALL_park), "S"(0ull)
			 : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	return after;
}

static void flags_stay_outside(void)
{
	static const uint64_t flags[] = {1 << 10, 1 << 14, 1 << 18, 1 << 10 | 1 << 14 | 1 << 18};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		EXPECT_EQ(ktest_park_with_flags(flags[i]) & flags[i], flags[i]);
}

KTEST_SUITE(control, KTEST("control registers", control_bits), KTEST("the gates' registers", gate_registers),
	    KTEST("flags of a caller are not the nucleus's", flags_stay_outside, .modes = IN_FULL));
