/* SPDX-License-Identifier: MIT */
/* Kernel stacks with an unmapped guard below (stack.c). */
#ifndef CORE_STACK_H
#define CORE_STACK_H

#include <kernel/base/thread.h>

struct kernel_stack {
	uint64_t base;		  /* lowest mapped address; 0: none */
	struct thread_kept *kept; /* its thread begins below */
};

[[nodiscard]] int stack_alloc(struct kernel_stack *out);
void stack_free(void *base);

#endif
