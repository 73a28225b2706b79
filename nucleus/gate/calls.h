/* SPDX-License-Identifier: MIT */
/* The functions behind the nucleus calls, one for each line of calls.def: call_<name>(). Context: nucleus stack,
 * interrupts off. */
#ifndef NUCLEUS_GATE_CALLS_H
#define NUCLEUS_GATE_CALLS_H

#include "frame/frames.h"
#include "sched/sched.h"
#include <nucleus/upcall.h>

#define CALL(name, result, parameters, arguments) result call_##name parameters;
#include "../calls.def"
#undef CALL

/* The calling thread's page through the direct map. What lowered code can write there is data, never a pointer to
 * follow. */
static inline struct thread_page *current_thread_page(void)
{
	return (struct thread_page *)(direct_base + (cpu_this()->current->page_pfn << PAGE_SHIFT));
}

#endif
