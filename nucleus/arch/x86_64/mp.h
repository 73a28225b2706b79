/* SPDX-License-Identifier: MIT */
/* The loader's multiprocessor response (its structure differs between architectures). */
#ifndef ARCH_MP_H
#define ARCH_MP_H

/* Fills boot_state's CPUs; the boot CPU first. response may be nullptr: one CPU. */
void limine_take_cpus(const volatile void *response);

#endif
