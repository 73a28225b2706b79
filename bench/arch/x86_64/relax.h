/* SPDX-License-Identifier: MIT */
/* An instruction at which QEMU, when its CPUs take turns on one thread (-icount), goes on with the next CPU. */
#ifndef BENCH_RELAX_H
#define BENCH_RELAX_H

static inline void relax(void)
{
	__asm__ volatile("pause");
}

#endif
