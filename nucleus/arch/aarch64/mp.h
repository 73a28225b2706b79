/* SPDX-License-Identifier: MIT */
/* The loader's multiprocessor response (its structure differs between architectures). */
#ifndef ARCH_MP_H
#define ARCH_MP_H

/* Fills boot_state's CPUs; the boot CPU first, hardware_id is the affinity part of MPIDR_EL1. response may be nullptr:
 * one CPU. arch_start_cpus (boot.h) is implemented beside it: it sends each CPU to nucleus_entry_ap with the loader's
 * struct limine_mp_info_aarch64 in x0, whose extra_argument is the CPU's number. */
void limine_take_cpus(const volatile void *response);

#endif
