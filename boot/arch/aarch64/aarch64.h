/* SPDX-License-Identifier: MIT */
/*
 * aarch64.h - what the files of boot/arch/aarch64 share, the trampoline page among it.
 *
 * Each CPU has a page of its own: trampoline.S at its start, a struct trampoline_data at
 * TRAMPOLINE_DATA. It is entered with the MMU off, or left by the firmware with it on, at EL1 or
 * EL2. Register values from the Arm Architecture Reference Manual (DDI 0487), D19.2.
 */
#pragma once

#define TRAMPOLINE_DATA 0xe00 /* offsets in the page */
/*
 * What the CPU writes while its MMU is off, in cache lines that nothing else is written to: the loader sees it after it
 * has forgotten its own copy. 0: not yet.
 */
#define TRAMPOLINE_SIGN 0xf00
#define SIGN_HERE	1
#define SIGN_TOO_LATE	2

/* Offsets in struct trampoline_data. */
#define TD_HHDM	       0x00 /* where the kernel's tables show this page */
#define TD_TARGET      0x08 /* first CPU: entry point; others: 0 */
#define TD_STACK       0x10 /* top of the CPU's stack, in the HHDM */
#define TD_INFO	       0x18 /* others: struct limine_mp_info_aarch64, in the HHDM */
#define TD_READY       0x20 /* set by a CPU that has arrived */
#define TD_TTBR0       0x28 /* identity mapping of the trampolines */
#define TD_TTBR0_EMPTY 0x30
#define TD_TTBR1       0x38
#define TD_TCR	       0x40
#define TD_ABANDONED   0x48 /* set by the loader when it waits no longer */

/* PROTOCOL.md, "Machine state at entry": MMU, caches, SP alignment checks; the rest reserved values. */
#define SCTLR_EL1_RESERVED 0x30d00800
#define SCTLR_EL1_ENTRY	   (SCTLR_EL1_RESERVED | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12)
#define SCTLR_EL2_RESERVED 0x30c50830
/* Attribute 0: write-back, read and write allocate, non-transient; 1: non-cacheable; 2: device nGnRnE. */
#define MAIR_ENTRY	   0x0044ff
#define MAIR_INDEX_MEMORY  0
#define MAIR_INDEX_SCREEN  1
#define SPSR_EL1T_MASKED   0x3c4
#define SPSR_EL1H_MASKED   0x3c5
#define CPACR_FP	   (3 << 20)
#define HCR_RW		   (1 << 31) /* EL1 is AArch64 */
#define HCR_API_APK	   (3 << 40) /* EL1 may use pointer authentication and its keys */
#define CPTR_EL2_NO_TRAPS  0x32ff    /* reserved ones, without TFP and TZ */

#ifndef __ASSEMBLER__

#include <boot/boot.h>

struct trampoline_data {
	uint64_t hhdm;
	uint64_t target;
	uint64_t stack;
	uint64_t info;
	uint64_t ready;
	uint64_t ttbr0;
	uint64_t ttbr0_empty;
	uint64_t ttbr1;
	uint64_t tcr;
	uint64_t abandoned;
};
static_assert(offsetof(struct trampoline_data, ready) == TD_READY);
static_assert(offsetof(struct trampoline_data, ttbr1) == TD_TTBR1);
static_assert(offsetof(struct trampoline_data, tcr) == TD_TCR);
static_assert(offsetof(struct trampoline_data, abandoned) == TD_ABANDONED);
static_assert(TRAMPOLINE_DATA + sizeof(struct trampoline_data) <= TRAMPOLINE_SIGN);

/* trampoline.S */
extern char trampoline_start[], trampoline_end[], trampoline_first_cpu[];

/* paging.c */
struct paging {
	uint64_t ttbr0; /* the lower half: what arch_map() put there */
	uint64_t ttbr0_empty;
	uint64_t ttbr1;
	uint64_t tcr;
};
void paging_prepare(void);
[[nodiscard]] struct paging paging_registers(void);

/*
 * trampoline.c. A page for one CPU, identity-mapped in the tables that it will load; its address is
 * where the CPU is to start. Only while the firmware gives memory. That of another CPU than the
 * first stays reserved in the memory map: nobody knows for sure when the CPU comes.
 */
[[nodiscard]] char *trampoline_create(enum efi_memory_type type);
[[nodiscard]] struct trampoline_data *trampoline_parameters(char *page);
/* The parameters are final: makes page and parameters visible to a CPU with its caches off. */
void trampoline_publish(char *page);
/*
 * Waits no longer for the CPU of that page: from now on, should it come, it stays on the page for
 * good, MMU off. false: it is just coming, and will be ready in a moment.
 */
[[nodiscard]] bool trampoline_abandon(char *page);
[[noreturn]] void trampoline_enter(char *page);

/* cpu.c: whether so long has passed since arch_ticks() was that. */
[[nodiscard]] bool has_passed(uint64_t ticks, uint64_t us);

#endif
