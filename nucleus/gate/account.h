/* SPDX-License-Identifier: MIT */
/* Gate accounting: off by default; on, each CPU's entry is replaced by one that counts. */
#ifndef NUCLEUS_ACCOUNT_H
#define NUCLEUS_ACCOUNT_H

#include <stdint.h>

struct context;
struct cpu;

enum account_origin { FROM_PROCESS, FROM_LOWERED, FROM_BRACKET, FROM_IDLE };
/* A way into the nucleus that is not one of the gates' short ones; and the one way out of those. */
void account_enter(struct cpu *cpu, enum account_origin origin);
[[noreturn]] void account_resume(struct context *c);
/* Lets the CPU use the entry that fits the switch; on that CPU. */
void account_apply(struct cpu *cpu);
void arch_select_entry(struct cpu *cpu, bool account);
/* Makes every lower() do what the mode, and accounting, ask. Other CPUs may be running there. */
void account_patch_lower_sites(bool account);
/* Makes the instruction at that address of the image, which is reached at `at`, a jump to target; 0: one that does
 * nothing. Both are right at any time. */
void arch_patch_site(void *at, uint64_t address, uint64_t target);

#endif
