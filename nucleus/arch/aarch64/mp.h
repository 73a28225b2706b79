/* SPDX-License-Identifier: MIT */
/* The loader's multiprocessor response (its structure differs between architectures), and taking over its CPUs. */
#ifndef ARCH_MP_H
#define ARCH_MP_H

#include <stdint.h>

/* Fills boot_state's CPUs; the boot CPU first, hardware_id is the affinity part of MPIDR_EL1. response may be nullptr:
 * one CPU. */
void limine_take_cpus(const volatile void *response);

/* Calls the other CPUs into boot_main_ap, with the loader's struct limine_mp_info_aarch64 in x0. Those that do not
 * come, and those that lack what is in use, are named in the log and are no longer among boot_state's afterwards; of
 * what is left only what all have in common is in use (features.h). arch_start_cpus (boot.h) is implemented beside it.
 */
void mp_admit_cpus(void);

/* On another CPU, with the structure's extra_argument: waits for the number that the CPU will have. Does not return to
 * one that gets none. */
[[nodiscard]] uint32_t mp_await_number(uint32_t place);

#endif
