/* SPDX-License-Identifier: MIT */
/* Gate accounting: off by default; on, each CPU's entry is replaced by one that counts. */
#ifndef NUCLEUS_ACCOUNT_H
#define NUCLEUS_ACCOUNT_H

struct cpu;
/* Lets the CPU use the entry that fits the switch; on that CPU. */
void account_apply(struct cpu *cpu);
void arch_select_entry(struct cpu *cpu, bool account);

#endif
