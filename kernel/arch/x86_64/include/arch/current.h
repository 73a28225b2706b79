/* SPDX-License-Identifier: MIT */
/* The calling thread's page: GS holds its address, the page's first word too. */
#ifndef ARCH_CURRENT_H
#define ARCH_CURRENT_H

#include <nucleus/thread_page.h>

static inline struct thread_page *thread_page_current(void)
{
	struct thread_page *page;

	/* Not volatile: within one thread the answer never changes, so the compiler may reuse it. */
	__asm__("movq %%gs:0, %0" : "=r"(page));
	return page;
}

#endif
