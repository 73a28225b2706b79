/* SPDX-License-Identifier: MIT */
/* Parts of thread switching that other aarch64 files of the nucleus use. Interrupts masked. */
#ifndef ARCH_SWITCH_H
#define ARCH_SWITCH_H

#include <stdint.h>

struct space;

/* views.c: TTBR0_EL1 of a space with its address-space number, which is given here if it has none of this generation.
 */
uint64_t view_ttbr0(struct space *s);
extern uint64_t view_empty_ttbr0;   /* the kernel view's: no lower half, the kernel's number */
extern uint64_t view_process_ttbr1; /* of process views */
void view_load(uint64_t ttbr0, uint64_t ttbr1, bool kernel);
/* Drops what this CPU has cached of a page under the number of a TTBR0 value. */
void view_forget_local(uint64_t ttbr0, uint64_t va);
/* The same of the upper half, under all numbers, with what table walks have cached. */
void view_forget_kernel_local(uint64_t va);

#endif
