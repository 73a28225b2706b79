/* SPDX-License-Identifier: MIT */
/* Alternate signal stacks of the current thread, for sigaltstack(2) and for the architecture's signal frames. */
#ifndef PROCESS_SIGNAL_STACK_H
#define PROCESS_SIGNAL_STACK_H

#include <kernel/process/signal.h>

/* stack_t */
struct signal_stack {
	uint64_t base;
	int32_t flags, padding;
	uint64_t size;
};
static_assert(sizeof(struct signal_stack) == 24);

/* Where the frame of a handler begins to grow down: the alternate stack's top or the interrupted stack, less the
 * `red_zone` bytes that belong to the interrupted function. on_alternate: the handler runs on the alternate stack. */
uint64_t signal_stack_choose(uint64_t sp, uint64_t red_zone, const struct signal_action *a, bool *on_alternate);
/* Whether a frame at `at` is still on the alternate stack. */
bool signal_stack_holds(uint64_t at);
/* What the frame says of it; and what is to be done when the frame is made, and when it comes back. */
struct signal_stack signal_stack_describe(bool on_alternate);
void signal_stack_entered(void);
void signal_stack_restore(const struct signal_stack *stack);

#endif
