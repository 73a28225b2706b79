/* SPDX-License-Identifier: MIT */
/*
 * System registers and instructions of aarch64 (DDI 0487, C5 and D17). "memory" where the compiler must not move
 * accesses across an instruction.
 */
#ifndef ARCH_REGS_H
#define ARCH_REGS_H

#include <stdint.h>

/* By name, or by a macro for the encoding. */
#define sysreg_read(name)	  sysreg_read_(name)
#define sysreg_write(name, value) sysreg_write_(name, value)
#define sysreg_read_(name)                                                                                             \
	({                                                                                                             \
		uint64_t value_;                                                                                       \
		__asm__ volatile("mrs %0, " #name : "=r"(value_) : : "memory");                                        \
		value_;                                                                                                \
	})
#define sysreg_write_(name, value) __asm__ volatile("msr " #name ", %x0" : : "rZ"((uint64_t)(value)) : "memory")

/* Names of registers newer than the assembler's baseline, by their encoding. */
#define SYS_PAN		 s3_0_c4_c2_3
#define SYS_PMUSERENR	 s3_3_c9_c14_0
#define SYS_AMUSERENR	 s3_3_c13_c2_3
#define SYS_ID_AA64MMFR2 s3_0_c0_c7_2

/* SCTLR_EL1, D17.2.118 */
enum : uint64_t {
	SCTLR_M = 1ull << 0,
	SCTLR_C = 1ull << 2,
	SCTLR_SA = 1ull << 3,
	SCTLR_SA0 = 1ull << 4,
	SCTLR_SED = 1ull << 8,
	SCTLR_EOS = 1ull << 11,
	SCTLR_I = 1ull << 12,
	SCTLR_DZE = 1ull << 14,
	SCTLR_UCT = 1ull << 15,
	SCTLR_NTWI = 1ull << 16,
	SCTLR_NTWE = 1ull << 18,
	SCTLR_WXN = 1ull << 19,
	SCTLR_TSCXT = 1ull << 20,
	SCTLR_EIS = 1ull << 22,
	SCTLR_SPAN = 1ull << 23,
	SCTLR_UCI = 1ull << 26,
	SCTLR_NTLSMD = 1ull << 28,
	SCTLR_LSMAOE = 1ull << 29,
};

/* TCR_EL1, D17.2.131: 48-bit halves, 4 KiB granules, tables walked write-back and inner shareable, ASID in TTBR0. */
enum : uint64_t {
	TCR_T0SZ_48 = 16ull << 0,
	TCR_IRGN0_WB = 1ull << 8,
	TCR_ORGN0_WB = 1ull << 10,
	TCR_SH0_INNER = 3ull << 12,
	TCR_TG0_4K = 0ull << 14,
	TCR_T1SZ_48 = 16ull << 16,
	TCR_IRGN1_WB = 1ull << 24,
	TCR_ORGN1_WB = 1ull << 26,
	TCR_SH1_INNER = 3ull << 28,
	TCR_TG1_4K = 2ull << 30,
	TCR_IPS_SHIFT = 32,
	TCR_AS_16 = 1ull << 36,
	TCR_TBI0 = 1ull << 37,
	TCR_HA = 1ull << 39,
	TCR_HD = 1ull << 40,
	TCR_E0PD1 = 1ull << 56,
};

/* MAIR_EL1, D17.2.97, by the index in page-table entries (pte.h). */
enum : uint64_t {
	MAIR_NORMAL = 0xffull << 0, /* write-back, read and write allocate */
	MAIR_DEVICE = 0x04ull << 8, /* nGnRE */
	MAIR_NORMAL_UNCACHED = 0x44ull << 16,
};

/* ESR_EL1, D17.2.37 */
enum exception_class : uint32_t {
	EC_SVC64 = 0x15,
	EC_SYSTEM_REGISTER = 0x18,
	EC_INSTRUCTION_ABORT_EL0 = 0x20,
	EC_INSTRUCTION_ABORT_EL1 = 0x21,
	EC_PC_ALIGNMENT = 0x22,
	EC_DATA_ABORT_EL0 = 0x24,
	EC_DATA_ABORT_EL1 = 0x25,
	EC_SP_ALIGNMENT = 0x26,
	EC_FPU_EXCEPTION = 0x2c,
	EC_BREAKPOINT_EL0 = 0x30,
	EC_STEP_EL0 = 0x32,
	EC_WATCHPOINT_EL0 = 0x34,
	EC_BRK = 0x3c,
};
enum : uint64_t {
	ESR_EC_SHIFT = 26,
	ESR_EC_MASK = 0x3f,
	ESR_WNR = 1ull << 6,  /* data abort: a write */
	ESR_CM = 1ull << 8,   /* data abort: cache maintenance */
	ESR_FNV = 1ull << 10, /* FAR not valid */
	ESR_FSC_MASK = 0x3f,  /* fault status */
	FSC_TYPE_MASK = 0x3c, /* without the level */
	FSC_TRANSLATION = 0x04,
	FSC_ACCESS_FLAG = 0x08,
	FSC_PERMISSION = 0x0c,
	FSC_ALIGNMENT = 0x21,
};

/* PSTATE beyond cpu_offsets.h */
enum : uint64_t {
	PSTATE_NZCV = 0xf0000000,
	PSTATE_SSBS = 1ull << 12,
	PSTATE_PAN = 1ull << 22,
	PSTATE_DIT = 1ull << 24,
	PSTATE_TCO = 1ull << 25, /* EL0 has it wherever there is FEAT_MTE, though tags are not used */
	/* What a process may have set itself, or by a signal frame. */
	PSTATE_USER = PSTATE_NZCV | PSTATE_SSBS | PSTATE_DIT | PSTATE_TCO,
};

/* CPACR_EL1.FPEN: the FPU is used freely at EL0 and EL1; SVE and SME are not. */
enum : uint64_t { CPACR_FPEN = 3ull << 20 };
/* CNTKCTL_EL1: EL0 reads the virtual counter. */
enum : uint64_t { CNTKCTL_EL0VCTEN = 1ull << 1 };
/* MDSCR_EL1: EL0 does not reach the debug communications channel. */
enum : uint64_t { MDSCR_TDCC = 1ull << 12 };
enum : uint64_t { MPIDR_AFFINITY = 0xff00ffffff };

/* Context synchronisation: system-register writes before it hold for what comes after. */
static inline void isb(void)
{
	__asm__ volatile("isb" : : : "memory");
}
/* Stores before it are seen by all CPUs' table walkers before what comes after. */
static inline void dsb_ishst(void)
{
	__asm__ volatile("dsb ishst" : : : "memory");
}
/* Everything before it is complete for the inner shareable domain: accesses, TLB and cache maintenance. */
static inline void dsb_ish(void)
{
	__asm__ volatile("dsb ish" : : : "memory");
}
/* The same for the whole system, device registers included. */
static inline void dsb_sy(void)
{
	__asm__ volatile("dsb sy" : : : "memory");
}
static inline void interrupts_off(void)
{
	__asm__ volatile("msr daifset, #15" : : : "memory");
}
static inline void cpu_relax(void)
{
	/* A hint for multithreaded cores and emulators that this is a spin loop. */
	__asm__ volatile("yield" : : : "memory");
}
[[noreturn]] static inline void cpu_halt_forever(void)
{
	interrupts_off();
	for (;;)
		__asm__ volatile("wfi" : : : "memory");
}
static inline uint64_t counter_read(void)
{
	uint64_t value;

	/* ISB: the read does not move up before earlier instructions (D11.2.1). */
	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
	return value;
}

#endif
