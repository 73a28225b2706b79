/* SPDX-License-Identifier: MIT */
/* The calling thread's page: TPIDRRO_EL0 holds its address; lowered code cannot change it. */
#ifndef ARCH_CURRENT_H
#define ARCH_CURRENT_H

#include <nucleus/thread_page.h>

static inline struct thread_page *thread_page_current(void)
{
	struct thread_page *page;

	/* Not volatile: within one thread the answer never changes, so the compiler may reuse it. */
	__asm__("mrs %0, tpidrro_el0" : "=r"(page));
	return page;
}

#endif
