/* SPDX-License-Identifier: MIT */
/* Kernel stacks with an unmapped guard below (stack.c). */
#ifndef CORE_STACK_H
#define CORE_STACK_H

#include <stdint.h>

struct kernel_stack {
	uint64_t base; /* lowest mapped address; 0: none */
	uint64_t top;  /* where a thread begins */
};

[[nodiscard]] int stack_alloc(struct kernel_stack *out);
void stack_free(void *base);

#endif
