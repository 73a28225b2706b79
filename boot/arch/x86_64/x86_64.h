/* SPDX-License-Identifier: MIT */
/*
 * x86_64.h - shared by the x86_64 files of the loader, assembly included.
 *
 * The trampoline is one page below 1 MiB: code, copied from trampoline.S, and at TRAMPOLINE_DATA
 * the parameters below. Every CPU, the first one too, takes the way through it into the state that
 * the protocol prescribes, so that this state does not depend on what the firmware left.
 */
#pragma once

#define TRAMPOLINE_DATA 0xe00 /* offset in the page */

/* Offsets in struct trampoline_data. */
#define TD_HHDM	     0x00 /* where the kernel's tables show this page */
#define TD_TARGET    0x08 /* first CPU: entry point; others: 0 */
#define TD_STACK     0x10 /* top of the CPU's stack, in the HHDM */
#define TD_INFO	     0x18 /* others: struct limine_mp_info_x86_64, in the HHDM */
#define TD_CR3	     0x20
#define TD_PML4	     0x28 /* the same, in the HHDM */
#define TD_EFER	     0x30
#define TD_APIC_BASE 0x34 /* bits to set in IA32_APIC_BASE */
#define TD_READY     0x38 /* set by a CPU once it has taken its parameters */
#define TD_FAR_32    0x40 /* 32-bit offset, selector */
#define TD_FAR_64    0x48
#define TD_GDTR	     0x50 /* limit, 32-bit physical base, for the way */
#define TD_GDTR_HHDM 0x60 /* limit, 64-bit base, to stay */
#define TD_GDT	     0x70

/* Selectors, in the protocol's order. */
#define GDT_CODE_16 0x08
#define GDT_DATA_16 0x10
#define GDT_CODE_32 0x18
#define GDT_DATA_32 0x20
#define GDT_CODE_64 0x28
#define GDT_DATA_64 0x30
#define GDT_ENTRIES 7

#define CR0_PG	  0x80000000
#define CR0_WP	  0x00010000
#define CR0_NE	  0x00000020
#define CR0_ET	  0x00000010
#define CR0_MP	  0x00000002
#define CR0_PE	  0x00000001
#define CR4_PAE	  0x00000020
#define CR4_PCIDE 0x00020000
#define CR4_CET	  0x00800000
#define EFER_LME  0x100
#define EFER_NXE  0x800
#define MSR_EFER  0xc0000080
#define MSR_PAT	  0x277
/* PROTOCOL.md, "Caching": WB, WT, UC-, UC, WP, WC; 6 and 7 as after reset. */
#define PAT_LOW	  0x00070406
#define PAT_HIGH  0x00070105

#ifndef __ASSEMBLER__

#include <boot/boot.h>

struct [[gnu::packed]] trampoline_data {
	uint64_t hhdm;
	uint64_t target;
	uint64_t stack;
	uint64_t info;
	uint64_t cr3;
	uint64_t pml4;
	uint32_t efer;
	uint32_t apic_base;
	uint64_t ready;
	uint32_t far_32;
	uint32_t far_32_selector;
	uint32_t far_64;
	uint32_t far_64_selector;
	uint16_t gdtr_limit;
	uint32_t gdtr_base;
	uint8_t pad[10];
	uint16_t gdtr_hhdm_limit;
	uint64_t gdtr_hhdm_base;
	uint8_t pad2[6];
	uint64_t gdt[GDT_ENTRIES];
};
static_assert(offsetof(struct trampoline_data, efer) == TD_EFER);
static_assert(offsetof(struct trampoline_data, ready) == TD_READY);
static_assert(offsetof(struct trampoline_data, far_64) == TD_FAR_64);
static_assert(offsetof(struct trampoline_data, gdtr_limit) == TD_GDTR);
static_assert(offsetof(struct trampoline_data, gdtr_hhdm_limit) == TD_GDTR_HHDM);
static_assert(offsetof(struct trampoline_data, gdt) == TD_GDT);
static_assert(TRAMPOLINE_DATA + sizeof(struct trampoline_data) <= PAGE);

/* trampoline.S */
extern char trampoline_start[], trampoline_end[], trampoline_first_cpu[], trampoline_64[], trampoline_32[];

/* paging.c */
void paging_prepare(void);
[[nodiscard]] uint64_t paging_root(void);

/* trampoline.c */
void trampoline_prepare(void);
[[nodiscard]] struct trampoline_data *trampoline_parameters(void);
[[noreturn]] void trampoline_enter(uint64_t entry, uint64_t stack);

/* cpu.c */
void wait_us(uint64_t us);

#endif
